//! The laws of a pod, as the kubelet's semantics tell them: who must start, be asked, be struck and be shown when.
//!
//! The books are kept in the order of the machine's law: hear all facts, see what is due, then say what must have been
//! done. Where the kubelet leaves a moment open (a hook and an exec that race, a beat that falls on the moment a gate
//! opens) there are two times: from the first on it may, at the second it must.
//!
//! What surprised us: most of a supervisor is what it must *not* do yet, so nearly every law here is a pair.

mod book;
mod deeds;
mod probe;
mod settle;
mod status;
mod stop;

use crate::laws::{Ending, Turn, Verdict, law};
use crate::laws_helper::Helper;
use book::{Book, HookState, Instance, Kill, Next, Work};
use monopod::machine::{Command, Ending as End, Fact, Outcome, RunId, Sender};
use monopod::plan::{
    CheckId, ExitCode, Handler, Hook, HookKind, Plan, Pod, ProbeKind, ProgramId, Role, Signal,
};
use monopod::time::Time;
use probe::Worker;
use std::collections::HashMap;
use std::time::Duration;
use stop::Stop;

/// So many helpers may die over one question of a hook.
const HELPERS: u32 = 3;

/// What a program or a check is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Own(usize),
    Probe(usize, ProbeKind),
    Hook(usize, HookKind),
}

/// The books of one pod.
pub struct PodLaws {
    pod: Pod,
    programs: HashMap<ProgramId, Use>,
    checks: HashMap<CheckId, Use>,
    runs: HashMap<RunId, Use>,
    /// The runs that have not ended.
    live: HashMap<RunId, Use>,
    helper: Helper,
    books: Vec<Book>,
    gates: Vec<Option<bool>>,
    stop: Option<Stop>,
    ending: Ending,
    seen: status::Seen,
    /// A new start of everything is under way, since then.
    anew: Option<Time>,
    /// It was at some time: back-off and order are what they are then.
    ever_anew: bool,
}

/// What the facts of one turn came to beside the books.
#[derive(Default)]
pub struct Heard {
    /// Signals to hand on, in order; the one that asked for the stop is not among them.
    signals: Vec<Signal>,
    /// Signals for a container, by command.
    direct: Vec<(usize, Signal)>,
    /// Runs that ended in this turn.
    ended: Vec<RunId>,
    /// A stop was asked for.
    asked: bool,
}

impl PodLaws {
    /// The laws for this pod.
    pub fn new(plan: &Plan, pod: &Pod) -> PodLaws {
        let mut laws = PodLaws {
            pod: pod.clone(),
            programs: HashMap::new(),
            checks: HashMap::new(),
            runs: HashMap::new(),
            live: HashMap::new(),
            helper: Helper::new(plan.health.is_some() || !plan.checks.is_empty()),
            books: pod.containers.iter().map(Book::new).collect(),
            gates: vec![None; pod.readiness_gates.len()],
            stop: None,
            ending: Ending::default(),
            seen: status::Seen::default(),
            anew: None,
            ever_anew: false,
        };
        for (place, container) in pod.containers.iter().enumerate() {
            laws.programs.insert(container.program, Use::Own(place));
            for worker in &laws.books[place].workers {
                let used = Use::Probe(place, worker.kind);
                match worker.probe.handler {
                    Handler::Exec(program) => drop(laws.programs.insert(program, used)),
                    Handler::Ask(check) => drop(laws.checks.insert(check, used)),
                    Handler::Unresolvable => {}
                }
            }
            let hooks = [
                (HookKind::PostStart, &container.post_start),
                (HookKind::PreStop, &container.pre_stop),
            ];
            for (kind, hook) in hooks {
                match hook {
                    Some(Hook::Exec(program)) => {
                        laws.programs.insert(*program, Use::Hook(place, kind));
                    }
                    Some(Hook::Ask(check)) => {
                        laws.checks.insert(*check, Use::Hook(place, kind));
                    }
                    Some(Hook::Sleep(_) | Hook::Fails) | None => {}
                }
            }
        }
        laws
    }

    /// Whether it may not sleep without a deadline.
    pub fn owes_a_leave(&self) -> bool {
        self.stop.is_some() || self.ending.has_begun()
    }

    /// Looks at one step.
    pub fn check(&mut self, turn: &Turn) -> Verdict {
        let was_killing = self.ending.killed_at.is_some();
        let heard = self.hear(turn);
        self.lapse(turn.now);
        self.judge(turn.now);
        self.check_starts(turn, was_killing)?;
        self.check_strikes(turn, &heard)?;
        self.check_attempts(turn)?;
        self.forget_ended_attempts(turn);
        self.begin_ending(turn);
        self.ending.check(turn)?;
        let killing = self.ending.killed_at.is_some();
        let over = killing || turn.left().is_some();
        self.helper.check(turn, was_killing, over)?;
        if !over {
            self.check_status(turn)?;
        }
        self.seen.check(turn, self.ever_anew)?;
        match turn.left() {
            Some(_) => Ok(()),
            None => self.check_deadline(turn, killing),
        }
    }

    fn hear(&mut self, turn: &Turn) -> Heard {
        let mut heard = Heard {
            asked: turn.facts.iter().any(|fact| self.is_ask(fact)),
            ..Heard::default()
        };
        for fact in turn.facts {
            if let Fact::Started(run) = *fact
                && let Some(Use::Own(place)) = self.runs.get(&run)
            {
                self.books[*place].ran(turn.now);
            }
        }
        let stopping = self.stop.is_some() || heard.asked;
        self.hear_attempts(turn, stopping);
        for fact in turn.facts {
            match *fact {
                Fact::Started(_) | Fact::OrphanReaped { .. } | Fact::Emptied => {}
                Fact::Answered(ask, answer) => {
                    let good = matches!(answer.outcome, Outcome::Success | Outcome::Warning);
                    self.hear_hook(Work::Ask(ask), good);
                }
                Fact::Unstartable(run, why) => {
                    let ending = End::Exited(why.code());
                    self.hear_over(turn.now, run, ending, true, stopping);
                    heard.ended.push(run);
                }
                Fact::Ended(run, ending) => {
                    self.hear_over(turn.now, run, ending, false, stopping);
                    heard.ended.push(run);
                }
                Fact::HelperLost | Fact::HelperUnstartable(_) => {
                    self.helper.hear(turn.now, *fact);
                    self.hear_helper_lost(*fact == Fact::HelperLost);
                }
                Fact::Signalled(Signal::TTIN | Signal::TTOU, Sender::Kernel) => {}
                Fact::Signalled(signal, _) => heard.signals.push(signal),
                // An end that comes together with a command is an end.
                Fact::Commanded(_) => {}
            }
        }
        for run in &heard.ended {
            self.live.remove(run);
        }
        for worker in self.books.iter_mut().flat_map(|book| &mut book.workers) {
            if worker
                .lingering
                .is_some_and(|run| heard.ended.contains(&run))
            {
                worker.lingering = None;
            }
        }
        for fact in turn.facts {
            if let Fact::Commanded(command) = *fact {
                self.hear_command(turn.now, command, &mut heard);
            }
        }
        self.hear_asks(turn, &mut heard);
        heard
    }

    /// What came of attempts, including those whose time is over; and whom that kills.
    fn hear_attempts(&mut self, turn: &Turn, stopping: bool) {
        for place in 0..self.books.len() {
            let over = self.books[place].live().is_none_or(|instance| {
                let ends =
                    |fact: &Fact| matches!(fact, Fact::Ended(run, _) if *run == instance.run);
                turn.facts.iter().any(ends)
            });
            for which in 0..self.books[place].workers.len() {
                let worker = &mut self.books[place].workers[which];
                let Some(outcome) = worker.outcome(turn.now, turn.facts) else {
                    continue;
                };
                let verdict = worker.count(turn.now, outcome);
                let (kind, grace) = (worker.kind, worker.probe.grace);
                let kill = Kill {
                    at: turn.now,
                    grace: grace.unwrap_or(self.pod.grace),
                    by_probe: true,
                };
                let Some(instance) = self.books[place].live_mut().filter(|_| !over) else {
                    continue;
                };
                match (kind, verdict) {
                    (ProbeKind::Startup, Some(true)) => instance.startup_passed = true,
                    (ProbeKind::Startup | ProbeKind::Liveness, Some(false)) if !stopping => {
                        instance.kill = instance.kill.or(Some(kill));
                    }
                    _ => {}
                }
            }
        }
    }

    fn hear_hook(&mut self, work: Work, good: bool) {
        for instance in self
            .books
            .iter_mut()
            .filter_map(|book| book.instance.as_mut())
        {
            for hook in [&mut instance.post, &mut instance.pre] {
                if *hook == HookState::Live(work) {
                    *hook = HookState::Over(good);
                }
            }
        }
    }

    /// A hook's question is asked again: at least once is the promise (C.4). But three helpers are enough.
    fn hear_helper_lost(&mut self, died: bool) {
        let instances = self
            .books
            .iter_mut()
            .filter_map(|book| book.instance.as_mut());
        for instance in instances {
            let hooks = [&mut instance.post, &mut instance.pre];
            for (hook, lost) in hooks.into_iter().zip(&mut instance.helpers_lost) {
                if matches!(hook, HookState::Live(Work::Ask(_))) {
                    *lost += u32::from(died);
                    *hook = match *lost < HELPERS {
                        true => HookState::Before,
                        false => HookState::Over(false),
                    };
                }
            }
        }
    }

    fn hear_over(&mut self, now: Time, run: RunId, ending: End, never_ran: bool, stopping: bool) {
        self.hear_hook(Work::Run(run), ending.is_success() && !never_ran);
        let Some(Use::Own(place)) = self.runs.get(&run).copied() else {
            return;
        };
        if self.books[place]
            .live()
            .is_none_or(|instance| instance.run != run)
        {
            return;
        }
        // Who ends in the very turn in which a new start of everything is asked for was not killed for it yet.
        let killed = self.books[place]
            .live()
            .is_some_and(|instance| instance.kill.is_some());
        let stopping = stopping || (self.anew.is_some() && killed);
        // An instance that never ran has the runtime's code (S157).
        let code = if never_ran {
            ExitCode(128)
        } else {
            ending.code()
        };
        if self.books[place].over(now, ending, code, stopping) {
            self.anew = Some(now);
            self.ever_anew = true;
        }
    }

    fn hear_command(&mut self, now: Time, command: Command, heard: &mut Heard) {
        match command {
            Command::SetGate(gate, value) => self.gates[gate.0] = Some(value),
            Command::Signal(id, signal) => heard.direct.push((id.0, signal)),
            Command::Stop => {}
            Command::Restart(id) => {
                let kill = Kill {
                    at: now,
                    grace: self.pod.grace,
                    by_probe: false,
                };
                let book = &mut self.books[id.0];
                let over = book
                    .instance
                    .as_ref()
                    .is_some_and(|i| heard.ended.contains(&i.run));
                if self.stop.is_some() || heard.asked {
                    return;
                }
                if let Next::Again(from, until, rest) = book.next
                    && (over || until <= now)
                {
                    // What ended in this very turn, or is to be started anyway, may have been helped or not.
                    book.unsure = true;
                    book.next = Next::Again(from.min(now), until.min(now), rest);
                    return;
                }
                if let Some(instance) = book.live_mut() {
                    // Of two reasons for one stop, the end that comes earlier may hold.
                    if instance.kill.is_some() {
                        instance.joined = Some(kill.by().max(now.after(book::FLOOR)));
                    }
                    instance.kill = instance.kill.or(Some(kill));
                    book.commanded = true;
                    return;
                }
                // Whether a start that is due anyway is helped by a command is left open.
                book.unsure = true;
                match book.next {
                    Next::Again(..) => book.next = book.forgive(now),
                    Next::Done(_) if book.plan.role != Role::Init => book.next = book.forgive(now),
                    // One that rests before a new start of everything need not rest any more.
                    Next::First if book.not_after > now => {
                        book.forgive(now);
                        (book.not_before, book.not_after) = (now, now);
                    }
                    Next::First | Next::Live | Next::Done(_) => {}
                }
            }
        }
    }

    fn is_ask(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Signalled(signal, _) => self.pod.stop_on.contains(signal),
            Fact::Commanded(command) => *command == Command::Stop,
            _ => false,
        }
    }

    /// The first ask of a pod that is not being stopped is the ask; all else is handed on.
    fn hear_asks(&mut self, turn: &Turn, heard: &mut Heard) {
        if self.stop.is_some() || !heard.asked {
            return;
        }
        let place = heard
            .signals
            .iter()
            .position(|s| self.pod.stop_on.contains(s));
        let asks = turn.facts.iter().find(|fact| self.is_ask(fact));
        // The first ask is the ask; a signal after a command is handed on.
        let place = place.filter(|_| matches!(asks, Some(Fact::Signalled(..))));
        let asked = place.map(|place| heard.signals.remove(place));
        self.stop = Some(Stop::asked(turn.now, &self.pod, asked));
    }

    fn lapse(&mut self, now: Time) {
        for book in &mut self.books {
            let Some(instance) = book.live_mut() else {
                continue;
            };
            for hook in [&mut instance.post, &mut instance.pre] {
                if matches!(hook, HookState::Live(Work::Until(at)) if *at <= now) {
                    *hook = HookState::Over(true);
                }
            }
        }
        let deadline = self.pod.active_deadline.map(|span| Time::START.after(span));
        if self.stop.is_none() && deadline.is_some_and(|at| at <= now) {
            self.stop = Some(Stop::by_itself(now, &self.pod, stop::Cause::Deadline));
        }
    }

    /// What follows from all that was heard: kills, the end of the pod, flags that stick.
    fn judge(&mut self, now: Time) {
        let stopping = self.stop.is_some();
        for book in &mut self.books {
            let kill = Kill {
                at: now,
                grace: self.pod.grace,
                by_probe: false,
            };
            if let Some(instance) = book.live_mut()
                && instance.post == HookState::Over(false)
                && !stopping
            {
                instance.kill = instance.kill.or(Some(kill));
            }
            // A postStart hook that ends together with a kill comes too late.
            let hooked = book.plan.post_start.is_some();
            let up = |i: &Instance| i.is_running() && (i.kill.is_none() || !hooked);
            book.ever_up |= book.live().is_some_and(up);
            book.ever_started |= book.is_started();
            book.surely_started |= book.is_started() && book.live().is_some_and(up);
        }
        if let Some(since) = self.anew.filter(|_| !stopping) {
            self.judge_anew(since);
        }
        if !stopping && self.anew.is_none() {
            self.stop = self
                .cause()
                .map(|cause| Stop::by_itself(now, &self.pod, cause));
        }
        self.quieten();
    }

    /// Why the pod comes to its end by itself, if it does.
    fn cause(&self) -> Option<stop::Cause> {
        let mut inits = self
            .books
            .iter()
            .filter(|book| book.plan.role == Role::Init);
        let failed = |book: &Book| matches!(book.next, Next::Done(Some(end)) if !end.is_success());
        if inits.any(failed) {
            return Some(stop::Cause::InitFailed);
        }
        self.mains_are_over().then_some(stop::Cause::MainsOver)
    }

    /// What is being stopped is not asked whether it lives, and what comes of its postStart hook is nobody's business.
    fn quieten(&mut self) {
        let stopping = self.stop.is_some();
        for book in &mut self.books {
            if stopping {
                book.rest_in_peace();
            }
            if !stopping && book.live().is_none_or(|instance| instance.kill.is_none()) {
                continue;
            }
            if let Some(instance) = book.live_mut()
                && !matches!(instance.post, HookState::Over(_))
                && instance.ran.is_some()
                && (instance.kill.is_some() || instance.is_being_stopped())
            {
                instance.post = HookState::Over(false);
            }
            let ends = |worker: &&mut Worker| worker.kind != ProbeKind::Readiness;
            book.workers
                .iter_mut()
                .filter(ends)
                .for_each(Worker::abandon);
        }
    }

    fn mains_are_over(&self) -> bool {
        let mut mains = self
            .books
            .iter()
            .filter(|book| book.plan.role == Role::Main);
        mains.all(|book| matches!(book.next, Next::Done(_)))
    }

    /// Every container is killed without a grace; then everything begins anew (S158).
    fn judge_anew(&mut self, since: Time) {
        let kill = Kill {
            at: since,
            grace: Duration::ZERO,
            by_probe: false,
        };
        let mut left = false;
        for book in &mut self.books {
            if let Some(instance) = book.live_mut() {
                instance.kill = Some(kill);
                left = true;
            }
        }
        if !left {
            self.anew = None;
            for book in &mut self.books {
                book.start_anew();
            }
        }
    }

    /// The deadline is what the books know to be due: later is a hang, earlier a wake-up for nothing.
    fn check_deadline(&self, turn: &Turn, killing: bool) -> Verdict {
        if killing {
            return self.ending.check_deadline(turn, None);
        }
        let due = self
            .due(turn.now)
            .into_iter()
            .chain(self.helper.due(false))
            .min();
        let early = turn
            .deadline
            .is_some_and(|at| due.is_none_or(|due| at < due) && self.may_be_due(turn.now, at));
        law(turn.deadline == due || early, "deadline", || {
            format!(
                "wants to be woken at {:?}, due is {due:?} of {:?}\n{turn:?}",
                turn.deadline,
                self.due(turn.now)
            )
        })
    }

    /// The code to leave with.
    fn code(&self) -> Vec<ExitCode> {
        stop::codes(self)
    }
}
