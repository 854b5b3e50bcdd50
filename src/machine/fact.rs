//! What has happened, in the past tense. Facts carry numbers of our own: a pid is a coat-check ticket that the kernel
//! hands out again, a [`RunId`] is minted once.

use super::{Answer, AskId, Command};
use crate::plan::{ExitCode, Signal};

/// One start of one program, from the order to its end. Minted by the machine, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u32);

/// Where a machine gets its run ids from.
#[derive(Clone, Debug, Default)]
pub struct RunIds {
    minted: u32,
}

impl RunIds {
    /// An id that was never given before.
    pub fn mint(&mut self) -> RunId {
        // A number comes round after four billion runs, when whoever had it is long forgotten.
        self.minted = self.minted.wrapping_add(1);
        RunId(self.minted)
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The program replaced the forked process: its exec succeeded.
    Started(RunId),
    /// There is no process and there never was a program; this is the only fact about this run.
    Unstartable(RunId, Unstartable),
    /// The program's own process is gone and collected. Its descendants may live on.
    Ended(RunId, Ending),
    /// A process that we did not start was collected.
    OrphanReaped {
        /// Its pid, for messages only.
        pid: i32,
        /// How it ended.
        ending: Ending,
    },
    /// No child is left, ours or adopted; the helper does not count. Told in every turn for which it is true.
    Emptied,
    /// A signal came from outside. Never SIGCHLD, never one that monopod caused itself.
    Signalled(Signal, Sender),
    /// The helper is gone, however it went.
    HelperLost,
    /// The helper could not be forked, with the errno.
    HelperUnstartable(i32),
    /// The helper has asked and this came of it. After [`Fact::HelperLost`] none comes for what was asked before. A sound
    /// helper answers each ask once at most; one gone mad may say any number, so an answer to no open ask is no news.
    Answered(AskId, Answer),
    /// Somebody who may has asked for this by the control socket.
    Commanded(Command),
}

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel: a terminal, most often.
    Kernel,
    /// A process; 0 is one outside our PID namespace.
    Process(i32),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(ExitCode),
    /// By a signal.
    Killed(Signal),
    /// By the SIGKILL of the kernel's out-of-memory killer, as far as can be told.
    OutOfMemory,
}

impl Ending {
    /// As a shell says it: the code, or 128 + the signal's number.
    pub fn code(self) -> ExitCode {
        match self {
            Ending::Exited(code) => code,
            Ending::Killed(signal) => ExitCode::by_signal(signal),
            Ending::OutOfMemory => ExitCode::by_signal(Signal::KILL),
        }
    }

    /// Exit code 0 and nothing else.
    pub fn is_success(self) -> bool {
        self == Ending::Exited(ExitCode::SUCCESS)
    }
}

/// Why a program could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstartable {
    /// The part of starting that failed.
    pub stage: Stage,
    /// What the kernel said.
    pub errno: i32,
}

impl Unstartable {
    /// As a shell says it: 127 when the program is not there, 126 when it cannot be run.
    pub fn code(self) -> ExitCode {
        match (self.stage, self.errno) {
            (Stage::Exec | Stage::Interpreter, libc::ENOENT) => ExitCode::NOT_FOUND,
            _ => ExitCode::CANNOT_EXECUTE,
        }
    }
}

/// The parts of starting a program that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// A process (or the descriptors for it) was refused: pids limit, memory, descriptors.
    Fork = 1,
    /// Its own session was refused.
    Session = 2,
    /// Its own process group was refused.
    Group = 3,
    /// Its standard input could not be put in place.
    Stdin = 4,
    /// The program could not be executed.
    Exec = 5,
    /// The program is there, but the interpreter or loader that it names is not.
    Interpreter = 6,
    /// Its working directory could not be entered.
    WorkingDir = 7,
    /// Its user, groups or capabilities were refused.
    Identity = 8,
    /// Its standard output or error could not be put in place.
    Output = 9,
}

impl Stage {
    /// The stage with this number on the wire from the child.
    pub fn from_wire(byte: u8) -> Option<Stage> {
        [
            Stage::Fork,
            Stage::Session,
            Stage::Group,
            Stage::Stdin,
            Stage::Exec,
            Stage::Interpreter,
            Stage::WorkingDir,
            Stage::Identity,
            Stage::Output,
        ]
        .into_iter()
        .find(|stage| *stage as u8 == byte)
    }
}
