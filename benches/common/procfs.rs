//! What /proc tells about a process, read from outside its PID namespace.

use std::fs::{read_dir, read_to_string};
use std::time::{Duration, Instant};

use libc::pid_t;

/// What a process has cost the scheduler since it began.
#[derive(Clone, Copy)]
pub struct Scheduled {
    /// Time on a CPU. Exact when the process sleeps; while it runs it lags by up to a tick.
    pub run_nanos: u64,
    /// Times it was put on a CPU: wake-ups and pre-emptions together.
    pub turns: u64,
}

fn read(pid: pid_t, file: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{file}");
    read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Context switches so far, voluntary and not.
pub fn switches(pid: pid_t) -> Result<u64, String> {
    let status = read(pid, "status")?;
    Ok(status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.ends_with("voluntary_ctxt_switches"))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum())
}

/// The scheduler's account, from `schedstat`.
pub fn scheduled(pid: pid_t) -> Result<Scheduled, String> {
    let text = read(pid, "schedstat")?;
    let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>());
    match (numbers.next(), numbers.nth(1)) {
        (Some(Ok(run_nanos)), Some(Ok(turns))) => Ok(Scheduled { run_nanos, turns }),
        _ => Err(format!("/proc/{pid}/schedstat was not understood: {text}")),
    }
}

/// Kilobytes of `Rss`, `Private_Dirty` and `Pss_Dirty`, in this order, from `smaps_rollup`.
pub fn memory(pid: pid_t) -> Result<[u64; 3], String> {
    let text = read(pid, "smaps_rollup")?;
    Ok(["Rss:", "Private_Dirty:", "Pss_Dirty:"].map(|key| {
        text.lines()
            .filter_map(|line| line.strip_prefix(key))
            .find_map(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }))
}

/// The state letter of `stat`, which stands behind the command's name and its last parenthesis.
fn state(pid: pid_t) -> Result<char, String> {
    let stat = read(pid, "stat")?;
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.trim_start()
        .chars()
        .next()
        .ok_or_else(|| format!("/proc/{pid}/stat was not understood"))
}

/// Waits until `pid` sleeps and has not been scheduled for `quiet`.
pub fn settle(pid: pid_t, quiet: Duration) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let (mut turns, mut since) = (0, Instant::now());
    loop {
        let seen = scheduled(pid)?.turns;
        if seen != turns || state(pid)? != 'S' {
            (turns, since) = (seen, Instant::now());
        } else if since.elapsed() >= quiet {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("PID 1 did not come to rest within 5 s".to_owned());
        }
        std::thread::sleep(quiet / 10);
    }
}

/// Every process that this mount of /proc shows.
pub fn pids_in(proc: &str) -> Result<Vec<pid_t>, String> {
    let entries = read_dir(proc).map_err(|error| format!("cannot read {proc}: {error}"))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<pid_t>().ok())
        .collect())
}

/// The children of `parent`, each with its pid in its own (innermost) PID namespace.
pub fn children(parent: pid_t) -> Result<Vec<(pid_t, pid_t)>, String> {
    let mut found = Vec::new();
    for pid in pids_in("/proc")? {
        // It may be gone by now; then it is no child that matters.
        let Ok(status) = read(pid, "status") else {
            continue;
        };
        let last_number = |key: &str| -> Option<pid_t> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().last()?.parse().ok()
        };
        if last_number("PPid:") == Some(parent) {
            found.push((pid, last_number("NSpid:").unwrap_or(pid)));
        }
    }
    Ok(found)
}
