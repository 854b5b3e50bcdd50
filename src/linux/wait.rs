//! The one place where the core sleeps, and the only one where signals are let in.

use super::signals::{Inbox, Record};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use std::ptr;
use std::time::Duration;

/// How long descriptors are not looked at while the kernel refuses to watch them: short for who waits for an answer, long
/// enough not to spin.
const BLIND_REST: Duration = Duration::from_millis(50);

/// How long the handlers are put off when there is something to watch for the first time. It is most often the exec of the
/// first program, which comes within this time if it is let have the machine: installing them takes a processor 0.3 ms,
/// and that next to it makes the start a twelfth slower. Without a helper they are then never needed at all.
const PUT_OFF: Duration = Duration::from_millis(2);

/// Sleeps until a descriptor is readable, a signal comes, or `timeout` is over (`None`: never). Lets in one signal; those
/// behind it wait for the next turn, in the kernel's queue.
///
/// `ready` is filled with the descriptors that are ready, in ascending order; after a signal, with none: `ppoll` prefers
/// descriptors, so none was ready before it. For the same reason signals are looked at once more when one was: neither can
/// starve the other.
pub fn wait(
    inbox: &Inbox,
    descriptors: &[i32],
    timeout: Option<Duration>,
    records: &mut Vec<Record>,
    ready: &mut Vec<i32>,
) {
    ready.clear();
    if descriptors.is_empty() {
        return inbox.take(timeout, records);
    }
    let mut polled: Vec<libc::pollfd> = descriptors
        .iter()
        .copied()
        .chain(inbox.bell())
        .map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let woken = match inbox.is_open() {
        true => poll(&mut polled, timeout, &inbox.never_let_in()),
        false => open_late(inbox, &mut polled, timeout, records),
    };
    match woken {
        Woken::Signal => inbox.take_left(records),
        Woken::Descriptor => {
            inbox.take(Some(Duration::ZERO), records);
            let ready_ones = polled.iter().filter(|polled| polled.revents != 0);
            ready.extend(ready_ones.map(|polled| polled.fd));
        }
        Woken::Refused => {
            inbox.take(Some(timeout.unwrap_or(BLIND_REST).min(BLIND_REST)), records);
            ready.extend(descriptors);
        }
        Woken::Time => {}
    }
    ready.sort_unstable();
}

/// The first time: without handlers for as long as they can be put off, then with them.
fn open_late(
    inbox: &Inbox,
    polled: &mut [libc::pollfd],
    timeout: Option<Duration>,
    records: &mut Vec<Record>,
) -> Woken {
    let put_off = timeout.unwrap_or(PUT_OFF).min(PUT_OFF);
    inbox.take(Some(put_off), records);
    match poll(polled, Some(Duration::ZERO), inbox.everything()) {
        Woken::Time if records.is_empty() && timeout != Some(put_off) => {
            inbox.open();
            let rest = timeout.map(|timeout| timeout - put_off);
            poll(polled, rest, &inbox.never_let_in())
        }
        woken => woken,
    }
}

enum Woken {
    Signal,
    Descriptor,
    Time,
    /// Nothing was watched.
    Refused,
}

/// One `ppoll` with only `blocked` blocked. A signal that ends it was recorded by its handler.
fn poll(polled: &mut [libc::pollfd], timeout: Option<Duration>, blocked: &SigSet) -> Woken {
    let timeout = timeout.map(TimeSpec::from_duration);
    let timeout = timeout
        .as_ref()
        .map_or(ptr::null(), |span| ptr::from_ref(span.as_ref()));
    // SAFETY: all three outlive the call, and the length is the slice's.
    let ready = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            timeout,
            blocked.as_ref(),
        )
    };
    match ready {
        0 => Woken::Time,
        1.. => Woken::Descriptor,
        _ if Errno::last() == Errno::EINTR => Woken::Signal,
        // EINVAL: somebody has lowered our limit on descriptors below what is watched (prlimit(2)).
        _ => Woken::Refused,
    }
}
