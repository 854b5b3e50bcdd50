//! What can be seen of a pod from outside: the API's PodStatus as plain data (kubelet-semantics F).
//!
//! Places stand for names: containers and gates are in the order of the plan. Times are the machine's; whoever shows them
//! adds the calendar. The JSON words are `report`'s.

use super::{Ending, Unstartable};
use crate::time::Time;
use std::time::Duration;

/// The state of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodStatus {
    /// The pod's phase.
    pub phase: Phase,
    /// Why a failed pod failed as a whole, if not by a container (`DeadlineExceeded`).
    pub deadline_exceeded: bool,
    /// When a stop was asked for, or the end began by itself.
    pub stopping_since: Option<Time>,
    /// PodScheduled, PodReadyToStartContainers, Initialized, ContainersReady, Ready, AllContainersRestarting, in this
    /// order. The last is the API's only in a pod that has such a rule.
    pub conditions: [Condition; 6],
    /// Every container, in the order of the plan.
    pub containers: Vec<ContainerStatus>,
    /// Every readiness gate, in the order of the plan; one that was never set is None and counts as false.
    pub gates: Vec<Option<bool>>,
}

/// F.2
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not all is initialized.
    #[default]
    Pending,
    /// Something runs, or will again.
    Running,
    /// All main containers have exited 0 for good.
    Succeeded,
    /// All are over, and one failed.
    Failed,
}

/// F.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// True or False; there is no Unknown here.
    pub holds: bool,
    /// Why not, or a word on why.
    pub reason: ConditionReason,
    /// Since when `holds` is what it is; reasons may change meanwhile (S181).
    pub since: Time,
}

impl Default for Condition {
    fn default() -> Condition {
        Condition {
            holds: false,
            reason: ConditionReason::None,
            since: Time::START,
        }
    }
}

/// The API's reasons for conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionReason {
    /// None is given.
    None,
    /// ContainersNotInitialized
    ContainersNotInitialized,
    /// ContainersNotReady
    ContainersNotReady,
    /// ReadinessGatesNotReady
    ReadinessGatesNotReady,
    /// PodCompleted
    PodCompleted,
    /// PodFailed
    PodFailed,
    /// RestartAllContainersStarted
    RestartAllContainersStarted,
}

/// The state of a container (F.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Exactly one of three.
    pub state: ContainerState,
    /// How the instance before this one ended.
    pub last: Option<Termination>,
    /// How often a new instance replaced an old one.
    pub restarts: u32,
    /// In service.
    pub ready: bool,
    /// Running, its postStart hook done, its startup probe (if any) succeeded.
    pub started: bool,
    /// The last published verdict of its liveness probe; true without one.
    pub live: bool,
    /// When an instance was last started.
    pub last_start: Option<Time>,
}

/// waiting, running or terminated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Not running, and that is not its end.
    Waiting(WaitingReason),
    /// Running since.
    Running(Time),
    /// Over; if it is to be started again, only until its reason to wait is known.
    Terminated(Termination),
}

/// E.7
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingReason {
    /// ContainerCreating, or PodInitializing in a pod with init containers.
    Initial,
    /// CrashLoopBackOff, with the rest that it is waiting out.
    CrashLoopBackOff(Duration),
    /// RunContainerError: its program could not be started.
    RunContainerError,
    /// PostStartHookError
    PostStartHookError,
}

/// How an instance ended (D.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// Code or signal. An instance that could not be started: see `unstartable`.
    pub ending: Ending,
    /// Why it never ran, if it did not: reason StartError, exit code 128 (S157).
    pub unstartable: Option<Unstartable>,
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
}
