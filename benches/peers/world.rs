//! A PID namespace with a contestant as its PID 1, whose command talks with us over its stdin and stdout.
//!
//! The contestant is started by vfork-like clone, so that nothing of this process is copied and torn down again in the
//! time that is measured. The child's few calls before exec run on a stack of their own in our memory; that is how it
//! tells us the moment of the exec. It must do nothing there but system calls.
//!
//! The environment is a bare PATH: a TINI_VERBOSITY of the caller must not reach the contestants. There is no
//! controlling terminal, since tini and catatonit would take the foreground of ours.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use libc::pid_t;

/// Nobody here takes a second over anything; ten mean that it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A running contestant. Dropped, it is killed with all that lives under it, and waited for.
pub struct World {
    /// PID 1, as we see it from outside.
    pub pid: pid_t,
    /// CLOCK_MONOTONIC just before the exec of PID 1.
    pub exec_at_nanos: u64,
    orders: PipeWriter,
    reports: PipeReader,
    ended: bool,
}

/// What the child needs before its exec, and what it tells us, all in memory that both share.
struct Launch {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    stdin: RawFd,
    stdout: RawFd,
    exec_at_nanos: u64,
    errno: c_int,
}

impl World {
    /// Starts `program` with `words` (argv[0] first) in namespaces made by `flags`.
    pub fn launch(flags: c_int, program: &Path, words: &[String]) -> Result<World, String> {
        let text = |word: &str| CString::new(word).map_err(|error| format!("{word}: {error}"));
        let path = text(&program.to_string_lossy())?;
        let words: Vec<CString> = words.iter().map(|w| text(w)).collect::<Result<_, _>>()?;
        let argv: Vec<*const c_char> = pointers(&words);
        let environment = [text("PATH=/usr/local/bin:/usr/bin:/bin")?];
        let envp: Vec<*const c_char> = pointers(&environment);

        let no_pipe = |error: std::io::Error| format!("cannot make a pipe: {error}");
        let (stdin, orders) = pipe().map_err(no_pipe)?;
        let (reports, stdout) = pipe().map_err(no_pipe)?;
        let mut launch = Launch {
            path: path.as_ptr(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            stdin: stdin.as_raw_fd(),
            stdout: stdout.as_raw_fd(),
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
        let world = World {
            pid,
            exec_at_nanos,
            orders,
            reports,
            ended: false,
        };
        if errno != 0 {
            let error = std::io::Error::from_raw_os_error(errno);
            return Err(format!("cannot exec {}: {error}", program.display()));
        }
        Ok(world)
    }

    /// Sends the command an order of a few bytes.
    pub fn order(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.orders
            .write_all(bytes)
            .map_err(|error| format!("the command took no order: {error}"))
    }

    /// The next `N` numbers that the command reports.
    pub fn report<const N: usize>(&mut self) -> Result<[u64; N], String> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            self.await_report()?;
            let mut bytes = [0; 8];
            self.reports
                .read_exact(&mut bytes)
                .map_err(|error| format!("the command ended without its report ({error})"))?;
            *number = u64::from_ne_bytes(bytes);
        }
        Ok(numbers)
    }

    fn await_report(&self) -> Result<(), String> {
        let mut wanted = libc::pollfd {
            fd: self.reports.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, on our stack, for the duration of the call.
        match unsafe { libc::poll(&mut wanted, 1, PATIENCE.as_millis() as c_int) } {
            1 => Ok(()),
            0 => Err(format!("the command said nothing for {PATIENCE:?}")),
            _ => Err(format!(
                "cannot poll its pipe: {}",
                std::io::Error::last_os_error()
            )),
        }
    }

    /// Waits for PID 1 to end by itself, and wants the exit code 0 of it.
    pub fn end(mut self) -> Result<(), String> {
        self.ended = true;
        match wait(self.pid)? {
            0 => Ok(()),
            status => Err(format!("PID 1 ended with wait status {status:#x}")),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: kill has no memory effects; the pid is our child's and has not been waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            // It was ours and is dead; there is nothing to do about a wait that fails.
            let _ = wait(self.pid);
        }
    }
}

/// Keeps this process, and what it starts, on one CPU until the guard is dropped.
///
/// Without it a wake-up costs two or three times as much when the sleeper was on another CPU, and where a process
/// comes to sit is luck that it keeps for a long time: two copies of one program differed by a factor of 2.
pub struct OneCpu {
    before: libc::cpu_set_t,
}

impl OneCpu {
    /// Goes to the last CPU that is allowed: the first one has more interrupts to serve.
    pub fn pin() -> OneCpu {
        // SAFETY: the sets are plain data on our stack, whose size is told.
        unsafe {
            let mut before: libc::cpu_set_t = std::mem::zeroed();
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of_val(&before), &mut before);
            let last = (0..libc::CPU_SETSIZE as usize).rfind(|&cpu| libc::CPU_ISSET(cpu, &before));
            libc::CPU_SET(last.unwrap_or(0), &mut one);
            libc::sched_setaffinity(0, size_of_val(&one), &one);
            OneCpu { before }
        }
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::sched_setaffinity(0, size_of_val(&self.before), &self.before) };
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
        libc::dup2((*launch).stdin, 0);
        libc::dup2((*launch).stdout, 1);
        (*launch).exec_at_nanos = now_nanos();
        libc::execve((*launch).path, (*launch).argv, (*launch).envp);
        (*launch).errno = *libc::__errno_location();
    }
    127
}
