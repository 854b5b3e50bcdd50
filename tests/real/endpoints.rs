//! The health endpoints, as the kubelet and a person ask them.

use crate::ensure;
use crate::harness::inits;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use crate::helper::helper;
use crate::http::{self, Answer};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "all four paths answer 200 while the command runs",
            all_paths,
        ),
        Case::own(
            "?verbose lists the checks, HEAD has no body, other methods are 405, other paths 404",
            manners,
        ),
        Case::own(
            "during init it is alive, but neither started nor ready",
            during_init,
        ),
        Case::own(
            "readiness goes at the first moment of a stop, and the command serves on",
            readiness_goes,
        )
        .alone(),
        Case::own(
            "a core that is stopped is a 503 within a second",
            stopped_core,
        )
        .alone(),
        Case::own(
            "a port that is taken is code 1, one clear line, and nothing is run",
            port_taken,
        ),
        Case::own(
            "monopod probe says yes, no and nobody there by its code",
            probe,
        ),
        Case::own(
            "while the rest is cleared away it is alive and not ready",
            clearing_away,
        ),
        Case::own("the command sees nothing of the endpoints", nothing_seen),
        Case::own("every address means IPv6 and IPv4", dual_stack),
        Case::own(
            "health works as a uid without a passwd entry, without /proc and on a read-only root",
            poor_world,
        ),
    ]
}

/// A run that serves, with its command running.
pub fn serving(scene: &Scene, script: &str) -> Outcome<(Run, u16)> {
    let port = http::free_port()?;
    let mut run = scene
        .launch(&["--health", &format!("127.0.0.1:{port}")], script)
        .start()?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    Ok((run, port))
}

/// Waits until this target has this code; meanwhile it may have another, but must answer.
pub fn becomes(port: u16, target: &str, status: u16) -> Outcome<Answer> {
    until(&format!("{target} is {status}"), patience(), || {
        Ok(Some(http::get(port, target)?).filter(|answer| answer.status == status))
    })
}

fn all_paths(scene: &Scene) -> Outcome {
    let (mut run, port) = serving(scene, "say up pause")?;
    for path in ["/livez", "/startupz", "/readyz", "/healthz"] {
        let answer = http::get(port, path)?;
        ensure!(
            answer.status == 200 && answer.body == "ok",
            "{path}: {answer:?}"
        );
    }
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)
}

fn manners(scene: &Scene) -> Outcome {
    let (_run, port) = serving(scene, "say up pause")?;
    let answer = http::get(port, "/readyz?verbose")?;
    ensure!(
        answer.status == 200
            && answer.body.contains("[+]")
            && answer.body.contains("readyz check passed"),
        "{answer:?}"
    );
    let answer = http::ask(port, "HEAD", "/livez")?;
    ensure!(
        answer.status == 200 && answer.body.is_empty() && answer.head.contains("content-length: 2"),
        "{answer:?}"
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = http::ask(port, method, "/livez")?;
        ensure!(
            answer.status == 405 && answer.head.contains("allow: get, head"),
            "{method}: {answer:?}"
        );
    }
    for target in ["/nothing", "/livez/", "/../livez"] {
        http::expect(port, target, 404)?;
    }
    Ok(())
}

fn during_init(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let step = scene.script_line("block 10 say step wait 10");
    let address = format!("127.0.0.1:{port}");
    let mut run = scene
        .launch(&["--health", &address, "--init", &step], "say up pause")
        .start()?;
    run.ear.expect("step")?;
    http::expect(port, "/livez", 200)?;
    http::expect(port, "/healthz", 200)?;
    http::expect(port, "/readyz", 503)?;
    let answer = http::get(port, "/startupz")?;
    ensure!(
        answer.status == 503 && answer.body.contains("0 of 1"),
        "{answer:?}"
    );
    run.signal(libc::SIGUSR1)?;
    run.ear.expect("up")?;
    becomes(port, "/startupz", 200)?;
    becomes(port, "/readyz", 200).map(drop)
}

fn readiness_goes(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut run = scene
        .launch(&["--health", &address, "--drain", "1s"], "ears")
        .start()?;
    run.ear.expect("ready")?;
    becomes(port, "/readyz", 200)?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    let answer = becomes(port, "/readyz", 503)?;
    let unready = asked.elapsed();
    ensure!(
        unready < Duration::from_millis(300),
        "readiness went only after {unready:?}"
    );
    ensure!(answer.body.contains("shutdown"), "{answer:?}");
    http::expect(port, "/livez", 200)?;
    http::expect(port, "/startupz", 200)?;
    run.ear.expect_silence()?;
    run.ear.expect_next("sig 15")?;
    ensure!(
        asked.elapsed() >= Duration::from_secs(1),
        "the command heard after {:?}",
        asked.elapsed()
    );
    // The command takes its time; the endpoints stay.
    http::expect(port, "/livez", 200)?;
    http::expect(port, "/readyz", 503)
}

fn stopped_core(scene: &Scene) -> Outcome {
    let (run, port) = serving(scene, "say up pause")?;
    run.signal(libc::SIGSTOP)?;
    until("the core is stopped", patience(), || {
        Ok(proc::one(&proc::dir(run.pid)).filter(|process| process.state == 'T'))
    })?;
    let asked = Instant::now();
    http::expect(port, "/livez", 503)?;
    let took = asked.elapsed();
    ensure!(took < Duration::from_secs(1), "the answer took {took:?}");
    run.signal(libc::SIGCONT)?;
    becomes(port, "/livez", 200).map(drop)
}

fn port_taken(scene: &Scene) -> Outcome {
    let taken = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    let port = taken.local_addr().map_err(|why| why.to_string())?.port();
    let step = scene.script_line("say step");
    let address = format!("127.0.0.1:{port}");
    let mut run = scene
        .launch(&["--health", &address, "--init", &step], "say up")
        .start()?;
    run.ends_with(1)?;
    let stderr = run.stderr();
    ensure!(
        stderr.lines().count() == 1
            && stderr.contains(&port.to_string())
            && stderr.contains("in use"),
        "stderr {stderr:?}"
    );
    run.ear.expect_silence()
}

fn probe(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let address = format!("127.0.0.1:{port}");
    let code = |kind: &str, by_variable: bool| -> Outcome<i32> {
        let mut command = Command::new(inits::monopod());
        command.args(["probe", kind]).env_clear();
        match by_variable {
            true => command.env("MONOPOD_HEALTH", &address),
            false => command.args(["--health", &address]),
        };
        let output = command.output().map_err(|why| why.to_string())?;
        output.status.code().ok_or_else(|| format!("{output:?}"))
    };
    ensure!(code("live", false)? == 1, "nobody there should be 1");
    let step = scene.script_line("block 10 say step wait 10");
    let mut run = scene
        .launch(&["--health", &address, "--init", &step], "say up pause")
        .start()?;
    run.ear.expect("step")?;
    for (kind, wanted) in [("live", 0), ("startup", 1), ("ready", 1)] {
        let seen = code(kind, false)?;
        ensure!(seen == wanted, "probe {kind} during init: {seen}");
    }
    run.signal(libc::SIGUSR1)?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    for kind in ["live", "startup", "ready"] {
        let seen = code(kind, true)?;
        ensure!(seen == 0, "probe {kind} while it runs: {seen}");
    }
    ensure!(
        code("nonsense", true)? == 64,
        "an unknown kind should be 64"
    );
    run.signal(libc::SIGSTOP)?;
    let asked = Instant::now();
    let seen = code("live", true)?;
    ensure!(seen == 1, "probe live of a stopped core: {seen}");
    ensure!(
        asked.elapsed() < Duration::from_secs(3),
        "it took {:?}",
        asked.elapsed()
    );
    run.signal(libc::SIGCONT)
}

fn nothing_seen(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let mut run = scene
        .launch(&["--health", &format!("127.0.0.1:{port}")], "report")
        .start()?;
    run.ends_with(0)?;
    let lines = run.ear.rest()?;
    for wanted in ["open 0,1,2", "blocked 0", "ignored 0", "caught 0"] {
        ensure!(
            lines.iter().any(|line| line == wanted),
            "no {wanted:?} in {lines:?}"
        );
    }
    Ok(())
}

fn dual_stack(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let mut run = scene
        .launch(&["--health", &format!(":{port}")], "say up pause")
        .start()?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    if TcpListener::bind("[::1]:0").is_ok() {
        let stream = std::net::TcpStream::connect(("::1", port));
        ensure!(stream.is_ok(), "on ::1: {stream:?}");
    }
    Ok(())
}

fn poor_world(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let mut run = scene
        .launch(&["--health", &format!(":{port}")], "say up pause")
        .uid(12_345)
        .without_proc()
        .without_dev()
        .read_only()
        .start()?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    run.signal_to(helper(&run)?, libc::SIGKILL)?;
    until("a probe is answered again", patience(), || {
        Ok(http::get(port, "/readyz")
            .ok()
            .filter(|answer| answer.status == 200))
    })?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)
}

fn clearing_away(scene: &Scene) -> Outcome {
    // Blocked before the fork, or the straggler might be asked before it can be asked.
    let script = "block 10 block 12 block 15 orphan { setsid wait 15 say asked wait 12 say obeyed } say up wait 10 exit 5";
    let (mut run, port) = serving(scene, script)?;
    run.signal(libc::SIGUSR1)?;
    run.ear.expect_next("asked")?;
    http::expect(port, "/livez", 200)?;
    http::expect(port, "/startupz", 200)?;
    http::expect(port, "/readyz", 503)?;
    // The straggler waits for a signal that only its own pid can bring.
    let straggler = *run.scripts()?.first().ok_or("no straggler")?;
    run.signal_to(straggler, libc::SIGUSR2)?;
    run.ends_with(5)?;
    run.ear.expect_next("obeyed")
}
