//! `--env-file`: the format of `docker run --env-file`, so that one file serves both.
//!
//! A line is `NAME=value`, a bare `NAME` (the value in monopod's own environment; nothing if it has none), blank, or a
//! comment that begins with `#`. There is no quoting and no expansion: the value is what stands behind the first `=`,
//! trailing blanks included. Blanks before NAME are passed over, as are a byte order mark before the first line and
//! the carriage return of a line that ends as on Windows. Unlike Docker it takes any bytes that are not NUL: the
//! environment is bytes.
//!
//! Messages never quote a line: a file that was put here by mistake, or a value that spans lines, is often a secret.

use super::values;
use std::ffi::{CString, OsStr};

/// A variable and its value.
pub(super) type Variable<'a> = (&'a [u8], &'a [u8]);

/// A line that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    line: usize,
    what: &'static str,
}

/// So many faulty lines of a file are named; a binary given by mistake has thousands.
const TOLD: usize = 5;

/// Reads a file's contents; `own` is monopod's own environment, as `NAME=value`.
pub(super) fn parse<'a>(bytes: &'a [u8], own: &'a [CString]) -> (Vec<Variable<'a>>, Vec<Fault>) {
    let mut variables = Vec::new();
    let mut faults = Vec::new();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let (name, value) = match cut(line) {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        let mut fault = |what| {
            faults.push(Fault {
                line: index + 1,
                what,
            });
        };
        if line.contains(&0) {
            fault("a NUL byte, which no environment can hold");
        } else if name.is_empty() {
            fault("no name before the =");
        } else if name.iter().any(u8::is_ascii_whitespace) {
            fault("a name with a blank in it");
        } else if let Some(value) = value.or_else(|| inherited(own, name)) {
            variables.push((name, value));
        }
    }
    (variables, faults)
}

/// Sets variables in an environment; the last one of a name holds.
pub(super) fn merge(environment: &mut Vec<CString>, variables: Vec<Variable>) {
    for (name, value) in variables {
        environment.retain(|entry| cut(entry.to_bytes()).is_none_or(|(known, _)| known != name));
        environment.push(values::c_string(&[name, b"=", value].concat()));
    }
}

/// The faults of a file in words, a line each.
pub(super) fn tell(file: &OsStr, faults: &[Fault]) -> Vec<String> {
    let file = file.to_string_lossy();
    let mut lines: Vec<String> = faults
        .iter()
        .take(TOLD)
        .map(|fault| {
            format!(
                "{}, line {}: {}",
                file.escape_debug(),
                fault.line,
                fault.what
            )
        })
        .collect();
    if faults.len() > TOLD {
        let rest = faults.len() - TOLD;
        lines.push(format!("{}: {rest} more such lines", file.escape_debug()));
    }
    lines
}

fn inherited<'a>(own: &'a [CString], wanted: &[u8]) -> Option<&'a [u8]> {
    own.iter()
        .filter_map(|entry| cut(entry.to_bytes()))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// Name and value around the first `=`.
fn cut(entry: &[u8]) -> Option<Variable<'_>> {
    let at = entry.iter().position(|byte| *byte == b'=')?;
    Some((&entry[..at], &entry[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<CString> {
        [c"HOME=/root", c"EMPTY=", c"EQ=a=b"]
            .map(CString::from)
            .to_vec()
    }

    #[test]
    fn every_kind_of_line_is_read_as_docker_reads_it() {
        let (own, variables) = (own(), |text: &'static [u8], own: &[CString]| {
            let (variables, faults) = parse(text, own);
            assert_eq!(faults, [], "{}", text.escape_ascii());
            variables
                .iter()
                .map(|(name, value)| [name, &b"="[..], value].concat())
                .collect::<Vec<_>>()
        });
        let cases: [(&[u8], &[&[u8]]); 18] = [
            (b"", &[]),
            (b"\n \n\t\n", &[]),
            (b"# A=1\n  # B=2", &[]),
            (b"A=1", &[b"A=1"]),
            (b"A=1\nB=2\n", &[b"A=1", b"B=2"]),
            (b"A=", &[b"A="]),
            (b"A=x=y", &[b"A=x=y"]),
            (b"A='1'", &[b"A='1'"]),
            (b"A=$HOME \"x\"", &[b"A=$HOME \"x\""]),
            (b"A= 1 \t ", &[b"A= 1 \t "]),
            (b" \tA=1", &[b"A=1"]),
            (b"A=1 # no comment", &[b"A=1 # no comment"]),
            (
                b"\xef\xbb\xbfA=1\n\xef\xbb\xbfB=2",
                &[b"A=1", b"\xef\xbb\xbfB=2"],
            ),
            (b"A=1\r\n\r\nB=2\r\n", &[b"A=1", b"B=2"]),
            (b"HOME\nEMPTY\nEQ", &[b"HOME=/root", b"EMPTY=", b"EQ=a=b"]),
            (b"UNKNOWN\nA=1", &[b"A=1"]),
            (b"A=\xff\xfe", &[b"A=\xff\xfe"]),
            (b"a.b-c/d=1", &[b"a.b-c/d=1"]),
        ];
        for (text, expected) in cases {
            assert_eq!(variables(text, &own), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn faults_name_file_and_line_and_never_the_content() {
        let (variables, faults) = parse(b"A=1\nmy secret\n=secret\nB C=secret\nD=\0\nE=5", &[]);
        assert_eq!(variables, [(&b"A"[..], &b"1"[..]), (b"E", b"5")]);
        let told = tell(OsStr::new("/etc/env"), &faults);
        assert_eq!(
            told,
            [
                "/etc/env, line 2: a name with a blank in it",
                "/etc/env, line 3: no name before the =",
                "/etc/env, line 4: a name with a blank in it",
                "/etc/env, line 5: a NUL byte, which no environment can hold",
            ]
        );
    }

    #[test]
    fn a_binary_given_by_mistake_is_not_told_line_by_line() {
        let (_, faults) = parse(&b"\0\n".repeat(1000), &[]);
        let told = tell(OsStr::new("x"), &faults);
        assert_eq!(told.len(), TOLD + 1);
        assert_eq!(
            told.last().map(String::as_str),
            Some("x: 995 more such lines")
        );
    }

    #[test]
    fn the_last_setting_of_a_name_holds_and_strangers_stay() {
        let mut environment = own();
        environment.push(c"no equals sign".into());
        merge(
            &mut environment,
            vec![(b"EQ", b"1"), (b"HOME", b"/a"), (b"EQ", b"2")],
        );
        assert_eq!(
            environment,
            [c"EMPTY=", c"no equals sign", c"HOME=/a", c"EQ=2"].map(CString::from)
        );
    }
}
