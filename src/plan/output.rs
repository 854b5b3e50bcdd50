//! What becomes of what the programs write: theirs alone, or relayed line by line.
//!
//! Whoever makes a plan says for each program whether it is relayed and under which container's name; a program that is
//! not named here inherits monopod's own standard output and error, and no byte of it passes through monopod.

use super::ProgramId;
use crate::spelling;
use std::path::PathBuf;

/// The longest line that is relayed in one piece, in bytes without its line break. Container runtimes split what is
/// longer, so the pieces are theirs (kubelet's log readers put CRI's P and F pieces together again).
pub const LONGEST_LINE_BYTES: usize = 16 * 1024;

/// One of the ways that a container's output can go (`--output`, annotation `monopod/output`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Descriptors 1 and 2 are monopod's own.
    #[default]
    Inherited,
    /// Through the relay, line by line.
    Relayed(Format),
}

impl Output {
    /// What people write, with what it stands for.
    const WORDS: [(&str, Output); 4] = [
        ("inherit", Output::Inherited),
        ("prefix", Output::Relayed(Format::Prefix)),
        ("json", Output::Relayed(Format::Json)),
        ("json-merge", Output::Relayed(Format::JsonMerge)),
    ];

    /// Reads `inherit`, `prefix`, `json` or `json-merge`. The error says what to write instead.
    pub fn parse(text: &str) -> Result<Output, String> {
        let mut words = Output::WORDS.iter();
        if let Some((_, output)) = words.find(|(word, _)| *word == text) {
            return Ok(*output);
        }
        match spelling::nearest(text, Output::WORDS.iter().map(|(word, _)| *word)) {
            Some(meant) => Err(format!("did you mean {meant}?")),
            None => Err("write inherit, prefix, json or json-merge".to_owned()),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        let mut words = Output::WORDS.iter();
        words
            .find(|(_, output)| *output == self)
            .map_or("raw", |(word, _)| word)
    }
}

/// How a relayed line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As it was written. For captured files beside inherited output.
    Raw,
    /// `NAME | line`
    Prefix,
    /// A JSON object a line, in the field names of container runtimes: `log`, `stream`, `time`.
    Json,
    /// The same, but a line that is a JSON object itself is nested, not quoted.
    JsonMerge,
}

/// A relayed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The container that it belongs to, as people are to read it.
    pub container: String,
    /// How its lines look.
    pub format: Format,
}

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both.
    pub const BOTH: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// A path whose lines go out as if a container had written them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Where.
    pub path: PathBuf,
    /// To which stream.
    pub stream: Stream,
    /// As if written by this container; by nobody in particular if there is none.
    pub container: Option<String>,
    /// False: a FIFO is made there. True: a file that others write is followed across its rotation.
    pub follow: bool,
}

/// All that a plan says of output. The default: everything is inherited.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The programs that are relayed. Who is not here inherits.
    pub relayed: Vec<(ProgramId, Relayed)>,
    /// How captured lines look that belong to no relayed container; inherited is as they are.
    pub elsewhere: Output,
    /// Whether lines carry the time. Not said: JSON does, a prefix does not.
    pub time: Option<bool>,
    /// Paths to capture.
    pub captures: Vec<Capture>,
}

impl Outputs {
    /// How this program is relayed, if it is.
    pub fn of(&self, program: ProgramId) -> Option<&Relayed> {
        let mut named = self.relayed.iter();
        named
            .find(|(of, _)| *of == program)
            .map(|(_, relayed)| relayed)
    }

    /// Says how a program is to go. For [`Output::Inherited`] there is nothing to say.
    pub fn send(&mut self, program: ProgramId, container: &str, output: Output) {
        if let Output::Relayed(format) = output {
            let container = container.to_owned();
            self.relayed.push((program, Relayed { container, format }));
        }
    }

    /// How lines captured in the name of `container` look.
    pub fn format_for(&self, container: Option<&str>) -> Format {
        let mut relayed = self.relayed.iter().map(|(_, relayed)| relayed);
        match relayed.find(|relayed| Some(relayed.container.as_str()) == container) {
            Some(relayed) => relayed.format,
            None => match self.elsewhere {
                Output::Relayed(format) => format,
                Output::Inherited => Format::Raw,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_ways_are_read_and_others_named() {
        assert_eq!(Output::parse("inherit"), Ok(Output::Inherited));
        assert_eq!(
            Output::parse("json-merge"),
            Ok(Output::Relayed(Format::JsonMerge))
        );
        assert_eq!(Output::parse("Json"), Err("did you mean json?".to_owned()));
        assert!(Output::parse("loud").is_err_and(|advice| advice.contains("prefix")));
        assert_eq!(Output::Relayed(Format::JsonMerge).word(), "json-merge");
    }

    #[test]
    fn a_capture_looks_like_its_container_or_like_the_rest() {
        let mut outputs = Outputs {
            elsewhere: Output::Relayed(Format::Json),
            ..Outputs::default()
        };
        outputs.send(ProgramId(0), "web", Output::Relayed(Format::Prefix));
        outputs.send(ProgramId(1), "db", Output::Inherited);
        assert_eq!(outputs.format_for(Some("web")), Format::Prefix);
        assert_eq!(outputs.format_for(None), Format::Json);
        assert_eq!(outputs.of(ProgramId(1)), None);
    }
}
