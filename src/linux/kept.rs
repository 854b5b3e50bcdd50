//! What a program says, kept for the message about its failure: 10 KiB of standard output, then of standard error.
//!
//! It goes nowhere else, as with the kubelet; who wants it in the log of the container writes to /proc/1/fd/1. More than
//! that is read and forgotten, so that the program never waits for us, and when its own process has ended, what is there
//! is read and the pipes are closed, so that we never wait for what it left behind.
//!
//! What surprised us: the second is why a program in the background of a hook that goes on writing to what it inherited
//! is met by SIGPIPE. So it is in a real pod.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The kubelet keeps as much of the answer of an exec probe (maxRespBodyLength).
const KEPT_BYTES: usize = 10 << 10;

/// Read of one pipe in one turn at most, so that a program that writes without end leaves the core its other work.
const BYTES_PER_TURN: usize = 16 << 10;

/// The reading ends for one run.
#[derive(Debug)]
pub struct Kept {
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
}

/// The writing ends: what is to be its standard output and standard error.
#[derive(Debug)]
pub struct Writers {
    /// For 1 and for 2.
    pub ends: [OwnedFd; 2],
}

/// Pipes for a program that is to be started.
pub fn pipes() -> Result<(Kept, Writers), Errno> {
    let (out, out_writer) = pipe()?;
    let (err, err_writer) = pipe()?;
    let streams = [out, err].map(|pipe| Stream {
        pipe: Some(pipe),
        kept: Vec::new(),
    });
    let ends = [out_writer, err_writer];
    Ok((Kept { streams }, Writers { ends }))
}

/// Only our end does not block: a program is not prepared for EAGAIN.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, its) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(ours.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ours, its))
}

impl Kept {
    /// What is to be watched.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        let pipes = self
            .streams
            .iter()
            .filter_map(|stream| stream.pipe.as_ref());
        pipes.map(|pipe| pipe.as_raw_fd())
    }

    /// Reads some of what is there.
    pub fn read(&mut self) {
        self.streams.iter_mut().for_each(Stream::read);
    }

    /// The program has ended: all that is there and is kept. The pipes are closed with it.
    pub fn finish(mut self) -> String {
        self.streams.iter_mut().for_each(Stream::finish);
        let mut text = self.streams.map(|stream| stream.kept).concat();
        text.truncate(KEPT_BYTES);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Stream {
    fn read(&mut self) {
        let mut buffer = [0; BYTES_PER_TURN];
        let Some(pipe) = &self.pipe else { return };
        match read(pipe, &mut buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Its writers are gone; or the pipe is of no use, whatever it is.
            Ok(0) | Err(_) => self.pipe = None,
            Ok(length) => {
                let room = KEPT_BYTES - self.kept.len();
                self.kept.extend(&buffer[..length.min(room)]);
            }
        }
    }

    fn finish(&mut self) {
        // A pipe gives a page at a time at the least, so this ends by itself soon; whoever is left may still write.
        while self.kept.len() < KEPT_BYTES && self.pipe.as_ref().is_some_and(has_more) {
            self.read();
        }
    }
}

/// Whether reading would bring something now.
fn has_more(pipe: &OwnedFd) -> bool {
    let mut polled = libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one element, which outlives the call; returns at once.
    unsafe { libc::poll(&mut polled, 1, 0) == 1 && polled.revents & libc::POLLIN != 0 }
}

impl Writers {
    /// Both.
    pub fn each(&self) -> [BorrowedFd<'_>; 2] {
        [self.ends[0].as_fd(), self.ends[1].as_fd()]
    }

    /// Their numbers.
    pub fn raw(&self) -> [RawFd; 2] {
        [self.ends[0].as_raw_fd(), self.ends[1].as_raw_fd()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::write;

    #[test]
    fn output_comes_before_errors_whichever_was_written_first() {
        let (mut kept, writers) = pipes().unwrap();
        write(&writers.ends[1], b"and why").unwrap();
        kept.read();
        write(&writers.ends[0], b"what ").unwrap();
        assert_eq!(kept.finish(), "what and why");
    }

    #[test]
    fn s43_ten_kibibytes_are_kept_of_both_together_and_the_rest_is_drained() {
        let (mut kept, writers) = pipes().unwrap();
        for _ in 0..100 {
            write(&writers.ends[0], &[b'o'; 4096]).unwrap();
            write(&writers.ends[1], &[b'e'; 4096]).unwrap();
            kept.read();
        }
        assert_eq!(kept.finish(), "o".repeat(KEPT_BYTES));
    }

    #[test]
    fn whoever_holds_a_pipe_and_goes_on_writing_holds_nobody_up() {
        let (kept, writers) = pipes().unwrap();
        write(&writers.ends[0], b"left behind").unwrap();
        assert_eq!(kept.finish(), "left behind");
        drop(writers);
    }

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        let (kept, writers) = pipes().unwrap();
        write(&writers.ends[0], b"\xff!").unwrap();
        drop(writers);
        assert_eq!(kept.finish(), "\u{fffd}!");
    }
}
