//! What a program says, kept for the message about its failure: 10 KiB of standard output, then of standard error.
//!
//! It goes nowhere else, as with the kubelet; who wants it in the log of the container writes to /proc/1/fd/1. More than
//! that is read and forgotten, so that the program never waits for us, and when its own process has ended, what is there
//! is read and the pipes are closed, so that we never wait for what it left behind.
//!
//! Who says more than is kept is read by the clock and not when there is something, which would be always: a program that
//! prints without end cost a quarter of a CPU.
//!
//! What surprised us: the second is why a program in the background of a hook that goes on writing to what it inherited
//! is met by SIGPIPE. So it is in a real pod.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// The kubelet keeps as much of the answer of an exec probe (maxRespBodyLength).
const KEPT_BYTES: usize = 10 << 10;

/// Read of one pipe at a time.
const BITE: usize = 16 << 10;

/// What a pipe may hold that is read by the clock: with [`DRAIN_PERIOD`] 25 MB a second, so that hardly a program is held up.
const FLOOD: usize = 256 << 10;

/// How often those pipes are emptied that nobody needs to read.
pub const DRAIN_PERIOD: Duration = Duration::from_millis(10);

/// The reading ends for one run.
#[derive(Debug)]
pub struct Kept {
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
    /// More was said than is kept.
    floods: bool,
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
        floods: false,
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
    /// What is open.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.streams.iter().filter_map(Stream::descriptor)
    }

    /// What is to be watched.
    pub fn watched(&self) -> impl Iterator<Item = i32> {
        let calm = self.streams.iter().filter(|stream| !stream.floods);
        calm.filter_map(Stream::descriptor)
    }

    /// Whether it is to be drained by the clock.
    pub fn floods(&self) -> bool {
        let mut open = self.streams.iter().filter(|stream| stream.pipe.is_some());
        open.any(|stream| stream.floods)
    }

    /// Reads some of what is there.
    pub fn read(&mut self) {
        let calm = self.streams.iter_mut().filter(|stream| !stream.floods);
        calm.for_each(Stream::read);
    }

    /// Reads what is there of that which is not watched.
    pub fn drain(&mut self) {
        let flooding = self.streams.iter_mut().filter(|stream| stream.floods);
        flooding.for_each(Stream::drain);
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
    fn descriptor(&self) -> Option<i32> {
        self.pipe.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn read(&mut self) {
        let mut buffer = [0; BITE];
        let Some(pipe) = &self.pipe else { return };
        match read(pipe, &mut buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Its writers are gone; or the pipe is of no use, whatever it is.
            Ok(0) | Err(_) => self.pipe = None,
            Ok(length) => {
                let room = KEPT_BYTES - self.kept.len();
                self.kept.extend(&buffer[..length.min(room)]);
                if length > room && !self.floods {
                    self.floods = true;
                    // A smaller pipe does as well, only that its program waits more often.
                    let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(FLOOD as i32));
                }
            }
        }
    }

    /// As much as the pipe holds, so that whoever fills it meanwhile does not keep us here.
    fn drain(&mut self) {
        for _ in 0..FLOOD / BITE {
            self.read();
            if !self.pipe.as_ref().is_some_and(has_more) {
                return;
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
            kept.drain();
        }
        assert_eq!(kept.finish(), "o".repeat(KEPT_BYTES));
    }

    #[test]
    fn who_says_more_than_is_kept_is_not_watched_but_drained() {
        let (mut kept, writers) = pipes().unwrap();
        write(&writers.ends[0], &[b'o'; KEPT_BYTES]).unwrap();
        kept.read();
        assert_eq!((kept.watched().count(), kept.floods()), (2, false));
        write(&writers.ends[0], b"o").unwrap();
        kept.read();
        assert_eq!((kept.watched().count(), kept.floods()), (1, true));
        assert_eq!(kept.descriptors().count(), 2);
        // More than fits into a pipe, bite by bite, and at last its writer is gone.
        for _ in 0..64 {
            write(&writers.ends[0], &[b'o'; BITE]).unwrap();
            kept.drain();
        }
        drop(writers);
        kept.drain();
        assert!(!kept.floods(), "nothing is left to drain");
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
