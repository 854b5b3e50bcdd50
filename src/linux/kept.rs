//! What a program says, kept for the message about its failure: 10 KiB of standard output, then of standard error.
//!
//! It goes nowhere else, as with the kubelet; who wants it in the log of the container writes to /proc/1/fd/1.
//!
//! Each of the two is a file in memory, and not a pipe: whoever splices into a pipe holds its mutex for as long as he
//! likes, and PID 1 that reads it, or only asks how much is there, waits with him and cannot be killed. Nobody can hold up
//! `pread` of such a file. So nothing is read before the program's own process has ended, nobody is woken by what it says,
//! and it never waits for us. They must never be truncated, sealed, sought or read at their own place by us: all of that
//! takes a lock that a writer can hold.
//!
//! There is no bound but the container's memory, which is charged for it. A size that the kernel keeps would have to be sealed,
//! and then `> /dev/stderr`, which truncates, fails; a limit of the process (RLIMIT_FSIZE) is one for its own files,
//! too. Who prints without end gets his memory back when the run is over, which for a probe is its timeout; who is left
//! behind and goes on writing to what he inherited, when he ends.
//!
//! What surprised us: `> /dev/stdout` begins the file anew, so that what was said before is lost; `>> /dev/stdout` is what
//! keeps it. That is why there are two files: the one is the other's no more than the pipes of a real pod are.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

/// The kubelet keeps as much of the answer of an exec probe (maxRespBodyLength).
const KEPT_BYTES: usize = 10 << 10;

/// What one run says.
#[derive(Debug)]
pub struct Kept {
    /// What is its 1, and its 2.
    streams: [File; 2],
}

impl Kept {
    /// For a program that is to be started.
    pub fn new() -> Result<Kept, Errno> {
        let streams = [memory_file()?.into(), memory_file()?.into()];
        Ok(Kept { streams })
    }

    /// What is to be its standard output and standard error.
    pub fn raw(&self) -> [RawFd; 2] {
        self.streams.each_ref().map(AsRawFd::as_raw_fd)
    }

    /// The program has ended: what it said, as much as is kept.
    pub fn finish(self) -> String {
        let mut text = Vec::new();
        for stream in &self.streams {
            let mut room = [0; KEPT_BYTES];
            let room = &mut room[..KEPT_BYTES - text.len()];
            // A file in memory gives all that it has at once; an error (no memory to swap it in) is silence.
            let length = stream.read_at(room, 0).unwrap_or(0);
            text.extend(&room[..length]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A file without a name that everybody who has it can also open by path, whatever his uid: its mode lets all write.
/// What is written goes to its end, whoever opened it how often.
fn memory_file() -> Result<OwnedFd, Errno> {
    let make = |flags| memfd_create(c"monopod-kept", MFdFlags::MFD_CLOEXEC | flags);
    // No place for a program: what kernels before 6.3 do not know, and others may insist on (vm.memfd_noexec).
    let made = match make(MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL)) {
        Err(Errno::EINVAL) => make(MFdFlags::empty()),
        made => made,
    }?;
    fcntl(&made, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::write;
    use std::io::Write;

    #[test]
    fn output_comes_before_errors_whichever_was_written_first() {
        let kept = Kept::new().unwrap();
        write(&kept.streams[1], b"and why").unwrap();
        write(&kept.streams[0], b"what ").unwrap();
        assert_eq!(kept.finish(), "what and why");
    }

    #[test]
    fn s43_ten_kibibytes_are_kept_of_both_together_and_nobody_waits_for_the_rest() {
        for (out, err) in [(400 << 10, 0), (KEPT_BYTES - 3, 400 << 10), (3, 400 << 10)] {
            let kept = Kept::new().unwrap();
            (&kept.streams[0]).write_all(&vec![b'o'; out]).unwrap();
            (&kept.streams[1]).write_all(&vec![b'e'; err]).unwrap();
            let outs = out.min(KEPT_BYTES);
            let said = "o".repeat(outs) + &"e".repeat(KEPT_BYTES - outs);
            assert!(kept.finish() == said, "{out} and {err} bytes");
        }
    }

    #[test]
    fn who_opens_it_by_path_writes_after_what_is_there_as_does_who_inherited_it() {
        let kept = Kept::new().unwrap();
        let path = format!("/proc/self/fd/{}", kept.raw()[0]);
        write(&kept.streams[0], b"one, ").unwrap();
        let mut again = File::options().append(true).open(path).unwrap();
        again.write_all(b"two, ").unwrap();
        write(&kept.streams[0], b"three").unwrap();
        assert_eq!(kept.finish(), "one, two, three");
    }

    #[test]
    fn whoever_holds_it_and_goes_on_writing_holds_nobody_up() {
        let kept = Kept::new().unwrap();
        let mut held = kept.streams[0].try_clone().unwrap();
        held.write_all(b"left behind").unwrap();
        assert_eq!(kept.finish(), "left behind");
        held.write_all(b"and not alone").unwrap();
    }

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        let kept = Kept::new().unwrap();
        write(&kept.streams[0], b"\xff!").unwrap();
        assert_eq!(kept.finish(), "\u{fffd}!");
    }
}
