//! The tables, and the verdict.

use crate::Effort;
use crate::common::stats::{median, ratio};
use crate::common::table::table;
use crate::common::verdict::{self, Bound, line, short, word};
use crate::contest::Life;
use crate::field::{Contestant, Field, MANY, MONOPOD, MONOPOD_FEW, S6, SUPERVISORD};

/// Every life of each contestant, or why there is none.
type Lives = [Result<Vec<Life>, String>];

/// Kilobytes of private dirty memory, a container.
const KB_EACH: f64 = 4.0;
/// Milliseconds, for a thousand that obey.
const STOP: f64 = 2000.0;

type Value = fn(&Life) -> f64;

/// What is compared with whom.
const PAIRS: [(&str, &str); 2] = [(MONOPOD, S6), (MONOPOD_FEW, SUPERVISORD)];
const VALUES: [(&str, Value); 4] = [
    ("time until all run", |life| life.up_millis),
    // Not only the private pages: those that monopod shares with its helper are no one else's.
    ("all dirty memory", |life| life.all_dirty_kb),
    ("descriptors", |life| life.descriptors),
    ("time of the stop", |life| life.stop_millis),
];

fn values(lives: &[Life], value: Value) -> Vec<f64> {
    lives.iter().map(value).collect()
}

/// What each one needed, and the ratios.
pub fn tables(field: &Field, lives: &Lives, effort: &Effort) -> String {
    let mut rows = Vec::new();
    let mut failures = String::new();
    let mut rounds = 0;
    for (one, lives) in field.contestants.iter().zip(lives) {
        match lives {
            Ok(lives) => {
                rounds = rounds.max(lives.len());
                rows.push(row(one, lives));
            }
            Err(why) => failures.push_str(&format!("  !! {} NOT MEASURED: {why}\n", one.name)),
        }
    }
    let title = format!(
        "SERVICES: medians of {rounds} rounds; the supervising side only, all of its processes; {} s idle",
        effort.idle.as_secs_f64()
    );
    let columns = [
        "",
        "all run, ms",
        "processes",
        "private dirty, kB",
        "a service",
        "all dirty, kB",
        "a service",
        "descriptors",
        "a service",
        "wake-ups",
        "stop, ms",
    ];
    let ratios: Vec<Vec<String>> = PAIRS
        .iter()
        .map(|pair| ratios(field, lives, pair))
        .collect();
    let ratio_columns: Vec<&str> = [""]
        .into_iter()
        .chain(VALUES.iter().map(|(what, _)| *what))
        .collect();
    table(&title, &columns, &rows)
        + &failures
        + &table("RATIOS within a round, medians", &ratio_columns, &ratios)
}

fn row(one: &Contestant, lives: &[Life]) -> Vec<String> {
    let middle = |value: Value| median(&values(lives, value));
    let services = one.services as f64;
    let (private, all) = (middle(|l| l.private_dirty_kb), middle(|l| l.all_dirty_kb));
    let descriptors = middle(|l| l.descriptors);
    vec![
        one.name.to_owned(),
        format!("{:.0}", middle(|l| l.up_millis)),
        format!("{:.0}", middle(|l| l.processes)),
        format!("{private:.0}"),
        format!("{:.2}", private / services),
        format!("{all:.0}"),
        format!("{:.2}", all / services),
        format!("{descriptors:.0}"),
        format!("{:.2}", descriptors / services),
        format!("{:.0}", middle(|l| l.wake_ups)),
        format!("{:.0}", middle(|l| l.stop_millis)),
    ]
}

fn of<'a>(field: &Field, lives: &'a Lives, name: &str) -> Option<&'a Vec<Life>> {
    lives[field.position(name)?].as_ref().ok()
}

fn ratios(field: &Field, lives: &Lives, (mine, peer): &(&str, &str)) -> Vec<String> {
    let cell = |value: Value| match (of(field, lives, mine), of(field, lives, peer)) {
        (Some(ours), Some(theirs)) => {
            let ratio = ratio(&values(ours, value), &values(theirs, value));
            short(ratio.median)
        }
        _ => "–".to_owned(),
    };
    [format!("{mine} ÷ {peer}")]
        .into_iter()
        .chain(VALUES.iter().map(|(_, value)| cell(*value)))
        .collect()
}

/// What was aimed at.
pub fn verdict(field: &Field, lives: &Lives) -> String {
    let mut lines = own_limits(of(field, lives, MONOPOD));
    for (mine, peer) in PAIRS {
        for (what, value) in VALUES {
            let ours = of(field, lives, mine).map(|lives| values(lives, value));
            let theirs = of(field, lives, peer).map(|lives| values(lives, value));
            let theirs = theirs.as_deref().map(|theirs| (peer, theirs));
            let bound = Bound::AtMost(1.0);
            lines.push(verdict::compare(
                mine,
                ours.as_deref(),
                theirs,
                what,
                &bound,
            ));
        }
    }
    lines.join("\n")
}

fn own_limits(lives: Option<&Vec<Life>>) -> Vec<String> {
    let Some(lives) = lives else {
        return vec![line("not measured", MONOPOD, "its own limits")];
    };
    let middle = |value: Value| median(&values(lives, value));
    let private = middle(|life| life.private_dirty_kb) / MANY as f64;
    let all = middle(|life| life.all_dirty_kb) / MANY as f64;
    let stop = middle(|life| life.stop_millis);
    let wake_ups = middle(|life| life.wake_ups);
    let descriptors = middle(|life| life.descriptors);
    [
        (
            private <= KB_EACH,
            format!("{private:.2} kB private dirty a container (wanted ≤ {KB_EACH}), {all:.2} with shared pages"),
        ),
        (
            // What PID 1 and its helper need for themselves.
            descriptors < 100.0,
            format!("{descriptors} descriptors in all (wanted: none for a container)"),
        ),
        (
            stop <= STOP,
            format!("{stop:.0} ms for the stop (wanted ≤ {STOP})"),
        ),
        (
            wake_ups == 0.0,
            format!("{wake_ups} wake-ups while idle (wanted 0)"),
        ),
    ]
    .map(|(reached, says)| line(word(reached), MONOPOD, &says))
    .into()
}
