//! A value with the way to it: what the decoding of every field is made of. It says what was found and what belongs
//! there, and goes on.
//!
//! A field that is `null` counts as not there, as in the API.

use super::budget::MOST_BYTES;
use super::fates::{Fate, Field, Kind, Shape};
use super::fault::{Findings, quoted};
use super::scalar::Reading;
use super::tree::{Node, Value};
use crate::spelling;
use std::ops::RangeInclusive;

/// A value and the way to it.
#[derive(Clone)]
pub(super) struct Spot<'t> {
    node: &'t Node,
    path: String,
    pub findings: &'t Findings,
}

impl<'t> Spot<'t> {
    pub fn root(node: &'t Node, findings: &'t Findings) -> Spot<'t> {
        Spot {
            node,
            path: String::new(),
            findings,
        }
    }

    /// The value of a field of which only this is wanted, whatever stands beside it.
    pub fn inside(&self, field: &str) -> Option<Spot<'t>> {
        let node = self.node.get(field)?;
        Some(self.step(node, field))
    }

    fn step(&self, node: &'t Node, field: &str) -> Spot<'t> {
        // A key that no field of ours has may be anything: `metadata.labels["a b"]`.
        let is_plain = field.bytes().all(|b| b.is_ascii_alphanumeric());
        let path = match (is_plain, self.path.is_empty()) {
            (true, true) => field.to_owned(),
            (true, false) => format!("{}.{field}", self.path),
            (false, _) => format!("{}[{}]", self.path, quoted(field)),
        };
        Spot {
            node,
            path,
            findings: self.findings,
        }
    }

    pub fn fault(&self, what: impl Into<String>) {
        self.findings.fault(Some(self.node.at), &self.path, what);
    }

    /// Pays for bytes that this adds to a program; whether they may be made. That it is too much is one fault.
    pub fn affords(&self, bytes: usize) -> bool {
        let budget = &self.findings.budget;
        if budget.is_spent() {
            return false;
        }
        let is_paid = budget.pays(bytes);
        if !is_paid {
            self.fault(format!(
                "with this it is more than {MOST_BYTES} bytes of arguments and variables in all"
            ));
        }
        is_paid
    }

    fn wanted(&self, what: &str) {
        let found = match &self.node.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Scalar { text, reading } => match reading {
                Reading::Null => "nothing".to_owned(),
                Reading::Flag(_) => format!("the boolean {}", quoted(text)),
                Reading::Whole(_) | Reading::Fraction => format!("the number {text}"),
                Reading::Text => format!("the text {}", quoted(text)),
            },
        };
        let is_word =
            matches!(&self.node.value, Value::Scalar { reading, .. } if *reading != Reading::Null);
        let advice = if what == "a text" && is_word {
            "; put it in quotes"
        } else {
            ""
        };
        self.fault(format!("found {found} where {what} belongs{advice}"));
    }

    pub fn text(&self) -> Option<&'t str> {
        match &self.node.value {
            Value::Scalar {
                text,
                reading: Reading::Text,
            } => Some(text),
            _ => {
                self.wanted("a text");
                None
            }
        }
    }

    /// A text that goes to the kernel, which knows no NUL.
    pub fn word(&self) -> Option<&'t str> {
        let text = self.text()?;
        if text.contains('\0') {
            self.fault("has a NUL in it, which no program can be given");
            return None;
        }
        Some(text)
    }

    pub fn flag(&self) -> Option<bool> {
        match self.node.value {
            Value::Scalar {
                reading: Reading::Flag(flag),
                ..
            } => Some(flag),
            _ => {
                self.wanted("true or false");
                None
            }
        }
    }

    pub fn number(&self, allowed: RangeInclusive<i64>) -> Option<i64> {
        let Value::Scalar {
            reading: Reading::Whole(number),
            ..
        } = self.node.value
        else {
            self.wanted("a whole number");
            return None;
        };
        if !allowed.contains(&number) {
            let (least, most) = (allowed.start(), allowed.end());
            let says = match *most {
                i64::MAX => format!("{least} or more"),
                _ => format!("{least} to {most}"),
            };
            self.fault(format!("found {number}; allowed is {says}"));
            return None;
        }
        Some(number)
    }

    /// Whether it is a number, where the API takes numbers and names.
    pub fn is_number(&self) -> bool {
        matches!(
            self.node.value,
            Value::Scalar {
                reading: Reading::Whole(_) | Reading::Fraction,
                ..
            }
        )
    }

    /// One of some words, with what each stands for.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(format!(
                "found {}; allowed is {}",
                quoted(text),
                known.join(", ")
            ));
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    pub fn list(&self) -> Vec<Spot<'t>> {
        let Value::List(items) = &self.node.value else {
            self.wanted("a list");
            return Vec::new();
        };
        let spot = |(place, node)| Spot {
            node,
            path: format!("{}[{place}]", self.path),
            findings: self.findings,
        };
        items
            .iter()
            .map(|item| &**item)
            .enumerate()
            .map(spot)
            .collect()
    }

    /// Every field of a map whose keys are anybody's.
    pub fn entries(&self) -> Vec<(&'t str, Spot<'t>)> {
        let Value::Map(entries) = &self.node.value else {
            self.wanted("a map");
            return Vec::new();
        };
        let entries = entries.iter();
        entries
            .map(|(key, node)| (key.name.as_str(), self.step(node, &key.name)))
            .collect()
    }

    /// Every field of a map that has texts for values.
    pub fn texts(&self) -> Vec<(&'t str, &'t str)> {
        let text = |(key, spot): (&'t str, Spot<'t>)| Some((key, spot.text()?));
        self.entries().into_iter().filter_map(text).collect()
    }

    pub fn is_text(&self) -> bool {
        matches!(
            self.node.value,
            Value::Scalar {
                reading: Reading::Text,
                ..
            }
        )
    }

    /// Whether a field of it is a list with something in it.
    pub fn has_items(&self, field: &str) -> bool {
        let node = self.node.get(field);
        node.is_some_and(|node| match &node.value {
            Value::List(items) => !items.is_empty(),
            // What is no list is a fault of its own.
            _ => true,
        })
    }

    fn is_empty(&self) -> bool {
        match &self.node.value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            Value::Scalar { text, .. } => text.is_empty(),
        }
    }

    /// Whether it has a key that was probably meant to be this field: then that the field is missing is no news.
    pub fn misspells(&self, field: &str, kind: &'static Kind) -> bool {
        let Value::Map(entries) = &self.node.value else {
            return false;
        };
        entries.iter().any(|(key, _)| {
            let names = kind.fields.iter().map(|field| field.name);
            let is_known = names.clone().any(|name| name == key.name);
            // The first look is cheap: there may be very many keys.
            !is_known
                && spelling::nearest(&key.name, std::iter::once(field)).is_some()
                && spelling::nearest(&key.name, names) == Some(field)
        })
    }

    pub fn value(&self) -> &'t Value {
        &self.node.value
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn line(&self) -> usize {
        self.node.at.line
    }

    /// The fields of an object. Those that are unknown or refused are faults, those that are left to the outer
    /// container are noted, the others can be asked for.
    pub fn object(&self, kind: &'static Kind) -> Object<'t> {
        let mut object = Object {
            spot: self.clone(),
            fields: Vec::new(),
            misspelt: Vec::new(),
        };
        let Value::Map(entries) = &self.node.value else {
            self.wanted("a map");
            return object;
        };
        for (key, node) in entries {
            let spot = self.step(node, &key.name);
            let Some(field) = kind.fields.iter().find(|field| field.name == key.name) else {
                let names = kind.fields.iter().map(|field| field.name);
                let meant = match self.findings.is_full() {
                    true => None,
                    false => spelling::nearest(&key.name, names),
                };
                self.findings
                    .fault(Some(key.at), &self.path, unknown(&key.name, kind, meant));
                object.misspelt.push(meant);
                continue;
            };
            if node.is_null() {
                continue;
            }
            match field.fate {
                Fate::Honoured => object.fields.push((field, spot)),
                Fate::Met(shape) => {
                    spot.must_have(shape);
                    self.findings
                        .passed_over(kind.place(field), field.is_usual() || spot.is_empty());
                }
                Fate::Ignored(shape) => spot.must_have(shape),
                Fate::Refused(why) => spot.fault(why),
            }
        }
        object
    }

    fn must_have(&self, shape: Shape) {
        match (shape, &self.node.value) {
            (Shape::Flag, _) => drop(self.flag()),
            (Shape::Number, _) => drop(self.number(i64::MIN..=i64::MAX)),
            (Shape::Text, _) => drop(self.text()),
            (Shape::List, _) => drop(self.list()),
            (Shape::Map, Value::Map(_)) => {}
            (Shape::Map, _) => self.wanted("a map"),
        }
    }
}

fn unknown(name: &str, kind: &'static Kind, meant: Option<&str>) -> String {
    let guess = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None if kind.fields.len() <= 12 => {
            let names: Vec<&str> = kind.fields.iter().map(|field| field.name).collect();
            format!("it knows {}", names.join(", "))
        }
        None => "nor is there one of a like name".to_owned(),
    };
    format!("{} is no field of a {}; {guess}", quoted(name), kind.name)
}

/// The fields of an object that were given.
pub(super) struct Object<'t> {
    pub spot: Spot<'t>,
    fields: Vec<(&'static Field, Spot<'t>)>,
    /// Those that it does not know, by what was probably meant: one slip is one fault.
    misspelt: Vec<Option<&'static str>>,
}

impl<'t> Object<'t> {
    pub fn get(&self, name: &str) -> Option<&Spot<'t>> {
        let found = self.fields.iter().find(|(field, _)| field.name == name);
        found.map(|(_, spot)| spot)
    }

    /// A field without which the object means nothing.
    pub fn required(&self, name: &'static str) -> Option<&Spot<'t>> {
        let found = self.get(name);
        if found.is_none() && !self.misspelt.contains(&Some(name)) {
            self.spot.fault(format!("{name} is missing"));
        }
        found
    }

    pub fn text(&self, name: &str) -> Option<&'t str> {
        self.get(name)?.text()
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.flag()
    }

    pub fn number(&self, name: &str, allowed: RangeInclusive<i64>) -> Option<i64> {
        self.get(name)?.number(allowed)
    }

    /// The items of a list; none if there is no list.
    pub fn list(&self, name: &str) -> Vec<Spot<'t>> {
        self.get(name).map(Spot::list).unwrap_or_default()
    }

    /// Which of some fields are given. Exactly one is to be, else it is a fault; all are told, for each may have faults of
    /// its own.
    pub fn one_field_of(&self, names: &[&'static str]) -> Vec<(&'static str, &Spot<'t>)> {
        let given: Vec<_> = names
            .iter()
            .filter_map(|name| Some((*name, self.get(name)?)))
            .collect();
        match given[..] {
            [_] => {}
            [] if !self.misspelt.is_empty() => {}
            [] => self
                .spot
                .fault(format!("has none of {}; one is needed", names.join(", "))),
            _ => {
                let given: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
                self.spot
                    .fault(format!("has {}; only one is allowed", given.join(" and ")));
            }
        }
        given
    }
}
