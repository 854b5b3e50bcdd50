//! The core's only reader of a clock.
//!
//! CLOCK_MONOTONIC, by way of `Instant`: graces and rests must not care when somebody sets the date. It stands still
//! while a machine is suspended, as the kubelet's does.

use crate::time::Time;
use std::time::Instant;

/// Reads the time since it was made.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that says [`Time::START`] now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::START.after(self.start.elapsed())
    }
}
