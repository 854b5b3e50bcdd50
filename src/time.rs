//! Time as the deciding rooms know it: a number that they are told.
//!
//! There is no clock here and there must never be one: the only reader of a clock for the core is `linux::clock`.
//! `std::time::Instant` was not used because it can express neither "zero" nor a story written down in a test.

use std::time::Duration;

/// Nanoseconds since the core started. Never goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment the core started.
    pub const START: Time = Time(0);

    /// The moment `nanoseconds` after the start.
    pub const fn from_nanos(nanoseconds: u64) -> Time {
        Time(nanoseconds)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment and `span` more; a span too long to express ends at the last moment there is.
    pub fn after(self, span: Duration) -> Time {
        Time(
            self.0
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// The earlier of two moments, if there is any.
    pub fn first(one: Option<Time>, other: Option<Time>) -> Option<Time> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_too_long_ends_at_the_last_moment_instead_of_wrapping() {
        assert_eq!(
            Time::from_nanos(5).after(Duration::MAX),
            Time::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn since_is_never_negative() {
        assert_eq!(Time::START.since(Time::from_nanos(9)), Duration::ZERO);
    }
}
