//! From words to flags with their values, and from there to what they mean: the half of the own form's parsing that
//! both of its grammars share. Everything that is wrong is written down and the reading goes on, so that a person
//! hears of all faults at once.
//!
//! It never guesses: a misspelt flag is a fault even if what was meant is plain. The guess is only used to pass over
//! the value that follows, so that one slip is one fault.

use super::flags::{self, Flag, Table};
use super::values;
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What stood on a command line.
pub(super) struct Gathered<'a> {
    /// The flags with a value, in the order given.
    given: Vec<(&'static Flag, OsString)>,
    /// The words that are no flags.
    pub words: Vec<OsString>,
    /// The first flag that asks for a text.
    pub asked: Option<&'static Flag>,
    /// All flags without a value.
    switched_on: Vec<&'static Flag>,
    /// All that is wrong so far, one line each.
    pub faults: Vec<String>,
    env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Where flags may stand.
#[derive(PartialEq, Eq)]
pub(super) enum Flags {
    /// Before the first word that is none; all behind it belongs to a program.
    First,
    /// Anywhere.
    Anywhere,
}

/// Reads the words by a table of flags. A variable is looked at only for a flag that was not given.
pub(super) fn gather<'a>(
    words: &[OsString],
    table: Table,
    flags: Flags,
    env: &'a dyn Fn(&str) -> Option<OsString>,
) -> Gathered<'a> {
    let mut gathered = Gathered {
        given: Vec::new(),
        words: Vec::new(),
        asked: None,
        switched_on: Vec::new(),
        faults: Vec::new(),
        env,
    };
    let mut parser = Parser::from_args(words);
    loop {
        let (shown, known) = match parser.next() {
            Ok(None) => return gathered,
            Ok(Some(Arg::Value(word))) => {
                gathered.words.push(word);
                if flags == Flags::First {
                    gathered
                        .words
                        .extend(parser.raw_args().into_iter().flatten());
                    return gathered;
                }
                continue;
            }
            Ok(Some(Arg::Long(name))) => (
                format!("--{name}"),
                table.iter().find(|flag| flag.name == name),
            ),
            Ok(Some(Arg::Short(letter))) => (
                format!("-{letter}"),
                table.iter().find(|flag| flag.short == Some(letter)),
            ),
            Err(error) => {
                gathered.faults.push(error.to_string());
                continue;
            }
        };
        match known {
            Some(flag) if flag.placeholder.is_some() => match value(&mut parser, table) {
                Some(value) => gathered.given.push((flag, value)),
                None => gathered
                    .faults
                    .push(format!("{shown} needs a value: {}", flag.usage())),
            },
            // What is attached to a letter are more letters, which are no value.
            Some(_) if shown.starts_with("--") && parser.optional_value().is_some() => {
                gathered.faults.push(format!("{shown} takes no value"));
            }
            Some(flag) => {
                gathered.switched_on.push(flag);
                if flag.name != flags::WATCH.name {
                    gathered.asked.get_or_insert(flag);
                }
            }
            None => gathered.unknown(&shown, table, &mut parser),
        }
    }
}

/// Whose flag this is, for people who come from there.
fn of_a_drop_in(flag: &str) -> Option<&'static str> {
    match flag {
        "-e" | "-g" | "-p" | "-s" | "-v" | "-vv" | "-vvv" | "-w" => Some("tini"),
        "-c" | "-r" | "--rewrite" | "--single-child" => Some("dumb-init"),
        "-P" => Some("catatonit"),
        _ => None,
    }
}

impl Gathered<'_> {
    fn unknown(&mut self, shown: &str, table: Table, parser: &mut Parser) {
        let meant = shown
            .strip_prefix("--")
            .and_then(|name| flags::nearest(name, table));
        let attached = parser.optional_value().is_some();
        if !attached && meant.is_some_and(|flag| flag.placeholder.is_some()) {
            value(parser, table);
        }
        let guess = match (meant, of_a_drop_in(shown)) {
            (Some(flag), _) => format!("; did you mean --{}?", flag.name),
            (None, Some(name)) => {
                format!("; it is one of {name}'s, for which say --as {name} first")
            }
            (None, None) => String::new(),
        };
        self.faults
            .push(format!("unknown flag {}{guess}", shown.escape_debug()));
    }

    /// Whether this flag stood on the command line.
    pub fn has(&self, flag: &'static Flag) -> bool {
        self.given.iter().any(|(given, _)| given.name == flag.name)
    }

    /// Whether this flag, which takes no value, stood on the command line.
    pub fn is_switched_on(&self, flag: &'static Flag) -> bool {
        self.switched_on.iter().any(|on| on.name == flag.name)
    }

    /// The values of a flag that adds up, read one by one; the variable's if the flag was not given. A refusal of
    /// several lines is as many faults.
    pub fn every<T>(
        &mut self,
        flag: &'static Flag,
        read: impl Fn(&OsStr) -> Result<T, String>,
    ) -> Vec<T> {
        let mut good = Vec::new();
        for (from, value) in self.said(flag) {
            match read(&value) {
                Ok(value) => good.push(value),
                Err(told) => self.refuse(&from, &told),
            }
        }
        good
    }

    #[inline(never)]
    fn refuse(&mut self, from: &str, told: &str) {
        let faults = told.lines().map(|fault| format!("{from}: {fault}"));
        self.faults.extend(faults);
    }

    /// The value of a flag of which the last one counts.
    pub fn last<T>(
        &mut self,
        flag: &'static Flag,
        read: impl Fn(&OsStr) -> Result<T, String>,
    ) -> Option<T> {
        self.every(flag, read).pop()
    }

    /// What is allowed in a command and hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for flag in flags::RUN.iter().copied() {
            let is_command = |value: &OsString| match flag.placeholder {
                Some("CMD") => true,
                Some("PROBE") => value.as_bytes().starts_with(b"exec:"),
                _ => false,
            };
            for (from, value) in self.said(flag) {
                let warning = values::unexpanded(&value).filter(|_| is_command(&value));
                warnings.extend(warning.map(|warning| format!("{from}: {warning}")));
            }
        }
        warnings
    }

    /// Every value of a flag with the name of where it was said.
    fn said(&self, flag: &'static Flag) -> Vec<(String, OsString)> {
        if self.has(flag) {
            return self
                .given
                .iter()
                .filter(|(given, _)| given.name == flag.name)
                .map(|(_, value)| (format!("--{}", flag.name), value.clone()))
                .collect();
        }
        let Some((from, value)) = variable(flag, self.env) else {
            return Vec::new();
        };
        if !flag.repeatable {
            return vec![(from.to_owned(), value)];
        }
        value
            .as_bytes()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .map(|line| (from.to_owned(), OsString::from_vec(line.to_vec())))
            .collect()
    }
}

/// A flag's variable and its value. An empty one counts as unset: images cannot take a variable away, only empty it.
pub(super) fn variable(
    flag: &Flag,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Option<(&'static str, OsString)> {
    let name = flag.variable?;
    Some((name, env(name).filter(|value| !value.is_empty())?))
}

/// The value of the flag just read. A word that is itself a flag is none: `--init --grace 5s` lacks a value.
fn value(parser: &mut Parser, table: Table) -> Option<OsString> {
    if let Some(attached) = parser.optional_value() {
        return Some(attached);
    }
    parser.try_raw_args()?.next_if(|word| {
        let Some(name) = word.as_bytes().strip_prefix(b"--") else {
            return true;
        };
        let name = name.split(|byte| *byte == b'=').next().unwrap_or(name);
        !name.is_empty() && !table.iter().any(|flag| flag.name.as_bytes() == name)
    })
}
