//! A PID namespace with a program of ours as its PID 1.
//!
//! It is started by vfork-like clone, so that nothing of this process is copied and torn down again in the time that is
//! measured. The child's few calls before exec run on a stack of their own in our memory; that is how it tells us the
//! moment of the exec. It must do nothing there but system calls.
//!
//! The environment is a bare PATH: a TINI_VERBOSITY of the caller must not reach the contestants. There is no
//! controlling terminal, since tini and catatonit would take the foreground of ours.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::path::Path;
use std::time::Duration;

use libc::pid_t;

/// The flags with which clone makes a PID namespace here, or why it cannot.
pub fn namespace_flags() -> Result<c_int, String> {
    let as_root = libc::CLONE_NEWPID;
    let as_anybody = libc::CLONE_NEWPID | libc::CLONE_NEWUSER;
    let mut why = String::new();
    for flags in [as_root, as_anybody] {
        match clone_vfork(flags, leave, std::ptr::null_mut()) {
            Ok(pid) => {
                wait(pid)?;
                return Ok(flags);
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(format!(
        "no PID namespace can be made here ({why}); run as root, or allow user namespaces"
    ))
}

extern "C" fn leave(_: *mut c_void) -> c_int {
    0
}

/// A running PID 1. Dropped, it is killed with all that lives under it, and waited for.
pub struct Init {
    /// As we see it from outside.
    pub pid: pid_t,
    /// CLOCK_MONOTONIC just before the exec.
    pub exec_at_nanos: u64,
    ended: bool,
}

/// What the child needs before its exec, and what it tells us, all in memory that both share.
struct Launch {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    /// Mount a /proc of its own first.
    mounts_proc: bool,
    /// Its standard streams; a negative one stays ours.
    streams: [RawFd; 3],
    exec_at_nanos: u64,
    errno: c_int,
}

impl Init {
    /// Starts `program` with `words` (argv[0] first) in namespaces made by `flags`. With CLONE_NEWNS among them it has
    /// a /proc of its own. A negative stream is inherited.
    pub fn launch(
        flags: c_int,
        program: &Path,
        words: &[String],
        streams: [RawFd; 3],
    ) -> Result<Init, String> {
        let text = |word: &str| CString::new(word).map_err(|error| format!("{word}: {error}"));
        let path = text(&program.to_string_lossy())?;
        let words: Vec<CString> = words.iter().map(|w| text(w)).collect::<Result<_, _>>()?;
        let argv: Vec<*const c_char> = pointers(&words);
        let environment = [text("PATH=/usr/local/bin:/usr/bin:/bin")?];
        let envp: Vec<*const c_char> = pointers(&environment);
        let mut launch = Launch {
            path: path.as_ptr(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            mounts_proc: flags & libc::CLONE_NEWNS != 0,
            streams,
            exec_at_nanos: 0,
            errno: 0,
        };
        let shared: *mut Launch = &mut launch;
        let pid = clone_vfork(flags, become_init, shared.cast())
            .map_err(|error| format!("cannot clone into a PID namespace: {error}"))?;
        // SAFETY: `launch` lives on our stack; the child wrote to it through this pointer and is done with it, since
        // CLONE_VFORK kept us waiting until it had exec'd or ended.
        let (exec_at_nanos, errno) = unsafe {
            (
                (*shared).exec_at_nanos,
                std::ptr::read_volatile(&raw const (*shared).errno),
            )
        };
        let init = Init {
            pid,
            exec_at_nanos,
            ended: false,
        };
        if errno != 0 {
            let error = std::io::Error::from_raw_os_error(errno);
            return Err(format!("cannot exec {}: {error}", program.display()));
        }
        Ok(init)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: c_int) -> Result<(), String> {
        // SAFETY: kill has no memory effects; the pid is our child's, which we have not waited for.
        match unsafe { libc::kill(self.pid, signal) } {
            -1 => Err(format!(
                "cannot signal PID 1: {}",
                std::io::Error::last_os_error()
            )),
            _ => Ok(()),
        }
    }

    /// Waits until it is gone, and wants the exit code 0 of it. A PID 1 is gone when nothing is left under it: the
    /// kernel lets nobody wait for it sooner.
    pub fn end(mut self, patience: Duration) -> Result<(), String> {
        // SAFETY: pidfd_open has no memory effects, poll writes one pollfd on our stack, and the descriptor is closed
        // by the one who got it.
        let gone = unsafe {
            let handle = libc::syscall(libc::SYS_pidfd_open, self.pid, 0) as c_int;
            let mut wanted = libc::pollfd {
                fd: handle,
                events: libc::POLLIN,
                revents: 0,
            };
            let gone = handle < 0 || libc::poll(&mut wanted, 1, patience.as_millis() as c_int) == 1;
            libc::close(handle);
            gone
        };
        if !gone {
            return Err(format!("it was not gone after {patience:?}"));
        }
        self.ended = true;
        match wait(self.pid)? {
            0 => Ok(()),
            status => Err(format!("PID 1 ended with wait status {status:#x}")),
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: kill has no memory effects; the pid is our child's and has not been waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            // It was ours and is dead; there is nothing to do about a wait that fails.
            let _ = wait(self.pid);
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds; the same clock in every process here.
pub fn now_nanos() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec on our stack.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words
        .iter()
        .map(|word| word.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

fn wait(pid: pid_t) -> Result<c_int, String> {
    let mut status = 0;
    // SAFETY: writes one int on our stack.
    match unsafe { libc::waitpid(pid, &mut status, 0) } {
        -1 => Err(format!(
            "cannot wait for {pid}: {}",
            std::io::Error::last_os_error()
        )),
        _ => Ok(status),
    }
}

/// Runs `child` as a process of its own in our memory; we go on when it has exec'd or ended.
pub fn clone_vfork(
    flags: c_int,
    child: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> std::io::Result<pid_t> {
    // Aligned as a stack must be.
    #[repr(align(16))]
    struct Stack([u8; 32 << 10]);
    let mut stack = Stack([0; 32 << 10]);
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is large enough for the few frames of `child`, and outlives its use of it: CLONE_VFORK
    // suspends us until the child no longer shares our memory.
    let pid = unsafe {
        libc::clone(
            child,
            stack.0.as_mut_ptr_range().end.cast(),
            flags,
            argument,
        )
    };
    if pid == -1 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(pid)
}

extern "C" fn become_init(argument: *mut c_void) -> c_int {
    // SAFETY: `argument` is the `Launch` of `launch`, whose thread is suspended; every call below is a bare system
    // call, and the dispositions and descriptors that it changes are the child's own (no CLONE_SIGHAND, CLONE_FILES).
    unsafe {
        let launch = argument.cast::<Launch>();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setsid();
        // Rust programs ignore SIGPIPE, and exec would hand that on.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if (*launch).mounts_proc && !mount_proc() {
            (*launch).errno = *libc::__errno_location();
            return 127;
        }
        for (at, stream) in (*launch).streams.into_iter().enumerate() {
            libc::dup2(stream, at as c_int);
        }
        (*launch).exec_at_nanos = now_nanos();
        libc::execve((*launch).path, (*launch).argv, (*launch).envp);
        (*launch).errno = *libc::__errno_location();
    }
    127
}

/// A /proc that shows this namespace, seen by nobody else. False: errno says why not.
///
/// # Safety
/// Nothing but the process's own mount namespace is touched; it must have one.
unsafe fn mount_proc() -> bool {
    let nothing: *const c_char = std::ptr::null();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: constant strings, and null where mount allows it.
    unsafe {
        libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) == 0
            && libc::mount(
                c"proc".as_ptr(),
                c"/proc".as_ptr(),
                c"proc".as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                nothing.cast(),
            ) == 0
    }
}
