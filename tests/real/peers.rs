//! What the other inits are known not to do, and the table of who does what.
//!
//! A known failure of a peer keeps the suite green and is a `no` in the table. A peer that fails in a new way fails the
//! suite: then either the story or this list is wrong. A peer that got better is reported and no failure.

use crate::harness::Outcome;
use crate::harness::inits::Init::{self, Catatonit, DumbInit, Tini, TiniStatic};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

/// Story, peers, and what they do instead.
const KNOWN: &[(&str, &[Init], &str)] = &[
    (
        "a command that is not there is code 127",
        &[DumbInit, Catatonit],
        "dumb-init says 2, catatonit 1",
    ),
    (
        "a command that may not be executed is code 126",
        &[DumbInit, Catatonit],
        "dumb-init says 2, catatonit 1",
    ),
    (
        "a directory as the command is code 126",
        &[DumbInit, Catatonit],
        "dumb-init says 2, catatonit 1",
    ),
    (
        "a command whose interpreter is missing is code 127",
        &[DumbInit, Catatonit],
        "dumb-init says 2, catatonit 1",
    ),
    (
        "the exit code is right when stdin, stdout and stderr are closed",
        &[Tini, TiniStatic],
        "tcsetpgrp on a closed stdin is fatal: 1",
    ),
    (
        "signals that mean a crash arrive when a process sent them",
        &[Tini, TiniStatic, Catatonit],
        "they are not handed on",
    ),
    (
        "TSTP, TTIN and TTOU arrive as themselves",
        &[Tini, TiniStatic, DumbInit, Catatonit],
        "tini ignores TTIN and TTOU, dumb-init makes STOP of them, catatonit drops them",
    ),
    (
        "200 times SIGTERM right after the start ends the command with 143",
        &[DumbInit],
        "its handler is still in place between fork and exec and swallows the signal",
    ),
    (
        "signals ignored by the caller stay ignored in the command, as under nohup",
        &[DumbInit],
        "sets every signal to its default",
    ),
    (
        "no signal is blocked in the command, TSTP, TTIN and TTOU included",
        &[Catatonit],
        "leaves the three blocked",
    ),
    (
        "a caller that ignores SIGCHLD does not make it hang",
        &[Tini, TiniStatic, Catatonit],
        "waits for ever",
    ),
    (
        "not as PID 1, orphans are adopted and reaped",
        &[DumbInit],
        "has no subreaper",
    ),
    (
        "a standard descriptor that was closed is closed in the command",
        &[Tini, TiniStatic],
        "tcsetpgrp on a closed stdin is fatal",
    ),
    (
        "the init itself keeps no inherited descriptor",
        &[Tini, TiniStatic, DumbInit],
        "keeps them all",
    ),
    (
        "the init itself leaves the working directory",
        // catatonit does it since 0.2.
        &[Tini, TiniStatic, Catatonit],
        "stays there and pins the mount",
    ),
    (
        "after SIGTERM a background process that needs a second gets it, and not more",
        &[Tini, TiniStatic, DumbInit, Catatonit],
        "leaves with the command, and the kernel kills the rest",
    ),
    (
        "after SIGTERM so does one that has left for a session of its own",
        &[Tini, TiniStatic, DumbInit, Catatonit],
        "leaves with the command, and the kernel kills the rest",
    ),
    (
        "an idle init does not wake up",
        &[Tini, TiniStatic],
        "looks around once a second",
    ),
    (
        "Ctrl-Z, bg, fg and Ctrl-C work in a shell on the terminal",
        &[Catatonit],
        "TSTP is blocked in everything that the shell starts",
    ),
    (
        "an init started in the background leaves the terminal's foreground alone",
        &[Tini, TiniStatic, Catatonit],
        "takes the foreground for its command",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Passed,
    Failed,
}

struct Table {
    /// In the order in which they were first told.
    rows: Vec<&'static str>,
    marks: BTreeMap<(&'static str, Init), Mark>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    rows: Vec::new(),
    marks: BTreeMap::new(),
});

fn known(story: &str, init: Init) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(known, inits, _)| *known == story && inits.contains(&init))
        .map(|(_, _, instead)| *instead)
}

/// The stories of the list above that are not told any more.
pub fn stale(told: &[&str]) -> Vec<&'static str> {
    let known = KNOWN.iter().map(|(story, _, _)| *story);
    known.filter(|story| !told.contains(story)).collect()
}

/// Whether there is no hope for this init in this story.
pub fn is_known_to_fail(story: &str, init: Init) -> bool {
    known(story, init).is_some()
}

/// Notes the outcome for the table and forgives what is known of a peer.
pub fn judge(story: &'static str, init: Init, compared: bool, outcome: Outcome) -> Outcome {
    if compared && let Ok(mut table) = TABLE.lock() {
        let mark = match outcome {
            Ok(()) => Mark::Passed,
            Err(_) => Mark::Failed,
        };
        if !table.rows.contains(&story) {
            table.rows.push(story);
        }
        table.marks.insert((story, init), mark);
    }
    let known = known(story, init);
    match (outcome, known) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(instead)) => {
            println!(
                "NOTE: {} now passes \"{story}\"; known was: {instead}",
                init.name()
            );
            Ok(())
        }
        (outcome, None) => outcome,
    }
}

/// Prints the table and writes it beside the suite's executable as `peers-table.md`.
pub fn publish() {
    let Ok(table) = TABLE.lock() else { return };
    if table.rows.is_empty() {
        return;
    }
    let mut text = String::from("| |");
    for init in Init::ALL {
        let _ = write!(text, " {} |", init.name());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Init::ALL.len()));
    text.push('\n');
    for story in &table.rows {
        let _ = write!(text, "| {story} |");
        for init in Init::ALL {
            let word = match table.marks.get(&(*story, init)) {
                Some(Mark::Passed) => "yes",
                Some(Mark::Failed) => "**no**",
                None => "–",
            };
            let _ = write!(text, " {word} |");
        }
        text.push('\n');
    }
    println!("\n{text}");
    let place = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("peers-table.md")));
    if let Some(place) = place {
        match std::fs::write(&place, &text) {
            Ok(()) => println!("(also in {})", place.display()),
            Err(why) => println!("cannot write {}: {why}", place.display()),
        }
    }
}
