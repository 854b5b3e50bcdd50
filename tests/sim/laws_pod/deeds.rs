//! Whom signals may reach in a turn, and whom they must.

use super::book::{Instance, Next, Work};
use super::{Heard, PodLaws, Use};
use crate::laws::{Turn, Verdict, law};
use monopod::machine::{Action, Fact, RunId};
use monopod::plan::{ProbeKind, Role, Signal, Target};
use monopod::time::Time;

impl PodLaws {
    /// Every signal has a reason, and every reason its signal.
    pub fn check_strikes(&mut self, turn: &Turn, heard: &Heard) -> Verdict {
        let all_killed = turn.strikes_on_all().any(|signal| signal == Signal::KILL);
        for (run, target, signal) in turn.strikes() {
            let broken = match self.runs.get(&run) {
                Some(Use::Own(_)) | None => false,
                Some(Use::Probe(place, kind)) => !self.may_end_probe(*place, *kind, run, turn),
                Some(Use::Hook(place, _)) => !self.is_ending(*place, turn),
            };
            law(!broken, "only what must end is struck", || {
                format!("{run:?} {target:?} {signal}\n{turn:?}")
            })?;
        }
        self.forget_ended_attempts(turn);
        for place in 0..self.books.len() {
            self.check_stop_signal(turn, place, heard, all_killed)?;
            self.check_kill(turn, place, heard, all_killed)?;
            self.check_tree(turn, place)?;
            self.check_timeouts(turn, place, all_killed)?;
        }
        Ok(())
    }

    /// An attempt whose program is ended comes to nothing.
    pub fn forget_ended_attempts(&mut self, turn: &Turn) {
        for (run, ..) in turn.strikes() {
            let workers = self.books.iter_mut().flat_map(|book| &mut book.workers);
            for worker in workers {
                if worker
                    .attempt
                    .is_some_and(|attempt| attempt.work == Work::Run(run))
                {
                    worker.abandon();
                }
            }
        }
    }

    /// A probe's program is ended at its timeout, or because its container is over or is being stopped.
    fn may_end_probe(&self, place: usize, kind: ProbeKind, run: RunId, turn: &Turn) -> bool {
        let book = &self.books[place];
        let lingers = book
            .workers
            .iter()
            .any(|w| w.kind == kind && w.lingering == Some(run));
        lingers || self.is_ending(place, turn)
    }

    /// Whether this container's instance is being stopped, or has just ended.
    fn is_ending(&self, place: usize, turn: &Turn) -> bool {
        let ended = |fact: &Fact| match fact {
            Fact::Ended(run, _) => self.runs.get(run) == Some(&Use::Own(place)),
            _ => false,
        };
        let live = self.books[place].live();
        let stopped = live.is_none_or(|instance| instance.kill.is_some());
        stopped || self.stop.is_some() || self.anew.is_some() || turn.facts.iter().any(ended)
    }

    fn check_stop_signal(
        &mut self,
        turn: &Turn,
        place: usize,
        heard: &Heard,
        all_killed: bool,
    ) -> Verdict {
        let book = &self.books[place];
        let Some(instance) = book.live() else {
            return Ok(());
        };
        let to_it = |(run, target, signal): (RunId, Target, Signal)| {
            (run == instance.run && target == Target::Process).then_some(signal)
        };
        let mut struck: Vec<Signal> = turn.strikes().filter_map(to_it).collect();
        let direct = heard
            .direct
            .iter()
            .filter(|(to, _)| *to == place)
            .map(|(_, signal)| *signal);
        for signal in direct {
            if let Some(at) = struck.iter().position(|s| *s == signal) {
                struck.remove(at);
            } else {
                law(
                    all_killed || signal == Signal::KILL,
                    "a commanded signal is sent",
                    || format!("{turn:?}"),
                )?;
            }
        }
        let asked = self.stop.as_ref().and_then(|stop| match stop.cause {
            super::stop::Cause::Asked(signal) => signal,
            _ => None,
        });
        let wants = |signal: Signal| match book.plan.stop_signal {
            Some(known) => signal == known,
            None => signal == Signal::TERM || Some(signal) == asked,
        };
        let (may, must) = self.signal_window(place, turn.now);
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= turn.now);
        let (may, must) = (is_due(may), is_due(must));
        struck.retain(|signal| *signal != Signal::KILL);
        let dying = all_killed || self.ending.killed_at.is_some() || self.kill_now(turn, instance);
        let explained = |rest: &[Signal]| match book.plan.role {
            Role::Main => handed_on(rest, &heard.signals, !dying),
            Role::Init => handed_on(rest, &heard.signals, false),
            Role::Sidecar => rest.is_empty(),
        };
        let wanted = (0..struck.len()).filter(|at| may && wants(struck[*at]));
        let sent = wanted.into_iter().any(|at| {
            let mut rest = struck.clone();
            rest.remove(at);
            explained(&rest)
        });
        law(
            sent || !must || dying,
            "the stop signal is sent when it is due",
            || format!("container {place}: {turn:?}"),
        )?;
        law(
            sent || explained(&struck),
            "every signal is handed on, and none without a reason",
            || format!("container {place} got {struck:?}, window {may} {must}: {turn:?}"),
        )?;
        if let Some(instance) = self.books[place].live_mut().filter(|_| sent) {
            instance.signalled = Some(turn.now);
        }
        Ok(())
    }

    fn kill_now(&self, turn: &Turn, instance: &Instance) -> bool {
        turn.strikes()
            .any(|(run, _, signal)| run == instance.run && signal == Signal::KILL)
    }

    fn check_kill(
        &mut self,
        turn: &Turn,
        place: usize,
        heard: &Heard,
        all_killed: bool,
    ) -> Verdict {
        let Some(instance) = self.books[place].live() else {
            return Ok(());
        };
        let (from, until) = self.kill_window(instance);
        let commanded = heard.direct.contains(&(place, Signal::KILL));
        let killed = self.kill_now(turn, instance) && !commanded;
        let before = instance.killed.is_some();
        law(
            !killed || before || from.is_some_and(|at| at <= turn.now),
            "no SIGKILL before the grace is over",
            || format!("container {place} is due {from:?}: {turn:?}"),
        )?;
        let overdue = until.is_some_and(|at| at <= turn.now) && !before;
        law(
            killed || all_killed || !overdue,
            "SIGKILL when the grace is over",
            || format!("container {place} was due {until:?}: {turn:?}"),
        )?;
        let whole = !killed
            || !self.books[place].plan.kills_its_tree
            || turn
                .strikes()
                .any(|strike| strike == (instance.run, Target::Tree, Signal::KILL));
        law(whole, "a container's whole tree is killed", || {
            format!("container {place}: {turn:?}")
        })?;
        if let Some(instance) = self.books[place]
            .live_mut()
            .filter(|_| killed || all_killed)
        {
            instance.killed = instance.killed.or(Some(turn.now));
            for worker in &mut self.books[place].workers {
                worker.drop_attempt();
            }
        }
        Ok(())
    }

    /// What is left of an instance does not outlive it while the pod goes on.
    fn check_tree(&self, turn: &Turn, place: usize) -> Verdict {
        let book = &self.books[place];
        let ended = |action: &Fact| match action {
            Fact::Ended(run, _) => self.runs.get(run) == Some(&Use::Own(place)),
            _ => false,
        };
        let ended = turn.facts.iter().filter(|fact| ended(fact)).count();
        if ended == 0 || !book.plan.kills_its_tree || self.stop.is_some() {
            return Ok(());
        }
        let run = turn.facts.iter().find_map(|fact| match fact {
            Fact::Ended(run, _) if self.runs.get(run) == Some(&Use::Own(place)) => Some(*run),
            _ => None,
        });
        let killed = |action: &Action| match action {
            Action::Strike(struck, Target::Tree, Signal::KILL) => Some(*struck) == run,
            _ => false,
        };
        law(
            turn.actions.iter().any(killed),
            "a container's whole tree is killed",
            || {
                format!(
                    "container {place}, {:?}: {turn:?}",
                    book.next == Next::First
                )
            },
        )
    }

    /// An exec probe that is still at it at its timeout is killed with its tree (S41).
    fn check_timeouts(&mut self, turn: &Turn, place: usize, all_killed: bool) -> Verdict {
        for worker in &mut self.books[place].workers {
            let first = worker.timed_out_at.take() == Some(turn.now);
            let Some(run) = worker.lingering else {
                continue;
            };
            let killed = turn
                .strikes()
                .any(|strike| strike == (run, Target::Tree, Signal::KILL));
            law(
                killed || all_killed || !first,
                "an exec probe is killed at its timeout",
                || format!("{:?} of container {place}: {turn:?}", worker.kind),
            )?;
        }
        Ok(())
    }
}

/// Whether what was sent is what was heard, or a part of it.
fn handed_on(sent: &[Signal], heard: &[Signal], all: bool) -> bool {
    let mut left = heard.to_vec();
    let known = sent.iter().all(|signal| {
        let place = left.iter().position(|heard| heard == signal);
        place.map(|place| left.remove(place)).is_some()
    });
    known && (left.is_empty() || !all)
}
