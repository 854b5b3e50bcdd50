//! That a relay may be held up by a source: it says of which one it asks something, and sees to it that an alarm goes off
//! in the core if it does not come back (see `quarantine`).
//!
//! No timer of its own could do it: who waits for a pipe's mutex runs no instruction. So the alarm is a timer that the core
//! hears, and a relay at work pushes it ahead before it goes off. The last one after some work does go off, once, and the
//! core looks and finds nothing; to call it off before each sleep would cost two system calls for each line that comes alone.

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So long may a relay be in one call on a source before the core looks. The call takes a microsecond; a false alarm costs the fork of
/// another relay and nothing else.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Set anew after this, so that two system calls a second are all that it costs.
const PUSHED_AHEAD_AFTER: Duration = Duration::from_secs(1);

/// The timer. It is one and the same in the core and in all relays.
#[derive(Debug)]
pub struct Alarm(TimerFd);

impl Alarm {
    /// One that is not set.
    pub fn new() -> Result<Alarm, Errno> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map(Alarm)
    }

    /// It goes off once, then; and not before, whatever it was set to.
    pub fn set(&self, after: Duration) {
        let once = Expiration::OneShot(TimeSpec::from_duration(after));
        // A time in range is never refused.
        let _ = self.0.set(once, TimerSetTimeFlags::empty());
    }

    /// In the core: it was heard.
    pub fn hear(&self) {
        let _ = self.0.wait();
    }

    /// The descriptor, to wait for.
    pub fn raw(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// A relay's.
#[derive(Debug)]
pub struct Touch<'a> {
    /// On the board: the source's number and 1, or 0.
    word: &'a AtomicU64,
    alarm: &'a Alarm,
    set_at: Cell<Option<Duration>>,
}

impl<'a> Touch<'a> {
    pub fn new(word: &'a AtomicU64, alarm: &'a Alarm) -> Touch<'a> {
        let set_at = Cell::new(None);
        Touch {
            word,
            alarm,
            set_at,
        }
    }

    /// Makes calls on this source's pipe.
    pub fn source<T>(&self, number: usize, calls: impl FnOnce() -> T) -> T {
        self.push_ahead();
        self.word.store(number as u64 + 1, Ordering::Release);
        let answer = calls();
        self.word.store(0, Ordering::Release);
        answer
    }

    fn push_ahead(&self) {
        // As exact as a tick of the kernel's, and for that without a system call.
        let now = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
        let now = now.map_or(Duration::ZERO, Duration::from);
        if is_due(self.set_at.get(), now) {
            self.alarm.set(PATIENCE);
            self.set_at.set(Some(now));
        }
    }
}

fn is_due(set_at: Option<Duration>, now: Duration) -> bool {
    set_at.is_none_or(|at| now.saturating_sub(at) >= PUSHED_AHEAD_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_before_the_first_call_and_pushed_ahead_before_it_goes_off() {
        let at = Duration::from_millis;
        assert!(is_due(None, at(0)));
        assert!(!is_due(Some(at(500)), at(1499)));
        assert!(is_due(Some(at(500)), at(1500)));
        assert!(PUSHED_AHEAD_AFTER < PATIENCE);
    }

    #[test]
    fn while_a_call_is_made_the_board_says_of_which_source() {
        let (word, alarm) = (AtomicU64::new(0), Alarm::new().expect("a timer"));
        let touch = Touch::new(&word, &alarm);
        assert_eq!(touch.source(4, || word.load(Ordering::Acquire)), 5);
        assert_eq!(word.load(Ordering::Acquire), 0);
    }
}
