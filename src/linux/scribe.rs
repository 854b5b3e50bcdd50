//! Writes the log's lines where the core must not: into anything that programs or people could make it wait for.
//!
//! Whoever has a pipe can hold its lock for as long as it likes, by a splice that sleeps; everybody who writes to it
//! then sleeps too, with O_NONBLOCK or RWF_NOWAIT and all, and not even SIGKILL wakes them. A terminal that has room for a
//! part of a line waits with the rest. A PID 1 that sleeps so hears nothing, and its container cannot be ended. So unless
//! standard error is a file, and once programs may live, lines go into a queue that nobody else has, and a process that may
//! sleep takes them out and writes them. It is forked for the first line: who has nothing to say has none.
//!
//! The core must never write a line itself while programs live, not even for want of a scribe: whoever holds the lock may
//! have used up the processes, too. The line waits in the queue until there is one. And it must never wait for it, but a
//! little at the very end ([`finish`]).
//!
//! What surprised us: as the queue is the core's, and the scribe takes out a line after it has written it, a scribe that is
//! killed, by SIGKILL to all say, loses nothing. Once in a while it says a line twice.

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
    queue: None,
    scribe: None,
});

struct Desk {
    /// 0: nobody.
    engaged_by: u32,
    queue: Option<Queue>,
    scribe: Option<libc::pid_t>,
}

/// Lines go in at one end and come out at the other; both are kept here, so that it outlives any scribe.
struct Queue {
    into: OwnedFd,
    out: OwnedFd,
}

fn with_desk<T>(act: impl FnOnce(&mut Desk) -> T) -> T {
    act(&mut DESK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on programs may live.
pub fn engage() {
    if may_wait(2) {
        with_desk(|desk| desk.engaged_by = std::process::id());
    }
}

/// Has a line written. False if it is lost, because too many wait already; `None` if that is not our business, and
/// whoever has the line may write it.
pub fn tell(line: &[u8]) -> Option<bool> {
    with_desk(|desk| {
        if desk.engaged_by != std::process::id() {
            return None;
        }
        if desk.queue.is_none() {
            desk.queue = Queue::new().ok();
        }
        let is_queued = desk.queue.as_ref().is_some_and(|queue| queue.put(line));
        desk.keep_scribe();
        Some(is_queued)
    })
}

/// Tries again to have a scribe where one was refused.
pub fn catch_up() {
    with_desk(|desk| {
        if desk.queue.is_some() && desk.scribe.is_none() {
            desk.keep_scribe();
        }
    });
}

/// The scribe's process, which the sweep spares as long as it can, and which is not to stay stopped.
pub fn pid() -> Option<libc::pid_t> {
    with_desk(|desk| desk.living_scribe())
}

/// What is to stay open.
pub fn descriptors() -> Vec<RawFd> {
    with_desk(|desk| {
        let ends = desk
            .queue
            .iter()
            .flat_map(|queue| [&queue.into, &queue.out]);
        ends.map(AsRawFd::as_raw_fd).collect()
    })
}

/// The last act of the program: waits until the last line is written, but not for long.
pub fn finish() {
    with_desk(|desk| {
        desk.keep_scribe();
        let (Some(Queue { into, out }), scribe) = (desk.queue.take(), desk.scribe.take()) else {
            return;
        };
        let _ = shutdown(into.as_raw_fd(), Shutdown::Write);
        let Some(scribe) = scribe else {
            // As PID 1, nobody is left who could hold us up. Else we are one of many who write there.
            return write_down(&out);
        };
        drop(out);
        let mut polled = libc::pollfd {
            fd: into.as_raw_fd(),
            events: 0,
            revents: 0,
        };
        // SAFETY: one element, which outlives the call. All signals are blocked, so it ends with the scribe or the time.
        unsafe { libc::poll(&mut polled, 1, LAST_LINES_MS) };
        has_ended(scribe);
    });
}

impl Desk {
    /// Forks a scribe unless one lives. Refused: whatever is in the queue stays there.
    fn keep_scribe(&mut self) {
        if self.living_scribe().is_none() {
            let queue = self.queue.as_ref();
            self.scribe = queue.and_then(|queue| queue.fork_scribe().ok());
        }
    }

    fn living_scribe(&mut self) -> Option<libc::pid_t> {
        self.scribe = self.scribe.filter(|scribe| !has_ended(*scribe));
        self.scribe
    }
}

impl Queue {
    fn new() -> Result<Queue, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (into, out) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok(Queue { into, out })
    }

    fn put(&self, line: &[u8]) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.into.as_raw_fd(), line, flags).is_ok()
    }

    fn fork_scribe(&self) -> Result<libc::pid_t, Errno> {
        // SAFETY: no flags, so this is a fork, which the core's waitpid(-1) does not see; no pointer is passed, and all
        // arguments being zero, their order does not matter. The child has the one thread that called, and leaves by
        // _exit without running anything of the caller's.
        match Errno::result(unsafe {
            libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize)
        })? {
            0 => {
                become_scribe(&self.out);
                write_down(&self.out);
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(pid as libc::pid_t),
        }
    }
}

/// Whether it is gone; then it is collected. How it ended is of no interest.
fn has_ended(scribe: libc::pid_t) -> bool {
    let options = libc::__WCLONE | libc::WNOHANG;
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(scribe, std::ptr::null_mut(), options) != 0 }
}

fn become_scribe(queue: &OwnedFd) {
    let _ = prctl::set_name(c"monopod-log");
    let _ = nix::unistd::chdir("/");
    // Whoever waits for the end of our standard output is not to wait for this.
    for fd in [0, 1] {
        let _ = nix::unistd::close(fd);
    }
    let _ = descriptors::close_all_but(vec![queue.as_raw_fd()]);
}

/// Until nobody is left who could say anything. A line is taken out when it was written.
fn write_down(queue: &OwnedFd) {
    let mut buffer = [0; super::standard::LONGEST_LINE_BYTES];
    while let Ok(length @ 1..) = recv(queue.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK) {
        write(&buffer[..length]);
        let _ = recv(queue.as_raw_fd(), &mut [], MsgFlags::MSG_TRUNC);
    }
}

/// A child may have set O_NONBLOCK for all who share the pipe; a reader that is gone gets no line.
fn write(mut line: &[u8]) {
    let mut polled = libc::pollfd {
        fd: 2,
        events: libc::POLLOUT,
        revents: 0,
    };
    while !line.is_empty() {
        // SAFETY: the slice outlives the call.
        let written = unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
        match usize::try_from(written) {
            // Terminals and sockets take a part.
            Ok(count) => line = &line[count.min(line.len())..],
            Err(_) if Errno::last() == Errno::EAGAIN => {
                // SAFETY: one element, which outlives the call.
                unsafe { libc::poll(&mut polled, 1, -1) };
            }
            Err(_) => return,
        }
    }
}

/// Whether writing there may have to wait for somebody: for pipes, sockets and terminals. Not for files and the like of
/// /dev/null.
fn may_wait(fd: RawFd) -> bool {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call, which takes no lock of a pipe; the other asks about a number.
    unsafe {
        libc::fstat(fd, &mut stat) == 0
            && match stat.st_mode & libc::S_IFMT {
                libc::S_IFIFO | libc::S_IFSOCK => true,
                libc::S_IFCHR => libc::isatty(fd) == 1,
                _ => false,
            }
    }
}
