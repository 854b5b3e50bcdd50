//! The page for people: the pod at a glance, its containers, the picture of its life, the latest events.
//!
//! One document without anything from outside: no picture, no font, no script from elsewhere; a policy in its head has
//! the browser hold to that. It fetches itself again every two seconds while somebody looks. Names and messages are
//! strangers' words: every one of them goes through [`escaped`].

use super::podstatus::{end_code, end_reason, gate_fault, phase, waiting};
use super::tally::probe;
use super::timeline::{self, span};
use super::view::{Frame, View};
use crate::machine::{ContainerState, ContainerStatus};
use crate::plan::{Container, ProbeKind, Role};
use std::fmt::Write;

/// Events shown, the latest first.
const EVENTS: usize = 20;
/// Containers shown; all of them are under /status.
const CONTAINERS: usize = 200;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2328;--dim:#57606a;--line:#d1d9e0;--ground:#fff;--card:#f6f8fa;\
--good:#1a7f37;--bad:#cf222e;--wait:#9a6700}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--ground:#0d1117;--card:#151b23;\
--good:#3fb950;--bad:#f85149;--wait:#d29922}}\
*{box-sizing:border-box}body{margin:0 auto;padding:16px;max-width:960px;background:var(--ground);color:var(--ink);\
font:15px/1.45 system-ui,sans-serif}\
h1{font-size:22px;margin:0 0 4px;display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline}\
h2{font-size:16px;margin:24px 0 8px}p{margin:4px 0}.dim{color:var(--dim)}.good{color:var(--good)}\
.bad{color:var(--bad)}.wait{color:var(--wait)}.word{overflow-wrap:anywhere}\
.cards{display:grid;gap:8px;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr))}\
.card{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px 12px}\
.card b{font-size:16px}.row{display:flex;justify-content:space-between;gap:8px}\
ul{list-style:none;margin:0;padding:0}li{padding:6px 0;border-top:1px solid var(--line)}\
footer{margin-top:24px}a{color:inherit}";

/// It replaces its own body, so that nothing jumps; a page without scripts is loaded again by the browser.
const SCRIPT: &str = "\
const again=async()=>{if(!document.hidden){try{\
const t=await(await fetch(location.href)).text();\
document.body.innerHTML=new DOMParser().parseFromString(t,'text/html').body.innerHTML;\
}catch(e){const s=document.getElementById('state');if(s){s.textContent='does not answer';s.className='bad'}}}\
setTimeout(again,2000)};setTimeout(again,2000)";

/// The document.
pub fn html(frame: &Frame, view: &View) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; connect-src 'self'; img-src data:\">\
         <title>{name}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style>\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript></head><body>",
        name = escaped(frame.name())
    );
    glance(&mut out, frame, view);
    out.push_str("<h2>Containers</h2><div class=\"cards\">");
    for (_, container, status) in frame.containers(view).take(CONTAINERS) {
        card(&mut out, frame, view, container, status);
    }
    out.push_str("</div><h2>Life so far</h2>");
    out.push_str(&timeline::svg(frame, view));
    events(&mut out, frame, view);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<footer class=\"dim\"><a href=\"/status\">status</a> · <a href=\"/events\">events</a> · \
         <a href=\"/metrics\">metrics</a> · <a href=\"/readyz?verbose\">readyz</a> · \
         <a href=\"/timeline\">timeline</a><br>monopod {}</footer>\
         </body><script>{SCRIPT}</script></html>",
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn glance(out: &mut String, frame: &Frame, view: &View) {
    const READY: usize = 4;
    let status = &view.status;
    let (class, word) = if status.stopping_since.is_some() {
        ("wait", "Terminating")
    } else if status.conditions[READY].holds {
        ("good", "Ready")
    } else {
        match phase(status.phase) {
            "Failed" => ("bad", "Failed"),
            "Succeeded" => ("good", "Succeeded"),
            _ => ("bad", "Not ready"),
        }
    };
    let serves = |(_, container, status): &(_, &Container, &ContainerStatus)| {
        container.role != Role::Init && status.ready
    };
    let ready = frame.containers(view).filter(serves).count();
    let of = frame.containers(view);
    let of = of.filter(|(_, container, _)| container.role != Role::Init);
    let _ = write!(
        out,
        "<h1><span class=\"word\">{}</span><span id=\"state\" class=\"{class}\">{word}</span></h1>\
         <p class=\"dim\">{} · {ready}/{} ready · up {}</p>",
        escaped(frame.name()),
        phase(status.phase),
        of.count(),
        span(view.now.0.since(crate::time::Time::START).as_secs())
    );
    let gates = frame.pod.readiness_gates.iter().zip(&status.gates);
    for fault in gates.filter_map(|(gate, set)| gate_fault(gate, *set)) {
        let _ = write!(out, "<p class=\"wait word\">{}</p>", escaped(&fault));
    }
}

fn card(
    out: &mut String,
    frame: &Frame,
    view: &View,
    container: &Container,
    status: &ContainerStatus,
) {
    let now = view.now.0;
    let (class, word, more) = match status.state {
        ContainerState::Running(since) => {
            let class = match container.role {
                Role::Init => "wait",
                _ if status.ready => "good",
                _ => "bad",
            };
            let word = match (container.role, status.ready, status.started) {
                (Role::Init, ..) => "Running",
                (_, true, _) => "Ready",
                (_, false, false) => "Starting",
                (_, false, true) => "Not ready",
            };
            let up = format!("up {}", span(now.since(since).as_secs()));
            (class, word.to_owned(), up)
        }
        ContainerState::Waiting(reason) => {
            let (word, message) = waiting(frame, container, status, reason);
            let class = if status.last.is_some() { "bad" } else { "wait" };
            (class, word.to_owned(), message.unwrap_or_default())
        }
        ContainerState::Terminated(end) => {
            let class = if end.ending.is_success() {
                "dim"
            } else {
                "bad"
            };
            let ago = span(now.since(end.finished_at).as_secs());
            let more = format!("exit code {}, {ago} ago", end_code(&end));
            (class, end_reason(&end).to_owned(), more)
        }
    };
    let kind = match container.role {
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::Main => "",
    };
    let _ = write!(
        out,
        "<div class=\"card\"><div class=\"row\"><span class=\"word\"><b>{}</b> <span class=\"dim\">{kind}</span></span>\
         <span class=\"{class}\">{word}</span></div><p class=\"dim word\">{}</p>",
        escaped(&container.name),
        escaped(&more)
    );
    if status.restarts > 0 {
        let last = status.last.map_or(String::new(), |end| {
            let ago = span(now.since(end.finished_at).as_secs());
            format!(", the last {ago} ago (exit code {})", end_code(&end))
        });
        let _ = write!(out, "<p>{}{last}</p>", restarts(status.restarts));
    }
    let probes: Vec<String> = probes(container, status);
    if !probes.is_empty() {
        let _ = write!(out, "<p class=\"dim\">{}</p>", probes.join(" · "));
    }
    out.push_str("</div>");
}

/// Each probe that there is with its verdict, if the container runs and so can have one.
fn probes(container: &Container, status: &ContainerStatus) -> Vec<String> {
    let runs = matches!(status.state, ContainerState::Running(_));
    let verdict = |kind| match kind {
        ProbeKind::Startup => status.started,
        ProbeKind::Liveness => status.live,
        ProbeKind::Readiness => status.ready,
    };
    let kinds = [
        (ProbeKind::Startup, "startup"),
        (ProbeKind::Liveness, "liveness"),
        (ProbeKind::Readiness, "readiness"),
    ];
    kinds
        .into_iter()
        .filter(|(kind, _)| probe(container, *kind).is_some())
        .map(|(kind, word)| match (runs, verdict(kind)) {
            (false, _) => word.to_owned(),
            (true, true) => format!("{word} <span class=\"good\">✓</span>"),
            (true, false) => format!("{word} <span class=\"bad\">✗</span>"),
        })
        .collect()
}

fn events(out: &mut String, frame: &Frame, view: &View) {
    if view.events.is_empty() {
        return;
    }
    out.push_str("<h2>Events</h2><ul>");
    for event in view.events.iter().rev().take(EVENTS) {
        let container = event.about.and_then(|id| frame.pod.containers.get(id.0));
        let about = container.map_or("", |container| container.name.as_str());
        let times = match event.count {
            1 => String::new(),
            n => format!(" ×{n}"),
        };
        let _ = write!(
            out,
            "<li><div class=\"row\"><span><span class=\"{}\">{}</span> {}</span>\
             <span class=\"dim\">{} ago{times}</span></div><span class=\"word\">{}</span></li>",
            if event.reason.is_warning() {
                "wait"
            } else {
                "dim"
            },
            event.reason.word(),
            escaped(about),
            span(view.now.0.since(event.last).as_secs()),
            escaped(&event.message)
        );
    }
    out.push_str("</ul>");
}

/// `1 restart`, `2 restarts`
pub fn restarts(count: u32) -> String {
    match count {
        1 => "1 restart".to_owned(),
        count => format!("{count} restarts"),
    }
}

/// Text in a document or an attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
