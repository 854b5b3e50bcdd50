//! Standard input, output and error of the core itself.
//!
//! Two worries. A descriptor 0, 1 or 2 that is closed at start would be given to the next thing opened, a status pipe
//! say, and a child would inherit it as its standard output: so the holes are filled first of all. And a log line must
//! never stop PID 1, whoever has stopped reading: so lines are written without waiting, or dropped; and where even that
//! could be made to wait, the [`scribe`](super::scribe) writes them.
//!
//! What surprised us: `poll` before `write` is not enough, for a child may fill the same pipe in between; and O_NONBLOCK
//! is no way out, because it would be set for the child too, which shares the open file.

use super::scribe;
use nix::errno::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// A line longer than this could be torn apart by other writers of the same pipe (PIPE_BUF, pipe(7)).
pub(super) const LONGEST_LINE_BYTES: usize = 4096;

/// Fills the holes at 0, 1 and 2 with descriptors that are good for nothing and close at exec, so that children find
/// them closed, as they would without monopod.
pub fn fill_holes() {
    for fd in 0..=2 {
        // SAFETY: asks about a number.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0 {
            continue;
        }
        // The lowest free number is this hole. An epoll descriptor needs no /dev/null, and reads and writes fail on it.
        //
        // SAFETY: opens a descriptor that nobody else knows of; it stays open for ever on purpose.
        unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    }
}

/// Whether 1 and 2 are terminals whose user has not said that colours are unwelcome (no-color.org).
pub fn colours() -> [bool; 2] {
    let unwelcome = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // SAFETY: asks about a number.
    [1, 2].map(|fd| !unwelcome && unsafe { libc::isatty(fd) } == 1)
}

/// Standard error for the log.
#[derive(Default)]
pub struct Stderr {
    /// Makes the line that tells so many lines were lost; without it nobody is told.
    notice: Option<Box<dyn Fn(u64) -> Vec<u8> + Send>>,
    /// Lines that were dropped since the last one that was written.
    lost: u64,
}

impl Stderr {
    /// With a line in the voice of the log for lines that were lost.
    pub fn telling(notice: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Stderr {
        Stderr {
            notice: Some(Box::new(notice)),
            lost: 0,
        }
    }
}

impl io::Write for Stderr {
    /// Writes at once or not at all; says that all was written in either case, for nobody could do better. What was
    /// dropped is counted, and told before the next line that finds room.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lost > 0 {
            let notice = self.notice.as_ref();
            if notice.is_none_or(|notice| write_at_once(&notice(self.lost))) {
                self.lost = 0;
            }
        }
        if self.lost > 0 || !write_at_once(line) {
            self.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_at_once(line: &[u8]) -> bool {
    let cut = &line[..line.len().min(LONGEST_LINE_BYTES)];
    if let Some(told) = scribe::tell(cut) {
        return told;
    }
    let part = libc::iovec {
        iov_base: cut.as_ptr().cast_mut().cast(),
        iov_len: cut.len(),
    };
    // Offset -1 is "as write does"; on 64-bit machines it is one argument and the high half is not looked at.
    //
    // SAFETY: the slice outlives the call, which only reads it.
    let mut written = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            2_usize,
            &raw const part,
            1_usize,
            -1_isize,
            -1_isize,
            libc::RWF_NOWAIT as usize,
        )
    };
    // Terminals and kernels before 6.4 know no RWF_NOWAIT. There, ask first: the gap that is left is the width of two
    // system calls. A file may know it and still say no; a file stalls nobody.
    let may_wait = written < 0
        && match Errno::last() {
            Errno::EOPNOTSUPP => has_room(),
            Errno::EAGAIN => is_file(),
            _ => false,
        };
    if may_wait {
        // SAFETY: as above.
        written = unsafe { libc::write(2, cut.as_ptr().cast(), cut.len()) } as libc::c_long;
    }
    written >= 0
}

fn is_file() -> bool {
    // SAFETY: 2 is not closed while we live; what is behind it is only asked about.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    nix::sys::stat::fstat(stderr).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG)
}

fn has_room() -> bool {
    let mut polled = libc::pollfd {
        fd: 2,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one element, which outlives the call; returns at once.
    unsafe { libc::poll(&mut polled, 1, 0) == 1 && polled.revents & libc::POLLOUT != 0 }
}
