//! The command line and variables of catatonit 0.2.1, also as `podman-init`.
//!
//! `-P` is what podman's infra containers run: no program, wait until told to stop.
//!
//! Kept: `CATATONIT_LOG` is refused before anything else is looked at, and the help goes to standard error. Not kept:
//! glibc's search for options behind the program.

use super::drop_in::{self, Options, Particulars, Piece};
use super::{Invocation, LogSettings, Surroundings, VERSION, Voice};
use crate::plan::{Mask, Passthrough, Placement, ProgramId, Target};
use log::LevelFilter;
use std::ffi::OsString;

const USAGE: &str = "usage: catatonit [-ghLPV] [--] PROGRAM [ARGUMENT...]\n";

/// Reads catatonit's command line.
pub(super) fn parse(_name: &str, words: &[OsString], surroundings: &Surroundings) -> Invocation {
    let error = format!("ERROR (catatonit:{}):", surroundings.pid);
    if (surroundings.env)("CATATONIT_LOG").is_some() {
        return drop_in::misuse(format!(
            "{error} CATATONIT_LOG must not be set: it has no meaning yet\n"
        ));
    }
    read(words, surroundings)
        .unwrap_or_else(|fault| drop_in::misuse(format!("{error} {fault}\n{USAGE}")))
}

fn read(words: &[OsString], surroundings: &Surroundings) -> Result<Invocation, lexopt::Error> {
    let mut group = false;
    let mut pause = false;
    let mut options = Options::new(words);
    let command = loop {
        let letter = match options.next()? {
            Some(Piece::Short(letter)) => letter,
            Some(Piece::Long(given)) => {
                let (name, letter) = drop_in::long_option(&given, &[("version", 'V')])?;
                options.refuse_attached(name)?;
                letter
            }
            Some(Piece::Program(command)) => break Some(command),
            None => break None,
        };
        match letter {
            'g' => group = true,
            'P' => pause = true,
            'h' => return Ok(drop_in::text(help(), false)),
            'L' => return Ok(drop_in::text(drop_in::licence("catatonit"), true)),
            'V' => {
                return Ok(drop_in::text(drop_in::version("0.2.1_catatonit"), true));
            }
            other => return Err(drop_in::invalid(&format!("-{other}"))),
        }
    };
    let command = match (command, pause) {
        (None, false) => return Err("no program to run".into()),
        (command, false) => command,
        // Words behind -P are passed over, as in the original.
        (_, true) => None,
    };
    Ok(run(command, group, surroundings))
}

fn run(command: Option<Vec<OsString>>, group: bool, surroundings: &Surroundings) -> Invocation {
    let main = command.as_ref().map(|_| ProgramId(0));
    drop_in::run(
        command,
        Particulars {
            placement: Placement::Group,
            foreground: true,
            mask: Mask::Inherited,
            subreaper: true,
            parent_death_signal: None,
        },
        Passthrough {
            target: if group {
                Target::Group
            } else {
                Target::Process
            },
            ..Passthrough::bare(main)
        },
        LogSettings {
            voice: Voice::Catatonit,
            level: match (surroundings.env)("CATATONIT_DEBUG") {
                Some(_) => LevelFilter::Debug,
                None => LevelFilter::Error,
            },
        },
        Vec::new(),
    )
}

fn help() -> String {
    format!(
        "{USAGE}
This is monopod {VERSION} in place of catatonit. It runs PROGRAM, hands signals on to it, and reaps orphans.

  -g             send signals to the program's process group
  -h             print this
  -L             print under which licence this is
  -P             run no program; wait until told to stop
  -V, --version  print the version

  CATATONIT_DEBUG  set: say what happens, on standard error
"
    )
}
