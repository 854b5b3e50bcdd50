//! One life of one contestant: start, rest, stop.

use std::collections::BTreeSet;
use std::fs::{File, read_dir, read_to_string};
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libc::pid_t;

use crate::Effort;
use crate::common::namespace::{Init, now_nanos};
use crate::common::procfs::{memory, pids_in, scheduled, switches};
use crate::field::Field;

/// Nobody needs a minute for anything here; who does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a life was like. What is summed is so over all processes of the contestant that are no service.
pub struct Life {
    /// From the exec of PID 1 until every service runs.
    pub up_millis: f64,
    pub processes: f64,
    pub private_dirty_kb: f64,
    /// `Pss_Dirty`: with the pages that are shared with others, each counted once.
    pub all_dirty_kb: f64,
    pub descriptors: f64,
    /// Context switches while nothing happened.
    pub wake_ups: f64,
    /// From SIGTERM until nothing is left in the namespace.
    pub stop_millis: f64,
}

/// Starts a contestant, watches it, stops it.
pub fn live(field: &Field, index: usize, effort: &Effort) -> Result<Life, String> {
    let one = &field.contestants[index];
    let said = field.room.join("said");
    let life = File::create(&said)
        .and_then(|words| Ok((File::open("/dev/null")?, words)))
        .map_err(|error| format!("cannot make {}: {error}", said.display()))
        .and_then(|(nothing, words)| {
            let (input, output) = (nothing.as_raw_fd(), words.as_raw_fd());
            let streams = [input, output, output];
            let init = Init::launch(field.flags, &one.program, &one.words, streams)?;
            watch(init, one.services, effort)
        });
    life.map_err(|why| {
        let words = read_to_string(&said).unwrap_or_default();
        let last: Vec<&str> = words.lines().rev().take(3).collect();
        format!("{why}; its last words: {last:?}")
    })
}

fn watch(init: Init, services: usize, effort: &Effort) -> Result<Life, String> {
    let (up_nanos, supervisors) = await_all(&init, services)?;
    calm(&supervisors)?;
    let before = sum(&supervisors, switches)?;
    sleep(effort.idle);
    let wake_ups = sum(&supervisors, switches)? - before;
    let private_dirty_kb = sum(&supervisors, |pid| Ok(memory(pid)?[1]))?;
    let all_dirty_kb = sum(&supervisors, |pid| Ok(memory(pid)?[2]))?;
    let descriptors = sum(&supervisors, descriptors)?;
    let asked = now_nanos();
    init.signal(libc::SIGTERM)?;
    init.end(PATIENCE)?;
    Ok(Life {
        up_millis: up_nanos as f64 / 1e6,
        processes: supervisors.len() as f64,
        private_dirty_kb: private_dirty_kb as f64,
        all_dirty_kb: all_dirty_kb as f64,
        descriptors: descriptors as f64,
        wake_ups: wake_ups as f64,
        stop_millis: (now_nanos() - asked) as f64 / 1e6,
    })
}

/// Waits until so many services run; the time that took, and who else is there, as we see them from outside.
///
/// A look at /proc costs as much as starting a few services, so there are four times as long pauses between them as
/// they take: up to a fifth of one CPU goes to us, whoever is measured.
fn await_all(init: &Init, services: usize) -> Result<(u64, Vec<pid_t>), String> {
    let proc = format!("/proc/{}/root/proc", init.pid);
    let mut running = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let began = Instant::now();
        let looked_at = now_nanos();
        let there = pids_in(&proc)?;
        for &pid in &there {
            // It may be gone by now, and then it is no service that runs.
            let runs =
                || read_to_string(format!("{proc}/{pid}/comm")).is_ok_and(|c| c == "sleep\n");
            if !running.contains(&pid) && runs() {
                running.insert(pid);
            }
        }
        if running.len() >= services {
            return Ok((looked_at - init.exec_at_nanos, supervisors_of(init.pid)?));
        }
        if Instant::now() > deadline {
            let count = running.len();
            return Err(format!("only {count} of {services} run after {PATIENCE:?}"));
        }
        sleep(Duration::from_millis(2).max(4 * began.elapsed()));
    }
}

/// Everybody in the namespace of `init` who is no service, by pids of our own namespace.
fn supervisors_of(init: pid_t) -> Result<Vec<pid_t>, String> {
    let space = |pid| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = space(init).ok_or("PID 1 is gone")?;
    let is_supervisor = |&pid: &pid_t| {
        space(pid).is_some_and(|other| other == own)
            && read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm != "sleep\n")
    };
    Ok(pids_in("/proc")?
        .into_iter()
        .filter(is_supervisor)
        .collect())
}

/// Waits until nobody was scheduled for a third of a second.
fn calm(pids: &[pid_t]) -> Result<(), String> {
    let turns = || sum(pids, |pid| Ok(scheduled(pid)?.turns));
    let deadline = Instant::now() + PATIENCE;
    let mut seen = turns()?;
    loop {
        sleep(Duration::from_millis(333));
        let now = turns()?;
        if now == seen {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("it did not come to rest in {PATIENCE:?}"));
        }
        seen = now;
    }
}

fn descriptors(pid: pid_t) -> Result<u64, String> {
    let path = format!("/proc/{pid}/fd");
    let entries = read_dir(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(entries.count() as u64)
}

fn sum(pids: &[pid_t], of: impl Fn(pid_t) -> Result<u64, String>) -> Result<u64, String> {
    pids.iter().map(|&pid| of(pid)).sum()
}
