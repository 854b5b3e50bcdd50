//! What a command finds when it starts: the step `report` of a script. By system calls only, for there may be no /proc.

use super::Teller;
use std::ptr;

/// Highest descriptor looked at. The launches leave nothing above it.
const HIGHEST: i32 = 1024;

/// Says what this process found, one `name value` a line, and then `end`.
pub fn report(teller: &Teller) {
    let mut blocked = 0u64;
    // SAFETY: reads the mask into room of the size told.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            ptr::null::<u64>(),
            &raw mut blocked,
            size_of::<u64>(),
        )
    };
    let (mut ignored, mut caught) = (0u64, 0u64);
    for signal in 1..=64 {
        // SAFETY: reads a disposition into room of our own; an all-zero sigaction is a valid one.
        let handler = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut action);
            action.sa_sigaction
        };
        match handler {
            libc::SIG_DFL => {}
            libc::SIG_IGN => ignored |= 1 << (signal - 1),
            _ => caught |= 1 << (signal - 1),
        }
    }
    teller.say(&format!("blocked {blocked:x}"));
    teller.say(&format!("ignored {ignored:x}"));
    teller.say(&format!("caught {caught:x}"));
    let open: Vec<String> = (0..HIGHEST)
        // SAFETY: asks about a descriptor, open or not.
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0)
        .map(|fd| fd.to_string())
        .collect();
    teller.say(&format!("open {}", open.join(",")));
    // SAFETY: no pointers; the umask is put back at once.
    let (umask, pid, parent, group, session, uid, gid) = unsafe {
        let umask = libc::umask(0);
        libc::umask(umask);
        (
            umask,
            libc::getpid(),
            libc::getppid(),
            libc::getpgrp(),
            libc::getsid(0),
            libc::getuid(),
            libc::getgid(),
        )
    };
    teller.say(&format!("umask {umask:o}"));
    teller.say(&format!("pid {pid}"));
    teller.say(&format!("parent {parent}"));
    teller.say(&format!("group {group}"));
    teller.say(&format!("session {session}"));
    teller.say(&format!("uid {uid}"));
    teller.say(&format!("gid {gid}"));
    let cwd =
        std::env::current_dir().map_or_else(|why| why.to_string(), |dir| dir.display().to_string());
    teller.say(&format!("cwd {cwd}"));
    for (name, value) in std::env::vars() {
        teller.say(&format!("env {name}={value}"));
    }
    teller.say("end");
}

/// Says who is in the foreground of the terminal at descriptor 0: `terminal mine`, `terminal other` or `terminal none`.
pub fn terminal(teller: &Teller) {
    // SAFETY: no pointers.
    let (foreground, mine) = unsafe { (libc::tcgetpgrp(0), libc::getpgrp()) };
    teller.say(match foreground {
        group if group == mine => "terminal mine",
        0.. => "terminal other",
        _ => "terminal none",
    });
}
