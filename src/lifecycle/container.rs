//! One container through all its instances: waiting, live, ended, resting, over (kubelet-semantics E, F.1).
//!
//! A turn goes through it in three steps: what is heard is only noted; [`Container::judge`] decides what an end means;
//! [`Container::settle`] acts. So it makes no difference which of two facts of one turn was heard first: a container that
//! ended in the turn that brought its last probe failure, or SIGTERM, has ended.

mod status;

pub use status::Standing;

use super::backoff::Backoff;
use super::instance::{Instance, StopOrder};
use super::leftovers::Leftovers;
use super::probes::{Post, Probes};
use super::restart::{Fate, fate};
use super::stopping::Stop;
use crate::machine::{
    Answer, AskId, Ending, Happening, KillCause, RunId, Termination, Unstartable, WaitingReason,
};
use crate::plan::{Role, Signal, Target};
use crate::time::Time;
use std::time::Duration;

/// A container of the pod.
#[derive(Debug, Default)]
pub struct Container {
    state: State,
    backoff: Backoff,
    leftovers: Leftovers,
    /// The instance that ended in this turn, if its tree is to be killed should the pod go on.
    remains: Option<RunId>,
    /// Instances so far.
    instances: u32,
    /// Instances that failed in a row.
    failures: u32,
    /// How the newest instance that is over ended, and the one before it.
    newest_end: Option<Termination>,
    older_end: Option<Termination>,
    last_start: Option<Time>,
    /// What there is to say while it does not run.
    trouble: Option<WaitingReason>,
    /// Whether the next in order may be started.
    lets_pass: bool,
}

#[derive(Debug, Default)]
enum State {
    /// To be started when it is its turn.
    #[default]
    Waiting,
    Live(Box<Instance>),
    /// Ended in this turn; what that means is not decided yet.
    Ended {
        run: RunId,
        begun: Time,
        killed: Option<KillCause>,
    },
    Resting {
        until: Time,
        rest: Duration,
    },
    /// For good.
    Over,
}

/// What a judgement means to the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing that it does not see by itself.
    Nothing,
    /// An init container has failed for good.
    InitFailed,
    /// All containers are to be started anew.
    AllAnew,
}

impl Container {
    /// The main run's exec succeeded; other runs' is no news.
    pub fn hear_started(&mut self, now: Time, post: &mut Post, run: RunId) {
        if let State::Live(instance) = &mut self.state
            && instance.run() == run
        {
            post.desk.say(Happening::ContainerStarted(post.id));
            instance.hear_started(now);
            self.last_start = Some(now);
            // A start is not over, and what went wrong with the last one not mended, before the hook is (S73).
            if post.plan.post_start.is_none() {
                self.trouble = None;
            }
        }
    }

    /// A run is over, or never was if there is a reason for that. `asked`: the pod was asked to stop.
    pub fn hear_over(
        &mut self,
        now: Time,
        post: &mut Post,
        run: RunId,
        how: Result<Ending, Unstartable>,
        asked: bool,
    ) {
        self.leftovers.end(run);
        let State::Live(instance) = &mut self.state else {
            return;
        };
        if instance.run() != run {
            return instance.end(post, run, how);
        }
        let asked = asked || instance.stopping().is_some();
        // Its SIGKILL was ours, whoever else was a victim at the time.
        let is_ours = instance.stopping().is_some_and(Stop::is_past_its_grace);
        let how = how.map(|ending| match ending {
            Ending::OutOfMemory if is_ours => Ending::Killed(Signal::KILL),
            ending => ending,
        });
        let begun = instance.begun();
        let end = Termination {
            ending: how.unwrap_or_else(|why| Ending::Exited(why.code())),
            unstartable: how.err(),
            started_at: instance.since().unwrap_or(begun),
            finished_at: now,
        };
        post.desk.say(match how {
            Ok(ending) => Happening::ContainerEnded(post.id, ending, asked),
            Err(why) => Happening::ContainerUnstartable(post.id, why),
        });
        self.older_end = self.newest_end.replace(end);
        let ended = State::Ended {
            run,
            begun,
            killed: None,
        };
        if let State::Live(instance) = std::mem::replace(&mut self.state, ended)
            && let State::Ended { killed, .. } = &mut self.state
        {
            *killed = instance.over(&mut self.leftovers);
        }
    }

    /// An ask was answered.
    pub fn hear_answer(&mut self, post: &mut Post, ask: AskId, answer: Answer) {
        if let State::Live(instance) = &mut self.state {
            instance.answer(post, ask, answer);
        }
    }

    /// The helper was lost over an ask; or, if it has not died, there was none.
    pub fn hear_loss(&mut self, post: &mut Post, ask: AskId, died: bool) {
        if let State::Live(instance) = &mut self.state {
            instance.lose(post, ask, died);
        }
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time, post: &mut Post) {
        match &mut self.state {
            State::Live(instance) => instance.lapse(now, post, &mut self.leftovers),
            State::Resting { until, .. } if *until <= now => self.state = State::Waiting,
            State::Waiting | State::Ended { .. } | State::Resting { .. } | State::Over => {}
        }
    }

    /// Decides what the end of this turn means, if there was one.
    pub fn judge(&mut self, now: Time, pod_goes_on: bool, post: &mut Post) -> Judgement {
        let (State::Ended { run, begun, killed }, Some(end)) = (&self.state, self.newest_end)
        else {
            return Judgement::Nothing;
        };
        let (run, begun, killed) = (*run, *begun, *killed);
        if !pod_goes_on {
            self.state = State::Over;
            return Judgement::Nothing;
        }
        self.remains = Some(run).filter(|_| post.plan.kills_its_tree && end.unstartable.is_none());
        self.lets_pass |= post.plan.role == Role::Main;
        self.failures = match end.ending.is_success() {
            true => 0,
            false => self.failures.saturating_add(1),
        };
        if end.unstartable.is_some() {
            self.trouble = Some(WaitingReason::RunContainerError);
        }
        let fate = fate(post.plan, &end, killed, self.failures);
        match fate {
            Fate::Done | Fate::Failed => self.state = State::Over,
            Fate::Afresh => {
                (self.backoff, self.failures) = (Backoff::default(), 0);
                self.state = State::Waiting;
            }
            Fate::WithAll => self.state = State::Waiting,
            // Upstream has no rest before all is started anew; without one, a container that fails at once would spin.
            Fate::Again | Fate::AllAnew => self.rest(now, begun, post),
        }
        match fate {
            Fate::Failed if post.plan.role == Role::Init => {
                if end.unstartable.is_none() {
                    post.desk.say(Happening::InitFailed(post.id, end.ending));
                }
                Judgement::InitFailed
            }
            Fate::AllAnew => Judgement::AllAnew,
            _ => Judgement::Nothing,
        }
    }

    fn rest(&mut self, now: Time, begun: Time, post: &mut Post) {
        let rest = self.backoff.rest(begun, now);
        post.desk.say(Happening::BackingOff(post.id, rest));
        self.state = match rest.is_zero() {
            true => State::Waiting,
            false => State::Resting {
                until: now.after(rest),
                rest,
            },
        };
    }

    /// Starts it, if it waits for that.
    pub fn start(&mut self, now: Time, post: &mut Post) {
        if matches!(self.state, State::Waiting) {
            let run = post.desk.start(post.id, post.plan.program);
            self.instances = self.instances.saturating_add(1);
            self.lets_pass |= post.plan.role == Role::Main && post.plan.post_start.is_none();
            self.state = State::Live(Box::new(Instance::new(run, now)));
        }
    }

    /// Goes on as far as it can without being started; `grace` is the pod's.
    pub fn settle(&mut self, now: Time, pod_goes_on: bool, grace: Duration, post: &mut Post) {
        if let State::Live(instance) = &mut self.state {
            instance.settle(now, pod_goes_on, grace, post, &mut self.leftovers);
            self.lets_pass |= match post.plan.role {
                Role::Init => false,
                Role::Sidecar => instance.probes().is_some_and(Probes::started),
                Role::Main => instance.is_past_its_start(),
            };
            if let Some(KillCause::PostStart) = instance.stopping().map(Stop::cause) {
                self.trouble = Some(WaitingReason::PostStartHookError);
            }
        }
        // As a real container's processes die with its first. If the pod ends with it, the sweep asks them to go.
        if let Some(run) = self.remains.take().filter(|_| pod_goes_on) {
            post.desk.strike(run, Target::Tree, Signal::KILL);
            self.leftovers.doom_all();
        }
        self.leftovers.settle(post.desk);
    }

    /// It is to be stopped, if it lives.
    pub fn stop(&mut self, now: Time, order: StopOrder, post: &mut Post) {
        if let State::Live(instance) = &mut self.state {
            instance.stop(now, order, post, &mut self.leftovers);
        }
    }

    /// Kills it with its tree if its grace is over, unless `all` are killed anyway.
    pub fn kill_if_overdue(&mut self, all: bool, post: &mut Post) {
        if let State::Live(instance) = &mut self.state {
            instance.kill_if_overdue(all, post);
        }
    }

    /// Whether it is to be killed now, or was.
    pub fn is_past_its_grace(&self) -> bool {
        self.stopping().is_some_and(Stop::is_past_its_grace)
    }

    /// The pod is being stopped: nothing starts any more (S117).
    pub fn give_up(&mut self) {
        if matches!(self.state, State::Waiting | State::Resting { .. }) {
            self.state = State::Over;
        }
    }

    /// Somebody wants it started without further rest: it was over, or rests.
    pub fn start_afresh(&mut self) {
        if matches!(self.state, State::Over | State::Resting { .. }) {
            (self.backoff, self.failures) = (Backoff::default(), 0);
            self.state = State::Waiting;
        }
    }

    /// All containers are started anew: it waits for its turn again. One that rests goes on resting meanwhile.
    pub fn begin_anew(&mut self, role: Role) {
        self.lets_pass = role == Role::Main && matches!(self.state, State::Resting { .. });
        if matches!(self.state, State::Over) {
            self.state = State::Waiting;
        }
    }

    /// Its own run, while it lives.
    pub fn run(&self) -> Option<RunId> {
        match &self.state {
            State::Live(instance) => Some(instance.run()),
            _ => None,
        }
    }

    /// The stop that is under way.
    pub fn stopping(&self) -> Option<&Stop> {
        match &self.state {
            State::Live(instance) => instance.stopping(),
            _ => None,
        }
    }

    /// Those that had to go first are gone: its stop signal waits no longer.
    pub fn give_turn(&mut self) {
        if let State::Live(instance) = &mut self.state
            && let Some(stop) = instance.stopping_mut()
        {
            stop.give_turn();
        }
    }

    /// Whether the next in order may be started: an init container has succeeded (S149), a sidecar was started up
    /// (S152, S153), a main container was begun and its postStart hook, if it has one, is over (S71). Whether an exec
    /// succeeds is not waited for: a thousand containers start at once.
    pub fn lets_pass(&self) -> bool {
        self.lets_pass || self.standing() == Standing::Done
    }

    /// Whether it waits for a helper to ask its hook.
    pub fn waits_for_helper(&mut self) -> bool {
        match &mut self.state {
            State::Live(instance) => instance.waits_for_helper(),
            _ => false,
        }
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Live(instance) => instance.deadline(),
            State::Resting { until, .. } => Some(*until),
            State::Waiting | State::Ended { .. } | State::Over => None,
        }
    }
}
