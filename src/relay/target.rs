//! What is behind descriptors 1 and 2, and how much may be written there at once.

use nix::sys::resource::{Resource, getrlimit};
use std::os::fd::RawFd;

/// Writes up to this long are not torn apart by other writers of a pipe (PIPE_BUF, pipe(7)), and lie in one page.
const WHOLE_WRITE_BYTES: usize = 4096;

/// As many whole lines as one write can take without being torn apart; one at least.
pub fn whole_lines(output: &[u8]) -> usize {
    if output.len() <= WHOLE_WRITE_BYTES {
        return output.len();
    }
    let end = last_break(&output[..WHOLE_WRITE_BYTES])
        .or_else(|| output.iter().position(|byte| *byte == b'\n'));
    end.map_or(output.len(), |end| end + 1)
}

fn last_break(text: &[u8]) -> Option<usize> {
    // SAFETY: reads no byte beyond the slice's length.
    let found = unsafe { libc::memrchr(text.as_ptr().cast(), i32::from(b'\n'), text.len()) };
    (!found.is_null()).then(|| found as usize - text.as_ptr() as usize)
}

fn stat(fd: RawFd) -> Option<libc::stat> {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills one struct.
    (unsafe { libc::fstat(fd, &raw mut stat) } == 0).then_some(stat)
}

/// What kind of thing is behind a descriptor: one of the S_IF constants.
pub fn kind(fd: RawFd) -> Option<libc::mode_t> {
    stat(fd).map(|stat| stat.st_mode & libc::S_IFMT)
}

/// Whether it is a regular file.
pub fn is_file(fd: RawFd) -> bool {
    kind(fd) == Some(libc::S_IFREG)
}

/// Whether a write there waits for a reader whatever it is told: a socket or a terminal. Of other devices none is known
/// to wait, and some never say that there is room (/dev/kmsg).
pub fn can_wait(fd: RawFd) -> bool {
    // SAFETY: asks about a number.
    kind(fd) == Some(libc::S_IFSOCK) || unsafe { libc::isatty(fd) } == 1
}

/// Whether a write would not have to wait before its first byte, or would fail.
pub fn takes_some(fd: RawFd) -> bool {
    let mut polled = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one struct, which outlives the call.
    unsafe { libc::poll(&raw mut polled, 1, 0) != 0 }
}

/// Where in a file the next write goes: to its end if it was opened for appending, else to the place that all who share the
/// descriptor write on from. 0 of anything else.
pub fn next_place(fd: RawFd) -> usize {
    let Some(file) = stat(fd).filter(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG) else {
        return 0;
    };
    // SAFETY: asks about a number, twice.
    let (flags, place) = unsafe {
        (
            libc::fcntl(fd, libc::F_GETFL),
            libc::lseek(fd, 0, libc::SEEK_CUR),
        )
    };
    match flags & libc::O_APPEND {
        0 => place.max(0) as usize,
        _ => file.st_size as usize,
    }
}

/// Asks that a pipe behind `fd` hold `bytes`; one that holds more already stays as it is. A short line takes a page of a pipe
/// as a long one does, so an ordinary one has room for 16 when its reader stands still. And a batch that fits goes out
/// without waiting for the reader in between. Refused: a slow pipe and nothing worse.
pub fn enlarge(fd: RawFd, bytes: usize) {
    let bytes = bytes as libc::c_int;
    // SAFETY: plain numbers. What is no pipe says so in both calls.
    unsafe {
        if (0..bytes).contains(&libc::fcntl(fd, libc::F_GETPIPE_SZ)) {
            libc::fcntl(fd, libc::F_SETPIPE_SZ, bytes);
        }
    }
}

/// How large a file this process may write (RLIMIT_FSIZE).
pub fn file_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_FSIZE).ok().map(|(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_made_larger_but_never_smaller() {
        use super::super::pipe::Pipe;
        use nix::fcntl::OFlag;
        use std::os::fd::AsRawFd;
        // SAFETY: asks about a number.
        let size = |fd| unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) };
        for (had, asked, has) in [(65536, 131_072, 131_072), (262_144, 131_072, 262_144)] {
            let pipe = Pipe::new(OFlag::empty(), had).expect("a pipe");
            enlarge(pipe.into.as_raw_fd(), asked);
            assert_eq!(size(pipe.out.as_raw_fd()), has);
        }
    }

    #[test]
    fn a_write_ends_with_a_line_and_is_short_unless_the_line_is_long() {
        assert_eq!(whole_lines(b"a\nb\n"), 4);
        let lines = [&[b'x'; 99][..], b"\n"].concat().repeat(100);
        assert_eq!(whole_lines(&lines), 4000);
        let long = [&[b'x'; 9000][..], b"\ny\n"].concat();
        assert_eq!(whole_lines(&long), 9001);
    }
}
