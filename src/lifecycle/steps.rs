//! Init steps: strictly in order, one at a time, each to success (kubelet-semantics S149 to S151).
//!
//! A step that fails is tried again as often as the plan allows, resting as the kubelet rests. This file never starts
//! anything by itself: it says what is due, and [`super::Pod`] starts it when a turn settles.

use super::backoff::Backoff;
use crate::machine::{Ending, RunId};
use crate::plan::{ExitCode, ProgramId, Retries};
use crate::time::Time;
use std::time::Duration;

/// Where the init steps stand.
#[derive(Clone, Debug)]
pub struct Steps {
    programs: Vec<ProgramId>,
    retries: Retries,
    done: usize,
    failures: u32,
    backoff: Backoff,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Due,
    Live { run: RunId, begun: Time },
    Resting { until: Time },
    Failed(ExitCode),
}

/// What came of a step's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It succeeded.
    Succeeded,
    /// It failed and will be tried again after this rest.
    Rests(Duration),
    /// It failed for good.
    Failed,
}

impl Steps {
    /// Steps of which none has been started.
    pub fn new(programs: Vec<ProgramId>, retries: Retries) -> Steps {
        let backoff = Backoff::default();
        Steps {
            programs,
            retries,
            done: 0,
            failures: 0,
            backoff,
            state: State::Due,
        }
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.programs.len()
    }

    /// How many succeeded.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Whether all succeeded.
    pub fn all_done(&self) -> bool {
        self.done == self.programs.len()
    }

    /// The run that is live.
    pub fn live(&self) -> Option<RunId> {
        match self.state {
            State::Live { run, .. } => Some(run),
            State::Due | State::Resting { .. } | State::Failed(_) => None,
        }
    }

    /// The program that is to be started now.
    pub fn due(&self) -> Option<ProgramId> {
        match self.state {
            State::Due => self.programs.get(self.done).copied(),
            State::Live { .. } | State::Resting { .. } | State::Failed(_) => None,
        }
    }

    /// The code of the step that failed for good.
    pub fn failure(&self) -> Option<ExitCode> {
        match self.state {
            State::Failed(code) => Some(code),
            State::Due | State::Live { .. } | State::Resting { .. } => None,
        }
    }

    /// The due program was started as `run`.
    pub fn begin(&mut self, now: Time, run: RunId) {
        self.state = State::Live { run, begun: now };
    }

    /// The live run ended or could not be started (its `code` says how).
    pub fn end(&mut self, now: Time, ending: Ending) -> StepEnd {
        let begun = match self.state {
            State::Live { begun, .. } => begun,
            State::Due | State::Resting { .. } | State::Failed(_) => now,
        };
        if ending.is_success() {
            self.done += 1;
            self.failures = 0;
            self.backoff = Backoff::default();
            self.state = State::Due;
            return StepEnd::Succeeded;
        }
        self.failures = self.failures.saturating_add(1);
        if matches!(self.retries, Retries::AtMost(most) if self.failures > most) {
            self.state = State::Failed(ending.code());
            return StepEnd::Failed;
        }
        let rest = self.backoff.rest(begun, now);
        self.state = State::Resting {
            until: now.after(rest),
        };
        StepEnd::Rests(rest)
    }

    /// A rest that is over makes its step due.
    pub fn lapse(&mut self, now: Time) {
        if matches!(self.state, State::Resting { until } if until <= now) {
            self.state = State::Due;
        }
    }

    /// When the rest is over.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Resting { until } => Some(until),
            State::Due | State::Live { .. } | State::Failed(_) => None,
        }
    }

    /// The program that the live or latest run belongs to.
    pub fn current(&self) -> Option<ProgramId> {
        self.programs.get(self.done).copied()
    }
}
