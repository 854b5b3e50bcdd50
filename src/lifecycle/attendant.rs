//! Keeps the helper alive: forks it first of all, and again whenever it is gone.
//!
//! The port itself is never lost, because the core keeps the listening socket; a client notices only that its answer
//! took as long as a fork. So the first replacement comes at once, and only a helper that keeps dying is made to wait.

use crate::machine::{Action, Fact, Happening};
use crate::time::Time;
use std::time::Duration;

/// A helper that lived this long was sound; it died of something else than its own start.
const SOUND: Duration = Duration::from_millis(100);
/// The first rest of a helper that died young. Short: a probe gives up after a second.
const FIRST_REST: Duration = Duration::from_millis(5);
/// The longest rest: four forks a second cost a machine in trouble next to nothing, and a probe that comes meanwhile, which
/// the kernel lets in, is answered long before the second is over after which it gives up.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// The state of the helper.
#[derive(Clone, Debug)]
pub struct Attendant {
    state: State,
    next_rest: Duration,
}

#[derive(Clone, Debug)]
enum State {
    Unwanted,
    Due,
    Up { since: Time },
    Resting { until: Time },
}

impl Attendant {
    /// An attendant; `wanted` if there is something to serve or to ask.
    pub fn new(wanted: bool) -> Attendant {
        let state = if wanted { State::Due } else { State::Unwanted };
        Attendant {
            state,
            next_rest: FIRST_REST,
        }
    }

    /// Facts about the helper; others are not its business.
    pub fn hear(&mut self, now: Time, fact: Fact, actions: &mut Vec<Action>) {
        let State::Up { since } = self.state else {
            return;
        };
        let happening = match fact {
            Fact::HelperLost => Happening::HelperLost,
            Fact::HelperUnstartable(errno) => Happening::HelperRefused(errno),
            Fact::Started(_)
            | Fact::Unstartable(..)
            | Fact::Ended(..)
            | Fact::OrphanReaped { .. }
            | Fact::Emptied
            | Fact::Signalled(..)
            | Fact::Answered(..)
            | Fact::Commanded(_) => return,
        };
        actions.push(Action::Say(happening));
        if matches!(fact, Fact::HelperLost) && now.since(since) >= SOUND {
            self.next_rest = FIRST_REST;
            self.state = State::Due;
        } else {
            self.state = State::Resting {
                until: now.after(self.next_rest),
            };
            self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
        }
    }

    /// A rest that is over makes the helper due.
    pub fn lapse(&mut self, now: Time) {
        if matches!(self.state, State::Resting { until } if until <= now) {
            self.state = State::Due;
        }
    }

    /// Forks the helper if it is due; whether it was.
    pub fn settle(&mut self, now: Time, actions: &mut Vec<Action>) -> bool {
        let due = matches!(self.state, State::Due);
        if due {
            actions.push(Action::StartHelper);
            self.state = State::Up { since: now };
        }
        due
    }

    /// Whether there is a helper, as far as is known.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// When the rest is over.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Resting { until } => Some(until),
            State::Unwanted | State::Due | State::Up { .. } => None,
        }
    }
}
