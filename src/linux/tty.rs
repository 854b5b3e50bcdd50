//! The terminal: whose foreground it is, and handing it over.
//!
//! tini's way for one foreground child: it gets a group of its own and that group the foreground, so Ctrl-C and Ctrl-Z
//! go to the command and not to PID 1. But only what we have can be handed over: an init that was started in the
//! background must not take the terminal from the shell that it belongs to.
//!
//! What surprised us: in a PID namespace, the foreground group and our own may both be group 0 ("outside"). They are
//! compared, not looked at.

use std::os::fd::{AsRawFd, OwnedFd};

/// The controlling terminal as it was when monopod started.
#[derive(Debug)]
pub struct Terminal {
    /// Open if monopod was in the foreground.
    held: Option<Held>,
}

#[derive(Debug)]
enum Held {
    Standard(i32),
    Opened(OwnedFd),
}

impl Terminal {
    /// Looks for it: standard input, output and error first, then /dev/tty, for all three may be redirected.
    pub fn find() -> Terminal {
        let standard = (0..=2).find(|fd| is_foreground(*fd)).map(Held::Standard);
        Terminal {
            held: standard.or_else(open_tty),
        }
    }

    /// In the child: makes its group the foreground group. SIGTTOU is blocked then, so the kernel lets it.
    pub fn hand_over(&self) {
        let Some(fd) = self.fd() else { return };
        // A terminal that went away meanwhile is no reason not to run.
        //
        // SAFETY: plain numbers.
        unsafe { libc::tcsetpgrp(fd, libc::getpgrp()) };
    }

    fn fd(&self) -> Option<i32> {
        match &self.held {
            None => None,
            Some(Held::Standard(fd)) => Some(*fd),
            Some(Held::Opened(fd)) => Some(fd.as_raw_fd()),
        }
    }

    /// In the parent: takes the foreground back from a group whose leader has ended, or Ctrl-C would go to nobody while
    /// the next step is awaited. Only from that group: whoever else has it, has it rightly.
    pub fn take_back(&self, group: i32) {
        let Some(fd) = self.fd() else { return };
        // SAFETY: plain numbers.
        unsafe {
            if libc::tcgetpgrp(fd) == group {
                libc::tcsetpgrp(fd, libc::getpgrp());
            }
        }
    }

    /// In the parent: gives the terminal up, so that the child's session can have it. The SIGHUP and SIGCONT that this
    /// sends to ourselves are known by their sender and not handed on.
    pub fn let_go(&self) {
        // SAFETY: takes no argument; fails where there is no terminal.
        unsafe { libc::ioctl(0, libc::TIOCNOTTY) };
    }

    /// In the child, as leader of a new session: takes the terminal on standard input, if there is one.
    pub fn take(&self) {
        // SAFETY: its argument is a number, 0: take it from nobody by force.
        unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    }

    /// The descriptor that was opened for it.
    pub fn descriptor(&self) -> Option<i32> {
        match &self.held {
            Some(Held::Opened(fd)) => Some(fd.as_raw_fd()),
            Some(Held::Standard(_)) | None => None,
        }
    }
}

fn open_tty() -> Option<Held> {
    let flags =
        nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NOCTTY;
    let fd = nix::fcntl::open("/dev/tty", flags, nix::sys::stat::Mode::empty()).ok()?;
    is_foreground(fd.as_raw_fd()).then_some(Held::Opened(fd))
}

fn is_foreground(fd: i32) -> bool {
    // SAFETY: plain numbers.
    let (foreground, own) = unsafe { (libc::tcgetpgrp(fd), libc::getpgrp()) };
    foreground >= 0 && foreground == own
}
