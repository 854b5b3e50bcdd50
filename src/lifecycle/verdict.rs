//! What is to be said of the pod as a whole: its phase, its conditions, its exit code (kubelet-semantics F).

use super::container::Standing;
use super::crew::{Crew, Seen};
use super::order::Order;
use crate::machine::{Condition, ConditionReason, Phase, PodStatus};
use crate::plan::{ContainerId, ExitCode, GateId, Role, Signal};
use crate::time::Time;

/// The verdict as it stands.
#[derive(Debug)]
pub struct Verdict {
    phase: Phase,
    /// Initialized, ContainersReady, Ready, AllContainersRestarting.
    conditions: [Condition; 4],
    gates: Vec<Option<bool>>,
    /// The signal that asked for the stop.
    asked: Option<Signal>,
    /// activeDeadlineSeconds were over.
    deadline_exceeded: bool,
    /// The init container that failed for good.
    init_failed: Option<ContainerId>,
}

impl Verdict {
    /// The verdict on a pod that has not begun.
    pub fn new(gates: usize) -> Verdict {
        Verdict {
            phase: Phase::Pending,
            conditions: [Condition::default(); 4],
            gates: vec![None; gates],
            asked: None,
            deadline_exceeded: false,
            init_failed: None,
        }
    }

    /// A stop was asked for.
    pub fn hear_ask(&mut self, signal: Signal) {
        self.asked = Some(signal);
    }

    /// activeDeadlineSeconds are over.
    pub fn hear_deadline(&mut self) {
        self.deadline_exceeded = true;
    }

    /// An init container has failed for good.
    pub fn hear_init_failed(&mut self, id: ContainerId) {
        self.init_failed = Some(id);
    }

    /// Somebody outside set a gate.
    pub fn set_gate(&mut self, gate: GateId, holds: bool) {
        if let Some(gate) = self.gates.get_mut(gate.0) {
            *gate = Some(holds);
        }
    }

    /// What to leave with. A stop before any main container was begun is told by the signal that asked; otherwise it is the
    /// containers that decide, and who does not end at all counts as killed. A pod that outlived its activeDeadlineSeconds
    /// has failed, so its code is never 0.
    pub fn exit_code(&self, crew: &Crew) -> ExitCode {
        let pod = crew.plan();
        let code = |id: ContainerId| {
            let container = crew.containers().get(id.0)?;
            let left_behind = container.run().map(|_| ExitCode::by_signal(Signal::KILL));
            left_behind.or(container.end().map(|end| end.ending.code()))
        };
        let mains = || {
            pod.containers()
                .filter(|(_, container)| container.role == Role::Main)
                .map(|(id, _)| id)
        };
        let begun = mains().any(|id| crew.containers()[id.0].has_begun());
        let code = match (self.init_failed, self.asked) {
            (Some(id), _) => code(id),
            (None, Some(signal)) if !begun => Some(ExitCode::by_signal(signal)),
            (None, _) => pod.exit_code_from.and_then(code).or_else(|| {
                mains()
                    .filter_map(code)
                    .find(|code| *code != ExitCode::SUCCESS)
            }),
        };
        let code = match code.unwrap_or(ExitCode::SUCCESS) {
            ExitCode::SUCCESS if self.deadline_exceeded => ExitCode::FAILURE,
            code => code,
        };
        pod.remap_exit.apply(code)
    }

    /// Brings phase and conditions up to date. `anew`: all is being stopped to be started again; `ending`: since when the
    /// pod is being stopped or has come to its end.
    pub fn settle(
        &mut self,
        now: Time,
        crew: &Crew,
        order: &Order,
        anew: bool,
        ending: Option<Time>,
    ) {
        let seen = crew.seen();
        if !matches!(self.phase, Phase::Succeeded | Phase::Failed) {
            self.phase = self.phase(seen, order.initialized(), ending.is_some());
        }
        let ready = seen
            .iter()
            .all(|seen| seen.role == Role::Init || seen.ready);
        let gates = self.gates.iter().all(|gate| *gate == Some(true));
        let over = match self.phase {
            Phase::Succeeded => Some(ConditionReason::PodCompleted),
            Phase::Failed => Some(ConditionReason::PodFailed),
            Phase::Pending | Phase::Running => None,
        };
        let succeeded = self.phase == Phase::Succeeded;
        let initialized =
            order.initialized() || succeeded || !seen.iter().any(|s| s.role != Role::Main);
        let because = |holds, reason| match holds {
            true => ConditionReason::None,
            false => over.unwrap_or(reason),
        };
        let initialized_because = match (initialized, succeeded) {
            (true, true) => ConditionReason::PodCompleted,
            (true, false) => ConditionReason::None,
            (false, _) => ConditionReason::ContainersNotInitialized,
        };
        let ready = ready && over.is_none();
        let ready_because = match ready {
            true => because(gates, ConditionReason::ReadinessGatesNotReady),
            false => because(false, ConditionReason::ContainersNotReady),
        };
        let anew_because = match anew {
            true => ConditionReason::RestartAllContainersStarted,
            false => because(false, ConditionReason::None),
        };
        let news = [
            (initialized, initialized_because),
            (ready, because(ready, ConditionReason::ContainersNotReady)),
            (ready && gates, ready_because),
            (anew, anew_because),
        ];
        for (condition, (holds, reason)) in self.conditions.iter_mut().zip(news) {
            // S181: a new reason is no transition.
            if condition.holds != holds {
                condition.since = now;
            }
            (condition.holds, condition.reason) = (holds, reason);
        }
    }

    /// F.2
    fn phase(&self, seen: &[Seen], initialized: bool, ending: bool) -> Phase {
        let mains = || of(seen, Role::Main);
        let stands = |standing| move |seen: &Seen| seen.standing == standing;
        let live = seen.iter().any(stands(Standing::Live));
        if self.deadline_exceeded || self.init_failed.is_some() {
            return Phase::Failed;
        }
        if ending && !live {
            // What never ran is lost track of, which is no success (D.8).
            return match mains().all(stands(Standing::Done)) {
                true => Phase::Succeeded,
                false => Phase::Failed,
            };
        }
        match initialized && !mains().any(|seen| seen.unborn) {
            true => Phase::Running,
            false => Phase::Pending,
        }
    }

    /// All that can be seen.
    pub fn status(&self, crew: &Crew, ending: Option<Time>) -> PodStatus {
        let always = Condition {
            holds: true,
            ..Condition::default()
        };
        let [initialized, containers_ready, ready, anew] = self.conditions;
        let containers = crew.plan().containers.iter().zip(crew.containers());
        PodStatus {
            phase: self.phase,
            deadline_exceeded: self.deadline_exceeded,
            stopping_since: ending,
            conditions: [always, always, initialized, containers_ready, ready, anew],
            containers: containers
                .map(|(plan, container)| container.status(plan.role))
                .collect(),
            gates: self.gates.clone(),
        }
    }
}

fn of(seen: &[Seen], role: Role) -> impl Iterator<Item = &Seen> {
    seen.iter().filter(move |seen| seen.role == role)
}
