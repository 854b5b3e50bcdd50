//! PID 1's hands on a pod, before any machine decides about one: whom they start and as whom, what they strike and what
//! they leave alone, what they hear.
//!
//! Each story leads a life of its own (see [`stage`]): this executable again, with a plan made by hand and a machine that
//! follows a script. What needs root and has none is passed over loudly, and fails when `CI` is set.

// These are about a PID 1; this is a test, and it talks to people.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod identity;
mod last_words;
mod many;
mod output;
mod stage;
mod trees;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|verb| verb == output::HOLD_VERB) {
        return output::hold_standard_output();
    }
    if let [_, verb, scene] = words.as_slice()
        && verb == stage::VERB
    {
        let scenes = [
            trees::scenes(),
            identity::scenes(),
            output::scenes(),
            last_words::scenes(),
            many::scenes(),
        ];
        return stage::live(scenes.into_iter().flatten().find(|(name, _)| name == scene));
    }
    let trials = [
        trees::trials(),
        identity::trials(),
        output::trials(),
        last_words::trials(),
        many::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A story for which one has to be root.
fn as_root(name: &str, story: fn() -> Result<(), Failed>) -> Trial {
    // SAFETY: takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    Trial::ignorable_test(name, move || match is_root {
        true => story().map(|()| Completion::Completed),
        false if std::env::var_os("CI").is_some() => Err("this needs root".into()),
        false => Ok(Completion::ignored_with("this needs root")),
    })
}
