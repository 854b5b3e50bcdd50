//! The order of the start: init containers one by one, each to success; a sidecar until it has started up; then the main
//! containers, of which only one with a postStart hook holds up the next (S71, S149, S152, S153).
//!
//! The order of the stop is `ending`'s.

use super::crew::Crew;
use crate::machine::Happening;
use crate::plan::{ContainerId, Role};
use crate::time::Time;
use std::collections::BTreeSet;

/// How far the start has come.
#[derive(Debug, Default)]
pub struct Order {
    /// Whose turn it is; all before it have had theirs.
    turn: usize,
    /// Whether the main containers' turn has ever come. Stays true (S179).
    initialized: bool,
    /// Those that had their turn before, are to be started again and have found no seat yet.
    held_up: BTreeSet<ContainerId>,
    /// Whether the one whose turn it is has found none.
    turn_is_held_up: bool,
}

impl Order {
    /// Begins again with the first.
    pub fn begin_anew(&mut self) {
        let initialized = self.initialized;
        *self = Order {
            initialized,
            ..Order::default()
        };
    }

    /// Whether somebody could be started now, had this turn not started so many.
    pub fn is_held_up(&self) -> bool {
        self.turn_is_held_up || !self.held_up.is_empty()
    }

    /// Whether all init containers were done and all sidecars started at some time.
    pub fn initialized(&self) -> bool {
        self.initialized
    }

    /// Starts whoever is due and lets pass whoever may.
    pub fn settle(&mut self, now: Time, crew: &mut Crew) {
        // Those that had their turn before and are started again.
        let mut again = std::mem::take(&mut self.held_up);
        again.extend(crew.touched().range(..ContainerId(self.turn)));
        for id in again {
            match crew.desk.seats.has_one() || !crew.containers()[id.0].is_due() {
                true => drop(crew.with(id, |container, post| container.start(now, post))),
                false => drop(self.held_up.insert(id)),
            }
        }
        self.turn_is_held_up = false;
        while let Some(plan) = crew.plan().containers.get(self.turn) {
            if plan.role == Role::Main {
                self.become_initialized(crew);
            }
            let passes = crew.with(ContainerId(self.turn), |container, post| {
                container.start(now, post);
                self.turn_is_held_up = container.is_due();
                container.lets_pass()
            });
            if passes != Some(true) || self.turn_is_held_up {
                return;
            }
            self.turn += 1;
        }
        self.become_initialized(crew);
    }

    fn become_initialized(&mut self, crew: &mut Crew) {
        let has_init = crew.seen().iter().any(|seen| seen.role != Role::Main);
        if !std::mem::replace(&mut self.initialized, true) && has_init {
            crew.desk.say(Happening::Initialized);
        }
    }
}
