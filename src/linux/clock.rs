//! The core's only reader of a clock.
//!
//! CLOCK_MONOTONIC: graces and rests must not care when somebody sets the date. It stands still while a machine is
//! suspended, as the kubelet's does.

use crate::time::Time;
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime};

/// Reads the time since it was made.
#[derive(Debug)]
pub struct Clock {
    start: Duration,
    wall_clock: SystemTime,
}

impl Clock {
    /// A clock that says [`Time::START`] now.
    pub fn start() -> Clock {
        Clock {
            start: since_boot(),
            wall_clock: SystemTime::now(),
        }
    }

    /// The date at [`Time::START`], for what is shown to people. Who sets the date later does not move what has been.
    pub fn wall_clock_at_start(&self) -> SystemTime {
        self.wall_clock
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::START.after(since_boot().saturating_sub(self.start))
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // Every kernel has this clock (clock_gettime(2)).
    now.map_or(Duration::ZERO, Duration::from)
}
