//! The text of the health endpoints: a view in, a page out.
//!
//! The format is the API server's (`ok`, or one line per check and a closing line; kubelet-semantics G.1), so that whoever
//! can read `kubectl get --raw /readyz?verbose` can read this. Two things differ. A failure is 503, not 500: nothing is
//! wrong with the server, it has something to say. And the reasons are told, where the API server withholds them: there
//! is nothing secret in ours, and a person who looks here looks for exactly that.
//!
//! Nothing is decided here and nothing is asked: whoever calls has the view, or knows that none came in time.
//!
//! What surprised us: `verbose` counts by its presence, so `?verbose=false` is verbose (S197).

use super::podstatus::{end_code, gate_fault, waiting};
use super::route::Page;
use super::view::{Frame, View};
use crate::machine::{ContainerState, ContainerStatus, WaitingReason};
use crate::plan::{Container, Role};
use litemap::LiteMap;
use std::fmt::Write;

/// The endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The core's loop answers.
    Livez,
    /// The same by its old name.
    Healthz,
    /// All was started once.
    Startupz,
    /// All serves.
    Readyz,
}

/// What is asked of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Which one.
    pub endpoint: Endpoint,
    /// This check alone.
    pub one: Option<String>,
    /// Every check is to be listed although all pass.
    pub verbose: bool,
    /// Checks that do not count; the API server's `exclude`, which may name what is not there.
    pub excluded: Vec<String>,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 4] = [
        Endpoint::Livez,
        Endpoint::Healthz,
        Endpoint::Startupz,
        Endpoint::Readyz,
    ];

    /// The path without its slash, and the word in the closing line.
    pub fn word(self) -> &'static str {
        match self {
            Endpoint::Livez => "livez",
            Endpoint::Healthz => "healthz",
            Endpoint::Startupz => "startupz",
            Endpoint::Readyz => "readyz",
        }
    }
}

/// A check: what it is called and what it is about.
struct Check<'a> {
    name: String,
    about: About<'a>,
}

enum About<'a> {
    Core,
    CrashLoops(u32),
    Init,
    Container(usize, &'a Container),
    Gate(usize, &'a str),
    Shutdown,
}

const CORE: &str = "core";
const CRASH_LOOPS: &str = "crash-loops";
const INIT: &str = "init";
const SHUTDOWN: &str = "shutdown";

/// The checks of an endpoint in the order of their listing; `all` with those that can only be asked for by name.
fn checks<'a>(endpoint: Endpoint, frame: &'a Frame, all: bool) -> Vec<Check<'a>> {
    let check = |name: &str, about| Check {
        name: name.to_owned(),
        about,
    };
    let mut checks = vec![check(CORE, About::Core)];
    let is_live = matches!(endpoint, Endpoint::Livez | Endpoint::Healthz);
    match frame.crash_loops {
        Some(count) if is_live => checks.push(check(CRASH_LOOPS, About::CrashLoops(count))),
        _ => {}
    }
    if !is_live {
        checks.push(check(INIT, About::Init));
    }
    for (id, container) in frame.pod.containers() {
        if all || (!is_live && container.role != Role::Init) {
            let name = check_name(&container.name);
            checks.push(check(&name, About::Container(id.0, container)));
        }
    }
    if endpoint == Endpoint::Readyz {
        let gates = frame.pod.readiness_gates.iter().enumerate();
        checks.extend(gates.map(|(place, gate)| check(gate, About::Gate(place, gate))));
        checks.push(check(SHUTDOWN, About::Shutdown));
    }
    checks
}

/// A container's check has its name, unless that is one of ours.
fn check_name(container: &str) -> String {
    match container {
        CORE | CRASH_LOOPS | INIT | SHUTDOWN => format!("container-{container}"),
        name => name.to_owned(),
    }
}

impl Inquiry {
    /// Whether the check that is asked for alone, if one is, exists.
    pub fn is_known(&self, frame: &Frame) -> bool {
        self.one.as_ref().is_none_or(|name| {
            let mut known = checks(self.endpoint, frame, true).into_iter();
            known.any(|check| check.name == *name)
        })
    }

    /// The answer. No view means that the core's loop did not give one in time.
    pub fn page(&self, frame: &Frame, view: Option<&View>) -> Page {
        match &self.one {
            Some(name) => self.one_page(name, frame, view),
            None => self.whole_page(frame, view),
        }
    }

    /// Neither `verbose` nor `exclude` means anything here, as with the API server.
    fn one_page(&self, name: &str, frame: &Frame, view: Option<&View>) -> Page {
        let checks = checks(self.endpoint, frame, true);
        let Some(check) = checks.iter().find(|check| check.name == name) else {
            return Page::refusal(404, "not found: there is no such check");
        };
        match self.fault(check, frame, view) {
            None => Page::text(200, "ok".to_owned()),
            Some(fault) => Page::text(503, format!("service unavailable: {fault}\n")),
        }
    }

    fn whole_page(&self, frame: &Frame, view: Option<&View>) -> Page {
        let mut checks = checks(self.endpoint, frame, false);
        let is_excluded = |name: &String| self.excluded.contains(name);
        let mut unmatched = LiteMap::new_vec();
        for name in &self.excluded {
            if !checks.iter().any(|check| check.name == *name) {
                unmatched.insert(name, ());
            }
        }
        // About the others nothing is known, and both "ok" and "failed" could be a lie.
        if view.is_none() && !is_excluded(&CORE.to_owned()) {
            checks.truncate(1);
        }
        let (mut body, mut passed) = (String::new(), true);
        for check in &checks {
            let name = &check.name;
            // Writing to a String cannot fail.
            let _ = if is_excluded(name) {
                writeln!(body, "[+]{name} excluded: ok")
            } else if let Some(fault) = self.fault(check, frame, view) {
                passed = false;
                writeln!(body, "[-]{name} failed: {fault}")
            } else {
                writeln!(body, "[+]{name} ok")
            };
        }
        if passed && !self.verbose {
            return Page::text(200, "ok".to_owned());
        }
        if !unmatched.is_empty() {
            let quoted: Vec<String> = unmatched.keys().map(|name| format!("{name:?}")).collect();
            let _ = writeln!(
                body,
                "warn: some health checks cannot be excluded: no matches for {}",
                quoted.join(",")
            );
        }
        let verdict = if passed { "passed" } else { "failed" };
        let _ = writeln!(body, "{} check {verdict}", self.endpoint.word());
        Page::text(if passed { 200 } else { 503 }, body)
    }

    /// Why this check fails, if it does.
    fn fault(&self, check: &Check, frame: &Frame, view: Option<&View>) -> Option<String> {
        let Some(view) = view else {
            return Some(match check.about {
                About::Core => "its loop did not answer in time".to_owned(),
                _ => "not known, as the core does not answer".to_owned(),
            });
        };
        match check.about {
            About::Core => None,
            About::CrashLoops(count) => crash_loops(frame, view, count),
            About::Init if self.endpoint == Endpoint::Startupz && has_ever_served(frame, view) => {
                None
            }
            About::Init => init_fault(frame, view),
            About::Container(place, container) => {
                let status = view.status.containers.get(place)?;
                match self.endpoint {
                    Endpoint::Livez | Endpoint::Healthz => live_fault(frame, container, status),
                    Endpoint::Startupz if view.started_up.get(place) == Some(&true) => None,
                    Endpoint::Startupz => {
                        (!status.started).then(|| not_up(frame, container, status))
                    }
                    Endpoint::Readyz => (!status.ready).then(|| not_up(frame, container, status)),
                }
            }
            About::Gate(place, gate) => {
                gate_fault(gate, view.status.gates.get(place).copied().flatten())
            }
            About::Shutdown => view
                .status
                .stopping_since
                .map(|_| "the pod is stopping".to_owned()),
        }
    }
}

fn crash_loops(frame: &Frame, view: &View, count: u32) -> Option<String> {
    let hopeless = frame.containers(view).filter(|(_, _, status)| {
        let rests = matches!(
            status.state,
            ContainerState::Waiting(WaitingReason::CrashLoopBackOff(_))
        );
        rests && status.restarts >= count
    });
    let told: Vec<String> = hopeless
        .map(|(_, container, status)| {
            format!(
                "{} crashes again and again ({})",
                container.name,
                super::page::restarts(status.restarts)
            )
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Once is for ever: a startup probe that has succeeded is not asked again.
fn has_ever_served(frame: &Frame, view: &View) -> bool {
    frame.containers(view).any(|(id, container, status)| {
        let ever = status.started || view.started_up.get(id.0) == Some(&true);
        container.role == Role::Main && ever
    })
}

fn init_fault(frame: &Frame, view: &View) -> Option<String> {
    const INITIALIZED: usize = 2;
    if view.status.conditions[INITIALIZED].holds {
        return None;
    }
    let is_done = |container: &Container, status: &ContainerStatus| match container.role {
        Role::Init => status.ready,
        Role::Sidecar | Role::Main => status.started,
    };
    let steps = || {
        let all = frame.containers(view);
        all.filter(|(_, container, _)| container.role != Role::Main)
    };
    let done = steps().filter(|(_, container, status)| is_done(container, status));
    let count = (done.count(), steps().count());
    let next = steps().find(|(_, container, status)| !is_done(container, status));
    let now = next.map_or(String::new(), |(_, container, status)| {
        let how = match status.state {
            ContainerState::Running(_) => "runs".to_owned(),
            _ => not_up(frame, container, status),
        };
        format!("; {}: {how}", container.name)
    });
    Some(format!("{} of {} init steps done{now}", count.0, count.1))
}

fn live_fault(frame: &Frame, container: &Container, status: &ContainerStatus) -> Option<String> {
    match status.state {
        ContainerState::Waiting(WaitingReason::CrashLoopBackOff(_)) => {
            Some(not_up(frame, container, status))
        }
        _ => (!status.live).then(|| "its liveness probe fails".to_owned()),
    }
}

/// Why a container is not started up or not ready.
fn not_up(frame: &Frame, container: &Container, status: &ContainerStatus) -> String {
    match status.state {
        ContainerState::Waiting(reason) => match waiting(frame, container, status, reason) {
            (word, Some(message)) => format!("{word}: {message}"),
            (word, None) => word.to_owned(),
        },
        ContainerState::Running(_) if !status.started => "it has not started up yet".to_owned(),
        ContainerState::Running(_) => match &container.readiness_probe {
            Some(_) => "its readiness probe has not succeeded".to_owned(),
            None => "it is not ready".to_owned(),
        },
        ContainerState::Terminated(end) => format!("it ended with exit code {}", end_code(&end)),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
