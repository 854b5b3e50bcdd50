//! Bugs planted in the machine for pods. Some misread the plan, as a machine would that forgot a field or was one off;
//! others spoil what goes in or what comes out.

use crate::plans;
use crate::planted::{Spoilt, a_look_is_caught, is_caught};
use monopod::machine::{Action, AskId, Fact, Machine, RunId};
use monopod::plan::{
    Conduct, Container, Handler, Plan, Pod, Probe, ProgramId, RestartPolicy, Role, Signal, Target,
};
use monopod::time::Time;
use std::collections::HashMap;
use std::time::Duration;

/// The real machine with a plan that was misread.
fn misread(plan: &Plan, misread: impl Fn(&mut Pod)) -> Box<dyn Machine> {
    let mut plan = plan.clone();
    if let Conduct::Pod(pod) = &mut plan.conduct
        && pod
            .containers
            .iter()
            .any(|container| container.kills_its_tree)
    {
        misread(pod);
    }
    plans::machine(&plan)
}

fn probes(container: &mut Container) -> impl Iterator<Item = &mut Probe> {
    let probes = [
        &mut container.startup_probe,
        &mut container.liveness_probe,
        &mut container.readiness_probe,
    ];
    probes.into_iter().flatten()
}

#[track_caller]
fn misreading_is_caught(law: &str, how: impl Fn(&mut Container)) {
    is_caught(law, |_, plan| {
        misread(plan, |pod| pod.containers.iter_mut().for_each(&how))
    });
}

#[test]
fn a_failure_of_another_instance_that_counts_is_caught() {
    // Counters that are not reset trip one failure too early.
    misreading_is_caught("none without a reason", |container| {
        for probe in probes(container) {
            probe.failure_threshold = probe.failure_threshold.saturating_sub(1).max(1);
        }
    });
}

#[test]
fn a_failure_too_many_that_is_forgiven_is_caught() {
    misreading_is_caught("the stop signal is sent when it is due", |container| {
        probes(container).for_each(|probe| probe.failure_threshold += 1);
    });
}

#[test]
fn a_probes_own_grace_that_is_ignored_is_caught() {
    // The machine asks to be woken too late, long before it kills too late.
    misreading_is_caught("[deadline]", |container| {
        probes(container).for_each(|probe| probe.grace = None);
    });
}

#[test]
fn a_probes_own_grace_in_a_stop_of_the_pod_is_caught() {
    is_caught("[deadline]", |_, plan| {
        misread(plan, |pod| {
            let liveness = pod
                .containers
                .iter()
                .filter_map(|c| c.liveness_probe.as_ref());
            let least = liveness.filter_map(|probe| probe.grace).min();
            pod.grace = least.unwrap_or(pod.grace).min(pod.grace);
        })
    });
}

#[test]
fn an_initial_delay_that_is_ignored_is_caught() {
    misreading_is_caught("no attempt before its time", |container| {
        probes(container).for_each(|probe| probe.initial_delay = Duration::ZERO);
    });
}

#[test]
fn a_pre_stop_hook_that_is_forgotten_is_caught() {
    misreading_is_caught("hooks run in their time and not after", |container| {
        container.pre_stop = None;
    });
}

#[test]
fn a_post_start_hook_that_holds_nobody_is_caught() {
    misreading_is_caught("started (F.1)", |container| container.post_start = None);
}

#[test]
fn a_policy_that_is_ignored_is_caught() {
    misreading_is_caught("containers start in order and in time", |container| {
        container.restart.policy = RestartPolicy::Always;
    });
}

#[test]
fn an_init_container_that_nobody_waits_for_is_caught() {
    misreading_is_caught("containers start in order and in time", |container| {
        if container.role == Role::Init {
            container.role = Role::Sidecar;
        }
    });
}

#[test]
fn a_tree_that_is_left_behind_is_caught() {
    is_caught("a container's whole tree is killed", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, ());
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            let over = |run: &RunId| {
                facts
                    .iter()
                    .any(|fact| matches!(fact, Fact::Ended(r, _) if r == run))
            };
            actions.retain(|action| match action {
                Action::Strike(run, Target::Tree, _) => !over(run),
                _ => true,
            });
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn an_exec_probe_that_outlives_its_timeout_is_caught() {
    is_caught("an exec probe is killed at its timeout", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, ());
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            actions.retain(|action| !matches!(action, Action::Strike(_, Target::Tree, _)));
            actions
        };
        Box::new(spoilt)
    });
}

fn asks_for_a_stop(fact: &Fact) -> bool {
    matches!(fact, Fact::Signalled(Signal::TERM | Signal::INT, _))
}

#[test]
fn a_sidecar_that_is_signalled_too_early_is_caught() {
    // With the main containers instead of after them.
    #[derive(Default)]
    struct Sidecars {
        programs: Vec<ProgramId>,
        live: HashMap<ProgramId, RunId>,
    }
    is_caught("none without a reason", |machine, plan| {
        let mut sidecars = Sidecars::default();
        if let Conduct::Pod(pod) = &plan.conduct {
            let own = pod.containers.iter().filter(|c| c.role == Role::Sidecar);
            sidecars.programs = own.map(|container| container.program).collect();
        }
        let mut spoilt = Spoilt::new(machine, plan, sidecars);
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            let state = &mut spoilt.state;
            for action in &actions {
                if let Action::Start(run, program) = action
                    && state.programs.contains(program)
                {
                    state.live.insert(*program, *run);
                }
            }
            for fact in facts {
                if let Fact::Ended(run, _) | Fact::Unstartable(run, _) = fact {
                    state.live.retain(|_, live| live != run);
                }
            }
            if facts.iter().any(asks_for_a_stop) {
                let live = state.live.values();
                actions.extend(live.map(|run| Action::Strike(*run, Target::Process, Signal::TERM)));
            }
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_liveness_probe_after_the_stop_is_caught() {
    is_caught("no attempt while a gate is shut", |machine, plan| {
        let check = match &plan.conduct {
            Conduct::Pod(pod) => pod.containers.iter().find_map(|container| {
                match container.liveness_probe.as_ref()?.handler {
                    Handler::Ask(check) if container.role == Role::Main => Some(check),
                    _ => None,
                }
            }),
            Conduct::Passthrough(_) => None,
        };
        let mut spoilt = Spoilt::new(machine, plan, check);
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            if facts.iter().any(asks_for_a_stop) {
                let check = spoilt.state.take();
                actions.extend(check.map(|check| Action::Ask(AskId(u32::MAX), check)));
            }
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_back_off_that_is_not_forgotten_is_caught() {
    // Who ran for more than ten minutes is made to wait all the same.
    const FORGIVEN: Duration = Duration::from_secs(600);
    is_caught("containers start in order and in time", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, HashMap::<ProgramId, Time>::new());
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            actions.retain(|action| match action {
                Action::Start(_, program) => {
                    let before = spoilt.state.insert(*program, now);
                    before.is_none_or(|before| now.since(before) <= FORGIVEN)
                }
                _ => true,
            });
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_gate_that_is_taken_as_open_is_caught() {
    a_look_is_caught("Ready (F.3)", |_, status| {
        status.conditions[4].holds = status.conditions[3].holds;
    });
}

#[test]
fn a_container_that_is_called_ready_while_it_runs_is_caught() {
    a_look_is_caught("ready (F.1)", |_, status| {
        for container in &mut status.containers {
            container.ready |= container.started;
        }
    });
}

#[test]
fn a_condition_whose_time_moves_is_caught() {
    a_look_is_caught(
        "a condition's time changes only with its status",
        |now, status| {
            status.conditions[4].since = now;
        },
    );
}

#[test]
fn a_restart_that_is_not_counted_is_caught() {
    a_look_is_caught("restartCount", |_, status| {
        for container in &mut status.containers {
            container.restarts = container.restarts.saturating_sub(1);
        }
    });
}

#[test]
fn a_phase_that_goes_back_is_caught() {
    use monopod::machine::{ContainerState, Phase};
    a_look_is_caught("the phase", |_, status| {
        let rests = |state| matches!(state, ContainerState::Waiting(_));
        if status.phase == Phase::Running && status.containers.iter().all(|c| rests(c.state)) {
            status.phase = Phase::Pending;
        }
    });
}
