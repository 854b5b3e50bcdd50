//! JSON values as YAML, for `-o yaml`. Only a writer; what is read is the manifest's business.
//!
//! Every string that could be taken for anything else is written as JSON writes it, which is YAML too.

use serde_json::Value;

/// The document, a line break at its end.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes at this depth; the caller has written what stands before it on the line.
fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                begin(out, place, depth);
                out.push_str("- ");
                write(out, item, depth + 1);
                end(out);
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (place, (key, value)) in fields.iter().enumerate() {
                begin(out, place, depth);
                out.push_str(&scalar(key));
                out.push(':');
                match value {
                    Value::Array(items) if !items.is_empty() => {
                        out.push('\n');
                        out.push_str(&"  ".repeat(depth));
                        write(out, value, depth);
                    }
                    Value::Object(fields) if !fields.is_empty() => {
                        out.push('\n');
                        out.push_str(&"  ".repeat(depth + 1));
                        write(out, value, depth + 1);
                    }
                    plain => {
                        out.push(' ');
                        write(out, plain, depth);
                    }
                }
                end(out);
            }
        }
        Value::String(text) => out.push_str(&scalar(text)),
        plain => out.push_str(&plain.to_string()),
    }
}

/// The first stands where the caller is; the others begin a line.
fn begin(out: &mut String, place: usize, depth: usize) {
    if place > 0 {
        out.push_str(&"  ".repeat(depth));
    }
}

fn end(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let means_else = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    match starts && text.chars().all(is_plain) && !means_else {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_in_yaml() {
        let document = json!({
            "kind": "Pod",
            "empty": {}, "none": [],
            "list": [{"name": "web", "ready": true}, ["a", 1], "x y"],
            "deep": {"no": "off", "at": "2026-05-01T12:00:00Z", "gone": null},
        });
        assert_eq!(
            text(&document),
            "deep:\n  at: \"2026-05-01T12:00:00Z\"\n  gone: null\n  \"no\": \"off\"\n\
             empty: {}\nkind: Pod\nlist:\n- name: web\n  ready: true\n- - a\n  - 1\n- \"x y\"\nnone: []\n"
        );
    }

    #[test]
    fn a_plain_value_is_a_document_too() {
        assert_eq!(text(&json!("a\nb")), "\"a\\nb\"\n");
    }
}
