//! Where commands speak to the story: a FIFO at a path.
//!
//! Not standard output, because stories close that; not a file, because a read-only root has none. A FIFO can be opened
//! for writing on a read-only file system. The story holds it open for reading and writing, so there is never an end of
//! file and never a writer that waits for a reader.

use super::{Outcome, os_error, patience};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Room for the words of a storm: 1 MiB, the most that an unprivileged pipe may have.
const ROOM: libc::c_int = 1 << 20;

/// The listening end.
pub struct Ear {
    fifo: File,
    heard: Vec<u8>,
    log: Vec<String>,
}

impl Ear {
    /// Makes the FIFO.
    pub fn new(path: &Path) -> Outcome<Ear> {
        let name = std::ffi::CString::new(path.as_os_str().as_bytes())
            .map_err(|why| format!("{}: {why}", path.display()))?;
        // SAFETY: `name` is a C string that outlives both calls.
        let made = unsafe { libc::mkfifo(name.as_ptr(), 0o666) == 0 };
        if !made && std::io::Error::last_os_error().kind() != std::io::ErrorKind::AlreadyExists {
            return Err(os_error("mkfifo"));
        }
        // The umask has taken away what other uids need.
        // SAFETY: as above.
        if unsafe { libc::chmod(name.as_ptr(), 0o666) } != 0 {
            return Err(os_error("chmod of the ear"));
        }
        let fifo = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|why| format!("{}: {why}", path.display()))?;
        // SAFETY: a plain fcntl on a descriptor that we own; a smaller pipe would do for most stories.
        unsafe { libc::fcntl(fifo.as_raw_fd(), libc::F_SETPIPE_SZ, ROOM) };
        Ok(Ear {
            fifo,
            heard: Vec::new(),
            log: Vec::new(),
        })
    }

    /// The next line within `patience`, or none.
    pub fn line_within(&mut self, patience: Duration) -> Outcome<Option<String>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                self.log.push(line.clone());
                return Ok(Some(line));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd {
                fd: self.fifo.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one valid pollfd.
            let ready = unsafe { libc::poll(&mut poll, 1, millis) };
            if ready == 0 && left.is_zero() {
                return Ok(None);
            }
            let mut piece = [0; 4096];
            match self.fifo.read(&mut piece) {
                Ok(length) => self.heard.extend_from_slice(&piece[..length]),
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(why) => return Err(format!("reading the ear: {why}")),
            }
        }
    }

    /// The next line.
    pub fn line(&mut self) -> Outcome<String> {
        self.line_within(patience())?.ok_or_else(|| {
            let last = self.log.len().saturating_sub(8);
            format!(
                "nothing was said for {:?}; before that: {:?}",
                patience(),
                &self.log[last..]
            )
        })
    }

    /// Listens until exactly this is said.
    pub fn expect(&mut self, words: &str) -> Outcome {
        let deadline = Instant::now() + patience();
        while Instant::now() < deadline {
            let line = self
                .line()
                .map_err(|why| format!("expected {words:?}: {why}"))?;
            if line == words {
                return Ok(());
            }
        }
        Err(format!("never heard {words:?}, only {:?}", self.log))
    }

    /// The next line must be exactly this.
    pub fn expect_next(&mut self, words: &str) -> Outcome {
        let line = self.line()?;
        if line == words {
            Ok(())
        } else {
            Err(format!("expected {words:?} next, heard {line:?}"))
        }
    }

    /// Nothing more has been said than what was already taken.
    pub fn expect_silence(&mut self) -> Outcome {
        match self.line_within(Duration::ZERO)? {
            None => Ok(()),
            Some(line) => Err(format!("expected nothing more, heard {line:?}")),
        }
    }

    /// All lines that were said and not yet taken.
    pub fn rest(&mut self) -> Outcome<Vec<String>> {
        let mut lines = Vec::new();
        while let Some(line) = self.line_within(Duration::ZERO)? {
            lines.push(line);
        }
        Ok(lines)
    }
}
