//! SIGTERM in every phase of a pod's life: it is heard, everything ends, nothing starts any more.

use super::pod::{command, launch};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene, patience, until};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "pods: SIGTERM during an init step ends it, and nothing else starts",
            during_init,
        ),
        Case::own(
            "pods: SIGTERM while a sidecar starts up ends it, and nothing else starts",
            during_start_up,
        ),
        Case::own(
            "pods: SIGTERM while a container rests ends it at once",
            during_rest,
        ),
        Case::own(
            "pods: SIGTERM during a postStart hook reaches the container",
            during_post_start,
        ),
        Case::own(
            "pods: SIGTERM during a restart keeps to the pod's grace",
            during_restart,
        ),
        Case::own("pods: a second SIGTERM is handed on", twice),
    ]
}

const SOON: Duration = Duration::from_secs(5);

fn during_init(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  initContainers:
    - {{ name: step, command: {} }}
    - {{ name: next, command: {} }}
  containers:
    - {{ name: main, command: {} }}
",
        command(scene, "block 15 say step wait 15 say asked exit 0"),
        command(scene, "say next"),
        command(scene, "say main pause"),
    );
    let mut run = launch(scene, &manifest, &[])?.start()?;
    run.ear.expect_next("step")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    run.ear.expect_next("asked")?;
    run.ear.expect_silence()
}

fn during_start_up(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  initContainers:
    - name: beside
      restartPolicy: Always
      command: {}
      startupProbe: {{ exec: {{ command: ['false'] }}, periodSeconds: 1, failureThreshold: 600 }}
  containers:
    - {{ name: main, command: {} }}
",
        command(scene, "block 15 say beside wait 15 say asked exit 0"),
        command(scene, "say main pause"),
    );
    let mut run = launch(scene, &manifest, &["--log-level", "info"])?.start()?;
    run.ear.expect_next("beside")?;
    until("it was asked whether it has started", patience(), || {
        let said = run.stderr();
        Ok(said
            .contains("startup probe of beside failed")
            .then_some(()))
    })?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    ensure!(asked.elapsed() < SOON, "it took {:?}", asked.elapsed());
    run.ear.expect_next("asked")?;
    run.ear.expect_silence()
}

fn during_rest(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  containers:
    - {{ name: main, command: {} }}
",
        command(scene, "say up exit 3"),
    );
    let mut run = launch(scene, &manifest, &["--log-level", "info"])?.start()?;
    run.ear.expect_next("up")?;
    run.ear.expect_next("up")?;
    until("it rests", patience(), || {
        Ok(run
            .stderr()
            .contains("main is tried again in 10s")
            .then_some(()))
    })?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(3)?;
    ensure!(asked.elapsed() < SOON, "it took {:?}", asked.elapsed());
    run.ear.expect_silence()
}

fn during_post_start(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  containers:
    - name: main
      command: {}
      lifecycle: {{ postStart: {{ exec: {{ command: {} }} }} }}
    - {{ name: next, command: {} }}
",
        command(scene, "block 15 say up wait 15 say obeyed exit 5"),
        command(scene, "say hook pause"),
        command(scene, "say next pause"),
    );
    let mut run = launch(scene, &manifest, &[])?.start()?;
    let mut first = [run.ear.line()?, run.ear.line()?];
    first.sort();
    ensure!(first == ["hook", "up"], "{first:?}");
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("obeyed")?;
    run.ends_with(5)?;
    ensure!(asked.elapsed() < SOON, "it took {:?}", asked.elapsed());
    run.ear.expect_silence()
}

fn during_restart(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  terminationGracePeriodSeconds: 2
  containers:
    - name: main
      command: {}
      livenessProbe:
        exec: {{ command: ['false'] }}
        periodSeconds: 1
        failureThreshold: 1
        terminationGracePeriodSeconds: 600
",
        command(scene, "block 15 say up wait 15 say asked pause"),
    );
    let mut run = launch(scene, &manifest, &[])?.start()?;
    run.ear.expect_next("up")?;
    // The probe's kill has begun, and would wait for ten minutes.
    run.ear.expect_next("asked")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(137)?;
    let took = asked.elapsed();
    ensure!(
        (Duration::from_secs(2)..Duration::from_secs(6)).contains(&took),
        "it took {took:?}"
    );
    run.ear.expect_silence()
}

fn twice(scene: &Scene) -> Outcome {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  containers:
    - {{ name: main, command: {} }}
",
        command(
            scene,
            "block 15 say up wait 15 say once wait 15 say twice exit 6"
        ),
    );
    let mut run = launch(scene, &manifest, &[])?.start()?;
    run.ear.expect_next("up")?;
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("once")?;
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("twice")?;
    run.ends_with(6)
}
