//! A container's variables, and `$(NAME)` in them and in its command.
//!
//! What the kubelet would have fetched from elsewhere (`valueFrom`, `envFrom`, services) it has put into monopod's own
//! environment, and there it is looked up: by the variable's own name, for that is the name it has there. What comes
//! of `envFrom` is there under its prefix already, and every container inherits it.
//!
//! Values may be any bytes but NUL; only what stands in the manifest is UTF-8.

use super::Around;
use super::fates;
use super::fault::quoted;
use super::names;
use super::spot::{Object, Spot};
use std::ffi::CString;

/// The variables of one container.
#[derive(Default)]
pub(super) struct Variables {
    /// In the order of their first mention, each name once.
    set: Vec<(String, Vec<u8>)>,
    /// The values that stand in the manifest, as they stand there: an exec probe's command knows no others (S44).
    literal: Vec<(String, String)>,
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
        let value = entry.get("value").and_then(Spot::word);
        let value = match entry.get("valueFrom") {
            None => {
                let value = value.unwrap_or_default();
                self.literal.push((name.to_owned(), value.to_owned()));
                Some(expand(value.as_bytes(), |name| self.look_up(name, around)))
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
                value
            }
        };
        match (self.set.iter_mut().find(|(known, _)| known == name), value) {
            (Some((_, old)), Some(value)) => *old = value,
            (None, Some(value)) => self.set.push((name.to_owned(), value)),
            (_, None) => {}
        }
    }

    fn look_up(&self, name: &[u8], around: &Around) -> Option<Vec<u8>> {
        let own = self.set.iter().find(|(known, _)| known.as_bytes() == name);
        own.map(|(_, value)| value.clone())
            .or_else(|| (around.variable)(name))
    }

    /// A word of the container's command, with every reference to a variable that there is replaced.
    pub fn expand(&self, word: &str, around: &Around) -> Vec<u8> {
        expand(word.as_bytes(), |name| self.look_up(name, around))
    }

    /// A word of an exec probe's command (S44).
    pub fn expand_literal(&self, word: &str) -> Vec<u8> {
        expand(word.as_bytes(), |name| {
            let mut found = self.literal.iter().rev();
            found
                .find(|(known, _)| known.as_bytes() == name)
                .map(|(_, value)| value.clone().into_bytes())
        })
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
/// `$$(NAME)` is `$(NAME)`. A `$` before anything else is itself.
fn expand(word: &[u8], value: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some(place) = rest.iter().position(|b| *b == b'$') {
        out.extend_from_slice(&rest[..place]);
        rest = &rest[place..];
        let end = match rest {
            [_, b'$', ..] => {
                out.push(b'$');
                2
            }
            [_, b'(', inner @ ..] => match inner.iter().position(|b| *b == b')') {
                Some(length) => {
                    let whole = length + 3;
                    match value(&inner[..length]) {
                        Some(value) => out.extend(value),
                        None => out.extend_from_slice(&rest[..whole]),
                    }
                    whole
                }
                None => {
                    out.extend_from_slice(b"$(");
                    2
                }
            },
            _ => {
                out.push(b'$');
                1
            }
        };
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    out
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
    let Some((name, spot)) = sources.exactly_one(&names) else {
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
    if let Some((_, reference)) = source.exactly_one(&["configMapRef", "secretRef"]) {
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
            let out = expand(word.as_bytes(), |name| match name {
                b"A" => Some(b"1".to_vec()),
                b"B" => Some(b"$(A)".to_vec()),
                _ => None,
            });
            assert_eq!(String::from_utf8_lossy(&out), expected, "{word}");
        }
    }
}
