//! The flags about output: how it goes, whether lines carry the time, what is captured. For a command alone, and for the
//! containers of a manifest, whose annotations speak where no flag does.

use super::flags;
use super::gather::Gathered;
use super::values;
use crate::manifest;
use crate::plan::{Capture, Output, Outputs, Pod, Program, ProgramId, Role, Stream};
use crate::spelling;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the flags say, read for their form.
pub(super) struct Wishes {
    output: Option<Output>,
    time: Option<bool>,
    captures: Vec<Capture>,
}

/// Reads the flags.
pub(super) fn wishes(said: &mut Gathered) -> Wishes {
    let mut captures = said.every(&flags::CAPTURE, |value| capture(value, false));
    captures.extend(said.every(&flags::CAPTURE_FOLLOW, |value| capture(value, true)));
    Wishes {
        output: said.last(&flags::OUTPUT, output),
        time: said.last(&flags::OUTPUT_TIME, yes_or_no),
        captures,
    }
}

impl Wishes {
    /// For a command alone and what is run for it. There, the name behind a captured path may be any; without one, lines go
    /// out in the name of `main`, the command.
    pub fn for_command(self, programs: &[Program], main: ProgramId) -> Outputs {
        let elsewhere = self.output.unwrap_or_default();
        let mut outputs = Outputs {
            elsewhere,
            time: self.time,
            captures: self.captures,
            ..Outputs::default()
        };
        let name = |program: &Program| values::program_name(&program.argv);
        for (place, program) in programs.iter().enumerate() {
            if !program.kept_output {
                outputs.send(ProgramId(place), &name(program), elsewhere);
            }
        }
        let command = name(&programs[main.0]);
        for capture in &mut outputs.captures {
            capture.container.get_or_insert_with(|| command.clone());
        }
        outputs
    }

    /// For the containers of a manifest: as the flag says, or else as its annotations do. Captured lines go out in the name
    /// of the one main container, if there is only one. The faults are those that only the manifest shows.
    pub fn for_pod(self, pod: &Pod, said: &manifest::Outputs) -> Result<Outputs, Vec<String>> {
        let mut outputs = Outputs {
            elsewhere: self.output.or(said.all).unwrap_or_default(),
            time: self.time,
            captures: self.captures,
            ..Outputs::default()
        };
        for container in &pod.containers {
            let output = self.output.or_else(|| said.of(&container.name));
            outputs.send(
                container.program,
                &container.name,
                output.unwrap_or_default(),
            );
        }
        let mut mains = pod.containers.iter().filter(|c| c.role == Role::Main);
        let only = mains.next().filter(|_| mains.next().is_none());
        let mut faults = Vec::new();
        for capture in &mut outputs.captures {
            match &capture.container {
                Some(name) => faults.extend(unknown(name, capture, pod)),
                None => capture.container = only.map(|container| container.name.clone()),
            }
        }
        match faults.is_empty() {
            true => Ok(outputs),
            false => Err(faults),
        }
    }
}

fn unknown(name: &str, capture: &Capture, pod: &Pod) -> Option<String> {
    let names = pod.containers.iter().map(|c| c.name.as_str());
    if names.clone().any(|known| known == name) {
        return None;
    }
    let advice = match spelling::nearest(name, names.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there is {}", names.collect::<Vec<_>>().join(", ")),
    };
    let flag = if capture.follow {
        flags::CAPTURE_FOLLOW.name
    } else {
        flags::CAPTURE.name
    };
    let path = values::quoted(capture.path.as_os_str());
    Some(format!(
        "--{flag}: no container is named {name:?}, for which {path} is to be captured; {advice}"
    ))
}

fn output(value: &OsStr) -> Result<Output, String> {
    Output::parse(&value.to_string_lossy()).map_err(|advice| {
        format!(
            "{} is no way for output to go; {advice}",
            values::quoted(value)
        )
    })
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
