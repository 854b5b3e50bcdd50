//! Command line and environment to an [`Invocation`]: which of four grammars is meant, and what was asked for in it.
//!
//! Pure: everything that it knows comes in through [`Surroundings`], and everything that it finds goes out in the
//! return value. It never prints, never leaves and never looks at the system; the files it reads (`--env-file`,
//! `-f`) it reads through a function that it was given.
//!
//! The grammars are strict in different ways on purpose. The own form collects every fault of the command line before
//! it speaks. The drop-in names stop at the first fault, as their originals do, because `tini -h -z` is a help text
//! and `tini -z -h` is an error, and scripts have come to rely on stranger things.
//!
//! What surprised us: the originals parse with glibc's getopt, which looks for options behind the first word that is
//! none (`tini sh -c true` fails), and takes a later `--` away from the program. A musl build of the same source does
//! neither. Here options end at the first word that is none.

mod again;
mod catatonit;
mod check;
mod control;
mod drop_in;
mod dumb_init;
mod env_file;
pub mod flags;
mod gather;
mod misspelt;
mod native;
mod outputs;
mod pod_form;
mod probe;
mod probe_flag;
mod tini;
mod values;

use crate::plan::{ControlRequest, ExitCode, HealthAddress, Plan};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// What was asked for.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it is taken apart at once"
)]
pub enum Invocation {
    /// Run this plan.
    Run {
        /// What to run and how.
        plan: Plan,
        /// How to speak meanwhile.
        log: LogSettings,
        /// To be said at level warn before anything starts.
        warnings: Vec<String>,
        /// To be said at level info before anything starts.
        notes: Vec<String>,
        /// To be said if it ends because there is no such command.
        hint: Option<String>,
    },
    /// Print this and leave.
    Print {
        /// Whole lines, prefixes included: the logger is not up yet.
        text: String,
        /// Standard output if true, standard error if not.
        to_stdout: bool,
        /// What to leave with.
        code: ExitCode,
    },
    /// `monopod probe`: ask a running monopod.
    Probe(ProbeRequest),
    /// `monopod status` and its like: ask a running monopod by its control socket.
    Control(ControlRequest),
}

/// How to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// In whose manner.
    pub voice: Voice,
    /// Nothing below this level.
    pub level: log::LevelFilter,
}

/// The manner of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// `monopod: warn: words`
    Text,
    /// One JSON object a line.
    Json,
    /// `[WARN  tini (PID)] words`
    Tini,
    /// `[dumb-init] words`
    DumbInit,
    /// `WARN (catatonit:PID): words`
    Catatonit,
}

/// One question to a running monopod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The path to ask for: `/livez`, `/readyz` or `/startupz`.
    pub path: String,
    /// Where that monopod listens. [`HealthAddress::Any`] is asked on the loopback address.
    pub at: HealthAddress,
    /// No answer after this long is a failure. Never zero.
    pub timeout: Duration,
}

/// All that `main` knows and this room does not.
pub struct Surroundings<'a> {
    /// The words of the command line, our own name first; may be empty.
    pub argv: Vec<OsString>,
    /// A variable of our environment.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// All variables of our environment, as `NAME=value`.
    pub all_env: &'a dyn Fn() -> Vec<CString>,
    /// The contents of a file; `-` is standard input.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Whether we are PID 1 of our namespace.
    pub is_pid_1: bool,
    /// Our effective uid, which decides whether a container would run as root.
    pub uid: u32,
    /// Our pid, which the messages of tini and catatonit carry.
    pub pid: i32,
}

/// Our own version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A drop-in's command line, without its name, to an invocation. The first argument is that name, for messages.
type Grammar = fn(&str, &[OsString], &Surroundings) -> Invocation;

/// A name to go by, its grammar, and the words that are left for it.
type Role<'w> = (&'static str, Grammar, &'w [OsString]);

/// The names that make monopod behave as somebody else.
const DROP_INS: [(&str, Grammar); 6] = [
    ("tini", tini::parse),
    ("tini-static", tini::parse),
    ("docker-init", tini::parse),
    ("podman-init", catatonit::parse),
    ("catatonit", catatonit::parse),
    ("dumb-init", dumb_init::parse),
];

/// Finds out what was asked for. Total: every command line has an answer.
///
/// Who we are is said by the name we were called by; under our own name by `--as NAME` as the first words, or else by
/// `MONOPOD_AS`. Once we are somebody else, no `MONOPOD_*` variable is read.
pub fn parse(surroundings: &Surroundings) -> Invocation {
    let words = surroundings.argv.get(1..).unwrap_or_default();
    if let Some(called) = surroundings.argv.first()
        && let Some((name, grammar)) = drop_in_named(base_name(called))
    {
        return grammar(name, words, surroundings);
    }
    match asked_to_be(words, surroundings) {
        Ok(Some((name, grammar, rest))) => grammar(name, rest, surroundings),
        Ok(None) => native::parse(words, surroundings),
        Err(fault) => native::usage_error(&[fault]),
    }
}

fn drop_in_named(name: &OsStr) -> Option<(&'static str, Grammar)> {
    DROP_INS.into_iter().find(|(known, _)| name == *known)
}

/// Reads `--as` and `MONOPOD_AS`.
fn asked_to_be<'w>(
    words: &'w [OsString],
    surroundings: &Surroundings,
) -> Result<Option<Role<'w>>, String> {
    let (from, name, rest) = match words {
        [first, rest @ ..] if first == "--as" => match rest {
            [name, rest @ ..] => ("--as", name.clone(), rest),
            [] => return Err(format!("--as needs a value: {}", drop_in_names())),
        },
        [first, rest @ ..] if first.as_bytes().starts_with(b"--as=") => {
            let name = OsStr::from_bytes(&first.as_bytes()[b"--as=".len()..]);
            ("--as", name.to_owned(), rest)
        }
        _ => match gather::variable(&flags::AS, surroundings.env) {
            Some((from, name)) => (from, name, words),
            None => return Ok(None),
        },
    };
    match drop_in_named(&name) {
        Some((name, grammar)) => Ok(Some((name, grammar, rest))),
        None => Err(format!(
            "{from}: {} is not a name monopod can go by; it knows {}",
            values::quoted(&name),
            drop_in_names()
        )),
    }
}

fn drop_in_names() -> String {
    DROP_INS.map(|(name, _)| name).join(", ")
}

/// What comes after the last slash, as an init is looked at by its link's name wherever the link lies.
fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(values::base_name(path.as_bytes()))
}

#[cfg(test)]
mod tests;
