//! Standard input to its end, before there is a core: a manifest by `-f -`.
//!
//! Whoever writes it may take their time or never end, and no signal is let in yet. So it never waits longer than a
//! moment without looking whether a stop was asked for; a stop ends the reading.

use std::io;

/// From one look at the pending signals to the next.
const MOMENT_MS: libc::c_int = 100;

/// Standard input to its end, if that is not more than so many bytes.
pub fn read_to_end(most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        if is_stop_pending() {
            return Err(io::Error::other("a stop was asked for before its end"));
        }
        let mut polled = libc::pollfd {
            fd: libc::STDIN_FILENO,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd that lives through the call.
        match unsafe { libc::poll(&mut polled, 1, MOMENT_MS) } {
            0 => continue,
            -1 => return Err(io::Error::last_os_error()),
            _ => {}
        }
        let mut piece = [0_u8; 4096];
        // SAFETY: the buffer is as long as is said.
        let length =
            unsafe { libc::read(libc::STDIN_FILENO, piece.as_mut_ptr().cast(), piece.len()) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        if length == 0 {
            return Ok(content);
        }
        content.extend_from_slice(&piece[..length]);
        if content.len() as u64 > most_bytes {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
    }
}

fn is_stop_pending() -> bool {
    // SAFETY: an all-zero set is a set, and sigpending fills it.
    let pending = unsafe {
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut pending);
        pending
    };
    // SAFETY: the set was filled, and these are signals.
    [libc::SIGTERM, libc::SIGINT]
        .iter()
        .any(|signal| unsafe { libc::sigismember(&pending, *signal) == 1 })
}
