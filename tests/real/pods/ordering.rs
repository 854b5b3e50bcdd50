//! What comes before what: init steps, sidecars, hooks, main commands; and at the stop the other way round.

use super::pod::{Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "pods: SC1: init steps wait for what they need, one after the other",
            init_order,
        ),
        case(
            "pods: SC6: a container runs when its postStart hook is done",
            post_start,
        ),
        case(
            "pods: SC6: a postStart hook that fails kills its container",
            failing_post_start,
        ),
        case(
            "pods: SC10: sidecars start before in order and stop after in reverse",
            sidecars,
        ),
        case(
            "pods: SC10: when the grace is used up, everything left is killed together",
            spent_grace,
        ),
        case(
            "pods: the README's web server starts, serves and stops in order",
            web,
        ),
    ]
}

/// STATUS of the pod, as `monopod status` prints it.
fn table_word(pod: &Pod) -> Outcome<String> {
    let table = pod.exec(&["/monopod", "status"])?;
    let row = table.lines().nth(1).unwrap_or_default();
    let word = row.split_whitespace().nth(2);
    word.map(str::to_owned)
        .ok_or_else(|| format!("no STATUS in {table:?}"))
}

fn init_order(scene: &Scene) -> Outcome {
    let mut pod = Pod::example(scene, "sc01-init-order.yaml", &[("sleep 2", "sleep 0.1")])?;
    pod.says("waiting for myservice")?;
    let status = pod.status()?;
    ensure!(
        status.phase() == "Pending"
            && status.runs("init-myservice")
            && status.reason("init-mydb") == "PodInitializing"
            && status.reason("myapp") == "PodInitializing"
            && status.condition("Initialized") == "False ContainersNotInitialized",
        "{status:?}"
    );
    pod.expect("/startupz", 503)?;
    pod.expect("/readyz", 503)?;
    let word = table_word(&pod)?;
    ensure!(word == "Init:0/2", "STATUS is {word}");

    pod.touch("/tmp/myservice")?;
    pod.says("waiting for mydb")?;
    let status = pod.status()?;
    ensure!(
        status.reason("init-myservice") == "Completed"
            && status.runs("init-mydb")
            && status.reason("myapp") == "PodInitializing",
        "{status:?}"
    );
    let word = table_word(&pod)?;
    ensure!(word == "Init:1/2", "STATUS is {word}");
    ensure!(
        !pod.stdout().contains("The app"),
        "the command came too early"
    );

    pod.touch("/tmp/mydb")?;
    pod.says("The app is running!")?;
    pod.becomes("/readyz", 200)?;
    pod.expect("/startupz", 200)?;
    let status = pod.status()?;
    ensure!(
        status.phase() == "Running" && status.condition("Initialized") == "True",
        "{status:?}"
    );
    let word = table_word(&pod)?;
    ensure!(word == "Running", "STATUS is {word}");
    pod.logged_in_order(&[
        "init-myservice started",
        "init-myservice is done",
        "init-mydb started",
        "init-mydb is done",
        "myapp started",
    ])?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.ends_with(143, asked).map(drop)
}

fn post_start(scene: &Scene) -> Outcome {
    // As it stands.
    let pod = Pod::example(scene, "sc06-post-start.yaml", &[])?;
    pod.becomes("/readyz", 200)?;
    ensure!(pod.path("/tmp/made-by-hook").is_dir(), "no directory");
    drop(pod);
    // With a hook that takes as long as the story wants.
    let patient =
        "[sh, -c, 'until test -e /tmp/go; do sleep 0.1; done; mkdir -p /tmp/made-by-hook']";
    let edit = ("[mkdir, -p, /tmp/made-by-hook]", patient);
    let pod = Pod::example(scene, "sc06-post-start.yaml", &[edit])?;
    // The entrypoint is there beside the hook, not after it.
    pod.logs("main started", 1)?;
    let status = pod.status()?;
    ensure!(
        !status.runs("main") && status.phase() == "Pending",
        "running before its hook is done: {status:?}"
    );
    pod.expect("/readyz", 503)?;
    pod.touch("/tmp/go")?;
    let status = pod.status_becomes("main runs", |status| status.runs("main"))?;
    ensure!(
        pod.path("/tmp/made-by-hook").is_dir(),
        "it runs without: {status:?}"
    );
    pod.becomes("/readyz", 200).map(drop)
}

fn failing_post_start(scene: &Scene) -> Outcome {
    let edit = (
        "[mkdir, -p, /tmp/made-by-hook]",
        "[rmdir, /tmp/made-by-hook]",
    );
    let pod = Pod::example(scene, "sc06-post-start.yaml", &[edit])?;
    pod.logs("postStart hook of main failed", 2)?;
    pod.logs("main is tried again in 10s", 1)?;
    let status = pod.status_becomes("it rests", |status| {
        status.reason("main") == "CrashLoopBackOff"
    })?;
    ensure!(status.restarts("main") >= 1, "{status:?}");
    ensure!(
        status.container("main")["lastState"]["terminated"]["exitCode"] == 143,
        "{status:?}"
    );
    let told = pod.events("FailedPostStartHook", "main")?;
    ensure!(told == 2, "FailedPostStartHook was told {told} times");
    pod.logged_in_order(&[
        "main started",
        "postStart hook of main failed",
        "stopping main: its postStart hook failed",
    ])?;
    pod.expect("/readyz", 503)
}

fn sidecars(scene: &Scene) -> Outcome {
    let mut pod = Pod::example(scene, "sc10-sidecars.yaml", &[])?;
    pod.says("main up")?;
    pod.becomes("/readyz", 200)?;
    pod.logged_in_order(&[
        "first started",
        "second started",
        "second has started up",
        "main started",
    ])?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    let took = pod.ends_with(0, asked)?;
    ensure!(took < Duration::from_secs(9), "the stop took {took:?}");
    let out = pod.stdout();
    let down: Vec<&str> = out.lines().filter(|line| line.ends_with("down")).collect();
    ensure!(
        down == ["main down", "second down", "first down"],
        "the order was {down:?}"
    );
    // Each had its signal only when the one before was gone.
    pod.logged_in_order(&["main exited", "second exited", "first exited"])
}

fn spent_grace(scene: &Scene) -> Outcome {
    let edits = [
        (
            "terminationGracePeriodSeconds: 10",
            "terminationGracePeriodSeconds: 2",
        ),
        ("; exit 0\"", "\""),
    ];
    let mut pod = Pod::example(scene, "sc10-sidecars.yaml", &edits)?;
    pod.says("main up")?;
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.says("main down")?;
    ensure!(
        !pod.stdout().contains("second down"),
        "a sidecar was asked while the command was there"
    );
    let took = pod.ends_with(137, asked)?;
    // 2 s of grace, and the 2 s that everybody has after its signal (S115).
    ensure!(
        (Duration::from_secs(4)..Duration::from_secs(7)).contains(&took),
        "the stop took {took:?}"
    );
    let kills = ["first", "second", "main"]
        .map(|name| pod.logged(&format!("{name} did not end within its grace")));
    ensure!(
        kills.iter().all(|kills| kills.len() == 1),
        "SIGKILL: {kills:?}"
    );
    let [first, second] = [kills[0][0], kills[1][0]];
    ensure!(
        first.abs_diff(second) < Duration::from_millis(100),
        "the sidecars were killed {first:?} and {second:?}"
    );
    Ok(())
}

fn web(scene: &Scene) -> Outcome {
    let mut pod = Pod::example(scene, "web.yaml", &[("seconds: 3", "seconds: 1")])?;
    pod.becomes("/readyz", 200)?;
    let page = pod.within(|| crate::http::get(80, "/index.html"))?;
    ensure!(
        page.body == "hello from the inside of one container\n",
        "{page:?}"
    );
    let asked = Instant::now();
    pod.signal(libc::SIGTERM)?;
    pod.becomes("/readyz", 503)?;
    // The load balancer has not looked yet.
    pod.within(|| crate::http::expect(80, "/now.txt", 200))?;
    let took = pod.ends_with(0, asked)?;
    ensure!(
        (Duration::from_secs(1)..Duration::from_secs(10)).contains(&took),
        "the stop took {took:?}"
    );
    pod.logged_in_order(&["content is done", "clock started", "nginx started"])?;
    pod.logged_in_order(&["stopping nginx", "nginx exited", "clock "])
}
