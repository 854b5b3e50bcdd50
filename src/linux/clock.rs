//! The core's only reader of a clock.
//!
//! CLOCK_MONOTONIC, by way of `Instant`: graces and rests must not care when somebody sets the date. It stands still
//! while a machine is suspended, as the kubelet's does.

use crate::time::Time;
use std::time::{Instant, SystemTime};

/// Reads the time since it was made.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    wall_clock: SystemTime,
}

impl Clock {
    /// A clock that says [`Time::START`] now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
            wall_clock: SystemTime::now(),
        }
    }

    /// The date at [`Time::START`], for what is shown to people. Who sets the date later does not move what has been.
    pub fn wall_clock_at_start(&self) -> SystemTime {
        self.wall_clock
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::START.after(self.start.elapsed())
    }
}
