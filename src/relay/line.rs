//! The line between the core and its relay. Nothing is said on it but "look": what there is to see stands in the shared
//! pages. That it ends tells each side that the other is gone.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// One end.
#[derive(Debug)]
pub struct Line {
    fd: OwnedFd,
}

/// Two ends. Neither survives an exec, neither ever blocks.
pub fn pair() -> Result<(Line, Line), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Line { fd: one }, Line { fd: other }))
}

impl Line {
    /// "Look." If it finds no room, there is one waiting already.
    pub fn say(&self) {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = send(self.fd.as_raw_fd(), &[1], flags);
    }

    /// Takes all that was said: whether anything was, and whether the other side is still there.
    pub fn hear(&self) -> (bool, bool) {
        let (mut word, mut spoke) = ([0], false);
        loop {
            match recv(self.fd.as_raw_fd(), &mut word, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return (spoke, false),
                Ok(_) => spoke = true,
                Err(errno) => return (spoke, matches!(errno, Errno::EAGAIN | Errno::EINTR)),
            }
        }
    }

    /// The descriptor, to wait for.
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
