//! The life so far as a picture: a row for each container, its instances as bars, what happened to the pod as lines
//! through all rows.
//!
//! SVG without a view box: lengths along time are percentages, all others pixels. So the picture is as wide as its place
//! and its letters are as large on a telephone as on a wall.
//!
//! Time is stretched where something happened: half of a moment's place is its time, half its rank among the moments
//! marked. In true proportion the whole start of a life that has lasted a day would be thinner than a hair.

use super::chronicle::{Mark, Milestone};
use super::page::escaped;
use super::view::{Frame, View};
use crate::machine::{ContainerState, Ending, Termination};
use crate::plan::{ContainerId, Role};
use crate::time::Time;
use litemap::LiteMap;
use std::fmt::{Display, Formatter, Write};

/// Pixels of a row: a line of words and a bar.
const ROW: usize = 40;
/// Pixels above the first row and below the last one.
const HEAD: usize = 22;
const FOOT: usize = 46;
/// Rows that are drawn; more are not looked at by anybody, and only cost the memory of the page.
const ROWS: usize = 100;
/// Labels along the time; more do not fit beside each other on a telephone.
const LABELS: usize = 5;

/// The colours, by role so that a page can be dark or light. `--` names are the page's when it is part of one.
const STYLE: &str = "\
.tl{font:13px system-ui,sans-serif;color-scheme:light dark}\
.tl text{fill:#24292f;stroke:#fff;stroke-width:4px;paint-order:stroke;stroke-linejoin:round}.tl .dim{fill:#57606a}\
.tl .rail{fill:#eaeef2}.tl .init{fill:#0969da}.tl .up{fill:#d4a72c}.tl .ready{fill:#2da44e}\
.tl .bad{fill:#cf222e}.tl .done{fill:#6e7781}\
.tl line{stroke:#8c959f;stroke-dasharray:3 3}.tl .stop{stroke:#cf222e;stroke-dasharray:none}\
@media(prefers-color-scheme:dark){.tl text{fill:#e6edf3;stroke:#0d1117}.tl .dim{fill:#9198a1}\
.tl .rail{fill:#2d333b}.tl .init{fill:#4493f8}.tl .up{fill:#d29922}.tl .ready{fill:#3fb950}\
.tl .bad{fill:#f85149}.tl .done{fill:#848d97}.tl line{stroke:#6e7681}.tl .stop{stroke:#f85149}}";

/// As a file of its own, on a ground of its own.
pub fn file(frame: &Frame, view: &View) -> String {
    let ground = "<style>.tl{background:#fff;width:calc(100% - 24px);padding:12px;box-sizing:content-box}\
                  @media(prefers-color-scheme:dark){.tl{background:#0d1117}}</style>";
    let picture = svg(frame, view).replacen("<style>", &format!("{ground}<style>"), 1);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{picture}\n")
}

/// One instance of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bar {
    from: Time,
    to: Time,
    /// When it was in service.
    ready: Vec<(Time, Time)>,
    ending: Option<Ending>,
}

/// The picture, to stand in a page.
pub fn svg(frame: &Frame, view: &View) -> String {
    let now = view.now.0;
    let shown = frame.pod.containers.len().min(ROWS);
    let rows: Vec<Vec<Bar>> = (0..shown)
        .map(|place| bars(ContainerId(place), frame, view))
        .collect();
    let scale = Scale::new(&rows, &view.marks, now);
    let bottom = HEAD + shown * ROW;
    let height = bottom + FOOT;
    let mut out = format!(
        "<svg class=\"tl\" xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" height=\"{height}\" role=\"img\">\
         <title>The life of {} so far</title><style>{STYLE}</style>",
        escaped(frame.name())
    );
    pod_lines(&mut out, view, bottom, &scale);
    for (place, bars) in rows.iter().enumerate() {
        row(&mut out, frame, view, place, bars, &scale);
    }
    labels(&mut out, bottom + 18, now, &scale);
    legend(&mut out, bottom + 40);
    if shown < frame.pod.containers.len() {
        let rest = frame.pod.containers.len() - shown;
        let _ = write!(
            out,
            "<text class=\"dim\" x=\"0\" y=\"13\">and {rest} more</text>"
        );
    }
    out.push_str("</svg>");
    out
}

fn row(out: &mut String, frame: &Frame, view: &View, place: usize, bars: &[Bar], scale: &Scale) {
    let container = &frame.pod.containers[place];
    let top = HEAD + place * ROW;
    let name = escaped(&container.name);
    let kind = match container.role {
        Role::Init => " <tspan class=\"dim\">init</tspan>",
        Role::Sidecar => " <tspan class=\"dim\">sidecar</tspan>",
        Role::Main => "",
    };
    let restarts = view.status.containers.get(place).map_or(0, |s| s.restarts);
    let restarts = match restarts {
        0 => String::new(),
        some => super::page::restarts(some),
    };
    let (words, rail, bar_top) = (top + 14, top + 23, top + 20);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<text x=\"0\" y=\"{words}\">{name}{kind}</text>\
         <text class=\"dim\" x=\"100%\" y=\"{words}\" text-anchor=\"end\">{restarts}</text>\
         <rect class=\"rail\" x=\"0\" y=\"{rail}\" width=\"100%\" height=\"4\" rx=\"2\"/>"
    );
    let mut block = |class: &str, from: Time, to: Time, told: &str| {
        let x = scale.place(from);
        let (x, width) = (Percent(x), Percent((scale.place(to) - x).max(0.4)));
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{bar_top}\" width=\"{width}\" height=\"10\" rx=\"2\">\
             <title>{told}</title></rect>"
        );
    };
    for bar in bars {
        let init = container.role == Role::Init;
        let good = bar.ending.is_none_or(Ending::is_success);
        let class = match (init, bar.ending) {
            (true, _) if good => "init",
            (true, _) => "bad",
            (false, Some(_)) if good => "done",
            (false, _) => "up",
        };
        let told = told(&name, bar);
        block(class, bar.from, bar.to, &told);
        for (from, to) in &bar.ready {
            block("ready", *from, *to, &told);
        }
    }
    // On top of all bars: the next instance may have begun in the same moment.
    for bar in bars
        .iter()
        .filter(|bar| bar.ending.is_some_and(|end| !end.is_success()))
    {
        let (x, told) = (Percent(scale.place(bar.to)), told(&name, bar));
        let _ = write!(
            out,
            "<rect class=\"bad\" x=\"{x}\" y=\"{}\" width=\"4\" height=\"14\" transform=\"translate(-4)\">\
             <title>{told}</title></rect>",
            bar_top - 2
        );
    }
}

fn told(name: &str, bar: &Bar) -> String {
    let from = span(bar.from.since(Time::START).as_secs());
    let ran = span(bar.to.since(bar.from).as_secs());
    match bar.ending {
        None => format!("{name}: started at {from}, runs for {ran}"),
        Some(ending) => format!(
            "{name}: started at {from}, ended after {ran} with exit code {}",
            ending.code().0
        ),
    }
}

fn pod_lines(out: &mut String, view: &View, bottom: usize, scale: &Scale) {
    let marks = view.marks.iter().filter_map(|mark| match mark.what {
        Milestone::Initialized => Some((mark.at, "initialized", "")),
        Milestone::GraceOver => Some((mark.at, "SIGKILL", " class=\"stop\"")),
        _ => None,
    });
    let stop = view
        .status
        .stopping_since
        .map(|at| (at, "stop", " class=\"stop\""));
    for (at, word, class) in marks.chain(stop) {
        let x = scale.place(at);
        let (anchor, dx) = if x > 50.0 { ("end", -4) } else { ("start", 4) };
        let x = Percent(x);
        let _ = write!(
            out,
            "<line{class} x1=\"{x}\" x2=\"{x}\" y1=\"4\" y2=\"{bottom}\"/>\
             <text class=\"dim\" x=\"{x}\" dx=\"{dx}\" y=\"13\" text-anchor=\"{anchor}\">{word}</text>"
        );
    }
}

/// Times at even distances of the picture; where time is stretched they are closer to each other.
fn labels(out: &mut String, y: usize, now: Time, scale: &Scale) {
    for label in 0..LABELS {
        let x = label * 100 / (LABELS - 1);
        let at = scale.time(x as f64, now);
        let anchor = match label {
            0 => "start",
            last if last + 1 == LABELS => "end",
            _ => "middle",
        };
        let word = span(at.since(Time::START).as_secs());
        let _ = write!(
            out,
            "<text class=\"dim\" x=\"{x}%\" y=\"{y}\" text-anchor=\"{anchor}\">{word}</text>"
        );
    }
}

fn legend(out: &mut String, y: usize) {
    let words = [
        ("init", "init"),
        ("up", "not ready"),
        ("ready", "ready"),
        ("bad", "failed"),
    ];
    for (place, (class, word)) in words.into_iter().enumerate() {
        let (x, square) = (place * 25, y - 10);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x}%\" y=\"{square}\" width=\"10\" height=\"10\" rx=\"2\"/>\
             <text class=\"dim\" x=\"{x}%\" dx=\"15\" y=\"{y}\">{word}</text>"
        );
    }
}

/// The instances of a container: those that are marked, and the two that the status knows.
fn bars(id: ContainerId, frame: &Frame, view: &View) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for mark in view.marks.iter().filter(|mark| mark.about == Some(id)) {
        let open = bars.last_mut().filter(|bar| bar.ending.is_none());
        match (mark.what, open) {
            (Milestone::Started, _) => bars.push(open_bar(mark.at)),
            (Milestone::Ended(ending), Some(bar)) => {
                bar.to = mark.at;
                bar.ending = Some(ending);
                close_ready(bar, mark.at);
            }
            // Its start is forgotten, or it never ran.
            (Milestone::Ended(ending), None) => bars.push(Bar {
                ending: Some(ending),
                ..open_bar(mark.at)
            }),
            (Milestone::Ready, Some(bar)) => bar.ready.push((mark.at, Time::from_nanos(u64::MAX))),
            (Milestone::Unready, Some(bar)) => close_ready(bar, mark.at),
            _ => {}
        }
    }
    let Some(status) = view.status.containers.get(id.0) else {
        return bars;
    };
    let ends = |end: &Termination| Bar {
        to: end.finished_at,
        ending: Some(end.ending),
        ..open_bar(end.started_at)
    };
    let mut known: Vec<Bar> = status.last.iter().map(ends).collect();
    match &status.state {
        ContainerState::Terminated(end) => known.push(ends(end)),
        ContainerState::Running(since) => {
            let mut bar = open_bar(*since);
            if status.ready && frame.pod.containers[id.0].role != Role::Init {
                bar.ready.push((*since, view.now.0));
            }
            known.push(bar);
        }
        ContainerState::Waiting(_) => {}
    }
    for bar in known {
        if !bars.iter().any(|marked| is_same(marked, &bar)) {
            bars.push(bar);
        }
    }
    for bar in bars.iter_mut().filter(|bar| bar.ending.is_none()) {
        bar.to = view.now.0;
        close_ready(bar, view.now.0);
    }
    bars
}

/// The machine's start and the mark of it are of one turn, but an instance that never ran has an end only.
fn is_same(marked: &Bar, known: &Bar) -> bool {
    marked.from == known.from || (known.ending.is_some() && marked.to == known.to)
}

fn open_bar(from: Time) -> Bar {
    Bar {
        from,
        to: from,
        ready: Vec::new(),
        ending: None,
    }
}

fn close_ready(bar: &mut Bar, at: Time) {
    if let Some((_, until)) = bar.ready.last_mut() {
        *until = (*until).min(at);
    }
}

/// From time to a place between 0 and 100.
struct Scale {
    /// Distinct moments with their places, from the start to now.
    stops: Vec<(f64, f64)>,
}

impl Scale {
    fn new(rows: &[Vec<Bar>], marks: &[Mark], now: Time) -> Scale {
        let of_bars = rows.iter().flatten().flat_map(|bar| [bar.from, bar.to]);
        let of_marks = marks.iter().map(|mark| mark.at);
        let mut moments = LiteMap::new_vec();
        for time in of_bars.chain(of_marks).chain([Time::START, now]) {
            moments.insert(time.min(now), ());
        }
        let last = seconds(now).max(f64::MIN_POSITIVE);
        let steps = moments.len().saturating_sub(1).max(1) as f64;
        let place = |(rank, at): (usize, &Time)| {
            let share = (seconds(*at) / last + rank as f64 / steps) / 2.0;
            (seconds(*at), share * 100.0)
        };
        Scale {
            stops: moments.keys().enumerate().map(place).collect(),
        }
    }

    fn place(&self, time: Time) -> f64 {
        between(&self.stops, seconds(time))
    }

    /// The moment at this place.
    fn time(&self, place: f64, now: Time) -> Time {
        let turned: Vec<(f64, f64)> = self.stops.iter().map(|(at, place)| (*place, *at)).collect();
        let seconds = between(&turned, place).max(0.0);
        Time::START
            .after(std::time::Duration::from_secs_f64(seconds))
            .min(now)
    }
}

fn seconds(time: Time) -> f64 {
    time.since(Time::START).as_secs_f64()
}

/// A place or a length, to two digits. All that the library has to write a fraction takes 15 kB of the program.
struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        let hundredths = (self.0 * 100.0 + 0.5) as u64;
        write!(f, "{}.{:02}%", hundredths / 100, hundredths % 100)
    }
}

/// The value at `key` on the broken line through these points.
fn between(points: &[(f64, f64)], key: f64) -> f64 {
    let after = points.partition_point(|(known, _)| *known < key);
    let before = after.checked_sub(1).map(|place| points[place]);
    match (before, points.get(after).copied()) {
        (Some((k0, v0)), Some((k1, v1))) if k1 > k0 => v0 + (v1 - v0) * (key - k0) / (k1 - k0),
        (_, Some((_, value))) | (Some((_, value)), None) => value,
        (None, None) => 0.0,
    }
}

/// As kubectl says an age: `47s`, `5m3s`, `47m`, `3h12m`, `2d5h`, `12d`.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |unit: &str, more: u64, small: &str| match more {
        0 => unit.to_owned(),
        more => format!("{unit}{more}{small}"),
    };
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 => with(&format!("{minutes}m"), seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(&format!("{hours}h"), minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(&format!("{days}d"), hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
