//! The signal that musl keeps to itself, so that a build against musl forwards it like any other.
//!
//! Everybody else calls signal 34 RTMIN. musl's sigfillset and sigaddset pass it over and its sigaction refuses it, while
//! its sigprocmask, ppoll, sigtimedwait and signalfd hand the kernel what they are given. So it stays blocked for ever, a
//! descriptor tells that it waits (the bell), and `Inbox::take` takes it from the queue. With glibc all of this is nothing.
//!
//! What surprised us: musl's sigaction unblocks that signal once, at the first handler of a process. Blocking it again
//! after the handlers are installed leaves a window in which it kills; so the first handler is installed, and taken back,
//! before anything else.

use super::signals::sigaction;
use crate::plan::Signal;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use std::os::fd::{FromRawFd, OwnedFd};

const KEPT_BY_MUSL: usize = 34;

/// Adds [`KEPT_BY_MUSL`]. In glibc's full set it is already.
fn with_kept_by_musl(set: SigSet) -> SigSet {
    const WORD: usize = libc::c_ulong::BITS as usize;
    let mut set: libc::sigset_t = *set.as_ref();
    let bit = KEPT_BY_MUSL - 1;
    // SAFETY: a set begins with the kernel's 64 bits, in words of this size, and any bits make a set.
    unsafe {
        *(&raw mut set).cast::<libc::c_ulong>().add(bit / WORD) |= 1 << (bit % WORD);
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// All signals but 32 and 33.
pub fn all() -> SigSet {
    with_kept_by_musl(SigSet::all())
}

/// What cannot have a handler and so stays blocked also where the core sleeps.
pub fn without_handler() -> SigSet {
    match cfg!(target_env = "musl") {
        true => with_kept_by_musl(SigSet::empty()),
        false => SigSet::empty(),
    }
}

/// Readable while a signal without handler waits. It only wakes the core: [`Inbox::take`] takes the signal.
pub fn open_bell() -> Result<Option<OwnedFd>, Errno> {
    if !cfg!(target_env = "musl") {
        return Ok(None);
    }
    let set = without_handler();
    // SAFETY: the set outlives the call.
    let fd = unsafe { libc::signalfd(-1, set.as_ref(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    // SAFETY: it is new, and nobody else's.
    Errno::result(fd).map(|fd| Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// musl's sigaction unblocks what musl keeps to itself, once: at the first handler of the process. Better now than when
/// the command runs and is sent signals.
pub fn unblock_once() {
    extern "C" fn nothing(_: libc::c_int) {}
    let Ok(before) = sigaction(Signal::CHLD, None) else {
        return;
    };
    let mut action = before;
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // Neither can fail. The handler never runs: the signal is blocked.
    let _ = sigaction(Signal::CHLD, Some(&action));
    let _ = sigaction(Signal::CHLD, Some(&before));
}
