//! Who is heard on the container's own output.

use super::pod::{Pod, case};
use crate::ensure;
use crate::harness::{Case, Outcome, Scene, patience, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![case(
        "pods: SC11: whoever writes to the output of PID 1 is heard",
        heard,
    )]
}

fn heard(scene: &Scene) -> Outcome {
    let pod = Pod::example(scene, "sc11-output.yaml", &[])?;
    pod.says("from the step")?;
    pod.says("from the probe")?;
    pod.exec(&["sh", "-c", "echo from outside > /proc/1/fd/1"])?;
    pod.says("from outside")?;
    pod.exec(&["sh", "-c", "echo from outside, too > /proc/1/fd/2"])?;
    for words in ["from the hook", "from outside, too"] {
        until(&format!("stderr has {words:?}"), patience(), || {
            Ok(pod.stderr().lines().any(|line| line == words).then_some(()))
        })?;
    }
    ensure!(
        !pod.stdout().contains("from the hook"),
        "on the wrong stream"
    );
    Ok(())
}
