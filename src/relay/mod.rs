//! The output relay: lines of many writers become whole lines of one, and the core never writes a byte of them.
//!
//! | side | files | may |
//! |---|---|---|
//! | the core (PID 1) | this one, `source`, `fifo`, `keeper`, `quarantine`, `last_words` | make pipes, fork relays; never read or write output, never make a call on a pipe, which could block |
//! | a relay | `serve`, `lane`, `format`, `json`, `nudge`, `stamp` | block for a moment in a write where the target is no pipe; die at any moment |
//! | both | `pages`, `gear`, `pipe`, `line`, `touch` | |
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
mod gear;
mod json;
mod keeper;
mod lane;
mod last_words;
mod line;
mod nudge;
mod pages;
mod pipe;
mod quarantine;
mod serve;
mod source;
mod stamp;
mod target;
mod touch;

use self::gear::Gear;
use self::keeper::Keeper;
use self::last_words::Instance;
use self::line::Line;
use self::pages::Pages;
use self::quarantine::Held;
use self::source::{Origin, Source};
use self::touch::{Alarm, Touch};
use crate::confine::{self, Jail};
use crate::descriptors;
use crate::plan::{Format, Output, Outputs, Plan, ProgramId};
use crate::time::Time;
use nix::errno::Errno;
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
    /// One for standard output, one for standard error; and more of either once somebody held up a relay.
    gears: Vec<Gear>,
    alarm: Alarm,
    keeper: Keeper,
    process: Option<Process>,
    /// Those before it that cannot end yet.
    held: Vec<Held>,
    /// Programs whose last words are wanted.
    instances: Vec<Instance>,
    /// What had been taken from all sources when the last relay was lost.
    taken_before: u64,
    has_drained: bool,
    has_been_refused: bool,
    /// Sources of which people know that somebody held them.
    told_of_holders: Vec<usize>,
    is_death_expected: bool,
}

#[derive(Debug)]
struct Process {
    pid: i32,
    line: Line,
    /// When we sent it SIGKILL.
    condemned: Option<Time>,
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
        let mut relay = Relay {
            pages,
            sources,
            gears: vec![Gear::new(0).map_err(told)?, Gear::new(1).map_err(told)?],
            alarm: Alarm::new().map_err(told)?,
            keeper: Keeper::default(),
            process: None,
            held: Vec::new(),
            instances: Vec::new(),
            taken_before: 0,
            has_drained: false,
            has_been_refused: false,
            told_of_holders: Vec::new(),
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

    /// Every descriptor that must stay open, those to [watch](Relay::watched) among them.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let gears = self.gears.iter().flat_map(Gear::descriptors);
        let sources = self.sources.iter().flat_map(Source::descriptors);
        gears.chain(sources).chain(self.watched()).collect()
    }

    /// The descriptors to wait for.
    pub fn watched(&self) -> impl Iterator<Item = RawFd> {
        let line = self.process.iter().map(|process| process.line.raw());
        line.chain([self.alarm.raw()]).chain(self.lines_of_held())
    }

    /// The relay's process.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Hears what there is to hear of what is ready. The pids of those that hung up.
    pub fn hear(&mut self, is_ready: impl Fn(RawFd) -> bool, now: Time) -> Vec<i32> {
        let mut lost = Vec::new();
        if self
            .process
            .as_ref()
            .is_some_and(|process| is_ready(process.line.raw()))
        {
            lost.extend(self.hear_process(now));
        }
        if self.lines_of_held().any(&is_ready) {
            lost.extend(self.take_in(now));
        }
        if is_ready(self.alarm.raw()) {
            self.alarm.hear();
            self.look(now);
        }
        lost
    }

    /// Its pid, if it hung up.
    fn hear_process(&mut self, now: Time) -> Option<i32> {
        let process = self.process.as_ref()?;
        let (spoke, lives) = process.line.hear();
        self.has_drained |= spoke && self.pages.board().drained.load(Ordering::Acquire) == 1;
        if lives {
            return None;
        }
        let (pid, is_condemned) = (process.pid, process.condemned.is_some());
        if !self.has_drained
            && !is_condemned
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
        let did_work = taken != std::mem::replace(&mut self.taken_before, taken);
        self.keeper.lost(now, did_work || is_condemned);
        Some(pid)
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
        let gears = self.gears.iter().filter(|gear| gear.lane == source.lane);
        let moving: u64 = gears
            .map(|gear| lane::being_taken(&self.pages, number, gear))
            .sum();
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
        let lanes = self.gears.iter().map(Gear::words);
        let in_hand: usize = lanes.clone().map(lane::in_hand).sum();
        let lost = lanes.map(|lane| lane.lost.load(Ordering::Acquire));
        (waiting + in_hand as u64, lost.sum())
    }

    /// Takes away the FIFOs that were made.
    pub fn remove_fifos(&self) {
        source::remove_fifos(&self.sources);
    }

    fn fork(&self) -> Result<Process, Errno> {
        let (core, relay) = line::pair()?;
        // The last one may have ended in the middle of a touch.
        self.pages.board().touched.store(0, Ordering::Release);
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
                condemned: None,
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
        let touch = Touch::new(&self.pages.board().touched, &self.alarm);
        let gears: Vec<&Gear> = self.free_gears().map(|(_, gear)| gear).collect();
        let numbers = 0..self.sources.len();
        let set_aside = numbers.map(|number| self.is_set_aside(number)).collect();
        // SAFETY: this process was forked for it. The last relay was seen to hang up, which is the last thing a process
        // does; or it is held up, runs no more instructions, and its gear is not among these.
        unsafe { serve::Relay::new(&self.pages, &self.sources, &gears, set_aside, line, &touch) }
            .serve();
    }

    /// A relay keeps 1 and 2, the reading ends, the folders of followed files, its own pipes, its line and the alarm. It may
    /// outlive a core that was killed, until the last writer is gone, so it does not die with it.
    fn enter_jail(&self, line: &Line) -> Jail {
        let mut jail = Jail::default();
        jail.note("a session of its own", nix::unistd::setsid());
        jail.note("the root directory", nix::unistd::chdir("/"));
        let mut own: Vec<RawFd> = self.sources.iter().map(|s| s.out.as_raw_fd()).collect();
        own.extend(self.sources.iter().filter_map(Source::folder));
        own.extend(self.gears.iter().flat_map(Gear::descriptors));
        own.extend([line.raw(), self.alarm.raw()]);
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
