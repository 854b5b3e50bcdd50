//! A log file that others write is followed from its end, across its rotation, as `tail -F` would with more care.
//!
//! The core makes the inotify descriptor and notes where the file ended at the start; everything else is the relay's. The
//! place in the file stands in the shared pages: which file it is by device and inode, and how far it was read. A new
//! relay finds that file again wherever in its folder it was renamed to.
//!
//! - Renamed and made anew: the old file is read until nobody has it open for writing (a lease tells, fcntl(2)); where
//!   that cannot be asked, until it was quiet for [`QUIET`]. Only then the new one is begun, at its beginning.
//! - Renamed and made anew twice before it was looked at: the file between is missed.
//! - Copied and truncated: reading goes on at the beginning. What was written but not read when it was truncated is in
//!   the copy and nowhere else; the relay reads at once when something is written, so that is little, unless whoever
//!   reads *its* output is slow.
//!
//! What surprised us: inotify on the folder tells of writes to all files in it, under whatever name, so one watch is
//! enough, and renaming does not end it. But it tells of none to a file elsewhere that a link in the folder leads to. So a
//! link is followed to its neighbour only; which also keeps whoever may write in the folder from having the relay, which
//! is root here, read out what he may not read.

use super::pages::SourceWords;
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::{self, File, Metadata};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An old file that was not written to for so long is left for the new one.
pub const QUIET: Duration = Duration::from_secs(2);

/// A path that is followed.
#[derive(Debug)]
pub struct Followed {
    path: PathBuf,
    /// What is there at the start: device, inode, size.
    found: Option<(u64, u64, u64)>,
}

/// In the relay: how the following of a path stands. At first there may be something to read.
#[derive(Debug)]
pub struct Following {
    /// The file in hand.
    open: Option<File>,
    /// There may be more to read than was read.
    pub is_behind: bool,
    /// A new file waits for the old one to be quiet since this moment.
    pub rotating_since: Option<Instant>,
}

impl Default for Following {
    fn default() -> Following {
        Following {
            open: None,
            is_behind: true,
            rotating_since: None,
        }
    }
}

/// What a look came to.
#[derive(Debug)]
enum Look {
    /// Read this, at this offset.
    Read(RawFd, u64),
    /// Nothing more for now.
    AtEnd,
    /// The old file may still be written to: look again after [`QUIET`], whether or not something happens.
    Rotating,
}

impl Followed {
    /// In the core: begins to watch. The fault names the path and says what to do.
    pub fn open(path: &Path) -> Result<(OwnedFd, Followed), String> {
        let told = |why: &str| format!("cannot follow {}: {why}", path.display());
        // Absolute, because the relay leaves the working directory.
        let path = std::path::absolute(path).map_err(|error| told(&error.to_string()))?;
        let Some(file) = file_at(&path) else {
            return Err(told(
                "it is a link that leads out of its folder; name the file itself",
            ));
        };
        let found = match fs::symlink_metadata(&file) {
            Ok(there) if there.is_file() => Some((there.dev(), there.ino(), there.size())),
            Ok(there) if there.file_type().is_fifo() => {
                return Err(told("it is a FIFO; name it with --capture"));
            }
            Ok(_) => return Err(told("it is no file")),
            // It may come.
            Err(_) => None,
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        let watched = watch(folder).map_err(|errno| told(errno.desc()))?;
        Ok((watched, Followed { path, found }))
    }

    /// In the core: notes where to begin.
    pub fn begin(&self, words: &SourceWords) {
        if let Some((device, inode, size)) = self.found {
            words.files[0].device.store(device, Ordering::Release);
            words.files[0].inode.store(inode, Ordering::Release);
            let base = 0_u64.wrapping_sub(size);
            words.files[0].base.store(base, Ordering::Release);
        }
    }

    /// In the relay: what to read next, and at which offset; `None` if there is nothing for now.
    pub fn next(&self, words: &SourceWords, following: &mut Following) -> Option<(RawFd, u64)> {
        let since = following.rotating_since;
        let has_waited = since.is_some_and(|since| since.elapsed() >= QUIET);
        if !following.is_behind && !has_waited {
            return None;
        }
        let look = self.look(words, &mut following.open, has_waited);
        following.is_behind = matches!(look, Look::Read(..));
        following.rotating_since = match look {
            Look::Rotating => since.or_else(|| Some(Instant::now())),
            Look::Read(..) | Look::AtEnd => None,
        };
        match look {
            Look::Read(file, offset) => Some((file, offset)),
            Look::AtEnd | Look::Rotating => None,
        }
    }

    /// `open` is the file in hand, if it is open; `waited` tells that [`QUIET`] has passed without a byte since
    /// [`Look::Rotating`].
    fn look(&self, words: &SourceWords, open: &mut Option<File>, waited: bool) -> Look {
        loop {
            let current = Place::of(words);
            if open.is_none() {
                *open = self.find(&current);
            }
            let size = open
                .as_ref()
                .and_then(|file| file.metadata().ok())
                .map(|is| is.size());
            match (&*open, size) {
                (Some(file), Some(size)) if size > current.offset => {
                    return Look::Read(file.as_raw_fd(), current.offset);
                }
                (Some(_), Some(size)) if size < current.offset => {
                    // Truncated.
                    current.switch(words, current.device, current.inode);
                    continue;
                }
                _ => {}
            }
            let next = match file_at(&self.path).map(fs::symlink_metadata) {
                Some(Ok(there)) if there.is_file() && !current.is(&there) => there,
                _ => return Look::AtEnd,
            };
            if let Some(file) = &*open
                && !waited
                && may_be_written(file)
            {
                return Look::Rotating;
            }
            *open = None;
            current.switch(words, next.dev(), next.ino());
        }
    }

    /// Opens the file in hand, under whatever name it lies in its folder.
    fn find(&self, current: &Place) -> Option<File> {
        let open = |path: &Path| {
            let file = File::options()
                .read(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
                .open(path)
                .ok()?;
            current.is(&file.metadata().ok()?).then_some(file)
        };
        if current.inode == 0 {
            return None;
        }
        let named = file_at(&self.path);
        named.and_then(|path| open(&path)).or_else(|| {
            let mut entries = fs::read_dir(self.path.parent()?).ok()?.flatten();
            entries.find_map(|entry| {
                let is_it = entry.metadata().is_ok_and(|there| current.is(&there));
                is_it.then(|| open(&entry.path())).flatten()
            })
        })
    }

    /// How many bytes have been written and not yet read.
    pub fn behind(&self, words: &SourceWords) -> u64 {
        let current = Place::of(words);
        let size = self
            .find(&current)
            .and_then(|file| file.metadata().ok())
            .map(|is| is.size());
        size.unwrap_or(0).saturating_sub(current.offset)
    }
}

/// A file and the offset up to which it was read.
struct Place {
    slot: u64,
    device: u64,
    inode: u64,
    offset: u64,
}

impl Place {
    fn of(words: &SourceWords) -> Place {
        let slot = words.slot.load(Ordering::Acquire) & 1;
        let file = &words.files[slot as usize];
        let taken = words.taken.load(Ordering::Acquire);
        Place {
            slot,
            device: file.device.load(Ordering::Acquire),
            inode: file.inode.load(Ordering::Acquire),
            offset: taken.wrapping_sub(file.base.load(Ordering::Acquire)),
        }
    }

    fn is(&self, there: &Metadata) -> bool {
        (there.dev(), there.ino()) == (self.device, self.inode)
    }

    /// From now on it is the beginning of this file. The slot is stored last: before it, nothing has changed.
    fn switch(&self, words: &SourceWords, device: u64, inode: u64) {
        let other = &words.files[(self.slot ^ 1) as usize];
        other.device.store(device, Ordering::Release);
        other.inode.store(inode, Ordering::Release);
        let taken = words.taken.load(Ordering::Acquire);
        other.base.store(taken, Ordering::Release);
        // A line that the old file did not end, ends with it.
        if words.marks.next().is_none() {
            words.marks.write_own(taken);
        }
        words.slot.store(self.slot ^ 1, Ordering::Release);
    }
}

/// What a path leads to: itself, or what it is a link to, if that lies beside it.
fn file_at(path: &Path) -> Option<PathBuf> {
    let Ok(target) = fs::read_link(path) else {
        return Some(path.to_owned());
    };
    let folder = path.parent()?;
    let beside = folder.join(target);
    (beside.parent() == Some(folder)).then_some(beside)
}

/// Whether somebody has it open for writing, or it cannot be told.
fn may_be_written(file: &File) -> bool {
    // SAFETY: plain numbers. The lease is given back at once; nobody is told of its breaking meanwhile.
    unsafe {
        let leased = libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) == 0;
        if leased {
            libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK);
        }
        !leased
    }
}

fn watch(folder: &Path) -> Result<OwnedFd, Errno> {
    let folder = CString::new(folder.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: makes a descriptor that nobody else knows of.
    let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
    // SAFETY: it was just made, if it was.
    let fd = unsafe { OwnedFd::from_raw_fd(Errno::result(fd)?) };
    let events = libc::IN_CREATE
        | libc::IN_MOVED_TO
        | libc::IN_MODIFY
        | libc::IN_CLOSE_WRITE
        | libc::IN_ONLYDIR;
    // SAFETY: a C string that outlives the call.
    Errno::result(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), folder.as_ptr(), events) })?;
    Ok(fd)
}
