//! Sources that hold up whoever asks them: set aside, so that all others go on, and taken in again when they let go.
//!
//! Whoever has a pipe can keep the kernel's lock on it (see [`pipe`](super::pipe)), and a relay that asks that pipe sleeps
//! until he lets go, beyond SIGKILL. Then the core sends it one, which has its effect when the call is over, and forks
//! another that leaves out this source, and also the gear in which that call may still move bytes. When the old relay hangs
//! up, what it moved is in its gear as after any other death; a relay is forked that knows of both. So no byte is lost and
//! none doubled, of the one that held neither.
//!
//! A relay that waits for the reader is never meant: it touches no source meanwhile.
//!
//! What surprised us: that it slept at the first look proves nothing. A thawed cgroup lets the core run before its relay, and one
//! that is woken up just then would use the gear together with its heir. But a process that was sent SIGKILL runs no
//! instruction of its own once the kernel has told its processor, and if it lives on for [`REST`] it is in a call.

use super::gear::Gear;
use super::touch::PATIENCE;
use super::{Process, Relay, lane};
use crate::time::Time;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So long is waited between the SIGKILL and the second look. A thousand times what the kernel needs for it.
const REST: Duration = Duration::from_millis(500);

/// A relay that is held up.
#[derive(Debug)]
pub struct Held {
    process: Process,
    /// By this source.
    pub source: usize,
    /// In the course of a turn with this gear; none if it only asked how much there is.
    gear: Option<usize>,
}

impl Relay {
    /// The alarm went off: either that was the last work for now, or the relay does not come back from a call.
    pub(super) fn look(&mut self, now: Time) {
        let touched = self.pages.board().touched.load(Ordering::Acquire);
        let number = touched.checked_sub(1).map(|number| number as usize);
        let (Some(process), Some(number)) = (
            &mut self.process,
            number.filter(|it| *it < self.sources.len()),
        ) else {
            return;
        };
        match process.condemned {
            Some(since) if now.since(since) >= REST => self.set_aside(number, now),
            _ => {
                process.condemn(now);
                self.alarm.set(REST);
            }
        }
    }

    fn set_aside(&mut self, number: usize, now: Time) {
        let is_in_use = |gear: &&Gear| lane::is_taking(gear.words(), number);
        let used = self.free_gears().find(|(_, gear)| is_in_use(gear));
        let used = used.map(|(place, gear)| (place, gear.lane));
        if let Some((_, lane)) = used
            && self
                .free_gears()
                .filter(|(_, gear)| gear.lane == lane)
                .count()
                == 1
        {
            match Gear::new(lane) {
                Ok(gear) => self.gears.push(gear),
                Err(errno) => {
                    if !std::mem::replace(&mut self.has_been_refused, true) {
                        log::warn!(
                            "{} holds the lock of its pipe, and the output relay waits for it: cannot leave it out: {}",
                            self.sources[number].label,
                            errno.desc()
                        );
                    }
                    return self.alarm.set(PATIENCE);
                }
            }
        }
        let Some(process) = self.process.take() else {
            return;
        };
        // Who does it again and again is not to fill the log.
        let level = match self.told_of_holders.contains(&number) {
            true => log::Level::Info,
            false => log::Level::Warn,
        };
        log::log!(
            level,
            "somebody holds the lock of the pipe of {} (splice(2) from something silent does that): its lines wait until he \
             lets go, all others go on",
            self.sources[number].label
        );
        if level == log::Level::Warn {
            self.told_of_holders.push(number);
        }
        self.held.push(Held {
            process,
            source: number,
            gear: used.map(|(place, _)| place),
        });
        self.keeper.lost(now, true);
    }

    /// Gears that no relay is held up in.
    pub(super) fn free_gears(&self) -> impl Iterator<Item = (usize, &Gear)> {
        let gears = self.gears.iter().enumerate();
        gears.filter(|(place, _)| self.held.iter().all(|held| held.gear != Some(*place)))
    }

    /// Whether a source is set aside.
    pub(super) fn is_set_aside(&self, number: usize) -> bool {
        self.held.iter().any(|held| held.source == number)
    }

    /// Takes in again what was let go. The pids of the relays that it held.
    pub(super) fn take_in(&mut self, now: Time) -> Vec<i32> {
        let is_over = |held: &mut Held| !held.process.line.hear().1;
        let over: Vec<Held> = self.held.extract_if(.., is_over).collect();
        for held in &over {
            let label = &self.sources[held.source].label;
            log::info!("the lock of the pipe of {label} was let go: its lines go on");
        }
        if let (false, Some(process)) = (over.is_empty(), &mut self.process) {
            // Its heir knows of them.
            process.condemn(now);
        }
        over.iter().map(|held| held.process.pid).collect()
    }

    /// The lines to those that are held up.
    pub(super) fn lines_of_held(&self) -> impl Iterator<Item = i32> {
        self.held.iter().map(|held| held.process.line.raw())
    }
}

impl Process {
    /// Ends it, for a reason of ours.
    fn condemn(&mut self, now: Time) {
        if self.condemned.is_none() {
            self.condemned = Some(now);
            // SAFETY: two numbers; it was not collected, so the pid is its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
    }
}
