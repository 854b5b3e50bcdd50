//! The words spoken between deciding and doing, and the law that every decider keeps.
//!
//! A [`Machine`] is told the facts of a turn and the time, and answers with actions. It does no I/O, reads no clock,
//! logs nothing and cannot fail. Whoever adds a word here changes the language that everybody speaks: slow down.
//!
//! # The law
//!
//! 1. `step` is total: every fact in every state has an answer. No error, no panic.
//! 2. A step *hears* every fact of the turn (states change, nothing starts), lets what is due *lapse*, then *settles*
//!    once; only settling starts anything. So nothing starts in a turn that says stop, and an end that arrives together
//!    with its deadline counts, whichever was noticed first.
//! 3. After `step`, every deadline lies in the future.
//! 4. A run goes Start, then Started, then Ended, or Unstartable instead of both; each once, in that order. The hands
//!    guarantee it, the machine relies on it.
//! 5. No two live runs of one program. Once a stop was heard nothing starts but hooks and readiness probes, and once
//!    SIGKILL was sent to all, nothing. After Leave, nothing.
//! 6. Same plan, same facts, same times: same actions.
//!
//! What surprised us: "deadlines first, then facts" and "facts first, one by one" are both wrong. The first starts a
//! service in the very turn that delivers SIGTERM, the second in the turn where the last init step succeeds.

mod action;
mod ask;
mod fact;
mod happening;
mod pod_status;
mod standing_order;

pub use action::Action;
pub use ask::{Answer, AskId, Cause, Command, Outcome};
pub use fact::{Ending, Fact, RunId, RunIds, Sender, Stage, Unstartable};
pub use happening::{Happening, KillCause};
pub use pod_status::{
    Condition, ConditionReason, ContainerState, ContainerStatus, Phase, PodStatus, Termination,
    WaitingReason,
};
pub use standing_order::{SignalSet, StandingOrder};

use crate::time::Time;

/// A decider. See the [law](self#the-law).
pub trait Machine {
    /// Hears the facts of one turn and adds what to do to `actions`, in order. The list is the caller's, because a turn in
    /// which a signal is handed on is to cost no memory: allocating was half of what monopod did for one.
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>);

    /// Hears the facts of one turn and says what to do, in order.
    fn step(&mut self, now: Time, facts: &[Fact]) -> Vec<Action> {
        let mut actions = Vec::new();
        self.step_into(now, facts, &mut actions);
        actions
    }

    /// What the hands are to do with signals by themselves, without telling of them; `None`: nothing.
    fn standing_order(&self) -> Option<StandingOrder> {
        None
    }

    /// When to be woken at the latest, if nothing happens until then.
    fn deadline(&self) -> Option<Time>;

    /// What can be seen from outside; of what is no pod, nothing.
    fn status(&self) -> PodStatus;
}
