//! The control socket: what a person in the container sees and may command.

use crate::endpoints::becomes;
use crate::ensure;
use crate::harness::inits;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, until};
use crate::http;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own("status, describe and events tell of the command", told),
        Case::own("monopod stop is a stop as by SIGTERM", stopped),
        Case::own("monopod signal reaches the command", signalled),
        Case::own("a control socket is for its owner alone", owners_only),
        Case::own(
            "two monopods beside each other keep their sockets",
            side_by_side,
        ),
        Case::own("a socket left behind is replaced", left_behind),
        Case::own(
            "without a place for the socket the command runs, and it is said",
            no_place,
        ),
        Case::own(
            "every command without a monopod is code 1 and one line",
            nobody_there,
        ),
        Case::own("the page and the metrics are served on the port", pages),
    ]
}

fn socket(scene: &Scene) -> PathBuf {
    scene.dir.join("control.sock")
}

/// A run with a control socket, its command running.
fn running(scene: &Scene, script: &str) -> Outcome<Run> {
    let path = socket(scene).display().to_string();
    let mut run = scene.launch(&["--control", &path], script).start()?;
    run.ear.expect("up")?;
    until("the socket answers", patience(), || {
        Ok(ask(scene, &["status"])?.status.success().then_some(()))
    })?;
    Ok(run)
}

fn ask(scene: &Scene, words: &[&str]) -> Outcome<Output> {
    let mut command = Command::new(inits::monopod());
    command.args(words).env("MONOPOD_CONTROL", socket(scene));
    command.output().map_err(|why| why.to_string())
}

fn says(scene: &Scene, words: &[&str]) -> Outcome<String> {
    let output = ask(scene, words)?;
    ensure!(output.status.success(), "{words:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn told(scene: &Scene) -> Outcome {
    let _run = running(scene, "say up pause")?;
    let text = says(scene, &["status"])?;
    ensure!(
        text.starts_with("NAME   READY   STATUS") && text.contains("1/1     Running"),
        "{text}"
    );
    let json = says(scene, &["status", "-o", "json"])?;
    ensure!(json.contains("\"kind\": \"Pod\""), "{json}");
    let yaml = says(scene, &["status", "-o", "yaml"])?;
    ensure!(yaml.starts_with("apiVersion: v1\nkind: Pod\n"), "{yaml}");
    ensure!(
        says(scene, &["describe"])?.contains("Conditions:"),
        "no conditions"
    );
    ensure!(
        says(scene, &["events"])?.contains("Started container"),
        "no event"
    );
    ensure!(says(scene, &["timeline"])?.contains("<svg"), "no picture");
    Ok(())
}

fn stopped(scene: &Scene) -> Outcome {
    let mut run = running(scene, "block 15 say up wait 15 say obeyed exit 0")?;
    says(scene, &["stop"])?;
    run.ear.expect_next("obeyed")?;
    run.end().map(drop)
}

fn signalled(scene: &Scene) -> Outcome {
    let mut run = running(scene, "block 10 say up wait 10 say heard pause")?;
    says(scene, &["signal", "child", "USR1"])?;
    run.ear.expect_next("heard")?;
    let output = ask(scene, &["signal", "nobody", "USR1"])?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1) && stderr.contains("no container \"nobody\""),
        "{output:?}"
    );
    Ok(())
}

fn owners_only(scene: &Scene) -> Outcome {
    let _run = running(scene, "say up pause")?;
    let mode = std::fs::metadata(socket(scene)).map_err(|why| why.to_string())?;
    let mode = mode.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "mode {mode:o}");
    let mut command = Command::new(inits::monopod());
    command.arg("stop").env("MONOPOD_CONTROL", socket(scene));
    std::os::unix::process::CommandExt::uid(&mut command, 12_345);
    let output = command.output().map_err(|why| why.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1) && stderr.contains("not allowed"),
        "{output:?}"
    );
    says(scene, &["status"]).map(drop)
}

fn side_by_side(scene: &Scene) -> Outcome {
    let _run = running(scene, "say up pause")?;
    let path = socket(scene).display().to_string();
    let other = Scene::new(inits::Init::Monopod)?;
    let mut second = other
        .launch(&["--control", &path], "say up pause")
        .start()?;
    second.ear.expect("up")?;
    let stderr = second.stderr();
    ensure!(stderr.contains("another monopod listens there"), "{stderr}");
    second.signal(libc::SIGTERM)?;
    second.ends_with(143)?;
    says(scene, &["status"]).map(drop)
}

fn left_behind(scene: &Scene) -> Outcome {
    let listener = std::os::unix::net::UnixListener::bind(socket(scene));
    drop(listener.map_err(|why| why.to_string())?);
    let mut run = running(scene, "say up pause")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    ensure!(!socket(scene).exists(), "the socket was left behind");
    Ok(())
}

fn no_place(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["--control", "/proc/no/control.sock"], "say up pause")
        .start()?;
    run.ear.expect("up")?;
    let stderr = run.stderr();
    ensure!(
        stderr.lines().count() == 1
            && stderr.contains("no control socket at /proc/no/control.sock"),
        "{stderr}"
    );
    let helper = run.child_named("monopod-net")?;
    ensure!(helper.is_none(), "a helper that nobody can ask: {helper:?}");
    Ok(())
}

fn nobody_there(scene: &Scene) -> Outcome {
    for words in [
        &["status"][..],
        &["describe"],
        &["events"],
        &["gate", "a/b", "True"],
        &["restart", "web"],
        &["signal", "web", "HUP"],
        &["stop"],
        &["timeline"],
    ] {
        let output = ask(scene, words)?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(1)
                && stderr.lines().count() == 1
                && stderr.contains("no control socket at"),
            "{words:?}: {output:?}"
        );
    }
    Ok(())
}

fn pages(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut run = scene
        .launch(&["--health", &address, "--control", "none"], "say up pause")
        .start()?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    for (path, words) in [
        ("/", "<!DOCTYPE html>"),
        ("/status", "\"kind\":\"Pod\""),
        ("/events", "Started container"),
        ("/metrics", "monopod_pod_ready 1"),
        ("/timeline", "<svg"),
    ] {
        let answer = http::get(port, path)?;
        ensure!(
            answer.status == 200 && answer.body.contains(words),
            "{path}: {answer:?}"
        );
    }
    // Commands are for the control socket.
    let answer = http::ask(port, "POST", "/command/stop")?;
    ensure!(answer.status == 404, "{answer:?}");
    Ok(())
}
