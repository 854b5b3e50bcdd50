//! How long to rest before trying again, and when to forget.
//!
//! The kubelet's series (kubelet-semantics S133 to S137): the first failure is tried again at once, then after 10, 20,
//! 40, 80, 160, 300, 300 … seconds, counted from the end. A run of *more* than ten minutes wipes the slate; exactly ten
//! minutes does not.

use crate::time::Time;
use std::time::Duration;

/// The kubelet's first rest after the free retry.
const FIRST: Duration = Duration::from_secs(10);
/// The kubelet's longest rest.
const LONGEST: Duration = Duration::from_secs(300);
/// The kubelet forgets after twice its longest rest.
const FORGET: Duration = Duration::from_secs(600);

/// The rests of one program that keeps failing.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// How long to rest after a run that was begun at `begun` and failed at `ended`.
    pub fn rest(&mut self, begun: Time, ended: Time) -> Duration {
        if ended.since(begun) > FORGET {
            self.next = Duration::ZERO;
        }
        let rest = self.next;
        self.next = if rest.is_zero() {
            FIRST
        } else {
            (rest * 2).min(LONGEST)
        };
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn s135_the_rests_are_the_kubelets() {
        let mut backoff = Backoff::default();
        let rests: Vec<u64> = (0..9)
            .map(|_| backoff.rest(at(0), at(30)).as_secs())
            .collect();
        assert_eq!(rests, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn s136_s137_only_a_run_of_more_than_ten_minutes_is_forgiven() {
        let mut backoff = Backoff::default();
        for _ in 0..8 {
            backoff.rest(at(0), at(1));
        }
        assert_eq!(backoff.rest(at(0), at(600)).as_secs(), 300);
        assert_eq!(backoff.rest(at(0), at(601)).as_secs(), 0);
        assert_eq!(backoff.rest(at(0), at(1)).as_secs(), 10);
    }
}
