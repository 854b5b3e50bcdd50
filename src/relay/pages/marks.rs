//! Places at which a line ends whether or not there is a line break: so many bytes had been written to the source when its
//! program ended.
//!
//! The core tells that there was an end, and no more: where, it would have to ask the pipe, and that may never answer (see
//! [`pipe`](super::super::pipe)). Whoever comes first places it: a relay; or the child that is to be the next instance of
//! the program, before it becomes that. Both are right, for nothing new is written before.

use std::sync::atomic::{AtomicU64, Ordering};

/// The ends of one source. The relay passes them in their order.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Marks {
    /// In a ring. Each is the place and 1, or 0 as long as it was not counted.
    places: [AtomicU64; MARKS],
    /// How many were ever told of, and passed.
    told: AtomicU64,
    passed: AtomicU64,
    /// One of the relay's own, plus 1; 0 is none.
    own: AtomicU64,
}

/// So many ends of a program may wait for a relay; of more, those between are forgotten, and last lines that had no line
/// break run into the next.
const MARKS: usize = 8;

impl Marks {
    /// In the core: a program ended.
    pub fn tell(&self) {
        let told = self.told.load(Ordering::Acquire);
        let waiting = told.wrapping_sub(self.passed.load(Ordering::Acquire));
        let next = match waiting < MARKS as u64 {
            true => told,
            false => told.wrapping_sub(1),
        };
        self.place_of(next).store(0, Ordering::Release);
        self.told.store(next.wrapping_add(1), Ordering::Release);
    }

    fn place_of(&self, number: u64) -> &AtomicU64 {
        &self.places[number as usize % MARKS]
    }

    fn waiting(&self) -> impl Iterator<Item = &AtomicU64> {
        let (passed, told) = (
            self.passed.load(Ordering::Acquire),
            self.told.load(Ordering::Acquire),
        );
        (passed..told)
            .take(MARKS)
            .map(|number| self.place_of(number))
    }

    /// Whether there was an end that has no place yet.
    pub fn are_unplaced(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.any(|place| place.load(Ordering::Acquire) == 0)
    }

    /// Ends that have no place are here. In a relay, or in a child that is about to become the program.
    pub fn place(&self, written: u64) {
        for place in self.waiting() {
            // Refused: it was counted before.
            let _ = place.compare_exchange(0, written + 1, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// In a relay: here is an end, too. A later one replaces it.
    pub fn write_own(&self, place: u64) {
        self.own.store(place + 1, Ordering::Release);
    }

    /// The next place, if there is one.
    pub fn next(&self) -> Option<u64> {
        let told = self.waiting().next();
        let told = told.and_then(|place| place.load(Ordering::Acquire).checked_sub(1));
        let own = self.own.load(Ordering::Acquire).checked_sub(1);
        told.into_iter().chain(own).min()
    }

    /// The furthest of all that have a place, and 1; 0 if none has.
    pub fn furthest(&self) -> u64 {
        let own = self.own.load(Ordering::Acquire);
        let places = self.waiting().map(|place| place.load(Ordering::Acquire));
        places.fold(own, u64::max)
    }

    /// Whether there is an end, placed or not, that was not passed.
    pub fn are_left(&self) -> bool {
        self.waiting().next().is_some() || self.own.load(Ordering::Acquire) != 0
    }

    /// The place of the last end that was told of, passed or not; `None` if it was not counted yet, or there was none.
    pub fn last(&self) -> Option<u64> {
        let last = self.told.load(Ordering::Acquire).checked_sub(1)?;
        self.place_of(last).load(Ordering::Acquire).checked_sub(1)
    }

    /// How many of the core's were passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Acquire)
    }

    /// In a relay: the next place is behind us.
    pub fn pass(&self) {
        let own = self.own.load(Ordering::Acquire).checked_sub(1);
        if own.is_some() && self.next() == own {
            self.own.store(0, Ordering::Release);
        } else {
            self.passed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_where_it_was_counted_first() {
        let marks = Marks::default();
        assert_eq!((marks.next(), marks.last()), (None, None));
        marks.tell();
        assert!(marks.are_unplaced());
        assert_eq!((marks.next(), marks.last()), (None, None));
        marks.place(7);
        marks.place(9);
        assert!(!marks.are_unplaced());
        assert_eq!((marks.next(), marks.last()), (Some(7), Some(7)));
        marks.pass();
        assert_eq!((marks.next(), marks.last()), (None, Some(7)));
        assert_eq!(marks.passed(), 1);
    }

    #[test]
    fn of_more_ends_than_there_is_room_for_the_last_is_remembered() {
        let marks = Marks::default();
        for end in 0..20 {
            marks.tell();
            marks.place(end);
        }
        let passed: Vec<u64> = std::iter::from_fn(|| {
            let next = marks.next()?;
            marks.pass();
            Some(next)
        })
        .collect();
        assert_eq!(passed, [0, 1, 2, 3, 4, 5, 6, 19]);
    }
}
