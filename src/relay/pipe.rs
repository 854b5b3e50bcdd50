//! A pipe of which we hold both ends, and the few calls on pipes that tell exactly what happened.
//!
//! What surprised us: how many bytes a pipe holds (FIONREAD) is the one piece of progress that the kernel keeps for us
//! whatever happens to the process. In a pipe that only we fill and empty, it says after a SIGKILL how far a read or a
//! write had come.
//!
//! And that this question may never be answered. Whoever has a pipe can hold its mutex for as long as he likes, with a
//! splice(2) into it from a socket that says nothing. FIONREAD, read, write, splice and F_SETPIPE_SZ then wait, O_NONBLOCK
//! or not, and no signal wakes them up; `poll` alone takes no mutex. So the core makes none of these calls on a pipe that
//! anybody else has, nor on one that a relay may be using.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Both ends.
#[derive(Debug)]
pub struct Pipe {
    /// Where bytes come out.
    pub out: OwnedFd,
    /// Where they go in.
    pub into: OwnedFd,
}

impl Pipe {
    /// A pipe that closes at exec and holds `bytes`, or as many as the kernel grants.
    pub fn new(flags: OFlag, bytes: usize) -> Result<Pipe, Errno> {
        let (out, into) = pipe2(flags | OFlag::O_CLOEXEC)?;
        // Refused to a user who holds many pipes already; a small pipe is a slow one and nothing worse.
        // SAFETY: plain numbers.
        unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, bytes as libc::c_int) };
        Ok(Pipe { out, into })
    }
}

/// Whether anything waits in the pipe; takes no lock.
pub fn is_readable(out: RawFd) -> bool {
    let mut polled = libc::pollfd {
        fd: out,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one element, which outlives the call; returns at once.
    unsafe { libc::poll(&mut polled, 1, 0) == 1 && polled.revents & libc::POLLIN != 0 }
}

/// How many bytes wait in the pipe. Never in the core.
pub fn held(out: RawFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    let asked = unsafe { libc::ioctl(out, libc::FIONREAD, &raw mut bytes) };
    if asked < 0 { 0 } else { bytes as usize }
}

/// Moves up to `most` bytes from one pipe into another, or anything else, without waiting for either pipe.
pub fn splice(from: RawFd, to: RawFd, most: usize) -> Result<usize, Errno> {
    // SAFETY: plain numbers; no offsets.
    let moved = unsafe {
        libc::splice(
            from,
            std::ptr::null_mut(),
            to,
            std::ptr::null_mut(),
            most,
            libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE,
        )
    };
    Errno::result(moved).map(|moved| moved as usize)
}

/// read(2)
pub fn read(from: RawFd, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the slice outlives the call.
    let count = unsafe { libc::read(from, to.as_mut_ptr().cast(), to.len()) };
    Errno::result(count).map(|count| count as usize)
}

/// pread(2)
pub fn read_at(from: RawFd, to: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let offset = offset as libc::off_t;
    // SAFETY: the slice outlives the call.
    let count = unsafe { libc::pread(from, to.as_mut_ptr().cast(), to.len(), offset) };
    Errno::result(count).map(|count| count as usize)
}

/// write(2)
pub fn write(to: RawFd, from: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the slice outlives the call.
    let count = unsafe { libc::write(to, from.as_ptr().cast(), from.len()) };
    Errno::result(count).map(|count| count as usize)
}
