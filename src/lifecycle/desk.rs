//! The desk at which orders are given out: it mints the numbers of runs and asks and remembers whose they are.
//!
//! A pod may have a thousand containers, so a fact finds its container by the book and not by asking around. An order
//! that nobody waits for any more stays in the book until its end was heard: then that falls on the floor.

use super::seats::Seats;
use crate::machine::{Action, AskId, Happening, RunId, RunIds};
use crate::plan::{CheckId, ContainerId, ProgramId, Signal, Target};
use litemap::LiteMap;

/// Who ordered what, and the actions of this turn.
#[derive(Debug, Default)]
pub struct Desk {
    actions: Vec<Action>,
    runs: RunIds,
    asks: u32,
    run_owners: LiteMap<RunId, ContainerId>,
    ask_owners: LiteMap<AskId, ContainerId>,
    helper_is_up: bool,
    /// How many starts may be ordered in this turn.
    pub seats: Seats,
}

impl Desk {
    /// Orders the start of a program.
    pub fn start(&mut self, owner: ContainerId, program: ProgramId) -> RunId {
        let run = self.runs.mint();
        self.run_owners.insert(run, owner);
        self.actions.push(Action::Start(run, program));
        run
    }

    /// Has the helper ask; without a helper, nothing comes of it.
    pub fn ask(&mut self, owner: ContainerId, check: CheckId) -> Option<AskId> {
        if !self.helper_is_up {
            return None;
        }
        self.asks = self.asks.wrapping_add(1);
        let ask = AskId(self.asks);
        self.ask_owners.insert(ask, owner);
        self.actions.push(Action::Ask(ask, check));
        Some(ask)
    }

    /// Sends a signal.
    pub fn strike(&mut self, run: RunId, target: Target, signal: Signal) {
        self.actions.push(Action::Strike(run, target, signal));
    }

    /// Tells people.
    pub fn say(&mut self, happening: Happening) {
        self.actions.push(Action::Say(happening));
    }

    /// Whose run this is.
    pub fn owner_of(&self, run: RunId) -> Option<ContainerId> {
        self.run_owners.get(&run).copied()
    }

    /// The run is over. Whose it was.
    pub fn close_run(&mut self, run: RunId) -> Option<ContainerId> {
        self.run_owners.remove(&run)
    }

    /// The ask was answered. Whose it was.
    pub fn close_ask(&mut self, ask: AskId) -> Option<ContainerId> {
        self.ask_owners.remove(&ask)
    }

    /// The helper is gone and with it every answer. What was open, and whose it was.
    pub fn close_all_asks(&mut self) -> LiteMap<AskId, ContainerId> {
        std::mem::take(&mut self.ask_owners)
    }

    /// Whether there is somebody to ask.
    pub fn set_helper_is_up(&mut self, is_up: bool) {
        self.helper_is_up = is_up;
    }

    /// The actions of this turn, for rooms that order by themselves.
    pub fn actions(&mut self) -> &mut Vec<Action> {
        &mut self.actions
    }

    /// The turn is over: what was ordered goes out.
    pub fn hand_over(&mut self, actions: &mut Vec<Action>) {
        actions.append(&mut self.actions);
    }
}
