//! What /proc says about processes, from outside the namespace that they live in.

use super::Outcome;
use std::path::{Path, PathBuf};

/// A process as /proc/PID/stat tells it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its pid in the /proc that was read.
    #[allow(dead_code)] // For messages.
    pub pid: i32,
    /// Its short name.
    pub comm: String,
    /// `R`, `S`, `T`, `Z`, …
    pub state: char,
    /// Its process group.
    pub group: i32,
    /// The group that is in the foreground of its terminal, -1 without one.
    pub foreground: i32,
}

/// All processes that this /proc shows.
pub fn all(proc: &Path) -> Outcome<Vec<Process>> {
    let list =
        std::fs::read_dir(proc).map_err(|why| format!("cannot read {}: {why}", proc.display()))?;
    Ok(list
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| one(&proc.join(pid.to_string())))
        .collect())
}

/// The process of this directory, unless it is gone.
pub fn one(dir: &Path) -> Option<Process> {
    let stat = std::fs::read_to_string(dir.join("stat")).ok()?;
    let (head, tail) = stat.rsplit_once(") ")?;
    let (pid, comm) = head.split_once(" (")?;
    let mut fields = tail.split(' ');
    Some(Process {
        pid: pid.parse().ok()?,
        comm: comm.to_owned(),
        state: fields.next()?.chars().next()?,
        // The parent stands in between.
        group: fields.nth(1)?.parse().ok()?,
        // Session and terminal stand in between.
        foreground: fields.nth(2)?.parse().ok()?,
    })
}

/// The host's /proc/PID.
pub fn dir(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// A line of /proc/PID/status, without its name.
pub fn status(pid: i32, field: &str) -> Outcome<String> {
    let path = dir(pid).join("status");
    let text = std::fs::read_to_string(&path)
        .map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .ok_or_else(|| format!("{} has no {field}", path.display()))
}

/// A set of signals of /proc/PID/status (`SigBlk`, `SigIgn`, `SigCgt`, `ShdPnd`) as bits; signal n is bit n-1.
pub fn signals(pid: i32, field: &str) -> Outcome<u64> {
    u64::from_str_radix(&status(pid, field)?, 16).map_err(|why| format!("{field}: {why}"))
}

/// A number of /proc/PID/status, in its unit.
pub fn number(pid: i32, field: &str) -> Outcome<u64> {
    let value = status(pid, field)?;
    let digits = value.split(' ').next().unwrap_or_default();
    digits
        .parse()
        .map_err(|why| format!("{field} is {value:?}: {why}"))
}

/// The number of the system call that a process sleeps in, if it sleeps in one.
pub fn system_call(pid: i32) -> Option<libc::c_long> {
    let text = std::fs::read_to_string(dir(pid).join("syscall")).ok()?;
    text.split(' ').next()?.trim().parse().ok()
}

/// The children of a process, as pids of the host.
pub fn children(pid: i32) -> Outcome<Vec<i32>> {
    let path = dir(pid).join(format!("task/{pid}/children"));
    let text = std::fs::read_to_string(&path)
        .map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    Ok(text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect())
}

/// The host pid of the process that has this pid inside the namespace of which `top` is PID 1.
pub fn host_pid(top: i32, inner: i32) -> Outcome<i32> {
    let mut near = vec![top];
    while let Some(pid) = near.pop() {
        if inner_pid(pid).is_ok_and(|seen| seen == inner) {
            return Ok(pid);
        }
        near.extend(children(pid).unwrap_or_default());
    }
    Err(format!("no process below {top} has the inner pid {inner}"))
}

/// The pid that a process has in its own, innermost PID namespace.
pub fn inner_pid(pid: i32) -> Outcome<i32> {
    let list = status(pid, "NSpid")?;
    list.split_whitespace()
        .last()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("NSpid of {pid} is {list:?}"))
}
