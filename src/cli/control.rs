//! `monopod status`, `describe`, `events`, `gate`, `restart`, `signal`, `stop` and `timeline`: questions and commands to a
//! running monopod, by its control socket.
//!
//! Each is one only as the very first word; `monopod -- status` runs a program of that name.

use super::flags::{self, CONTROL_PATH};
use super::gather::{Flags, Gathered, gather};
use super::native::{print, usage_error};
use super::{Invocation, Surroundings, values};
use crate::plan::{Ask, ControlRequest, Layout};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A word, what comes behind it, and what it is for.
const VERBS: [(&str, &str, &str); 8] = [
    (
        "status",
        "[-o wide|json|yaml] [-w]",
        "the pod and its containers",
    ),
    ("describe", "[NAME]", "the pod, or one container, at length"),
    ("events", "[-w]", "what has happened"),
    ("gate", "TYPE True|False", "set a readiness gate"),
    (
        "restart",
        "NAME",
        "stop a container in order and start it again",
    ),
    (
        "signal",
        "NAME SIG",
        "send a signal to a container's own process",
    ),
    ("stop", "", "stop the pod, as SIGTERM does"),
    ("timeline", "", "the life so far as a picture (SVG)"),
];

/// Whether this first word is one of ours.
pub(super) fn is_verb(word: &OsStr) -> bool {
    VERBS.iter().any(|(verb, ..)| word == *verb)
}

/// All first words that are no program's name: these, and those with a grammar of their own.
pub(super) fn subcommands() -> impl Iterator<Item = &'static str> + Clone {
    let verbs = VERBS.iter().map(|(verb, ..)| *verb);
    verbs.chain(["probe", "check"])
}

/// The lines of the help text for these.
pub(super) fn usage() -> String {
    let line = |(verb, behind, what): (&str, &str, &str)| {
        let usage = format!("{verb} {behind}");
        format!("  monopod {usage:34}{what}\n")
    };
    VERBS.into_iter().map(line).collect()
}

/// Reads the words from the verb on.
pub(super) fn parse(verb: &OsStr, rest: &[OsString], surroundings: &Surroundings) -> Invocation {
    let verb = verb.to_str().unwrap_or_default();
    let mut said = gather(rest, &flags::ASK, Flags::Anywhere, surroundings.env);
    if said.asked.is_some() {
        return print(help());
    }
    let ask = ask(verb, &mut said);
    let path = match said.last(&flags::ASK_CONTROL, values::control_path) {
        Some(Some(path)) => Some(path),
        Some(None) => {
            let fault = format!("{verb}: there is no socket to ask: --control is none");
            said.faults.push(fault);
            None
        }
        None => Some(PathBuf::from(CONTROL_PATH)),
    };
    match (ask, path) {
        (Some(ask), Some(path)) if said.faults.is_empty() => {
            Invocation::Control(ControlRequest { path, ask })
        }
        _ => usage_error(&said.faults),
    }
}

/// What is asked; nothing, and a fault, if the words make no sense.
fn ask(verb: &str, said: &mut Gathered) -> Option<Ask> {
    let words: Vec<String> = said
        .words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = said.last(&flags::ASK_OUTPUT, values::output);
    let watch = said.is_switched_on(&flags::WATCH);
    if output.is_some() && verb != "status" {
        said.faults.push(format!("{verb}: only status takes -o"));
    }
    if watch && !matches!(verb, "status" | "events") {
        said.faults
            .push(format!("{verb}: only status and events take -w"));
    }
    if watch && matches!(output, Some(Layout::Json | Layout::Yaml)) {
        said.faults.push("status: -w shows tables only".to_owned());
    }
    let ask = match (verb, &words[..]) {
        ("status", []) => Ask::Status {
            output: output.unwrap_or(Layout::Table),
            watch,
        },
        ("describe", []) => Ask::Describe { name: None },
        ("describe", [name]) => Ask::Describe {
            name: Some((*name).to_owned()),
        },
        ("events", []) => Ask::Events { watch },
        ("gate", [gate, value]) if is_bool(value) => Ask::Gate {
            gate: (*gate).to_owned(),
            value: value.eq_ignore_ascii_case("true"),
        },
        ("restart", [name]) => Ask::Restart {
            name: (*name).to_owned(),
        },
        ("signal", [name, signal]) => {
            if let Err(fault) = values::signal(OsStr::new(signal)) {
                said.faults.push(format!("signal: {fault}"));
            }
            Ask::Signal {
                name: (*name).to_owned(),
                signal: (*signal).to_owned(),
            }
        }
        ("stop", []) => Ask::Stop,
        ("timeline", []) => Ask::Timeline,
        _ => {
            let known = VERBS.iter().find(|(known, ..)| *known == verb);
            let behind = known.map_or("", |(_, behind, _)| behind);
            said.faults.push(
                format!("{verb}: write monopod {verb} {behind}")
                    .trim_end()
                    .to_owned(),
            );
            return None;
        }
    };
    Some(ask)
}

/// The API's words are True and False, those of people and YAML true and false.
fn is_bool(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

fn help() -> String {
    format!(
        "Questions and commands to a running monopod:

{}
{}",
        usage(),
        flags::describe(&flags::ASK)
    )
}
