//! The output relay: lines of many writers become whole lines of one, and the core never writes a byte of them.
//!
//! | side | files | may |
//! |---|---|---|
//! | the core (PID 1) | this one, `source`, `fifo`, `keeper`, `last_words` | make pipes, fork relays; never read or write output, never make a call on a pipe, which could block |
//! | a relay | `serve`, `lane`, `format`, `json`, `nudge`, `stamp` | block for a moment in a write where the target is no pipe; die at any moment |
//! | both | `pages`, `pipe`, `line` | |
//!
//! What is guaranteed, for a relay that is killed at any moment: no byte lost and none doubled where 1 and 2 are pipes,
//! sockets or terminals (`lane` says how, and what holds for files and the rest). For
//! writers: they wait when the reader waits; nothing is dropped while there is a reader; no SIGPIPE while monopod lives.
//!
//! The relay is cloned with exit signal 0, as the helper is and for the same reason: `waitpid` does not see it, so that
//! "nothing is left" means the user's processes. It is in no plan and no machine knows of it: output is no matter of the
//! life, only the leaving waits for it, and that the hands see to.
//!
//! What surprised us: `kill(-1, SIGKILL)` at the end of a grace takes the relay as well, with the pipes full of last
//! words. So the core forks the next one even then.

mod fifo;
mod follow;
mod format;
mod json;
mod keeper;
mod lane;
mod last_words;
mod line;
mod nudge;
mod pages;
mod pipe;
mod serve;
mod source;
mod stamp;
mod target;

use self::keeper::Keeper;
use self::last_words::Instance;
use self::line::Line;
use self::pages::{INPUT_BYTES, OUTPUT_BYTES, Pages};
use self::pipe::Pipe;
use self::source::{Origin, Source};
use crate::confine::{self, Jail};
use crate::descriptors;
use crate::plan::{Format, Output, Outputs, Plan, ProgramId};
use crate::time::Time;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::resource::Resource;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// The exit code of a relay that panicked.
const PANICKED: i32 = 101;

/// Looks at a source whose relay is at work until two of them agree; a look takes less than a microsecond. If none
/// do, the mark is a guess, and a last line without its break may be completed early.
const MOST_LOOKS: u32 = 16;

/// The core's side: everything that outlives a relay, and the relay that is up.
#[derive(Debug)]
pub struct Relay {
    pages: Pages,
    sources: Vec<Source>,
    /// Staging and way out of standard output, then of standard error.
    pipes: [Pipe; 4],
    keeper: Keeper,
    process: Option<Process>,
    /// Programs whose last words are wanted.
    instances: Vec<Instance>,
    /// What had been taken from all sources when the last relay was lost.
    taken_before: u64,
    has_drained: bool,
    has_been_refused: bool,
    is_death_expected: bool,
}

#[derive(Debug)]
struct Process {
    pid: i32,
    line: Line,
}

/// A program's way to the relay.
#[derive(Debug)]
pub struct Relayed<'r> {
    /// What the program is to have as 1 and 2.
    pub into: [RawFd; 2],
    relay: &'r Relay,
    program: ProgramId,
}

impl Relayed<'_> {
    /// In the child that is about to become the program: before it writes anything, the end of the instance before is
    /// placed, and its pipes are made what they were at first. Both may block for as long as somebody holds a pipe's
    /// mutex (F_SETFL does if it clears O_ASYNC), so it is no work for the core.
    pub fn make_ready(&self) {
        for (number, source) in self.relay.sources_of(self.program) {
            let marks = &self.relay.pages.source(number).marks;
            if marks.are_unplaced() {
                marks.place(self.relay.all_written_to(number));
            }
            source.forget_flags();
        }
    }
}

/// What was to be heard of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that matters.
    Nothing,
    /// The process with this pid hung up.
    Lost(i32),
}

impl Relay {
    /// Opens what a plan asks for; `None` if nothing is relayed or captured. `colours` tells for 1 and 2 whether a
    /// terminal is behind it that wants colours. All faults at once.
    pub fn open(plan: &Plan, colours: [bool; 2]) -> Result<Option<Relay>, Vec<String>> {
        let is_socket = [1, 2].map(|fd| target::kind(fd) == Some(libc::S_IFSOCK));
        let own_uid = nix::unistd::geteuid().as_raw();
        let outputs = with_others_on_sockets(plan, is_socket.contains(&true), own_uid);
        let sources = source::open_all(&outputs, colours)?;
        if sources.is_empty() {
            return Ok(None);
        }
        let told = |errno: Errno| vec![format!("cannot relay output: {}", errno.desc())];
        let pages = Pages::new(sources.len()).map_err(told)?;
        pages.choose_secret();
        for (number, source) in sources.iter().enumerate() {
            if let Origin::Followed(followed) = &source.origin {
                followed.begin(pages.source(number));
            }
        }
        let pipe = |bytes| Pipe::new(OFlag::O_NONBLOCK, bytes).map_err(told);
        let pipes = [
            pipe(INPUT_BYTES)?,
            pipe(OUTPUT_BYTES)?,
            pipe(INPUT_BYTES)?,
            pipe(OUTPUT_BYTES)?,
        ];
        let mut relay = Relay {
            pages,
            sources,
            pipes,
            keeper: Keeper::default(),
            process: None,
            instances: Vec::new(),
            taken_before: 0,
            has_drained: false,
            has_been_refused: false,
            is_death_expected: false,
        };
        relay.want_last_words(plan);
        Ok(Some(relay))
    }

    /// What a program is to have as 1 and 2, if it is relayed.
    pub fn outputs_of(&self, program: ProgramId) -> Option<Relayed<'_>> {
        let mut own = self
            .sources_of(program)
            .filter_map(|(_, source)| source.into());
        Some(Relayed {
            into: [own.next()?, own.next()?],
            relay: self,
            program,
        })
    }

    fn sources_of(&self, program: ProgramId) -> impl Iterator<Item = (usize, &Source)> {
        let numbered = self.sources.iter().enumerate();
        numbered.filter(
            move |(_, source)| matches!(source.origin, Origin::Program(of) if of == program),
        )
    }

    /// Forks a relay if one is due. The caller must have one thread and all signals blocked.
    pub fn keep(&mut self, now: Time) {
        if self.process.is_some() || !self.keeper.is_due(now) {
            return;
        }
        match self.fork() {
            Ok(process) => {
                self.process = Some(process);
                self.has_been_refused = false;
                self.keeper.forked(now);
            }
            Err(errno) => {
                if !self.has_been_refused {
                    log::warn!(
                        "cannot start the output relay, writers wait: {}",
                        errno.desc()
                    );
                }
                self.has_been_refused = true;
                self.keeper.lost(now, false);
            }
        }
    }

    /// When the next relay is to be forked, if none is up.
    pub fn deadline(&self) -> Option<Time> {
        self.keeper.deadline()
    }

    /// Every descriptor that must stay open; the line to the relay among them, see [`watched`](Relay::watched).
    pub fn descriptors(&self) -> Vec<RawFd> {
        let pipes = self
            .pipes
            .iter()
            .flat_map(|pipe| [pipe.out.as_raw_fd(), pipe.into.as_raw_fd()]);
        let sources = self.sources.iter().flat_map(Source::descriptors);
        pipes.chain(sources).chain(self.watched()).collect()
    }

    /// The descriptor to wait for.
    pub fn watched(&self) -> Option<RawFd> {
        self.process.as_ref().map(|process| process.line.raw())
    }

    /// The relay's process.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Hears what the relay has to say.
    pub fn hear(&mut self, now: Time) -> Heard {
        let Some(process) = &self.process else {
            return Heard::Nothing;
        };
        let (spoke, lives) = process.line.hear();
        self.has_drained |= spoke && self.pages.board().drained.load(Ordering::Acquire) == 1;
        if lives {
            return Heard::Nothing;
        }
        let pid = process.pid;
        if !self.has_drained
            && !std::mem::take(&mut self.is_death_expected)
            && let Some(deaths) = self.keeper.tell(now)
        {
            let times = match deaths {
                1 => String::new(),
                _ => format!(" {deaths} times"),
            };
            log::warn!("the output relay ended{times} and is started again; nothing is lost");
        }
        self.process = None;
        let taken = self.taken();
        self.keeper.lost(
            now,
            taken != std::mem::replace(&mut self.taken_before, taken),
        );
        Heard::Lost(pid)
    }

    /// A program has ended: its last line is complete, whatever comes after it in its pipes. Where that is, others find out.
    pub fn program_ended(&mut self, program: ProgramId) {
        self.instance_ended(program);
        for (number, _) in self.sources_of(program) {
            self.pages.source(number).marks.tell();
        }
        self.wake();
    }

    /// In a child: bytes that were ever written to a source.
    fn all_written_to(&self, number: usize) -> u64 {
        let mut written = self.written_to(number);
        for _ in 0..MOST_LOOKS {
            let before = std::mem::replace(&mut written, self.written_to(number));
            if before == written {
                break;
            }
        }
        written
    }

    /// The same, if the relay is not just moving some of them.
    fn written_to(&self, number: usize) -> u64 {
        let source = &self.sources[number];
        let moving = lane::being_taken(&self.pages, source.lane, number, &self.pipes);
        let held = pipe::held(source.out.as_raw_fd()) as u64;
        let taken = self.pages.source(number).taken.load(Ordering::Acquire);
        moving + held + taken
    }

    fn taken(&self) -> u64 {
        let all = (0..self.sources.len()).map(|number| self.pages.source(number));
        all.map(|words| words.taken.load(Ordering::Acquire)).sum()
    }

    /// Everything in our care is about to be killed, the relay with it.
    pub fn expect_death(&mut self) {
        self.is_death_expected = true;
    }

    /// From now on the relay is to come to an end with what is there.
    pub fn begin_drain(&mut self) {
        self.pages.board().drain.store(1, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(process) = &self.process {
            process.line.say();
        }
    }

    /// Whether everything that was there when the drain began is out.
    pub fn has_drained(&self) -> bool {
        self.has_drained
    }

    /// Bytes that were written by programs and did not get out: still under way, and given up because nobody read. As far
    /// as a relay has seen: the pipes themselves are not asked.
    pub fn undelivered(&self) -> (u64, u64) {
        // Not of followed files: what is in one is not lost.
        let is_pipe =
            |(_, source): &(usize, &Source)| !matches!(source.origin, Origin::Followed(_));
        let pipes = self.sources.iter().enumerate().filter(is_pipe);
        let waiting: u64 = pipes
            .map(|(number, _)| {
                let words = self.pages.source(number);
                let taken = words.taken.load(Ordering::Acquire);
                words.written.load(Ordering::Acquire).saturating_sub(taken)
            })
            .sum();
        let lanes = &self.pages.board().lanes;
        let in_hand: usize = lanes.iter().map(lane::in_hand).sum();
        let lost = lanes.iter().map(|lane| lane.lost.load(Ordering::Acquire));
        (waiting + in_hand as u64, lost.sum())
    }

    /// Takes away the FIFOs that were made.
    pub fn remove_fifos(&self) {
        source::remove_fifos(&self.sources);
    }

    fn fork(&self) -> Result<Process, Errno> {
        let (core, relay) = line::pair()?;
        // SAFETY: no flags, so this is a fork: memory and descriptors are copies but for the shared pages, and no pointer
        // is passed. All arguments being zero, their order, which differs between machines, does not matter. The child has
        // the one thread that called, and leaves by _exit below without running anything of the caller's.
        match Errno::result(unsafe {
            libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize)
        })? {
            0 => {
                drop(core);
                let ran = catch_unwind(AssertUnwindSafe(|| self.run(&relay)));
                // SAFETY: ends the process at once. The core's exit handlers and destructors are not ours to run.
                unsafe { libc::_exit(if ran.is_ok() { 0 } else { PANICKED }) }
            }
            pid => Ok(Process {
                pid: pid as i32,
                line: core,
            }),
        }
    }

    /// The relay's main.
    fn run(&self, line: &Line) {
        std::panic::set_hook(Box::new(|panic| {
            log::error!("a bug in monopod's output relay, which is started again: {panic}");
        }));
        let jail = self.enter_jail(line);
        log::debug!("output relay: {jail}");
        // SAFETY: this process was forked for it. The last relay was seen to hang up, which is the last thing a process
        // does, so it writes to the pages no more.
        unsafe { serve::Relay::new(&self.pages, &self.sources, &self.pipes, line) }.serve();
    }

    /// A relay keeps 1 and 2, the reading ends, the folders of followed files, its own pipes and its line. It may outlive a core that was killed, until
    /// the last writer is gone, so it does not die with it.
    fn enter_jail(&self, line: &Line) -> Jail {
        let mut jail = Jail::default();
        jail.note("a session of its own", nix::unistd::setsid());
        jail.note("the root directory", nix::unistd::chdir("/"));
        let mut own: Vec<RawFd> = self.sources.iter().map(|s| s.out.as_raw_fd()).collect();
        own.extend(self.sources.iter().filter_map(Source::folder));
        own.extend(self.pipes.iter().map(|pipe| pipe.out.as_raw_fd()));
        own.extend(self.pipes.iter().map(|pipe| pipe.into.as_raw_fd()));
        own.push(line.raw());
        let closed = descriptors::close_all_but(own);
        jail.note("closing inherited descriptors", closed);
        jail.note("a signal that ends a wait", nudge::prepare());
        jail.note("its name", prctl::set_name(c"monopod-relay"));
        // A followed file may be anybody's, and is opened again and again.
        let follows = |source: &Source| matches!(source.origin, Origin::Followed(_));
        if !self.sources.iter().any(follows) {
            confine::drop_privileges(&mut jail);
        }
        jail.note("no new privileges", prctl::set_no_new_privs());
        for (what, resource) in [
            ("a limit on core files", Resource::RLIMIT_CORE),
            ("a limit on processes", Resource::RLIMIT_NPROC),
        ] {
            jail.note(what, confine::limit(resource, 0));
        }
        confine::wipe_environment();
        jail.note("not being dumpable", prctl::set_dumpable(false));
        jail
    }
}

/// What the plan asks for, and more where inherited output would be of no use: /dev/stdout cannot be opened if a socket is
/// behind it (ENXIO), so a program that runs as another uid, and can have no pipe's owner changed in its favour, is
/// relayed as it is.
fn with_others_on_sockets(plan: &Plan, is_socket: bool, own_uid: u32) -> Outputs {
    let mut outputs = plan.outputs.clone();
    for (place, program) in plan.programs.iter().enumerate() {
        let is_other = program.identity.uid.is_some_and(|uid| uid != own_uid);
        if is_socket && is_other && !program.kept_output && outputs.of(ProgramId(place)).is_none() {
            log::info!(
                "a socket is behind standard output or error; what {} writes is relayed, so that it can open them",
                program.name
            );
            outputs.send(
                ProgramId(place),
                &program.name,
                Output::Relayed(Format::Raw),
            );
        }
    }
    outputs
}

#[cfg(test)]
mod tests;
