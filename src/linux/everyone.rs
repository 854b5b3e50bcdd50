//! A signal to every process in our care.
//!
//! As PID 1 that is `kill(-1)`: all of the PID namespace at one moment, escaped and re-parented processes too. As
//! anything else `kill(-1)` would strike the machine, so descendants are found by parentage; being a subreaper keeps
//! them ours. Without /proc only what we started and its process groups can be reached.
//!
//! What surprised us: not every child is ours to strike. A shell that put something into the background and then
//! *became* monopod (`exec > >(tee log); exec monopod …`) left it its children.

use super::family;
use super::runs::Runs;
use crate::plan::Signal;
use std::collections::HashSet;

/// Walks at most. Two find all that does not run away; a program that forks faster than this is met by SIGKILL, which
/// is repeated while anything is left.
const WALKS: usize = 8;

/// Sends `signal` once to everyone but ourselves and `spared` (the helper, and who was there before us).
pub fn strike(signal: Signal, own_pid: i32, spared: &[i32], runs: &Runs) {
    if own_pid == 1 {
        // The helper gets it too: it blocks all but SIGKILL, and by then its work is done.
        send(-1, signal);
        return;
    }
    let mut struck = HashSet::new();
    for _ in 0..WALKS {
        let Some(found) = family::descendants(own_pid, spared) else {
            return runs.live().for_each(|entry| {
                send(-entry.pid, signal);
                send(entry.pid, signal);
            });
        };
        let fresh: Vec<i32> = found.difference(&struck).copied().collect();
        if fresh.is_empty() {
            return;
        }
        fresh.iter().for_each(|pid| send(*pid, signal));
        struck.extend(fresh);
    }
}

fn send(pid: i32, signal: Signal) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal.number()) };
}
