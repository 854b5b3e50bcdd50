//! The flags about output: how it goes, whether lines carry the time, what is captured.

use super::flags;
use super::gather::Gathered;
use super::values;
use crate::plan::{Capture, Output, Outputs, Program, ProgramId, Stream};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the flags say of the programs of the one-command form; `main` is the command's, in whose name captured lines go
/// out unless another is given.
pub(super) fn read(said: &mut Gathered, programs: &[Program], main: ProgramId) -> Outputs {
    let elsewhere = said.last(&flags::OUTPUT, output).unwrap_or_default();
    let mut outputs = Outputs {
        elsewhere,
        time: said.last(&flags::OUTPUT_TIME, yes_or_no),
        ..Outputs::default()
    };
    let names: Vec<String> = programs
        .iter()
        .map(|program| values::program_name(&program.argv))
        .collect();
    for (place, name) in names.iter().enumerate() {
        if !programs[place].kept_output {
            outputs.send(ProgramId(place), name, elsewhere);
        }
    }
    let mut captures = said.every(&flags::CAPTURE, |value| capture(value, false));
    captures.extend(said.every(&flags::CAPTURE_FOLLOW, |value| capture(value, true)));
    for capture in &mut captures {
        capture
            .container
            .get_or_insert_with(|| names[main.0].clone());
    }
    outputs.captures = captures;
    outputs
}

fn output(value: &OsStr) -> Result<Output, String> {
    Output::parse(&value.to_string_lossy())
}

fn yes_or_no(value: &OsStr) -> Result<bool, String> {
    match value.as_bytes() {
        b"yes" | b"true" => Ok(true),
        b"no" | b"false" => Ok(false),
        _ => Err(format!("{} is neither yes nor no", values::quoted(value))),
    }
}

/// `PATH[=stdout|stderr][:CONTAINER]`. A colon belongs to the path unless a name for a container follows it, an equals
/// sign unless a stream does.
pub(super) fn capture(value: &OsStr, follow: bool) -> Result<Capture, String> {
    let bytes = value.as_bytes();
    let (rest, container) = match split_last(bytes, b':') {
        Some((rest, name)) if is_name(name) => (rest, Some(name)),
        _ => (bytes, None),
    };
    let (path, stream) = match split_last(rest, b'=') {
        Some((path, b"stdout")) => (path, Stream::Stdout),
        Some((path, b"stderr")) => (path, Stream::Stderr),
        Some((_, other)) if !other.contains(&b'/') => {
            return Err(format!(
                "{} is no stream; write PATH=stdout or PATH=stderr",
                values::quoted(OsStr::from_bytes(other))
            ));
        }
        _ => (rest, Stream::Stdout),
    };
    if path.is_empty() || path.ends_with(b"/") || path.contains(&0) {
        return Err(format!(
            "{} names no file; write for example /var/log/app.log=stderr",
            values::quoted(value)
        ));
    }
    Ok(Capture {
        path: PathBuf::from(OsString::from_vec(path.to_vec())),
        stream,
        container: container.map(|name| String::from_utf8_lossy(name).into_owned()),
        follow,
    })
}

fn split_last(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().rposition(|byte| *byte == at)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}

/// A DNS label, as containers are named.
fn is_name(word: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    (1..=63).contains(&word.len()) && word.iter().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, Stream, Option<String>), String> {
        let read = capture(OsStr::new(text), false)?;
        Ok((read.path.display().to_string(), read.stream, read.container))
    }

    #[test]
    fn a_path_may_name_a_stream_and_a_container() {
        let of = |path: &str, stream, container: Option<&str>| {
            Ok((path.to_owned(), stream, container.map(str::to_owned)))
        };
        assert_eq!(read("/l/a.log"), of("/l/a.log", Stream::Stdout, None));
        assert_eq!(read("/l/a=stderr"), of("/l/a", Stream::Stderr, None));
        assert_eq!(read("a=stdout:web"), of("a", Stream::Stdout, Some("web")));
        assert_eq!(
            read("/l/a:web-1"),
            of("/l/a", Stream::Stdout, Some("web-1"))
        );
        assert_eq!(read("/l:x/a=1/b"), of("/l:x/a=1/b", Stream::Stdout, None));
    }

    #[test]
    fn what_names_nothing_is_a_fault() {
        assert!(read("/l/a=out").is_err_and(|fault| fault.contains("PATH=stderr")));
        assert!(read("=stdout").is_err());
        assert!(read("/var/log/").is_err());
    }
}
