//! When to fork the next relay. Pure, and told the time.
//!
//! At once, as a rule: writers wait meanwhile. Only if one after the other dies young without having moved a byte must the
//! next one wait, so that a machine in trouble is not forked to death.

use crate::time::Time;
use std::time::Duration;

/// A relay that lived this long died of something else than its own start or the bytes it met.
const SOUND: Duration = Duration::from_millis(100);
/// Deaths in a row for which nobody rests.
const FREE: u32 = 8;
/// The first rest of one that died young.
const FIRST_REST: Duration = Duration::from_millis(5);
/// The longest.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Somebody may kill one after the other: so often it is told of.
const LEAST_BETWEEN_WORDS: Duration = Duration::from_secs(10);

/// The state.
#[derive(Clone, Debug)]
pub struct Keeper {
    state: State,
    young: u32,
    /// Deaths that were not told of, and when to tell of the next.
    untold: u32,
    quiet_until: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due(Time),
    Up(Time),
}

impl Default for Keeper {
    fn default() -> Keeper {
        Keeper {
            state: State::Due(Time::START),
            young: 0,
            untold: 0,
            quiet_until: Time::START,
        }
    }
}

impl Keeper {
    /// When to fork, if that is ahead.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Due(at) => Some(at),
            State::Up(_) => None,
        }
    }

    /// Whether to fork now.
    pub fn is_due(&self, now: Time) -> bool {
        matches!(self.state, State::Due(at) if at <= now)
    }

    /// It was forked.
    pub fn forked(&mut self, now: Time) {
        self.state = State::Up(now);
    }

    /// One died whose death nobody expected. How many such there were, if it is time to tell of them.
    pub fn tell(&mut self, now: Time) -> Option<u32> {
        self.untold = self.untold.saturating_add(1);
        (now >= self.quiet_until).then(|| {
            self.quiet_until = now.after(LEAST_BETWEEN_WORDS);
            std::mem::take(&mut self.untold)
        })
    }

    /// It is gone, or could not be forked. `did_work` tells whether it had taken anything.
    pub fn lost(&mut self, now: Time, did_work: bool) {
        let lived = matches!(self.state, State::Up(since) if now.since(since) >= SOUND);
        let was_sound = lived || did_work;
        self.young = if was_sound { 0 } else { self.young + 1 };
        let rest = match self.young.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => (FIRST_REST * 2_u32.pow(over.min(8))).min(LONGEST_REST),
        };
        self.state = State::Due(now.after(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_next_one_comes_at_once_and_one_that_keeps_dying_young_rests() {
        let mut keeper = Keeper::default();
        let mut now = Time::from_nanos(MS);
        for _ in 0..FREE - 1 {
            assert!(keeper.is_due(now));
            keeper.forked(now);
            now = now.after(Duration::from_millis(1));
            keeper.lost(now, false);
        }
        assert!(keeper.is_due(now));
        let mut rests = Vec::new();
        for _ in 0..12 {
            keeper.forked(now);
            keeper.lost(now, false);
            let due = keeper.deadline().expect("it rests");
            rests.push(due.since(now).as_millis());
            now = due;
        }
        assert_eq!(rests[..4], [5, 10, 20, 40]);
        assert_eq!(rests[11], 1000);
    }

    #[test]
    fn of_many_deaths_one_line_tells_and_none_is_left_out() {
        let mut keeper = Keeper::default();
        let told: Vec<u32> = (0..40)
            .filter_map(|second| keeper.tell(Time::from_nanos(second * 1000 * MS)))
            .collect();
        assert_eq!(told, [1, 10, 10, 10]);
    }

    #[test]
    fn a_life_that_was_sound_or_of_use_is_forgiven_everything() {
        let mut keeper = Keeper::default();
        for (lived, did_work) in [(100 * MS, false), (1, true)] {
            for _ in 0..20 {
                keeper.lost(Time::START, false);
            }
            keeper.forked(Time::START);
            keeper.lost(Time::from_nanos(lived), did_work);
            assert!(keeper.is_due(Time::from_nanos(lived)));
        }
    }
}
