//! Closing what was inherited: for the core, once it is its children's; for the helper, before it hears a stranger.
//!
//! What surprised us: an init that keeps an inherited socket open keeps the port of a service that has long ended.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

/// The highest descriptor looked for where there is no close_range. One above it was opened by a caller with a raised
/// limit and then inherited; looking for those would take minutes where the limit is a thousand million.
const HIGHEST_BY_HAND: u64 = 65_536;

/// Closes every descriptor above 2 but `own`, which must be all that this process still uses.
pub fn close_all_but(mut own: Vec<i32>) -> Result<(), Errno> {
    own.sort_unstable();
    let mut first = 3;
    for fd in own
        .into_iter()
        .filter_map(|fd| u32::try_from(fd).ok())
        .filter(|fd| *fd >= 3)
    {
        close(first, fd - 1)?;
        first = fd + 1;
    }
    close(first, u32::MAX)
}

/// Closes `first` to `last`, both included. By hand where the kernel is older than 5.9 or a seccomp profile than that.
fn close(first: u32, last: u32) -> Result<(), Errno> {
    if first > last {
        return Ok(());
    }
    // SAFETY: by the condition of `close_all_but`, nothing in this process uses what is closed here.
    let closed = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first as usize,
            last as usize,
            0_usize,
        )
    };
    if Errno::result(closed).is_ok() {
        return Ok(());
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    for number in u64::from(first)..=u64::from(last).min(soft).min(HIGHEST_BY_HAND) {
        // SAFETY: as above; a number that is not open is an error and nothing else.
        unsafe { libc::close(number as i32) };
    }
    Ok(())
}
