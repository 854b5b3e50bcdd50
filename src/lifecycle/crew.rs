//! All containers of the pod together: which fact is whose, who was touched in this turn, who wants to be woken when.
//!
//! A pod may have a thousand containers, and most turns are about one of them. So only the touched are looked at, and of
//! the others no more than what [`Seen`] keeps in a few bytes each. The alarms are a second look at deadlines that live in
//! the containers' states; they are renewed in one place, for everybody who was touched.

use super::container::{Container, Judgement, Standing};
use super::desk::Desk;
use super::probes::Post;
use crate::machine::{Answer, AskId, Ending, Happening, RunId, Unstartable};
use crate::plan::{self, ContainerId, Role, Signal, Target};
use crate::time::Time;
use std::collections::BTreeSet;

/// The containers.
#[derive(Debug)]
pub struct Crew {
    plan: plan::Pod,
    containers: Vec<Container>,
    seen: Vec<Seen>,
    touched: BTreeSet<ContainerId>,
    alarms: BTreeSet<(Time, ContainerId)>,
    waiting_for_helper: BTreeSet<ContainerId>,
    /// Those of whose hooks or probes one is due and found no seat.
    held_up: BTreeSet<ContainerId>,
    /// Where orders are given.
    pub desk: Desk,
}

/// What the pod as a whole knows of a container.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it is to the pod.
    pub role: Role,
    /// Where it stands.
    pub standing: Standing,
    /// In service.
    pub ready: bool,
    /// Running and started up.
    pub started: bool,
    /// Waits, and has no instance behind it.
    pub unborn: bool,
    alarm: Option<Time>,
}

impl Crew {
    /// Containers of which none was started.
    pub fn new(plan: &plan::Pod) -> Crew {
        let new = |container: &plan::Container| Seen {
            role: container.role,
            standing: Standing::New,
            ready: false,
            started: false,
            unborn: true,
            alarm: None,
        };
        Crew {
            containers: plan
                .containers
                .iter()
                .map(|_| Container::default())
                .collect(),
            seen: plan.containers.iter().map(new).collect(),
            plan: plan.clone(),
            touched: BTreeSet::new(),
            alarms: BTreeSet::new(),
            waiting_for_helper: BTreeSet::new(),
            held_up: BTreeSet::new(),
            desk: Desk::default(),
        }
    }

    /// What was asked for.
    pub fn plan(&self) -> &plan::Pod {
        &self.plan
    }

    /// All containers, in order.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// What the pod knows of them, in order; true since the last [`Crew::note`].
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Does something with a container, which so is touched; nothing if there is none.
    pub fn with<T>(
        &mut self,
        id: ContainerId,
        act: impl FnOnce(&mut Container, &mut Post) -> T,
    ) -> Option<T> {
        let container = self.containers.get_mut(id.0)?;
        let plan = self.plan.containers.get(id.0)?;
        self.touched.insert(id);
        let desk = &mut self.desk;
        Some(act(container, &mut Post { id, plan, desk }))
    }

    /// Does something with every container.
    pub fn with_all(&mut self, mut act: impl FnMut(&mut Container, &mut Post)) {
        for id in 0..self.containers.len() {
            self.with(ContainerId(id), &mut act);
        }
    }

    /// Does something with every container that was touched.
    pub fn with_touched(&mut self, mut act: impl FnMut(&mut Container, &mut Post)) {
        let touched: Vec<ContainerId> = self.touched.iter().copied().collect();
        for id in touched {
            self.with(id, &mut act);
        }
    }

    /// Who was touched.
    pub fn touched(&self) -> &BTreeSet<ContainerId> {
        &self.touched
    }

    /// Sends a signal to every run of a container of this role. Whether there was any.
    pub fn strike_all(&mut self, role: Role, signal: Signal) -> bool {
        let mut any = false;
        for (container, seen) in self.containers.iter().zip(&self.seen) {
            if seen.role == role
                && let Some(run) = container.run()
            {
                self.desk.strike(run, Target::Process, signal);
                any = true;
            }
        }
        any
    }

    /// The run of the containers of this role, if there is but one.
    pub fn only_run(&self, role: Role) -> Option<RunId> {
        let with_looks = self.containers.iter().zip(&self.seen);
        let mut runs = with_looks
            .filter(|(_, seen)| seen.role == role)
            .filter_map(|(container, _)| container.run());
        let only = runs.next();
        only.filter(|_| runs.next().is_none())
    }

    /// A run's exec succeeded.
    pub fn hear_started(&mut self, now: Time, run: RunId) {
        if let Some(id) = self.desk.owner_of(run) {
            self.with(id, |container, post| container.hear_started(now, post, run));
        }
    }

    /// A run is over, or never was if there is a reason for that. `asked`: the pod was asked to stop.
    pub fn hear_over(
        &mut self,
        now: Time,
        run: RunId,
        how: Result<Ending, Unstartable>,
        asked: bool,
    ) {
        if let Some(id) = self.desk.close_run(run) {
            self.with(id, |container, post| {
                container.hear_over(now, post, run, how, asked);
            });
        }
    }

    /// An ask was answered. A late answer has no owner any more, or one that does not wait for it.
    pub fn hear_answer(&mut self, ask: AskId, answer: Answer) {
        if let Some(id) = self.desk.close_ask(ask) {
            self.with(id, |container, post| {
                container.hear_answer(post, ask, answer)
            });
        }
    }

    /// The helper is gone, and no open ask will be answered. `died`: there was one, so it may have died of an ask.
    pub fn hear_helper_lost(&mut self, died: bool) {
        for (ask, id) in self.desk.close_all_asks() {
            self.with(id, |container, post| container.hear_loss(post, ask, died));
        }
    }

    /// A helper has been started: those who waited for one go on.
    pub fn hear_helper(&mut self) {
        self.touched.append(&mut self.waiting_for_helper);
    }

    /// Those whose deadlines are due, and those for whom a seat is kept in this turn.
    pub fn lapse(&mut self, now: Time) {
        let called = self.desk.seats.begin_turn(now, &self.held_up);
        self.touched.extend(called);
        let due: Vec<ContainerId> = self
            .alarms
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            self.with(id, |container, post| container.lapse(now, post));
        }
    }

    /// Decides what ends mean. The init container that has failed for good, and the one whose rule starts all anew.
    pub fn judge(
        &mut self,
        now: Time,
        pod_goes_on: bool,
    ) -> (Option<ContainerId>, Option<ContainerId>) {
        let (mut init_failed, mut all_anew) = (None, None);
        self.with_touched(
            |container, post| match container.judge(now, pod_goes_on, post) {
                Judgement::Nothing => {}
                Judgement::InitFailed => init_failed = init_failed.or(Some(post.id)),
                Judgement::AllAnew => all_anew = all_anew.or(Some(post.id)),
            },
        );
        self.note();
        (init_failed, all_anew)
    }

    /// Brings up to date what the pod decides by: where everybody stands.
    pub fn note(&mut self) {
        for id in &self.touched {
            self.seen[id.0].standing = self.containers[id.0].standing();
        }
    }

    /// All have acted: what can be seen of them is brought up to date, and people are told what has changed.
    pub fn tell(&mut self) {
        for id in &self.touched {
            let (container, seen) = (&self.containers[id.0], &mut self.seen[id.0]);
            let (was_started, was_ready) = (seen.started, seen.ready);
            seen.standing = container.standing();
            seen.started = container.is_started();
            seen.ready = container.is_ready(seen.role);
            seen.unborn = container.is_unborn();
            if seen.role == Role::Init {
                continue;
            }
            if seen.started && !was_started {
                self.desk.say(Happening::StartedUp(*id));
            }
            if seen.ready != was_ready {
                self.desk.say(Happening::Readiness(*id, seen.ready));
            }
        }
    }

    /// The turn is over: the alarms are set anew for all who were touched.
    pub fn turn_over(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let (container, seen) = (&mut self.containers[id.0], &mut self.seen[id.0]);
            if container.waits_for_helper() {
                self.waiting_for_helper.insert(id);
            }
            match container.is_held_up() {
                true => self.held_up.insert(id),
                false => self.held_up.remove(&id),
            };
            let alarm = container.deadline();
            if alarm != seen.alarm {
                if let Some(old) = seen.alarm {
                    self.alarms.remove(&(old, id));
                }
                self.alarms.extend(alarm.map(|at| (at, id)));
                seen.alarm = alarm;
            }
        }
    }

    /// When somebody wants to be woken first.
    pub fn deadline(&self) -> Option<Time> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let held_up = match self.held_up.is_empty() {
            true => None,
            false => self.desk.seats.next_turn(),
        };
        alarm.into_iter().chain(held_up).min()
    }
}
