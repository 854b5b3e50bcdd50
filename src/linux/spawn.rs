//! A program of the plan becomes a running child, or a reason why not.
//!
//! Own fork and exec: the core has one thread, so the child may do what it likes before exec, and the core never waits
//! for it (std's spawn does, and a slow disk would hold PID 1). How the exec went comes back through a close-on-exec
//! pipe that the loop reads.
//!
//! The order in the child, and why: group or session first, for the terminal hands its foreground to a group; standard
//! input and output; the working directory, and after it the user, who may be allowed less (or more, on a network's file
//! system, so what was refused is tried again then); then dispositions, while everything is still blocked, or the core's
//! handlers would swallow a signal here; the mask last of all, so that a signal that waited since the fork meets the
//! default action or the program itself.
//!
//! What surprised us: exec alone resets handlers, but between unblocking and exec there is a window, in which 328 of
//! 400 signals were swallowed in an experiment. And a group kill right after the fork finds no group, so the parent
//! makes the group too.

use super::identity;
use super::kept::Kept;
use super::limits::Limits;
use super::runs::Exec;
use super::signals::Inbox;
use super::tty::Terminal;
use super::variables::Variables;
use crate::machine::{Stage, Unstartable};
use crate::plan::{Environment, Placement, Program, Stdin};
use crate::relay::Relayed;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, chdir, fork, pipe2, setpgid, setsid};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// What every child starts with, besides its program.
#[derive(Debug)]
pub struct Spawner<'a> {
    /// For the inherited mask and ignored signals.
    pub inbox: &'a Inbox,
    /// The terminal, if monopod had its foreground.
    pub terminal: &'a Terminal,
    /// For the limit on descriptors that we were started with.
    pub limits: &'a Limits,
}

/// A child on its way to its program.
#[derive(Debug)]
pub struct Forked {
    /// Its process.
    pub pid: i32,
    /// How its exec went, some time.
    pub exec: Exec,
    /// What it says, if that is kept.
    pub kept: Option<Box<Kept>>,
}

/// What the parent has made ready for the child.
struct Ready<'p> {
    program: &'p Program,
    argv: Vec<*const libc::c_char>,
    variables: Variables,
    stdin: Option<OwnedFd>,
    outputs: Option<[RawFd; 2]>,
    relayed: Option<Relayed<'p>>,
}

/// stage, three spare bytes, errno.
type Failure = [u8; 8];

impl Spawner<'_> {
    /// Forks `program`. `mark` is the variable that tells whose process it is, if it is to carry one; `relayed` is what
    /// it is to have as 1 and 2, if not what is inherited.
    pub fn spawn(
        &self,
        program: &Program,
        mark: Option<CString>,
        relayed: Option<Relayed<'_>>,
    ) -> Result<Forked, Unstartable> {
        let refused = failed(Stage::Fork);
        let words = program.argv.iter().map(|word| word.as_ptr());
        let (told, tell) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(refused)?;
        let kept = program.kept_output.then(Kept::new).transpose();
        let kept = kept.map_err(refused)?.map(Box::new);
        let ready = Ready {
            program,
            argv: words.chain([ptr::null()]).collect(),
            variables: Variables::new(&program.environment, mark),
            stdin: match program.stdin {
                Stdin::Inherited => None,
                Stdin::Empty => Some(pipe2(OFlag::O_CLOEXEC).map_err(refused)?.0),
            },
            outputs: kept
                .as_ref()
                .map(|kept| kept.raw())
                .or(relayed.as_ref().map(|relayed| relayed.into)),
            relayed,
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
                // What the core does next (handlers, answers) can wait until the child has come to its exec; it wants
                // the same processor now, and this is worth a third of the start.
                //
                // SAFETY: takes nothing and cannot fail (sched_yield(2)).
                unsafe { libc::sched_yield() };
                Ok(Forked {
                    pid: child.as_raw(),
                    exec: Exec::Pending(told),
                    kept,
                })
            }
            ForkResult::Child => {
                let why = match self.prepare(&ready) {
                    Ok(()) => self.become_program(&ready),
                    Err(why) => why,
                };
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

    /// In the child: takes its place among processes, its descriptors, its directory and its rights.
    fn prepare(&self, ready: &Ready) -> Result<(), Unstartable> {
        let program = ready.program;
        match program.placement {
            Placement::Group => {
                setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(failed(Stage::Group))?;
            }
            Placement::Session | Placement::Alone => {
                setsid().map_err(failed(Stage::Session))?;
            }
            Placement::Shared => {}
        }
        if program.placement == Placement::Session {
            self.terminal.take();
        }
        if program.foreground {
            self.terminal.hand_over();
        }
        if let Some(empty) = &ready.stdin {
            // SAFETY: both are open descriptors, and 0 of this process is the program's to be.
            let placed = Errno::result(unsafe { libc::dup2(empty.as_raw_fd(), 0) });
            placed.map_err(failed(Stage::Stdin))?;
        }
        if let Some(relayed) = &ready.relayed {
            relayed.make_ready();
        }
        for (end, number) in ready.outputs.iter().flatten().zip(1..) {
            // SAFETY: both are descriptors of this process, and 1 and 2 are the program's to be.
            let placed = Errno::result(unsafe { libc::dup2(*end, number) });
            placed.map_err(failed(Stage::Output))?;
        }
        self.limits.restore();
        let folder = program.working_dir.as_deref();
        let entered = folder.map_or(Ok(()), chdir);
        identity::assume(&program.identity).map_err(failed(Stage::Identity))?;
        match (entered, folder) {
            (Err(Errno::EACCES), Some(folder)) => chdir(folder),
            (outcome, _) => outcome,
        }
        .map_err(failed(Stage::WorkingDir))
    }

    /// In the child: does not come back but with the reason.
    fn become_program(&self, ready: &Ready) -> Unstartable {
        let (program, argv) = (ready.program, &ready.argv);
        let retold = ready.variables.retold();
        let variables = retold
            .as_ref()
            .map_or(ready.variables.array(), |(_, array)| array.as_ptr());
        self.inbox.restore_dispositions();
        self.inbox.restore_mask(program.mask);
        Self::look_up_in_the_programs_path(program);
        // SAFETY: both arrays end with a null pointer, and their strings live until the exec.
        unsafe { libc::execvpe(argv[0], argv.as_ptr(), variables) };
        let errno = Errno::last();
        let stage = match errno == Errno::ENOENT && is_there(program.file()) {
            true => Stage::Interpreter,
            false => Stage::Exec,
        };
        failed(stage)(errno)
    }

    /// In the child: execvpe(3) looks up the program in this process's own PATH, people expect the program's, as for a
    /// container's entrypoint.
    fn look_up_in_the_programs_path(program: &Program) {
        let Environment { base, extra } = &program.environment;
        if let Some(path) = extra
            .iter()
            .chain(base.iter().flat_map(|base| base.iter()))
            .find_map(|v| v.to_bytes_with_nul().strip_prefix(b"PATH="))
        {
            // SAFETY: both are C strings, the second with the variable's own null byte; this process has one thread.
            unsafe { libc::setenv(c"PATH".as_ptr(), path.as_ptr().cast(), 1) };
        }
    }
}

fn failed(stage: Stage) -> impl Fn(Errno) -> Unstartable + Copy {
    move |errno| Unstartable {
        stage,
        errno: errno as i32,
    }
}

/// Whether a program that exec called missing is there: then it is its interpreter that is missing.
fn is_there(file: &CStr) -> bool {
    if file.is_empty() {
        return false;
    }
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
