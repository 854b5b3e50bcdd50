//! The command line and variables of dumb-init 1.2.5.
//!
//! In its own mode the child leads a session of its own and its whole group gets the signals. Nobody in that session
//! could continue a stopped group, so the kernel lets TSTP, TTIN and TTOU stop nothing there; they become STOP, unless
//! a rule of the user says otherwise.
//!
//! What surprised us: the original prints its help and its version on standard error, and leaves with 0.

use super::drop_in::{self, Options, Particulars, Piece};
use super::{Invocation, LogSettings, Surroundings, VERSION, Voice};
use crate::plan::{Mask, Passthrough, Placement, ProgramId, Signal, Target};
use log::LevelFilter;
use std::ffi::{OsStr, OsString};

/// A signal and what takes its place.
type Rule = (Signal, Option<Signal>);

const LONG: [(&str, char); 5] = [
    ("single-child", 'c'),
    ("rewrite", 'r'),
    ("verbose", 'v'),
    ("help", 'h'),
    ("version", 'V'),
];

/// Reads dumb-init's command line.
pub(super) fn parse(name: &str, words: &[OsString], surroundings: &Surroundings) -> Invocation {
    read(name, words, surroundings).unwrap_or_else(|error| {
        drop_in::misuse(format!(
            "[dumb-init] {error}\n{}Try {name} --help for all of it.\n",
            usage(name)
        ))
    })
}

fn read(
    name: &str,
    words: &[OsString],
    surroundings: &Surroundings,
) -> Result<Invocation, lexopt::Error> {
    let is = |name: &str, value: &str| (surroundings.env)(name).is_some_and(|v| v == value);
    let mut single_child = is("DUMB_INIT_SETSID", "0");
    let mut verbose = is("DUMB_INIT_DEBUG", "1");
    let mut rules: Vec<Rule> = Vec::new();
    let mut options = Options::new(words);
    loop {
        let letter = match options.next()? {
            Some(Piece::Short(letter)) => letter,
            Some(Piece::Long(given)) => {
                let (name, letter) = drop_in::long_option(&given, &LONG)?;
                if letter != 'r' {
                    options.refuse_attached(name)?;
                }
                letter
            }
            Some(Piece::Program(command)) => {
                return Ok(run(command, single_child, verbose, rules));
            }
            None => return Err("no command to run".into()),
        };
        match letter {
            'h' => return Ok(drop_in::text(help(name), false)),
            'V' => {
                let text = format!("dumb-init v1.2.5 (monopod {VERSION})\n");
                return Ok(drop_in::text(text, false));
            }
            'c' => single_child = true,
            'v' => verbose = true,
            'r' => {
                let new = rule(&options.value()?)?;
                // The last rule for a signal holds, but in a plan the first one does.
                rules.retain(|(known, _)| *known != new.0);
                rules.push(new);
            }
            other => return Err(drop_in::invalid(&format!("-{other}"))),
        }
    }
}

/// `15:3`, or `15:0` to drop the signal. The original ends at 31; real-time signals are taken as well.
fn rule(value: &OsStr) -> Result<Rule, lexopt::Error> {
    let number = |text: &str| text.trim_start().parse::<i32>().ok();
    let parts = value.to_str().and_then(|text| text.split_once(':'));
    let rule = parts.and_then(|(from, to)| {
        let to = match number(to)? {
            0 => None,
            to => Some(Signal::new(to)?),
        };
        Some((Signal::new(number(from)?)?, to))
    });
    rule.ok_or_else(|| {
        lexopt::Error::from(format!(
            "-r takes SIGNAL:REPLACEMENT, two numbers from 1 to 64, or 0 as the replacement to drop the signal; {} is \
             not that",
            super::values::quoted(value)
        ))
    })
}

fn run(
    command: Vec<OsString>,
    single_child: bool,
    verbose: bool,
    mut rules: Vec<Rule>,
) -> Invocation {
    if !single_child {
        for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
            // Behind the user's own rules, of which the first for a signal holds.
            rules.push((signal, Some(Signal::STOP)));
        }
    }
    let (placement, target) = if single_child {
        (Placement::Shared, Target::Process)
    } else {
        (Placement::Session, Target::Group)
    };
    drop_in::run(
        Some(command),
        Particulars {
            placement,
            // A session of its own takes the terminal, foreground included; without one nothing is to change.
            foreground: false,
            mask: Mask::Empty,
            subreaper: false,
            parent_death_signal: None,
        },
        Passthrough {
            target,
            rewrites: rules,
            suspend_self: true,
            farewell: !single_child,
            ..Passthrough::bare(Some(ProgramId(0)))
        },
        LogSettings {
            voice: Voice::DumbInit,
            level: if verbose {
                LevelFilter::Debug
            } else {
                LevelFilter::Warn
            },
        },
        Vec::new(),
    )
}

fn usage(name: &str) -> String {
    format!("Usage: {name} [option] command [[arg] ...]\n")
}

fn help(name: &str) -> String {
    format!(
        "dumb-init v1.2.5 (monopod {VERSION})
{}
Runs a command in a session of its own, hands signals on to it and its descendants there, and reaps orphans.

  -c, --single-child  hand signals on to the command alone, and leave it in this session
  -r, --rewrite s:r   hand signal s on as signal r, both numbers; r = 0 drops it; may be repeated
  -v, --verbose       say what happens, on standard error
  -h, --help          print this
  -V, --version       print the version

  DUMB_INIT_SETSID=0  as --single-child
  DUMB_INIT_DEBUG=1   as --verbose
",
        usage(name)
    )
}
