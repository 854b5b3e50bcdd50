//! A signal to every process in our care.
//!
//! As PID 1 that is `kill(-1)`: all of the PID namespace at one moment, escaped and re-parented processes too. As
//! anything else `kill(-1)` would strike the machine, so descendants are found by parentage in /proc; being a subreaper
//! keeps them ours. Without /proc only what we started and its process groups can be reached.
//!
//! What surprised us: a process forked during the walk is missed, which is why SIGKILL is repeated while anything is
//! left.

use super::runs::Runs;
use crate::plan::Signal;
use std::collections::HashSet;
use std::fs;

/// Sends `signal` to everyone but ourselves and `spared` (the helper).
pub fn strike(signal: Signal, own_pid: i32, spared: Option<i32>, runs: &mut Runs) {
    if own_pid == 1 {
        // The helper gets it too: it blocks all but SIGKILL, and by then its work is done.
        send(-1, signal);
        return;
    }
    match descendants(own_pid) {
        Some(pids) => pids
            .into_iter()
            .filter(|pid| Some(*pid) != spared)
            .for_each(|pid| send(pid, signal)),
        None => runs.live().for_each(|entry| {
            send(-entry.pid, signal);
            send(entry.pid, signal);
        }),
    }
}

fn send(pid: i32, signal: Signal) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal.number()) };
}

/// All descendants of `ancestor`; `None` without /proc.
fn descendants(ancestor: i32) -> Option<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // "pid (any name at all) state ppid …": the name may hold spaces and brackets, so count from its end.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = HashSet::from([ancestor]);
    loop {
        let before = found.len();
        let next = parents
            .iter()
            .filter(|(_, parent)| found.contains(parent))
            .map(|(pid, _)| *pid);
        found.extend(next.collect::<Vec<_>>());
        if found.len() == before {
            found.remove(&ancestor);
            return Some(found.into_iter().collect());
        }
    }
}
