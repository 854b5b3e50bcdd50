//! A pod to test with, in a plan and in the middle of its life: a shop with two init containers, a sidecar, a web server
//! with all three probes, and a worker.

use super::view::{Frame, Moment, View};
use crate::machine::{
    Condition, ConditionReason, ContainerState, ContainerStatus, Ending, Phase, PodStatus,
    Termination, WaitingReason,
};
use crate::plan::{
    Asker, Check, CheckId, Conduct, Container, ContainerId, ExitCode, Handler, HttpGet,
    NetworkQuestion, Plan, Pod, Probe, Program, ProgramId, RestartPolicy, Role,
};
use crate::time::Time;
use std::ffi::CString;
use std::time::{Duration, SystemTime};

pub const MIGRATE: ContainerId = ContainerId(0);
pub const LOGGER: ContainerId = ContainerId(2);
pub const WEB: ContainerId = ContainerId(3);
pub const WORKER: ContainerId = ContainerId(4);

/// So many seconds after the start.
pub fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

fn container(name: &str, role: Role, program: usize) -> Container {
    let policy = match role {
        Role::Init => RestartPolicy::OnFailure,
        Role::Sidecar | Role::Main => RestartPolicy::Always,
    };
    Container::bare(name, role, ProgramId(program), policy)
}

/// The pod. Web's liveness probe is program 9, its startup and readiness probes are checks 1 and 0.
pub fn pod() -> Pod {
    let mut web = container("web", Role::Main, 3);
    web.startup_probe = Some(Probe::bare(Handler::Ask(CheckId(1))));
    web.liveness_probe = Some(Probe::bare(Handler::Exec(ProgramId(9))));
    web.readiness_probe = Some(Probe::bare(Handler::Ask(CheckId(0))));
    let containers = vec![
        container("migrate", Role::Init, 0),
        container("seed", Role::Init, 1),
        container("logger", Role::Sidecar, 2),
        web,
        container("worker", Role::Main, 4),
    ];
    Pod {
        name: Some("shop".to_owned()),
        readiness_gates: vec!["example.com/traffic".to_owned()],
        ..Pod::bare(containers, Duration::from_secs(30))
    }
}

/// The pod in its plan.
pub fn plan() -> Plan {
    let program = |name: &str| {
        Program::bare(
            name,
            [name, "--password=hunter2"]
                .map(|word| CString::new(word).expect("no NUL in a story"))
                .into(),
        )
    };
    let get = |path: &str| Check {
        question: NetworkQuestion::Http(HttpGet {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: 8080,
            path: path.to_owned(),
            headers: vec![("Authorization".to_owned(), "hunter2".to_owned())],
        }),
        timeout: Some(Duration::from_secs(1)),
        asker: Asker::Probe,
    };
    Plan {
        checks: vec![get("/ready?key=hunter2"), get("/up")],
        ..Plan::bare(
            (0..10).map(|n| program(&format!("program-{n}"))).collect(),
            Conduct::Pod(pod()),
        )
    }
}

/// A life that began at noon on the first of May 2026.
pub fn frame() -> Frame {
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_777_636_800_400);
    Frame::new(&plan(), start)
}

/// Exited with this code, having run between these seconds.
pub fn ended(code: u8, from: u64, to: u64) -> Termination {
    Termination {
        ending: Ending::Exited(ExitCode(code)),
        unstartable: None,
        started_at: at(from),
        finished_at: at(to),
    }
}

/// Waits, and never ran.
pub fn waiting() -> ContainerStatus {
    ContainerStatus {
        state: ContainerState::Waiting(WaitingReason::Initial),
        last: None,
        restarts: 0,
        ready: false,
        started: false,
        live: true,
        last_start: None,
    }
}

/// Runs since then and serves.
pub fn running(since: u64) -> ContainerStatus {
    ContainerStatus {
        state: ContainerState::Running(at(since)),
        ready: true,
        started: true,
        last_start: Some(at(since)),
        ..waiting()
    }
}

/// Over.
pub fn over(termination: Termination) -> ContainerStatus {
    ContainerStatus {
        state: ContainerState::Terminated(termination),
        ready: termination.ending.is_success(),
        last_start: Some(termination.started_at),
        ..waiting()
    }
}

/// A condition that does not hold, or holds, since then.
pub fn condition(holds: bool, reason: ConditionReason, since: u64) -> Condition {
    Condition {
        holds,
        reason,
        since: at(since),
    }
}

/// All serves, a minute into the life.
pub fn serving() -> View {
    let holds = |since| condition(true, ConditionReason::None, since);
    View {
        now: Moment(at(60)),
        status: PodStatus {
            phase: Phase::Running,
            deadline_exceeded: false,
            stopping_since: None,
            conditions: [
                holds(0),
                holds(0),
                holds(5),
                holds(8),
                holds(9),
                Condition::default(),
            ],
            containers: vec![
                over(ended(0, 0, 2)),
                over(ended(0, 2, 4)),
                running(4),
                running(5),
                running(5),
            ],
            gates: vec![Some(true)],
        },
        started_up: vec![true; 5],
        ..View::default()
    }
}

/// The first init container runs.
pub fn initializing() -> View {
    let mut view = serving();
    view.now = Moment(at(1));
    view.started_up = vec![false; 5];
    view.status.phase = Phase::Pending;
    view.status.gates = vec![None];
    let not = ConditionReason::ContainersNotReady;
    view.status.conditions[2] = condition(false, ConditionReason::ContainersNotInitialized, 0);
    view.status.conditions[3] = condition(false, not, 0);
    view.status.conditions[4] = condition(false, not, 0);
    view.status.containers = vec![waiting(); 5];
    view.status.containers[0] = ContainerStatus {
        ready: false,
        started: false,
        ..running(0)
    };
    view
}

/// Web crashes and rests.
pub fn crashing() -> View {
    let mut view = serving();
    let not = ConditionReason::ContainersNotReady;
    view.status.conditions[3] = condition(false, not, 50);
    view.status.conditions[4] = condition(false, not, 50);
    view.status.containers[WEB.0] = ContainerStatus {
        state: ContainerState::Waiting(WaitingReason::CrashLoopBackOff(Duration::from_secs(40))),
        last: Some(ended(1, 40, 50)),
        restarts: 3,
        last_start: Some(at(40)),
        ..waiting()
    };
    view
}
