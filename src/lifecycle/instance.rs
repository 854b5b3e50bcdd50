//! One instance of a container: one run of its program from the order to start it to its end.
//!
//! Its stages carry what is true in them: there are probers only once the postStart hook is done (S70), and a stop only
//! while it is being stopped. Whether something replaces it is not its business.

use super::hook::Call;
use super::leftovers::Leftovers;
use super::probes::{Post, Probes};
use super::stopping::Stop;
use crate::machine::{
    Answer, AskId, Cause, Ending, Happening, KillCause, Outcome, RunId, Unstartable,
};
use crate::plan::{HookKind, ProbeKind, RestartPolicy, Signal};
use crate::time::Time;
use std::time::Duration;

/// What comes of an ask whose helper is gone.
const NO_HELPER: Answer = Answer {
    outcome: Outcome::Unknown,
    cause: Cause::NoHelper,
};

/// A run of a container's program.
#[derive(Debug)]
pub struct Instance {
    run: RunId,
    begun: Time,
    /// When its exec succeeded; probes count their delays from here.
    since: Option<Time>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Starting,
    PostStart(Call),
    Running(Probes),
    Stopping { stop: Stop, probes: Option<Probes> },
}

/// How an instance is to be stopped.
#[derive(Clone, Copy, Debug)]
pub struct StopOrder {
    /// Why.
    pub cause: KillCause,
    /// When it is to be over.
    pub stop_by: Time,
    /// The stop signal of a container that names none.
    pub signal: Signal,
    /// Whether the signal waits until others are gone (D.3).
    pub waits: bool,
}

impl Instance {
    /// An instance whose start was ordered as `run` at `begun`.
    pub fn new(run: RunId, begun: Time) -> Instance {
        Instance {
            run,
            begun,
            since: None,
            stage: Stage::Starting,
        }
    }

    /// Its run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// When its start was ordered.
    pub fn begun(&self) -> Time {
        self.begun
    }

    /// Since when it runs.
    pub fn since(&self) -> Option<Time> {
        self.since
    }

    /// Its exec succeeded.
    pub fn hear_started(&mut self, now: Time) {
        self.since = Some(now);
    }

    /// A run of a hook or a probe has ended, or never was.
    pub fn end(&mut self, post: &mut Post, run: RunId, how: Result<Ending, Unstartable>) {
        if let Some(call) = self.hook() {
            call.end(post.id, run, how, post.desk);
        }
        if let Some(probes) = self.probes_mut() {
            probes.end(post, run, how);
        }
    }

    /// An ask was answered.
    pub fn answer(&mut self, post: &mut Post, ask: AskId, answer: Answer) {
        if let Some(call) = self.hook() {
            call.answer(post.id, ask, answer, post.desk);
        }
        if let Some(probes) = self.probes_mut() {
            probes.answer(post, ask, answer);
        }
    }

    /// The helper was lost over an ask: a probe counts that as nothing, a hook is called anew.
    pub fn lose(&mut self, post: &mut Post, ask: AskId, died: bool) {
        if let Some(call) = self.hook() {
            call.lose(post.id, ask, died, post.desk);
        }
        if let Some(probes) = self.probes_mut() {
            probes.answer(post, ask, NO_HELPER);
        }
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time, post: &mut Post, leftovers: &mut Leftovers) {
        match &mut self.stage {
            Stage::PostStart(call) => call.lapse(now),
            Stage::Stopping { stop, .. } => stop.lapse(now),
            Stage::Starting | Stage::Running(_) => {}
        }
        if let Some(probes) = self.probes_mut() {
            probes.lapse(now, post, leftovers);
        }
    }

    /// Goes on as far as it can. While the pod goes on, it stops itself for a probe or for its postStart hook; `grace` is
    /// the pod's.
    pub fn settle(
        &mut self,
        now: Time,
        pod_goes_on: bool,
        grace: Duration,
        post: &mut Post,
        leftovers: &mut Leftovers,
    ) {
        let reason = self
            .settle_start(now, post, leftovers)
            .map(|cause| (cause, grace))
            .or_else(|| self.settle_probes(now, pod_goes_on, grace, post, leftovers));
        if let Some((cause, grace)) = reason.filter(|_| pod_goes_on) {
            let order = StopOrder {
                cause,
                stop_by: now.after(grace),
                signal: Signal::TERM,
                waits: false,
            };
            self.stop(now, order, post, leftovers);
        }
        self.settle_stop(now, post, leftovers);
    }

    /// From the exec over the postStart hook to the probes. A hook that fails is a reason to stop, in the full sequence
    /// (S73).
    fn settle_start(
        &mut self,
        now: Time,
        post: &mut Post,
        leftovers: &Leftovers,
    ) -> Option<KillCause> {
        if let (Stage::Starting, Some(_)) = (&self.stage, self.since) {
            self.stage = match post.plan.post_start {
                Some(hook) => Stage::PostStart(Call::new(HookKind::PostStart, hook)),
                None => Stage::Running(Probes::new(post.plan)),
            };
        }
        let Stage::PostStart(call) = &mut self.stage else {
            return None;
        };
        call.settle(now, post.id, leftovers, post.desk);
        match call.succeeded() {
            Some(true) => {
                self.stage = Stage::Running(Probes::new(post.plan));
                None
            }
            Some(false) => Some(KillCause::PostStart),
            None => None,
        }
    }

    /// Probes what runs. A probe's verdict is a reason to stop, with the grace that it brings: the probe's own, be it
    /// shorter or longer than the pod's (S104, S105).
    fn settle_probes(
        &mut self,
        now: Time,
        pod_goes_on: bool,
        grace: Duration,
        post: &mut Post,
        leftovers: &mut Leftovers,
    ) -> Option<(KillCause, Duration)> {
        let (Stage::Running(probes), Some(since)) = (&mut self.stage, self.since) else {
            return None;
        };
        if !pod_goes_on {
            probes.retire(leftovers);
        }
        probes.settle(now, since, post, leftovers);
        let kind = probes.condemns()?;
        let probe = match kind {
            ProbeKind::Startup => post.plan.startup_probe.as_ref(),
            ProbeKind::Liveness | ProbeKind::Readiness => post.plan.liveness_probe.as_ref(),
        };
        let again = post.plan.restart.policy != RestartPolicy::Never;
        let own_grace = probe.and_then(|probe| probe.grace);
        Some((KillCause::Probe(kind, again), own_grace.unwrap_or(grace)))
    }

    fn settle_stop(&mut self, now: Time, post: &mut Post, leftovers: &mut Leftovers) {
        let Stage::Stopping { stop, probes } = &mut self.stage else {
            return;
        };
        stop.settle(now, self.run, post.id, leftovers, post.desk);
        // Its exec succeeded only after it was asked to stop.
        if self.since.is_some() && probes.is_none() && post.plan.post_start.is_none() {
            probes.insert(Probes::new(post.plan)).retire(leftovers);
        }
        if let (Some(probes), Some(since)) = (probes, self.since) {
            // What is being killed is not asked any more how it is.
            match stop.is_past_its_grace() {
                true => probes.cease(leftovers),
                false => probes.settle(now, since, post, leftovers),
            }
        }
    }

    /// It is to be stopped. Nothing is done before the turn settles.
    pub fn stop(
        &mut self,
        now: Time,
        order: StopOrder,
        post: &mut Post,
        leftovers: &mut Leftovers,
    ) {
        post.desk.say(Happening::Killing(post.id, order.cause));
        let signal = post.plan.stop_signal.unwrap_or(order.signal);
        let stop = || {
            let stop = Stop::new(now, order.cause, order.stop_by, signal, post.plan.pre_stop);
            match order.waits {
                true => stop.waits_for_its_turn(),
                false => stop,
            }
        };
        let probes = match std::mem::replace(&mut self.stage, Stage::Starting) {
            Stage::Stopping { mut stop, probes } => {
                stop.join(now, order.cause, order.stop_by);
                self.stage = Stage::Stopping { stop, probes };
                return;
            }
            Stage::Starting => None,
            Stage::PostStart(call) => {
                call.abandon(leftovers);
                None
            }
            Stage::Running(mut probes) => {
                probes.retire(leftovers);
                Some(probes)
            }
        };
        self.stage = Stage::Stopping {
            stop: stop(),
            probes,
        };
    }

    /// Kills it with its tree if its grace is over, unless `all` are killed anyway.
    pub fn kill_if_overdue(&mut self, all: bool, post: &mut Post) {
        if let Stage::Stopping { stop, .. } = &mut self.stage {
            stop.kill_if_due(self.run, post.id, all, post.desk);
        }
    }

    /// The instance is gone, and nobody waits for its hooks and probes any more. Why it was being stopped, if it was.
    pub fn over(self, leftovers: &mut Leftovers) -> Option<KillCause> {
        match self.stage {
            Stage::Starting => None,
            Stage::PostStart(call) => {
                call.abandon(leftovers);
                None
            }
            Stage::Running(probes) => {
                probes.over(leftovers);
                None
            }
            Stage::Stopping { stop, probes } => {
                if let Some(probes) = probes {
                    probes.over(leftovers);
                }
                let cause = stop.cause();
                stop.abandon(leftovers);
                Some(cause)
            }
        }
    }

    /// Its start is behind it as far as those that come after it care: it runs, and its postStart hook, if it has one, is
    /// over (S71).
    pub fn is_past_its_start(&self) -> bool {
        match self.stage {
            Stage::Starting | Stage::PostStart(_) => false,
            Stage::Running(_) | Stage::Stopping { .. } => true,
        }
    }

    /// The stop that is under way.
    pub fn stopping(&self) -> Option<&Stop> {
        match &self.stage {
            Stage::Stopping { stop, .. } => Some(stop),
            _ => None,
        }
    }

    /// The stop that is under way.
    pub fn stopping_mut(&mut self) -> Option<&mut Stop> {
        match &mut self.stage {
            Stage::Stopping { stop, .. } => Some(stop),
            _ => None,
        }
    }

    /// Its probes, once its postStart hook is done.
    pub fn probes(&self) -> Option<&Probes> {
        match &self.stage {
            Stage::Running(probes) => Some(probes),
            Stage::Stopping { probes, .. } => probes.as_ref(),
            Stage::Starting | Stage::PostStart(_) => None,
        }
    }

    fn probes_mut(&mut self) -> Option<&mut Probes> {
        match &mut self.stage {
            Stage::Running(probes) => Some(probes),
            Stage::Stopping { probes, .. } => probes.as_mut(),
            Stage::Starting | Stage::PostStart(_) => None,
        }
    }

    fn hook(&mut self) -> Option<&mut Call> {
        match &mut self.stage {
            Stage::PostStart(call) => Some(call),
            Stage::Stopping { stop, .. } => stop.hook(),
            Stage::Starting | Stage::Running(_) => None,
        }
    }

    /// Whether it waits for a helper to ask its hook.
    pub fn waits_for_helper(&mut self) -> bool {
        self.hook().is_some_and(|call| call.waits_for_helper())
    }

    /// Whether its hook or a probe is due and found no seat.
    pub fn is_held_up(&mut self, leftovers: &Leftovers) -> bool {
        self.hook().is_some_and(|call| call.is_held_up(leftovers))
            || self.probes().is_some_and(Probes::is_held_up)
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        let stage = match &self.stage {
            Stage::PostStart(call) => call.deadline(),
            Stage::Stopping { stop, .. } => stop.deadline(),
            Stage::Starting | Stage::Running(_) => None,
        };
        let probes = self.probes().and_then(Probes::deadline);
        stage.into_iter().chain(probes).min()
    }
}
