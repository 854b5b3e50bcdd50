//! The laws of the one-command form, as the kubelet's semantics tell it: what must happen in which turn, and what may not.
//!
//! The books are kept in the order of the law's own words: hear all facts, see what is due, then say what must have
//! been started, struck and told. Two ties are settled here as they are documented: a stop that is heard together with
//! the last failure of an init step is a stop (128 + signal), and one that is heard together with the command's end is
//! not (the command's code).

use crate::endpoints::{Endpoints, READY};
use crate::laws::{Ending, Turn, Verdict, law};
use crate::laws_helper::Helper;
use crate::plans::{OneCommand, Retries};
use monopod::machine::{
    ContainerState, ContainerStatus, Ending as End, Fact, Happening, RunId, Sender, Unstartable,
};
use monopod::plan::{ExitCode, Plan, ProgramId, Signal, Target};
use monopod::time::Time;
use std::time::Duration;

/// What the kubelet grants after the stop signal, however little of the grace is left (S84, S85, S102, S103).
const FLOOR: Duration = Duration::from_secs(2);
/// The kubelet's rests between an end and the next start (S135); the last one repeats.
const RESTS: [u64; 7] = [0, 10, 20, 40, 80, 160, 300];
/// A longer run than this is forgiven what came before it (S136, S137).
const FORGIVEN: Duration = Duration::from_secs(600);

/// The books of one life.
pub struct CommandLaws {
    conduct: OneCommand,
    helper: Helper,
    done: usize,
    failures: u32,
    rests: usize,
    step: Step,
    main: Main,
    main_ever_ran: bool,
    stop: Option<Stop>,
    ending: Ending,
    endpoints: Endpoints,
    /// The command ran at the end of some turn.
    main_was_seen: bool,
    stopping_since: Option<Time>,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Due(Time),
    Live(RunId, Time),
    Failed(ExitCode),
}

#[derive(Clone, Copy, PartialEq)]
enum Main {
    Before,
    Live(RunId),
    Over,
}

struct Stop {
    at: Time,
    asked: Signal,
    hook: Hook,
    /// Whether the stop signal was sent.
    signalled: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Hook {
    Before,
    Live(RunId),
    Over,
}

/// What the facts of one turn came to.
#[derive(Default)]
struct Heard {
    /// Signals in order, and the place of the one that asked for the stop.
    signals: Vec<Signal>,
    ask: Option<usize>,
}

impl CommandLaws {
    /// The laws for this plan.
    pub fn new(plan: &Plan, conduct: &OneCommand) -> CommandLaws {
        CommandLaws {
            conduct: conduct.clone(),
            helper: Helper::new(plan.health.is_some()),
            done: 0,
            failures: 0,
            rests: 0,
            step: Step::Due(Time::START),
            main: Main::Before,
            main_ever_ran: false,
            stop: None,
            ending: Ending::default(),
            endpoints: Endpoints::new(&plan.conduct),
            main_was_seen: false,
            stopping_since: None,
        }
    }

    /// Whether it may not sleep without a deadline.
    pub fn owes_a_leave(&self) -> bool {
        self.stop.is_some() || self.ending.has_begun()
    }

    /// Looks at one step.
    pub fn check(&mut self, turn: &Turn) -> Verdict {
        let heard = self.hear(turn);
        let was_killing = self.ending.killed_at.is_some();
        self.check_start(turn)?;
        self.check_strikes(turn, &heard, was_killing)?;
        self.begin_ending(turn.now);
        self.ending.check(turn)?;
        let killing = self.ending.killed_at.is_some();
        self.helper
            .check(turn, was_killing, killing || turn.left().is_some())?;
        self.check_words(turn)?;
        self.check_status(turn, killing)?;
        if turn.left().is_some() {
            return Ok(());
        }
        self.ending.check_deadline(
            turn,
            self.due().into_iter().chain(self.helper.due(killing)).min(),
        )
    }

    fn hear(&mut self, turn: &Turn) -> Heard {
        let mut heard = Heard::default();
        let sweeping = self.ending.has_begun();
        for fact in turn.facts {
            match *fact {
                Fact::Started(run) => self.main_ever_ran |= self.main == Main::Live(run),
                Fact::Unstartable(run, why) => self.hear_over(turn.now, run, never_ran(why)),
                Fact::Ended(run, ending) => self.hear_over(turn.now, run, ending),
                // The terminal scolds monopod, not the command.
                Fact::Signalled(Signal::TTIN | Signal::TTOU, Sender::Kernel) => {}
                Fact::Signalled(signal, _) => heard.signals.push(signal),
                Fact::OrphanReaped { .. }
                | Fact::Emptied
                | Fact::Answered(..)
                | Fact::Commanded(_) => {}
                Fact::HelperLost | Fact::HelperUnstartable(_) => self.helper.hear(turn.now, *fact),
            }
        }
        if self.stop.is_none() && self.main != Main::Over && !sweeping {
            heard.ask = heard.signals.iter().position(|s| self.is_ask(*s));
            self.stop = heard.ask.map(|place| Stop {
                at: turn.now,
                asked: heard.signals[place],
                hook: Hook::Before,
                signalled: false,
            });
        }
        heard
    }

    fn is_ask(&self, signal: Signal) -> bool {
        self.conduct.stop_on.contains(&signal)
    }

    fn hear_over(&mut self, now: Time, run: RunId, ending: End) {
        match (self.main, self.step, &mut self.stop) {
            (Main::Live(main), ..) if main == run => {
                self.main = Main::Over;
                let kill_at = self.kill_at(now);
                let code = self.conduct.remap_exit.apply(ending.code());
                match self.ending.killed_at {
                    None => self.ending.begin(kill_at, code),
                    Some(_) => self.ending.learn_code(code),
                }
            }
            (_, Step::Live(step, begun), _) if step == run => {
                self.hear_step_over(now, begun, ending)
            }
            (.., Some(stop)) if stop.hook == Hook::Live(run) => stop.hook = Hook::Over,
            _ => {}
        }
    }

    fn hear_step_over(&mut self, now: Time, begun: Time, ending: End) {
        if ending.is_success() {
            (self.done, self.failures, self.rests) = (self.done + 1, 0, 0);
            self.step = Step::Due(now);
            return;
        }
        self.failures += 1;
        if matches!(self.conduct.step_retries, Retries::AtMost(most) if self.failures > most) {
            self.step = Step::Failed(ending.code());
            return;
        }
        if now.since(begun) > FORGIVEN {
            self.rests = 0;
        }
        let rest = Duration::from_secs(RESTS[self.rests.min(RESTS.len() - 1)]);
        self.rests += 1;
        self.step = Step::Due(now.after(rest));
    }

    /// When SIGKILL is due if nothing but waiting is left from `now` on.
    fn kill_at(&self, now: Time) -> Time {
        let grace = self.conduct.grace;
        match &self.stop {
            None => now.after(grace.max(FLOOR)),
            Some(stop) if stop.signalled => self.ending.kill_at.unwrap_or(now),
            Some(stop) => stop.at.after(grace).max(now.after(FLOOR)),
        }
    }

    /// What must be started in this turn, if anything.
    fn start_due(&self, now: Time) -> Option<ProgramId> {
        match (&self.stop, self.main, self.step) {
            (None, Main::Before, Step::Due(at)) if at <= now => {
                let step = self.conduct.steps.get(self.done).copied();
                Some(step.unwrap_or(self.conduct.main))
            }
            (Some(stop), Main::Live(_), _) if stop.hook == Hook::Before && !stop.signalled => {
                let stop_by = stop.at.after(self.conduct.grace);
                let drained = stop.at.after(self.conduct.drain).min(stop_by) <= now;
                // Without any grace left there is no hook (S89).
                self.conduct.pre_stop.filter(|_| drained && now < stop_by)
            }
            _ => None,
        }
    }

    fn check_start(&mut self, turn: &Turn) -> Verdict {
        let due = self.start_due(turn.now);
        for (run, program) in turn.starts() {
            let stopping = self.stop.is_some() && Some(program) != self.conduct.pre_stop;
            law(
                !stopping,
                "nothing but the hook starts once a stop was heard",
                || format!("{turn:?}"),
            )?;
            law(Some(program) == due, "starts in order and in time", || {
                format!("{program:?} was started, due is {due:?}")
            })?;
            match &mut self.stop {
                Some(stop) => stop.hook = Hook::Live(run),
                None if program == self.conduct.main => self.main = Main::Live(run),
                None => self.step = Step::Live(run, turn.now),
            }
        }
        let started = turn.starts().count();
        law(
            started == usize::from(due.is_some()),
            "starts in order and in time",
            || format!("due is {due:?}, but {:?}", turn.actions),
        )
    }

    /// Whether the stop signal must be sent in this turn.
    fn stop_signal_due(&self, now: Time) -> Option<Signal> {
        let stop = self.stop.as_ref().filter(|stop| !stop.signalled)?;
        let stop_by = stop.at.after(self.conduct.grace);
        let due = match (self.main, self.step, stop.hook) {
            (Main::Live(_), _, Hook::Before) => {
                stop.at.after(self.conduct.drain).min(stop_by) <= now
            }
            (Main::Live(_), _, Hook::Live(_)) => stop_by <= now,
            (Main::Live(_), _, Hook::Over) | (Main::Before, Step::Live(..), _) => true,
            (Main::Before | Main::Over, ..) => false,
        };
        due.then(|| self.conduct.stop_signal.unwrap_or(stop.asked))
    }

    fn check_strikes(&mut self, turn: &Turn, heard: &Heard, was_killing: bool) -> Verdict {
        let receiver = match (self.main, self.step) {
            _ if was_killing => None,
            (Main::Live(run), _) | (Main::Before, Step::Live(run, _)) => Some(run),
            (Main::Over, _) | (Main::Before, Step::Due(_) | Step::Failed(_)) => None,
        };
        let stop_signal = self
            .stop_signal_due(turn.now)
            .filter(|_| receiver.is_some());
        if let Some(stop) = self.stop.as_mut().filter(|_| stop_signal.is_some()) {
            stop.signalled = true;
            let stop_by = stop.at.after(self.conduct.grace);
            self.ending.kill_at = Some(stop_by.max(turn.now.after(FLOOR)));
        }
        let whole = turn
            .strikes()
            .all(|(run, target, _)| Some(run) == receiver && target == Target::Process);
        law(whole, "signals go to the process that runs", || {
            format!("{receiver:?}: {turn:?}")
        })?;
        let mut struck: Vec<Signal> = turn.strikes().map(|(.., signal)| signal).collect();
        let mut expected = heard.signals.clone();
        if let Some(place) = heard.ask {
            expected.remove(place);
        }
        // A stop that is asked for in the turn of the command's end is told as an ask or as dropped, as it comes.
        let late_ask =
            heard.ask.is_none() && turn.said(|words| matches!(words, Happening::StopAsked(_))) > 0;
        if let Some(place) = expected.iter().position(|s| late_ask && self.is_ask(*s)) {
            expected.remove(place);
        }
        if let Some(signal) = stop_signal {
            let mut places = (0..struck.len()).filter(|place| struck[*place] == signal);
            let place = match heard.ask {
                // In the turn of the ask its place counts too: what came before it goes out before it.
                Some(ask) => places.find(|place| *place == ask),
                // Later it may stand anywhere among signals of its own kind.
                None => places
                    .find(|place| without(&struck, *place) == expected)
                    .or(struck.iter().position(|known| *known == signal)),
            };
            law(
                place.is_some(),
                "the stop signal is sent when it is due",
                || format!("{signal} is due, but {:?}", turn.actions),
            )?;
            struck = place.map_or(struck.clone(), |place| without(&struck, place));
        }
        let dropped: Vec<Signal> = turn
            .actions
            .iter()
            .filter_map(|action| match action {
                monopod::machine::Action::Say(Happening::SignalDropped(signal)) => Some(*signal),
                _ => None,
            })
            .collect();
        law(
            [struck.clone(), dropped.clone()].contains(&expected),
            "every signal is handed on once and in order",
            || format!("struck {struck:?}, dropped {dropped:?}, heard {expected:?}"),
        )?;
        // What was only started in this turn gets them too.
        let killed = turn.strikes_on_all().any(|signal| signal == Signal::KILL);
        let lost = receiver.is_some() && !killed && struck != expected;
        law(!lost, "every signal is handed on once and in order", || {
            format!("struck {struck:?}, heard {expected:?}")
        })
    }

    /// Sees whether from now on there is nothing left to do but to clear away.
    fn begin_ending(&mut self, now: Time) {
        let kill_due = self.ending.kill_at.is_some_and(|at| at <= now);
        let remap = &self.conduct.remap_exit;
        match (&self.stop, self.main, self.step) {
            _ if self.ending.has_begun() => {}
            (Some(_), Main::Live(_), _) if kill_due => {
                // Should it survive even that, nobody will ever know its own code.
                self.ending
                    .learn_code(remap.apply(ExitCode::by_signal(Signal::KILL)));
            }
            (Some(stop), Main::Before, step) => {
                let code = remap.apply(ExitCode::by_signal(stop.asked));
                let kill_at = stop.at.after(self.conduct.grace.max(FLOOR));
                self.ending.kill_at = Some(kill_at);
                if !matches!(step, Step::Live(..)) || kill_at <= now {
                    self.ending.begin(kill_at, code);
                }
            }
            (None, Main::Before, Step::Failed(code)) => {
                self.ending
                    .begin(now.after(self.conduct.grace.max(FLOOR)), remap.apply(code));
            }
            _ => {}
        }
    }

    fn check_words(&self, turn: &Turn) -> Verdict {
        let orphans = turn
            .facts
            .iter()
            .filter(|fact| matches!(fact, Fact::OrphanReaped { .. }))
            .count();
        let told = turn.said(|words| matches!(words, Happening::OrphanReaped(..)));
        law(told == orphans, "orphans are told of", || {
            format!("{told} of {orphans}")
        })?;
        let asks = turn.said(|words| matches!(words, Happening::StopAsked(_)));
        let now = self.stop.as_ref().is_some_and(|stop| stop.at == turn.now);
        law(
            asks <= usize::from(now || self.main == Main::Over),
            "a stop is asked for once",
            || format!("{turn:?}"),
        )
    }

    fn check_status(&mut self, turn: &Turn, killing: bool) -> Verdict {
        let stopping = self.stop.is_some() || self.ending.has_begun();
        let runs = self.main_ever_ran && matches!(self.main, Main::Live(_));
        self.main_was_seen |= runs;
        self.stopping_since = self.stopping_since.or(stopping.then_some(turn.now));
        self.endpoints.look(turn.actions, &turn.status);
        let (readyz, startupz) = (self.endpoints.readyz, self.endpoints.startupz);
        law(
            readyz == (runs && !stopping),
            "ready while it runs and nobody asked it to stop",
            || format!("ready: {readyz}, {:?}", turn.status),
        )?;
        law(
            startupz == self.main_was_seen,
            "started once is started for ever",
            || format!("started: {startupz}, {:?}", turn.status),
        )?;
        law(
            turn.status.stopping_since == self.stopping_since,
            "stopping from the ask or the end on",
            || format!("{:?}, not {:?}", turn.status, self.stopping_since),
        )?;
        self.check_containers(turn, killing, runs)
    }

    /// Whether the command still runs while it is being killed is anybody's guess.
    fn check_containers(&self, turn: &Turn, killing: bool, runs: bool) -> Verdict {
        let Some((main, steps)) = turn.status.containers.split_last() else {
            return law(false, "every container is shown", || {
                format!("{:?}", turn.status)
            });
        };
        law(
            steps.len() == self.conduct.steps.len(),
            "every container is shown",
            || format!("{:?}", turn.status),
        )?;
        let right = |(place, step): (usize, &ContainerStatus)| step.ready == (place < self.done);
        law(
            steps.iter().enumerate().all(right),
            "an init step is ready when it is done",
            || format!("{} are done, {steps:?}", self.done),
        )?;
        law(
            main.last_start.is_some() == self.main_ever_ran,
            "the command has ever run",
            || format!("{main:?}"),
        )?;
        let shown = matches!(main.state, ContainerState::Running(_));
        let in_service = turn.status.conditions[READY].holds;
        law(
            killing || (shown, in_service) == (runs, runs),
            "running while it runs",
            || format!("runs: {runs}, {:?}", turn.status),
        )
    }

    /// What else than SIGKILL and the helper is due next.
    fn due(&self) -> Option<Time> {
        let sweeping = self.ending.has_begun();
        match (&self.stop, self.main, self.step) {
            (None, Main::Before, Step::Due(at)) => Some(at).filter(|_| !sweeping),
            (Some(stop), Main::Live(_), _) if !stop.signalled => {
                let stop_by = stop.at.after(self.conduct.grace);
                match stop.hook {
                    Hook::Before => Some(stop.at.after(self.conduct.drain).min(stop_by)),
                    Hook::Live(_) | Hook::Over => Some(stop_by),
                }
            }
            _ => None,
        }
    }
}

fn without(signals: &[Signal], place: usize) -> Vec<Signal> {
    [&signals[..place], &signals[place + 1..]].concat()
}

fn never_ran(why: Unstartable) -> End {
    End::Exited(why.code())
}
