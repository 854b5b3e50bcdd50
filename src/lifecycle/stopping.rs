//! A stop that somebody asked for, while the command lives: drain, pre-stop hook, stop signal, in one grace.
//!
//! One absolute time, `stop_by`, is set when the stop is heard and handed down; budgets cannot add up past it. The one
//! exception is the kubelet's (S85, S102, S103): the stop signal is always sent, and two seconds are granted to it.

use crate::machine::{Action, Happening, RunId, RunIds};
use crate::plan::{Lifecycle, ProgramId, Signal, Target};
use crate::time::Time;
use std::time::Duration;

/// The kubelet's floor between the stop signal and SIGKILL, so that a hook that ate the grace costs nobody its last
/// words (kubelet-semantics D.2, step 4).
pub const FLOOR: Duration = Duration::from_secs(2);

/// A stop under way.
#[derive(Clone, Debug)]
pub struct Stop {
    signal: Signal,
    stop_by: Time,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    DrainDue { until: Time },
    Draining { until: Time },
    HookDue,
    Hook { run: RunId, program: ProgramId },
    SignalDue,
    Signalled { kill_at: Time },
    GraceOver,
}

impl Stop {
    /// A stop asked for at `now` by `asked`.
    pub fn new(now: Time, asked: Signal, conduct: &Lifecycle) -> Stop {
        let stop_by = now.after(conduct.grace);
        let stage = match conduct.drain.min(conduct.grace).is_zero() {
            true => Stage::HookDue,
            false => Stage::DrainDue {
                until: now.after(conduct.drain).min(stop_by),
            },
        };
        Stop {
            signal: conduct.stop_signal.unwrap_or(asked),
            stop_by,
            stage,
        }
    }

    /// When to kill what is left, if the command has ended now.
    pub fn kill_at(&self, now: Time) -> Time {
        match self.stage {
            Stage::Signalled { kill_at } => kill_at,
            _ => self.stop_by.max(now.after(FLOOR)),
        }
    }

    /// A run is over; if it was the hook, the stop goes on, and the hook's program is told.
    pub fn end_hook(&mut self, run: RunId) -> Option<ProgramId> {
        match self.stage {
            Stage::Hook { run: hook, program } if hook == run => {
                self.stage = Stage::SignalDue;
                Some(program)
            }
            _ => None,
        }
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time, actions: &mut Vec<Action>) {
        match self.stage {
            Stage::Draining { until } if until <= now => self.stage = Stage::HookDue,
            Stage::Hook { program, .. } if self.stop_by <= now => {
                actions.push(Action::Say(Happening::PreStopOverran(program)));
                self.stage = Stage::SignalDue;
            }
            Stage::Signalled { kill_at } if kill_at <= now => self.stage = Stage::GraceOver,
            _ => {}
        }
    }

    /// What to do now for the command's run `main`.
    pub fn settle(
        &mut self,
        now: Time,
        main: RunId,
        conduct: &Lifecycle,
        ids: &mut RunIds,
        actions: &mut Vec<Action>,
    ) {
        if let Stage::DrainDue { until } = self.stage {
            actions.push(Action::Say(Happening::Draining(until.since(now))));
            self.stage = Stage::Draining { until };
        }
        if matches!(self.stage, Stage::HookDue) {
            // S89: without grace there is no hook.
            self.stage = match conduct.pre_stop.filter(|_| self.stop_by > now) {
                Some(program) => {
                    let run = ids.mint();
                    actions.push(Action::Start(run, program));
                    Stage::Hook { run, program }
                }
                None => Stage::SignalDue,
            };
        }
        if matches!(self.stage, Stage::SignalDue) {
            actions.push(Action::Strike(main, Target::Process, self.signal));
            self.stage = Stage::Signalled {
                kill_at: self.stop_by.max(now.after(FLOOR)),
            };
        }
    }

    /// Whether all that is left is to be killed now.
    pub fn grace_is_over(&self) -> bool {
        matches!(self.stage, Stage::GraceOver)
    }

    /// The hook that runs now, with its program.
    pub fn hook(&self) -> Option<(RunId, ProgramId)> {
        match self.stage {
            Stage::Hook { run, program } => Some((run, program)),
            _ => None,
        }
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        match self.stage {
            Stage::Draining { until } => Some(until),
            Stage::Hook { .. } => Some(self.stop_by),
            Stage::Signalled { kill_at } => Some(kill_at),
            Stage::DrainDue { .. } | Stage::HookDue | Stage::SignalDue | Stage::GraceOver => None,
        }
    }
}
