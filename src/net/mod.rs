//! The jailed helper, the line between it and the core, and the probe client.
//!
//! Who is on which side:
//!
//! | side | files | may |
//! |---|---|---|
//! | the core (PID 1) | [`listen`], [`control`], [`link`], [`tell`], this file's [`fork_helper`] and [`collect`] | open the port and the socket, read sixteen bytes at a time, never block |
//! | the helper | `jail`, `server`, `site`, `connection`, `socket`, `ask`, `message`, `cgroup`, [`probes`] | read what strangers send, die at any moment |
//! | both | [`wire`], [`wire_checks`] | turn messages into bytes and back |
//! | `monopod probe`, `status`, ... | [`probe`], [`client`] | block, with a deadline |
//!
//! The helper is forked, not executed: it needs no file, and starts in the time of a fork. It holds nothing that the core
//! needs, so its death is a matter of milliseconds.
//!
//! What surprised us: with SIGCHLD as its exit signal the helper would be a child like the others, and "no child is left"
//! would never become true while it lives. A process cloned with exit signal 0 is not seen by `waitpid(-1)` unless
//! `__WALL` or `__WCLONE` is given, so that ECHILD means what the core wants to know: nothing else is left in the
//! container. The price is that its death is not signalled; the end of the line tells it.

mod ask;
pub(crate) mod cgroup;
pub mod client;
mod connection;
pub mod control;
mod jail;
pub mod link;
pub mod listen;
mod message;
pub mod probe;
pub mod probes;
mod server;
mod site;
mod socket;
pub mod tell;
pub mod wire;
pub mod wire_checks;

#[cfg(test)]
mod tests;

pub use link::Link;

use crate::plan::Plan;
use crate::report::view::Frame;
use nix::errno::Errno;
use server::Doors;
use site::Site;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

/// The exit code of a helper that could not even begin.
const UNFIT: u8 = 1;
/// The exit code of a helper that panicked; the number that a Rust program leaves with after a panic.
const PANICKED: u8 = 101;

/// How long a leaving core waits between two looks at its helper, in milliseconds, and how often it looks.
const END_REST_MS: libc::c_int = 1;
const END_TRIES: u32 = 200;

/// What a helper is forked for. It takes copies.
#[derive(Clone, Copy)]
pub struct Served<'a> {
    /// The port, if there is one.
    pub health: Option<BorrowedFd<'a>>,
    /// The control socket, if there is one.
    pub control: Option<BorrowedFd<'a>>,
    /// Whose life is shown.
    pub plan: &'a Plan,
    /// The wall clock when it began.
    pub start: SystemTime,
}

/// Forks a helper that serves where there is a door, and asks checks when told to. Gives its pid and the core's end. `core` is the caller's own pid, as
/// its children see it.
///
/// The caller must have one thread, or the new process may find the allocator locked for ever, and should have all
/// signals blocked, which the helper inherits and keeps: nothing but SIGKILL ends it.
pub fn fork_helper(served: Served<'_>, core: libc::pid_t) -> Result<(libc::pid_t, Link), Errno> {
    let descriptors = server::descriptors(served.plan.checks.len());
    fork_limited(served, core, descriptors)
}

/// As [`fork_helper`], for a helper that may have this many descriptors open.
fn fork_limited(
    served: Served<'_>,
    core: libc::pid_t,
    descriptors: u64,
) -> Result<(libc::pid_t, Link), Errno> {
    // An earlier helper may have been too slow in dying for `collect`; every child of this kind is a helper.
    while wait_for(-1) > 0 {}
    let (link, line) = link::pair()?;
    // SAFETY: no flags, so this is a fork: memory and descriptors are copies, and no pointer is passed. All arguments
    // being zero, their order, which differs between machines, does not matter. The child has the one thread that called,
    // and leaves by _exit below without running anything of the caller's.
    match Errno::result(unsafe {
        libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize)
    })? {
        0 => {
            // Or the helper would hold the core's end too and never see the line end.
            drop(link);
            let code = catch_unwind(AssertUnwindSafe(|| run(core, served, line, descriptors)));
            // SAFETY: ends the process at once. The core's exit handlers and destructors are not ours to run.
            unsafe { libc::_exit(code.unwrap_or(PANICKED).into()) }
        }
        pid => Ok((pid as libc::pid_t, link)),
    }
}

/// The helper's main.
fn run(core: libc::pid_t, served: Served<'_>, line: OwnedFd, descriptors: u64) -> u8 {
    // The standard hook prints to stderr and waits for its reader; the log does not.
    std::panic::set_hook(Box::new(|panic| {
        log::error!("a bug in monopod's network helper, which is started again: {panic}");
    }));
    let site = Site {
        frame: Frame::new(served.plan, served.start),
        uid: nix::unistd::geteuid().as_raw(),
    };
    let kept = jail::Kept {
        line,
        health: served.health,
        control: served.control,
    };
    match jail::enter(core, kept, descriptors) {
        Ok((jail, line, [health, control])) => {
            log::debug!("network helper: {jail}");
            server::serve(Doors { health, control }, line, site, &served.plan.checks)
        }
        Err(jail::Unfit::Orphaned) => UNFIT,
        Err(jail::Unfit::Descriptors(errno)) => {
            log::warn!(
                "the network helper cannot keep its sockets: {}",
                errno.desc()
            );
            UNFIT
        }
    }
}

/// Puts an end to a helper that hung up. True when it is gone and `pid` means nothing any more; false when it is still
/// dying: its line ends a moment before it can be collected. Then this may be called again some turn later, and
/// [`fork_helper`] collects it in any case. Never blocks.
pub fn collect(pid: libc::pid_t) -> bool {
    // Anything but zero is the pid itself or ECHILD: there is no such child (any more).
    if wait_for(pid) != 0 {
        return true;
    }
    // It hung up alive, or is only just exiting. Not collected, so the pid is still its own.
    // SAFETY: two numbers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    wait_for(pid) != 0
}

/// Lets a process of ours go on if somebody has stopped it: its clients would wait in vain, and nothing else would tell.
/// Whether that was so. A stop is signalled as SIGCHLD whatever the exit signal is. Never blocks.
pub fn keep_going(pid: libc::pid_t) -> bool {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WSTOPPED | libc::WNOHANG | libc::__WALL;
    // SAFETY: info outlives the call.
    let answer = unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, options) };
    // SAFETY: waitid succeeded, so this field is its; 0 if there was no stop (waitid(2)).
    let was_stopped = answer == 0 && unsafe { info.si_pid() } == pid;
    if was_stopped {
        // SAFETY: two numbers; the helper was not collected, so the pid is its own.
        unsafe { libc::kill(pid, libc::SIGCONT) };
    }
    was_stopped
}

/// Ends a helper and sees it gone, for a core that leaves. Waits for it, but not for ever: a process that was killed
/// needs a fraction of a millisecond, and one that the kernel cannot end must not keep the core.
pub fn end(pid: libc::pid_t) {
    for _ in 0..END_TRIES {
        if collect(pid) {
            return;
        }
        // SAFETY: no descriptors, so nothing is read or written; a sleep.
        unsafe { libc::poll(std::ptr::null_mut(), 0, END_REST_MS) };
    }
}

/// waitpid(2) for helpers: the pid that was collected, 0 if it lives, -1 if there is none.
fn wait_for(pid: libc::pid_t) -> libc::pid_t {
    // SAFETY: a null status is allowed, and says that how it ended is of no interest.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WCLONE | libc::WNOHANG) }
}
