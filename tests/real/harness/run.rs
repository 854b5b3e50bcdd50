//! An init that was started: talk to it, look at it, wait for its end. Dropped, it is killed with all that it holds.

use super::ear::Ear;
use super::{Outcome, os_error, patience, proc, until};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// How an init ended, as its parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A started init.
pub struct Run {
    /// The init's pid as the host sees it.
    pub pid: i32,
    /// What its commands say.
    pub ear: Ear,
    /// PID 1 of the namespace: the init, or its witness.
    top: i32,
    top_handle: OwnedFd,
    witness: Option<Ear>,
    stdout: File,
    stderr: File,
    end: Option<End>,
}

impl Run {
    /// Takes over what was just started as PID 1 of its namespace.
    pub fn new(
        top: i32,
        ear: Ear,
        witness: Option<Ear>,
        stdout: File,
        stderr: File,
    ) -> Outcome<Run> {
        // SAFETY: pidfd_open of our own uncollected child; the result is checked.
        let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, top, 0) };
        if handle < 0 {
            return Err(os_error("pidfd_open"));
        }
        let mut run = Run {
            pid: top,
            ear,
            top,
            // SAFETY: a descriptor just made.
            top_handle: unsafe { OwnedFd::from_raw_fd(handle as i32) },
            witness,
            stdout,
            stderr,
            end: None,
        };
        if let Some(witness) = &mut run.witness {
            let minding = witness.line()?;
            let inner: i32 = minding
                .strip_prefix("minding ")
                .and_then(|pid| pid.parse().ok())
                .ok_or_else(|| format!("the witness said {minding:?}"))?;
            // It may have ended already and been reaped by its witness; then this is nobody's pid.
            run.pid = run.host_pid(inner).unwrap_or(i32::MAX);
        }
        Ok(run)
    }

    /// Sends a signal and waits until the init has taken it, so that the next of its kind does not become one with it.
    pub fn signal_and_see_taken(&self, signal: i32) -> Outcome {
        self.signal(signal)?;
        until("the signal is taken", patience(), || {
            let pending = proc::signals(self.pid, "ShdPnd")?;
            Ok((pending & (1 << (signal - 1)) == 0).then_some(()))
        })
    }

    /// Sends the init a signal from outside its namespace.
    pub fn signal(&self, signal: i32) -> Outcome {
        self.signal_to(self.pid, signal)
    }

    /// Sends a process, named by its host pid, a signal.
    pub fn signal_to(&self, pid: i32, signal: i32) -> Outcome {
        // SAFETY: a plain system call.
        match unsafe { libc::kill(pid, signal) } {
            0 => Ok(()),
            _ => Err(os_error(&format!("sending signal {signal} to {pid}"))),
        }
    }

    /// Waits until the init blocks or catches the signal: until then the kernel keeps it from a PID 1. One that sleeps in
    /// sigtimedwait shows what it waits for as neither.
    pub fn hears(&self, signal: i32) -> Outcome {
        let bit = 1 << (signal - 1);
        until("the init has its ears open", patience(), || {
            let open = proc::signals(self.pid, "SigBlk")? | proc::signals(self.pid, "SigCgt")?;
            let waits = proc::system_call(self.pid) == Some(libc::SYS_rt_sigtimedwait);
            Ok((open & bit != 0 || waits).then_some(()))
        })
    }

    /// How the init ended.
    pub fn end(&mut self) -> Outcome<End> {
        self.end_within(patience())
    }

    /// How the init ended, if it does so in time.
    pub fn end_within(&mut self, patience: Duration) -> Outcome<End> {
        if let Some(end) = self.end {
            return Ok(end);
        }
        let end = match &mut self.witness {
            Some(witness) => match witness.line_within(patience)? {
                Some(line) => witnessed_end(&line)?,
                None => return Err(format!("the init did not end within {patience:?}")),
            },
            None => self.collect(patience)?,
        };
        self.end = Some(end);
        Ok(end)
    }

    /// The init must end, with this code.
    pub fn ends_with(&mut self, code: i32) -> Outcome {
        match self.end()? {
            End::Exited(seen) if seen == code => Ok(()),
            other => Err(format!("expected exit code {code}, saw {other:?}")),
        }
    }

    /// The init must still be there.
    pub fn lives(&self) -> Outcome {
        match proc::one(&proc::dir(self.pid)) {
            Some(process) if process.state != 'Z' => Ok(()),
            seen => Err(format!("the init is gone: {seen:?}")),
        }
    }

    /// All processes of the namespace, with pids as they are inside.
    pub fn processes(&self) -> Outcome<Vec<proc::Process>> {
        proc::all(&proc::dir(self.top).join("root/proc"))
    }

    /// The host pid of a process that has this pid inside.
    pub fn host_pid(&self, inner: i32) -> Outcome<i32> {
        proc::host_pid(self.top, inner)
    }

    /// The host pids of the init's children that follow a script: all but the helper.
    pub fn scripts(&self) -> Outcome<Vec<i32>> {
        let mut children = proc::children(self.pid)?;
        children.retain(|pid| {
            proc::one(&proc::dir(*pid)).is_some_and(|process| process.comm == "child")
        });
        Ok(children)
    }

    /// The host pid of the one child of the init with this short name.
    pub fn child_named(&self, comm: &str) -> Outcome<Option<i32>> {
        Ok(proc::children(self.pid)?.into_iter().find(|pid| {
            proc::one(&proc::dir(*pid))
                .is_some_and(|process| process.comm == comm && process.state != 'Z')
        }))
    }

    /// All that was written to standard output so far.
    pub fn stdout(&self) -> String {
        contents(&self.stdout)
    }

    /// All that was written to standard error so far.
    pub fn stderr(&self) -> String {
        contents(&self.stderr)
    }

    fn collect(&self, patience: Duration) -> Outcome<End> {
        let mut poll = libc::pollfd {
            fd: self.top_handle.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one valid pollfd.
        if unsafe { libc::poll(&mut poll, 1, millis) } != 1 {
            return Err(format!("the init did not end within {patience:?}"));
        }
        let mut status = 0;
        // SAFETY: our own child, collected only here and, if not here, in `drop`.
        if unsafe { libc::waitpid(self.top, &mut status, 0) } != self.top {
            return Err(os_error("waitpid"));
        }
        Ok(if libc::WIFEXITED(status) {
            End::Exited(libc::WEXITSTATUS(status))
        } else {
            End::Killed(libc::WTERMSIG(status))
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.witness.is_none() && self.end.is_some() {
            return;
        }
        // SAFETY: our own child, not collected yet, so the pid is still its own.
        unsafe {
            libc::kill(self.top, libc::SIGKILL);
            libc::waitpid(self.top, std::ptr::null_mut(), 0);
        }
    }
}

/// All of a file, wherever others have read or written it to.
pub fn contents(file: &File) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = file.read_at(&mut piece, bytes.len() as u64) {
        bytes.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn witnessed_end(line: &str) -> Outcome<End> {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next().map(str::parse)) {
        (Some("ended"), Some("exit"), Some(Ok(code))) => Ok(End::Exited(code)),
        (Some("ended"), Some("signal"), Some(Ok(signal))) => Ok(End::Killed(signal)),
        _ => Err(format!("the witness said {line:?}")),
    }
}
