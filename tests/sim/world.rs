//! The pretend kernel: processes, the helper, people who send signals, and the only clock there is.
//!
//! It plays the part of `linux`: it gathers facts into turns, performs actions in order, and decides nothing. Where the
//! real kernel may do one thing or another (the order of the facts in a turn, whether two facts share one, how late a
//! sleeper is woken), the [`Habits`] of a world say so, and a machine must get on with all of them.
//!
//! What surprised us: `Emptied` may only be told when every end that led to it has been told, so a turn that holds
//! facts back for the next one must hold it back too.

use crate::laws::{Laws, Turn};
use crate::rng::Rng;
use crate::temper::{Launch, Offspring, Reaction, Temper};
use crate::timeline::Timeline;
use monopod::lifecycle::Aftermath;
use monopod::machine::{Action, Ending, Fact, Machine, RunId, Sender};
use monopod::plan::{ExitCode, Plan, ProgramId, Signal, Target};
use monopod::time::Time;
use std::collections::BTreeMap;
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
}

/// Who plays a program: its temper for the nth start, counted from 0.
pub type Cast = Box<dyn FnMut(ProgramId, u32) -> Temper>;

#[derive(Debug)]
struct Process {
    run: Option<RunId>,
    leader: usize,
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

/// How a life went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The machine said Leave.
    Left,
    /// Nothing will ever happen again.
    Asleep,
    /// The time that was given was over.
    Unfinished,
}

/// A world with one machine in it.
pub struct World {
    machine: Box<dyn Machine>,
    cast: Cast,
    habits: Habits,
    whims: Rng,
    order: Option<Rng>,
    now: Time,
    asleep_until: Time,
    events: BTreeMap<(Time, u64), Event>,
    events_ever: u64,
    processes: Vec<Process>,
    starts: Vec<u32>,
    held_back: Vec<Fact>,
    helper: bool,
    helper_refused: bool,
    laws: Laws,
    /// Every turn in which the machine did something, if asked for.
    pub diary: Option<Vec<(Time, Vec<Action>)>>,
    /// The story as text, if asked for.
    pub timeline: Option<Timeline>,
    /// Turns so far.
    pub turns: u64,
}

impl World {
    /// A world before its first turn. `order`: shuffles the facts of each turn.
    pub fn new(
        plan: &Plan,
        machine: Box<dyn Machine>,
        cast: Cast,
        habits: Habits,
        whims: Rng,
        order: Option<Rng>,
    ) -> World {
        World {
            laws: Laws::new(plan),
            starts: vec![0; plan.programs.len()],
            machine,
            cast,
            habits,
            whims,
            order,
            now: Time::START,
            asleep_until: Time::START,
            events: BTreeMap::new(),
            events_ever: 0,
            processes: Vec::new(),
            held_back: Vec::new(),
            helper: false,
            helper_refused: false,
            diary: None,
            timeline: None,
            turns: 0,
        }
    }

    /// Which happenings were said, as a bit set over [`crate::timeline::happening_number`].
    pub fn said(&self) -> u32 {
        self.laws.said()
    }

    /// Puts an event in store.
    pub fn plan_event(&mut self, at: Time, event: Event) {
        self.events_ever += 1;
        self.events.insert((at, self.events_ever), event);
    }

    /// Lives until the machine leaves, nothing can happen any more, or it is `until`.
    ///
    /// # Errors
    ///
    /// The first law that was broken, in words.
    pub fn live(&mut self, until: Time) -> Result<Outcome, String> {
        self.turn(Time::START)?;
        loop {
            if self.laws.has_left() {
                return Ok(Outcome::Left);
            }
            let Some(next) = self.next_wake() else {
                self.laws.asleep_for_ever()?;
                return Ok(Outcome::Asleep);
            };
            if next > until {
                return Ok(Outcome::Unfinished);
            }
            self.turn(next)?;
        }
    }

    fn next_wake(&mut self) -> Option<Time> {
        let next_event = self.events.keys().next().map(|(at, _)| *at);
        let due = match (next_event, self.machine.deadline()) {
            _ if !self.held_back.is_empty() || self.helper_refused => Some(self.now),
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

    fn turn(&mut self, now: Time) -> Result<(), String> {
        self.now = now;
        self.turns += 1;
        let facts = self.gather();
        if let Some(timeline) = &mut self.timeline {
            timeline.facts(now, &facts);
        }
        let actions = self.machine.step(now, &facts);
        let (deadline, status) = (self.machine.deadline(), self.machine.status());
        if let Some(timeline) = &mut self.timeline {
            timeline.actions(now, &actions, status);
        }
        let turn = Turn {
            now,
            facts: &facts,
            actions: &actions,
            deadline,
            status,
        };
        self.laws.check(&turn)?;
        for action in &actions {
            self.perform(action)?;
        }
        if let Some(diary) = self.diary.as_mut().filter(|_| !actions.is_empty()) {
            diary.push((now, actions));
        }
        Ok(())
    }

    /// Tells the machine some facts more, as if it had not left, and gives back what it did.
    pub fn poke(&mut self) -> Vec<Action> {
        let orphan = Ending::Exited(ExitCode::SUCCESS);
        let facts = [
            Fact::OrphanReaped {
                pid: 1,
                ending: orphan,
            },
            Fact::Signalled(Signal::TERM, Sender::Process(0)),
            Fact::HelperLost,
            Fact::Emptied,
        ];
        let later = self.now.after(Duration::from_secs(1));
        self.machine.step(later, &facts)
    }

    fn gather(&mut self) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut self.held_back);
        if std::mem::take(&mut self.helper_refused) {
            facts.push(Fact::HelperUnstartable(libc::EAGAIN));
        }
        let fresh = facts.is_empty();
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let event = entry.remove();
            self.happen(event, &mut facts);
        }
        if fresh && facts.len() > 1 && self.whims.percent(self.habits.chops) {
            let kept = 1 + self.whims.below(facts.len() as u64 - 1) as usize;
            self.held_back = facts.split_off(kept);
        }
        if self.held_back.is_empty() && self.living().next().is_none() {
            facts.push(Fact::Emptied);
        }
        if let Some(order) = &mut self.order {
            shuffle(&mut facts, order);
        }
        facts
    }

    fn living(&self) -> impl Iterator<Item = usize> {
        let gone = |process: &Process| matches!(process.state, State::Gone { .. });
        let processes = self.processes.iter().enumerate();
        processes
            .filter(move |(_, process)| !gone(process))
            .map(|(index, _)| index)
    }

    fn happen(&mut self, event: Event, facts: &mut Vec<Fact>) {
        match event {
            Event::Signal(signal, sender) => facts.push(Fact::Signalled(signal, sender)),
            Event::HelperDies if self.helper => {
                self.helper = false;
                facts.push(Fact::HelperLost);
            }
            Event::HelperDies | Event::Nothing => {}
            Event::Panic(grace, code) => {
                self.machine = Box::new(Aftermath::new(grace, code));
                self.laws.panicked(self.now, grace, code);
            }
            Event::Doom => {
                let living: Vec<usize> = self.living().collect();
                for process in living {
                    self.end(process, Ending::Killed(Signal::KILL), facts);
                }
            }
            Event::Execs(process) if self.processes[process].state == State::Forked => {
                self.exec(process, facts);
            }
            Event::Unstartable(process) if self.processes[process].state == State::Forked => {
                self.processes[process].state = State::Gone { at: self.now };
                let Process { run, temper, .. } = &self.processes[process];
                if let (Some(run), Launch::Fails(_, why)) = (run, temper.launch) {
                    facts.push(Fact::Unstartable(*run, why));
                }
            }
            Event::Forks(parent, which) if self.is_alive(parent) => self.fork(parent, which),
            Event::Ends(process, ending) if self.is_alive(process) => {
                self.end(process, ending, facts);
            }
            // Whoever was to do this is gone.
            Event::Execs(_) | Event::Unstartable(_) | Event::Forks(..) | Event::Ends(..) => {}
        }
    }

    fn is_alive(&self, process: usize) -> bool {
        !matches!(self.processes[process].state, State::Gone { .. })
    }

    fn exec(&mut self, process: usize, facts: &mut Vec<Fact>) {
        self.processes[process].state = State::Runs;
        facts.extend(self.processes[process].run.map(Fact::Started));
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
        self.processes.push(Process {
            run: None,
            leader: if escapes {
                child
            } else {
                self.processes[parent].leader
            },
            parent: Some(parent).filter(|_| !daemon),
            state: State::Forked,
            pending: Vec::new(),
            temper,
        });
        self.exec(child, &mut Vec::new());
    }

    fn end(&mut self, process: usize, ending: Ending, facts: &mut Vec<Fact>) {
        let was = self.processes[process].state;
        self.processes[process].state = State::Gone { at: self.now };
        match (self.processes[process].run, self.processes[process].parent) {
            (Some(run), _) => {
                // The status pipe is closed by a death as it is by an exec; nobody can tell the two apart.
                if was == State::Forked {
                    facts.push(Fact::Started(run));
                }
                facts.push(Fact::Ended(run, ending));
            }
            (None, Some(parent)) if self.is_alive(parent) => {}
            (None, _) => facts.push(Fact::OrphanReaped {
                pid: 1000 + process as i32,
                ending,
            }),
        }
    }

    fn perform(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Start(run, program) => self.start(*run, *program),
            Action::Strike(run, target, signal) => self.strike(*run, *target, *signal),
            Action::StrikeAll(signal) => {
                let living: Vec<usize> = self.living().collect();
                for process in living {
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
            // Nobody answers here yet.
            Action::Ask(..) | Action::Say(_) | Action::Leave(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, run: RunId, program: ProgramId) {
        let process = self.processes.len();
        let temper = (self.cast)(program, self.starts[program.0]);
        self.starts[program.0] += 1;
        let (after, event) = match temper.launch {
            Launch::Succeeds(after) => (after, Event::Execs(process)),
            Launch::Fails(after, _) => (after, Event::Unstartable(process)),
        };
        self.processes.push(Process {
            run: Some(run),
            leader: process,
            parent: None,
            state: State::Forked,
            pending: Vec::new(),
            temper,
        });
        self.plan_event(self.now.after(after), event);
    }

    fn strike(&mut self, run: RunId, target: Target, signal: Signal) {
        let Some(leader) = self.processes.iter().position(|p| p.run == Some(run)) else {
            return;
        };
        match (target, self.processes[leader].state) {
            (Target::Group | Target::Tree, State::Gone { at }) if at != self.now => {}
            (Target::Group | Target::Tree, _) => {
                let group: Vec<usize> = self
                    .living()
                    .filter(|process| self.processes[*process].leader == leader)
                    .collect();
                for process in group {
                    self.deliver(process, signal);
                }
            }
            (Target::Process, State::Gone { .. }) => {}
            (Target::Process, _) => self.deliver(leader, signal),
        }
    }

    fn deliver(&mut self, process: usize, signal: Signal) {
        let ends = |world: &mut World, after: Duration, ending| {
            world.plan_event(world.now.after(after), Event::Ends(process, ending));
        };
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

/// Any order but for what the hands guarantee: signals as they came, a run's start before its end.
fn shuffle(facts: &mut [Fact], order: &mut Rng) {
    let signals: Vec<Fact> = facts.iter().copied().filter(is_signal).collect();
    order.shuffle(facts);
    let places = facts.iter_mut().filter(|fact| is_signal(fact));
    for (place, signal) in places.zip(signals) {
        *place = signal;
    }
    for end in 0..facts.len() {
        let Fact::Ended(run, _) = facts[end] else {
            continue;
        };
        if let Some(start) = facts.iter().position(|fact| *fact == Fact::Started(run))
            && start > end
        {
            facts.swap(start, end);
        }
    }
}

fn is_signal(fact: &Fact) -> bool {
    matches!(fact, Fact::Signalled(..))
}
