//! What the core remembers of a life beyond the machine's state: events, the marks of the time line, counts, who has ever
//! started up, and last words. The helper asks for copies.
//!
//! It must stay bounded whatever happens for however long, and it must never be asked by a deciding room: a life goes
//! the same way whether it is written down or not.

use super::event_words::event;
use super::journal::Journal;
use super::tally::Tally;
use crate::machine::{Action, Ending, Fact, Happening};
use crate::plan::{ContainerId, Plan, Pod};
use crate::time::Time;
use std::collections::VecDeque;

/// Marks kept: a thousand containers' starts, or a day of one that crashes every few minutes.
const MARKS_KEPT: usize = 2048;

/// Bytes of all last words of a pod together, as the kubelet publishes them (kubelet-semantics D.7).
const LAST_WORDS_LIMIT: usize = 12 * 1024;

/// A point on the time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Time,
    /// Of which container; of the pod without one.
    pub about: Option<ContainerId>,
    /// What.
    pub what: Milestone,
}

/// What a [`Mark`] marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// A container's own process runs.
    Started,
    /// A container's own process ended, or never ran.
    Ended(Ending),
    /// A container came into service.
    Ready,
    /// A container went out of service.
    Unready,
    /// All init containers are done.
    Initialized,
    /// A stop was asked for, or the pod's time is over.
    Stopping,
    /// SIGKILL to all that was left.
    GraceOver,
}

/// What the last two instances of a container left as their termination messages, the latest first.
pub type LastWords = [Option<String>; 2];

/// The memory.
#[derive(Clone, Debug)]
pub struct Chronicle {
    journal: Journal,
    marks: VecDeque<Mark>,
    tally: Tally,
    started_up: Vec<bool>,
    last_words: Vec<LastWords>,
}

impl Chronicle {
    /// Of a life that has not begun.
    pub fn new(pod: &Pod) -> Chronicle {
        let count = pod.containers.len();
        Chronicle {
            journal: Journal::default(),
            marks: VecDeque::new(),
            tally: Tally::new(pod),
            started_up: vec![false; count],
            last_words: vec![LastWords::default(); count],
        }
    }

    /// A fact, before the machine hears it.
    pub fn hear(&mut self, now: Time, fact: &Fact) {
        self.tally.hear(now, fact);
    }

    /// An order, before it is carried out.
    pub fn act(&mut self, now: Time, action: &Action) {
        self.tally.act(now, action);
    }

    /// Something that is told to people. `words` is what an exec probe wrote, if this is about one.
    pub fn note(&mut self, now: Time, happening: &Happening, plan: &Plan, words: Option<&str>) {
        if let Happening::StartedUp(id) = happening
            && let Some(started) = self.started_up.get_mut(id.0)
        {
            *started = true;
        }
        if let Some((about, what)) = milestone(happening) {
            self.marks.push_back(Mark {
                at: now,
                about,
                what,
            });
            if self.marks.len() > MARKS_KEPT {
                self.marks.pop_front();
            }
        }
        if let Some((about, reason, message)) = event(happening, plan, words) {
            self.journal.record(now, about, reason, message);
        }
    }

    /// The termination message of an instance that has just ended, in full; nothing if it left none.
    pub fn last_words(&mut self, id: ContainerId, words: Option<&str>) {
        let most = LAST_WORDS_LIMIT / self.last_words.len().max(1);
        if let Some([latest, before]) = self.last_words.get_mut(id.0) {
            *before = latest.take();
            *latest = shortened(words, most);
        }
    }

    /// The message of the instance that ended last, where it was not known at its end.
    pub fn late_last_words(&mut self, id: ContainerId, words: Option<&str>) {
        let most = LAST_WORDS_LIMIT / self.last_words.len().max(1);
        if let Some([latest, _]) = self.last_words.get_mut(id.0) {
            *latest = shortened(words, most);
        }
    }

    /// The events.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The time line, the oldest first.
    pub fn marks(&self) -> &VecDeque<Mark> {
        &self.marks
    }

    /// What was counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// By container: whether an instance of it has ever started up.
    pub fn started_up(&self) -> &[bool] {
        &self.started_up
    }

    /// By container: its last words.
    pub fn all_last_words(&self) -> &[LastWords] {
        &self.last_words
    }
}

fn milestone(happening: &Happening) -> Option<(Option<ContainerId>, Milestone)> {
    Some(match happening {
        Happening::ContainerStarted(id) => (Some(*id), Milestone::Started),
        Happening::ContainerEnded(id, ending, _) => (Some(*id), Milestone::Ended(*ending)),
        Happening::ContainerUnstartable(id, why) => {
            (Some(*id), Milestone::Ended(Ending::Exited(why.code())))
        }
        Happening::Readiness(id, true) => (Some(*id), Milestone::Ready),
        Happening::Readiness(id, false) => (Some(*id), Milestone::Unready),
        Happening::Initialized => (None, Milestone::Initialized),
        Happening::StopAsked(_) | Happening::StopCommanded | Happening::DeadlineExceeded => {
            (None, Milestone::Stopping)
        }
        Happening::GraceOver => (None, Milestone::GraceOver),
        _ => return None,
    })
}

fn shortened(words: Option<&str>, most: usize) -> Option<String> {
    let words = words.filter(|words| !words.is_empty())?;
    Some(words[..words.floor_char_boundary(most)].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Cause, KillCause, Outcome};
    use crate::plan::ProbeKind;
    use crate::report::samples::{self, WEB};
    use std::time::Duration;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn told(happenings: &[Happening], words: Option<&str>) -> Vec<(&'static str, String)> {
        let plan = samples::plan();
        let mut chronicle = Chronicle::new(&samples::pod());
        for happening in happenings {
            chronicle.note(at(1), happening, &plan, words);
        }
        let events = chronicle.journal().since(0);
        events
            .map(|event| (event.reason.word(), event.message.clone()))
            .collect()
    }

    #[test]
    fn events_have_the_kubelets_reasons_and_words() {
        let refused = Cause::HttpStatus(500);
        assert_eq!(
            told(
                &[
                    Happening::ContainerStarted(WEB),
                    Happening::Unhealthy(WEB, ProbeKind::Liveness, Outcome::Failure, refused),
                    Happening::Unhealthy(
                        WEB,
                        ProbeKind::Readiness,
                        Outcome::Unknown,
                        Cause::NoHelper
                    ),
                    Happening::Killing(WEB, KillCause::Probe(ProbeKind::Liveness, true)),
                    Happening::BackingOff(WEB, Duration::ZERO),
                    Happening::BackingOff(WEB, Duration::from_secs(10)),
                    Happening::Killing(WEB, KillCause::Stop),
                    Happening::Readiness(WEB, true),
                ],
                None
            ),
            [
                ("Started", "Started container web".to_owned()),
                (
                    "Unhealthy",
                    "Liveness probe failed: HTTP probe failed with statuscode: 500".into()
                ),
                (
                    "Unhealthy",
                    "Readiness probe errored: the network helper is away".into()
                ),
                (
                    "Killing",
                    "Container web failed liveness probe, will be restarted".into()
                ),
                (
                    "BackOff",
                    "Back-off restarting failed container web in pod shop".into()
                ),
                ("Killing", "Stopping container web".into()),
            ]
        );
    }

    #[test]
    fn what_an_exec_probe_wrote_is_told_and_cannot_command_a_terminal() {
        let failed =
            Happening::Unhealthy(WEB, ProbeKind::Liveness, Outcome::Failure, Cause::Exit(1));
        assert_eq!(
            told(&[failed], Some("  cannot read \x1b[2Jlock\n"))[0].1,
            "Liveness probe failed: cannot read ?[2Jlock"
        );
        assert_eq!(
            told(&[failed], Some(" \n"))[0].1,
            "Liveness probe failed: exit code 1"
        );
    }

    #[test]
    fn started_up_once_is_started_up_for_ever() {
        let (plan, mut chronicle) = (samples::plan(), Chronicle::new(&samples::pod()));
        chronicle.note(at(1), &Happening::StartedUp(WEB), &plan, None);
        chronicle.note(
            at(2),
            &Happening::Killing(WEB, KillCause::Commanded),
            &plan,
            None,
        );
        assert!(chronicle.started_up()[WEB.0]);
    }

    #[test]
    fn the_time_line_does_not_grow() {
        let (plan, mut chronicle) = (samples::plan(), Chronicle::new(&samples::pod()));
        for second in 0..10_000 {
            chronicle.note(at(second), &Happening::ContainerStarted(WEB), &plan, None);
        }
        assert_eq!(chronicle.marks().len(), MARKS_KEPT);
        assert_eq!(chronicle.marks().back().unwrap().at, at(9_999));
    }

    #[test]
    fn last_words_are_kept_of_two_instances_and_share_the_kubelets_limit() {
        let mut chronicle = Chronicle::new(&samples::pod());
        chronicle.last_words(WEB, Some("one"));
        chronicle.last_words(WEB, Some(&"a".repeat(20_000)));
        let share = LAST_WORDS_LIMIT / samples::pod().containers.len();
        let [latest, before] = &chronicle.all_last_words()[WEB.0];
        assert_eq!(latest.as_ref().unwrap().len(), share);
        assert_eq!(before.as_deref(), Some("one"));
        chronicle.last_words(WEB, None);
        assert_eq!(chronicle.all_last_words()[WEB.0][0], None);
        chronicle.late_last_words(WEB, Some("late"));
        let [latest, before] = &chronicle.all_last_words()[WEB.0];
        assert_eq!(latest.as_deref(), Some("late"));
        assert_eq!(before.as_ref().map(String::len), Some(share));
    }
}
