//! `cargo bench --bench services`: monopod with a thousand containers in one manifest, s6-svscan with a thousand
//! services, supervisord with a hundred programs, each as PID 1 of its namespaces, one after the other in every round.
//!
//! What is measured: how long until every service runs, what the supervising side holds while they rest (all processes
//! that are no service: s6 has one for each of them), how often it wakes, how long a stop takes. Every service is
//! `sleep`, so that the services themselves are as little of it as can be; s6 comes to it by a shell script, as usual.
//! Ratios are taken within a round.
//!
//! supervisord has a hundred programs, which is already many for one; monopod with a hundred stands beside it.
//!
//! It must never fail because something was slow, never have two contestants alive at a time (a thousand processes
//! need memory), and must say loudly what it left out. What it does not see is what the kernel holds for a process,
//! which favours s6, that has twice as many.
//!
//! `--quick` has two rounds. Nothing is done without `--bench`, which `cargo bench` gives.

#[path = "../common/mod.rs"]
mod common;
mod contest;
mod field;
mod words;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::facts;
use common::front::{ended, is_quick, say};
use common::rounds::rounds;
use field::Field;

/// How much is measured.
pub struct Effort {
    rounds: usize,
    idle: Duration,
    /// No new round is begun after this, when three were had.
    budget: Duration,
}

/// About four minutes on two cores.
const FULL: Effort = Effort {
    rounds: 7,
    idle: Duration::from_secs(4),
    budget: Duration::from_secs(240),
};

/// About a minute. Too little for a claim.
const QUICK: Effort = Effort {
    rounds: 2,
    idle: Duration::from_millis(1500),
    budget: Duration::from_secs(60),
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = match is_quick("services", &words) {
        Ok(true) => compare(&QUICK),
        Ok(false) => compare(&FULL),
        Err(why) => say(&why),
    };
    ended(told)
}

fn compare(effort: &Effort) -> std::io::Result<()> {
    let began = Instant::now();
    say(&format!("\n{}\n", facts::line()))?;
    let field = match Field::assemble() {
        Ok(field) => field,
        Err(why) => return say(&format!("\n!! NOTHING MEASURED: {why}\n")),
    };
    say(&field.absences())?;
    let lives = rounds(
        field.contestants.len(),
        effort.rounds,
        effort.budget,
        |index| contest::live(&field, index, effort),
    );
    say(&words::tables(&field, &lives, effort))?;
    say(&format!("\nVERDICT\n{}\n", words::verdict(&field, &lives)))?;
    say(&format!(
        "\n{:.0} s in all, load {} at the end.\n\n",
        began.elapsed().as_secs_f64(),
        facts::load()
    ))
}
