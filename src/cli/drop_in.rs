//! What the grammars of the drop-in names share: options as getopt has them, and plans that only pass signals through.
//!
//! They stop at the first fault, as their originals do. lexopt's convenience of `-e=3` is switched off: to getopt that
//! is the value `=3`.

use super::{Invocation, LogSettings, VERSION, values};
use crate::plan::{Conduct, ExitCode, Mask, Passthrough, Placement, Plan, Program, Signal, Stdin};
use lexopt::{Arg, Error, Parser};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

/// The options of a drop-in's command line, one after the other.
pub(super) struct Options {
    parser: Parser,
    /// Whether a `--` has ended the options.
    ended: bool,
}

/// One piece of a command line.
pub(super) enum Piece {
    /// `-x`
    Short(char),
    /// `--name`
    Long(String),
    /// The program and everything behind it, untouched. The last piece.
    Program(Vec<OsString>),
}

impl Options {
    pub fn new(words: &[OsString]) -> Options {
        let mut parser = Parser::from_args(words);
        parser.set_short_equals(false);
        Options {
            parser,
            ended: false,
        }
    }

    /// The next piece, or nothing at the end of a command line without a program.
    pub fn next(&mut self) -> Result<Option<Piece>, Error> {
        if let Some(ahead) = self.parser.try_raw_args() {
            self.ended |= ahead.peek().is_some_and(|word| word == "--");
        }
        Ok(match self.parser.next()? {
            None => None,
            Some(Arg::Short(letter)) => Some(Piece::Short(letter)),
            Some(Arg::Long(name)) => Some(Piece::Long(name.to_owned())),
            Some(Arg::Value(program)) => {
                let mut words = vec![program];
                words.extend(self.parser.raw_args()?);
                Some(Piece::Program(words))
            }
        })
    }

    /// The value of the option just read: attached to it, or else the next word, whatever it looks like.
    pub fn value(&mut self) -> Result<OsString, Error> {
        self.parser.value()
    }

    /// Refuses the `=value` of a long option that takes none.
    pub fn refuse_attached(&mut self, name: &str) -> Result<(), Error> {
        match self.parser.optional_value() {
            None => Ok(()),
            Some(_) => Err(Error::from(format!("option '--{name}' takes no value"))),
        }
    }

    /// Whether a `--` stood before the program.
    pub fn were_ended(&self) -> bool {
        self.ended
    }
}

/// The long option that is meant, and the letter that means the same. The name may be shortened as long as only one
/// begins so.
pub(super) fn long_option<'n>(
    given: &str,
    known: &[(&'n str, char)],
) -> Result<(&'n str, char), Error> {
    let fits: Vec<(&str, char)> = known
        .iter()
        .copied()
        .filter(|(name, _)| name.starts_with(given))
        .collect();
    match fits[..] {
        [only] => Ok(only),
        [] => Err(invalid(&format!("--{given}"))),
        _ => {
            let names: Vec<&str> = fits.iter().map(|(name, _)| *name).collect();
            Err(Error::from(format!(
                "option '--{given}' may be --{}",
                names.join(" or --")
            )))
        }
    }
}

/// An option that is not known.
pub(super) fn invalid(option: &str) -> Error {
    Error::UnexpectedOption(option.escape_debug().to_string())
}

/// What is particular in the plan of a drop-in.
pub(super) struct Particulars {
    pub placement: Placement,
    pub foreground: bool,
    pub mask: Mask,
    pub subreaper: bool,
    pub parent_death_signal: Option<Signal>,
}

/// The plan of a drop-in: at most one program, no endpoints, and an environment that nobody touched.
pub(super) fn run(
    command: Option<Vec<OsString>>,
    particulars: Particulars,
    conduct: Passthrough,
    log: LogSettings,
    warnings: Vec<String>,
) -> Invocation {
    let programs = command.into_iter().map(|words| {
        let argv: Vec<CString> = words
            .iter()
            .map(|word| values::c_string(word.as_bytes()))
            .collect();
        Program {
            placement: particulars.placement,
            foreground: particulars.foreground,
            mask: particulars.mask,
            stdin: Stdin::Inherited,
            ..Program::bare(values::program_name(&argv), argv)
        }
    });
    Invocation::Run {
        plan: Plan {
            subreaper: particulars.subreaper,
            parent_death_signal: particulars.parent_death_signal,
            let_go: true,
            ..Plan::bare(programs.collect(), Conduct::Passthrough(conduct))
        },
        log,
        warnings,
        notes: Vec::new(),
        hint: None,
    }
}

/// A text that was asked for.
pub(super) fn text(text: String, to_stdout: bool) -> Invocation {
    Invocation::Print {
        text,
        to_stdout,
        code: ExitCode::SUCCESS,
    }
}

/// A fault of the command line. All three originals leave with 1.
pub(super) fn misuse(text: String) -> Invocation {
    Invocation::Print {
        text,
        to_stdout: false,
        code: ExitCode::FAILURE,
    }
}

/// The line that tini and catatonit print for their version. `docker info` splits it at " - ", takes what follows
/// "tini version " for the version, and passes over a second half that does not begin with "git".
pub(super) fn version(theirs: &str) -> String {
    format!("tini version {theirs} - git.monopod\n")
}

/// Whose words and code these are.
pub(super) fn licence(name: &str) -> String {
    format!(
        "This is monopod {VERSION} in place of {name}. It is licensed under Apache-2.0 OR MIT, at your choice.\n"
    )
}
