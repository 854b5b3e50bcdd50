//! The one place where the core sleeps, and the only one where signals are let in.

use super::signals::MOST_PER_TURN;
use nix::sys::time::TimeSpec;
use std::ptr;
use std::time::Duration;

/// Sleeps until a descriptor is readable, a signal was let in, or `timeout` is over (`None`: never). Says whether a
/// signal was let in.
///
/// Signals and descriptors are both looked at in every turn, so neither can starve the other: `ppoll` prefers
/// descriptors, hence the second call, which looks at signals only and returns at once.
pub fn wait(descriptors: &[i32], timeout: Option<Duration>) -> bool {
    let mut polled: Vec<libc::pollfd> = descriptors
        .iter()
        .map(|fd| libc::pollfd {
            fd: *fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let mut let_in = usize::from(let_in_one(&mut polled, timeout));
    if let_in > 0 || !descriptors.is_empty() {
        while let_in < MOST_PER_TURN && let_in_one(&mut [], Some(Duration::ZERO)) {
            let_in += 1;
        }
    }
    let_in > 0
}

/// One `ppoll` with no signal blocked. True if it was ended by a signal, which its handler has then recorded.
fn let_in_one(polled: &mut [libc::pollfd], timeout: Option<Duration>) -> bool {
    let timeout = timeout.map(TimeSpec::from_duration);
    // SAFETY: sigset_t is a plain C struct; sigemptyset makes it a set.
    let nothing_blocked = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    };
    let timeout = timeout
        .as_ref()
        .map_or(ptr::null(), |span| ptr::from_ref(span.as_ref()));
    // SAFETY: all three outlive the call, and the length is the slice's.
    let ready = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            timeout,
            &nothing_blocked,
        )
    };
    ready < 0 && nix::errno::Errno::last() == nix::errno::Errno::EINTR
}
