//! Everything worth telling a person, as data. The words and the level are `report::words`'s.

use super::{Cause, Ending, Outcome, Unstartable};
use crate::plan::{ContainerId, HookKind, ProbeKind, ProgramId, Signal};
use std::time::Duration;

/// Something worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A program's exec succeeded.
    Started(ProgramId),
    /// A program could not be started.
    CannotStart(ProgramId, Unstartable),
    /// A program ended; the last tells whether a stop had been asked for.
    Ended(ProgramId, Ending, bool),
    /// A stop was asked for.
    StopAsked(Signal),
    /// The containers go on serving, unready, for this long.
    Draining(Duration),
    /// Processes are left after the containers ended; they get SIGTERM and this long.
    Stragglers(Duration),
    /// The grace is over: SIGKILL to all that is left.
    GraceOver,
    /// Something survived SIGKILL (it waits in the kernel); monopod leaves without it.
    LeftBehind,
    /// A signal came while nothing ran that it could be handed to.
    SignalDropped(Signal),
    /// An orphan was collected; its pid, and whether people asked to be told (`tini -w`).
    OrphanReaped(i32, Ending, bool),
    /// The helper is gone and is started again.
    HelperLost,
    /// The helper could not be forked, with the errno; it is tried again.
    HelperRefused(i32),
    /// A container's own process runs. (Event Started.)
    ContainerStarted(ContainerId),
    /// A container's program could not be started. (Event Failed.)
    ContainerUnstartable(ContainerId, Unstartable),
    /// A container's own process ended; whether somebody had asked for that.
    ContainerEnded(ContainerId, Ending, bool),
    /// A container waits this long before it is started again; zero is at once. (Event BackOff, where it is not zero.)
    BackingOff(ContainerId, Duration),
    /// A container is being stopped, and why. (Event Killing.)
    Killing(ContainerId, KillCause),
    /// An attempt of a probe failed, or counts for nothing. (Event Unhealthy.)
    Unhealthy(ContainerId, ProbeKind, Outcome, Cause),
    /// An attempt of a probe counts as good, with a word of caution. (Event ProbeWarning.)
    ProbeWarning(ContainerId, ProbeKind, Cause),
    /// A hook failed. (Events FailedPostStartHook and FailedPreStopHook.)
    HookFailed(ContainerId, HookKind, Cause),
    /// A preStop hook was still at it when the grace was over. (Event FailedPreStopHook.)
    HookOverran(ContainerId),
    /// An https hook was answered in plain HTTP, and that will do. (Event LifecycleHTTPFallback.)
    HookFellBack(ContainerId, HookKind),
    /// A container came into service, or went out of it.
    Readiness(ContainerId, bool),
    /// A container's startup probe succeeded, or it has none and runs.
    StartedUp(ContainerId),
    /// An init container failed for good: the pod fails.
    InitFailed(ContainerId, Ending),
    /// A container outlasted its stop and is killed. (Event ExceededGracePeriod.)
    ExceededGrace(ContainerId),
    /// All init containers are done and all sidecars started.
    Initialized,
    /// activeDeadlineSeconds are over. (Event DeadlineExceeded.)
    DeadlineExceeded,
    /// A rule asks for a new start of everything.
    RestartingAll(ContainerId),
    /// A stop was asked for by the control socket.
    StopCommanded,
}

/// Why a container is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillCause {
    /// The pod is being stopped.
    Stop,
    /// Its liveness or startup probe failed; whether it is started again.
    Probe(ProbeKind, bool),
    /// Its postStart hook failed.
    PostStart,
    /// Somebody asked for its restart.
    Commanded,
    /// A rule asks for a new start of everything.
    RestartAll,
}
