//! How many programs are started in one turn, so that whoever calls meanwhile is heard soon.
//!
//! A start is a fork, most of a millisecond; with a thousand of them in one turn a SIGTERM waits for a second. So a turn
//! has a few seats. Who finds none stays due, and the next turn comes at once.
//!
//! Containers have seats of their own, for which they stand in the pod's order: probes that are always due must not hold
//! up the start of the pod. Hooks and probes go round, each container after the one that was called last, so that those
//! of the first containers cannot starve those of the last.
//!
//! What surprised us: a fork that is refused is tried again in the very same turn, so a turn is known by its time and not
//! by the step.

use crate::plan::ContainerId;
use crate::time::Time;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

/// Containers that are started in one turn at most.
const CONTAINERS: usize = 16;
/// Hooks and probes that are, beside them. With both, PID 1 is deaf for some 25 ms.
const CALLS: usize = 16;

/// The seats of a turn.
#[derive(Debug, Default)]
pub struct Seats {
    turn: Option<Time>,
    for_containers: usize,
    for_calls: usize,
    /// Those that found no seat for a hook or a probe before, and for whom one is kept in this turn.
    called: BTreeSet<ContainerId>,
    last_called: Option<ContainerId>,
}

impl Seats {
    /// A turn begins, unless it goes on. Of those that are held up, those that are called now.
    pub fn begin_turn(
        &mut self,
        now: Time,
        held_up: &BTreeSet<ContainerId>,
    ) -> &BTreeSet<ContainerId> {
        if self.turn != Some(now) {
            self.turn = Some(now);
            let after = self.last_called.map_or(Bound::Unbounded, Bound::Excluded);
            let round = held_up.range((after, Bound::Unbounded)).chain(held_up);
            // Once round, and so nobody twice.
            let called: Vec<ContainerId> = round.take(held_up.len().min(CALLS)).copied().collect();
            self.last_called = called.last().copied();
            self.for_containers = CONTAINERS;
            self.for_calls = CALLS - called.len();
            self.called = called.into_iter().collect();
        }
        &self.called
    }

    /// Whether there is a seat for a container.
    pub fn has_one(&self) -> bool {
        self.for_containers > 0
    }

    /// A seat for a container; whether there was one.
    pub fn take(&mut self) -> bool {
        take_of(&mut self.for_containers)
    }

    /// A seat for a hook or a probe of this container; whether there was one.
    pub fn take_for_call(&mut self, id: ContainerId) -> bool {
        self.called.remove(&id) || take_of(&mut self.for_calls)
    }

    /// When there are seats again: as soon as it is not now any more.
    pub fn next_turn(&self) -> Option<Time> {
        self.turn.map(|now| now.after(Duration::from_nanos(1)))
    }
}

fn take_of(seats: &mut usize) -> bool {
    let left = seats.checked_sub(1);
    *seats = left.unwrap_or(0);
    left.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn ids(places: impl IntoIterator<Item = usize>) -> BTreeSet<ContainerId> {
        places.into_iter().map(ContainerId).collect()
    }

    #[test]
    fn those_that_are_held_up_are_called_one_after_the_other_and_round() {
        let mut seats = Seats::default();
        let everybody = ids(0..40);
        let mut called = |turn| seats.begin_turn(at(turn), &everybody).clone();
        assert_eq!(called(1), ids(0..16));
        assert_eq!(called(2), ids(16..32));
        assert_eq!(called(3), ids((0..8).chain(32..40)));
    }

    #[test]
    fn a_seat_that_is_kept_is_nobody_elses() {
        let mut seats = Seats::default();
        seats.begin_turn(at(1), &ids(100..110));
        let others = (0..20).filter(|id| seats.take_for_call(ContainerId(*id)));
        assert_eq!(others.count(), CALLS - 10);
        assert!(seats.take_for_call(ContainerId(105)));
        assert!(!seats.take_for_call(ContainerId(105)), "one seat each");
    }

    #[test]
    fn a_step_at_the_same_moment_brings_no_new_seats() {
        let mut seats = Seats::default();
        let mut taken = |now| {
            seats.begin_turn(at(now), &BTreeSet::new());
            (0..20).filter(|_| seats.take()).count()
        };
        assert_eq!([taken(7), taken(7), taken(8)], [CONTAINERS, 0, CONTAINERS]);
    }
}
