//! What the world outside has to say: readiness gates, Docker's health check, commands.

use super::pod::{Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene, patience, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        case("pods: SC8: ready only while the gate is True", gate),
        case(
            "pods: docker's health check follows a container inside: healthy, unhealthy, healthy",
            health_check,
        ),
    ]
}

const GATE: &str = "www.example.com/gate-1";

fn gate(scene: &Scene) -> Outcome {
    let pod = Pod::example(scene, "sc08-readiness-gate.yaml", &[])?;
    let status = pod.status_becomes("nginx is ready", |status| status.is_ready("nginx"))?;
    // Never set counts as False.
    ensure!(
        status.condition("ContainersReady") == "True"
            && status.condition("Ready") == "False ReadinessGatesNotReady",
        "{status:?}"
    );
    pod.expect("/readyz", 503)?;
    pod.expect("/readyz/nginx", 200)?;
    for (value, code) in [("True", 200), ("False", 503), ("True", 200)] {
        pod.exec(&["/monopod", "gate", GATE, value])?;
        pod.becomes("/readyz", code)?;
        let status = pod.status()?;
        ensure!(status.condition(GATE) == value, "{status:?}");
    }
    let unknown = pod.exec(&["/monopod", "gate", "www.example.com/gate-2", "True"]);
    ensure!(unknown.is_err(), "a gate that nobody has: {unknown:?}");
    Ok(())
}

const BY_FILE: &str = "
apiVersion: v1
kind: Pod
spec:
  containers:
    - name: main
      command: [sleep, '3600']
      readinessProbe:
        exec: { command: [test, -e, /tmp/ready] }
        periodSeconds: 1
        failureThreshold: 1
";

fn health_check(scene: &Scene) -> Outcome {
    let flags = [
        "--health-cmd",
        "/monopod probe ready",
        "--health-interval",
        "500ms",
        "--health-retries",
        "1",
    ];
    let pod = Pod::start(scene, BY_FILE, &flags)?;
    let becomes = |wanted: &str| {
        until(&format!("docker calls it {wanted}"), patience(), || {
            let seen = pod.container().inspect("{{.State.Health.Status}}")?;
            Ok((seen == wanted).then_some(()))
        })
    };
    becomes("unhealthy")?;
    pod.touch("/tmp/ready")?;
    becomes("healthy")?;
    pod.remove("/tmp/ready")?;
    becomes("unhealthy")?;
    pod.touch("/tmp/ready")?;
    becomes("healthy")
}
