//! `/dev/stdout` and `/dev/stderr` for a child of another uid.
//!
//! They are links to the descriptor, and opening one anew is a matter of the mode of what is behind it: a pipe that the
//! runtime made belongs to root and is closed to all others. So everybody is let write to it. Not made over to the uid
//! (`fchown`, as runc does it for one process): of several uids only the last could open it then, and an owner may read
//! back what others wrote. A pipe has no name, so nobody comes near it who does not have it already.
//!
//! Terminals, files and FIFOs do have names. They are opened up only as PID 1, where they are the container's; in front of a
//! shell they are somebody's terminal and somebody's log.

use crate::plan::Program;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::geteuid;
use std::os::fd::{AsFd, BorrowedFd};

/// What the kernel calls the file system of pipes without a name (linux/magic.h); nix has no word for it.
const PIPEFS_MAGIC: FsType = FsType(0x5049_5045);

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
            SFlag::S_IFIFO => is_fifo(fd),
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

/// Whether a pipe is one with a name: all others live in a file system of their own.
fn is_fifo(pipe: BorrowedFd<'_>) -> bool {
    !fstatfs(pipe).is_ok_and(|system| system.filesystem_type() == PIPEFS_MAGIC)
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::OFlag;
    use nix::unistd::{mkfifo, pipe};
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::OpenOptionsExt;

    fn mode(fd: impl AsFd) -> libc::mode_t {
        fstat(fd).unwrap().st_mode & 0o777
    }

    /// A FIFO that only its owner may use.
    fn fifo(name: &str) -> File {
        let path = std::env::temp_dir().join(format!("monopod-{name}-{}", std::process::id()));
        mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let opened = options.open(&path);
        std::fs::remove_file(&path).unwrap();
        opened.unwrap()
    }

    #[test]
    fn a_pipe_without_a_name_is_opened_up_wherever_we_are() {
        for is_pid_1 in [true, false] {
            let (_reader, writer) = pipe().unwrap();
            Reopening::new(is_pid_1).open_up(writer.as_fd()).unwrap();
            assert_eq!(mode(&writer), 0o622);
        }
    }

    #[test]
    fn a_fifo_is_somebodys_and_opened_up_as_pid_1_only() {
        for (is_pid_1, expected) in [(true, 0o622), (false, 0o600)] {
            let fifo = fifo(&format!("reopen-{is_pid_1}"));
            Reopening::new(is_pid_1).open_up(fifo.as_fd()).unwrap();
            assert_eq!(mode(&fifo), expected, "as PID 1: {is_pid_1}");
        }
    }
}
