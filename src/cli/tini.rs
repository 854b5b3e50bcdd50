//! The command line and variables of tini 0.19, also as `tini-static` and `docker-init`.
//!
//! Kept because somebody may rely on it: the order of reading (`TINI_VERBOSITY` is read last and beats `-v`), and
//! `--version` only when it is the sole argument. Not kept: glibc's search for options behind the program.
//!
//! The documented usage is `tini [OPTIONS] PROGRAM -- [ARGS]`, so a `--` directly behind the program is dropped, unless
//! another one has ended the options before it.

use super::drop_in::{self, Options, Particulars, Piece};
use super::{Invocation, LogSettings, Surroundings, VERSION, Voice, values};
use crate::plan::{ExitCode, ExitMap, Mask, Passthrough, Placement, ProgramId, Signal, Target};
use log::LevelFilter;
use std::ffi::{OsStr, OsString};

/// The version whose behaviour this is.
const THEIRS: &str = "0.19.0";

/// What was asked for so far. `verbosity` as tini counts it: 1 is warnings.
struct Asked {
    verbosity: u32,
    subreaper: bool,
    group: bool,
    warn_on_reap: bool,
    parent_death_signal: Option<Signal>,
    remap_exit: ExitMap,
}

/// Two kinds of faults: tini follows those of its grammar by its usage, those of a value not.
enum Misuse {
    Grammar(lexopt::Error),
    Value(String),
}

impl From<lexopt::Error> for Misuse {
    fn from(error: lexopt::Error) -> Misuse {
        Misuse::Grammar(error)
    }
}

/// Reads tini's command line.
pub(super) fn parse(name: &str, words: &[OsString], surroundings: &Surroundings) -> Invocation {
    if let [only] = words
        && only == "--version"
    {
        return drop_in::text(drop_in::version(THEIRS), true);
    }
    read(name, words, surroundings).unwrap_or_else(|misuse| {
        let fatal = format!("[FATAL tini ({})]", surroundings.pid);
        drop_in::misuse(match misuse {
            Misuse::Grammar(error) => format!("{fatal} {error}\n{}", help(name)),
            Misuse::Value(fault) => format!("{fatal} {fault}\n"),
        })
    })
}

fn read(name: &str, words: &[OsString], surroundings: &Surroundings) -> Result<Invocation, Misuse> {
    let mut asked = Asked {
        verbosity: 1,
        subreaper: false,
        group: false,
        warn_on_reap: false,
        parent_death_signal: None,
        remap_exit: ExitMap::default(),
    };
    let mut options = Options::new(words);
    loop {
        match options.next()? {
            Some(Piece::Short('h')) => return Ok(drop_in::text(help(name), true)),
            Some(Piece::Short('l')) => return Ok(drop_in::text(drop_in::licence(name), true)),
            Some(Piece::Short('s')) => asked.subreaper = true,
            Some(Piece::Short('g')) => asked.group = true,
            Some(Piece::Short('w')) => asked.warn_on_reap = true,
            Some(Piece::Short('v')) => asked.verbosity += 1,
            Some(Piece::Short('p')) => {
                let value = options.value()?;
                let signal = values::signal(&value).map_err(|_| not_valid('p', &value))?;
                asked.parent_death_signal = Some(signal);
            }
            Some(Piece::Short('e')) => {
                let value = options.value()?;
                let code = exit_code(&value).ok_or_else(|| not_valid('e', &value))?;
                asked.remap_exit.insert(code, ExitCode::SUCCESS);
            }
            Some(Piece::Short(other)) => return Err(drop_in::invalid(&format!("-{other}")).into()),
            Some(Piece::Long(other)) => return Err(drop_in::invalid(&format!("--{other}")).into()),
            Some(Piece::Program(mut command)) => {
                if !options.were_ended() && command.get(1).is_some_and(|word| word == "--") {
                    command.remove(1);
                }
                return Ok(run(command, asked, surroundings));
            }
            None => return Err(lexopt::Error::from("no program to run").into()),
        }
    }
}

/// 0 to 255, in any spelling that C reads as a decimal number.
fn exit_code(text: &OsStr) -> Option<ExitCode> {
    text.to_str()?.trim_start().parse().ok().map(ExitCode)
}

fn not_valid(option: char, value: &OsStr) -> Misuse {
    let value = value.to_string_lossy();
    Misuse::Value(format!(
        "Not a valid option for -{option}: {}",
        value.escape_debug()
    ))
}

fn run(command: Vec<OsString>, asked: Asked, surroundings: &Surroundings) -> Invocation {
    let is_set = |name: &str| (surroundings.env)(name).is_some();
    let subreaper = asked.subreaper || is_set("TINI_SUBREAPER");
    let group = asked.group || is_set("TINI_KILL_PROCESS_GROUP");
    let verbosity =
        (surroundings.env)("TINI_VERBOSITY").map_or(asked.verbosity, |text| leading_number(&text));
    let mut warnings = Vec::new();
    if !surroundings.is_pid_1 && !subreaper {
        warnings.push(
            "neither PID 1 nor a child subreaper: orphans go to another process and are not reaped here; use -s, set \
             TINI_SUBREAPER, or run as PID 1"
                .to_owned(),
        );
    }
    drop_in::run(
        Some(command),
        Particulars {
            placement: Placement::Group,
            foreground: true,
            mask: Mask::Inherited,
            subreaper,
            parent_death_signal: asked.parent_death_signal,
        },
        Passthrough {
            target: if group {
                Target::Group
            } else {
                Target::Process
            },
            warn_on_reap: asked.warn_on_reap,
            remap_exit: asked.remap_exit,
            ..Passthrough::bare(Some(ProgramId(0)))
        },
        LogSettings {
            voice: Voice::Tini,
            level: match verbosity {
                0 => LevelFilter::Error,
                1 => LevelFilter::Warn,
                2 => LevelFilter::Info,
                3 => LevelFilter::Debug,
                _ => LevelFilter::Trace,
            },
        },
        warnings,
    )
}

/// C's atoi into tini's unsigned verbosity: the digits at the front, 0 without any, and a negative one is a lot.
fn leading_number(text: &OsStr) -> u32 {
    let text = text.to_string_lossy();
    let text = text.trim_start();
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    match (text[..end].parse().unwrap_or(u32::MAX), is_negative) {
        _ if end == 0 => 0,
        (0, _) => 0,
        (_, true) => u32::MAX,
        (number, false) => number,
    }
}

fn help(name: &str) -> String {
    format!(
        "{name} (tini version {THEIRS} - git.monopod, of monopod {VERSION})
Usage: {name} [OPTIONS] PROGRAM -- [ARGS] | --version

Runs PROGRAM, hands signals on to it, reaps orphans, and leaves with its exit code.

  --version     print the version; only as the sole argument
  -h            print this
  -l            print under which licence this is
  -s            adopt orphans as a child subreaper when not PID 1
  -p SIGNAL     get SIGNAL when the parent dies, for example -p SIGKILL
  -v            say more; up to three times
  -w            warn of every orphan that is reaped
  -g            send signals to the program's process group
  -e EXIT_CODE  leave with 0 where it would be EXIT_CODE (0 to 255); may be repeated

  TINI_SUBREAPER           set: as -s
  TINI_KILL_PROCESS_GROUP  set: as -g
  TINI_VERBOSITY           how much to say, 0 to 4 (1); beats -v
"
    )
}
