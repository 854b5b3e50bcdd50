//! The reasons that a user knows from kubectl, from the status of a pod that has one of each.

use super::pod::{Pod, case};
use super::status::Status;
use crate::containers::run;
use crate::ensure;
use crate::harness::inits;
use crate::harness::{Case, Outcome, Scene};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![case(
        "pods: SC16: reasons, conditions and phases are those that kubectl shows",
        reasons,
    )]
}

fn conditions(status: &Status) -> [String; 5] {
    [
        "PodScheduled",
        "PodReadyToStartContainers",
        "Initialized",
        "ContainersReady",
        "Ready",
    ]
    .map(|kind| status.condition(kind))
}

fn reasons(scene: &Scene) -> Outcome {
    // Each holds for as long as the story wants to look: the init step, the hook, and what is stopped for it.
    let edits = [
        (
            "[sleep, '3']",
            "[sh, -c, until test -e /tmp/go; do sleep 0.1; done]",
        ),
        (
            "[sleep, '3600']",
            "[sh, -c, 'trap \"until rm /tmp/leave; do sleep 0.1; done; exit 1\" TERM; while :; do sleep 0.1; done']",
        ),
        (
            "exec: { command: ['false'] }",
            "exec: { command: [sh, -c, until rm /tmp/fail; do sleep 0.1; done; exit 1] }",
        ),
    ];
    let pod = Pod::example(scene, "sc16-reasons.yaml", &edits)?;
    let status = pod.status_becomes("init runs", |status| status.runs("slow"))?;
    let waiting = ["crashing", "missing", "hooked", "failed", "done"];
    ensure!(
        waiting
            .iter()
            .all(|name| status.reason(name) == "PodInitializing"),
        "{status:?}"
    );
    ensure!(status.phase() == "Pending", "{status:?}");
    let seen = conditions(&status);
    let not_ready = "False ContainersNotReady";
    ensure!(
        seen == [
            "True",
            "True",
            "False ContainersNotInitialized",
            not_ready,
            not_ready
        ],
        "{seen:?}"
    );

    pod.touch("/tmp/go")?;
    // The hook holds back whatever comes after it, as in a pod.
    let status = pod.status_becomes("crashing rests", |status| {
        status.reason("crashing") == "CrashLoopBackOff" && status.reason("slow") == "Completed"
    })?;
    ensure!(status.condition("Initialized") == "True", "{status:?}");
    pod.touch("/tmp/fail")?;
    for time in 1..=2 {
        pod.logs("stopping hooked: its postStart hook failed", time)?;
        pod.status_becomes("it is stopped for its hook", |status| {
            status.reason("hooked") == "PostStartHookError"
        })?;
        pod.touch("/tmp/leave")?;
        pod.touch("/tmp/fail")?;
    }
    let status = pod.status_becomes("all have come to where they go", |status| {
        ["crashing", "missing", "hooked"]
            .iter()
            .all(|name| status.reason(name) == "CrashLoopBackOff")
            && status.reason("failed") == "Error"
            && status.reason("done") == "Completed"
    })?;
    ensure!(status.phase() == "Running", "{status:?}");
    let now = conditions(&status);
    ensure!(
        now == ["True", "True", "True", not_ready, not_ready],
        "{now:?}"
    );
    let last = &status.container("missing")["lastState"]["terminated"];
    ensure!(
        last["reason"] == "StartError" && last["exitCode"] == 128,
        "{status:?}"
    );
    ensure!(
        pod.events("Failed", "missing")? >= 2,
        "{}",
        pod.get("/events")?.body
    );
    run_container_error(&pod)
}

/// It is the reason from one attempt's failure to the next one's: for as long as a fork takes. Restarted again and again,
/// it is seen.
fn run_container_error(pod: &Pod) -> Outcome {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let restarts = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut command = Command::new(inits::monopod());
                command
                    .args(["restart", "missing"])
                    .env("MONOPOD_CONTROL", pod.path("/run/monopod/control.sock"));
                run(&mut command)?;
            }
            Ok(())
        });
        let seen = pod.status_becomes("it could not be run", |status| {
            status.reason("missing") == "RunContainerError"
        });
        over.store(true, Ordering::Relaxed);
        let restarted = restarts
            .join()
            .unwrap_or_else(|_| Err("a thread panicked".to_owned()));
        seen.and(restarted)
    })
}
