//! Where lines come from: the two pipes of a relayed program, and captured paths.
//!
//! The core holds both ends of each for as long as it lives: no writer ever gets SIGPIPE or waits for a reader to come,
//! and what is in a pipe survives every relay.

use super::fifo::Fifo;
use super::follow::Followed;
use super::format::{Cut, Dress};
use super::pages::SourceWords;
use super::pipe::{self, Pipe};
use crate::plan::{Format, Outputs, ProgramId, Stream};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Large enough that a program writes on while the relay is at others. With many sources they stay as the kernel makes
/// them: all pipes of a user together may hold 64 MiB, beyond which new ones get a page (pipe(7)).
const PIPE_BYTES: usize = 256 * 1024;
const MANY_SOURCES: usize = 32;
const DEFAULT_PIPE_BYTES: usize = 64 * 1024;

/// Colours of a terminal, the readable ones; containers take turns.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// One.
#[derive(Debug)]
pub struct Source {
    /// Where its bytes come out; for a followed path, what tells that there are some.
    pub out: OwnedFd,
    /// Where they go in; a FIFO is open for both.
    into: Option<OwnedFd>,
    /// What it is to people.
    pub label: String,
    /// Whose it is.
    pub origin: Origin,
    /// 0 to standard output, 1 to standard error.
    pub lane: usize,
    /// How its lines look.
    pub dress: Dress,
}

/// Whose output.
#[derive(Debug)]
pub enum Origin {
    /// A program's.
    Program(ProgramId),
    /// Whoever writes to a path.
    Fifo(Fifo),
    /// Whoever writes to a file.
    Followed(Followed),
}

/// Opens all sources of a plan; `colours[n]` tells whether stream n goes to a terminal that wants colours. All faults at
/// once.
pub fn open_all(outputs: &Outputs, colours: [bool; 2]) -> Result<Vec<Source>, Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    let of_programs = outputs
        .relayed
        .iter()
        .map(|(_, relayed)| relayed.container.as_str());
    let of_captures = outputs
        .captures
        .iter()
        .filter_map(|c| c.container.as_deref());
    for name in of_programs.chain(of_captures) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let dress = |name: Option<&str>, format: Format, stream: Stream| {
        let place = name.and_then(|name| names.iter().position(|known| *known == name));
        let colour = place.map(|place| COLOURS[place % COLOURS.len()]);
        Dress::new(&Cut {
            name,
            format,
            stream,
            time: outputs.time,
            width: width.min(24),
            colour: colour.filter(|_| colours[lane_of(stream)]),
        })
    };
    let bytes = match 2 * outputs.relayed.len() {
        0..=MANY_SOURCES => PIPE_BYTES,
        _ => DEFAULT_PIPE_BYTES,
    };
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    'programs: for (program, relayed) in &outputs.relayed {
        for stream in Stream::BOTH {
            match Source::pipe(bytes) {
                Ok((out, into)) => sources.push(Source {
                    out,
                    into: Some(into),
                    label: format!("{}'s standard {}", relayed.container, name_of(stream)),
                    origin: Origin::Program(*program),
                    lane: lane_of(stream),
                    dress: dress(Some(&relayed.container), relayed.format, stream),
                }),
                Err(errno) => {
                    faults.push(no_pipe(&relayed.container, errno));
                    // The others would be refused for the same reason.
                    break 'programs;
                }
            }
        }
    }
    for capture in &outputs.captures {
        let name = capture.container.as_deref();
        let opened = match capture.follow {
            true => Followed::open(&capture.path).map(|(fd, it)| (fd, Origin::Followed(it))),
            false => {
                Fifo::open(&capture.path).and_then(|(fd, it)| match is_captured(&sources, &it) {
                    // Each of two would have half of the bytes.
                    true => Err(format!("{} is captured already", capture.path.display())),
                    false => Ok((fd, Origin::Fifo(it))),
                })
            }
        };
        match opened {
            Ok((out, origin)) => sources.push(Source {
                out,
                into: None,
                label: capture.path.display().to_string(),
                origin,
                lane: lane_of(capture.stream),
                dress: dress(name, outputs.format_for(name), capture.stream),
            }),
            Err(fault) => faults.push(fault),
        }
    }
    match faults.is_empty() {
        true => Ok(sources),
        false => {
            remove_fifos(&sources);
            Err(faults)
        }
    }
}

fn is_captured(sources: &[Source], fifo: &Fifo) -> bool {
    let is_it =
        |source: &Source| matches!(&source.origin, Origin::Fifo(known) if known.is_same(fifo));
    sources.iter().any(is_it)
}

/// Takes away the FIFOs that were made.
pub fn remove_fifos(sources: &[Source]) {
    for source in sources {
        if let Origin::Fifo(fifo) = &source.origin {
            fifo.remove();
        }
    }
}

fn no_pipe(container: &str, errno: Errno) -> String {
    let advice = match errno {
        Errno::EMFILE => {
            "; each container whose output is relayed needs four descriptors, raise the limit (ulimit -n)"
        }
        _ => "",
    };
    format!(
        "cannot make a pipe for the output of {container}: {}{advice}",
        errno.desc()
    )
}

fn name_of(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "output",
        Stream::Stderr => "error",
    }
}

fn lane_of(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

impl Source {
    fn pipe(bytes: usize) -> Result<(OwnedFd, OwnedFd), Errno> {
        let pipe = Pipe::new(OFlag::empty(), bytes)?;
        // Of the reading end only, which nobody shares: the relay must not wait for one of them should somebody have opened
        // it by path and read it empty.
        // SAFETY: plain numbers.
        unsafe { libc::fcntl(pipe.out.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        // Whoever the program runs as can then open its /dev/stdout, too. Refused: then only we can.
        // SAFETY: plain numbers.
        unsafe { libc::fchmod(pipe.into.as_raw_fd(), 0o622) };
        Ok((pipe.out, pipe.into))
    }

    /// The descriptor that a program is to write to.
    pub fn into(&self) -> Option<RawFd> {
        self.into.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Where a followed file lies.
    pub fn folder(&self) -> Option<RawFd> {
        match &self.origin {
            Origin::Followed(followed) => Some(followed.descriptor()),
            Origin::Program(_) | Origin::Fifo(_) => None,
        }
    }

    /// In a child: O_NONBLOCK, O_DIRECT and others that the program's last instance set, and the next does not expect.
    pub fn forget_flags(&self) {
        if let Some(into) = self.into() {
            // SAFETY: plain numbers.
            unsafe { libc::fcntl(into, libc::F_SETFL, 0) };
        }
    }

    /// In a relay: bytes that were written and not yet taken. A pipe that `poll` finds empty is not asked: of who holds its
    /// lock and has written nothing there is nothing to wait for.
    pub fn waiting(&self, words: &SourceWords) -> u64 {
        match &self.origin {
            Origin::Followed(followed) => followed.behind(words),
            Origin::Program(_) | Origin::Fifo(_) => match pipe::is_readable(self.out.as_raw_fd()) {
                true => pipe::held(self.out.as_raw_fd()) as u64,
                false => 0,
            },
        }
    }

    /// Of a followed path: takes what inotify has to say, which is only a reason to look.
    pub fn hear_events(&self) {
        let mut events = [0; 4096];
        while pipe::read(self.out.as_raw_fd(), &mut events).is_ok_and(|count| count > 0) {}
    }

    /// Every descriptor that must stay open.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        // For the core alone, which takes away what it made there.
        let of_fifo = match &self.origin {
            Origin::Fifo(fifo) => Some(fifo.descriptor()),
            Origin::Program(_) | Origin::Followed(_) => None,
        };
        [self.out.as_raw_fd()]
            .into_iter()
            .chain(self.into())
            .chain(self.folder())
            .chain(of_fifo)
    }
}
