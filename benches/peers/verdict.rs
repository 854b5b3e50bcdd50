//! What was aimed at, and what came of it. Words only: a miss is no failure of the run.

use crate::common::verdict::{self, Bound, line, word};
use crate::field::{DROP_IN, Field, OWN, Series, WITH_HEALTH};
use crate::idle::Idle;
use crate::orphans::Orphans;
use crate::signals::Signals;
use crate::start::Start;

/// Kilobytes: a dynamic tini holds about 100, and nobody should have to think about the rest.
const IDLE_KB: u64 = 128;
/// Kilobytes, PID 1 and helper together: two inits.
const IDLE_WITH_HEALTH_KB: u64 = 256;
/// Bytes of the file without https: a static glibc program in Rust that does nothing has 1.1 million.
const SIZE: u64 = 1_800_000;

/// The start of the two forms without endpoints.
pub fn start(field: &Field, start: &Start) -> Vec<String> {
    let mut lines = Vec::new();
    for mine in [DROP_IN, OWN] {
        for (peer, limit) in [("tini", 1.0), ("tini-static", 1.1)] {
            let pair = (mine, field.position(peer));
            lines.push(compare(
                field,
                &start.micros,
                pair,
                "start",
                &Bound::AtMost(limit),
            ));
        }
    }
    lines
}

/// Memory and wake-ups of all three forms.
pub fn idle(field: &Field, idle: &Idle) -> Vec<String> {
    let limits = [
        (DROP_IN, IDLE_KB),
        (OWN, IDLE_KB),
        (WITH_HEALTH, IDLE_WITH_HEALTH_KB),
    ];
    limits
        .map(|(name, limit)| rest(field, idle, name, limit))
        .into()
}

/// Against the peer that was fastest in this run.
pub fn orphans(field: &Field, orphans: &Orphans) -> Vec<String> {
    let rates = [
        ("orphans per second, backlog", &orphans.backlog_per_second),
        ("orphans per second, storm", &orphans.storm_per_second),
    ];
    let mut lines = Vec::new();
    for mine in [DROP_IN, OWN] {
        for (what, rate) in rates {
            let pair = (mine, Orphans::best_peer(field, rate));
            lines.push(compare(field, rate, pair, what, &Bound::AtLeast(1.0)));
        }
    }
    lines
}

/// The slow ones of the forwarded signals.
pub fn signals(field: &Field, signals: &Signals) -> Vec<String> {
    let line = |mine| {
        let pair = (mine, field.position("tini"));
        compare(field, &signals.p99, pair, "signal p99", &Bound::AtMost(1.0))
    };
    [DROP_IN, OWN].map(line).into()
}

/// The file.
pub fn size(field: &Field) -> String {
    let bytes = field
        .position(OWN)
        .map_or(0, |at| field.contestants[at].bytes());
    if cfg!(feature = "https") {
        let says = format!(
            "file: {bytes} bytes with https; ≤ {SIZE} is wanted without, so ask with --no-default-features"
        );
        return line("not measured", OWN, &says);
    }
    let fits = (1..=SIZE).contains(&bytes);
    line(
        word(fits),
        OWN,
        &format!("file: {bytes} bytes without https (wanted ≤ {SIZE})"),
    )
}

fn compare(
    field: &Field,
    series: &Series,
    (mine, theirs): (&str, Option<usize>),
    what: &str,
    bound: &Bound,
) -> String {
    let values = |at: Option<usize>| at.and_then(|at| series[at].as_deref().ok());
    let peer = theirs.and_then(|at| Some((field.contestants[at].name.as_str(), values(theirs)?)));
    verdict::compare(mine, values(field.position(mine)), peer, what, bound)
}

fn rest(field: &Field, idle: &Idle, name: &str, limit_kb: u64) -> String {
    let Some(Ok(resting)) = field.position(name).map(|at| &idle.resting[at]) else {
        return line("not measured", name, "idle");
    };
    let reached = resting.private_dirty_kb <= limit_kb && resting.switches == 0;
    let says = format!(
        "idle: {} kB private dirty (wanted ≤ {limit_kb}), {} wake-ups (wanted 0)",
        resting.private_dirty_kb, resting.switches
    );
    line(word(reached), name, &says)
}
