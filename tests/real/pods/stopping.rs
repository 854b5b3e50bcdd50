//! One clock for the whole stop: hook, signal, SIGKILL.

use super::pod::{Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "pods: SC12: the hook ends before the signal, and the clock runs from the request",
            stubborn,
        ),
        case(
            "pods: SC14: a hook that outlasts the grace does not keep the signal back",
            long_hook,
        ),
        case(
            "pods: SC14: after a hook that outlasts the grace 2 s are left",
            long_hook_and_deaf,
        ),
    ]
}

fn seconds(from: u64, to: u64) -> std::ops::Range<Duration> {
    Duration::from_secs(from)..Duration::from_secs(to)
}

fn stubborn(scene: &Scene) -> Outcome {
    let edits = [
        (
            "terminationGracePeriodSeconds: 10",
            "terminationGracePeriodSeconds: 4",
        ),
        ("sleep 3]", "sleep 1; echo gone > /proc/1/fd/1]"),
        ("sleep 1; done", "sleep 0.1; done"),
    ];
    let mut pod = Pod::example(scene, "sc12-stubborn.yaml", &edits)?;
    pod.becomes("/readyz", 200)?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.becomes("/readyz", 503)?;
    let unready = asked.elapsed();
    ensure!(
        unready < Duration::from_millis(500),
        "readiness went after {unready:?}"
    );
    pod.says("I heard, and stay")?;
    let heard = asked.elapsed();
    ensure!(
        seconds(1, 3).contains(&heard),
        "the signal came after {heard:?}"
    );
    let said = pod.stdout();
    ensure!(
        said == "goodbye\ngone\nI heard, and stay\n",
        "it said {said:?}"
    );
    pod.expect("/livez", 200)?;
    let took = pod.ends_with(137, asked)?;
    ensure!(seconds(4, 6).contains(&took), "the stop took {took:?}");
    pod.logged_in_order(&["main did not end within its grace", "main was killed by"])
}

/// A grace of two seconds.
const SHORT: (&str, &str) = (
    "terminationGracePeriodSeconds: 5",
    "terminationGracePeriodSeconds: 2",
);

fn long_hook(scene: &Scene) -> Outcome {
    let mut pod = Pod::example(scene, "sc14-long-hook.yaml", &[SHORT])?;
    pod.becomes("/readyz", 200)?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.says("heard")?;
    let took = pod.ends_with(0, asked)?;
    ensure!(seconds(2, 4).contains(&took), "the stop took {took:?}");
    pod.logged_in_order(&["preStop hook of main is still at it", "main exited"])
}

fn long_hook_and_deaf(scene: &Scene) -> Outcome {
    let mut pod = Pod::example(scene, "sc14-long-hook.yaml", &[SHORT, ("; exit 0\"", "\"")])?;
    pod.becomes("/readyz", 200)?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.says("heard")?;
    let heard = asked.elapsed();
    ensure!(
        seconds(2, 4).contains(&heard),
        "the signal came after {heard:?}"
    );
    let took = pod.ends_with(137, asked)?;
    ensure!(seconds(4, 6).contains(&took), "the stop took {took:?}");
    Ok(())
}
