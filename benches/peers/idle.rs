//! What an init holds and does while its command rests. All rest at the same time: idle ones do not disturb each other.
//!
//! `Private_Dirty` is what the target names. It flatters a helper that was forked from PID 1: a page written before
//! the fork and by nobody since is private to neither, so it counts for none. The column of all dirty pages
//! (`Pss_Dirty`, each page once) shows them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use libc::pid_t;

use crate::Effort;
use crate::common::procfs::{children, memory, scheduled, settle, switches};
use crate::field::{Field, WITH_HEALTH};
use crate::table::{failures, table};
use crate::world::World;

/// PID 1 and, if there is one, its helper, added up.
pub struct Resting {
    pub processes: usize,
    pub rss_kb: u64,
    pub private_dirty_kb: u64,
    pub all_dirty_kb: u64,
    /// Context switches while we watched.
    pub switches: u64,
    /// Time on a CPU while we watched.
    pub run_micros: f64,
}

/// For each contestant.
pub struct Idle {
    pub resting: Vec<Result<Resting, String>>,
    seconds: f64,
}

struct Started {
    // Held, so that it lives.
    _world: World,
    members: Vec<pid_t>,
}

/// Starts all, lets them come to rest, and looks twice.
pub fn measure(field: &Field, effort: &Effort) -> Idle {
    let started: Vec<Result<Started, String>> = (0..field.contestants.len())
        .map(|index| start(field, index))
        .collect();
    let before: Vec<Result<(u64, u64), String>> = started.iter().map(activity).collect();
    sleep(effort.idle);
    let after: Vec<Result<(u64, u64), String>> = started.iter().map(activity).collect();
    let resting = started
        .iter()
        .zip(before.into_iter().zip(after))
        .map(|(started, (before, after))| {
            let members = &started.as_ref().map_err(String::clone)?.members;
            let (before, after) = (before?, after?);
            let mut sums = [0; 3];
            for &pid in members {
                for (sum, kilobytes) in sums.iter_mut().zip(memory(pid)?) {
                    *sum += kilobytes;
                }
            }
            Ok(Resting {
                processes: members.len(),
                rss_kb: sums[0],
                private_dirty_kb: sums[1],
                all_dirty_kb: sums[2],
                switches: after.0 - before.0,
                run_micros: (after.1 - before.1) as f64 / 1e3,
            })
        })
        .collect();
    Idle {
        resting,
        seconds: effort.idle.as_secs_f64(),
    }
}

fn start(field: &Field, index: usize) -> Result<Started, String> {
    let mut world = field.launch(index, "rest", &[])?;
    let [command] = world.report()?;
    if field.contestants[index].name == WITH_HEALTH {
        // A helper that was never asked anything would have touched less.
        for path in ["/livez", "/readyz", "/startupz?verbose"] {
            ask(&field.health, path)?;
        }
    }
    settle(world.pid, Duration::from_millis(100))?;
    let mut members = vec![world.pid];
    for (pid, pid_inside) in children(world.pid)? {
        if pid_inside as u64 != command {
            settle(pid, Duration::from_millis(100))?;
            members.push(pid);
        }
    }
    Ok(Started {
        _world: world,
        members,
    })
}

/// Context switches and nanoseconds on a CPU so far.
fn activity(started: &Result<Started, String>) -> Result<(u64, u64), String> {
    let mut sum = (0, 0);
    for &pid in &started.as_ref().map_err(String::clone)?.members {
        sum.0 += switches(pid)?;
        sum.1 += scheduled(pid)?.run_nanos;
    }
    Ok(sum)
}

fn ask(address: &str, path: &str) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("GET {path} at {address}: {error}");
    let address: SocketAddr = address.parse().map_err(|error| failed(&error))?;
    let patience = Duration::from_secs(2);
    let mut answer = String::new();
    let answered = TcpStream::connect_timeout(&address, patience).and_then(|mut stream| {
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        stream.read_to_string(&mut answer)
    });
    answered.map_err(|error| failed(&error))?;
    match answer.lines().next() {
        Some(line) if line.contains(" 200 ") => Ok(()),
        other => Err(failed(&other.unwrap_or("no answer"))),
    }
}

impl Idle {
    /// The table.
    pub fn words(&self, field: &Field) -> String {
        let mut rows = Vec::new();
        for (contestant, resting) in field.contestants.iter().zip(&self.resting) {
            let Ok(resting) = resting else { continue };
            rows.push(vec![
                contestant.name.clone(),
                resting.processes.to_string(),
                resting.private_dirty_kb.to_string(),
                resting.all_dirty_kb.to_string(),
                resting.rss_kb.to_string(),
                resting.switches.to_string(),
                format!("{:.0}", resting.run_micros),
            ]);
        }
        let title = format!(
            "IDLE for {} s: memory of PID 1 and its helper, kB, and wake-ups",
            self.seconds
        );
        let columns = [
            "",
            "processes",
            "private dirty",
            "all dirty",
            "RSS",
            "wake-ups",
            "CPU µs",
        ];
        table(&title, &columns, &rows) + &failures(field, &self.resting)
    }
}
