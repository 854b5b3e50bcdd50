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
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
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
}

/// stage, three spare bytes, errno.
type Failure = [u8; 8];

impl Spawner<'_> {
    /// Forks `program`. The answer is its pid and the pipe that will tell how the exec went.
    /// Where `outputs` are given, they are its 1 and 2.
    pub fn spawn(
        &self,
        program: &Program,
        outputs: Option<[RawFd; 2]>,
    ) -> Result<(i32, Exec), Unstartable> {
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
        let variables = Variables::new(&program.environment);
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
                Ok((child.as_raw(), Exec::Pending(told)))
            }
            ForkResult::Child => {
                let why = put_in_place(outputs).unwrap_or_else(|| {
                    self.become_program(program, &argv, &variables, empty.as_ref())
                });
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
        variables: &Variables,
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
            Placement::Session | Placement::Alone => {
                setsid().map(drop).map_err(failed(Stage::Session))
            }
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
        let retold = variables.retold();
        let variables = retold
            .as_ref()
            .map_or(variables.array, |(_, array)| array.as_ptr());
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
}

impl Spawner<'_> {
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

/// In the child: its standard output and error. Gives the reason if that cannot be.
fn put_in_place(outputs: Option<[RawFd; 2]>) -> Option<Unstartable> {
    for (fd, place) in outputs?.into_iter().zip(1..) {
        // SAFETY: both are numbers; 1 and 2 of this process are the program's to be.
        if let Err(errno) = Errno::result(unsafe { libc::dup2(fd, place) }) {
            let (stage, errno) = (Stage::Output, errno as i32);
            return Some(Unstartable { stage, errno });
        }
    }
    None
}

/// The environment of one child.
struct Variables {
    /// C strings with a null pointer at the end.
    array: *const *const libc::c_char,
    /// Where LISTEN_PID names monopod.
    ours: Option<usize>,
    /// Holds `array` where it is not the C library's.
    _own: Vec<*const libc::c_char>,
}

impl Variables {
    /// In the parent, so that the child has nothing to build: each page that it writes to is copied first.
    fn new(environment: &Environment) -> Variables {
        // SAFETY: the C library's own array; nobody in this process changes the environment.
        let inherited = unsafe { environ };
        let own: Vec<_> = match environment {
            Environment { base: None, extra } if extra.is_empty() => Vec::new(),
            Environment { base, extra } => {
                let base: Vec<_> = match base {
                    Some(base) => base.iter().map(|v| v.as_ptr()).collect(),
                    // SAFETY: an array of C strings with a null pointer at its end.
                    None => unsafe { strings(inherited) }.to_vec(),
                };
                let replaced = |variable: &*const libc::c_char| {
                    // SAFETY: a C string of one of the arrays above.
                    let name = name_of(unsafe { CStr::from_ptr(*variable) }.to_bytes());
                    extra.iter().any(|other| name_of(other.to_bytes()) == name)
                };
                let kept = base.into_iter().filter(|variable| !replaced(variable));
                kept.chain(extra.iter().map(|v| v.as_ptr()))
                    .chain([ptr::null()])
                    .collect()
            }
        };
        let array = match own.is_empty() {
            true => inherited,
            false => own.as_ptr(),
        };
        let named = format!("LISTEN_PID={}", getpid());
        // SAFETY: an array of C strings with a null pointer at its end.
        let ours = unsafe { strings(array) }.iter().position(|variable| {
            // SAFETY: as above.
            unsafe { CStr::from_ptr(*variable) }.to_bytes() == named.as_bytes()
        });
        Variables {
            array,
            ours,
            _own: own,
        }
    }

    /// In the child: systemd's socket activation names the pid that the sockets are for, and what was for us is for it.
    fn retold(&self) -> Option<(CString, Vec<*const libc::c_char>)> {
        let place = self.ours?;
        let retold = CString::new(format!("LISTEN_PID={}", getpid())).ok()?;
        // SAFETY: an array of C strings with a null pointer at its end.
        let mut array = unsafe { strings(self.array) }.to_vec();
        array[place] = retold.as_ptr();
        array.push(ptr::null());
        Some((retold, array))
    }
}

/// The strings of an array that ends with a null pointer.
///
/// # Safety
///
/// `array` is such an array, or null, and nobody changes it.
unsafe fn strings<'a>(array: *const *const libc::c_char) -> &'a [*const libc::c_char] {
    let mut length = 0;
    // SAFETY: by the condition, up to and with the null pointer all of it is there.
    while !array.is_null() && unsafe { !(*array.add(length)).is_null() } {
        length += 1;
    }
    match length {
        0 => &[],
        // SAFETY: so many were just seen.
        _ => unsafe { std::slice::from_raw_parts(array, length) },
    }
}

fn name_of(variable: &[u8]) -> &[u8] {
    variable
        .split(|byte| *byte == b'=')
        .next()
        .unwrap_or_default()
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
