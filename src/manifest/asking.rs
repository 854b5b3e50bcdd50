//! Probes and hooks: their handlers, numbers and rules (kubelet-semantics A.1 to A.3).
//!
//! The defaults are those of the API server, which fills them in before it looks whether a value is allowed: an
//! explicit zero is no fault but the default (S32).

use super::budget::PER_WORD;
use super::container::Owner;
use super::fates;
use super::fault::quoted;
use super::names;
use super::spot::{Object, Spot};
use super::{Making, seconds};
use crate::plan::{Asker, Check, Handler, Hook, HttpGet, NetworkQuestion, Probe, ProbeKind};
use crate::spelling;
use std::time::Duration;

/// Where a check asks that names no host: in a Pod that is the pod's address, here it is the same network.
const HERE: &str = "127.0.0.1";

const LARGEST: i64 = i32::MAX as i64;

/// Reads a probe, if the container has it.
pub(super) fn probe(
    container: &Object,
    kind: ProbeKind,
    owner: &Owner,
    making: &mut Making,
) -> Option<Probe> {
    let field = probe_field(kind);
    let probe = container.get(field)?.object(&fates::PROBE);
    let number = |name, default: u32| match probe.number(name, 0..=LARGEST) {
        None | Some(0) => default,
        Some(number) => u32::try_from(number).unwrap_or(default),
    };
    let timeout = Duration::from_secs(number("timeoutSeconds", 1).into());
    let success_threshold = number("successThreshold", 1);
    if kind != ProbeKind::Readiness
        && success_threshold != 1
        && let Some(spot) = probe.get("successThreshold")
    {
        spot.fault(format!(
            "found {success_threshold}; a {field} allows 1 only"
        ));
    }
    let grace = match probe.get("terminationGracePeriodSeconds") {
        Some(spot) if kind == ProbeKind::Readiness => {
            spot.fault("a readinessProbe never ends its container, so it has no grace");
            None
        }
        Some(spot) => spot.number(1..=i64::MAX).map(seconds),
        None => None,
    };
    let handlers: Vec<_> = probe
        .one_field_of(&["exec", "httpGet", "tcpSocket", "grpc"])
        .into_iter()
        .map(|given| handler(given, field, timeout, owner, making))
        .collect();
    Some(Probe {
        initial_delay: Duration::from_secs(number("initialDelaySeconds", 0).into()),
        timeout,
        period: Duration::from_secs(number("periodSeconds", 10).into()),
        success_threshold,
        failure_threshold: number("failureThreshold", 3),
        grace,
        handler: handlers.into_iter().next()??,
    })
}

/// The API's name of a probe.
pub(super) fn probe_field(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "startupProbe",
        ProbeKind::Liveness => "livenessProbe",
        ProbeKind::Readiness => "readinessProbe",
    }
}

fn handler(
    (name, spot): (&str, &Spot),
    field: &str,
    timeout: Duration,
    owner: &Owner,
    making: &mut Making,
) -> Option<Handler> {
    let question = match name {
        "exec" => {
            let command = exec(spot)?;
            let argv = command
                .iter()
                .filter_map(|word| owner.variables.expand_literal(word, spot));
            let program = owner.asking(format!("{field} of {}", owner.name), argv);
            return Some(Handler::Exec(making.add(program)));
        }
        "httpGet" => http(spot, owner)?,
        "tcpSocket" => tcp(spot, owner)?,
        _ => grpc(spot)?,
    };
    let Some(question) = question else {
        return Some(Handler::Unresolvable);
    };
    let check = Check {
        question,
        timeout: Some(timeout),
        asker: Asker::Probe,
    };
    Some(Handler::Ask(making.ask(check)))
}

/// Reads a hook, if the container has it.
pub(super) fn hook(
    lifecycle: &Object,
    field: &'static str,
    grace_seconds: i64,
    owner: &Owner,
    making: &mut Making,
) -> Option<Hook> {
    let hook = lifecycle.get(field)?.object(&fates::HOOK);
    let hooks: Vec<_> = hook
        .one_field_of(&["exec", "httpGet", "sleep", "tcpSocket"])
        .into_iter()
        .map(|given| hook_by(given, field, grace_seconds, owner, making))
        .collect();
    hooks.into_iter().next()?
}

fn hook_by(
    (name, spot): (&str, &Spot),
    field: &'static str,
    grace_seconds: i64,
    owner: &Owner,
    making: &mut Making,
) -> Option<Hook> {
    match name {
        "exec" => {
            // A hook's command is not expanded (kubelet-semantics C.3).
            let argv = exec(spot)?
                .into_iter()
                .filter(|word| spot.affords(PER_WORD + word.len()))
                .map(|word| word.as_bytes().to_vec());
            let program = owner.asking(format!("{field} of {}", owner.name), argv);
            Some(Hook::Exec(making.add(program)))
        }
        "httpGet" => {
            let Some(question) = http(spot, owner)? else {
                return Some(Hook::Fails);
            };
            let check = Check {
                question,
                timeout: None,
                asker: Asker::Hook,
            };
            Some(Hook::Ask(making.ask(check)))
        }
        "sleep" => {
            let sleep = spot.object(&fates::SLEEP);
            let asked = sleep.required("seconds")?;
            let span = asked.number(0..=i64::MAX)?;
            if span > grace_seconds {
                asked.fault(format!(
                    "found {span}; allowed is 0 to {grace_seconds}, the pod's terminationGracePeriodSeconds (S90)"
                ));
            }
            Some(Hook::Sleep(seconds(span)))
        }
        _ => {
            tcp(spot, owner)?;
            let what = "a hook by tcpSocket always fails, in a kubelet as here";
            spot.findings
                .warn(format!("{field} of {}: {what}", owner.name));
            Some(Hook::Fails)
        }
    }
}

fn exec<'t>(spot: &Spot<'t>) -> Option<Vec<&'t str>> {
    let action = spot.object(&fates::EXEC);
    let command = action.required("command")?;
    let words = command.list();
    if !command.is_list() {
        // That was told.
        return None;
    }
    if words.is_empty() {
        command.fault("has no word; a command has at least one");
        return None;
    }
    words.iter().map(Spot::word).collect()
}

/// A question that can be asked, or none because its port's name stands for nothing (S24).
type Resolved = Option<NetworkQuestion>;

fn http(spot: &Spot, owner: &Owner) -> Option<Resolved> {
    let action = spot.object(&fates::HTTP_GET);
    let host = host(&action);
    let path = action
        .text("path")
        .filter(|path| !path.is_empty())
        .unwrap_or("/");
    let schemes = [("HTTP", false), ("HTTPS", true)];
    let tls = action.get("scheme").and_then(|spot| spot.one_of(&schemes));
    if let Some(protocol) = action.get("protocol")
        && protocol.one_of(&[("HTTP1", false), ("HTTP2", true)]) == Some(true)
    {
        protocol.fault("HTTP2 cannot be asked in here; allowed is HTTP1");
    }
    let mut headers = Vec::new();
    for header in action.list("httpHeaders") {
        let header = header.object(&fates::HTTP_HEADER);
        let name = header.required("name").and_then(|spot| {
            let name = spot.text()?;
            if let Err(rule) = names::header(name) {
                spot.fault(format!("found {}; {rule}", quoted(name)));
            }
            Some(name)
        });
        let value = match header.get("value") {
            None => "",
            Some(spot) => {
                let value = spot.text().unwrap_or_default();
                if value.contains(|c: char| c.is_control() && c != '\t') {
                    spot.fault("has a control character in it, which no header can carry");
                }
                value
            }
        };
        headers.extend(name.map(|name| (name.to_owned(), value.to_owned())));
    }
    let port = port(&action, owner)?;
    Some(port.map(|port| {
        NetworkQuestion::Http(HttpGet {
            tls: tls.unwrap_or(false),
            host,
            port,
            path: path.to_owned(),
            headers,
        })
    }))
}

fn tcp(spot: &Spot, owner: &Owner) -> Option<Resolved> {
    let action = spot.object(&fates::TCP_SOCKET);
    let host = host(&action);
    let port = port(&action, owner)?;
    Some(port.map(|port| NetworkQuestion::Tcp { host, port }))
}

fn grpc(spot: &Spot) -> Option<Resolved> {
    let action = spot.object(&fates::GRPC);
    let service = action.text("service").unwrap_or_default();
    let modes = [("Plaintext", false), ("TLS", true)];
    let tls = action.get("mode").and_then(|spot| spot.one_of(&modes));
    let port = action.required("port")?;
    if !port.is_number() && port.text().is_some() {
        port.fault("grpc takes a port by its number only");
        return None;
    }
    Some(Some(NetworkQuestion::Grpc {
        host: HERE.to_owned(),
        port: port_number(port)?,
        service: service.to_owned(),
        tls: tls.unwrap_or(false),
    }))
}

fn host(action: &Object) -> String {
    let host = action.text("host").filter(|host| !host.is_empty());
    host.unwrap_or(HERE).to_owned()
}

/// A port's number.
pub(super) fn port_number(spot: &Spot) -> Option<u16> {
    u16::try_from(spot.number(1..=65535)?).ok()
}

/// A port by number or by name. A name that the container does not have is no fault: every attempt errs (S24).
fn port(action: &Object, owner: &Owner) -> Option<Option<u16>> {
    let spot = action.required("port")?;
    if spot.is_number() {
        return port_number(spot).map(Some);
    }
    let name = spot.text()?;
    if name.parse::<u32>().is_ok() {
        spot.fault(format!(
            "found the text {name:?} where a number belongs; take it out of its quotes"
        ));
        return None;
    }
    if let Err(rule) = names::port(name) {
        spot.fault(format!("found {}; {rule}", quoted(name)));
        return None;
    }
    let known = owner.ports.iter().find(|(known, _)| known == name);
    if known.is_none() {
        let names = owner.ports.iter().map(|(known, _)| known.as_str());
        let guess = spelling::nearest(name, names).map(|meant| format!("; did you mean {meant}?"));
        spot.findings.warn(format!(
            "{}: no port of {} is named {name}, so whatever asks for it can only fail{}",
            spot.path(),
            owner.name,
            guess.unwrap_or_default()
        ));
    }
    Some(known.map(|(_, port)| *port))
}
