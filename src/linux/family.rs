//! Who is whose child, from /proc.
//!
//! What surprised us: one walk of /proc is no snapshot. A process whose parent ends during the walk belongs to nobody in
//! it, so whoever wants all must walk until nothing new is found. And /proc may be another PID namespace's, when somebody
//! made ours without mounting one: its numbers mean others there, so it counts as none.

use nix::errno::Errno;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// What is looked at of an environment. A mark that stands further behind is not found; the first process of a run has
/// it in front.
const ENVIRONMENT_BYTES: u64 = 256 << 10;

/// A process, as it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's; 0 for one outside our PID namespace.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// When it began, in ticks since boot; with the number it is one process and no other.
    pub began: u64,
}

/// Every process that can be seen; `None` without a /proc of our own.
pub fn processes() -> Option<Vec<Process>> {
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()?.parse() != Ok(std::process::id()) {
        return None;
    }
    let mut text = Vec::with_capacity(1024);
    let numbers = fs::read_dir("/proc").ok()?.flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let read = |pid: i32| {
        text.clear();
        let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
        file.read_to_end(&mut text).ok()?;
        parse(pid, &text)
    };
    Some(pids.filter_map(read).collect())
}

/// "pid (any name at all) state ppid pgrp session …": the name may hold spaces and brackets, so count from its end.
fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        began: fields.get(19)?.parse().ok()?,
    })
}

/// The children of `parent`; `None` without /proc.
pub fn children(parent: i32) -> Option<Vec<i32>> {
    let all = processes()?.into_iter();
    let its = all.filter(|process| process.parent == parent);
    Some(its.map(|process| process.pid).collect())
}

/// All descendants of `ancestor` but `spared` and theirs; `None` without /proc.
pub fn descendants(ancestor: i32, spared: &[i32]) -> Option<HashSet<i32>> {
    let mut all = processes()?;
    all.retain(|process| !spared.contains(&process.pid));
    let mut found = HashSet::from([ancestor]);
    loop {
        let before = found.len();
        let next = all.iter().filter(|process| found.contains(&process.parent));
        found.extend(next.map(|process| process.pid).collect::<Vec<_>>());
        if found.len() == before {
            found.remove(&ancestor);
            return Some(found);
        }
    }
}

/// The environment that `pid` was started with, or what it has made of it; `None` if that cannot be read.
///
/// The kernel shows it to the same uid, and to others only with CAP_SYS_PTRACE, which root in a container does not have.
/// But root may look as that uid, for this one opening.
pub fn environment(pid: i32) -> Option<Vec<u8>> {
    let path = format!("/proc/{pid}/environ");
    let opened = File::open(&path).or_else(|refused| match refused.kind() {
        io::ErrorKind::PermissionDenied => {
            let owner = fs::metadata(format!("/proc/{pid}"))?;
            let _as_owner = FileUser::become_user(owner.uid(), owner.gid())?;
            File::open(&path)
        }
        _ => Err(refused),
    });
    let mut text = Vec::new();
    let file = opened.ok()?;
    file.take(ENVIRONMENT_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

/// While it lives, this process looks at files as somebody else; to everything but files it stays who it is.
///
/// What surprised us: the kernel takes this for a change of identity, so that nobody but a tracer of root may look into
/// our /proc/PID any more (`/proc/1/fd/1` would be closed to all), and forgets that we wished to die with our parent.
struct FileUser {
    dumpable: libc::c_int,
    parent_death_signal: libc::c_int,
}

impl FileUser {
    fn become_user(uid: u32, gid: u32) -> io::Result<FileUser> {
        let mut before = FileUser {
            dumpable: 0,
            parent_death_signal: 0,
        };
        // SAFETY: the first takes no pointer, the second one to a number of ours.
        unsafe {
            before.dumpable = libc::prctl(libc::PR_GET_DUMPABLE);
            libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut before.parent_death_signal);
        }
        set_file_user(uid, gid);
        // SAFETY: plain numbers; -1 is no uid, so it changes nothing and tells who we are (setfsuid(2)).
        match unsafe { libc::setfsuid(u32::MAX) } as u32 == uid {
            true => Ok(before),
            false => Err(Errno::EPERM.into()),
        }
    }
}

impl Drop for FileUser {
    fn drop(&mut self) {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        set_file_user(uid.as_raw(), gid.as_raw());
        // SAFETY: plain numbers, and what they were before.
        unsafe {
            libc::prctl(
                libc::PR_SET_DUMPABLE,
                libc::c_ulong::from(self.dumpable == 1),
            );
            libc::prctl(
                libc::PR_SET_PDEATHSIG,
                self.parent_death_signal as libc::c_ulong,
            );
        }
    }
}

/// The group first: without root's rights it could not be changed any more. Tells nothing of how it went, as the calls
/// themselves do not.
fn set_file_user(uid: u32, gid: u32) {
    // SAFETY: plain numbers, and this process has one thread.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let stat = b"7 (a) S 1 (b) ) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 2\n";
        let process = Process {
            pid: 7,
            parent: 3,
            group: 4,
            session: 5,
            began: 99,
        };
        assert_eq!(parse(7, stat), Some(process));
        assert_eq!(parse(7, b"7 (cut"), None);
        assert_eq!(parse(7, b"7 (cut) S 3 4"), None);
    }

    #[test]
    fn we_are_among_the_processes_and_have_an_environment() {
        let own = std::process::id() as i32;
        let all = processes().expect("there is a /proc here");
        assert!(all.iter().any(|process| process.pid == own));
        assert!(environment(own).is_some_and(|text| text.contains(&b'=')));
        assert_eq!(environment(i32::MAX), None);
    }
}
