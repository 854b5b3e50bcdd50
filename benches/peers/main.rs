//! `cargo bench --bench peers`: monopod against the tiny inits that are installed here, in one run, one after the other
//! in every round, so that what the machine does meanwhile happens to all of them.
//!
//! What is measured: the way to the command's first instruction, what an idle init holds and how often it wakes,
//! how fast orphans are reaped, the delay of a forwarded signal, the size of the file. Ratios are taken within a
//! round and the median of them is shown; medians of different rounds are never divided by each other.
//!
//! It must never fail because something was slow: a speed claim is not a test. It ends with a verdict in words. And it
//! must say loudly what it left out.
//!
//! The size that is wanted is that of the build without https: `cargo bench --bench peers --no-default-features` judges it.
//!
//! With ` -- --quick` it takes a few seconds. ` -- start signals` measures only what is named (start, idle, orphans,
//! signals). ` -- --with FILE` lets another build of monopod compete, to compare a change.
//!
//! This binary plays the command too, under the hidden verbs of `child`. It does nothing unless it is given `--bench`
//! (cargo does that for `cargo bench` and not for `cargo test --benches`, where everything would be a debug build).

mod child;
#[path = "../common/mod.rs"]
mod common;
mod field;
mod idle;
mod orphans;
mod program;
mod signals;
mod start;
mod storm;
mod table;
mod verdict;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::facts;
use common::front::{ended, say};
use field::Field;

/// How much is measured. The budgets end a section early on a slow machine, after at least three rounds.
pub struct Effort {
    start_rounds: usize,
    idle: Duration,
    orphans: u32,
    orphan_rounds: usize,
    storm_rounds: usize,
    signal_rounds: usize,
    signals_per_round: usize,
    /// The longest that one section may go on starting new rounds.
    budget: Duration,
}

/// About a minute on two cores.
const FULL: Effort = Effort {
    start_rounds: 400,
    idle: Duration::from_secs(5),
    orphans: 5000,
    orphan_rounds: 15,
    storm_rounds: 5,
    signal_rounds: 20,
    signals_per_round: 250,
    budget: Duration::from_secs(18),
};

/// About ten seconds: enough to see that nothing is badly wrong, too little for a claim.
const QUICK: Effort = Effort {
    start_rounds: 60,
    idle: Duration::from_millis(1500),
    orphans: 2000,
    orphan_rounds: 5,
    storm_rounds: 3,
    signal_rounds: 3,
    signals_per_round: 150,
    budget: Duration::from_secs(3),
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(verb) = words.first().and_then(|word| word.strip_prefix("child:")) {
        return child::play(verb, &words[1..]);
    }
    let told = match Asked::read(&words) {
        Ok(asked) => compare(&asked),
        Err(why) => say(&why),
    };
    ended(told)
}

const SECTIONS: [&str; 4] = ["start", "idle", "orphans", "signals"];

struct Asked {
    effort: &'static Effort,
    /// Of `SECTIONS`; none is all.
    sections: Vec<String>,
    /// Other builds of monopod.
    others: Vec<String>,
}

impl Asked {
    fn read(words: &[String]) -> Result<Asked, String> {
        let mut asked = Asked {
            effort: &FULL,
            sections: Vec::new(),
            others: Vec::new(),
        };
        let mut measure = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => measure = true,
                "--quick" => asked.effort = &QUICK,
                "--with" => asked.others.extend(words.next().cloned()),
                section if SECTIONS.contains(&section) => asked.sections.push(word.clone()),
                _ => {
                    return Err(format!(
                        "peers: {word} is none of --quick, --with FILE, {}\n",
                        SECTIONS.join(", ")
                    ));
                }
            }
        }
        if measure {
            return Ok(asked);
        }
        Err("peers: nothing is measured without --bench; use `cargo bench --bench peers`, with ` -- --quick` if it should be short\n".to_owned())
    }

    fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|one| one == section)
    }
}

fn compare(asked: &Asked) -> std::io::Result<()> {
    let (began, effort) = (Instant::now(), asked.effort);
    say(&format!("\n{}\n", facts::line()))?;
    let field = match Field::assemble(&asked.others) {
        Ok(field) => field,
        Err(why) => return say(&format!("\n!! NOTHING MEASURED: {why}\n")),
    };
    say(&field.absences())?;
    let mut verdict = Vec::new();
    if asked.wants("start") {
        let start = start::measure(&field, effort);
        say(&start.words(&field))?;
        verdict.extend(verdict::start(&field, &start));
    }
    if asked.wants("idle") {
        let idle = idle::measure(&field, effort);
        say(&idle.words(&field))?;
        verdict.extend(verdict::idle(&field, &idle));
    }
    if asked.wants("orphans") {
        let orphans = orphans::measure(&field, effort);
        say(&orphans.words(&field))?;
        verdict.extend(verdict::orphans(&field, &orphans));
    }
    if asked.wants("signals") {
        let signals = signals::measure(&field, effort);
        say(&signals.words(&field))?;
        verdict.extend(verdict::signals(&field, &signals));
    }
    say(&table::sizes(&field))?;
    verdict.push(verdict::size(&field));
    say(&format!("\nVERDICT\n{}\n", verdict.join("\n")))?;
    say(&format!(
        "\n{:.0} s in all.\n\n",
        began.elapsed().as_secs_f64()
    ))
}
