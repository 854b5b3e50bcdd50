//! What is shown, before it is words: the frame, which stays the same during a life, and the view of one moment.

use super::chronicle::{LastWords, Mark};
use super::journal::Event;
use super::tally::Counts;
use crate::machine::{ContainerStatus, PodStatus};
use crate::plan::{Check, Conduct, Container, ContainerId, Plan, Pod, Program};
use crate::time::Time;
use std::time::{Duration, SystemTime};

/// What stays the same during a life.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Whose life it is.
    pub pod: Pod,
    /// By program of the plan: its name without its arguments, which may hold secrets.
    pub programs: Vec<String>,
    /// The network questions of the plan.
    pub checks: Vec<Check>,
    /// `/livez` fails while a container rests from this many restarts or more.
    pub crash_loops: Option<u32>,
    /// The wall clock at [`Time::START`].
    pub start: SystemTime,
}

/// What is to be seen at a moment. What was not asked for is empty.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The moment.
    pub now: Moment,
    /// The pod.
    pub status: PodStatus,
    /// By container: whether an instance of it has ever started up.
    pub started_up: Vec<bool>,
    /// Events, the one told last at the end.
    pub events: Vec<Event>,
    /// The time line, the oldest first.
    pub marks: Vec<Mark>,
    /// By container; empty if none has left any.
    pub last_words: Vec<(ContainerId, LastWords)>,
    /// What was counted.
    pub counts: Counts,
}

/// A [`Time`] with a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Time);

impl Default for Moment {
    fn default() -> Moment {
        Moment(Time::START)
    }
}

impl Frame {
    /// Of this plan, in a life that began at `start`.
    pub fn new(plan: &Plan, start: SystemTime) -> Frame {
        let program = |program: &Program| program.file().to_string_lossy().into_owned();
        Frame {
            programs: plan.programs.iter().map(program).collect(),
            checks: plan.checks.clone(),
            pod: pod_of(plan),
            crash_loops: plan.serving.crash_loops,
            start,
        }
    }

    /// The pod's name.
    pub fn name(&self) -> &str {
        self.pod.name.as_deref().unwrap_or(super::NAMELESS)
    }

    /// A moment on the calendar, in the API's form: RFC 3339, cut down to seconds (kubelet-semantics F.1).
    pub fn date(&self, time: Time) -> String {
        let moment = self.start + time.since(Time::START);
        humantime::format_rfc3339_seconds(moment).to_string()
    }

    /// A moment counted from 1970, as metrics have it.
    pub fn unix(&self, time: Time) -> Duration {
        let moment = self.start + time.since(Time::START);
        let since = moment.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }

    /// Every container with its status, in order.
    pub fn containers<'a>(
        &'a self,
        view: &'a View,
    ) -> impl Iterator<Item = (ContainerId, &'a Container, &'a ContainerStatus)> {
        let known = self.pod.containers().zip(&view.status.containers);
        known.map(|((id, container), status)| (id, container, status))
    }
}

impl View {
    /// The termination message of the instance whose end the status shows as the current state, or as the last one.
    pub fn words_of(&self, id: ContainerId, current: bool) -> Option<String> {
        let (_, [latest, before]) = self.last_words.iter().find(|(known, _)| *known == id)?;
        let shows_end = matches!(
            self.status.containers.get(id.0).map(|status| status.state),
            Some(crate::machine::ContainerState::Terminated(_))
        );
        let words = match (shows_end, current) {
            (true, true) | (false, false) => latest,
            (true, false) => before,
            (false, true) => &None,
        };
        words.clone()
    }
}

/// The pod of a plan; what is no pod has nothing to show.
pub fn pod_of(plan: &Plan) -> Pod {
    match &plan.conduct {
        Conduct::Pod(pod) => pod.clone(),
        Conduct::Passthrough(_) => Pod::bare(Vec::new(), Duration::ZERO),
    }
}
