//! How much a turn starts: never more than a few, and never fewer for no reason.
//!
//! What must be started in a turn may wait for the next one only if this one is full, and then that comes at once.

use super::Use;
use crate::laws::{Turn, Verdict, law};
use monopod::time::Time;
use std::time::Duration;

/// Containers at one moment at most, and hooks and probes beside them.
const MOST: usize = 16;

/// The starts of one moment.
#[derive(Default)]
pub struct Seats {
    moment: Option<Time>,
    containers: usize,
    calls: usize,
    /// Somebody was due and there was no seat any more.
    pub refused: bool,
}

impl Seats {
    /// Counts the starts of a turn.
    pub fn check(&mut self, turn: &Turn, used: impl Iterator<Item = Use>) -> Verdict {
        if self.moment != Some(turn.now) {
            *self = Seats {
                moment: Some(turn.now),
                ..Seats::default()
            };
        }
        self.refused = false;
        for used in used {
            match used {
                Use::Own(_) => self.containers += 1,
                Use::Probe(..) | Use::Hook(..) => self.calls += 1,
            }
        }
        law(
            self.containers <= MOST && self.calls <= MOST,
            "a turn starts no more than a few",
            || format!("{} and {}", self.containers, self.calls),
        )
    }

    /// Whether there was no seat left for a container; then it may wait.
    pub fn refuses(&mut self) -> bool {
        self.refused |= self.containers == MOST;
        self.containers == MOST
    }

    /// Whether there was no seat left for a hook or a probe; then it may wait.
    pub fn refuses_call(&mut self) -> bool {
        self.refused |= self.calls == MOST;
        self.calls == MOST
    }

    /// Whether somebody may have been refused of whom the books do not know that it was due.
    pub fn may_have_refused(&self) -> bool {
        self.containers == MOST || self.calls == MOST
    }

    /// When there are seats again.
    pub fn next(now: Time) -> Time {
        now.after(Duration::from_nanos(1))
    }
}
