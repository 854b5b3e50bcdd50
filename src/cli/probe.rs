//! `monopod probe live|ready|startup`: the question to a running monopod, for `HEALTHCHECK` and exec probes in images
//! that have no other client.
//!
//! The words are the kubelet's names of its three probes; the paths are those of the endpoints.

use super::flags;
use super::gather::{Flags, gather};
use super::native::{print, usage_error};
use super::{Invocation, ProbeRequest, Surroundings, values};
use std::ffi::OsString;
use std::time::Duration;

/// The kubelet's timeoutSeconds when a probe does not say.
const TIMEOUT: Duration = Duration::from_secs(1);

const KINDS: [(&str, &str); 3] = [
    ("live", "/livez"),
    ("ready", "/readyz"),
    ("startup", "/startupz"),
];

/// Reads the words behind `monopod probe`.
pub(super) fn parse(words: &[OsString], surroundings: &Surroundings) -> Invocation {
    let mut said = gather(words, &flags::PROBE, Flags::Anywhere, surroundings.env);
    if said.asked.is_some() {
        return print(help());
    }
    let path = match &said.words[..] {
        [kind] => match KINDS.iter().find(|(known, _)| kind == known) {
            Some((_, path)) => Some(path),
            None => {
                let fault = format!(
                    "probe: {} is not a probe; write live, ready or startup",
                    values::quoted(kind)
                );
                said.faults.push(fault);
                None
            }
        },
        _ => {
            said.faults.push(
                "probe: say one of live, ready or startup, as in monopod probe ready".to_owned(),
            );
            None
        }
    };
    let faults = said.faults.len();
    let at = said.last(&flags::PROBE_HEALTH, values::address);
    if at.is_none() && said.faults.len() == faults {
        said.faults.push(
            "probe: no address to ask; give --health ADDR:PORT or set MONOPOD_HEALTH".to_owned(),
        );
    }
    let timeout = said
        .last(&flags::PROBE_TIMEOUT, values::some_time)
        .unwrap_or(TIMEOUT);
    match (path, at) {
        (Some(path), Some(at)) if said.faults.is_empty() => Invocation::Probe(ProbeRequest {
            path: (*path).to_owned(),
            at,
            timeout,
        }),
        _ => usage_error(&said.faults),
    }
}

fn help() -> String {
    format!(
        "Usage: monopod probe live|ready|startup [flags]

Asks a running monopod, and leaves with 0 if the answer is yes and with 1 if it is no or there is none.

{}",
        flags::describe(&flags::PROBE)
    )
}
