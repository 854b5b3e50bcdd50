//! Closing what was inherited, once it is the children's.
//!
//! What surprised us: an init that keeps an inherited socket open keeps the port of a service that has long ended.

use std::ops::RangeInclusive;

/// The highest descriptor looked at one by one where the kernel has no close_range (before 5.9).
const HIGHEST_BY_HAND: u32 = 1023;

/// Closes every descriptor above 2 but `own`.
pub fn close_all_but(mut own: Vec<i32>) {
    own.sort_unstable();
    let mut from = 3;
    for fd in own
        .into_iter()
        .filter_map(|fd| u32::try_from(fd).ok())
        .filter(|fd| *fd >= 3)
    {
        close(from..=fd.saturating_sub(1));
        from = fd + 1;
    }
    close(from..=u32::MAX);
}

fn close(range: RangeInclusive<u32>) {
    if range.is_empty() {
        return;
    }
    // SAFETY: nothing in this process uses a descriptor in the range: what is ours was left out.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, *range.start(), *range.end(), 0) };
    if closed < 0 {
        for fd in *range.start()..=(*range.end()).min(HIGHEST_BY_HAND) {
            // SAFETY: as above.
            unsafe { libc::close(fd as i32) };
        }
    }
}
