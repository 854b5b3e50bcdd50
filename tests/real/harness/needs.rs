//! What a story needs of the machine, and what happens when it is not there.
//!
//! Outside CI a story that misses something is passed over, with a line at the end that says so. With `CI` set it
//! fails: a suite that quietly tests less and less is worse than none.

use super::inits::which;
use std::path::Path;
use std::sync::Mutex;

/// Something a story cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Rights to make PID and mount namespaces.
    Root,
    /// A program in PATH.
    Program(&'static str),
    /// A cgroup controller for pids that we may use.
    PidsCgroup,
    /// A cgroup controller for memory, of either version.
    MemoryCgroup,
}

impl Need {
    /// Why the machine cannot serve, if it cannot.
    pub fn missing(self) -> Option<String> {
        match self {
            // SAFETY: geteuid has no arguments and cannot fail.
            Need::Root if unsafe { libc::geteuid() } != 0 => {
                Some("it needs root, for PID namespaces".to_owned())
            }
            Need::Root => None,
            Need::Program(name) => match which(name) {
                Some(_) => None,
                None => Some(format!(
                    "it needs {name}, which is not in PATH (tests/setup)"
                )),
            },
            Need::PidsCgroup => match crate::exits::pids_cgroup_root() {
                Some(_) => None,
                None => Some("it needs a cgroup controller for pids".to_owned()),
            },
            Need::MemoryCgroup => {
                let second = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
                let has_one = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
                    || second.is_ok_and(|names| names.contains("memory"));
                (!has_one).then(|| "it needs a cgroup controller for memory".to_owned())
            }
        }
    }
}

/// Whether a skip is a failure.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes that a trial was passed over.
pub fn note_skip(trial: &str, why: &str) {
    if let Ok(mut skipped) = SKIPPED.lock() {
        skipped.push(format!("{trial}: {why}"));
    }
}

/// All that was passed over.
pub fn skipped() -> Vec<String> {
    SKIPPED.lock().map(|list| list.clone()).unwrap_or_default()
}
