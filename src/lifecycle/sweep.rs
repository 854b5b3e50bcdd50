//! The last part of every life: whatever is left gets SIGTERM and the rest of the grace, then SIGKILL.
//!
//! It leaves in the very turn in which nothing is left, and never later than it must. What surprised us: a process can
//! outlive SIGKILL (it waits in the kernel, on a dead disk say), so there is an end to waiting for that too.

use crate::machine::{Action, Happening};
use crate::plan::{ExitCode, Signal};
use crate::time::Time;
use std::time::Duration;

/// How long SIGKILL may take to be obeyed. A healthy kernel needs microseconds; a second is for a machine that swaps.
const LINGER: Duration = Duration::from_secs(1);
/// How often SIGKILL is repeated meanwhile. When not PID 1, a process forked during the walk is only met next time.
const AGAIN: Duration = Duration::from_millis(50);

/// The clearing away of what is left.
#[derive(Clone, Debug)]
pub struct Sweep {
    kill_at: Time,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    AskDue,
    Asked,
    KillDue,
    Killing { again_at: Time, leave_at: Time },
    AgainDue { leave_at: Time },
    GivenUp,
    Left,
}

impl Sweep {
    /// Ask all that is left to go, and kill it at `kill_at`.
    pub fn new(kill_at: Time) -> Sweep {
        Sweep {
            kill_at,
            state: State::AskDue,
        }
    }

    /// Kill all that is left at once.
    pub fn kill(now: Time) -> Sweep {
        Sweep {
            kill_at: now,
            state: State::KillDue,
        }
    }

    /// Whether SIGKILL was sent or is about to be.
    pub fn is_killing(&self) -> bool {
        !matches!(self.state, State::AskDue | State::Asked)
    }

    /// Whether the last word was said.
    pub fn has_left(&self) -> bool {
        matches!(self.state, State::Left)
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time) {
        match self.state {
            State::AskDue | State::Asked if self.kill_at <= now => self.state = State::KillDue,
            State::Killing { leave_at, .. } if leave_at <= now => self.state = State::GivenUp,
            State::Killing { again_at, leave_at } if again_at <= now => {
                self.state = State::AgainDue { leave_at };
            }
            State::AskDue
            | State::Asked
            | State::KillDue
            | State::Killing { .. }
            | State::AgainDue { .. }
            | State::GivenUp
            | State::Left => {}
        }
    }

    /// What to do now. `emptied`: nothing is left. `code` is what to leave with, asked for when it comes to that: the last
    /// end may still decide it.
    pub fn settle(
        &mut self,
        now: Time,
        emptied: bool,
        code: impl FnOnce() -> ExitCode,
        actions: &mut Vec<Action>,
    ) {
        match self.state {
            State::Left => {}
            _ if emptied => self.leave(code(), actions),
            State::AskDue => {
                actions.push(Action::Say(Happening::Stragglers(self.kill_at.since(now))));
                actions.push(Action::StrikeAll(Signal::TERM));
                // A stopped process would sleep through its SIGTERM and use up the whole grace.
                actions.push(Action::StrikeAll(Signal::CONT));
                self.state = State::Asked;
            }
            State::KillDue => {
                actions.push(Action::Say(Happening::GraceOver));
                self.strike(now, now.after(LINGER), actions);
            }
            State::AgainDue { leave_at } => self.strike(now, leave_at, actions),
            State::GivenUp => {
                actions.push(Action::Say(Happening::LeftBehind));
                self.leave(code(), actions);
            }
            State::Asked | State::Killing { .. } => {}
        }
    }

    fn strike(&mut self, now: Time, leave_at: Time, actions: &mut Vec<Action>) {
        actions.push(Action::StrikeAll(Signal::KILL));
        self.state = State::Killing {
            again_at: now.after(AGAIN),
            leave_at,
        };
    }

    fn leave(&mut self, code: ExitCode, actions: &mut Vec<Action>) {
        actions.push(Action::Leave(code));
        self.state = State::Left;
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Asked => Some(self.kill_at),
            State::Killing { again_at, leave_at } => Some(again_at.min(leave_at)),
            State::AskDue
            | State::KillDue
            | State::AgainDue { .. }
            | State::GivenUp
            | State::Left => None,
        }
    }
}
