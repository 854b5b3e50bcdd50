//! Signals that are handed on: to all main containers that run, or during init to the init container that does.
//!
//! Those of a turn that came before the one that asked for the stop go out before the stop signal does, the others after
//! it: what arrived in an order leaves in that order. What starts in a turn gets the signals of that turn.

use super::crew::Crew;
use crate::machine::Happening;
use crate::plan::{ContainerId, Role, Signal, Target};

/// The signals of one turn.
#[derive(Debug, Default)]
pub struct Signals {
    before_ask: Vec<Signal>,
    after_ask: Vec<Signal>,
    asked: bool,
    /// What somebody wants sent to one container.
    to_one: Vec<(ContainerId, Signal)>,
}

impl Signals {
    /// One to be handed on.
    pub fn hand_on(&mut self, signal: Signal) {
        match self.asked {
            true => self.after_ask.push(signal),
            false => self.before_ask.push(signal),
        }
    }

    /// One for this container alone.
    pub fn send_to(&mut self, id: ContainerId, signal: Signal) {
        self.to_one.push((id, signal));
    }

    /// In this turn a stop was asked for.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// Before anybody is stopped: what came before the ask.
    pub fn settle_before_stop(&mut self, crew: &mut Crew) {
        if self.asked {
            let before_ask = self.before_ask.drain(..);
            before_ask.for_each(|signal| forward(signal, true, crew));
        }
    }

    /// After all starts and stops: the rest. `anybody`: whether there may still be somebody to get it.
    pub fn settle(&mut self, anybody: bool, crew: &mut Crew) {
        let all = self.before_ask.drain(..).chain(self.after_ask.drain(..));
        all.for_each(|signal| forward(signal, anybody, crew));
        for (id, signal) in self.to_one.drain(..) {
            let container = crew.containers().get(id.0);
            match container.and_then(|container| container.run()) {
                Some(run) => crew.desk.strike(run, Target::Process, signal),
                None => crew.desk.say(Happening::SignalDropped(signal)),
            }
        }
        self.asked = false;
    }
}

fn forward(signal: Signal, anybody: bool, crew: &mut Crew) {
    let is_forwarded =
        anybody && (crew.strike_all(Role::Main, signal) || crew.strike_all(Role::Init, signal));
    if !is_forwarded {
        crew.desk.say(Happening::SignalDropped(signal));
    }
}
