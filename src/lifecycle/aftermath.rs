//! What takes over when the core itself has a bug: an orderly stop of everything, with a code that says so.
//!
//! It trusts nothing that was there before. It knows no runs and no plan, only that something may be left and that
//! somebody's data may hang on a SIGTERM.

use super::sweep::Sweep;
use crate::machine::{Action, Fact, Machine, Phase, PodStatus};
use crate::plan::ExitCode;
use crate::time::Time;
use std::time::Duration;

/// The machine after a panic.
#[derive(Debug)]
pub struct Aftermath {
    grace: Duration,
    code: ExitCode,
    /// From the first step on, with its moment.
    sweep: Option<(Time, Sweep)>,
}

impl Aftermath {
    /// Ends all within `grace` of its first step and leaves with `code`.
    pub fn new(grace: Duration, code: ExitCode) -> Aftermath {
        Aftermath {
            grace,
            code,
            sweep: None,
        }
    }
}

impl Machine for Aftermath {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        let (code, kill_at) = (self.code, now.after(self.grace.max(super::FLOOR)));
        let (_, sweep) = self.sweep.get_or_insert_with(|| (now, Sweep::new(kill_at)));
        sweep.lapse(now);
        sweep.settle(now, facts.contains(&Fact::Emptied), || code, actions);
    }

    fn deadline(&self) -> Option<Time> {
        self.sweep.as_ref().and_then(|(_, sweep)| sweep.deadline())
    }

    /// Of the containers nothing is known any more.
    fn status(&self) -> PodStatus {
        PodStatus {
            phase: Phase::Running,
            stopping_since: self.sweep.as_ref().map(|(since, _)| *since),
            ..PodStatus::default()
        }
    }
}
