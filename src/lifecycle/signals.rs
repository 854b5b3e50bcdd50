//! Signals that are handed on: to all main containers that run, or during init to the init container that does.
//!
//! Those of a turn that came before the one that asked for the stop go out before the stop signal does, the others after
//! it: what arrived in an order leaves in that order. What starts in a turn gets the signals of that turn.

use super::crew::Crew;
use crate::machine::{Happening, RunId};
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
            forward(&std::mem::take(&mut self.before_ask), true, crew);
        }
    }

    /// After all starts and stops: the rest. `anybody`: whether there may still be somebody to get it.
    pub fn settle(&mut self, anybody: bool, crew: &mut Crew) {
        let Signals {
            before_ask,
            after_ask,
            to_one,
            ..
        } = std::mem::take(self);
        forward(&[before_ask, after_ask].concat(), anybody, crew);
        for (id, signal) in to_one {
            let run = crew
                .containers()
                .get(id.0)
                .and_then(|container| container.run());
            send(signal, run, crew);
        }
    }
}

fn forward(signals: &[Signal], anybody: bool, crew: &mut Crew) {
    if signals.is_empty() {
        return;
    }
    let runs = match anybody {
        true => receivers(crew),
        false => Vec::new(),
    };
    for signal in signals {
        if runs.is_empty() {
            send(*signal, None, crew);
        }
        for run in &runs {
            send(*signal, Some(*run), crew);
        }
    }
}

fn send(signal: Signal, run: Option<RunId>, crew: &mut Crew) {
    match run {
        Some(run) => crew.desk.strike(run, Target::Process, signal),
        None => crew.desk.say(Happening::SignalDropped(signal)),
    }
}

fn receivers(crew: &Crew) -> Vec<RunId> {
    let of = |role| {
        let containers = crew.containers().iter().zip(crew.seen());
        containers
            .filter(move |(_, seen)| seen.role == role)
            .filter_map(|(container, _)| container.run())
            .collect::<Vec<RunId>>()
    };
    match of(Role::Main) {
        none if none.is_empty() => of(Role::Init),
        mains => mains,
    }
}
