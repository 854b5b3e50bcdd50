//! A contestant as PID 1, whose command talks with us over its stdin and stdout.

use std::ffi::c_int;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use libc::pid_t;

use crate::common::namespace::Init;

/// Nobody here takes a second over anything; ten mean that it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running contestant. Dropped, it is killed with all that lives under it, and waited for.
pub struct World {
    /// PID 1, as we see it from outside.
    pub pid: pid_t,
    /// CLOCK_MONOTONIC just before the exec of PID 1.
    pub exec_at_nanos: u64,
    init: Init,
    orders: PipeWriter,
    reports: PipeReader,
}

impl World {
    /// Starts `program` with `words` (argv[0] first) in namespaces made by `flags`.
    pub fn launch(flags: c_int, program: &Path, words: &[String]) -> Result<World, String> {
        let no_pipe = |error: std::io::Error| format!("cannot make a pipe: {error}");
        let (stdin, orders) = pipe().map_err(no_pipe)?;
        let (reports, stdout) = pipe().map_err(no_pipe)?;
        let streams = [stdin.as_raw_fd(), stdout.as_raw_fd(), -1];
        let init = Init::launch(flags, program, words, streams)?;
        Ok(World {
            pid: init.pid,
            exec_at_nanos: init.exec_at_nanos,
            init,
            orders,
            reports,
        })
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
    pub fn end(self) -> Result<(), String> {
        self.init.end(PATIENCE)
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
