//! The JSON of `/status` and `/events` as tables for a terminal, in kubectl's columns and words.
//!
//! Made by the client from the document alone, so that a client and a core of different versions understand each other.
//! Whatever is missing in a document is shown as nothing; nothing here can fail.

use super::timeline::span;
use serde_json::Value;
use std::fmt::Write;
use std::time::SystemTime;

/// The pod's row, and below it the containers'.
pub fn pod(document: &Value, wide: bool, now: SystemTime) -> String {
    let mut row = pod_row(document, now).to_vec();
    let mut header = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
        .map(str::to_owned)
        .to_vec();
    if wide {
        header.push("READINESS GATES".to_owned());
        row.push(gates(document));
    }
    let mut text = rows(&[&header, &row]);
    text.push('\n');
    let mut header = ["CONTAINER", "KIND", "READY", "STATUS", "RESTARTS", "AGE"]
        .map(str::to_owned)
        .to_vec();
    if wide {
        header.extend(["LAST END", "PROBES", "PROGRAM"].map(str::to_owned));
    }
    let mut table = vec![header];
    for container in Container::all(document) {
        let mut row = vec![
            container.name().to_owned(),
            container.kind().to_owned(),
            yes(container.status["ready"].as_bool()).to_owned(),
            container.state_word(),
            container.restarts(now),
            container.age(now),
        ];
        if wide {
            row.extend([
                container.last_end(),
                container.probes(),
                container.program().to_owned(),
            ]);
        }
        table.push(row);
    }
    let table: Vec<&[String]> = table.iter().map(Vec::as_slice).collect();
    text + &rows(&table)
}

/// The pod's row alone, as `kubectl get pod` has it: NAME, READY, STATUS, RESTARTS, AGE.
pub fn pod_row(document: &Value, now: SystemTime) -> [String; 5] {
    let all: Vec<Container> = Container::all(document).collect();
    let serving = all.iter().filter(|container| !container.is_init());
    let ready = serving
        .clone()
        .filter(|container| container.status["ready"] == true);
    let restarts: u64 = all.iter().map(Container::restart_count).sum();
    let last = all.iter().filter_map(|container| container.last_finished());
    let restarts = match last.max() {
        Some(last) if restarts > 0 => format!("{restarts} ({} ago)", ago(last, now)),
        _ => restarts.to_string(),
    };
    let created = time(&document["metadata"]["creationTimestamp"]);
    [
        text(&document["metadata"]["name"]).to_owned(),
        format!("{}/{}", ready.count(), serving.count()),
        pod_word(document, &all),
        restarts,
        created.map_or(String::new(), |created| ago(created, now)),
    ]
}

/// How many of the readiness gates hold, as kubectl has it.
fn gates(document: &Value) -> String {
    let gates = document["spec"]["readinessGates"].as_array();
    let gates: Vec<&Value> = gates.into_iter().flatten().collect();
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = document["status"]["conditions"].as_array();
    let holds = |gate: &&&Value| {
        let mut all = conditions.into_iter().flatten();
        all.any(|known| known["type"] == gate["conditionType"] && known["status"] == "True")
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

/// What kubectl says in the column STATUS.
fn pod_word(document: &Value, all: &[Container]) -> String {
    if document["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".to_owned();
    }
    let status = &document["status"];
    if let Some(reason) = status["reason"].as_str() {
        return reason.to_owned();
    }
    let phase = text(&status["phase"]).to_owned();
    let steps = || all.iter().filter(|container| container.kind() != "main");
    if phase == "Pending" || phase == "Failed" {
        let undone = steps().enumerate().find(|(_, step)| !step.is_past());
        if let Some((place, step)) = undone {
            return match step.state() {
                ("waiting", state) => match text(&state["reason"]) {
                    "PodInitializing" | "" => format!("Init:{place}/{}", steps().count()),
                    reason => format!("Init:{reason}"),
                },
                ("terminated", state) => format!("Init:{}", text(&state["reason"])),
                _ => format!("Init:{place}/{}", steps().count()),
            };
        }
    }
    let main = || all.iter().filter(|container| container.kind() == "main");
    let trouble = main().find_map(|container| match container.state() {
        ("waiting", state) => state["reason"].as_str(),
        ("terminated", state) if state["exitCode"] != 0 => state["reason"].as_str(),
        _ => None,
    });
    match trouble {
        Some(reason) => reason.to_owned(),
        None if phase == "Succeeded" => "Completed".to_owned(),
        None => phase,
    }
}

/// Events as `kubectl get events` has them. Without a header for a watcher's later lines.
pub fn events(list: &Value, header: bool, now: SystemTime) -> String {
    let mut table: Vec<Vec<String>> = Vec::new();
    if header {
        table.push(
            ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
                .map(str::to_owned)
                .to_vec(),
        );
    }
    for event in list["items"].as_array().into_iter().flatten() {
        let seen = |key: &str| time(&event[key]).map_or(String::new(), |at| ago(at, now));
        let seen = match event["count"].as_u64() {
            Some(count) if count > 1 => {
                format!(
                    "{} (x{count} over {})",
                    seen("lastTimestamp"),
                    seen("firstTimestamp")
                )
            }
            _ => seen("lastTimestamp"),
        };
        let object = &event["involvedObject"];
        let path = text(&object["fieldPath"]);
        let container = path.split_once('{').and_then(|(_, n)| n.strip_suffix('}'));
        table.push(vec![
            seen,
            text(&event["type"]).to_owned(),
            text(&event["reason"]).to_owned(),
            container.map_or_else(
                || format!("pod/{}", text(&object["name"])),
                |name| format!("container/{name}"),
            ),
            text(&event["message"]).replace('\n', " "),
        ]);
    }
    let table: Vec<&[String]> = table.iter().map(Vec::as_slice).collect();
    rows(&table)
}

/// A container with its place in the spec and in the status.
pub struct Container<'a> {
    /// Its entry in the spec.
    pub spec: &'a Value,
    /// Its entry in the status.
    pub status: &'a Value,
    is_in_init: bool,
}

impl<'a> Container<'a> {
    /// All of a document, in the order of their start.
    pub fn all(document: &'a Value) -> impl Iterator<Item = Container<'a>> {
        let lists = [
            ("initContainers", "initContainerStatuses", true),
            ("containers", "containerStatuses", false),
        ];
        lists.into_iter().flat_map(|(spec, status, is_in_init)| {
            let statuses = document["status"][status].as_array();
            let specs = document["spec"][spec].as_array().into_iter().flatten();
            specs.map(move |spec| Container {
                spec,
                status: statuses
                    .into_iter()
                    .flatten()
                    .find(|status| status["name"] == spec["name"])
                    .unwrap_or(&Value::Null),
                is_in_init,
            })
        })
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        text(&self.spec["name"])
    }

    fn is_init(&self) -> bool {
        self.kind() == "init"
    }

    /// `init`, `sidecar`, or `main` for what the pod is for.
    pub fn kind(&self) -> &'static str {
        match (self.is_in_init, self.spec["restartPolicy"] == "Always") {
            (false, _) => "main",
            (true, true) => "sidecar",
            (true, false) => "init",
        }
    }

    /// The init containers behind it may start.
    fn is_past(&self) -> bool {
        match self.kind() {
            "init" => self.status["ready"] == true,
            _ => self.status["started"] == true,
        }
    }

    /// The one state that it is in, and what belongs to it.
    pub fn state(&self) -> (&'static str, &'a Value) {
        let state = &self.status["state"];
        let known = ["waiting", "running", "terminated"].into_iter();
        let known = known.map(|word| (word, &state[word]));
        let mut there = known.filter(|(_, inner)| inner.is_object());
        there.next().unwrap_or(("", &Value::Null))
    }

    fn state_word(&self) -> String {
        match self.state() {
            ("running", _) => "Running".to_owned(),
            (_, state) => text(&state["reason"]).to_owned(),
        }
    }

    fn restart_count(&self) -> u64 {
        self.status["restartCount"].as_u64().unwrap_or(0)
    }

    fn last_finished(&self) -> Option<SystemTime> {
        (self.restart_count() > 0).then_some(())?;
        time(&self.status["lastState"]["terminated"]["finishedAt"])
    }

    fn restarts(&self, now: SystemTime) -> String {
        match self.last_finished() {
            Some(last) => format!("{} ({} ago)", self.restart_count(), ago(last, now)),
            None => self.restart_count().to_string(),
        }
    }

    fn age(&self, now: SystemTime) -> String {
        let (_, state) = self.state();
        time(&state["startedAt"]).map_or(String::new(), |since| ago(since, now))
    }

    fn last_end(&self) -> String {
        let end = match self.state() {
            ("terminated", end) => end,
            _ => &self.status["lastState"]["terminated"],
        };
        match end["exitCode"].as_u64() {
            Some(code) => format!("{} ({code})", text(&end["reason"])),
            None => String::new(),
        }
    }

    fn probes(&self) -> String {
        let kinds = [
            ("startupProbe", "startup"),
            ("livenessProbe", "liveness"),
            ("readinessProbe", "readiness"),
        ];
        let there = kinds.iter().filter(|(key, _)| self.spec[*key].is_object());
        there
            .map(|(_, word)| *word)
            .collect::<Vec<&str>>()
            .join(",")
    }

    fn program(&self) -> &'a str {
        text(&self.spec["command"][0])
    }
}

/// Lines of cells, each column as wide as its widest cell.
pub fn rows(table: &[&[String]]) -> String {
    let columns = table.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What a string holds; nothing for what is none. Control characters are for terminals to obey, so they go.
pub fn text(value: &Value) -> &str {
    let text = value.as_str().unwrap_or("");
    match text.contains(|c: char| c.is_control() && c != '\n') {
        true => "?",
        false => text,
    }
}

/// A date of the API.
pub fn time(value: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339(value.as_str()?).ok()
}

fn ago(then: SystemTime, now: SystemTime) -> String {
    span(now.duration_since(then).unwrap_or_default().as_secs())
}

fn yes(holds: Option<bool>) -> &'static str {
    if holds == Some(true) { "true" } else { "false" }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
