//! What to do, in the imperative. The hands perform actions in the order given and decide nothing.

use super::{AskId, Happening, RunId};
use crate::plan::{CheckId, ExitCode, ProgramId, Signal, Target};

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start this program as this run.
    Start(RunId, ProgramId),
    /// Send a signal to a run. For a run that has ended in this very turn, [`Target::Group`] and [`Target::Tree`] still
    /// reach what is left of it; anything else sent to an ended run is nothing.
    Strike(RunId, Target, Signal),
    /// Send a signal to every process in our care: all of the PID namespace as PID 1, all descendants otherwise.
    StrikeAll(Signal),
    /// Have the helper ask this over the network. Its answer is a fact; a helper that is lost takes all its answers
    /// with it. Without a helper, or with one that is hundreds of asks behind, the answer is Unknown, for want of a
    /// helper, and comes in the same turn. Asking a check anew gives up on its earlier asking.
    Ask(AskId, CheckId),
    /// Fork the helper.
    StartHelper,
    /// Stop monopod itself until somebody continues it (job control).
    SuspendSelf,
    /// Tell people.
    Say(Happening),
    /// End with this code. The last action there is.
    Leave(ExitCode),
}
