//! The part of a pod's spec that may be shown: names, roles, the program's name, and the probes without what may be
//! secret in them (headers, queries, arguments).

use super::tally::probe;
use super::view::Frame;
use crate::plan::{
    Container, Handler, Hook, NetworkQuestion, Probe, ProbeKind, RestartPolicy, Role,
};
use serde_json::Value;

/// In the API's shape.
pub fn spec(frame: &Frame) -> Value {
    let containers = |is_init: bool| -> Value {
        frame
            .pod
            .containers()
            .filter(|(_, container)| (container.role != Role::Main) == is_init)
            .map(|(_, container)| one(frame, container))
            .collect()
    };
    let mut spec = object!({
        "containers": containers(false),
        "terminationGracePeriodSeconds": frame.pod.grace.as_secs(),
    });
    let init = containers(true);
    if init.as_array().is_some_and(|list| !list.is_empty()) {
        spec["initContainers"] = init;
    }
    if !frame.pod.readiness_gates.is_empty() {
        let gate = |gate: &String| object!({"conditionType": gate.as_str()});
        spec["readinessGates"] = frame.pod.readiness_gates.iter().map(gate).collect();
    }
    if let Some(deadline) = frame.pod.active_deadline {
        spec["activeDeadlineSeconds"] = deadline.as_secs().into();
    }
    spec
}

fn one(frame: &Frame, container: &Container) -> Value {
    let mut shown = object!({
        "name": container.name.as_str(),
        "command": [frame.programs[container.program.0].as_str()],
    });
    // What an init container has otherwise is the pod's policy, which is not known here.
    if container.role != Role::Init {
        shown["restartPolicy"] = policy(container.role, container.restart.policy).into();
    }
    for (kind, key) in [
        (ProbeKind::Startup, "startupProbe"),
        (ProbeKind::Liveness, "livenessProbe"),
        (ProbeKind::Readiness, "readinessProbe"),
    ] {
        if let Some(probe) = probe(container, kind) {
            shown[key] = one_probe(frame, probe);
        }
    }
    for (hook, key) in [
        (&container.post_start, "postStart"),
        (&container.pre_stop, "preStop"),
    ] {
        if let Some(hook) = hook {
            shown["lifecycle"][key] = one_hook(frame, *hook);
        }
    }
    shown
}

fn policy(role: Role, policy: RestartPolicy) -> &'static str {
    match (role, policy) {
        (Role::Sidecar, _) | (_, RestartPolicy::Always) => "Always",
        (_, RestartPolicy::OnFailure) => "OnFailure",
        (_, RestartPolicy::Never) => "Never",
    }
}

fn one_probe(frame: &Frame, probe: &Probe) -> Value {
    let mut shown = match probe.handler {
        Handler::Exec(program) => exec(frame, program.0),
        Handler::Ask(check) => network(frame, check.0),
        Handler::Unresolvable => object!({}),
    };
    shown["initialDelaySeconds"] = probe.initial_delay.as_secs().into();
    shown["timeoutSeconds"] = probe.timeout.as_secs().into();
    shown["periodSeconds"] = probe.period.as_secs().into();
    shown["successThreshold"] = probe.success_threshold.into();
    shown["failureThreshold"] = probe.failure_threshold.into();
    shown
}

fn one_hook(frame: &Frame, hook: Hook) -> Value {
    match hook {
        Hook::Exec(program) => exec(frame, program.0),
        Hook::Ask(check) => network(frame, check.0),
        Hook::Sleep(span) => object!({"sleep": object!({"seconds": span.as_secs()})}),
        Hook::Fails => object!({}),
    }
}

fn exec(frame: &Frame, program: usize) -> Value {
    let name = frame.programs.get(program).map_or("", String::as_str);
    object!({"exec": object!({"command": [name]})})
}

fn network(frame: &Frame, check: usize) -> Value {
    match frame.checks.get(check).map(|check| &check.question) {
        Some(NetworkQuestion::Http(get)) => {
            let path = get.path.split(['?', '#']).next().unwrap_or_default();
            let scheme = if get.tls { "HTTPS" } else { "HTTP" };
            let get = object!({"scheme": scheme, "host": get.host.as_str(), "port": get.port, "path": path});
            object!({"httpGet": get})
        }
        Some(NetworkQuestion::Tcp { host, port }) => {
            object!({"tcpSocket": object!({"host": host.as_str(), "port": *port})})
        }
        Some(NetworkQuestion::Grpc { port, service, .. }) => {
            object!({"grpc": object!({"port": *port, "service": service.as_str()})})
        }
        None => object!({}),
    }
}

#[cfg(test)]
mod tests {
    use crate::report::podstatus;
    use crate::report::samples;

    #[test]
    fn nothing_secret_is_shown() {
        let shown = podstatus::pod(&samples::frame(), &samples::crashing()).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("Authorization"), "{shown}");
        assert!(shown.contains("\"path\":\"/ready\""), "{shown}");
        assert!(shown.contains("\"command\":[\"program-9\"]"), "{shown}");
    }
}
