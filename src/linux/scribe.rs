//! Writes the log's lines where the core must not: into a pipe that programs have too.
//!
//! Whoever has a pipe can hold its lock for as long as it likes, by a splice that sleeps; everybody who writes to it
//! then sleeps too, with O_NONBLOCK or RWF_NOWAIT and all, and not even SIGKILL wakes them. A PID 1 that sleeps so hears
//! nothing, and its container cannot be ended. So where standard error is a pipe, and programs may live, lines go to a
//! process that may sleep, by a socket that nobody else has. It is forked for the first line: who has nothing to say
//! has none.
//!
//! It must never be waited for, but a little towards the end ([`finish`]). Where it cannot be had, for want of processes
//! say, lines are written as ever: that such a want is told matters more.
//!
//! What surprised us: `kill(-1)` is for the scribe as well, with what it has not written yet. So it is let finish before
//! that, and the hands strike first and speak afterwards.

use crate::descriptors;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair,
};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// What a scribe may take for its last lines: long for a reader that reads, short for whoever waits for our end.
const LAST_LINES_MS: i32 = 200;

/// Ours. A fork without exec has a copy of it, and is not the one that engaged: it writes by itself.
static DESK: Mutex<Desk> = Mutex::new(Desk {
    engaged_by: 0,
    scribe: None,
});

struct Desk {
    /// 0: nobody.
    engaged_by: u32,
    scribe: Option<Scribe>,
}

struct Scribe {
    pid: libc::pid_t,
    line: OwnedFd,
}

fn with_desk<T>(act: impl FnOnce(&mut Desk) -> T) -> T {
    act(&mut DESK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on programs may live.
pub fn engage() {
    if is_pipe(2) {
        with_desk(|desk| desk.engaged_by = std::process::id());
    }
}

/// Gives the scribe a line. False if it has too many to write already; `None` if there is none to be had, and whoever has
/// the line may write it.
pub fn tell(line: &[u8]) -> Option<bool> {
    with_desk(|desk| {
        if desk.engaged_by != std::process::id() {
            return None;
        }
        // A second time for a scribe that turns out to be gone.
        (0..2).find_map(|_| {
            if desk.scribe.is_none() {
                desk.scribe = Scribe::fork().ok();
            }
            match desk.scribe.as_ref()?.tell(line) {
                Ok(_) => Some(true),
                Err(Errno::EAGAIN) => Some(false),
                Err(_) => {
                    desk.scribe = None;
                    None
                }
            }
        })
    })
}

/// The scribe's process, which the sweep spares as long as it can.
pub fn pid() -> Option<libc::pid_t> {
    with_desk(|desk| {
        desk.scribe
            .as_ref()
            .filter(|it| it.lives())
            .map(|it| it.pid)
    })
}

/// The line to it, which is to stay open.
pub fn descriptor() -> Option<RawFd> {
    with_desk(|desk| desk.scribe.as_ref().map(|scribe| scribe.line.as_raw_fd()))
}

/// Waits until the last line is written, but not for long: before we leave, and before SIGKILL goes to all, which as PID 1
/// cannot spare the scribe.
pub fn finish() {
    let Some(scribe) = with_desk(|desk| desk.scribe.take()) else {
        return;
    };
    let _ = shutdown(scribe.line.as_raw_fd(), Shutdown::Write);
    let mut polled = libc::pollfd {
        fd: scribe.line.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one element, which outlives the call. All signals are blocked, so it ends with the scribe or the time.
    unsafe { libc::poll(&mut polled, 1, LAST_LINES_MS) };
    scribe.collect();
}

impl Scribe {
    fn fork() -> Result<Scribe, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (line, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        // SAFETY: no flags, so this is a fork, which the core's waitpid(-1) does not see; no pointer is passed, and all
        // arguments being zero, their order does not matter. The child has the one thread that called, and leaves by
        // _exit without running anything of the caller's.
        match Errno::result(unsafe {
            libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize)
        })? {
            0 => {
                drop(line);
                write_down(&its);
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Scribe {
                pid: pid as libc::pid_t,
                line,
            }),
        }
    }

    fn tell(&self, line: &[u8]) -> Result<usize, Errno> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.line.as_raw_fd(), line, flags)
    }

    fn lives(&self) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        recv(self.line.as_raw_fd(), &mut [0], flags) == Err(Errno::EAGAIN)
    }

    fn collect(&self) {
        // SAFETY: a null status is allowed: how it ended is of no interest.
        unsafe {
            libc::waitpid(
                self.pid,
                std::ptr::null_mut(),
                libc::__WCLONE | libc::WNOHANG,
            )
        };
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.collect();
    }
}

/// The scribe's main: until nobody is left who could tell it anything.
fn write_down(line: &OwnedFd) {
    let _ = prctl::set_name(c"monopod-log");
    let _ = nix::unistd::chdir("/");
    // Whoever waits for the end of our standard output is not to wait for this.
    for fd in [0, 1] {
        let _ = nix::unistd::close(fd);
    }
    let _ = descriptors::close_all_but(vec![line.as_raw_fd()]);
    let mut buffer = [0; super::standard::LONGEST_LINE_BYTES];
    while let Ok(length @ 1..) = recv(line.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
        write(&buffer[..length]);
    }
}

/// A child may have set O_NONBLOCK for all who share the pipe; a reader that is gone gets no line.
fn write(line: &[u8]) {
    let mut polled = libc::pollfd {
        fd: 2,
        events: libc::POLLOUT,
        revents: 0,
    };
    loop {
        // SAFETY: the slice outlives the call.
        let written = unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
        if written >= 0 || Errno::last() != Errno::EAGAIN {
            return;
        }
        // SAFETY: one element, which outlives the call.
        unsafe { libc::poll(&mut polled, 1, -1) };
    }
}

fn is_pipe(fd: RawFd) -> bool {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call, which takes no lock of the pipe.
    unsafe { libc::fstat(fd, &mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFIFO }
}
