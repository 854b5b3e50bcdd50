//! One entry of `containers` or `initContainers`.
//!
//! There is no image here: what an entry runs must be said in it, or be the outer container's command, which stands in
//! for the one entry that says nothing.

use super::environment::Variables;
use super::fates;
use super::fault::quoted;
use super::identity::{self, PodIdentity};
use super::names;
use super::spot::{Object, Spot};
use super::{Around, Making, asking};
use crate::plan::{
    Container, Environment, Mask, Placement, ProbeKind, Program, Restart, RestartPolicy,
    RestartRule, Role, RuleAction, Signal, Stdin, TerminationMessage,
};
use std::collections::HashSet;
use std::ffi::CString;
use std::rc::Rc;

/// What the pod says that its containers need to know.
pub(super) struct PodSays {
    pub restart: RestartPolicy,
    /// terminationGracePeriodSeconds
    pub grace_seconds: i64,
    pub identity: PodIdentity,
    /// Whether `os.name` is said, without which no stop signal may be.
    pub has_os: bool,
}

/// What the probes and hooks of a container need of it.
pub(super) struct Owner {
    pub name: String,
    pub ports: Vec<(String, u16)>,
    pub variables: Variables,
    /// The container's program without its words, as which its probes and hooks run.
    program: Program,
}

impl Owner {
    /// A program that asks or tells the container something: as the container, but for its words.
    pub fn asking(&self, name: String, argv: impl Iterator<Item = Vec<u8>>) -> Program {
        Program {
            name,
            argv: c_strings(argv),
            placement: Placement::Alone,
            stdin: Stdin::Empty,
            kept_output: true,
            ..self.program.clone()
        }
    }
}

/// No word here has a NUL: the manifest was looked through for them, and no variable can hold one.
fn c_strings(words: impl Iterator<Item = Vec<u8>>) -> Vec<CString> {
    words.filter_map(|word| CString::new(word).ok()).collect()
}

pub(super) const RESTART_POLICIES: [(&str, RestartPolicy); 3] = [
    ("Always", RestartPolicy::Always),
    ("OnFailure", RestartPolicy::OnFailure),
    ("Never", RestartPolicy::Never),
];

/// Reads an entry. `is_init`: it stands among the init containers. `given`: the outer container's command, if this is
/// the entry that takes it.
pub(super) fn container(
    spot: &Spot,
    is_init: bool,
    given: &[CString],
    pod: &PodSays,
    around: &Around,
    making: &mut Making,
) -> Option<Container> {
    let entry = spot.object(&fates::CONTAINER);
    let name = name(&entry);
    let own_policy = entry
        .get("restartPolicy")
        .and_then(|spot| spot.one_of(&RESTART_POLICIES));
    let role = match own_policy {
        Some(RestartPolicy::Always) if is_init => Role::Sidecar,
        _ if is_init => Role::Init,
        _ => Role::Main,
    };
    let restart = Restart {
        policy: own_policy.unwrap_or(pod.restart),
        rules: rules(&entry),
        at_most: None,
    };
    let ports = ports(&entry);
    let variables = Variables::read(&entry, around);
    let identity = identity::of_container(&entry, &pod.identity, around);
    let wants_stdin = entry.flag("stdin") == Some(true);
    let wants_terminal = entry.flag("tty") == Some(true);
    if wants_terminal && !wants_stdin {
        spot.findings
            .passed_over("tty (without stdin)".to_owned(), false);
    }
    let reads_stdin = wants_stdin && making.takes_stdin(&name, spot);
    let program = Program {
        name: name.clone(),
        argv: Vec::new(),
        // A session takes the terminal that standard input is.
        placement: match reads_stdin && wants_terminal {
            true => Placement::Session,
            false => Placement::Alone,
        },
        foreground: false,
        mask: Mask::Empty,
        stdin: match reads_stdin {
            true => Stdin::Inherited,
            false => Stdin::Empty,
        },
        environment: Environment {
            base: around.base.clone(),
            extra: Rc::new(variables.entries()),
        },
        working_dir: entry
            .get("workingDir")
            .and_then(Spot::word)
            .filter(|path| !path.is_empty())
            .and_then(|path| CString::new(path).ok()),
        identity,
        kept_output: false,
    };
    let id = making.add(Program {
        argv: argv(&entry, given, &variables, around),
        ..program.clone()
    });
    let owner = Owner {
        name: name.clone(),
        ports,
        variables,
        program,
    };
    if role == Role::Init {
        refuse_what_a_step_has_not(&entry);
    }
    let lifecycle = entry
        .get("lifecycle")
        .map(|spot| spot.object(&fates::LIFECYCLE));
    let mut probe = |kind| asking::probe(&entry, kind, &owner, making);
    let (startup_probe, liveness_probe, readiness_probe) = (
        probe(ProbeKind::Startup),
        probe(ProbeKind::Liveness),
        probe(ProbeKind::Readiness),
    );
    let mut hook = |field| {
        let lifecycle = lifecycle.as_ref()?;
        asking::hook(lifecycle, field, pod.grace_seconds, &owner, making)
    };
    Some(Container {
        post_start: hook("postStart"),
        pre_stop: hook("preStop"),
        stop_signal: lifecycle
            .as_ref()
            .and_then(|lifecycle| stop_signal(lifecycle, pod))
            .or(Some(Signal::TERM)),
        termination_message: termination_message(&entry),
        name,
        role,
        program: id,
        restart,
        startup_probe,
        liveness_probe,
        readiness_probe,
        kills_its_tree: true,
    })
}

fn name(entry: &Object) -> String {
    let Some(spot) = entry.required("name") else {
        return String::new();
    };
    let name = spot.text().unwrap_or_default();
    if spot.is_text()
        && let Err(rule) = names::label(name)
    {
        spot.fault(format!("found {}; {rule}", quoted(name)));
        // It may be as long as the text, and messages have it in them.
        return String::new();
    }
    name.to_owned()
}

/// `command` and `args`. Without a command the entry takes the outer container's: `args`, if there are any, then replace
/// all of it but the first word, as in a Pod they replace the image's arguments.
fn argv(entry: &Object, given: &[CString], variables: &Variables, around: &Around) -> Vec<CString> {
    let words = |field| {
        let words = entry.list(field);
        let words = words
            .into_iter()
            .filter_map(|spot| Some((spot.word()?, spot)));
        words.collect::<Vec<_>>()
    };
    let expanded = |words: Vec<(&str, Spot)>| -> Vec<CString> {
        let words = words.into_iter();
        c_strings(words.filter_map(|(word, spot)| variables.expand(word, &spot, around)))
    };
    let (command, args) = (words("command"), words("args"));
    if command.is_empty() {
        return match (given.first(), args.is_empty()) {
            (Some(program), false) => [program.clone()]
                .into_iter()
                .chain(expanded(args))
                .collect(),
            _ => given.to_vec(),
        };
    }
    if command[0].0.is_empty()
        && let Some(spot) = entry.get("command")
    {
        spot.fault("the first word is empty; it is the program");
    }
    expanded(command.into_iter().chain(args).collect())
}

fn ports(entry: &Object) -> Vec<(String, u16)> {
    let mut named: Vec<(String, u16)> = Vec::new();
    let mut known = HashSet::new();
    for spot in entry.list("ports") {
        let port = spot.object(&fates::PORT);
        let number = port.required("containerPort").and_then(asking::port_number);
        if let Some(protocol) = port.get("protocol") {
            protocol.one_of(&[("TCP", ()), ("UDP", ()), ("SCTP", ())]);
        }
        let Some(name_spot) = port.get("name") else {
            continue;
        };
        let Some(name) = name_spot.text() else {
            continue;
        };
        if let Err(rule) = names::port(name) {
            name_spot.fault(format!("found {}; {rule}", quoted(name)));
        } else if known.contains(name) {
            name_spot.fault(format!("another port of this container is named {name}"));
        } else if let Some(number) = number {
            known.insert(name);
            named.push((name.to_owned(), number));
        }
    }
    named
}

/// restartPolicyRules (S142 to S145).
fn rules(entry: &Object) -> Vec<RestartRule> {
    let Some(spot) = entry.get("restartPolicyRules") else {
        return Vec::new();
    };
    let rules = spot.list();
    if rules.len() > 20 {
        spot.fault(format!("has {} rules; 20 are allowed", rules.len()));
    }
    if !rules.is_empty() && entry.get("restartPolicy").is_none() {
        spot.fault("needs a restartPolicy beside it, for exit codes that no rule is about (S145)");
    }
    rules.iter().filter_map(rule).collect()
}

fn rule(spot: &Spot) -> Option<RestartRule> {
    let rule = spot.object(&fates::RESTART_RULE);
    let actions = [
        ("Restart", RuleAction::Restart),
        ("RestartAllContainers", RuleAction::RestartAllContainers),
    ];
    let action = rule
        .required("action")
        .and_then(|spot| spot.one_of(&actions));
    let codes = rule.required("exitCodes")?.object(&fates::EXIT_CODES);
    let operators = [("In", true), ("NotIn", false)];
    let among = codes
        .required("operator")
        .and_then(|spot| spot.one_of(&operators));
    let values = codes.list("values");
    if values.len() > 255
        && let Some(spot) = codes.get("values")
    {
        spot.fault(format!("has {} values; 255 are allowed", values.len()));
    }
    let value = |spot: &Spot| i32::try_from(spot.number(i32::MIN.into()..=i32::MAX.into())?).ok();
    Some(RestartRule {
        values: values.iter().filter_map(value).collect(),
        among: among?,
        action: action?,
    })
}

/// Probes and hooks are for what goes on, not for what ends.
fn refuse_what_a_step_has_not(entry: &Object) {
    for field in [
        "lifecycle",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
    ] {
        if let Some(spot) = entry.get(field) {
            spot.fault(
                "an init container has none, unless it is a sidecar (restartPolicy: Always)",
            );
        }
    }
}

fn stop_signal(lifecycle: &Object, pod: &PodSays) -> Option<Signal> {
    let spot = lifecycle.get("stopSignal")?;
    let name = spot.text()?;
    if !pod.has_os {
        spot.fault("needs spec.os.name: linux, for other systems have other signals");
    }
    let signal = Signal::parse(name).filter(|_| is_api_signal(name));
    if signal.is_none() {
        spot.fault(format!(
            "found {}; allowed is a name such as SIGTERM, SIGQUIT, SIGRTMIN+3",
            quoted(name)
        ));
    }
    signal
}

/// The API knows full names only, and of the real-time signals the nearer half to either end.
fn is_api_signal(name: &str) -> bool {
    let offset = |rest: &str, most: u8| {
        rest.is_empty()
            || rest[1..]
                .parse::<u8>()
                .is_ok_and(|n| (1..=most).contains(&n))
    };
    match (name.strip_prefix("SIGRTMIN"), name.strip_prefix("SIGRTMAX")) {
        (Some(rest), _) => offset(rest, 15),
        (_, Some(rest)) => offset(rest, 14),
        _ => {
            name.strip_prefix("SIG")
                .is_some_and(|rest| !rest.starts_with("SIG"))
                && name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        }
    }
}

/// The kubelet's terminationMessagePath when a container does not say.
pub(super) const TERMINATION_LOG: &str = "/dev/termination-log";

/// Where the container's last words are, as said or by default; whether the path is its alone is for the pod to see.
fn termination_message(entry: &Object) -> Option<TerminationMessage> {
    let policies = [("File", false), ("FallbackToLogsOnError", true)];
    let policy = entry.get("terminationMessagePolicy");
    let or_output = policy
        .and_then(|spot| spot.one_of(&policies))
        .unwrap_or(false);
    let path = match entry.get("terminationMessagePath") {
        None => TERMINATION_LOG,
        Some(spot) => match spot.word()? {
            "" => TERMINATION_LOG,
            path if path.starts_with('/') => path,
            path => {
                spot.fault(format!(
                    "found {}; allowed is a path from / on",
                    quoted(path)
                ));
                return None;
            }
        },
    };
    Some(TerminationMessage {
        path: Some(path.into()),
        or_output,
    })
}
