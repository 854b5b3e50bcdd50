//! The reasons that a user knows from kubectl, from the status of a pod that has one of each.

use super::pod::{Pod, Status, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene};
use std::collections::BTreeSet;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![case(
        "SC16: reasons, conditions and phases are those that kubectl shows",
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
    // Both hold for as long as the story wants to look.
    let edits = [
        (
            "[sleep, '3']",
            "[sh, -c, until test -e /tmp/go; do sleep 0.1; done]",
        ),
        (
            "exec: { command: ['false'] }",
            "exec: { command: [sh, -c, until test -e /tmp/fail; do sleep 0.1; done; exit 1] }",
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
    let mut seen = BTreeSet::new();
    let mut note = |status: &Status| {
        for name in waiting {
            seen.insert(format!("{name} {}", status.reason(name)));
        }
    };
    // The hook holds back whatever comes after it, as in a pod.
    let status = pod.status_becomes("crashing rests", |status| {
        note(status);
        status.reason("crashing") == "CrashLoopBackOff" && status.reason("slow") == "Completed"
    })?;
    ensure!(status.condition("Initialized") == "True", "{status:?}");
    pod.touch("/tmp/fail")?;
    let status = pod
        .status_becomes("all have come to where they go", |status| {
            note(status);
            ["crashing", "missing", "hooked"]
                .iter()
                .all(|name| status.reason(name) == "CrashLoopBackOff")
                && status.reason("failed") == "Error"
                && status.reason("done") == "Completed"
        })
        .map_err(|why| format!("{why}; seen: {seen:?}"))?;
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
    ensure!(seen.contains("hooked PostStartHookError"), "{seen:?}");
    Ok(())
}
