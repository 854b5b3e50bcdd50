//! The pretend kernel and the pretend helper: processes, answers, people who send signals, and what they have in store.
//!
//! It plays the part of `linux` and `net`: it turns what happens into facts, performs actions in order, and decides
//! nothing. Where the real ones may do one thing or another, the [`Habits`] of a world say so.
//!
//! What surprised us: a tree is not a group. Who came of a run is known by its root, however often it forked, left its
//! group or lost its parent; a group is only who stayed.

use crate::rng::Rng;
use crate::temper::{Launch, Offspring, Reaction, Reply, Temper};
use monopod::machine::{Action, AskId, Command, Ending, Fact, Outcome, RunId, Sender};
use monopod::plan::{CheckId, ExitCode, Plan, ProgramId, Signal, Target};
use monopod::time::Time;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Where a world's kernel is free to choose.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Chance in a hundred that a wake-up is late, and by how much at most.
    pub late: (u64, Duration),
    /// Chance in a hundred that facts of one moment are dealt over two turns.
    pub chops: u64,
    /// Chance in a hundred that a fork of the helper is refused.
    pub refuses_helper: u64,
    /// How long monopod itself lies stopped after it suspended itself.
    pub suspended: Duration,
    /// What times are whole numbers of.
    pub grid: Duration,
}

impl Habits {
    /// Punctual and without whims, for stories.
    pub fn plain() -> Habits {
        Habits {
            late: (0, Duration::ZERO),
            chops: 0,
            refuses_helper: 0,
            suspended: Duration::from_secs(1),
            grid: Duration::from_nanos(1),
        }
    }
}

/// Something that the world has in store.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody sends monopod a signal.
    Signal(Signal, Sender),
    /// Somebody asks for something by the control socket.
    Command(Command),
    /// The helper dies, if there is one.
    HelperDies,
    /// Monopod is woken for nothing that the machine should know of.
    Nothing,
    /// The machine panics; what takes over has this grace and leaves with this code.
    Panic(Duration, ExitCode),
    /// Everything dies at once, of something that is nobody's doing.
    Doom,
    Execs(usize),
    Unstartable(usize),
    Forks(usize, usize),
    Ends(usize, Ending),
    Answers(AskId),
}

/// Who plays a program: its temper for the nth start, counted from 0.
pub type Cast = Box<dyn FnMut(ProgramId, u32) -> Temper>;

/// Who answers a check: what becomes of the nth asking, counted from 0, that is begun now.
pub type Repliers = Box<dyn FnMut(CheckId, u32, Time) -> Reply>;

/// What befell a program's own process or a check, for stories that ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// It was started.
    Started(ProgramId),
    /// A signal was sent to it.
    Struck(ProgramId, Signal),
    /// It ended.
    Ended(ProgramId, Ending),
    /// It was asked.
    Asked(CheckId),
}

#[derive(Debug)]
struct Process {
    run: Option<(RunId, ProgramId)>,
    leader: usize,
    /// The process of the run that this one came of.
    root: usize,
    parent: Option<usize>,
    state: State,
    /// Signals that wait for the exec, or for SIGCONT.
    pending: Vec<Signal>,
    temper: Temper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Forked,
    Runs,
    Stopped,
    Gone { at: Time },
}

/// The kernel, with all that it has in store.
pub struct Kernel {
    now: Time,
    cast: Cast,
    repliers: Repliers,
    /// Where it is free to choose.
    pub habits: Habits,
    /// What it chooses by.
    pub whims: Rng,
    asleep_until: Time,
    events: BTreeMap<(Time, u64), Event>,
    events_ever: u64,
    processes: Vec<Process>,
    living: BTreeSet<usize>,
    runs: HashMap<RunId, usize>,
    starts: Vec<u32>,
    asks: Vec<u32>,
    open: HashMap<AskId, Reply>,
    timeouts: Vec<Option<Duration>>,
    helper: bool,
    helper_refused: bool,
    /// What befell whom, if asked for.
    pub effects: Option<Vec<(Time, Effect)>>,
}

impl Kernel {
    /// Nothing has happened yet.
    pub fn new(plan: &Plan, cast: Cast, repliers: Repliers, habits: Habits, whims: Rng) -> Kernel {
        Kernel {
            now: Time::START,
            cast,
            repliers,
            habits,
            whims,
            asleep_until: Time::START,
            events: BTreeMap::new(),
            events_ever: 0,
            processes: Vec::new(),
            living: BTreeSet::new(),
            runs: HashMap::new(),
            starts: vec![0; plan.programs.len()],
            asks: vec![0; plan.checks.len()],
            open: HashMap::new(),
            timeouts: plan.checks.iter().map(|check| check.timeout).collect(),
            helper: false,
            helper_refused: false,
            effects: None,
        }
    }

    /// Puts an event in store.
    pub fn plan_event(&mut self, at: Time, event: Event) {
        self.events_ever += 1;
        self.events.insert((at, self.events_ever), event);
    }

    /// When the next thing happens, `deadline` being one that may be slept through for a while.
    pub fn next_wake(&mut self, deadline: Option<Time>, at_once: bool) -> Option<Time> {
        let next_event = self.events.keys().next().map(|(at, _)| *at);
        let due = match (next_event, deadline) {
            _ if at_once || self.helper_refused => Some(self.now),
            (Some(event), Some(deadline)) => Some(event.min(deadline)),
            (event, deadline) => event.or(deadline),
        }?;
        let (chance, most) = self.habits.late;
        let late = match self.whims.percent(chance) {
            true => self.whims.span(most, self.habits.grid),
            false => Duration::ZERO,
        };
        Some(due.max(self.now).after(late).max(self.asleep_until))
    }

    /// Whether no process is left.
    pub fn is_empty(&self) -> bool {
        self.living.is_empty()
    }

    /// Lets all happen that is due by `now`; what is the world's business is given back.
    pub fn happen(&mut self, now: Time, facts: &mut Vec<Fact>) -> Vec<Event> {
        self.now = now;
        if std::mem::take(&mut self.helper_refused) {
            facts.push(Fact::HelperUnstartable(libc::EAGAIN));
        }
        let mut others = Vec::new();
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let event = entry.remove();
            match event {
                Event::Panic(..) => others.push(event),
                _ => self.befall(event, facts),
            }
        }
        others
    }

    fn befall(&mut self, event: Event, facts: &mut Vec<Fact>) {
        match event {
            Event::Signal(signal, sender) => facts.push(Fact::Signalled(signal, sender)),
            Event::Command(command) => facts.push(Fact::Commanded(command)),
            Event::HelperDies if self.helper => {
                self.helper = false;
                self.open.clear();
                facts.push(Fact::HelperLost);
            }
            Event::Answers(ask) => {
                let reply = self.open.remove(&ask);
                facts.extend(reply.map(|reply| Fact::Answered(ask, reply.answer)));
            }
            Event::Doom => {
                for process in self.living.clone() {
                    self.end(process, Ending::Killed(Signal::KILL), facts);
                }
            }
            Event::Execs(process) if self.processes[process].state == State::Forked => {
                self.exec(process, facts);
            }
            Event::Unstartable(process) if self.processes[process].state == State::Forked => {
                self.bury(process);
                let Process { run, temper, .. } = &self.processes[process];
                if let (Some((run, _)), Launch::Fails(_, why)) = (run, temper.launch) {
                    facts.push(Fact::Unstartable(*run, why));
                }
            }
            Event::Forks(parent, which) if self.is_alive(parent) => self.fork(parent, which),
            Event::Ends(process, ending) if self.is_alive(process) => {
                self.end(process, ending, facts);
            }
            // Whoever was to do this is gone.
            Event::Execs(_) | Event::Unstartable(_) | Event::Forks(..) | Event::Ends(..) => {}
            Event::HelperDies | Event::Nothing | Event::Panic(..) => {}
        }
    }

    fn is_alive(&self, process: usize) -> bool {
        self.living.contains(&process)
    }

    fn bury(&mut self, process: usize) {
        self.processes[process].state = State::Gone { at: self.now };
        self.living.remove(&process);
    }

    fn note(&mut self, effect: Effect) {
        if let Some(effects) = &mut self.effects {
            effects.push((self.now, effect));
        }
    }

    fn exec(&mut self, process: usize, facts: &mut Vec<Fact>) {
        self.processes[process].state = State::Runs;
        facts.extend(
            self.processes[process]
                .run
                .map(|(run, _)| Fact::Started(run)),
        );
        if let Some((after, ending)) = self.processes[process].temper.ends {
            self.plan_event(self.now.after(after), Event::Ends(process, ending));
        }
        for which in 0..self.processes[process].temper.offspring.len() {
            let after = self.processes[process].temper.offspring[which].after;
            self.plan_event(self.now.after(after), Event::Forks(process, which));
        }
        if self.processes[process].temper.frozen {
            self.processes[process].state = State::Stopped;
            return;
        }
        for signal in std::mem::take(&mut self.processes[process].pending) {
            self.deliver(process, signal);
        }
    }

    fn fork(&mut self, parent: usize, which: usize) {
        let Offspring {
            escapes,
            daemon,
            temper,
            ..
        } = self.processes[parent].temper.offspring[which].clone();
        let child = self.processes.len();
        let Process { leader, root, .. } = self.processes[parent];
        self.processes.push(Process {
            run: None,
            leader: if escapes { child } else { leader },
            root,
            parent: Some(parent).filter(|_| !daemon),
            state: State::Forked,
            pending: Vec::new(),
            temper,
        });
        self.living.insert(child);
        self.exec(child, &mut Vec::new());
    }

    fn end(&mut self, process: usize, ending: Ending, facts: &mut Vec<Fact>) {
        let was = self.processes[process].state;
        self.bury(process);
        match (self.processes[process].run, self.processes[process].parent) {
            (Some((run, program)), _) => {
                // The status pipe is closed by a death as it is by an exec; nobody can tell the two apart.
                if was == State::Forked {
                    facts.push(Fact::Started(run));
                }
                facts.push(Fact::Ended(run, ending));
                self.note(Effect::Ended(program, ending));
            }
            (None, Some(parent)) if self.is_alive(parent) => {}
            (None, _) => facts.push(Fact::OrphanReaped {
                pid: 1000 + process as i32,
                ending,
            }),
        }
    }

    /// Performs one action.
    pub fn perform(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Start(run, program) => self.start(*run, *program),
            Action::Strike(run, target, signal) => self.strike(*run, *target, *signal),
            Action::StrikeAll(signal) => {
                for process in self.living.clone() {
                    self.deliver(process, *signal);
                }
                if self.helper && *signal == Signal::KILL {
                    self.plan_event(self.now, Event::HelperDies);
                }
            }
            Action::StartHelper if self.helper => return Err("one helper at a time".into()),
            Action::StartHelper => {
                self.helper_refused = self.whims.percent(self.habits.refuses_helper);
                self.helper = !self.helper_refused;
            }
            Action::SuspendSelf => {
                self.asleep_until = self.now.after(self.habits.suspended);
                let continued = Event::Signal(Signal::CONT, Sender::Process(0));
                self.plan_event(self.asleep_until, continued);
            }
            Action::Ask(ask, check) => self.ask(*ask, *check),
            Action::Say(_) | Action::Leave(_) => {}
        }
        Ok(())
    }

    fn ask(&mut self, ask: AskId, check: CheckId) {
        self.note(Effect::Asked(check));
        let reply = (self.repliers)(check, self.asks[check.0], self.now);
        self.asks[check.0] += 1;
        if self.helper && !reply.lost {
            let reply = in_time(reply, self.timeouts[check.0]);
            if let Some(after) = reply.after {
                self.plan_event(self.now.after(after), Event::Answers(ask));
            }
            self.open.insert(ask, reply);
        }
    }

    fn start(&mut self, run: RunId, program: ProgramId) {
        let process = self.processes.len();
        let temper = (self.cast)(program, self.starts[program.0]);
        self.starts[program.0] += 1;
        self.note(Effect::Started(program));
        let (after, event) = match temper.launch {
            Launch::Succeeds(after) => (after, Event::Execs(process)),
            Launch::Fails(after, _) => (after, Event::Unstartable(process)),
        };
        self.processes.push(Process {
            run: Some((run, program)),
            leader: process,
            root: process,
            parent: None,
            state: State::Forked,
            pending: Vec::new(),
            temper,
        });
        self.living.insert(process);
        self.runs.insert(run, process);
        self.plan_event(self.now.after(after), event);
    }

    fn strike(&mut self, run: RunId, target: Target, signal: Signal) {
        let Some(&leader) = self.runs.get(&run) else {
            return;
        };
        let reaches_the_rest = match self.processes[leader].state {
            State::Gone { at } => at == self.now,
            State::Forked | State::Runs | State::Stopped => true,
        };
        let reached: Vec<usize> = match target {
            Target::Process => vec![leader],
            Target::Group | Target::Tree if !reaches_the_rest => Vec::new(),
            Target::Group => self.living_with(|process| process.leader == leader),
            Target::Tree => self.living_with(|process| process.root == leader),
        };
        for process in reached {
            self.deliver(process, signal);
        }
    }

    fn living_with(&self, is_meant: impl Fn(&Process) -> bool) -> Vec<usize> {
        let living = self.living.iter().copied();
        living
            .filter(|process| is_meant(&self.processes[*process]))
            .collect()
    }

    fn deliver(&mut self, process: usize, signal: Signal) {
        let ends = |kernel: &mut Kernel, after: Duration, ending| {
            kernel.plan_event(kernel.now.after(after), Event::Ends(process, ending));
        };
        if let (Some((_, program)), true) = (self.processes[process].run, self.is_alive(process)) {
            self.note(Effect::Struck(program, signal));
        }
        if signal == Signal::KILL {
            if let Some(after) = self.processes[process].temper.dies_within {
                ends(self, after, Ending::Killed(signal));
            }
            return;
        }
        match (self.processes[process].state, signal) {
            (State::Gone { .. }, _) => return,
            (State::Forked, _) => return self.processes[process].pending.push(signal),
            (State::Stopped, Signal::CONT) => {
                self.processes[process].state = State::Runs;
                for waiting in std::mem::take(&mut self.processes[process].pending) {
                    self.deliver(process, waiting);
                }
            }
            (State::Stopped, _) => return self.processes[process].pending.push(signal),
            (State::Runs, _) => {}
        }
        match self.processes[process].temper.reaction(signal) {
            Reaction::Ignores => {}
            Reaction::Ends(after, ending) => ends(self, after, ending),
            Reaction::Default => match signal.number() {
                libc::SIGCONT | libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH => {}
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                    self.processes[process].state = State::Stopped;
                }
                _ => ends(self, Duration::ZERO, Ending::Killed(signal)),
            },
        }
    }
}

/// The helper gives up at the check's timeout, and that is a failure.
fn in_time(reply: Reply, timeout: Option<Duration>) -> Reply {
    let late = |timeout: &Duration| reply.after.is_none_or(|after| after > *timeout);
    match timeout.filter(late) {
        Some(timeout) => Reply::new(Outcome::Failure, Some(timeout)),
        None => reply,
    }
}
