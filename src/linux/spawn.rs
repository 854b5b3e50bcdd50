//! A program of the plan becomes a running child, or a reason why not.
//!
//! Own fork and exec: the core has one thread, so the child may do what it likes before exec, and the core never waits
//! for it (std's spawn does, and a slow disk would hold PID 1). How the exec went comes back through a close-on-exec
//! pipe that the loop reads.
//!
//! The order in the child, and why: group or session first, for the terminal hands its foreground to a group; standard
//! input; then dispositions, while everything is still blocked, or the core's handlers would swallow a signal here;
//! the mask last of all, so that a signal that waited since the fork meets the default action or the program itself.
//!
//! What surprised us: exec alone resets handlers, but between unblocking and exec there is a window, in which 328 of
//! 400 signals were swallowed in an experiment. And a group kill right after the fork finds no group, so the parent
//! makes the group too.

use super::runs::Exec;
use super::signals::Inbox;
use super::tty::Terminal;
use crate::machine::{Stage, Unstartable};
use crate::plan::{Environment, Placement, Program, Stdin};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe2, setpgid, setsid};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// What every child starts with, besides its program.
#[derive(Debug)]
pub struct Spawner<'a> {
    /// For the inherited mask and ignored signals.
    pub inbox: &'a Inbox,
    /// The terminal, if monopod had its foreground.
    pub terminal: &'a Terminal,
    /// The children's variables.
    pub environment: &'a Environment,
}

/// stage, three spare bytes, errno.
type Failure = [u8; 8];

impl Spawner<'_> {
    /// Forks `program`. The answer is its pid and the pipe that will tell how the exec went.
    pub fn spawn(&self, program: &Program) -> Result<(i32, Exec), Unstartable> {
        let refused = |errno: Errno| Unstartable {
            stage: Stage::Fork,
            errno: errno as i32,
        };
        let argv: Vec<*const libc::c_char> = program
            .argv
            .iter()
            .map(|word| word.as_ptr())
            .chain([ptr::null()])
            .collect();
        let (told, tell) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(refused)?;
        let empty = match program.stdin {
            Stdin::Inherited => None,
            Stdin::Empty => Some(pipe2(OFlag::O_CLOEXEC).map_err(refused)?.0),
        };
        if program.placement == Placement::Session {
            self.terminal.let_go();
        }
        // SAFETY: the core has one thread, so the child is a whole process and may allocate and lock as it likes.
        match unsafe { fork() }.map_err(refused)? {
            ForkResult::Parent { child } => {
                if program.placement == Placement::Group {
                    // The child does the same. Whoever comes second is refused, and that is fine.
                    let _ = setpgid(child, child);
                }
                Ok((child.as_raw(), Exec::Pending(told)))
            }
            ForkResult::Child => {
                let why = self.become_program(program, &argv, empty.as_ref());
                let mut failure: Failure = [0; 8];
                failure[0] = why.stage as u8;
                failure[4..].copy_from_slice(&why.errno.to_ne_bytes());
                // SAFETY: the buffer is ours; the pipe is empty and takes 8 bytes at once.
                unsafe { libc::write(tell.as_raw_fd(), failure.as_ptr().cast(), failure.len()) };
                // SAFETY: ends this process without running what belongs to the parent.
                unsafe { libc::_exit(i32::from(why.code().0)) }
            }
        }
    }

    /// In the child: does not come back but with the reason.
    fn become_program(
        &self,
        program: &Program,
        argv: &[*const libc::c_char],
        stdin: Option<&OwnedFd>,
    ) -> Unstartable {
        let failed = |stage| {
            move |errno: Errno| Unstartable {
                stage,
                errno: errno as i32,
            }
        };
        let placed = match program.placement {
            Placement::Group => {
                setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(failed(Stage::Group))
            }
            Placement::Session => setsid().map(drop).map_err(failed(Stage::Session)),
            Placement::Shared => Ok(()),
        };
        if let Err(why) = placed {
            return why;
        }
        if program.placement == Placement::Session {
            self.terminal.take();
        }
        if program.foreground {
            self.terminal.hand_over();
        }
        if let Some(empty) = stdin {
            // SAFETY: both are open descriptors, and 0 of this process is the program's to be.
            if let Err(errno) = Errno::result(unsafe { libc::dup2(empty.as_raw_fd(), 0) }) {
                return failed(Stage::Stdin)(errno);
            }
        }
        let listen_pid = self.listen_pid();
        let envp = self.variables(listen_pid.as_deref());
        self.inbox.restore_dispositions();
        self.inbox.restore_mask(program.mask);
        // SAFETY: both arrays end with a null pointer, and their strings live until the exec.
        unsafe { libc::execvpe(argv[0], argv.as_ptr(), envp.as_ptr()) };
        let errno = Errno::last();
        let stage = match errno == Errno::ENOENT && is_there(program.file()) {
            true => Stage::Interpreter,
            false => Stage::Exec,
        };
        failed(stage)(errno)
    }

    /// systemd's socket activation names the pid that the sockets are for; what was for us is for our child.
    fn listen_pid(&self) -> Option<CString> {
        let named = std::env::var("LISTEN_PID").ok()?;
        let ours = nix::unistd::getppid().as_raw().to_string() == named;
        ours.then(|| CString::new(format!("LISTEN_PID={}", getpid())).ok())?
    }

    fn variables(&self, listen_pid: Option<&CStr>) -> Vec<*const libc::c_char> {
        let mut variables = match self.environment {
            Environment::Exactly(variables) => variables.iter().map(|v| v.as_ptr()).collect(),
            Environment::Inherited => inherited_variables(),
        };
        if let Some(listen_pid) = listen_pid {
            variables.retain(|variable| {
                // SAFETY: every pointer is a C string of the environment.
                let text = unsafe { CStr::from_ptr(*variable) };
                !text.to_bytes().starts_with(b"LISTEN_PID=")
            });
            variables.push(listen_pid.as_ptr());
        }
        variables.push(ptr::null());
        variables
    }
}

fn inherited_variables() -> Vec<*const libc::c_char> {
    let mut variables = Vec::new();
    // SAFETY: environ is the C library's array of strings with a null pointer at its end, and nobody changes it.
    unsafe {
        let mut place = environ;
        while !place.is_null() && !(*place).is_null() {
            variables.push(*place);
            place = place.add(1);
        }
    }
    variables
}

/// Whether a program that exec called missing is there: then it is its interpreter that is missing.
fn is_there(file: &CStr) -> bool {
    let file = Path::new(std::ffi::OsStr::from_bytes(file.to_bytes()));
    if file.as_os_str().as_bytes().contains(&b'/') {
        return file.exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(file).exists())
}

/// How the exec behind this pipe went; `None` if that is not known yet.
pub fn exec_outcome(pipe: &OwnedFd) -> Option<Result<(), Unstartable>> {
    let mut failure: Failure = [0; 8];
    match nix::unistd::read(pipe, &mut failure) {
        Ok(0) => Some(Ok(())),
        Ok(_) => {
            let errno = i32::from_ne_bytes([failure[4], failure[5], failure[6], failure[7]]);
            let stage = Stage::from_wire(failure[0]).unwrap_or(Stage::Exec);
            Some(Err(Unstartable { stage, errno }))
        }
        Err(_) => None,
    }
}
