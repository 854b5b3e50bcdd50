//! The metrics in Prometheus' text format.
//!
//! What the kubelet has is called as the kubelet calls it (`prober_probe_total`, `container_start_time_seconds`); the rest
//! begins with `monopod_`. A number that could not be had is left out: a zero would be a lie.
//!
//! What surprised us: the kubelet's `prober_probe_duration_seconds` is a histogram. Here it is a summary without
//! quantiles, `_sum` and `_count` only: ten buckets for each probe are ten times the series for an average that tells
//! the same to whoever looks at one pod.

use super::tally::{KINDS, probe};
use super::view::{Frame, View};
use crate::machine::{ContainerState, ContainerStatus};
use crate::plan::{ProbeKind, Role};
use std::fmt::{Display, Formatter, Write};
use std::time::Duration;

/// What the cgroup of the whole container says; read by the helper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Processes and threads now.
    pub pids: Option<u64>,
    /// The most that there may be; nothing if there is no limit.
    pub pids_max: Option<u64>,
    /// Bytes of memory now.
    pub memory: Option<u64>,
    /// Processes that the out-of-memory killer has ended.
    pub oom_kills: Option<u64>,
}

/// The whole page.
pub fn text(frame: &Frame, view: &View, gauges: &Gauges) -> String {
    let mut page = Exposition::default();
    probes(&mut page, frame, view);
    containers(&mut page, frame, view);
    pod(&mut page, frame, view);
    let cgroup = [
        ("pids", "gauge", "Processes and threads now.", gauges.pids),
        (
            "pids_max",
            "gauge",
            "The most processes and threads allowed.",
            gauges.pids_max,
        ),
        (
            "memory_bytes",
            "gauge",
            "Memory in use, page cache included.",
            gauges.memory,
        ),
        (
            "oom_kills_total",
            "counter",
            "Processes ended by the out-of-memory killer.",
            gauges.oom_kills,
        ),
    ];
    for (name, kind, help, value) in cgroup {
        if let Some(value) = value {
            page.family(&format!("monopod_cgroup_{name}"), kind, help);
            page.sample("", &[], value);
        }
    }
    page.text
}

fn probes(page: &mut Exposition, frame: &Frame, view: &View) {
    let attempts = || {
        let counted = frame.pod.containers().zip(&view.counts.probes);
        counted.flat_map(|((_, container), counted)| {
            let kinds = KINDS.into_iter().zip(counted);
            kinds
                .filter(move |(kind, _)| probe(container, *kind).is_some())
                .map(move |(kind, attempts)| (container.name.as_str(), word(kind), *attempts))
        })
    };
    page.family(
        "prober_probe_total",
        "counter",
        "Attempts of probes by result.",
    );
    for (container, kind, attempts) in attempts() {
        for (result, count) in [
            ("successful", attempts.successful),
            ("failed", attempts.failed),
            ("unknown", attempts.unknown),
        ] {
            let labels = [
                ("probe_type", kind),
                ("result", result),
                ("container", container),
            ];
            page.sample("", &labels, count);
        }
    }
    page.family(
        "prober_probe_duration_seconds",
        "summary",
        "How long attempts of probes took.",
    );
    for (container, kind, attempts) in attempts() {
        let labels = [("probe_type", kind), ("container", container)];
        let count = [attempts.successful, attempts.failed, attempts.unknown];
        page.sample("_sum", &labels, Amount::Seconds(attempts.took));
        page.sample("_count", &labels, count.map(u64::from).iter().sum::<u64>());
    }
}

fn word(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    }
}

/// Written in full. As a float it would lose digits, and what the library has to write one is 15 kB of the program.
enum Amount {
    Count(u64),
    Seconds(Duration),
}

impl From<bool> for Amount {
    fn from(holds: bool) -> Amount {
        Amount::Count(holds.into())
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        match self {
            Amount::Count(count) => count.fmt(f),
            Amount::Seconds(span) => {
                let digits = format!("{}.{:09}", span.as_secs(), span.subsec_nanos());
                f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

type Value = fn(&Frame, &ContainerStatus) -> Option<Amount>;

fn containers(page: &mut Exposition, frame: &Frame, view: &View) {
    let families: [(&str, &str, &str, Value); 5] = [
        (
            "container_start_time_seconds",
            "gauge",
            "When the running instance was started, in seconds since 1970.",
            |frame, status| match status.state {
                ContainerState::Running(since) => Some(Amount::Seconds(frame.unix(since))),
                ContainerState::Waiting(_) | ContainerState::Terminated(_) => None,
            },
        ),
        (
            "monopod_container_restarts_total",
            "counter",
            "How often a new instance replaced an old one.",
            |_, status| Some(Amount::Count(status.restarts.into())),
        ),
        (
            "monopod_container_running",
            "gauge",
            "1 while its own process runs.",
            |_, status| Some(matches!(status.state, ContainerState::Running(_)).into()),
        ),
        (
            "monopod_container_started",
            "gauge",
            "1 once it has started up.",
            |_, status| Some(status.started.into()),
        ),
        (
            "monopod_container_ready",
            "gauge",
            "1 while it is in service.",
            |_, status| Some(status.ready.into()),
        ),
    ];
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for (_, container, status) in frame.containers(view) {
            if let Some(value) = value(frame, status) {
                page.sample("", &[("container", &container.name)], value);
            }
        }
    }
    page.family(
        "monopod_init_duration_seconds",
        "gauge",
        "How long the last run of an init container took.",
    );
    for (_, container, status) in frame.containers(view) {
        if let (Role::Init, ContainerState::Terminated(end)) = (container.role, status.state) {
            let took = end.finished_at.since(end.started_at);
            page.sample("", &[("container", &container.name)], Amount::Seconds(took));
        }
    }
}

fn pod(page: &mut Exposition, frame: &Frame, view: &View) {
    page.family("monopod_pod_phase", "gauge", "1 for the pod's phase.");
    let phase = super::podstatus::phase(view.status.phase);
    for known in ["Pending", "Running", "Succeeded", "Failed"] {
        page.sample("", &[("phase", known)], u8::from(known == phase));
    }
    const READY: usize = 4;
    let ready = view.status.conditions[READY].holds;
    let now = view.now.0;
    let mut single = |name: &str, kind: &str, help: &str, value: Amount| {
        page.family(name, kind, help);
        page.sample("", &[], value);
    };
    let start = frame.unix(crate::time::Time::START);
    single(
        "monopod_pod_ready",
        "gauge",
        "1 while the pod is ready.",
        ready.into(),
    );
    single(
        "monopod_start_time_seconds",
        "gauge",
        "When monopod was started, in seconds since 1970.",
        Amount::Seconds(start),
    );
    if let Some(since) = view.status.stopping_since {
        single(
            "monopod_stop_duration_seconds",
            "gauge",
            "How long the stop has taken so far.",
            Amount::Seconds(now.since(since)),
        );
    }
    single(
        "monopod_orphans_reaped_total",
        "counter",
        "Processes collected that monopod had not started.",
        Amount::Count(view.counts.orphans),
    );
    single(
        "monopod_helper_losses_total",
        "counter",
        "How often the process that serves this page had to be replaced.",
        Amount::Count(view.counts.helpers_lost.into()),
    );
}

/// A page in the making.
#[derive(Default)]
struct Exposition {
    text: String,
    family: String,
}

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        name.clone_into(&mut self.family);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }
}

/// As the format wants a label's value.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, MIGRATE, WEB, at};
    use crate::report::tally::Attempts;
    use std::time::Duration;

    fn page() -> String {
        let mut view = samples::crashing();
        view.counts.orphans = 7;
        view.counts.probes = vec![Default::default(); 5];
        view.counts.probes[WEB.0][2] = Attempts {
            successful: 5,
            failed: 2,
            unknown: 1,
            took: Duration::from_millis(250),
        };
        view.status.stopping_since = Some(at(58));
        let gauges = Gauges {
            pids: Some(12),
            oom_kills: Some(0),
            ..Gauges::default()
        };
        text(&samples::frame(), &view, &gauges)
    }

    #[test]
    fn the_kubelets_names_and_ours() {
        let page = page();
        for line in [
            "prober_probe_total{probe_type=\"Readiness\",result=\"failed\",container=\"web\"} 2",
            "prober_probe_total{probe_type=\"Startup\",result=\"unknown\",container=\"web\"} 0",
            "prober_probe_duration_seconds_sum{probe_type=\"Readiness\",container=\"web\"} 0.25",
            "prober_probe_duration_seconds_count{probe_type=\"Readiness\",container=\"web\"} 8",
            "container_start_time_seconds{container=\"logger\"} 1777636804.4",
            "monopod_container_restarts_total{container=\"web\"} 3",
            "monopod_container_ready{container=\"web\"} 0",
            "monopod_init_duration_seconds{container=\"migrate\"} 2",
            "monopod_pod_phase{phase=\"Running\"} 1",
            "monopod_orphans_reaped_total 7",
            "monopod_stop_duration_seconds 2",
            "monopod_cgroup_pids 12",
            "monopod_cgroup_oom_kills_total 0",
        ] {
            assert!(page.contains(&format!("\n{line}\n")), "{line}\nin\n{page}");
        }
        // Not known is not zero; and a container without a probe has no counts of it.
        assert!(!page.contains("monopod_cgroup_pids_max"));
        assert!(!page.contains("probe_type=\"Liveness\",result=\"failed\",container=\"worker\""));
        assert!(!page.contains("hunter2"));
    }

    #[test]
    fn every_sample_has_its_family_before_it_and_no_family_stands_twice() {
        let mut families = Vec::new();
        for line in page().lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap().to_owned();
                assert!(!families.contains(&name), "{name}");
                families.push(name);
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(
                    name.starts_with(families.last().unwrap().as_str()),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let mut frame = samples::frame();
        frame.pod.containers[MIGRATE.0].name = "a\"}\n\\".into();
        let page = text(&frame, &samples::serving(), &Gauges::default());
        assert!(page.contains(r#"{container="a\"}\n\\"}"#), "{page}");
    }
}
