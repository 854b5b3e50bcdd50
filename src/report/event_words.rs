//! Which happenings are events, and what the kubelet would say. What only monopod knows has no event: it is in the log.

use super::journal::Reason;
use super::pod_words::{because, name, program};
use super::words::reason as start_fault;
use crate::machine::{Happening, KillCause, Outcome};
use crate::plan::{ContainerId, HookKind, Plan, ProbeKind};

/// About whom, why, and the sentence; nothing for what is no event. `words` is what an exec probe wrote, if that is
/// what failed and it wrote something; it stands where the kubelet puts it.
pub fn event(
    happening: &Happening,
    plan: &Plan,
    words: Option<&str>,
) -> Option<(Option<ContainerId>, Reason, String)> {
    let (about, reason, message) = match happening {
        Happening::ContainerStarted(id) => {
            let name = name(*id, plan);
            (id, Reason::Started, format!("Started container {name}"))
        }
        Happening::ContainerUnstartable(id, why) => {
            let why = program(*id, plan).map(|program| start_fault(*why, program));
            let message = format!("Error: {}", why.unwrap_or_default());
            (id, Reason::Failed, message)
        }
        Happening::BackingOff(id, rest) if !rest.is_zero() => {
            let (name, pod) = (name(*id, plan), super::pod_name(plan));
            let message = format!("Back-off restarting failed container {name} in pod {pod}");
            (id, Reason::BackOff, message)
        }
        Happening::Killing(id, cause) => (id, Reason::Killing, killing(&name(*id, plan), *cause)),
        Happening::Unhealthy(id, kind, outcome, cause) => {
            let verdict = match outcome {
                Outcome::Unknown => "errored",
                Outcome::Success | Outcome::Warning | Outcome::Failure => "failed",
            };
            let why = said(words).unwrap_or_else(|| because(*cause));
            let message = format!("{} probe {verdict}{why}", probe(*kind));
            (id, Reason::Unhealthy, message)
        }
        Happening::ProbeWarning(id, kind, cause) => {
            let message = format!("{} probe warning{}", probe(*kind), because(*cause));
            (id, Reason::ProbeWarning, message)
        }
        Happening::HookFailed(id, HookKind::PostStart, _) => (
            id,
            Reason::FailedPostStartHook,
            "PostStartHook failed".to_owned(),
        ),
        Happening::HookFailed(id, HookKind::PreStop, _) => (
            id,
            Reason::FailedPreStopHook,
            "PreStopHook failed".to_owned(),
        ),
        Happening::HookOverran(id) => (
            id,
            Reason::FailedPreStopHook,
            "PreStopHook was not over within the grace period".to_owned(),
        ),
        Happening::HookFellBack(id, _) => (
            id,
            Reason::LifecycleHTTPFallback,
            "The https lifecycle hook was answered in plain HTTP; asked again over http".to_owned(),
        ),
        Happening::ExceededGrace(id) => {
            let message = format!(
                "Container {} did not end within its grace period",
                name(*id, plan)
            );
            (id, Reason::ExceededGracePeriod, message)
        }
        Happening::InitFailed(id, ending) => {
            let (name, how) = (name(*id, plan), super::words::ending(*ending));
            (
                id,
                Reason::Failed,
                format!("Init container {name} {how}; the pod fails"),
            )
        }
        Happening::RestartingAll(id) => {
            let message = format!(
                "By a rule of container {} all are started anew",
                name(*id, plan)
            );
            return Some((None, Reason::RestartAllContainers, message));
        }
        Happening::DeadlineExceeded => {
            let message = "Pod was active longer than the specified deadline".to_owned();
            return Some((None, Reason::DeadlineExceeded, message));
        }
        _ => return None,
    };
    Some((Some(*about), reason, message))
}

fn killing(name: &str, cause: KillCause) -> String {
    match cause {
        KillCause::Stop | KillCause::RestartAll => format!("Stopping container {name}"),
        KillCause::Probe(kind, true) => {
            let probe = probe(kind).to_ascii_lowercase();
            format!("Container {name} failed {probe} probe, will be restarted")
        }
        KillCause::Probe(kind, false) => {
            let probe = probe(kind).to_ascii_lowercase();
            format!("Container {name} failed {probe} probe")
        }
        KillCause::PostStart => format!("Stopping container {name}: its PostStartHook failed"),
        KillCause::Commanded => format!("Stopping container {name}: its restart was asked for"),
    }
}

fn probe(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    }
}

/// What a program wrote, without control characters: it is shown on terminals.
fn said(words: Option<&str>) -> Option<String> {
    let text = words?.trim();
    let clean = |c: char| if c.is_control() && c != '\n' { '?' } else { c };
    (!text.is_empty()).then(|| format!(": {}", text.chars().map(clean).collect::<String>()))
}
