//! Everything that came of a run, and a signal to it: what ending its PID namespace would do for a real container.
//!
//! Whose a process is, asked in this order:
//! 1. its session or group: a number of ours is inherited from nobody else;
//! 2. its parent, and the parent's parent, up to us;
//! 3. its [mark](super::mark), if it was left to us by parents that are gone.
//!
//! A container's own run takes with it what its probes and hooks left behind, for they lived in the same container.
//!
//! What it cannot catch: who lost its parents *and* has left the session *and* has taken off its mark, or whose mark
//! cannot be read (another uid's, where we are not root; a program that became somebody else without an exec). Who forks
//! faster than it can be walked after, [`WALKS`] times. Those are left to the SIGKILL to all at the end of the pod.
//! Without /proc it is the process group, and no more.
//!
//! What surprised us: to kill the group before the walk, so that there is less to run after, kills the parents that would
//! have told whose their children are.
//!
//! All strikes of a turn share their walks: a walk of 1,000 processes takes about 10 ms, and a core that walks does not
//! hear.

use super::family::{self, Process};
use super::mark::{Marks, Owner};
use crate::machine::RunId;
use crate::plan::{ContainerId, Signal};
use litemap::LiteMap;
use std::collections::{HashMap, HashSet};

/// Walks at most. The second finds nothing new, unless something forked during the first.
const WALKS: usize = 8;

/// One strike.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The run whose tree it is.
    pub run: RunId,
    /// If it is a container's own run: all of this container.
    pub container: Option<ContainerId>,
    /// The process of the run, which may have ended in this turn.
    pub pid: i32,
    /// What is sent.
    pub signal: Signal,
}

/// Performs the strikes. `roots` are the processes of all runs that live or ended in this turn.
pub fn strike(orders: &[Order], roots: &HashMap<i32, Owner>, marks: &Marks, own_pid: i32) {
    let mut sight = Sight {
        roots,
        marks,
        own_pid,
        known: HashMap::new(),
        strangers: HashSet::new(),
    };
    let wanted = Wanted::new(orders);
    for _ in 0..WALKS {
        let Some(all) = family::processes() else {
            return orders.iter().for_each(strike_group);
        };
        let fresh = sight.look(&all);
        let mut struck = false;
        for (pid, owner) in fresh {
            for signal in wanted.signals(owner) {
                send(pid, signal);
                struck = true;
            }
        }
        if !struck {
            return;
        }
    }
}

fn strike_group(order: &Order) {
    if !send(-order.pid, order.signal) {
        send(order.pid, order.signal);
    }
}

fn send(pid: i32, signal: Signal) -> bool {
    // Between the look and this, the number could be somebody else's only if all numbers went round meanwhile.
    //
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal.number()) == 0 }
}

/// The orders, by whom they are about.
struct Wanted {
    runs: LiteMap<RunId, Vec<Signal>>,
    containers: LiteMap<ContainerId, Vec<Signal>>,
}

impl Wanted {
    fn new(orders: &[Order]) -> Wanted {
        let mut wanted = Wanted {
            runs: LiteMap::new(),
            containers: LiteMap::new(),
        };
        for order in orders {
            let signals = match order.container {
                Some(container) => wanted.containers.entry(container).or_default(),
                None => wanted.runs.entry(order.run).or_default(),
            };
            signals.push(order.signal);
        }
        wanted
    }

    fn signals(&self, owner: Owner) -> impl Iterator<Item = Signal> {
        let container = owner.container.and_then(|id| self.containers.get(&id));
        let run = self.runs.get(&owner.run);
        container.into_iter().chain(run).flatten().copied()
    }
}

/// What a process is to us.
#[derive(Clone, Copy, Debug)]
struct Kin {
    owner: Option<Owner>,
    /// It descends from us, as far as can be told. The mark of others is not looked for.
    is_ours: bool,
}

/// What was seen of the processes, over all walks of one strike.
struct Sight<'a> {
    roots: &'a HashMap<i32, Owner>,
    marks: &'a Marks,
    own_pid: i32,
    /// Whose a process is that was seen. Its number may be a session's, too.
    known: HashMap<i32, Owner>,
    /// Processes without a mark of ours. They will not have one later.
    strangers: HashSet<(i32, u64)>,
}

impl Sight<'_> {
    /// Those that belong to somebody and were not seen before.
    fn look(&mut self, all: &[Process]) -> Vec<(i32, Owner)> {
        // They come by number, so that each finds its place at the end.
        let mut by_pid = LiteMap::with_capacity(all.len());
        for process in all {
            by_pid.insert(process.pid, *process);
        }
        let mut settled = HashMap::with_capacity(all.len());
        let mut fresh = Vec::new();
        for process in all {
            let owner = self.owner(*process, &by_pid, &mut settled);
            if let Some(owner) = owner.filter(|_| !self.known.contains_key(&process.pid)) {
                fresh.push((process.pid, owner));
            }
        }
        self.known.extend(fresh.iter().copied());
        fresh
    }

    /// Goes up until it is known whose somebody is, then down again.
    fn owner(
        &mut self,
        process: Process,
        by_pid: &LiteMap<i32, Process>,
        settled: &mut HashMap<i32, Kin>,
    ) -> Option<Owner> {
        let mut line = Vec::new();
        let mut next = process;
        let mut kin = loop {
            if let Some(kin) = settled.get(&next.pid) {
                break *kin;
            }
            let kin = Kin {
                owner: self.by_number(&next),
                is_ours: next.pid == self.own_pid,
            };
            if kin.owner.is_some() || kin.is_ours {
                settled.insert(next.pid, kin);
                break kin;
            }
            // For now; or numbers that were given twice during the walk could lead in a circle.
            settled.insert(next.pid, kin);
            line.push(next);
            match by_pid.get(&next.parent) {
                Some(parent) => next = *parent,
                // Its parent has just ended; or it came from outside, by `docker exec`, and is nobody's.
                None => {
                    break Kin {
                        owner: None,
                        is_ours: next.parent != 0,
                    };
                }
            }
        };
        for process in line.into_iter().rev() {
            if kin.is_ours && kin.owner.is_none() {
                kin.owner = self.by_mark(&process);
            }
            settled.insert(process.pid, kin);
        }
        kin.owner
    }

    fn by_number(&self, process: &Process) -> Option<Owner> {
        let numbers = [process.pid, process.session, process.group];
        numbers.iter().find_map(|number| {
            let owner = self.roots.get(number).or_else(|| self.known.get(number));
            owner.copied()
        })
    }

    fn by_mark(&mut self, process: &Process) -> Option<Owner> {
        let name = (process.pid, process.began);
        if self.strangers.contains(&name) {
            return None;
        }
        let environment = family::environment(process.pid);
        let owner = environment.and_then(|text| self.marks.owner(&text));
        if owner.is_none() {
            self.strangers.insert(name);
        }
        owner
    }
}
