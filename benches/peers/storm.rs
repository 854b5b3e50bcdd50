//! Makes orphans, behind an init, and sees when the last of them was reaped.
//!
//! Reaped is more than dead: `kill(pid, 0)` finds a zombie and no longer finds what was waited for. The pids of a fresh
//! namespace are handed out in order, so all orphans lie in one short range, and inits reap about in that order: a
//! pointer walks up the range as they go, one cheap call now and then, rather than a search through /proc that would
//! hold the very locks the init needs.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use libc::pid_t;

use crate::common::namespace::{clone_vfork, now_nanos};
use crate::world::OneCpu;

/// Orphans per parent in a storm. Few, so that they come in many small bursts as they do from real programs.
const LITTER: u32 = 25;

/// How often the walker looks. Small against the 10 ms that thousands of orphans take, large against a system call.
const GLANCE: Duration = Duration::from_micros(50);

/// If this passes, the init does not reap.
const PATIENCE_NANOS: u64 = 8_000_000_000;

/// What came of it.
pub struct Outcome {
    /// From the moment at which there was something to reap until nothing was left.
    pub nanos: u64,
    /// The most orphans that existed at one time.
    pub most_waiting: u64,
    /// Zero, or why it could not be measured.
    pub errno: c_int,
}

/// What the parents of the orphans, which end at once, leave behind for us.
struct Shared {
    first: AtomicI32,
    last: AtomicI32,
    at_nanos: AtomicU64,
    errno: AtomicI32,
}

/// `count` zombies are made and kept by one parent until all are dead; then it ends, and the init inherits them all at
/// one moment. So neither the making nor the dying of processes is in the time, only the reaping.
pub fn backlog(count: u32) -> Outcome {
    let shared = shared();
    let parent = fork(|| {
        // A vfork that has to wake another CPU costs several times as much.
        let _one_cpu = OneCpu::pin();
        let mut pids = Vec::with_capacity(count as usize);
        for _ in 0..count {
            match clone_vfork(0, end_at_once, std::ptr::null_mut()) {
                Ok(pid) => pids.push(pid),
                Err(error) => {
                    shared.errno.store(
                        error.raw_os_error().unwrap_or(libc::EINVAL),
                        Ordering::SeqCst,
                    );
                    return;
                }
            }
        }
        pids.iter().copied().for_each(await_zombie);
        shared
            .first
            .store(pids.first().copied().unwrap_or(0), Ordering::SeqCst);
        shared
            .last
            .store(pids.last().copied().unwrap_or(0), Ordering::SeqCst);
        shared.at_nanos.store(now_nanos(), Ordering::SeqCst);
    });
    if let Err(errno) = parent.and_then(reap) {
        return failed(errno);
    }
    outcome(
        shared,
        shared.at_nanos.load(Ordering::SeqCst),
        u64::from(count),
    )
}

/// `count` orphans as fast as one process can have them made: fork, and fork again, and both end.
pub fn storm(count: u32) -> Outcome {
    let shared = shared();
    let before = processes();
    let began = now_nanos();
    let mut most = 0;
    let mut made = 0;
    while made < count {
        let litter = LITTER.min(count - made);
        let parent = fork(|| {
            for _ in 0..litter {
                match fork(|| ()) {
                    Ok(pid) => shared.last.store(pid, Ordering::SeqCst),
                    Err(errno) => shared.errno.store(errno, Ordering::SeqCst),
                }
            }
        });
        if let Err(errno) = parent.and_then(|pid| {
            let _ = shared
                .first
                .compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst);
            reap(pid)
        }) {
            return failed(errno);
        }
        made += litter;
        most = most.max(processes().saturating_sub(before));
    }
    outcome(shared, began, most)
}

fn outcome(shared: &Shared, began: u64, most_waiting: u64) -> Outcome {
    let errno = match shared.errno.load(Ordering::SeqCst) {
        0 => await_reaped(
            shared.first.load(Ordering::SeqCst),
            shared.last.load(Ordering::SeqCst),
        ),
        errno => errno,
    };
    Outcome {
        nanos: now_nanos() - began,
        most_waiting,
        errno,
    }
}

fn failed(errno: c_int) -> Outcome {
    Outcome {
        nanos: 0,
        most_waiting: 0,
        errno,
    }
}

extern "C" fn end_at_once(_: *mut c_void) -> c_int {
    0
}

/// A page that forked children share with us, for the life of this process.
fn shared() -> &'static Shared {
    // SAFETY: a fresh anonymous mapping, zeroed, large enough and aligned for `Shared`, whose zeroes are valid; it is
    // never unmapped. A failed mapping gives an address that faults at the first access, which ends this child.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            size_of::<Shared>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        &*page.cast::<Shared>()
    }
}

/// Forks a child that does `work` and ends with code 0; its pid, or the errno.
fn fork(work: impl FnOnce()) -> Result<pid_t, c_int> {
    // SAFETY: this process has one thread, so the child may do anything; it leaves by _exit and never returns.
    unsafe {
        match libc::fork() {
            -1 => Err(*libc::__errno_location()),
            0 => {
                work();
                libc::_exit(0)
            }
            pid => Ok(pid),
        }
    }
}

fn reap(pid: pid_t) -> Result<(), c_int> {
    // SAFETY: no status is asked for.
    match unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } {
        -1 => Err(std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::ECHILD)),
        _ => Ok(()),
    }
}

/// Waits for the death of a child and leaves the zombie.
fn await_zombie(pid: pid_t) {
    // SAFETY: the record is on our stack. A failure would show as an orphan that dies a little later.
    unsafe {
        let mut info = std::mem::zeroed();
        libc::waitid(
            libc::P_PID,
            pid as libc::id_t,
            &mut info,
            libc::WEXITED | libc::WNOWAIT,
        );
    }
}

/// Waits until no pid of the range exists; 0, or ETIMEDOUT.
fn await_reaped(first: pid_t, last: pid_t) -> c_int {
    let deadline = now_nanos() + PATIENCE_NANOS;
    // SAFETY: signal 0 is none.
    let gone = |pid: pid_t| unsafe { libc::kill(pid, 0) } == -1;
    // Without this the kernel would add 50 µs to every glance.
    //
    // SAFETY: sets a number.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    for pid in first..=last {
        while !gone(pid) {
            if now_nanos() > deadline {
                return libc::ETIMEDOUT;
            }
            std::thread::sleep(GLANCE);
        }
    }
    0
}

/// All threads on this machine, zombies included: noisy by what others do, but one call and no lock.
fn processes() -> u64 {
    // SAFETY: fills one record on our stack.
    unsafe {
        let mut info: libc::sysinfo = std::mem::zeroed();
        libc::sysinfo(&mut info);
        u64::from(info.procs)
    }
}
