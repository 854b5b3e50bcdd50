//! What the helper gives up before it hears the first byte from a stranger.
//!
//! The steps, and why in this order:
//!
//! 1. **Die with the core.** Until this holds, a core that dies leaves a helper behind that keeps the port.
//! 2. **A session of its own**: nothing that is done to the terminal or to the core's process group reaches it.
//! 3. **The root directory**: it pins no mount.
//! 4. **Descriptors**: all but the listeners, its end of the line and stderr. Before anything that can take long, because
//!    some of them are pipes whose other end somebody waits on.
//! 5. **A name**, so that a person who reads `ps` is not left to guess.
//! 6. **Groups, then user**: after the user is changed there is no right left to change the groups. Then every
//!    capability that is still there, for a root that has no uid 65534 to go to.
//! 7. **Die with the core, again**: a change of user clears that wish.
//! 8. **No new privileges**, and **limits**: last, because a limit can only make the other steps fail.
//! 9. **The environment** that the container was started with, where secrets are: wiped, for this process is a copy of the
//!    core. What the plan holds (`--env-file`, arguments) is not; the steps before keep others from reading it.
//! 10. **Not dumpable**: the application may well run as uid 65534 too, and must not be able to trace its own judge.
//!
//! Every step but two may be refused (a uid without rights, a strict seccomp profile) and the helper serves all the same:
//! a container without health endpoints is worse than a helper with a right too many. What was refused is returned, not
//! hidden. The two are having a parent and having those descriptors, without which there is nothing to do.
//!
//! No step needs /proc, memory of any size, or the file system.

use crate::confine::{Jail, drop_privileges, limit, wipe_environment};
use crate::descriptors;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{chdir, getppid, setsid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Address space. The helper needs a few megabytes; this is where a leak that nobody thought of ends.
const ADDRESS_SPACE: u64 = 256 << 20;

/// What the helper keeps of all that it was forked with; and stderr.
pub struct Kept<'a> {
    /// The line to the core.
    pub line: OwnedFd,
    /// The port, if there is one.
    pub health: Option<BorrowedFd<'a>>,
    /// The control socket, if there is one.
    pub control: Option<BorrowedFd<'a>>,
}

/// The port and the control socket.
pub type Listeners = [Option<OwnedFd>; 2];

/// Why the helper cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The core died before the helper was tied to it.
    Orphaned,
    /// A listener or the line could not be kept.
    Descriptors(Errno),
}

/// Shuts this process in. `core` is the pid of the parent; `descriptors` is how many may be open at once from now on.
/// Gives back the line, the port and the control socket, which have new numbers.
///
/// Only for a process that was forked for it and has one thread: all its other descriptors are closed under whoever
/// holds them.
pub fn enter(
    core: libc::pid_t,
    kept: Kept<'_>,
    descriptors: u64,
) -> Result<(Jail, OwnedFd, Listeners), Unfit> {
    let mut jail = Jail::default();
    jail.note("dying with the core", die_with(core)?);
    jail.note("a session of its own", setsid());
    jail.note("the root directory", chdir("/"));
    let (line, listeners) = keep_only(&mut jail, kept).map_err(Unfit::Descriptors)?;
    jail.note("its name", prctl::set_name(c"monopod-net"));
    drop_privileges(&mut jail);
    jail.note("dying with the core", die_with(core)?);
    jail.note("no new privileges", prctl::set_no_new_privs());
    jail.note("a limit on core files", limit(Resource::RLIMIT_CORE, 0));
    jail.note(
        "a limit on descriptors",
        limit(Resource::RLIMIT_NOFILE, descriptors),
    );
    jail.note(
        "a limit on memory",
        limit(Resource::RLIMIT_AS, ADDRESS_SPACE),
    );
    jail.note("a limit on processes", limit(Resource::RLIMIT_NPROC, 0));
    wipe_environment();
    jail.note("not being dumpable", prctl::set_dumpable(false));
    Ok((jail, line, listeners))
}

/// Asks to be killed when the core dies. The core may have died just before, so its being there is looked at afterwards.
fn die_with(core: libc::pid_t) -> Result<Result<(), Errno>, Unfit> {
    let outcome = prctl::set_pdeathsig(Signal::SIGKILL);
    if getppid().as_raw() == core {
        Ok(outcome)
    } else {
        Err(Unfit::Orphaned)
    }
}

/// Keeps the listeners, the line and stderr, and closes everything else.
///
/// Descriptors 0 and 1, and 2 if it was closed, become a listener once more, or a socket that was never connected. They
/// must be taken by something, or the next client would become the one that log lines are written to, and there may be
/// no /dev/null; to neither of the two anything can be written.
fn keep_only(jail: &mut Jail, kept: Kept<'_>) -> Result<(OwnedFd, Listeners), Errno> {
    let health = kept.health.map(duplicate_above_stderr).transpose()?;
    let control = kept.control.map(duplicate_above_stderr).transpose()?;
    let line = duplicate_above_stderr(kept.line.as_fd())?;
    let stopper = match health.as_ref().or(control.as_ref()) {
        Some(listener) => duplicate_above_stderr(listener.as_fd())?,
        None => unconnected()?,
    };
    // Now, or it would be closed a second time when it goes out of scope; a debug build aborts at that.
    drop(kept);
    let all: Vec<i32> = [health.as_ref(), control.as_ref(), Some(&line)]
        .into_iter()
        .flatten()
        .map(AsRawFd::as_raw_fd)
        .collect();
    for number in 0..=2 {
        // SAFETY: asking for the flags of a descriptor touches no memory, and a number that is not open is an error.
        let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
        if number != 2 || !is_open {
            // SAFETY: whoever owns this number in the core's memory is never run in this process.
            let outcome = unsafe { libc::dup2(stopper.as_raw_fd(), number) };
            jail.note("standard descriptors", Errno::result(outcome));
        }
    }
    drop(stopper);
    let closed = descriptors::close_all_but(all);
    jail.note("closing inherited descriptors", closed);
    Ok((line, [health, control]))
}

/// A socket that leads nowhere.
fn unconnected() -> Result<OwnedFd, Errno> {
    let (unix, stream) = (AddressFamily::Unix, SockType::Stream);
    duplicate_above_stderr(socket(unix, stream, SockFlag::empty(), None)?.as_fd())
}

fn duplicate_above_stderr(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: fcntl has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
