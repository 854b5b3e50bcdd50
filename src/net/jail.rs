//! What the helper gives up before it hears the first byte from a stranger.
//!
//! The steps, and why in this order:
//!
//! 1. **Die with the core.** Until this holds, a core that dies leaves a helper behind that keeps the port.
//! 2. **A session of its own**: nothing that is done to the terminal or to the core's process group reaches it.
//! 3. **The root directory**: it pins no mount.
//! 4. **Descriptors**: all but the listener (if any), its end of the line and stderr. Before anything that can take long, because
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
//! hidden. The two are having a parent and having the descriptors, without which there is nothing to do.
//!
//! No step needs /proc, memory of any size, or the file system.
//!
//! What surprised us: the C library's setuid and setgroups speak to every thread on the library's own list, which after
//! a bare clone may name threads of another process. Hence the bare calls, here and only here.

use crate::descriptors;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{chdir, getppid, setsid};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// "nobody": the uid and gid that own nothing, by the kernel's own convention (fs.overflowuid).
const NOBODY: libc::uid_t = 65_534;

/// Address space. The helper needs a few megabytes; this is where a leak that nobody thought of ends.
const ADDRESS_SPACE: u64 = 256 << 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Jail {
    refused: Vec<(&'static str, Errno)>,
}

impl Jail {
    fn note<T>(&mut self, step: &'static str, outcome: Result<T, Errno>) {
        if let Err(errno) = outcome {
            self.refused.push((step, errno));
        }
    }
}

impl fmt::Display for Jail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused.is_empty() {
            return f.write_str("all that it can do without was given up");
        }
        f.write_str("refused:")?;
        for (index, (step, errno)) in self.refused.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {step} ({})", errno.desc())?;
        }
        Ok(())
    }
}

/// Why the helper cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The core died before the helper was tied to it.
    Orphaned,
    /// The listener or the line could not be kept.
    Descriptors(Errno),
}

/// Shuts this process in. `core` is the pid of the parent; `descriptors` is how many may be open at once from now on.
/// Gives back the listener, if there is one, and the line, which have new numbers.
///
/// Only for a process that was forked for it and has one thread: all its other descriptors are closed under whoever
/// holds them.
pub fn enter(
    core: libc::pid_t,
    listener: Option<BorrowedFd<'_>>,
    line: OwnedFd,
    descriptors: u64,
) -> Result<(Jail, Option<OwnedFd>, OwnedFd), Unfit> {
    let mut jail = Jail::default();
    jail.note("dying with the core", die_with(core)?);
    jail.note("a session of its own", setsid());
    jail.note("the root directory", chdir("/"));
    let (listener, line) = keep_only(&mut jail, listener, line).map_err(Unfit::Descriptors)?;
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
    Ok((jail, listener, line))
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

/// Keeps the listener, if there is one, the line and stderr, and closes everything else.
///
/// Descriptors 0 and 1, and 2 if it was closed, become the listener once more, or a socket that was never connected. They
/// must be taken by something, or the next client would become the one that log lines are written to, and there may be
/// no /dev/null; to neither of the two anything can be written.
fn keep_only(
    jail: &mut Jail,
    listener: Option<BorrowedFd<'_>>,
    old_line: OwnedFd,
) -> Result<(Option<OwnedFd>, OwnedFd), Errno> {
    let listener = listener.map(duplicate_above_stderr).transpose()?;
    let line = duplicate_above_stderr(old_line.as_fd())?;
    let stopper = match &listener {
        Some(listener) => duplicate_above_stderr(listener.as_fd())?,
        None => unconnected()?,
    };
    // Now, or it would be closed a second time when it goes out of scope; a debug build aborts at that.
    drop(old_line);
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
    let kept = listener.iter().chain([&line]).map(AsRawFd::as_raw_fd);
    let closed = descriptors::close_all_but(kept.collect());
    jail.note("closing inherited descriptors", closed);
    Ok((listener, line))
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

/// Becomes nobody. Without the right to it, only what is left of capabilities goes; that needs no right.
fn drop_privileges(jail: &mut Jail) {
    // SAFETY: no group is read from a list of length zero.
    let groups = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) };
    jail.note("no groups", Errno::result(groups));
    // SAFETY: three numbers.
    let gid = unsafe { libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY) };
    jail.note("gid 65534", Errno::result(gid));
    // SAFETY: three numbers.
    let uid = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    jail.note("uid 65534", Errno::result(uid));
    jail.note("no capabilities", drop_capabilities());
}

/// Empties the permitted, effective and inheritable sets, and with them the ambient one. See capget(2).
fn drop_capabilities() -> Result<(), Errno> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// _LINUX_CAPABILITY_VERSION_3: two triples of 32 bits each.
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let none = [Sets {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    // SAFETY: the kernel reads one header and two triples, which is what there is; the layout is capget(2)'s.
    let outcome = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    Errno::result(outcome).map(drop)
}

/// Overwrites every variable with zeroes, where the kernel put it.
fn wipe_environment() {
    unsafe extern "C" {
        static environ: *const *mut libc::c_char;
    }
    // SAFETY: the C library's array of strings with a null pointer at its end. This process has one thread, reads no
    // variable from here on, and was given a writable copy of the strings by the kernel.
    unsafe {
        let mut place = environ;
        while !place.is_null() && !(*place).is_null() {
            libc::memset((*place).cast(), 0, libc::strlen(*place));
            place = place.add(1);
        }
    }
}

/// Lowers both limits; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    let (soft, hard) = getrlimit(resource)?;
    setrlimit(resource, most.min(soft), most.min(hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_said() {
        let mut jail = Jail::default();
        assert_eq!(jail.to_string(), "all that it can do without was given up");
        jail.note("a name", Ok(()));
        jail.note("uid 65534", Err::<(), _>(Errno::EPERM));
        jail.note("no groups", Err::<(), _>(Errno::EPERM));
        assert_eq!(jail.refused.len(), 2);
        assert_eq!(
            jail.to_string(),
            "refused: uid 65534 (Operation not permitted), no groups (Operation not permitted)"
        );
    }
}
