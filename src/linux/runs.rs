//! The book of runs: which pid is which run. The only place where pids live.
//!
//! A run is in the book from its fork until it was collected, so a pid in the book is never somebody else's: nobody but
//! the core collects, and a process that was not collected keeps its number.

use crate::machine::RunId;
use crate::plan::ProgramId;
use std::os::fd::{AsRawFd, OwnedFd};

/// A live run.
#[derive(Debug)]
pub struct Entry {
    /// Which run.
    pub run: RunId,
    /// Of which program.
    pub program: ProgramId,
    /// Its process.
    pub pid: i32,
    /// What is known of its exec.
    pub exec: Exec,
}

impl Entry {
    /// The descriptor to watch while its exec is pending.
    pub fn pending(&self) -> Option<i32> {
        match &self.exec {
            Exec::Pending(pipe) => Some(pipe.as_raw_fd()),
            Exec::Succeeded | Exec::Failed => None,
        }
    }
}

/// What is known of a child's exec.
#[derive(Debug)]
pub enum Exec {
    /// Nothing yet: closed by a successful exec, told why by a failed one.
    Pending(OwnedFd),
    /// It succeeded.
    Succeeded,
    /// It failed, and that was told; the end of the forked process is no news.
    Failed,
}

/// All live runs, and those that ended in this turn.
#[derive(Debug, Default)]
pub struct Runs {
    live: Vec<Entry>,
    ended: Vec<(RunId, i32, ProgramId)>,
}

impl Runs {
    /// A process was forked.
    pub fn enter(&mut self, entry: Entry) {
        self.live.push(entry);
    }

    /// The live runs.
    pub fn live(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.live.iter_mut()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The process `pid` was collected. Its entry, if it was one of ours.
    pub fn end(&mut self, pid: i32) -> Option<Entry> {
        let place = self.live.iter().position(|entry| entry.pid == pid)?;
        let entry = self.live.swap_remove(place);
        self.ended.push((entry.run, pid, entry.program));
        Some(entry)
    }

    /// The entry of a live run.
    pub fn find(&self, run: RunId) -> Option<&Entry> {
        self.live.iter().find(|entry| entry.run == run)
    }

    /// The process group of a run that ended in this turn. The number is still safe to use: the kernel does not give a
    /// pid again while a group has it, and an empty group's number comes round only after all other pids were used.
    pub fn group_left_behind(&self, run: RunId) -> Option<i32> {
        self.ended
            .iter()
            .find(|(ended, ..)| *ended == run)
            .map(|(_, pid, _)| *pid)
    }

    /// The processes that ended in this turn.
    pub fn ended(&self) -> impl Iterator<Item = i32> {
        self.ended.iter().map(|(_, pid, _)| *pid)
    }

    /// The program of a run that ended in this turn.
    pub fn program_ended(&self, run: RunId) -> Option<ProgramId> {
        let ended = self.ended.iter().find(|(ended, ..)| *ended == run);
        ended.map(|(.., program)| *program)
    }

    /// A turn is over.
    pub fn turn_over(&mut self) {
        self.ended.clear();
    }
}
