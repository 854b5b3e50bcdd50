//! What gets a relay out of a write that waits for a reader.
//!
//! A socket and a terminal cannot be told not to wait: O_NONBLOCK is not the relay's to set, for all who share the description
//! would have it; and MSG_DONTWAIT, which is for one call only, does not go with splice, without which a SIGKILL leaves open
//! how much was sent. To ask poll first is not enough: a terminal says yes as soon as there is room for one byte, and somebody
//! else may be quicker. But such a wait ends at a signal, and the call then tells exactly how far it came. So a timer sends
//! one, again and again until the call is back: one that came just before the call would be for nothing.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::time::Duration;

/// So long may a stopped reader of one stream hold up the other, each time that it lets something through; a reader that is
/// on its way is there much sooner.
const PATIENCE: Duration = Duration::from_millis(20);

/// While it lives, no call that a signal can end waits for longer than [`PATIENCE`].
#[derive(Debug)]
pub struct Nudge(());

extern "C" fn nothing(_: libc::c_int) {}

/// Once in a relay: a nudge does nothing but end a call. All other signals stay blocked.
pub fn prepare() -> Result<(), Errno> {
    // SAFETY: all zeroes is a value of this struct: no flags, so a call is ended and not begun again, and nothing masked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler touches nothing, and the struct outlives the call.
    Errno::result(unsafe {
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut())
    })?;
    let mut alarm = SigSet::empty();
    alarm.add(nix::sys::signal::Signal::SIGALRM);
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&alarm), None)
}

impl Nudge {
    /// From now on.
    pub fn begin() -> Nudge {
        set(PATIENCE);
        Nudge(())
    }
}

impl Drop for Nudge {
    fn drop(&mut self) {
        set(Duration::ZERO);
    }
}

/// Zero ends it.
fn set(every: Duration) {
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: every.subsec_micros() as _,
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the struct outlives the call. Times in range are never refused.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}
