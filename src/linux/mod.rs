//! PID 1's hands: all its system calls but those of the line to the helper.
//!
//! This room must never decide what a fact means for a container, and never block but in `wait`. It reads top down:
//! [`run`], then the loop in `core`.

mod clock;
mod core;
mod everyone;
mod family;
mod guests;
mod leaving;
mod log;
mod perform;
mod reap;
mod runs;
mod signals;
mod spawn;
mod standard;
mod tty;
mod wait;

pub use self::log::open as open_log;
pub use signals::{Inbox, block_all, unblock};
pub use standard::{Stderr, colours, fill_holes};

use self::core::Core;
use crate::lifecycle::Aftermath;
use crate::machine::Machine;
use crate::plan::{Conduct, ExitCode, Plan, Signal};
use crate::relay::Relay;
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What a bug leaves to the containers of a plan that names no grace: the time that `docker stop` would give them.
const GRACE_AFTER_BUG: Duration = Duration::from_secs(10);

/// Leads a life from its first turn to its exit code.
///
/// `inbox` can only be had by whoever has blocked all signals, so taking it here makes that order hold. A panic of the machine or of the
/// hands is not the end of the container: [`Aftermath`] stops everything in order and leaves with [`ExitCode::BUG`].
pub fn run(
    plan: &Plan,
    machine: Box<dyn Machine>,
    inbox: &Inbox,
    listener: Option<OwnedFd>,
    relay: Option<Relay>,
) -> ExitCode {
    let mut core = Core::new(plan, inbox, listener, relay);
    let mut machine = machine;
    let (mut first, mut had_bug) = (true, false);
    loop {
        let turn = catch_unwind(AssertUnwindSafe(|| core.turn(&mut *machine, first)));
        first = false;
        match turn {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            // Even the aftermath has a bug: leaving is all that is left, and the kernel ends what PID 1 leaves behind.
            Err(_) if had_bug => return ExitCode::BUG,
            Err(_) => {
                machine = Box::new(Aftermath::new(grace(plan), ExitCode::BUG));
                (first, had_bug) = (true, true);
            }
        }
    }
}

fn grace(plan: &Plan) -> Duration {
    match &plan.conduct {
        Conduct::Pod(pod) => pod.grace,
        Conduct::Lifecycle(conduct) => conduct.grace,
        Conduct::Passthrough(_) => GRACE_AFTER_BUG,
    }
}

/// Adopts orphans from now on, though not PID 1.
pub fn become_subreaper() -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Gets `signal` when the parent dies.
pub fn set_parent_death_signal(signal: Signal) -> Result<(), Errno> {
    // SAFETY: plain numbers. nix's call has no real-time signals.
    let outcome = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.number() as libc::c_ulong) };
    Errno::result(outcome).map(drop)
}
