//! Probes of real servers: when a container is ready, when it is killed, and when nothing happens.

use super::pod::{self, Line, Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use std::time::Duration;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "pods: SC2: nginx is ready when its page is there",
            page_appears,
        ),
        case(
            "pods: SC3: without its file it is restarted, and then with a rest",
            file_goes,
        ),
        case(
            "pods: SC4: without its page nginx is unready, then restarted; with it ready",
            page_goes,
        ),
        case(
            "pods: SC5: a port where nobody listens is a restart at the third failure",
            deaf_port,
        ),
        case(
            "pods: SC7: a redis that is stopped is unready, then killed and restarted",
            stopped_redis,
        ),
        case("pods: SC9: readiness and liveness of one port", one_port),
        case("pods: SC15: an unknown outcome changes nothing", outcomes),
        case(
            "pods: SC17: the time to a kill is that of the formula",
            formula,
        ),
        case(
            "pods: SC18: liveness is held until it has started, and a small budget kills",
            slow_starter,
        ),
    ]
}

fn page_appears(scene: &Scene) -> Outcome {
    let pod = Pod::example(scene, "sc02-readiness-http.yaml", &[])?;
    let failed = "readiness probe of nginx failed: HTTP probe failed with statuscode: 404";
    pod.logs(failed, 1)?;
    let status = pod.status()?;
    ensure!(
        status.phase() == "Running"
            && status.runs("nginx")
            && !status.is_ready("nginx")
            && status.condition("ContainersReady") == "False ContainersNotReady",
        "{status:?}"
    );
    pod.expect("/readyz", 503)?;
    let table = pod.exec(&["/monopod", "status"])?;
    ensure!(table.contains("0/1"), "{table}");
    let before = pod.logged(failed).len();
    pod.touch("/var/www/html/index1.html")?;
    pod.becomes("/readyz", 200)?;
    // Within one period: at most the attempt that was under way did not see it.
    let after = pod.logged(failed).len();
    ensure!(after <= before + 1, "{before} failures, then {after}");
    let status = pod.status()?;
    ensure!(
        status.is_ready("nginx") && status.restarts("nginx") == 0,
        "{status:?}"
    );
    let table = pod.exec(&["/monopod", "status"])?;
    ensure!(table.contains("1/1"), "{table}");
    Ok(())
}

fn file_goes(scene: &Scene) -> Outcome {
    let edits = [
        ("sleep 30", "sleep 2"),
        ("periodSeconds: 3", "periodSeconds: 1"),
    ];
    let pod = Pod::example(scene, "sc03-liveness-exec.yaml", &edits)?;
    let status = pod.status_becomes("it runs", |status| status.runs("liveness"))?;
    ensure!(status.restarts("liveness") == 0, "{status:?}");
    let killing = "stopping liveness: it failed its liveness probe and will be restarted";
    pod.logs(killing, 1)?;
    let failures = pod.logged_before("liveness probe of liveness failed", killing);
    ensure!(failures == 3, "{failures} failures before the kill");
    // The first time at once.
    let status = pod.status_becomes("it was restarted", |status| {
        status.restarts("liveness") == 1 && status.runs("liveness")
    })?;
    ensure!(
        status.container("liveness")["lastState"]["terminated"]["exitCode"] == 143,
        "{status:?}"
    );
    // The second time with a rest.
    pod.logs(killing, 2)?;
    let status = pod.status_becomes("it rests", |status| {
        status.reason("liveness") == "CrashLoopBackOff"
    })?;
    let message = &status.container("liveness")["state"]["waiting"]["message"];
    ensure!(
        message
            .as_str()
            .is_some_and(|message| message.contains("back-off 10s")),
        "{status:?}"
    );
    let told = pod.events("Killing", "liveness")?;
    ensure!(told == 2, "Killing was told {told} times");
    Ok(())
}

fn page_goes(scene: &Scene) -> Outcome {
    // Readiness asks twice as often, or nginx could have ended before its third failure is heard.
    let readiness = "readinessProbe: { httpGet: { path: /index.html, port: http }, initialDelaySeconds: 1, periodSeconds: 1 }";
    let edits = [
        ("initialDelaySeconds: 5", "initialDelaySeconds: 1"),
        ("periodSeconds: 3", "periodSeconds: 2"),
        ("readinessProbe: *index", readiness),
    ];
    let pod = Pod::example(scene, "sc04-probes-http.yaml", &edits)?;
    pod.becomes("/readyz", 200)?;
    pod.remove("/var/www/html/index.html")?;
    let restarted = "stopping nginx: it failed its liveness probe and will be restarted";
    pod.becomes("/readyz", 503)?;
    for (probe, until) in [
        ("liveness probe of nginx failed", restarted),
        ("readiness probe of nginx failed", "nginx is not ready"),
    ] {
        pod.logs(until, 1)?;
        let failures = pod.logged_before(probe, until);
        ensure!(failures == 3, "{failures} of {probe:?} before {until:?}");
    }
    pod.status_becomes("nginx is restarted", |status| {
        status.restarts("nginx") == 1 && status.runs("nginx")
    })?;
    std::fs::write(pod.path("/var/www/html/index.html"), "back\n")
        .map_err(|why| why.to_string())?;
    pod.becomes("/readyz", 200)?;
    let status = pod.status()?;
    ensure!(status.restarts("nginx") == 1, "{status:?}");
    Ok(())
}

/// How long after its start monopod decided to kill it, by its own clock.
fn time_to_kill(pod: &Pod, name: &str) -> Outcome<Duration> {
    let started = pod.logs(&format!("{name} started"), 1)?;
    let killed = pod.logs(&format!("stopping {name}: it failed"), 1)?;
    Ok(killed.saturating_sub(started))
}

/// The two lines are written a moment after what they tell.
const BETWEEN_LINES: Duration = Duration::from_millis(50);

fn deaf_port(scene: &Scene) -> Outcome {
    let edits = [
        ("initialDelaySeconds: 10", "initialDelaySeconds: 3"),
        ("periodSeconds: 3", "periodSeconds: 1"),
    ];
    let pod = Pod::example(scene, "sc05-liveness-tcp.yaml", &edits)?;
    let took = time_to_kill(&pod, "deaf")?;
    let failed = "liveness probe of deaf failed: connection refused";
    let failures = pod.logged_before(failed, "stopping deaf");
    ensure!(failures == 3, "killed after {failures} failures");
    let started = pod.logs("deaf started", 1)?;
    let first = pod.logs(failed, 1)?.saturating_sub(started);
    ensure!(
        first + BETWEEN_LINES >= Duration::from_secs(3),
        "asked before the delay, after {first:?}"
    );
    ensure!(
        took + BETWEEN_LINES >= Duration::from_secs(5),
        "killed after {took:?}"
    );
    let status = pod.status_becomes("it is restarted", |status| {
        status.restarts("deaf") == 1 && status.runs("deaf")
    })?;
    ensure!(status.phase() == "Running", "{status:?}");
    Ok(())
}

fn stopped_redis(scene: &Scene) -> Outcome {
    let edits = [
        ("periodSeconds: 3", "periodSeconds: 1"),
        // The grace of thirty seconds that it does not name.
        ("spec:\n", "spec:\n  terminationGracePeriodSeconds: 2\n"),
    ];
    let pod = Pod::example(scene, "sc07-redis.yaml", &edits)?;
    pod.becomes("/readyz", 200)?;
    // The first attempt may have come before the port: that failure must be forgotten.
    until("liveness has succeeded", patience(), || {
        Ok((attempts(&pod, "redis", "Liveness", "successful")? > 0).then_some(()))
    })?;
    let redis = child_named(&pod, "redis-server")?;
    // SAFETY: a plain system call.
    unsafe { libc::kill(redis, libc::SIGSTOP) };
    pod.becomes("/readyz", 503)?;
    let status = pod.status()?;
    ensure!(
        status.runs("redis") && !status.is_ready("redis") && status.restarts("redis") == 0,
        "it should be unready before it is killed: {status:?}"
    );
    let killing = "stopping redis: it failed its liveness probe and will be restarted";
    pod.logs(killing, 1)?;
    let failures = pod.logged_before("liveness probe of redis failed: no answer in time", killing);
    ensure!(failures == 5, "killed after {failures} failures");
    // What is stopped does not hear SIGTERM.
    pod.logs("redis did not end within its grace", 1)?;
    pod.status_becomes("redis is back", |status| {
        status.restarts("redis") == 1 && status.is_ready("redis")
    })?;
    pod.becomes("/readyz", 200).map(drop)
}

fn child_named(pod: &Pod, name: &str) -> Outcome<i32> {
    let children = proc::children(pod.pid())?;
    children
        .iter()
        .copied()
        .find(|pid| proc::one(&proc::dir(*pid)).is_some_and(|process| process.comm == name))
        .ok_or_else(|| format!("no {name} among {children:?}"))
}

fn one_port(scene: &Scene) -> Outcome {
    let scaled = [
        ("initialDelaySeconds: 15", "initialDelaySeconds: 2"),
        ("periodSeconds: 10", "periodSeconds: 1"),
    ];
    let pod = Pod::example(scene, "sc09-tcp-both.yaml", &scaled)?;
    pod.becomes("/readyz", 200)?;
    let started = pod.logs("proxy started", 1)?;
    let ready = pod.logs("proxy is ready", 1)?.saturating_sub(started);
    ensure!(
        ready + BETWEEN_LINES >= Duration::from_secs(2),
        "ready after {ready:?}, before the delay"
    );
    drop(pod);
    // The same with nobody at that port.
    let deaf = [scaled[0], scaled[1], ("-p, '8080'", "-p, '8081'")];
    let pod = Pod::example(scene, "sc09-tcp-both.yaml", &deaf)?;
    let took = time_to_kill(&pod, "proxy")?;
    ensure!(
        took + BETWEEN_LINES >= Duration::from_secs(4),
        "killed after {took:?}"
    );
    let failures = pod.logged_before("liveness probe of proxy failed", "stopping proxy");
    ensure!(failures == 3, "killed after {failures} failures");
    ensure!(pod.logged("proxy is ready").is_empty(), "it was ready");
    pod.status_becomes("it is restarted", |status| status.restarts("proxy") == 1)
        .map(drop)
}

fn outcomes(scene: &Scene) -> Outcome {
    // What goes wrong as before is told at debug only.
    let manifest = pod::example("sc15-outcomes.yaml", &[])?;
    let pod = Pod::start(scene, &manifest, &["--env", "MONOPOD_LOG_LEVEL=debug"])?;
    let before = pod.status_becomes("all run", |status| {
        ["success", "failure", "unknown"]
            .iter()
            .all(|name| status.runs(name))
    })?;
    // More than any threshold.
    pod.logs("liveness probe of unknown could not be carried out", 5)?;
    pod.logs("readiness probe of failure failed", 5)?;
    let after = pod.status()?;
    ensure!(
        after.is_ready("success") && !after.is_ready("failure") && after.is_ready("unknown"),
        "{after:?}"
    );
    ensure!(
        after.restarts("unknown") == 0
            && before.container("unknown")["state"] == after.container("unknown")["state"],
        "the unknown changed something: {before:?} {after:?}"
    );
    for (container, probe, result) in [
        ("success", "Readiness", "successful"),
        ("failure", "Readiness", "failed"),
        ("unknown", "Liveness", "unknown"),
    ] {
        let count = attempts(&pod, container, probe, result)?;
        ensure!(count > 0, "{container} was asked {count} times");
    }
    let failed = attempts(&pod, "unknown", "Liveness", "failed")?;
    ensure!(failed == 0, "{failed} unknown outcomes count as failures");
    pod.expect("/readyz", 503)
}

/// How many attempts came to this, by the metrics.
fn attempts(pod: &Pod, container: &str, probe: &str, result: &str) -> Outcome<u64> {
    let metrics = pod.get("/metrics")?.body;
    let name = format!(
        "prober_probe_total{{probe_type=\"{probe}\",result=\"{result}\",container=\"{container}\"}} "
    );
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| format!("no {name} in {metrics}"))
}

fn formula(scene: &Scene) -> Outcome {
    let edits = [
        ("initialDelaySeconds: 5", "initialDelaySeconds: 2"),
        ("periodSeconds: 2", "periodSeconds: 1"),
    ];
    let pod = Pod::example(scene, "sc17-formula.yaml", &edits)?;
    let took = time_to_kill(&pod, "main")?;
    // The formula is the latest; the soonest is a period before. Then what a busy machine takes.
    let (soonest, latest) = (Duration::from_secs(5), Duration::from_secs(6));
    ensure!(
        took + BETWEEN_LINES >= soonest && took < latest + Duration::from_secs(1),
        "killed after {took:?}, which should lie between {soonest:?} and {latest:?}"
    );
    let failures = pod.logged_before("liveness probe of main failed", "stopping main");
    ensure!(failures == 4, "killed after {failures} failures");
    Ok(())
}

fn slow_starter(scene: &Scene) -> Outcome {
    let edits = [
        ("sleep 20", "sleep 6"),
        ("periodSeconds: 2", "periodSeconds: 1"),
    ];
    let pod = Pod::example(scene, "sc18-slow-starter.yaml", &edits)?;
    let killing = "stopping impatient: it failed its startup probe and will be restarted";
    pod.logs(killing, 2)?;
    let failures = pod.logged_before("startup probe of impatient failed", killing);
    ensure!(failures == 3, "killed after {failures} failures");
    pod.expect("/startupz/patient", 503)?;
    pod.logs("patient has started up", 1)?;
    // One failure would have been enough for a kill.
    let asked = pod.logged("liveness probe of patient").len();
    ensure!(asked == 0, "liveness was asked before it had started");
    let status = pod.status_becomes("impatient rests", |status| {
        status.reason("impatient") == "CrashLoopBackOff"
    })?;
    ensure!(
        status.restarts("patient") == 0
            && status.container("patient")["started"] == true
            && status.container("impatient")["started"] == false,
        "{status:?}"
    );
    for (reason, wanted) in [("Killing", 2), ("Unhealthy", 6), ("BackOff", 1)] {
        let told = pod.events(reason, "impatient")?;
        ensure!(told >= wanted, "{reason} was told {told} times");
    }
    pod.expect("/startupz/patient", 200)?;
    // Liveness is asked now: without the file it is killed at the first failure.
    pod.remove("/tmp/patient")?;
    pod.logs("stopping patient: it failed its liveness probe", 1)?;
    until("it is started again", patience(), || {
        let again = |line: &Line| line.words == "patient started";
        let count = pod.log().iter().filter(|line| again(line)).count();
        Ok((count == 2).then_some(()))
    })
}
