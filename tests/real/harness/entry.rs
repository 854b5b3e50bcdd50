//! The way into an init's world: a fork with its own PID and mount namespaces, and what the child does before its exec.
//!
//! The child is a copy of one thread of many, so between fork and exec there are only bare system calls: no allocation,
//! no lock, and none of glibc's `setuid` family, which would wait for threads that do not exist here. What surprised us:
//! an init's exec must be waited for, or its signal masks are read from our own copy.

use super::{Outcome, os_error};
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// What the child does to itself and its world.
#[derive(Default)]
pub struct Entry {
    /// Signals to ignore, as bits.
    pub ignored: u64,
    /// Signals to block, as bits.
    pub blocked: u64,
    /// Its umask, if not ours.
    pub umask: Option<libc::mode_t>,
    /// Its uid and gid, if not ours.
    pub uid: Option<u32>,
    /// RLIMIT_NPROC.
    pub processes: Option<u64>,
    /// RLIMIT_NOFILE.
    pub descriptors: Option<u64>,
    /// Cover /proc with nothing.
    pub hide_proc: bool,
    /// Cover /dev with nothing.
    pub hide_dev: bool,
    /// Make every mount read-only.
    pub read_only: bool,
    /// Make descriptor 0 the controlling terminal.
    pub take_terminal: bool,
    /// `cgroup.procs` of the cgroup to enter.
    pub cgroup: Option<OwnedFd>,
    /// The working directory, if not ours.
    pub cwd: Option<CString>,
}

/// The descriptors that the child carries over while it builds its own stand here and above, out of the way of all
/// that a story asks for.
const ASIDE: RawFd = 300;

/// Starts `argv` as PID 1 of a namespace of its own; returns its pid when the exec has succeeded.
pub fn start(
    argv: &[CString],
    environment: &[CString],
    descriptors: &[(RawFd, OwnedFd)],
    entry: &Entry,
) -> Outcome<i32> {
    let argv_pointers = pointers(argv);
    let environment_pointers = pointers(environment);
    let mut places: Vec<(RawFd, RawFd)> = descriptors
        .iter()
        .map(|(number, fd)| (*number, fd.as_raw_fd()))
        .collect();
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(os_error("pipe2"));
    }
    // SAFETY: two descriptors just made.
    let (report, word) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };

    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::SIGCHLD;
    // SAFETY: a fork without shared memory; the child only makes system calls on what was prepared above.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid < 0 {
        return Err(os_error("clone with a new PID namespace"));
    }
    if pid == 0 {
        // SAFETY: duplicates a descriptor of our own, to where no story wants anything.
        let word = unsafe { libc::fcntl(word.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ASIDE) };
        let failure =
            enter(entry, &mut places, &argv_pointers, &environment_pointers).to_ne_bytes();
        // SAFETY: `enter` came back, so this process can only tell why and go.
        unsafe {
            libc::write(word, failure.as_ptr().cast(), failure.len());
            libc::_exit(99)
        }
    }
    drop(word);
    let mut failure = Vec::new();
    std::fs::File::from(report)
        .read_to_end(&mut failure)
        .map_err(|why| format!("waiting for the exec: {why}"))?;
    let pid = pid as i32;
    if failure.is_empty() {
        return Ok(pid);
    }
    // SAFETY: collects our own child, of which nobody else knows.
    unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
    let number = |range: std::ops::Range<usize>| {
        failure
            .get(range)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, i32::from_ne_bytes)
    };
    Err(format!(
        "the launch failed at line {} of entry.rs: {}",
        number(4..8),
        std::io::Error::from_raw_os_error(number(0..4))
    ))
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(ptr::null());
    pointers
}

/// errno and the line that met it, packed.
fn failure(line: u32) -> u64 {
    // SAFETY: errno of this thread.
    let errno = unsafe { *libc::__errno_location() };
    u64::from(errno as u32) | u64::from(line) << 32
}

macro_rules! must {
    ($call:expr) => {
        // SAFETY: a system call on constants and on pointers that the caller of `enter` keeps alive.
        if unsafe { $call } < 0 {
            return failure(line!());
        }
    };
}

/// Gives the init the file systems that the story wants it to see; 0, or why not.
fn mounts(entry: &Entry) -> u64 {
    let nothing = ptr::null();
    must!(libc::mount(
        c"none".as_ptr(),
        c"/".as_ptr(),
        nothing,
        libc::MS_REC | libc::MS_PRIVATE,
        nothing.cast()
    ));
    let proc = if entry.hide_proc { c"tmpfs" } else { c"proc" };
    must!(libc::mount(
        proc.as_ptr(),
        c"/proc".as_ptr(),
        proc.as_ptr(),
        0,
        nothing.cast()
    ));
    if entry.hide_dev {
        must!(libc::mount(
            c"tmpfs".as_ptr(),
            c"/dev".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            nothing.cast()
        ));
    }
    if entry.read_only {
        // struct mount_attr: set, clear, propagation, user namespace.
        let attributes: [u64; 4] = [libc::MOUNT_ATTR_RDONLY, 0, 0, 0];
        must!(libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            c"/".as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes)
        ));
    }
    0
}

/// Becomes the init; comes back only when it could not.
fn enter(
    entry: &Entry,
    places: &mut [(RawFd, RawFd)],
    argv: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> u64 {
    // If this suite is killed, its inits go with it.
    must!(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
    if let Some(cgroup) = &entry.cgroup {
        must!(libc::write(cgroup.as_raw_fd(), c"0".as_ptr().cast(), 1));
    }
    must!(libc::setsid());
    let mounted = mounts(entry);
    if mounted != 0 {
        return mounted;
    }
    if let Some(cwd) = &entry.cwd {
        must!(libc::chdir(cwd.as_ptr()));
    }
    // First all aside, so that no place is overwritten while it is still a source.
    for (_, source) in &mut *places {
        // SAFETY: duplicates a descriptor of our own.
        let aside = unsafe { libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, ASIDE) };
        if aside < 0 {
            return failure(line!());
        }
        *source = aside;
    }
    for number in 0..3 {
        // A closed standard descriptor is part of many stories; closing it twice is no fault.
        // SAFETY: a plain close.
        unsafe { libc::close(number) };
    }
    // Whatever this suite was started with, or makes in another thread just now, is no part of the story.
    must!(libc::syscall(
        libc::SYS_close_range,
        3,
        u32::MAX,
        libc::CLOSE_RANGE_CLOEXEC
    ));
    for (number, source) in &*places {
        must!(libc::dup2(*source, *number));
    }
    if entry.take_terminal {
        must!(libc::ioctl(0, libc::TIOCSCTTY, 0));
    }
    for (resource, wish) in [
        (libc::RLIMIT_NPROC, entry.processes),
        (libc::RLIMIT_NOFILE, entry.descriptors),
    ] {
        if let Some(most) = wish {
            let limit = libc::rlimit {
                rlim_cur: most,
                rlim_max: most,
            };
            must!(libc::setrlimit(resource, &raw const limit));
        }
    }
    if let Some(umask) = entry.umask {
        must!(libc::umask(umask) as i32);
    }
    if let Some(uid) = entry.uid {
        must!(libc::syscall(libc::SYS_setgroups, 0, ptr::null::<u32>()));
        must!(libc::syscall(libc::SYS_setresgid, uid, uid, uid));
        must!(libc::syscall(libc::SYS_setresuid, uid, uid, uid));
        // The change of uid took the parent-death signal away.
        must!(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
    }
    // The bare call: glibc's refuses signals 32 and 33, which its posix_spawn (cargo's, that is) hands on as ignored. All
    // zeros is the default disposition on every machine, with an empty mask and no flags.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: reads a sigaction of the kernel's, which is not longer than this. KILL and STOP are refused, rightly.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                ptr::null::<u64>(),
                size_of::<u64>(),
            );
            if entry.ignored & (1 << (signal - 1)) != 0 {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
    let blocked = entry.blocked;
    must!(libc::syscall(
        libc::SYS_rt_sigprocmask,
        libc::SIG_SETMASK,
        &raw const blocked,
        ptr::null::<u64>(),
        size_of::<u64>()
    ));
    must!(libc::execve(argv[0], argv.as_ptr(), environment.as_ptr()));
    0
}
