//! What each policy does with a command that ends at once.

use super::pod::{Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene};
use std::time::Duration;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![case(
        "pods: SC13: each restart policy, and rests of 0 and 10 s, and then 20",
        policies,
    )]
}

fn policies(scene: &Scene) -> Outcome {
    let pod = Pod::example(scene, "sc13-restart-policies.yaml", &[])?;
    let restless = ["always", "on-failure-failing", "never-but-42"];
    for name in restless {
        pod.logs(&format!("{name} is tried again in 10s"), 1)?;
        pod.logged_in_order(&[
            &format!("{name} started"),
            &format!("{name} is tried again at once"),
            &format!("{name} started"),
            &format!("{name} is tried again in 10s"),
        ])?;
    }
    for name in restless {
        let status = pod.status_becomes("it rests", |status| {
            status.reason(name) == "CrashLoopBackOff"
        })?;
        let message = &status.container(name)["state"]["waiting"]["message"];
        ensure!(
            message
                .as_str()
                .is_some_and(|message| message.contains("back-off 10s")),
            "{status:?}"
        );
    }
    let left_alone = |pod: &Pod| {
        let status = pod.status()?;
        let seen: Vec<_> = ["on-failure", "never"]
            .iter()
            .map(|name| (status.reason(name).to_owned(), status.restarts(name)))
            .collect();
        let wanted = [("Completed".to_owned(), 0), ("Error".to_owned(), 0)];
        ensure!(seen == wanted, "{status:?}");
        Ok(())
    };
    left_alone(&pod)?;
    for name in restless {
        let third = pod.logs(&format!("{name} started"), 3)?;
        let rested = pod.logs(&format!("{name} is tried again in 10s"), 1)?;
        let rest = third.saturating_sub(rested);
        ensure!(
            (Duration::from_millis(9_950)..Duration::from_secs(12)).contains(&rest),
            "{name} rested for {rest:?}"
        );
        pod.logs(&format!("{name} is tried again in 20s"), 1)?;
        let status = pod.status()?;
        ensure!(status.restarts(name) == 2, "{name}: {status:?}");
    }
    left_alone(&pod)
}
