//! One container, or the pod, at length, in the manner of `kubectl describe`. Made by the client from `/status` and
//! `/events`.

use super::table::{self, Container, text};
use serde_json::Value;
use std::fmt::Write;
use std::time::SystemTime;

/// The pod with all its containers, or the one with this name; nothing if there is none.
pub fn describe(
    document: &Value,
    events: &Value,
    only: Option<&str>,
    now: SystemTime,
) -> Option<String> {
    let mut out = String::new();
    let meant = |container: &Container| only.is_none_or(|name| container.name() == name);
    if only.is_none() {
        pod(&mut out, document, now);
    }
    let mut found = only.is_none();
    for container in Container::all(document).filter(meant) {
        found = true;
        one(&mut out, &container);
    }
    let mut events = events.clone();
    if let (Some(name), Some(items)) = (only, events["items"].as_array_mut()) {
        let suffix = format!("{{{name}}}");
        items.retain(|event| text(&event["involvedObject"]["fieldPath"]).ends_with(&suffix));
    }
    let told = match events["items"].as_array().is_none_or(Vec::is_empty) {
        true => "Events:  <none>\n".to_owned(),
        false => format!("Events:\n{}", table::events(&events, true, now)),
    };
    found.then_some(out + &told)
}

fn pod(out: &mut String, document: &Value, now: SystemTime) {
    let [_, ready, word, restarts, age] = table::pod_row(document, now);
    let grace = &document["spec"]["terminationGracePeriodSeconds"];
    line(out, 0, "Name", text(&document["metadata"]["name"]));
    line(out, 0, "Status", &word);
    line(out, 0, "Ready", &ready);
    line(out, 0, "Restarts", &restarts);
    line(
        out,
        0,
        "Started",
        &format!("{} ({age} ago)", text(&document["status"]["startTime"])),
    );
    line(out, 0, "Grace", &format!("{grace}s"));
    out.push_str("Conditions:\n");
    for condition in document["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let why = [text(&condition["reason"]), text(&condition["message"])];
        let why: Vec<&str> = why.into_iter().filter(|word| !word.is_empty()).collect();
        let status = format!("{}  {}", text(&condition["status"]), why.join(": "));
        line(out, 2, text(&condition["type"]), status.trim_end());
    }
    out.push('\n');
}

fn one(out: &mut String, container: &Container) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}:", container.name());
    line(out, 2, "Kind", container.kind());
    line(out, 2, "Program", text(&container.spec["command"][0]));
    let status = container.status;
    let (word, state) = container.state();
    state_lines(out, "State", word, state);
    let last = &status["lastState"]["terminated"];
    if last.is_object() {
        state_lines(out, "Last State", "terminated", last);
    }
    for (label, key) in [("Ready", "ready"), ("Started", "started")] {
        line(
            out,
            2,
            label,
            if status[key] == true { "True" } else { "False" },
        );
    }
    line(out, 2, "Restart Count", &status["restartCount"].to_string());
    for (label, key) in [
        ("Startup", "startupProbe"),
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
    ] {
        if container.spec[key].is_object() {
            line(out, 2, label, &probe(&container.spec[key]));
        }
    }
    for (label, key) in [("PostStart", "postStart"), ("PreStop", "preStop")] {
        let hook = &container.spec["lifecycle"][key];
        if hook.is_object() {
            line(out, 2, label, &handler(hook));
        }
    }
    out.push('\n');
}

fn state_lines(out: &mut String, label: &str, word: &str, state: &Value) {
    let mut chars = word.chars();
    let capital = chars.next().map(|first| first.to_ascii_uppercase());
    let word: String = capital.into_iter().chain(chars).collect();
    line(out, 2, label, &word);
    for (label, key) in [
        ("Reason", "reason"),
        ("Message", "message"),
        ("Exit Code", "exitCode"),
        ("Started", "startedAt"),
        ("Finished", "finishedAt"),
    ] {
        match &state[key] {
            Value::Null => {}
            // A last word of several lines goes on below itself.
            Value::String(_) => {
                let told = text(&state[key])
                    .trim_end()
                    .replace('\n', &format!("\n{:30}", ""));
                line(out, 4, label, &told);
            }
            other => line(out, 4, label, &other.to_string()),
        }
    }
}

/// kubectl's line for a probe: `http-get http://127.0.0.1:8080/up delay=0s timeout=1s period=10s #success=1 #failure=3`
fn probe(probe: &Value) -> String {
    let number = |key: &str| probe[key].as_u64().unwrap_or(0);
    format!(
        "{} delay={}s timeout={}s period={}s #success={} #failure={}",
        handler(probe),
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
        number("periodSeconds"),
        number("successThreshold"),
        number("failureThreshold")
    )
}

fn handler(action: &Value) -> String {
    let exec = &action["exec"]["command"][0];
    let http = &action["httpGet"];
    let tcp = &action["tcpSocket"];
    let grpc = &action["grpc"];
    if exec.is_string() {
        format!("exec [{}]", text(exec))
    } else if http.is_object() {
        let scheme = text(&http["scheme"]).to_ascii_lowercase();
        let (host, path) = (text(&http["host"]), text(&http["path"]));
        format!("http-get {scheme}://{host}:{}{path}", http["port"])
    } else if tcp.is_object() {
        format!("tcp-socket {}:{}", text(&tcp["host"]), tcp["port"])
    } else if grpc.is_object() {
        format!("grpc <pod>:{} {}", grpc["port"], text(&grpc["service"]))
    } else if action["sleep"].is_object() {
        format!("sleep {}s", action["sleep"]["seconds"])
    } else {
        "a port that the container does not have".to_owned()
    }
}

fn line(out: &mut String, indent: usize, label: &str, value: &str) {
    // Writing to a String cannot fail.
    let label = format!("{:indent$}{label}:", "");
    let _ = writeln!(out, "{label:30}{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{events, podstatus, samples};
    use std::time::Duration;

    fn described(only: Option<&str>) -> Option<String> {
        let (frame, view) = (samples::frame(), samples::crashing());
        let document = podstatus::pod(&frame, &view);
        let now = frame.start + Duration::from_secs(60);
        describe(&document, &events::list(&frame, &view, 0), only, now)
    }

    #[test]
    fn a_container_is_told_as_kubectl_tells_it() {
        let text = described(Some("web")).unwrap();
        for line in [
            "web:",
            "  State:                      Waiting",
            "    Reason:                   CrashLoopBackOff",
            "    Message:                  back-off 40s restarting failed container=web pod=shop",
            "  Last State:                 Terminated",
            "    Exit Code:                1",
            "  Restart Count:              3",
            "  Liveness:                   exec [program-9] delay=0s timeout=1s period=10s #success=1 #failure=3",
            "  Readiness:                  http-get http://127.0.0.1:8080/ready delay=0s timeout=1s period=10s #success=1 #failure=3",
            "Events:  <none>",
        ] {
            assert!(
                text.lines().any(|known| known == line),
                "{line}\nin\n{text}"
            );
        }
        assert!(!text.contains("worker"));
    }

    #[test]
    fn the_pod_is_told_with_its_conditions_and_what_is_not_there_is_nothing() {
        let text = described(None).unwrap();
        let line = "  ContainersReady:            False  ContainersNotReady: containers with unready status: [web]";
        assert!(text.lines().any(|known| known == line), "{text}");
        assert!(text.contains("\nworker:\n"));
        assert_eq!(described(Some("nobody")), None);
    }
}
