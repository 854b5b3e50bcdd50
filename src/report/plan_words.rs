//! A plan in words, before anything is run: for `monopod check`.
//!
//! What a person gave is shown back, commands included; of variables only the names, for values are often secrets.

use crate::plan::{
    Capture, Check, Conduct, Container, Handler, Hook, Identity, NetworkQuestion, Output, Plan,
    Pod, Probe, Program, Restart, RestartPolicy, Role, RuleAction, Stdin,
};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::time::Duration;

/// For a program.
pub fn json(plan: &Plan, name: Option<&str>, warnings: &[String]) -> String {
    let mut fields = described(plan, name);
    fields.push(("warnings", Shown::Texts(warnings.to_vec())));
    format!("{:#}\n", Shown::Fields(fields).json())
}

/// For a person.
pub fn text(plan: &Plan, name: Option<&str>, warnings: &[String]) -> String {
    let mut out = String::new();
    let mut containers = Vec::new();
    for (field, shown) in described(plan, name) {
        match shown {
            Shown::Containers(items) => containers = items,
            shown => line(&mut out, "", field, &shown),
        }
    }
    for container in containers {
        let heading: Vec<String> = container[..2]
            .iter()
            .map(|(_, shown)| shown.words())
            .collect();
        let _ = writeln!(out, "\n{}", heading.join(" "));
        for (field, shown) in &container[2..] {
            line(&mut out, "  ", field, shown);
        }
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
    for warning in warnings {
        let _ = writeln!(out, "note: {warning}");
    }
    out
}

fn line(out: &mut String, indent: &str, field: &str, shown: &Shown) {
    let _ = writeln!(out, "{indent}{field:<16} {}", shown.words());
}

/// Fields in the order in which they are shown.
type Fields = Vec<(&'static str, Shown)>;

/// What stands behind a field's name.
enum Shown {
    Text(String),
    Number(u64),
    Flag(bool),
    /// The words of a command.
    Words(Vec<String>),
    Texts(Vec<String>),
    Numbers(Vec<u64>),
    Fields(Fields),
    /// Each begins with its role and its name.
    Containers(Vec<Fields>),
}

impl Shown {
    fn json(self) -> Value {
        let object = |fields: Fields| {
            let mut object = Map::new();
            for (name, shown) in fields {
                object.insert(name.to_owned(), shown.json());
            }
            Value::Object(object)
        };
        match self {
            Shown::Text(text) => text.into(),
            Shown::Number(number) => number.into(),
            Shown::Flag(flag) => flag.into(),
            Shown::Words(texts) | Shown::Texts(texts) => texts.into(),
            Shown::Numbers(numbers) => numbers.into(),
            Shown::Fields(fields) => object(fields),
            Shown::Containers(items) => items.into_iter().map(object).collect(),
        }
    }

    fn words(&self) -> String {
        match self {
            Shown::Text(text) => plain(text),
            Shown::Number(number) => number.to_string(),
            Shown::Flag(flag) => flag.to_string(),
            Shown::Words(words) => words
                .iter()
                .map(|word| plain(word))
                .collect::<Vec<_>>()
                .join(" "),
            Shown::Texts(texts) => texts
                .iter()
                .map(|text| plain(text))
                .collect::<Vec<_>>()
                .join(", "),
            Shown::Numbers(numbers) => numbers
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Shown::Fields(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, shown)| format!("{name} {}", shown.words()));
                fields.collect::<Vec<_>>().join(", ")
            }
            Shown::Containers(_) => String::new(),
        }
    }
}

/// A word as it is if it is nothing but a word, in quotes if not.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=+%@?&[]".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("{text:?}"),
    }
}

fn put(fields: &mut Fields, name: &'static str, text: impl Into<String>) {
    fields.push((name, Shown::Text(text.into())));
}

fn numbers(items: impl IntoIterator<Item = impl Into<u64>>) -> Shown {
    Shown::Numbers(items.into_iter().map(Into::into).collect())
}

fn described(plan: &Plan, name: Option<&str>) -> Fields {
    let mut fields = Fields::new();
    if let Some(name) = name {
        put(&mut fields, "pod", name);
    }
    match &plan.conduct {
        Conduct::Pod(pod) => described_pod(&mut fields, plan, pod),
        _ => {
            let programs = plan.programs.iter().map(|program| {
                let mut fields = Fields::new();
                put(&mut fields, "role", "program");
                put(&mut fields, "name", program.name.as_str());
                described_program(&mut fields, program);
                fields
            });
            fields.push(("containers", Shown::Containers(programs.collect())));
        }
    }
    if let Some(address) = plan.health {
        put(&mut fields, "health", address.to_string());
    }
    let captures: Vec<String> = plan.outputs.captures.iter().map(captured).collect();
    if !captures.is_empty() {
        fields.push(("captures", Shown::Texts(captures)));
    }
    fields
}

/// As it is written behind `--capture`.
fn captured(capture: &Capture) -> String {
    let container = capture.container.iter();
    let container: String = container.map(|name| format!(":{name}")).collect();
    let (path, stream) = (capture.path.display(), capture.stream.name());
    format!("{path}={stream}{container}")
}

fn described_pod(fields: &mut Fields, plan: &Plan, pod: &Pod) {
    put(fields, "grace", span(pod.grace));
    put(fields, "drain", span(pod.drain));
    let stop_on = pod
        .stop_on
        .iter()
        .map(|signal| signal.to_string())
        .collect();
    fields.push(("stopOn", Shown::Texts(stop_on)));
    if let Some(deadline) = pod.active_deadline {
        put(fields, "activeDeadline", span(deadline));
    }
    if !pod.readiness_gates.is_empty() {
        fields.push(("readinessGates", Shown::Texts(pod.readiness_gates.clone())));
    }
    if let Some(id) = pod.exit_code_from {
        put(fields, "exitCodeFrom", pod.container(id).name.as_str());
    }
    let containers = pod
        .containers
        .iter()
        .map(|container| described_container(plan, container));
    fields.push(("containers", Shown::Containers(containers.collect())));
}

fn described_container(plan: &Plan, container: &Container) -> Fields {
    let mut fields = Fields::new();
    let role = match container.role {
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::Main => "main",
    };
    put(&mut fields, "role", role);
    put(&mut fields, "name", container.name.as_str());
    described_program(&mut fields, plan.program(container.program));
    if let Some(relayed) = plan.outputs.of(container.program) {
        put(
            &mut fields,
            "output",
            Output::Relayed(relayed.format).word(),
        );
    }
    described_restart(&mut fields, &container.restart, container.role);
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
    ];
    for (name, probe) in probes {
        if let Some(probe) = probe {
            fields.push((name, described_probe(plan, probe)));
        }
    }
    for (name, hook) in [
        ("postStart", &container.post_start),
        ("preStop", &container.pre_stop),
    ] {
        if let Some(hook) = hook {
            fields.push((name, described_hook(plan, *hook)));
        }
    }
    if let Some(signal) = container.stop_signal {
        put(&mut fields, "stopSignal", signal.to_string());
    }
    if let Some(message) = &container.termination_message {
        if let Some(path) = &message.path {
            let path = path.display().to_string();
            put(&mut fields, "terminationMessagePath", path);
        }
        if message.or_output {
            let policy = "FallbackToLogsOnError";
            put(&mut fields, "terminationMessagePolicy", policy);
        }
    }
    fields
}

fn described_program(fields: &mut Fields, program: &Program) {
    fields.push(("command", command(program)));
    if let Some(directory) = &program.working_dir {
        put(fields, "directory", directory.to_string_lossy());
    }
    let names = program.environment.extra.iter().map(|entry| {
        let entry = entry.to_string_lossy();
        entry.split('=').next().unwrap_or_default().to_owned()
    });
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        fields.push(("variables", Shown::Texts(names)));
    }
    described_identity(fields, &program.identity);
    if program.stdin == Stdin::Inherited {
        fields.push(("stdin", Shown::Flag(true)));
    }
}

fn command(program: &Program) -> Shown {
    let words = program
        .argv
        .iter()
        .map(|word| word.to_string_lossy().into_owned());
    Shown::Words(words.collect())
}

fn described_identity(fields: &mut Fields, identity: &Identity) {
    if let Some(uid) = identity.uid {
        fields.push(("uid", Shown::Number(uid.into())));
    }
    if let Some(gid) = identity.gid {
        fields.push(("gid", Shown::Number(gid.into())));
    }
    if !identity.groups.is_empty() {
        fields.push(("groups", numbers(identity.groups.iter().copied())));
    }
    if !identity.add_capabilities.is_empty() {
        fields.push((
            "addsCapabilities",
            numbers(identity.add_capabilities.iter().copied()),
        ));
    }
    if !identity.drop_capabilities.is_empty() {
        fields.push((
            "dropsCapabilities",
            numbers(identity.drop_capabilities.iter().copied()),
        ));
    }
    if identity.no_new_privileges {
        fields.push(("noNewPrivileges", Shown::Flag(true)));
    }
}

fn described_restart(fields: &mut Fields, restart: &Restart, role: Role) {
    let policy = match restart.policy {
        // A step is retried until it succeeds, and never after that.
        RestartPolicy::Always if role == Role::Init => "OnFailure",
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "OnFailure",
        RestartPolicy::Never => "Never",
    };
    put(fields, "restart", policy);
    let rules = restart.rules.iter().map(|rule| {
        let action = match rule.action {
            RuleAction::Restart => "Restart",
            RuleAction::RestartAllContainers => "RestartAllContainers",
        };
        let operator = if rule.among { "In" } else { "NotIn" };
        format!("{action} {operator} {:?}", rule.values)
    });
    let rules: Vec<String> = rules.collect();
    if !rules.is_empty() {
        fields.push(("restartRules", Shown::Texts(rules)));
    }
}

fn described_probe(plan: &Plan, probe: &Probe) -> Shown {
    let mut fields = Fields::new();
    match probe.handler {
        Handler::Exec(id) => fields.push(("exec", command(plan.program(id)))),
        Handler::Ask(id) => put(&mut fields, "ask", question(&plan.checks[id.0])),
        Handler::Unresolvable => put(&mut fields, "ask", "a port that there is not"),
    }
    put(&mut fields, "delay", span(probe.initial_delay));
    put(&mut fields, "period", span(probe.period));
    put(&mut fields, "timeout", span(probe.timeout));
    fields.push(("failures", Shown::Number(probe.failure_threshold.into())));
    fields.push(("successes", Shown::Number(probe.success_threshold.into())));
    if let Some(grace) = probe.grace {
        put(&mut fields, "grace", span(grace));
    }
    Shown::Fields(fields)
}

fn described_hook(plan: &Plan, hook: Hook) -> Shown {
    let (name, what) = match hook {
        Hook::Exec(id) => ("exec", command(plan.program(id))),
        Hook::Ask(id) => ("ask", Shown::Text(question(&plan.checks[id.0]))),
        Hook::Sleep(time) => ("sleep", Shown::Text(span(time))),
        Hook::Fails => ("fails", Shown::Text("always".to_owned())),
    };
    Shown::Fields(vec![(name, what)])
}

fn question(check: &Check) -> String {
    match &check.question {
        NetworkQuestion::Http(get) => {
            let scheme = if get.tls { "https" } else { "http" };
            let slash = if get.path.starts_with('/') { "" } else { "/" };
            format!(
                "{scheme}://{}:{}{slash}{}",
                bracketed(&get.host),
                get.port,
                get.path
            )
        }
        NetworkQuestion::Tcp { host, port } => format!("tcp://{}:{port}", bracketed(host)),
        NetworkQuestion::Grpc {
            host,
            port,
            service,
            tls,
        } => {
            let tls = if *tls { " (TLS)" } else { "" };
            format!("grpc://{}:{port}/{service}{tls}", bracketed(host))
        }
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

fn span(span: Duration) -> String {
    humantime::format_duration(span)
        .to_string()
        .replace(' ', "")
}
