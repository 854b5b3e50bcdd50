//! What can be seen of a container (kubelet-semantics F.1), by people and by its pod.

use super::{Container, State};
use crate::lifecycle::probes::Probes;
use crate::machine::{ContainerState, ContainerStatus, Termination, WaitingReason};
use crate::plan::Role;

/// Where a container stands, as far as the pod as a whole cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has never had an instance.
    New,
    /// It has an instance.
    Live,
    /// It has none now and will have one again.
    Between,
    /// It is over and its last instance ended with 0.
    Done,
    /// It is over otherwise.
    Failed,
}

impl Container {
    /// What can be seen of it (F.1).
    pub fn status(&self, role: Role) -> ContainerStatus {
        let waiting = || ContainerState::Waiting(self.trouble.unwrap_or(WaitingReason::Initial));
        let (state, last) = match (&self.state, self.newest_end) {
            (State::Live(instance), last) => match (instance.since(), instance.probes()) {
                // S70: until its postStart hook is done it is not called running.
                (Some(since), Some(_)) => (ContainerState::Running(since), last),
                _ => (waiting(), last),
            },
            (State::Resting { rest, .. }, last) => {
                let reason = WaitingReason::CrashLoopBackOff(*rest);
                (ContainerState::Waiting(reason), last)
            }
            (State::Waiting, last) => (waiting(), last),
            (State::Ended { .. } | State::Over, Some(end)) => {
                (ContainerState::Terminated(end), self.older_end)
            }
            (State::Ended { .. } | State::Over, None) => (waiting(), None),
        };
        ContainerStatus {
            state,
            last,
            restarts: self.instances.saturating_sub(1),
            ready: self.is_ready(role),
            started: self.probes().is_some_and(Probes::started),
            live: self.probes().is_none_or(Probes::live),
            last_start: self.last_start,
        }
    }

    /// In service; an init container is when it has done its work (S182).
    pub fn is_ready(&self, role: Role) -> bool {
        match role {
            Role::Init => self.standing() == Standing::Done,
            Role::Sidecar | Role::Main => self.probes().is_some_and(Probes::ready),
        }
    }

    /// Running and started up now.
    pub fn is_started(&self) -> bool {
        self.probes().is_some_and(Probes::started)
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match (&self.state, &self.newest_end) {
            (State::Live(_) | State::Ended { .. }, _) => Standing::Live,
            (State::Waiting | State::Resting { .. }, Some(_)) => Standing::Between,
            (State::Waiting | State::Resting { .. }, None) => Standing::New,
            (State::Over, None) => Standing::New,
            (State::Over, Some(end)) if end.ending.is_success() => Standing::Done,
            (State::Over, Some(_)) => Standing::Failed,
        }
    }

    /// Whether it shows as waiting and has no instance behind it (F.2).
    pub fn is_unborn(&self) -> bool {
        self.newest_end.is_none() && self.probes().is_none()
    }

    /// Whether an instance of it was ever started.
    pub fn has_begun(&self) -> bool {
        self.instances > 0
    }

    /// How its newest instance that is over ended.
    pub fn end(&self) -> Option<&Termination> {
        self.newest_end.as_ref()
    }

    fn probes(&self) -> Option<&Probes> {
        match &self.state {
            State::Live(instance) => instance.probes(),
            _ => None,
        }
    }
}
