//! What the container's cgroup says of itself: processes, memory, victims of the out-of-memory killer. Version 2 or 1.
//!
//! Read by the helper for `/metrics`, at the moment of the question, with a nobody's rights: these files are there for
//! everybody. The victims are read by the core too, when a program was killed. What is not there is not told.
//!
//! What surprised us: where the container has no cgroup namespace of its own, /sys/fs/cgroup is the machine's root, and
//! only /proc/self/cgroup says where in it we are; where it has one, that file says `/`.

use crate::report::metrics::Gauges;
use std::fs;

const ROOT: &str = "/sys/fs/cgroup";

/// Reads them all.
pub fn read() -> Gauges {
    let lines = own_lines();
    let number = |controller: &str, files: [&str; 2]| {
        let text = files
            .iter()
            .find_map(|file| text(&lines, controller, file))?;
        text.trim().parse().ok()
    };
    Gauges {
        pids: number("pids", ["pids.current", "pids.current"]),
        pids_max: number("pids", ["pids.max", "pids.max"]),
        memory: number("memory", ["memory.current", "memory.usage_in_bytes"]),
        oom_kills: oom_kills(),
    }
}

/// How many processes of it the out-of-memory killer has ended.
pub fn oom_kills() -> Option<u64> {
    let lines = own_lines();
    ["memory.events", "memory.oom_control"]
        .iter()
        .find_map(|file| field(&text(&lines, "memory", file)?, "oom_kill"))
}

fn own_lines() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

fn text(lines: &str, controller: &str, file: &str) -> Option<String> {
    places(lines, controller)
        .into_iter()
        .find_map(|folder| fs::read_to_string(format!("{folder}/{file}")).ok())
}

/// Where the files of this controller may be, the likelier first, by what /proc/self/cgroup says.
fn places(lines: &str, controller: &str) -> Vec<String> {
    let mut places = Vec::new();
    for line in lines.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let path = path.trim_end_matches('/');
        if controllers.is_empty() {
            places.push(format!("{ROOT}{path}"));
        } else if controllers.split(',').any(|known| known == controller) {
            places.push(format!("{ROOT}/{controller}{path}"));
        }
    }
    places.extend([ROOT.to_owned(), format!("{ROOT}/{controller}")]);
    places
}

/// The number behind this word at the beginning of a line.
fn field(text: &str, word: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(known, _)| *known == word)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_without_a_namespace_and_with_one() {
        let places = |lines| places(lines, "pids");
        assert_eq!(places("0::/docker/abc\n")[0], "/sys/fs/cgroup/docker/abc");
        assert_eq!(places("0::/\n")[0], "/sys/fs/cgroup");
        assert_eq!(places("")[0], "/sys/fs/cgroup");
    }

    #[test]
    fn version_1_has_a_tree_for_each_controller() {
        let lines = "7:memory:/docker/abc\n3:cpu,pids:/docker/abc\n0::/\n";
        assert_eq!(places(lines, "pids")[0], "/sys/fs/cgroup/pids/docker/abc");
        assert_eq!(
            places(lines, "memory")[0],
            "/sys/fs/cgroup/memory/docker/abc"
        );
        // Mounted into the container, its own group is the root of the tree.
        assert!(places(lines, "pids").contains(&"/sys/fs/cgroup/pids".to_owned()));
    }

    #[test]
    fn a_field_is_found_by_its_whole_word() {
        let text = "low 0\noom 3\noom_kill 2\noom_group_kill 9\n";
        assert_eq!(field(text, "oom_kill"), Some(2));
        assert_eq!(field(text, "oom_kil"), None);
    }
}
