//! From a request's first line to what is asked, and from there to the page: the one table of paths.
//!
//! Two sockets are served. Both show; only the control socket takes commands, and only by POST.

use super::health::{Endpoint, Inquiry};
use super::metrics::Gauges;
use super::view::{Frame, View};
use super::{events, metrics, page, podstatus, timeline};
use crate::machine::{Command, ContainerState};
use crate::plan::{ContainerId, GateId, Role, Signal};
use tiny_http::Method;

/// What a client is to see. The headers that are the same for every page are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status code.
    pub code: u16,
    /// The media type.
    pub kind: &'static str,
    /// In UTF-8.
    pub body: String,
    /// What to say in the header `Allow`, if anything.
    pub allow: Option<&'static str>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SVG: &str = "image/svg+xml";
/// Prometheus' text format has a version of its own.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Page {
    /// Plain text.
    pub fn text(code: u16, body: String) -> Page {
        Page {
            code,
            kind: TEXT,
            body,
            allow: None,
        }
    }

    fn of_kind(kind: &'static str, body: String) -> Page {
        Page {
            kind,
            ..Page::text(200, body)
        }
    }

    /// A page that only says why there is nothing better; `why` is a sentence without its full stop.
    pub fn refusal(code: u16, why: &str) -> Page {
        Page::text(code, format!("{why}\n"))
    }
}

/// What is asked, once it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A health endpoint.
    Health(Inquiry),
    /// `/status`
    Status,
    /// `/events`, told after this revision.
    Events(u32),
    /// `/metrics`
    Metrics,
    /// `/timeline`
    Timeline,
    /// `/`
    Page,
    /// A command that is looked at first: whether its container can follow it.
    Weigh(Command),
    /// A command; only by the control socket.
    Command(Command),
}

/// The parts of a view, as a set: what must be asked of the core for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants(u8);

impl Wants {
    /// The pod's status.
    pub const STATUS: Wants = Wants(1);
    /// Events.
    pub const EVENTS: Wants = Wants(2);
    /// The time line.
    pub const MARKS: Wants = Wants(4);
    /// Last words.
    pub const WORDS: Wants = Wants(8);
    /// What was counted.
    pub const COUNTS: Wants = Wants(16);

    /// Each alone, in the order in which they are asked for.
    pub const EACH: [Wants; 5] = [
        Wants::STATUS,
        Wants::EVENTS,
        Wants::MARKS,
        Wants::WORDS,
        Wants::COUNTS,
    ];

    /// Both.
    pub const fn and(self, other: Wants) -> Wants {
        Wants(self.0 | other.0)
    }

    /// The number of one of [`Wants::EACH`] on the line.
    pub fn to_wire(self) -> u8 {
        self.0
    }

    /// The one with this number on the line.
    pub fn one_from_wire(number: u8) -> Option<Wants> {
        Wants::EACH.into_iter().find(|known| known.0 == number)
    }

    /// Whether all of `other` is in this.
    pub fn covers(self, other: Wants) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Route {
    /// What must be known for the answer. A command wants nothing but to be heard.
    pub fn wants(&self) -> Wants {
        match self {
            Route::Health(_) => Wants::STATUS,
            Route::Weigh(_) => Wants::STATUS,
            Route::Status => Wants::STATUS.and(Wants::WORDS),
            Route::Events(_) => Wants::STATUS.and(Wants::EVENTS),
            Route::Metrics => Wants::STATUS.and(Wants::COUNTS),
            Route::Timeline => Wants::STATUS.and(Wants::MARKS),
            Route::Page => Wants::STATUS.and(Wants::MARKS).and(Wants::EVENTS),
            Route::Command(_) => Wants::default(),
        }
    }

    /// The answer; no view means that the core did not give one in time.
    pub fn page(&self, frame: &Frame, view: Option<&View>, gauges: &dyn Fn() -> Gauges) -> Page {
        if let Route::Health(inquiry) = self {
            return inquiry.page(frame, view);
        }
        let Some(view) = view else {
            return Page::refusal(503, "the core did not answer in time");
        };
        match self {
            Route::Health(inquiry) => inquiry.page(frame, Some(view)),
            Route::Status => Page::of_kind(JSON, format!("{}\n", podstatus::pod(frame, view))),
            Route::Events(since) => {
                let mut view = view.clone();
                view.events.retain(|event| event.revision > *since);
                Page::of_kind(JSON, format!("{}\n", events::list(frame, &view, *since)))
            }
            Route::Metrics => Page::of_kind(METRICS, metrics::text(frame, view, &gauges())),
            Route::Timeline => Page::of_kind(SVG, timeline::file(frame, view)),
            Route::Page => Page::of_kind(HTML, page::html(frame, view)),
            Route::Weigh(command) => objection(frame, view, *command).unwrap_or_else(done),
            Route::Command(_) => done(),
        }
    }
}

/// Why nothing would come of a command, as things stand at this moment: 409.
pub fn objection(frame: &Frame, view: &View, command: Command) -> Option<Page> {
    let (Command::Restart(id) | Command::Signal(id, _)) = command else {
        return None;
    };
    let container = frame.pod.container(id);
    let name = &container.name;
    let state = view.status.containers.get(id.0)?.state;
    let why = match (command, state) {
        (Command::Restart(_), _) if view.status.stopping_since.is_some() => {
            "the pod is stopping; nothing is restarted any more".to_owned()
        }
        // One that failed shows so for a moment before it rests, and may be restarted all the while.
        (Command::Restart(_), ContainerState::Terminated(end))
            if container.role == Role::Init && end.ending.is_success() =>
        {
            format!("{name} is an init container and has done its work; it is not run again")
        }
        (Command::Signal(..), ContainerState::Terminated(_)) => format!("{name} has ended"),
        (Command::Signal(..), ContainerState::Waiting(_)) => {
            format!("{name} does not run; it waits for its start")
        }
        _ => return None,
    };
    Some(error(409, &why))
}

/// The answer to a command that the core has heard.
pub fn done() -> Page {
    Page::of_kind(JSON, format!("{}\n", object!({"accepted": true})))
}

/// The answer to a command of which the core has not said that it heard it.
pub fn perhaps_done() -> Page {
    error(
        503,
        "the core did not answer in time; it may carry the command out later",
    )
}

/// A refusal of the control socket.
pub fn error(code: u16, why: &str) -> Page {
    Page {
        kind: JSON,
        ..Page::text(code, format!("{}\n", object!({"error": why})))
    }
}

const PATHS: &str = "not found: there are /, /livez, /readyz, /startupz, /healthz, /status, /events, /metrics and /timeline";

/// What a request with this method and target (path and query, as they came) asks; a page, if nothing needs to be known
/// to answer it: 404 for an unknown path whatever the method, 405 for a method that the path does not take.
pub fn understand(
    method: &Method,
    target: &str,
    frame: &Frame,
    takes_commands: bool,
) -> Result<Route, Page> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if takes_commands && let Some(verb) = path.strip_prefix("/command/") {
        if !matches!(method, Method::Post) {
            return Err(Page {
                allow: Some("POST"),
                ..error(405, "not allowed: a command is given by POST")
            });
        }
        return command(verb, query, frame).map(Route::Command);
    }
    let route = match path {
        "/" => Route::Page,
        "/status" => Route::Status,
        "/events" => Route::Events(0),
        "/metrics" => Route::Metrics,
        "/timeline" => Route::Timeline,
        _ => Route::Health(inquiry(path, query, frame)?),
    };
    if !matches!(method, Method::Get | Method::Head) {
        return Err(Page {
            allow: Some("GET, HEAD"),
            ..Page::refusal(405, "not allowed: use GET or HEAD")
        });
    }
    if let Route::Events(_) = route
        && let Some(since) = value(query, "since")
    {
        return since.parse().map(Route::Events).map_err(|_| {
            Page::refusal(
                400,
                "bad request: since is a resourceVersion, which is a number",
            )
        });
    }
    Ok(route)
}

fn inquiry(path: &str, query: &str, frame: &Frame) -> Result<Inquiry, Page> {
    let inner = path.strip_prefix('/').unwrap_or_default();
    let (word, one) = match inner.split_once('/') {
        Some((word, one)) => (word, Some(one)),
        None => (inner, None),
    };
    let mut known = Endpoint::ALL.into_iter();
    let endpoint = known.find(|endpoint| endpoint.word() == word);
    let endpoint = endpoint.ok_or_else(|| Page::refusal(404, PATHS))?;
    let inquiry = Inquiry {
        endpoint,
        one: one.map(decoded),
        verbose: pairs(query).any(|(key, _)| key == "verbose"),
        excluded: pairs(query)
            .filter(|(key, _)| *key == "exclude")
            .map(|(_, value)| form_decoded(value))
            .collect(),
    };
    match inquiry.is_known(frame) {
        true => Ok(inquiry),
        false => Err(Page::refusal(
            404,
            &format!("not found: /{word}?verbose lists the checks"),
        )),
    }
}

fn command(verb: &str, query: &str, frame: &Frame) -> Result<Command, Page> {
    let wanted = |key: &str| {
        value(query, key).ok_or_else(|| error(400, &format!("{verb}: {key}= is missing")))
    };
    let container = || -> Result<ContainerId, Page> {
        let name = wanted("container")?;
        let mut all = frame.pod.containers();
        let found = all.find(|(_, container)| container.name == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let known: Vec<&str> = frame
                .pod
                .containers
                .iter()
                .map(|c| c.name.as_str())
                .collect();
            error(
                404,
                &format!("no container {name:?}; there are: {}", known.join(", ")),
            )
        })
    };
    match verb {
        "stop" => Ok(Command::Stop),
        "restart" => container().map(Command::Restart),
        "signal" => {
            let word = wanted("signal")?;
            let signal = Signal::parse(&word)
                .ok_or_else(|| error(400, &format!("{word:?} is not a signal")))?;
            Ok(Command::Signal(container()?, signal))
        }
        "gate" => {
            let gates = &frame.pod.readiness_gates;
            let name = wanted("type")?;
            let Some(place) = gates.iter().position(|gate| *gate == name) else {
                let known = match gates.is_empty() {
                    true => "the pod has none".to_owned(),
                    false => format!("there are: {}", gates.join(", ")),
                };
                return Err(error(404, &format!("no readiness gate {name:?}; {known}")));
            };
            match wanted("status")?.as_str() {
                "True" => Ok(Command::SetGate(GateId(place), true)),
                "False" => Ok(Command::SetGate(GateId(place), false)),
                other => Err(error(400, &format!("{other:?} is neither True nor False"))),
            }
        }
        _ => Err(error(
            404,
            "not found: the commands are stop, restart, signal and gate",
        )),
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn value(query: &str, key: &str) -> Option<String> {
    let mut found = pairs(query).filter(|(known, _)| *known == key);
    found.next().map(|(_, value)| form_decoded(value))
}

/// A value of a query: `%20` and `+` undone.
fn form_decoded(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

/// `%20` undone; what is no such code stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match tail {
            [a, b, ..] if *first == b'%' => hex(*a).zip(hex(*b)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
