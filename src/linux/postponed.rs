//! Starts that were ordered and wait for a descriptor.
//!
//! A child that has not come to its exec holds its status pipe. If the limit on descriptors refuses a start while there
//! are such, it is no failure of the program and no reason for a back-off: some of the pipes are about to be closed. So
//! the order waits for that, behind those that waited before it. If nothing is under way that could bring a descriptor,
//! the refusal stands.
//!
//! A signal that would have ended the child calls the start off: its run then never was, which is what the refusal would
//! have said. Nothing is started that was stopped already.

use super::core::Core;
use crate::machine::{Fact, RunId, Stage, Unstartable};
use crate::plan::{ProgramId, Signal};
use std::collections::VecDeque;

/// The waiting orders, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Postponed {
    orders: VecDeque<(RunId, ProgramId)>,
}

/// What a run is told to have come to whose start was called off.
const NO_DESCRIPTOR: Unstartable = Unstartable {
    stage: Stage::Fork,
    errno: libc::EMFILE,
};

impl Postponed {
    /// Those of the waiting that a signal calls off; `whom` tells who it is for.
    pub fn call_off(&mut self, signal: Signal, whom: impl Fn(RunId) -> bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        if ends_what_is_no_program_yet(signal) {
            self.orders.retain(|(run, _)| {
                let meant = whom(*run);
                facts.extend(meant.then_some(Fact::Unstartable(*run, NO_DESCRIPTOR)));
                !meant
            });
        }
        facts
    }
}

/// The default action, which is all that a child has before its exec.
fn ends_what_is_no_program_yet(signal: Signal) -> bool {
    let goes_on = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGURG,
        libc::SIGWINCH,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
    ];
    !goes_on.contains(&signal.number())
}

impl Core<'_> {
    /// Starts a program or puts that off. A refusal that stands is news.
    pub(super) fn start(&mut self, run: RunId, program: ProgramId, news: &mut Vec<Fact>) {
        self.postponed.orders.push_back((run, program));
        self.start_postponed(news);
    }

    /// Starts as many of the waiting as can be.
    pub(super) fn start_postponed(&mut self, news: &mut Vec<Fact>) {
        while let Some((run, program)) = self.postponed.orders.front().copied() {
            let started = self.fork_program(run, program);
            if started == Err(NO_DESCRIPTOR) && self.runs.has_pending() {
                return;
            }
            self.postponed.orders.pop_front();
            news.extend(started.err().map(|why| Fact::Unstartable(run, why)));
        }
    }
}
