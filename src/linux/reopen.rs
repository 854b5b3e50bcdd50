//! `/dev/stdout` and `/dev/stderr` for a child of another uid.
//!
//! They are links to the descriptor, and opening one anew is a matter of the mode of what is behind it: a pipe that the
//! runtime made belongs to root and is closed to all others. So everybody is let write to it. Not made over to the uid
//! (`fchown`, as runc does it for one process): of several uids only the last could open it then, and an owner may read
//! back what others wrote. A pipe has no name, so nobody comes near it who does not have it already.
//!
//! Terminals and files do have names. They are opened up only as PID 1, where they are the container's; in front of a
//! shell they are somebody's terminal and somebody's log.

use crate::plan::Program;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::unistd::geteuid;
use std::os::fd::{AsFd, BorrowedFd};

const WRITABLE_BY_ALL: libc::mode_t = 0o222;

/// Opens the way to standard output and error for those that need it.
#[derive(Debug)]
pub struct Reopening {
    is_pid_1: bool,
    /// What could not be done was said.
    has_complained: [bool; 2],
}

impl Reopening {
    /// Nothing was needed yet.
    pub fn new(is_pid_1: bool) -> Reopening {
        Reopening {
            is_pid_1,
            has_complained: [false; 2],
        }
    }

    /// Before `program` is forked, for the descriptors 1 and 2 that it will inherit.
    pub fn prepare(&mut self, program: &Program) {
        if !is_another(program) {
            return;
        }
        // SAFETY: both are open, if only as what fills a hole, and nobody closes them.
        let inherited = unsafe { [BorrowedFd::borrow_raw(1), BorrowedFd::borrow_raw(2)] };
        for (place, fd) in inherited.into_iter().enumerate() {
            let Err(errno) = self.open_up(fd) else {
                continue;
            };
            if !std::mem::replace(&mut self.has_complained[place], true) {
                let (link, name) = (["/dev/stdout", "/dev/stderr"][place], &program.name);
                let why = errno.desc().to_ascii_lowercase();
                log::warn!("{name} cannot open {link}: {why}; writing to the descriptor works");
            }
        }
    }

    fn open_up(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let Ok(stat) = fstat(fd) else { return Ok(()) };
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        let has_name = match kind {
            SFlag::S_IFIFO => false,
            SFlag::S_IFREG | SFlag::S_IFCHR => true,
            // What fills a hole, and whatever else nobody can open. Before a socket, output is relayed.
            _ => return Ok(()),
        };
        match has_name && !self.is_pid_1 {
            true => Ok(()),
            false => let_all_write(fd, &stat),
        }
    }
}

/// The same for a pipe of our own.
pub fn prepare_kept(program: &Program, ends: [BorrowedFd<'_>; 2]) {
    if is_another(program) {
        for end in ends {
            // Ours, and just made: there is nobody who could refuse.
            let _ = fstat(end).and_then(|stat| let_all_write(end, &stat));
        }
    }
}

fn is_another(program: &Program) -> bool {
    let own = geteuid().as_raw();
    program.identity.uid.is_some_and(|uid| uid != own)
}

fn let_all_write(fd: impl AsFd, stat: &FileStat) -> Result<(), Errno> {
    match stat.st_mode & WRITABLE_BY_ALL == WRITABLE_BY_ALL {
        true => Ok(()),
        false => fchmod(fd, Mode::from_bits_truncate(stat.st_mode | WRITABLE_BY_ALL)),
    }
}
