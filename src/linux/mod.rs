//! PID 1's hands: all its system calls but those of the line to the helper.
//!
//! This room must never decide what a fact means for a container, and never block but in `wait`. It reads top down:
//! [`run`], then the loop in `core`.

mod clock;
mod core;
mod everyone;
mod family;
mod guests;
mod hearing;
mod identity;
mod kept;
mod last_words;
mod leaving;
mod limits;
mod log;
mod mark;
mod musl;
mod owners;
mod perform;
mod postponed;
mod reap;
mod reception;
mod reopen;
mod runs;
mod said;
mod scribe;
mod signals;
mod spawn;
mod standard;
mod stdin;
mod tree;
mod tty;
mod variables;
mod victims;
mod wait;

pub use self::log::open as open_log;
pub use mark::VARIABLE as MARK;
pub use scribe::finish as finish_log;
pub use signals::{Inbox, block_all, unblock};
pub use standard::{Stderr, fill_holes};
pub use stdin::read_to_end as read_stdin;

use self::core::{Core, Lists};
use crate::lifecycle::Aftermath;
use crate::machine::Machine;
use crate::net::control::Control;
use crate::plan::{Conduct, ExitCode, Plan, Signal};
use crate::relay::Relay;
use limits::Limits;
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What a bug leaves to the containers of a plan that names no grace: the time that `docker stop` would give them.
const GRACE_AFTER_BUG: Duration = Duration::from_secs(10);

/// Leads a life from its first turn to its exit code; or gives all the faults for which output cannot go the way that the
/// plan asks for, and then nothing was started.
///
/// `inbox` can only be had by whoever has blocked all signals, so taking it here makes that order hold. A panic of the machine or of the
/// hands is not the end of the container: [`Aftermath`] stops everything in order and leaves with [`ExitCode::BUG`].
pub fn run(
    plan: &Plan,
    machine: Box<dyn Machine>,
    inbox: &Inbox,
    listener: Option<OwnedFd>,
    control: Option<Control>,
) -> Result<ExitCode, Vec<String>> {
    let limits = Limits::make_room(plan);
    let relay = Relay::open(plan, standard::colours())?;
    scribe::engage();
    let core = Core::new(plan, inbox, limits, listener, control, relay);
    Ok(lead(core, machine, plan))
}

fn lead(mut core: Core, mut machine: Box<dyn Machine>, plan: &Plan) -> ExitCode {
    let (mut first, mut had_bug) = (true, false);
    let mut lists = Lists::default();
    loop {
        let turn = catch_unwind(AssertUnwindSafe(|| {
            core.turn(&mut *machine, first, &mut lists)
        }));
        first = false;
        match turn {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            // Even the aftermath has a bug: leaving is all that is left, and the kernel ends what PID 1 leaves behind.
            Err(_) if had_bug => return ExitCode::BUG,
            Err(_) => {
                machine = Box::new(Aftermath::new(grace(plan), ExitCode::BUG));
                lists = Lists::default();
                (first, had_bug) = (true, true);
            }
        }
    }
}

fn grace(plan: &Plan) -> Duration {
    match &plan.conduct {
        Conduct::Pod(pod) => pod.grace,
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
