//! Who is whose child, from /proc. Only for a monopod that is not PID 1: PID 1 has `kill(-1)` and no relatives to spare.
//!
//! What surprised us: one walk of /proc is no snapshot. A process whose parent ends during the walk belongs to nobody in
//! it, so whoever wants all must walk until nothing new is found.

use std::collections::HashSet;
use std::fs;

/// Every process with its parent; `None` without /proc.
fn parents() -> Option<Vec<(i32, i32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // "pid (any name at all) state ppid …": the name may hold spaces and brackets, so count from its end.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    Some(parents)
}

/// The children of `parent`; `None` without /proc.
pub fn children(parent: i32) -> Option<Vec<i32>> {
    let all = parents()?;
    Some(
        all.into_iter()
            .filter(|(_, of)| *of == parent)
            .map(|(pid, _)| pid)
            .collect(),
    )
}

/// All descendants of `ancestor` but `spared` and theirs; `None` without /proc.
pub fn descendants(ancestor: i32, spared: &[i32]) -> Option<HashSet<i32>> {
    let mut parents = parents()?;
    parents.retain(|(pid, _)| !spared.contains(pid));
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
            return Some(found);
        }
    }
}
