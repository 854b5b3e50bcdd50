//! Manifests that are wrong, and worlds that are poor.

use super::pod::{command, launch};
use crate::ensure;
use crate::harness::launch::Launch;
use crate::harness::{Case, Outcome, Scene};
use crate::{endpoints, http};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "pods: a faulty manifest is code 78 with all faults, and nothing is started",
            faulty,
        ),
        Case::own(
            "pods: a manifest that is not there is code 78 and one line",
            not_there,
        ),
        Case::own("pods: lives as a uid without a passwd entry", |scene| {
            whole_life(scene, |launch| launch.uid(12_345))
        }),
        Case::own("pods: lives on a read-only root", |scene| {
            whole_life(scene, |launch| launch.read_only())
        }),
        Case::own("pods: lives without /proc", |scene| {
            whole_life(scene, |launch| launch.without_proc())
        }),
        Case::own(
            "pods: lives without rights, /proc, /dev and a place to write",
            |scene| {
                whole_life(scene, |launch| {
                    launch.uid(12_345).read_only().without_proc().without_dev()
                })
            },
        ),
        Case::own(
            "pods: what only root can give is refused by name when it is not root",
            as_somebody_else,
        ),
    ]
}

fn faulty(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  restartPolicy: Sometimes
  initContainers:
    - {{ name: step, command: {} }}
  containers:
    - name: web
      command: {}
      livenessprobe: {{ tcpSocket: {{ port: 80 }} }}
    - name: web
      command: ['true']
      readinessProbe: {{ tcpSocket: {{ port: 80 }}, terminationGracePeriodSeconds: 3 }}
",
        command(scene, "say step"),
        command(scene, "say web"),
    );
    let mut run = launch(scene, &manifest, &[])?.start()?;
    run.ends_with(78)?;
    run.ear.expect_silence()?;
    let stderr = run.stderr();
    for words in [
        "spec.restartPolicy",
        "Sometimes",
        "livenessProbe",
        "spec.containers[1].name",
        "spec.containers[1].readinessProbe.terminationGracePeriodSeconds",
    ] {
        ensure!(stderr.contains(words), "no {words:?} in {stderr}");
    }
    Ok(())
}

fn not_there(scene: &Scene) -> Outcome {
    let file = scene.dir.join("nobody.yaml");
    let file = file.to_string_lossy();
    let mut run = Launch::words(scene, scene.init, &["-f", &file]).start()?;
    run.ends_with(78)?;
    let stderr = run.stderr();
    ensure!(
        stderr.contains("nobody.yaml") && stderr.contains("no such file"),
        "stderr: {stderr:?}"
    );
    Ok(())
}

/// Init, sidecar, main, hooks and probes, a restart of the sidecar, a stop.
fn whole_life(scene: &Scene, world: fn(Launch) -> Launch) -> Outcome {
    let port = http::free_port()?;
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  initContainers:
    - {{ name: step, command: {step} }}
    - {{ name: beside, restartPolicy: Always, command: {beside} }}
  containers:
    - name: main
      command: {main}
      startupProbe: {{ exec: {{ command: ['true'] }}, periodSeconds: 1 }}
      livenessProbe: {{ httpGet: {{ path: /livez, port: {port} }}, periodSeconds: 1 }}
      readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1 }}
      lifecycle:
        postStart: {{ exec: {{ command: {begun} }} }}
        preStop: {{ exec: {{ command: {ending} }} }}
    - {{ name: other, command: {other} }}
",
        step = command(scene, "say step"),
        beside = command(scene, "block 15 say beside wait 15 say beside-asked exit 0"),
        main = command(scene, "block 15 wait 15 say main-asked exit 0"),
        begun = command(scene, "say begun"),
        ending = command(scene, "say ending"),
        other = command(scene, "block 15 say other wait 15 exit 9"),
    );
    let address = format!("127.0.0.1:{port}");
    let mut run = world(launch(scene, &manifest, &["--health", &address])?).start()?;
    run.ear.expect_next("step")?;
    // All of them are started in order, but who speaks first is theirs to decide.
    let mut heard = [run.ear.line()?, run.ear.line()?, run.ear.line()?];
    heard.sort();
    ensure!(heard == ["begun", "beside", "other"], "{heard:?}");
    endpoints::becomes(port, "/readyz", 200)?;
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("ending")?;
    run.ear.expect_next("main-asked")?;
    run.ear.expect_next("beside-asked")?;
    run.ends_with(9)
}

fn as_somebody_else(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  restartPolicy: Never
  containers:
    - name: main
      command: {}
      securityContext: {{ runAsUser: 4321 }}
",
        command(scene, "say main"),
    );
    let mut run = launch(scene, &manifest, &[])?.uid(12_345).start()?;
    run.ends_with(126)?;
    run.ear.expect_silence()?;
    let stderr = run.stderr();
    ensure!(
        stderr.contains("main") && stderr.contains("securityContext"),
        "stderr: {stderr:?}"
    );
    Ok(())
}
