//! The order of the start: init containers one by one, each to success; a sidecar until it has started up; then the main
//! containers, of which only one with a postStart hook holds up the next (S71, S149, S152, S153).
//!
//! The order of the stop is `ending`'s.

use super::crew::Crew;
use crate::machine::Happening;
use crate::plan::{ContainerId, Role};
use crate::time::Time;

/// How far the start has come.
#[derive(Debug, Default)]
pub struct Order {
    /// Whose turn it is; all before it have had theirs.
    turn: usize,
    /// Whether the main containers' turn has ever come. Stays true (S179).
    initialized: bool,
}

impl Order {
    /// Begins again with the first.
    pub fn begin_anew(&mut self) {
        self.turn = 0;
    }

    /// Whether all init containers were done and all sidecars started at some time.
    pub fn initialized(&self) -> bool {
        self.initialized
    }

    /// Starts whoever is due and lets pass whoever may.
    pub fn settle(&mut self, now: Time, crew: &mut Crew) {
        // Those that had their turn before and are started again.
        let again: Vec<ContainerId> = crew
            .touched()
            .take_while(|id| id.0 < self.turn)
            .copied()
            .collect();
        for id in again {
            crew.with(id, |container, post| container.start(now, post));
        }
        while let Some(plan) = crew.plan().containers.get(self.turn) {
            if plan.role == Role::Main {
                self.become_initialized(crew);
            }
            let passes = crew.with(ContainerId(self.turn), |container, post| {
                container.start(now, post);
                container.lets_pass()
            });
            if passes != Some(true) {
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
