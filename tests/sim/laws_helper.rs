//! The laws about the helper: there from the first turn on, and back at once or after a rest that grows.

use crate::laws::{Turn, Verdict, law};
use monopod::machine::{Action, Fact};
use monopod::time::Time;
use std::time::Duration;

/// A helper that lived this long is replaced at once.
const SOUND: Duration = Duration::from_millis(100);
/// The rests of a helper that keeps dying young, from and to.
const RESTS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// The books about the helper.
pub struct Helper {
    state: State,
    rest: Duration,
}

#[derive(Clone, Copy)]
enum State {
    Unwanted,
    Due(Time),
    Up(Time),
}

impl Helper {
    /// `wanted`: there is something to serve or to ask.
    pub fn new(wanted: bool) -> Helper {
        let state = if wanted {
            State::Due(Time::START)
        } else {
            State::Unwanted
        };
        Helper {
            state,
            rest: RESTS.0,
        }
    }

    /// A fact about the helper.
    pub fn hear(&mut self, now: Time, fact: Fact) {
        let State::Up(since) = self.state else {
            return;
        };
        if fact == Fact::HelperLost && now.since(since) >= SOUND {
            self.rest = RESTS.0;
            self.state = State::Due(now);
        } else {
            self.state = State::Due(now.after(self.rest));
            self.rest = (self.rest * 2).min(RESTS.1);
        }
    }

    /// Looks at one step; `killing`: SIGKILL was sent to all.
    pub fn check(&mut self, turn: &Turn, was_killing: bool, killing: bool) -> Verdict {
        let starts = turn
            .actions
            .iter()
            .filter(|action| **action == Action::StartHelper)
            .count();
        let due = matches!(self.state, State::Due(at) if at <= turn.now);
        // Whether the turn that begins to kill still replaces it is a matter of taste; later ones must not.
        let right = match starts {
            0 => !due || killing,
            _ => starts == 1 && due && !was_killing,
        };
        law(right, "the helper is there or on its way", || {
            format!("due: {due}, {:?}", turn.actions)
        })?;
        if starts > 0 {
            self.state = State::Up(turn.now);
        }
        Ok(())
    }

    /// When it is to be forked again.
    pub fn due(&self, killing: bool) -> Option<Time> {
        match self.state {
            State::Due(at) if !killing => Some(at),
            State::Due(_) | State::Up(_) | State::Unwanted => None,
        }
    }

    /// Whether it is there to be asked.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }
}
