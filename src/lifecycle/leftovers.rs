//! Runs of a container's hooks and probes that nobody waits for any more, but that have not ended.
//!
//! A probe that ran into its timeout is killed with its tree (S41); a preStop hook that overran is left to itself (S86),
//! and dies with its container, as an exec dies with a real one. Until its end was heard a program is not started again:
//! the law allows one live run of it, and something may outlive SIGKILL.

use super::desk::Desk;
use crate::machine::RunId;
use crate::plan::{ProgramId, Signal, Target};

/// What is left of hooks and probes.
#[derive(Debug, Default)]
pub struct Leftovers(Vec<Leftover>);

#[derive(Debug)]
struct Leftover {
    run: RunId,
    program: ProgramId,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Left,
    KillDue,
    Killed,
}

impl Leftovers {
    /// Nobody waits for this run any more; it may go on.
    pub fn leave(&mut self, run: RunId, program: ProgramId) {
        let fate = Fate::Left;
        self.0.push(Leftover { run, program, fate });
    }

    /// Nobody waits for this run any more, and it is to be killed when the turn settles.
    pub fn doom(&mut self, run: RunId, program: ProgramId) {
        let fate = Fate::KillDue;
        self.0.push(Leftover { run, program, fate });
    }

    /// All that is left is to be killed: its container has ended.
    pub fn doom_all(&mut self) {
        for leftover in &mut self.0 {
            if leftover.fate == Fate::Left {
                leftover.fate = Fate::KillDue;
            }
        }
    }

    /// A run has ended.
    pub fn end(&mut self, run: RunId) {
        self.0.retain(|leftover| leftover.run != run);
    }

    /// Whether a run of this program is still about.
    pub fn has(&self, program: ProgramId) -> bool {
        self.0.iter().any(|leftover| leftover.program == program)
    }

    /// Kills what is to be killed.
    pub fn settle(&mut self, desk: &mut Desk) {
        for leftover in &mut self.0 {
            if leftover.fate == Fate::KillDue {
                desk.strike(leftover.run, Target::Tree, Signal::KILL);
                leftover.fate = Fate::Killed;
            }
        }
    }
}
