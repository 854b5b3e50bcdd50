//! A status in the API's JSON shape: `kind: Pod` with metadata, the part of the spec that may be shown, and the status
//! (kubelet-semantics E.7, F), so that whoever can read `kubectl get pod -o json` can read this.
//!
//! Nothing secret is shown: no environment, no argument, no header, no query. See `podspec`.

use super::podspec;
use super::view::{Frame, View};
use super::words::reason_of;
use crate::machine::{
    Condition, ConditionReason, ContainerState, ContainerStatus, Ending, Phase, Termination,
    WaitingReason,
};
use crate::plan::{Container, ContainerId, Role, RuleAction};
use serde_json::{Map, Value};
use std::time::Duration;

/// The exit code of what could not be started (S157).
const START_ERROR: u8 = 128;

/// The whole document.
pub fn pod(frame: &Frame, view: &View) -> Value {
    let mut metadata = object!({
        "name": frame.name(),
        "creationTimestamp": frame.date(crate::time::Time::START),
    });
    if let Some(since) = view.status.stopping_since {
        let grace = frame.pod.grace;
        metadata["deletionTimestamp"] = frame.date(since.after(grace)).into();
        metadata["deletionGracePeriodSeconds"] = grace.as_secs().into();
    }
    object!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": podspec::spec(frame),
        "status": status(frame, view),
    })
}

fn status(frame: &Frame, view: &View) -> Value {
    let statuses = |is_init: bool| -> Value {
        frame
            .containers(view)
            .filter(|(_, container, _)| (container.role != Role::Main) == is_init)
            .map(|(id, container, status)| container_status(frame, view, id, container, status))
            .collect()
    };
    let mut status = object!({
        "phase": phase(view.status.phase),
        "startTime": frame.date(crate::time::Time::START),
        "conditions": conditions(frame, view),
        "containerStatuses": statuses(false),
    });
    if has_init(frame) {
        status["initContainerStatuses"] = statuses(true);
    }
    if view.status.deadline_exceeded {
        status["reason"] = "DeadlineExceeded".into();
        status["message"] = "Pod was active longer than the specified deadline".into();
    }
    status
}

fn has_init(frame: &Frame) -> bool {
    let mut containers = frame.pod.containers.iter();
    containers.any(|container| container.role != Role::Main)
}

/// The API's word.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

/// The types of the conditions that every pod has, in the order of a [`crate::machine::PodStatus`].
const CONDITIONS: [&str; 6] = [
    "PodScheduled",
    "PodReadyToStartContainers",
    "Initialized",
    "ContainersReady",
    "Ready",
    RESTARTING,
];

/// Only a pod that has a rule for it has this one, as upstream.
const RESTARTING: &str = "AllContainersRestarting";

fn conditions(frame: &Frame, view: &View) -> Value {
    let own = CONDITIONS.iter().zip(&view.status.conditions);
    let has_rule = frame.pod.containers.iter().any(can_restart_all);
    let own = own.filter(|(kind, _)| has_rule || **kind != RESTARTING);
    let own = own.map(|(kind, condition)| {
        let status = if condition.holds { "True" } else { "False" };
        let mut shown = object!({
            "type": *kind,
            "status": status,
            "lastProbeTime": Value::Null,
            "lastTransitionTime": frame.date(condition.since),
        });
        let (reason, message) = why(frame, view, condition);
        if !reason.is_empty() {
            shown["reason"] = reason.into();
        }
        if let Some(message) = message {
            shown["message"] = message.into();
        }
        shown
    });
    let gates = frame.pod.readiness_gates.iter().zip(&view.status.gates);
    let gates = gates.filter_map(|(gate, set)| {
        let status = if (*set)? { "True" } else { "False" };
        Some(object!({"type": gate.as_str(), "status": status, "lastProbeTime": Value::Null}))
    });
    own.chain(gates).collect()
}

fn can_restart_all(container: &Container) -> bool {
    let mut rules = container.restart.rules.iter();
    rules.any(|rule| rule.action == RuleAction::RestartAllContainers)
}

fn why(frame: &Frame, view: &View, condition: &Condition) -> (&'static str, Option<String>) {
    match condition.reason {
        ConditionReason::None => ("", None),
        ConditionReason::PodCompleted => ("PodCompleted", None),
        ConditionReason::PodFailed => ("PodFailed", None),
        ConditionReason::RestartAllContainersStarted => (
            "RestartAllContainersStarted",
            Some("container exited with restart policy rule".to_owned()),
        ),
        ConditionReason::ContainersNotInitialized => {
            let names = names(frame, view, |container, status| match container.role {
                Role::Init => !status.ready,
                Role::Sidecar => !status.started,
                Role::Main => false,
            });
            let message = format!("containers with incomplete status: [{names}]");
            ("ContainersNotInitialized", Some(message))
        }
        ConditionReason::ContainersNotReady => {
            let names = names(frame, view, |container, status| {
                container.role != Role::Init && !status.ready
            });
            let message = format!("containers with unready status: [{names}]");
            ("ContainersNotReady", Some(message))
        }
        ConditionReason::ReadinessGatesNotReady => {
            let gates = frame.pod.readiness_gates.iter().zip(&view.status.gates);
            let faults: Vec<String> = gates
                .filter_map(|(gate, set)| gate_fault(gate, *set))
                .collect();
            ("ReadinessGatesNotReady", Some(faults.join(", ")))
        }
    }
}

/// Why a gate keeps the pod from being ready, if it does.
pub fn gate_fault(gate: &str, set: Option<bool>) -> Option<String> {
    match set {
        Some(true) => None,
        Some(false) => Some(format!("readiness gate {gate:?} is False")),
        None => Some(format!("readiness gate {gate:?} was never set")),
    }
}

fn names(
    frame: &Frame,
    view: &View,
    is_meant: impl Fn(&Container, &ContainerStatus) -> bool,
) -> String {
    let meant = frame
        .containers(view)
        .filter(|(_, container, status)| is_meant(container, status));
    let names: Vec<&str> = meant
        .map(|(_, container, _)| container.name.as_str())
        .collect();
    names.join(" ")
}

fn container_status(
    frame: &Frame,
    view: &View,
    id: ContainerId,
    container: &Container,
    status: &ContainerStatus,
) -> Value {
    let state = match status.state {
        ContainerState::Running(since) => {
            object!({"running": object!({"startedAt": frame.date(since)})})
        }
        ContainerState::Waiting(reason) => {
            let (reason, message) = waiting(frame, container, status, reason);
            let mut shown = object!({"reason": reason});
            if let Some(message) = message {
                shown["message"] = message.into();
            }
            object!({"waiting": shown})
        }
        ContainerState::Terminated(end) => {
            object!({"terminated": terminated(frame, container, &end, view.words_of(id, true))})
        }
    };
    let last = match &status.last {
        Some(end) => {
            object!({"terminated": terminated(frame, container, end, view.words_of(id, false))})
        }
        None => Value::Object(Map::new()),
    };
    object!({
        "name": container.name.as_str(),
        "state": state,
        "lastState": last,
        "ready": status.ready,
        "started": status.started,
        "restartCount": status.restarts,
    })
}

/// Why it waits: the API's word, and a sentence where the kubelet has one.
pub fn waiting(
    frame: &Frame,
    container: &Container,
    status: &ContainerStatus,
    reason: WaitingReason,
) -> (&'static str, Option<String>) {
    match reason {
        WaitingReason::Initial if has_init(frame) => ("PodInitializing", None),
        WaitingReason::Initial => ("ContainerCreating", None),
        WaitingReason::CrashLoopBackOff(rest) => (
            "CrashLoopBackOff",
            Some(format!(
                "back-off {} restarting failed container={} pod={}",
                go_duration(rest),
                container.name,
                frame.name()
            )),
        ),
        WaitingReason::RunContainerError => {
            let end = status.last.as_ref();
            let message = end.and_then(|end| start_fault(frame, container, end));
            ("RunContainerError", message)
        }
        WaitingReason::PostStartHookError => ("PostStartHookError", None),
    }
}

/// Why it could not be started, if it could not.
fn start_fault(frame: &Frame, container: &Container, end: &Termination) -> Option<String> {
    let file = frame.programs.get(container.program.0);
    let file = file.map_or("", String::as_str);
    end.unstartable.map(|why| reason_of(why, file, None))
}

/// How it ended, in one word.
pub fn end_reason(end: &Termination) -> &'static str {
    match end {
        Termination {
            unstartable: Some(_),
            ..
        } => "StartError",
        Termination {
            ending: Ending::OutOfMemory,
            ..
        } => "OOMKilled",
        end if end.ending.is_success() => "Completed",
        _ => "Error",
    }
}

/// The exit code that is shown.
pub fn end_code(end: &Termination) -> u8 {
    match end.unstartable {
        Some(_) => START_ERROR,
        None => end.ending.code().0,
    }
}

fn terminated(
    frame: &Frame,
    container: &Container,
    end: &Termination,
    words: Option<String>,
) -> Value {
    let message = words.or_else(|| start_fault(frame, container, end));
    let mut shown = object!({
        "exitCode": end_code(end),
        "reason": end_reason(end),
        "startedAt": frame.date(end.started_at),
        "finishedAt": frame.date(end.finished_at),
    });
    if let Some(message) = message {
        shown["message"] = message.into();
    }
    shown
}

/// As Go prints a duration of whole seconds: `40s`, `2m40s`, `5m0s`.
fn go_duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
#[path = "podstatus_tests.rs"]
mod tests;
