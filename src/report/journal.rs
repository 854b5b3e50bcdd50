//! The events of a pod: what the kubelet would tell the API server, kept here instead. Bounded; the oldest go.
//!
//! Part of the core's memory, so it must never grow with time. The same thing told again (same object, reason and
//! message) is counted, not kept twice, as the kubelet's own correlator does.

use crate::plan::ContainerId;
use crate::time::Time;
use std::collections::VecDeque;

/// Events kept. A pod in trouble tells a few dozen different ones; the API server forgets them after an hour.
const KEPT: usize = 256;

/// Bytes of a message. The API allows 1024; an exec probe's last words are what this is about.
pub const MESSAGE_LIMIT: usize = 512;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which container it is about; the pod itself without one.
    pub about: Option<ContainerId>,
    /// The kubelet's word.
    pub reason: Reason,
    /// The kubelet's sentence, where it has one.
    pub message: String,
    /// How often it was told.
    pub count: u32,
    /// When it was told first.
    pub first: Time,
    /// When it was told last.
    pub last: Time,
    /// The number of the telling that was the last; grows by one with each telling of whatever event.
    pub revision: u32,
}

/// The kubelet's reasons (kubelet-semantics C.4), in the order of their numbers on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// A container runs.
    Started,
    /// A container is being stopped.
    Killing,
    /// A probe failed.
    Unhealthy,
    /// A probe counts as good, with a word of caution.
    ProbeWarning,
    /// A container rests before it is started again.
    BackOff,
    /// A container could not be started, or failed for good during init.
    Failed,
    /// A postStart hook failed.
    FailedPostStartHook,
    /// A preStop hook failed or overran.
    FailedPreStopHook,
    /// A container outlasted its stop.
    ExceededGracePeriod,
    /// An https hook was answered in plain HTTP.
    LifecycleHTTPFallback,
    /// activeDeadlineSeconds are over.
    DeadlineExceeded,
    /// A rule asks for a new start of everything.
    RestartAllContainers,
}

impl Reason {
    const ALL: [(Reason, &str, bool); 12] = [
        (Reason::Started, "Started", false),
        (Reason::Killing, "Killing", false),
        (Reason::Unhealthy, "Unhealthy", true),
        (Reason::ProbeWarning, "ProbeWarning", true),
        (Reason::BackOff, "BackOff", true),
        (Reason::Failed, "Failed", true),
        (Reason::FailedPostStartHook, "FailedPostStartHook", true),
        (Reason::FailedPreStopHook, "FailedPreStopHook", true),
        (Reason::ExceededGracePeriod, "ExceededGracePeriod", true),
        (Reason::LifecycleHTTPFallback, "LifecycleHTTPFallback", true),
        (Reason::DeadlineExceeded, "DeadlineExceeded", false),
        (Reason::RestartAllContainers, "RestartAllContainers", false),
    ];

    /// The word.
    pub fn word(self) -> &'static str {
        Reason::ALL[self as usize].1
    }

    /// Type Warning; otherwise Normal.
    pub fn is_warning(self) -> bool {
        Reason::ALL[self as usize].2
    }

    /// The reason with this number on the line.
    pub fn from_wire(number: u8) -> Option<Reason> {
        Reason::ALL.get(usize::from(number)).map(|row| row.0)
    }
}

/// The events that are remembered, the one told last at the end.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    events: VecDeque<Event>,
    revision: u32,
}

impl Journal {
    /// Takes an event down.
    pub fn record(
        &mut self,
        now: Time,
        about: Option<ContainerId>,
        reason: Reason,
        message: String,
    ) {
        let message = cut(message);
        self.revision = self.revision.wrapping_add(1);
        let known = self.events.iter().position(|event| {
            event.reason == reason && event.about == about && event.message == message
        });
        let mut event = match known.and_then(|place| self.events.remove(place)) {
            Some(event) => event,
            None => Event {
                about,
                reason,
                message,
                count: 0,
                first: now,
                last: now,
                revision: 0,
            },
        };
        event.count = event.count.saturating_add(1);
        event.last = now;
        event.revision = self.revision;
        self.events.push_back(event);
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
    }

    /// What was told after this revision, the oldest telling first.
    pub fn since(&self, revision: u32) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(move |event| event.revision > revision)
    }
}

/// Shortened to the limit, between two characters, and with a mark that says so.
fn cut(mut message: String) -> String {
    const MARK: &str = "...";
    if message.len() > MESSAGE_LIMIT {
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT - MARK.len()));
        message.push_str(MARK);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Option<ContainerId> = Some(ContainerId(0));

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_same_again_is_counted_and_is_the_last_told() {
        let mut journal = Journal::default();
        journal.record(at(1), WEB, Reason::Unhealthy, "no".into());
        journal.record(at(2), WEB, Reason::Started, "yes".into());
        journal.record(at(3), WEB, Reason::Unhealthy, "no".into());
        journal.record(at(4), None, Reason::Unhealthy, "no".into());
        let told: Vec<_> = journal
            .since(0)
            .map(|event| (event.reason, event.count, event.first, event.last))
            .collect();
        assert_eq!(
            told,
            [
                (Reason::Started, 1, at(2), at(2)),
                (Reason::Unhealthy, 2, at(1), at(3)),
                (Reason::Unhealthy, 1, at(4), at(4)),
            ]
        );
        // Who had seen the first two tellings sees only what was told since.
        assert_eq!(journal.since(2).count(), 2);
        assert_eq!(journal.since(4).count(), 0);
    }

    #[test]
    fn it_does_not_grow_and_forgets_the_oldest() {
        let mut journal = Journal::default();
        for number in 0..10_000 {
            journal.record(at(number), WEB, Reason::Failed, format!("{number}"));
        }
        assert_eq!(journal.since(0).count(), KEPT);
        assert_eq!(journal.since(9_999).next().unwrap().message, "9999");
    }

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        let message = cut("é".repeat(MESSAGE_LIMIT));
        assert!(message.len() <= MESSAGE_LIMIT && message.ends_with("é..."));
        assert_eq!(cut("short".into()), "short");
    }

    #[test]
    fn a_reason_comes_back_by_its_number() {
        for (reason, ..) in Reason::ALL {
            assert_eq!(Reason::from_wire(reason as u8), Some(reason));
        }
        assert_eq!(Reason::from_wire(Reason::ALL.len() as u8), None);
    }
}
