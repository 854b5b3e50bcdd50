//! The book of runs: which pid is which run. The only place where pids live.
//!
//! A run is in the book from its fork until it was collected, so a pid in the book is never somebody else's: nobody but
//! the core collects, and a process that was not collected keeps its number.

use super::kept::Kept;
use crate::machine::RunId;
use crate::plan::ProgramId;
use std::collections::{BTreeMap, BTreeSet};
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
    /// What it says, if that is kept.
    pub kept: Option<Box<Kept>>,
}

impl Entry {
    /// The descriptor to watch while its exec is pending.
    fn pending(&self) -> Option<i32> {
        match &self.exec {
            Exec::Pending(pipe) => Some(pipe.as_raw_fd()),
            Exec::Succeeded | Exec::Failed => None,
        }
    }

    /// The descriptors that are open.
    fn descriptors(&self) -> impl Iterator<Item = i32> {
        let kept = self.kept.iter().flat_map(|kept| kept.raw());
        self.pending().into_iter().chain(kept)
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

/// A run that ended in this turn.
#[derive(Debug)]
pub struct Ended {
    /// Of which program.
    pub program: ProgramId,
    /// What was its process. The number is still safe to use for its group: the kernel does not give a pid again while a
    /// group has it, and an empty group's number comes round only after all other pids were used.
    pub pid: i32,
    /// What it said, if that is kept and was not taken yet.
    pub kept: Option<Box<Kept>>,
}

/// All live runs, and those that ended in this turn. A thousand runs cost no more to look up than ten.
#[derive(Debug, Default)]
pub struct Runs {
    live: BTreeMap<RunId, Entry>,
    by_pid: BTreeMap<i32, RunId>,
    /// The live runs of whose exec nothing is known yet; most are long past it.
    pending: BTreeSet<RunId>,
    /// No more than a turn collects.
    ended: Vec<(RunId, Ended)>,
}

impl Runs {
    /// A process was forked.
    pub fn enter(&mut self, entry: Entry) {
        self.pending.insert(entry.run);
        self.by_pid.insert(entry.pid, entry.run);
        self.live.insert(entry.run, entry);
    }

    /// The live runs.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.live.values()
    }

    /// Adds every descriptor to watch.
    pub fn watch(&self, watched: &mut Vec<i32>) {
        if !self.pending.is_empty() {
            let entries = self.pending.iter().filter_map(|run| self.live.get(run));
            watched.extend(entries.filter_map(Entry::pending));
        }
    }

    /// Every descriptor that is open.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.live.values().flat_map(Entry::descriptors)
    }

    /// Has a look at each run that has one of these descriptors, which are in ascending order, in the order of their starts.
    pub fn visit(&mut self, ready: &[i32], mut visit: impl FnMut(&mut Entry)) {
        let live = &mut self.live;
        self.pending.retain(|run| {
            let Some(entry) = live.get_mut(run) else {
                return false;
            };
            let is_ready = |fd| ready.binary_search(&fd).is_ok();
            if entry.pending().is_some_and(is_ready) {
                visit(entry);
            }
            entry.pending().is_some()
        });
    }

    /// Whether one has not come to its exec.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The process `pid` was collected. Its run, if it was one of ours, and what was known of its exec.
    pub fn end(&mut self, pid: i32) -> Option<(RunId, Exec)> {
        let run = self.by_pid.remove(&pid)?;
        self.pending.remove(&run);
        let entry = self.live.remove(&run)?;
        let ended = Ended {
            program: entry.program,
            pid,
            kept: entry.kept,
        };
        self.ended.push((run, ended));
        Some((run, entry.exec))
    }

    /// The entry of a live run.
    pub fn find(&self, run: RunId) -> Option<&Entry> {
        self.live.get(&run)
    }

    /// A run that ended in this turn.
    pub fn find_ended(&mut self, run: RunId) -> Option<&mut Ended> {
        let its = |(ended, _): &&mut (RunId, Ended)| *ended == run;
        self.ended.iter_mut().find(its).map(|(_, ended)| ended)
    }

    /// The runs that ended in this turn.
    pub fn ended(&self) -> impl Iterator<Item = (RunId, &Ended)> {
        self.ended.iter().map(|(run, ended)| (*run, ended))
    }

    /// A turn is over.
    pub fn turn_over(&mut self) {
        self.ended.clear();
    }
}
