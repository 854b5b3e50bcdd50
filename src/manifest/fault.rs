//! What is wrong with a manifest, where it stands, and what would have been right; and what was passed over.
//!
//! Faults are collected, never thrown: a person hears of all of them at once, in the order of the text. A file of
//! nonsense has thousands; only so many are kept, the others are counted.

use super::budget::Budget;
use std::cell::RefCell;
use std::fmt;

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands, if it stands anywhere.
    pub at: Option<Position>,
    /// The way to it: `spec.containers[1].name`; empty for the whole text.
    pub path: String,
    /// What was found and what is allowed.
    pub what: String,
}

/// So many faults are told.
const TOLD: usize = 50;

/// The faults of a manifest, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// In the order of the text.
    pub told: Vec<Fault>,
    /// How many more there are.
    pub more: usize,
}

impl Faults {
    /// One line each, with the name of the manifest in front as compilers write it.
    pub fn lines(&self, source: &str) -> Vec<String> {
        let mut lines: Vec<String> = self.told.iter().map(|f| format!("{source}:{f}")).collect();
        if self.more > 0 {
            lines.push(format!("{source}: {} more such faults", self.more));
        }
        lines
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.at {
            write!(out, "{line}:{column}:")?;
        }
        if !self.path.is_empty() {
            write!(out, " {}:", self.path)?;
        }
        write!(out, " {}", self.what)
    }
}

/// Fields that were passed over, each with whether that is usual.
pub(super) type Passed = Vec<(String, bool)>;

/// What is said of a manifest without a fault.
pub(super) struct Told {
    pub passed: Passed,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
}

/// All that is found while reading.
#[derive(Default)]
pub(super) struct Findings {
    /// Each once, in the order of the text; with how many more there are.
    faults: RefCell<(Vec<Fault>, usize)>,
    /// With whether it says nothing that any other manifest would not.
    passed: RefCell<Passed>,
    warnings: RefCell<Vec<String>>,
    notes: RefCell<Vec<String>>,
    pub budget: Budget,
}

impl Findings {
    pub fn fault(&self, at: Option<Position>, path: &str, what: impl Into<String>) {
        let (told, more) = &mut *self.faults.borrow_mut();
        if told.len() == TOLD {
            *more += 1;
            return;
        }
        let fault = Fault {
            at,
            path: path.to_owned(),
            what: what.into(),
        };
        if let Err(place) = told.binary_search(&fault) {
            told.insert(place, fault);
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.faults.borrow().0.is_empty()
    }

    /// Whether no further fault will be told, so that its words need no care.
    pub fn is_full(&self) -> bool {
        self.faults.borrow().0.len() == TOLD
    }

    /// A field that is the outer container's business; each is named once. `is_usual`: it is empty, or of those that
    /// every manifest has.
    pub fn passed_over(&self, field: String, is_usual: bool) {
        let mut passed = self.passed.borrow_mut();
        match passed.iter_mut().find(|(known, _)| *known == field) {
            Some((_, all_usual)) => *all_usual &= is_usual,
            None => passed.push((field, is_usual)),
        }
    }

    /// Something that is allowed and probably not meant.
    pub fn warn(&self, what: String) {
        self.warnings.borrow_mut().push(what);
    }

    /// What can only be told when the manifest is run; each once.
    pub fn note(&self, what: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&what) {
            notes.push(what);
        }
    }

    /// What was made if nothing is wrong with it; with what is to be said about it.
    pub fn settle<T>(self, made: Option<T>) -> Result<(T, Told), Faults> {
        let (told, more) = self.faults.into_inner();
        match made {
            Some(made) if told.is_empty() => Ok((
                made,
                Told {
                    passed: self.passed.into_inner(),
                    notes: self.notes.into_inner(),
                    warnings: self.warnings.into_inner(),
                },
            )),
            _ => Err(Faults { told, more }),
        }
    }
}

/// A text of the manifest in a message: in quotes, short, and with nothing in it that a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}
