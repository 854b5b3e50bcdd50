//! `--readiness-probe` and its kin, `--post-start` and `--pre-stop`: a container's probes and hooks from flags. They
//! give one container what its entry in a manifest would have given it, and have the API's defaults and rules.
//!
//! The numbers stand behind the target, and are looked for from its end: a command and an URL may have commas of their
//! own. What looks like a number there is one, or a fault: `,failureTreshold=5` taken for a part of the path would be a
//! probe that fails for ever and says 404.

use super::flags::{self, Flag};
use super::gather::Gathered;
use super::values;
use crate::plan::{
    Asker, Check, CheckId, Container, Handler, Hook, HttpGet, NetworkQuestion, Placement, Probe,
    ProbeKind, Program, ProgramId, Role, Stdin,
};
use crate::spelling;
use std::ffi::{CString, OsStr};
use std::time::Duration;

/// What the flags say about the one container.
pub(super) struct Wishes {
    probes: Vec<(&'static Flag, ProbeKind, Wish)>,
    hooks: Vec<(&'static Flag, Vec<CString>)>,
}

/// A probe as a flag says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub target: Target,
    pub numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Exec(Vec<CString>),
    Ask(NetworkQuestion),
}

/// The API's numbers with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub delay: u32,
    pub period: u32,
    pub timeout: u32,
    pub failures: u32,
    pub successes: u32,
}

const DEFAULTS: Numbers = Numbers {
    delay: 0,
    period: 10,
    timeout: 1,
    failures: 3,
    successes: 1,
};

/// The numbers' own names, and the API's for the same.
const KEYS: [&str; 5] = ["delay", "period", "timeout", "failures", "successes"];
const API_KEYS: [&str; 5] = [
    "initialDelaySeconds",
    "periodSeconds",
    "timeoutSeconds",
    "failureThreshold",
    "successThreshold",
];

const PROBES: [(&Flag, ProbeKind); 3] = [
    (&flags::STARTUP_PROBE, ProbeKind::Startup),
    (&flags::LIVENESS_PROBE, ProbeKind::Liveness),
    (&flags::READINESS_PROBE, ProbeKind::Readiness),
];

/// Reads the probes' flags, and those of these hooks.
pub(super) fn wishes(said: &mut Gathered, hooks: &[&'static Flag]) -> Wishes {
    let mut wishes = Wishes {
        probes: Vec::new(),
        hooks: Vec::new(),
    };
    for (flag, kind) in PROBES {
        let wish = said.last(flag, |value| read(value, kind));
        wishes.probes.extend(wish.map(|wish| (flag, kind, wish)));
    }
    for flag in hooks.iter().copied() {
        let command = said.last(flag, values::command);
        wishes.hooks.extend(command.map(|argv| (flag, argv)));
    }
    wishes
}

impl Wishes {
    /// The first flag that was given, for a message.
    pub fn first(&self) -> Option<&'static Flag> {
        let probes = self.probes.iter().map(|(flag, ..)| *flag);
        probes
            .chain(self.hooks.iter().map(|(flag, _)| *flag))
            .next()
    }

    /// Gives the one main container what was wished for it. It is a fault if there are several.
    pub fn dress(
        self,
        containers: &mut [Container],
        programs: &mut Vec<Program>,
        checks: &mut Vec<Check>,
    ) -> Result<(), String> {
        let Some(flag) = self.first() else {
            return Ok(());
        };
        let mut mains: Vec<&mut Container> = containers
            .iter_mut()
            .filter(|c| c.role == Role::Main)
            .collect();
        let [container] = &mut mains[..] else {
            return Err(format!(
                "--{} is for one container, and there are {}; say it in the manifest",
                flag.name,
                mains.len()
            ));
        };
        let like = programs[container.program.0].clone();
        // Beside a command alone a hook prints, as a pre-stop hook does there; a manifest's is kept for the message.
        let (hook_placement, hook_output_kept) = match like.placement {
            Placement::Group => (Placement::Group, false),
            _ => (Placement::Alone, true),
        };
        let mut add = |what: &str, argv: Vec<CString>, placement, kept_output| {
            programs.push(Program {
                name: format!("{what} of {}", like.name),
                argv,
                placement,
                foreground: false,
                stdin: Stdin::Empty,
                kept_output,
                ..like.clone()
            });
            ProgramId(programs.len() - 1)
        };
        for (_, kind, wish) in self.probes {
            let handler = match wish.target {
                Target::Exec(argv) => {
                    Handler::Exec(add(api_name(kind), argv, Placement::Alone, true))
                }
                Target::Ask(question) => {
                    checks.push(Check {
                        question,
                        timeout: Some(seconds(wish.numbers.timeout)),
                        asker: Asker::Probe,
                    });
                    Handler::Ask(CheckId(checks.len() - 1))
                }
            };
            let probe = Some(wish.numbers.probe(handler));
            match kind {
                ProbeKind::Startup => container.startup_probe = probe,
                ProbeKind::Liveness => container.liveness_probe = probe,
                ProbeKind::Readiness => container.readiness_probe = probe,
            }
        }
        for (flag, argv) in self.hooks {
            let (hook, what) = if flag.name == flags::PRE_STOP.name {
                (&mut container.pre_stop, "preStop")
            } else {
                (&mut container.post_start, "postStart")
            };
            let id = add(what, argv, hook_placement, hook_output_kept);
            *hook = Some(Hook::Exec(id));
        }
        Ok(())
    }
}

impl Numbers {
    fn probe(self, handler: Handler) -> Probe {
        Probe {
            handler,
            initial_delay: seconds(self.delay),
            timeout: seconds(self.timeout),
            period: seconds(self.period),
            success_threshold: self.successes,
            failure_threshold: self.failures,
            grace: None,
        }
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn api_name(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "startupProbe",
        ProbeKind::Liveness => "livenessProbe",
        ProbeKind::Readiness => "readinessProbe",
    }
}

/// Reads a probe with its numbers. All that is wrong with it is told, a line each.
pub(super) fn read(value: &OsStr, kind: ProbeKind) -> Result<Wish, String> {
    let Some(mut text) = value.to_str() else {
        return Err(format!("{} is not UTF-8", values::quoted(value)));
    };
    let mut numbers = DEFAULTS;
    let mut faults = Vec::new();
    while let Some((rest, key, number)) = number_behind(text) {
        faults.extend(numbers.set(key, number, text).err());
        text = rest;
    }
    faults.reverse();
    if kind != ProbeKind::Readiness && numbers.successes != 1 {
        faults.push(format!(
            "successes={}: a {} allows 1 only",
            numbers.successes,
            api_name(kind)
        ));
    }
    match target(text.trim_end()) {
        Ok(target) if faults.is_empty() => return Ok(Wish { target, numbers }),
        Ok(_) => {}
        Err(fault) => faults.push(fault),
    }
    Err(faults.join("\n"))
}

/// The last `,word=value`, and what stands before it. A comma of a command is none of ours if it is in quotes or if
/// more words follow.
fn number_behind(text: &str) -> Option<(&str, &str, &str)> {
    let (rest, last) = text.rsplit_once(',')?;
    let (key, number) = last.split_once('=')?;
    let (key, number) = (key.trim(), number.trim());
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_word = !key.is_empty() && key.bytes().all(is_letter);
    let is_the_commands = || {
        text.starts_with("exec:")
            && (number.contains(char::is_whitespace) || shlex::split(rest).is_none())
    };
    (is_word && !is_the_commands()).then_some((rest, key, number))
}

impl Numbers {
    /// Takes one of its numbers. Zero means the default, as in the API (S32). `text` is the probe, for the advice.
    fn set(&mut self, key: &str, number: &str, text: &str) -> Result<(), String> {
        let (place, default, is_time) = match key {
            "delay" | "initialDelaySeconds" => (&mut self.delay, DEFAULTS.delay, true),
            "period" | "periodSeconds" => (&mut self.period, DEFAULTS.period, true),
            "timeout" | "timeoutSeconds" => (&mut self.timeout, DEFAULTS.timeout, true),
            "failures" | "failureThreshold" => (&mut self.failures, DEFAULTS.failures, false),
            "successes" | "successThreshold" => (&mut self.successes, DEFAULTS.successes, false),
            _ => return Err(unknown(key, text)),
        };
        let read = match is_time {
            true => whole_seconds(number),
            false => whole(number),
        };
        *place = match read {
            Some(0) => default,
            Some(number) => number,
            None if is_time => {
                return Err(format!(
                    "{key}={number:?} is not a whole number of seconds from 0 on; write 5 or 5s"
                ));
            }
            None => return Err(format!("{key}={number:?} is not a whole number from 0 on")),
        };
        Ok(())
    }
}

/// The API's largest number.
const LARGEST: u32 = i32::MAX as u32;

fn whole(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= LARGEST);
    number.filter(|_| is_plain)
}

fn whole_seconds(text: &str) -> Option<u32> {
    let span = values::duration(OsStr::new(text)).ok()?;
    let seconds = u32::try_from(span.as_secs()).ok()?;
    (span.subsec_nanos() == 0 && seconds <= LARGEST).then_some(seconds)
}

fn unknown(key: &str, text: &str) -> String {
    let meant = spelling::nearest(key, KEYS).or_else(|| spelling::nearest(key, API_KEYS));
    let guess = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("it knows {}", KEYS.join(", ")),
    };
    let has_commas = !text.starts_with("tcp:") && !text.starts_with("grpc:");
    let advice = match text.starts_with("exec:") {
        true => " (a comma of the command itself belongs in quotes)",
        false if has_commas => " (a comma of the path itself is written %2C)",
        false => "",
    };
    format!("{key:?} is no number of a probe; {guess}{advice}")
}

/// Where a probe asks that names no host.
const HERE: &str = "127.0.0.1";

fn target(text: &str) -> Result<Target, String> {
    let fault = || {
        format!(
            "{text:?} is not a probe; write http://HOST:PORT/PATH, https://HOST:PORT/PATH, tcp://HOST:PORT, \
             grpc://HOST:PORT, :PORT/PATH or exec:COMMAND"
        )
    };
    if let Some(command) = text.strip_prefix("exec:") {
        return values::command(OsStr::new(command)).map(Target::Exec);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if text.starts_with(':') => ("http", text),
        None => return Err(fault()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = host_and_port(authority).ok_or_else(fault)?;
    let needed = || port.ok_or_else(|| format!("{text:?} names no port"));
    let question = match scheme {
        "http" | "https" => NetworkQuestion::Http(HttpGet {
            tls: scheme == "https",
            host,
            port: port.unwrap_or(if scheme == "https" { 443 } else { 80 }),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            headers: Vec::new(),
        }),
        "tcp" if matches!(path, "" | "/") => NetworkQuestion::Tcp {
            host,
            port: needed()?,
        },
        "grpc" => NetworkQuestion::Grpc {
            host,
            port: needed()?,
            service: path.strip_prefix('/').unwrap_or(path).to_owned(),
            tls: false,
        },
        _ => return Err(fault()),
    };
    Ok(Target::Ask(question))
}

/// `host`, `host:80`, `:80`, `[::1]:80`. No host means this one.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port {
        "" => None,
        port => {
            let digits = port.strip_prefix(':')?;
            let is_plain = digits.bytes().all(|b| b.is_ascii_digit());
            Some(
                digits
                    .parse::<u16>()
                    .ok()
                    .filter(|port| is_plain && *port != 0)?,
            )
        }
    };
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "@\"'<>\\^`{|}".contains(c);
    if host.contains(is_odd) || (host.is_empty() && port.is_none()) {
        return None;
    }
    let host = if host.is_empty() { HERE } else { host };
    Some((host.to_owned(), port))
}
