//! Everything worth telling a person, as data. The words and the level are `report::words`'s.

use super::{Ending, Unstartable};
use crate::plan::{ProgramId, Signal};
use std::time::Duration;

/// Something worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A program's exec succeeded.
    Started(ProgramId),
    /// A program could not be started.
    CannotStart(ProgramId, Unstartable),
    /// An init step succeeded.
    StepDone(ProgramId),
    /// An init step failed and is tried again after a rest; how it ended, if it ever ran.
    StepRests(ProgramId, Option<Ending>, Duration),
    /// A program ended; the last tells whether a stop had been asked for.
    Ended(ProgramId, Ending, bool),
    /// An init step failed for good: the command is never run.
    StepFailed(ProgramId, Ending),
    /// A stop was asked for.
    StopAsked(Signal),
    /// The command goes on serving, unready, for this long.
    Draining(Duration),
    /// The pre-stop hook failed; the stop goes on.
    PreStopFailed(ProgramId, Ending),
    /// The pre-stop hook was still running when the grace was over; it is left to itself.
    PreStopOverran(ProgramId),
    /// Processes are left after the command ended; they get SIGTERM and this long.
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
}
