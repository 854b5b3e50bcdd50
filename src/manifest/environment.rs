//! A container's variables, and `$(NAME)` in them and in its command.
//!
//! What the kubelet would have fetched from elsewhere (`valueFrom`, `envFrom`, services) it has put into monopod's own
//! environment, and there it is looked up: by the variable's own name, for that is the name it has there. What comes
//! of `envFrom` is there under its prefix already, and every container inherits it.
//!
//! Values may be any bytes but NUL; only what stands in the manifest is UTF-8.

use super::Around;
use super::budget::PER_WORD;
use super::fates;
use super::fault::quoted;
use super::names;
use super::spot::{Object, Spot};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::CString;

/// The variables of one container.
#[derive(Default)]
pub(super) struct Variables {
    /// In the order of their first mention, each name once.
    set: Vec<(String, Vec<u8>)>,
    /// Where a name is among them.
    places: HashMap<Vec<u8>, usize>,
    /// The values that stand in the manifest, as they stand there: an exec probe's command knows no others (S44).
    literal: HashMap<Vec<u8>, String>,
}

impl Variables {
    /// Reads `env` and `envFrom`.
    pub fn read(container: &Object, around: &Around) -> Variables {
        let mut variables = Variables::default();
        for source in container.list("envFrom") {
            check_source(&source);
        }
        for entry in container.list("env") {
            variables.add(&entry.object(&fates::ENV_VAR), around);
        }
        variables
    }

    fn add(&mut self, entry: &Object, around: &Around) {
        let Some(name_spot) = entry.required("name") else {
            return;
        };
        let Some(name) = name_spot.text() else { return };
        if let Err(rule) = names::variable(name) {
            return name_spot.fault(format!("found {}; {rule}", quoted(name)));
        }
        // Its name; its value pays when it is made.
        if !name_spot.affords(name.len()) {
            return;
        }
        let value = entry.get("value").and_then(Spot::word);
        let value = match entry.get("valueFrom") {
            None => {
                let value = value.unwrap_or_default();
                self.literal.insert(name.into(), value.to_owned());
                self.expand(value, &entry.spot, around)
            }
            Some(from) if value.is_some_and(|value| !value.is_empty()) => {
                return from.fault("a variable has a value or a valueFrom, not both");
            }
            Some(from) => {
                let (what, is_optional) = described(from);
                let value = (around.variable)(name.as_bytes());
                if !around.is_run && !is_optional {
                    from.findings.note(format!(
                        "taken from the environment at run time: {name} ({what})"
                    ));
                } else if value.is_none() && !is_optional {
                    from.fault(format!(
                        "monopod's own environment has no {name}, where the kubelet would have put {what}; give the \
                         outer container a variable {name}, or say optional: true"
                    ));
                }
                value.filter(|value| from.affords(PER_WORD + value.len()))
            }
        };
        let Some(value) = value else { return };
        match self.places.get(name.as_bytes()) {
            Some(place) => self.set[*place].1 = value,
            None => {
                self.places.insert(name.into(), self.set.len());
                self.set.push((name.to_owned(), value));
            }
        }
    }

    /// A word of the container's command, with every reference to a variable that there is replaced.
    /// Nothing if that is more than there may be; the fault is then among the findings.
    pub fn expand(&self, word: &str, spot: &Spot, around: &Around) -> Option<Vec<u8>> {
        let value = |name: &[u8]| match self.places.get(name) {
            Some(place) => Some(Cow::Borrowed(&self.set[*place].1[..])),
            None => (around.variable)(name).map(Cow::Owned),
        };
        expand(word.as_bytes(), value, |bytes| spot.affords(bytes))
    }

    /// A word of an exec probe's command (S44). Nothing if it is too long, as above.
    pub fn expand_literal(&self, word: &str, spot: &Spot) -> Option<Vec<u8>> {
        let value = |name: &[u8]| Some(Cow::Borrowed(self.literal.get(name)?.as_bytes()));
        expand(word.as_bytes(), value, |bytes| spot.affords(bytes))
    }

    /// As `NAME=value`.
    pub fn entries(&self) -> Vec<CString> {
        let entry = |(name, value): &(String, Vec<u8>)| {
            CString::new([name.as_bytes(), b"=", value].concat()).ok()
        };
        self.set.iter().filter_map(entry).collect()
    }
}

/// `$(NAME)` becomes the variable's value, if there is one, and stays as it is if not; `$$` becomes `$`, so that
/// `$$(NAME)` is `$(NAME)`. A `$` before anything else is itself. Nothing comes of what cannot be afforded.
fn expand<'v>(
    word: &[u8],
    value: impl Fn(&[u8]) -> Option<Cow<'v, [u8]>>,
    affords: impl Fn(usize) -> bool,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, piece: &[u8]| {
        let is_paid = affords(piece.len());
        is_paid.then(|| out.extend_from_slice(piece))
    };
    if !affords(PER_WORD) {
        return None;
    }
    let mut rest = word;
    // Behind the last `)` nobody looks for one again: a word of `$($($(` would take the square of its length.
    let last = word.iter().rposition(|b| *b == b')');
    while let Some(place) = rest.iter().position(|b| *b == b'$') {
        put(&mut out, &rest[..place])?;
        rest = &rest[place..];
        let end = match rest {
            [_, b'$', ..] => {
                put(&mut out, b"$")?;
                2
            }
            [_, b'(', ..] if last.is_none_or(|last| word.len() - rest.len() > last) => {
                put(&mut out, b"$(")?;
                2
            }
            [_, b'(', inner @ ..] => {
                let length = inner.iter().take_while(|b| **b != b')').count();
                let whole = length + 3;
                match value(&inner[..length]) {
                    Some(value) => put(&mut out, &value)?,
                    None => put(&mut out, &rest[..whole])?,
                }
                whole
            }
            _ => {
                put(&mut out, b"$")?;
                1
            }
        };
        rest = &rest[end..];
    }
    put(&mut out, rest)?;
    out.shrink_to_fit();
    Some(out)
}

/// What a `valueFrom` asks for, in words, and whether it may be missing.
fn described(from: &Spot) -> (&'static str, bool) {
    let sources = from.object(&fates::ENV_VAR_SOURCE);
    let names = [
        "configMapKeyRef",
        "fieldRef",
        "fileKeyRef",
        "resourceFieldRef",
        "secretKeyRef",
    ];
    let [(name, spot)] = sources.one_field_of(&names)[..] else {
        // That fault is enough.
        return ("", true);
    };
    let (kind, needed, what): (_, &[&'static str], _) = match name {
        "configMapKeyRef" => (&fates::KEY_SELECTOR, &["key"], "the config map's value"),
        "secretKeyRef" => (&fates::KEY_SELECTOR, &["key"], "the secret's value"),
        "fileKeyRef" => (
            &fates::FILE_KEY_SELECTOR,
            &["key", "path", "volumeName"],
            "the file's value",
        ),
        "fieldRef" => (&fates::FIELD_SELECTOR, &["fieldPath"], "the pod's field"),
        _ => (&fates::RESOURCE_SELECTOR, &["resource"], "the resource"),
    };
    let selector = spot.object(kind);
    for field in needed {
        selector.required(field).and_then(Spot::text);
    }
    (what, selector.flag("optional").unwrap_or(false))
}

fn check_source(source: &Spot) {
    let source = source.object(&fates::ENV_FROM);
    if let Some(prefix) = source.get("prefix")
        && let Some(text) = prefix.text()
        && !text.is_empty()
        && let Err(rule) = names::variable(text)
    {
        prefix.fault(format!("found {}; {rule}", quoted(text)));
    }
    if let [(_, reference)] = source.one_field_of(&["configMapRef", "secretRef"])[..] {
        let reference = reference.object(&fates::ENV_SOURCE);
        reference.text("name");
        reference.flag("optional");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_by_kubernetes_rules() {
        for (word, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(B)z", "x1y$(A)z"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$$$(A)", "$$(A)"),
            ("$(MISSING)", "$(MISSING)"),
            ("$()", "$()"),
            ("$(A", "$(A"),
            ("$(A$(A)", "$(A$(A)"),
            ("$", "$"),
            ("a$", "a$"),
            ("$A ${A} $1", "$A ${A} $1"),
            ("$ (A)", "$ (A)"),
            ("$(A)$", "1$"),
            ("$$", "$"),
        ] {
            let value = |name: &[u8]| match name {
                b"A" => Some(Cow::Borrowed(&b"1"[..])),
                b"B" => Some(Cow::Borrowed(&b"$(A)"[..])),
                _ => None,
            };
            let out = expand(word.as_bytes(), value, |_| true).expect("all is affordable");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{word}");
        }
    }
}
