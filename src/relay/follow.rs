//! A log file that others write is followed from its end, across its rotation, as `tail -F` would with more care.
//!
//! The core makes the inotify descriptor and notes where the file ended at the start; everything else is the relay's. The
//! place in the file stands in the shared pages: which file it is by device and inode, and how far it was read. A new
//! relay finds that file again wherever in its folder it was renamed to.
//!
//! - Renamed and made anew: the old file is read until nobody has it open for writing (a lease tells, fcntl(2)), or, where
//!   somebody has or that cannot be asked, until it was quiet for [`QUIET`]. Only then the new one is begun, at its beginning.
//!   What is written to the old one later is missed: of two files in hand one would be read behind the other's unfinished line,
//!   and how far would have to be told of both after a SIGKILL; and a program that never reopens its log would have the new one,
//!   or a third, wait for ever.
//! - Renamed and made anew twice before it was looked at: the file between is missed.
//! - Copied and truncated: reading goes on at the beginning. What was written but not read when it was truncated is in
//!   the copy and nowhere else; the relay reads at once when something is written, so that is little, unless whoever
//!   reads *its* output is slow.
//!
//! What surprised us: inotify on the folder tells of writes to all files in it, under whatever name, so one watch is
//! enough, and renaming does not end it. But it tells of none to a file elsewhere that a link in the folder leads to. So a
//! link is followed to its neighbour only.
//!
//! The relay is root here, and must not read out what whoever may write there may not read: so the folder is the one
//! that was there at the start, wherever its path leads by now, and a file with a second name, which may be a private one,
//! is not begun.

use super::pages::SourceWords;
use crate::walk::{self, folder_and_name, kind, step};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An old file that was not written to for so long is left for the new one.
pub const QUIET: Duration = Duration::from_secs(2);

/// What is wrong with a file that has two.
const TWO_NAMES: &str =
    "it has a second name (a hard link), and may be a file that is not for all to read";

/// A path that is followed.
#[derive(Debug)]
pub struct Followed {
    path: PathBuf,
    /// Where it lay at the start, and lies for ever. The path is for people, and for links that name a neighbour by it.
    folder: OwnedFd,
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
    /// A file with two names was passed over, and that was said.
    has_complained: bool,
}

impl Default for Following {
    fn default() -> Following {
        Following {
            open: None,
            is_behind: true,
            rotating_since: None,
            has_complained: false,
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
        let folder = folder_and_name(&path).and_then(|(folder, _)| {
            let readable = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
            step(folder, Path::new("."), readable)
        });
        let folder = folder.map_err(|errno| told(walk::why(errno)))?;
        let mut followed = Followed {
            path,
            folder,
            found: None,
        };
        let Some(name) = followed.name() else {
            return Err(told(
                "it is a link that leads out of its folder; name the file itself",
            ));
        };
        // What is not there may come.
        if let Ok(there) = followed.look_at(&name) {
            match kind(&there) {
                SFlag::S_IFREG if has_one_name(&there) => {
                    followed.found = Some((there.st_dev, there.st_ino, size(&there)));
                }
                SFlag::S_IFREG => return Err(told(TWO_NAMES)),
                SFlag::S_IFIFO => return Err(told("it is a FIFO; name it with --capture")),
                _ => return Err(told("it is no file")),
            }
        }
        let watched = watch(&followed.folder).map_err(|errno| match errno {
            Errno::ENOENT => told("that takes /proc, and it is not mounted"),
            other => told(other.desc()),
        })?;
        Ok((watched, followed))
    }

    /// Its folder.
    pub fn descriptor(&self) -> RawFd {
        self.folder.as_raw_fd()
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
        let look = self.look(words, following, has_waited);
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

    /// `waited` tells that [`QUIET`] has passed without a byte since [`Look::Rotating`].
    fn look(&self, words: &SourceWords, following: &mut Following, waited: bool) -> Look {
        loop {
            let current = Place::of(words);
            let open = &mut following.open;
            if open.is_none() {
                *open = self.find(&current);
            }
            let size = open.as_ref().and_then(size_of);
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
            let next = match self.name().map(|name| self.look_at(&name)) {
                Some(Ok(there)) if kind(&there) == SFlag::S_IFREG && !current.is(&there) => there,
                _ => return Look::AtEnd,
            };
            if !has_one_name(&next) {
                if !std::mem::replace(&mut following.has_complained, true) {
                    log::warn!("cannot follow {}: {TWO_NAMES}", self.path.display());
                }
                return Look::AtEnd;
            }
            if let Some(file) = &*open
                && !waited
                && may_be_written(file)
            {
                return Look::Rotating;
            }
            *open = None;
            current.switch(words, next.st_dev, next.st_ino);
        }
    }

    /// Opens the file in hand, under whatever name it lies in its folder.
    fn find(&self, current: &Place) -> Option<File> {
        let open = |name: &Path| {
            // Looked at before it is opened, for opening a device can do things; and after, for somebody may be quick.
            self.look_at(name).ok().filter(|there| current.is(there))?;
            let file = step(&self.folder, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK).ok()?;
            current.is(&fstat(&file).ok()?).then(|| File::from(file))
        };
        if current.inode == 0 {
            return None;
        }
        let named = self.name();
        named.and_then(|name| open(&name)).or_else(|| {
            let mut folder =
                Dir::openat(&self.folder, ".", OFlag::O_CLOEXEC, Mode::empty()).ok()?;
            let mut entries = folder.iter().flatten();
            entries
                .find_map(|entry| open(Path::new(OsStr::from_bytes(entry.file_name().to_bytes()))))
        })
    }

    /// The name in the folder of what the path leads to: its own, or that of what it is a link to, if that lies beside it.
    fn name(&self) -> Option<PathBuf> {
        let name = self.path.file_name()?;
        let Ok(target) = readlinkat(&self.folder, name) else {
            return Some(name.into());
        };
        let folder = self.path.parent()?;
        let beside = folder.join(target);
        let is_beside = beside.parent() == Some(folder);
        beside.file_name().filter(|_| is_beside).map(PathBuf::from)
    }

    fn look_at(&self, name: &Path) -> Result<FileStat, Errno> {
        fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// How many bytes have been written and not yet read.
    pub fn behind(&self, words: &SourceWords) -> u64 {
        let current = Place::of(words);
        let size = self.find(&current).as_ref().and_then(size_of);
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

    fn is(&self, there: &FileStat) -> bool {
        let is_it = (there.st_dev, there.st_ino) == (self.device, self.inode);
        is_it && kind(there) == SFlag::S_IFREG
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

/// Whoever gives a file a second name need not be allowed to read it.
fn has_one_name(there: &FileStat) -> bool {
    there.st_nlink <= 1
}

fn size(there: &FileStat) -> u64 {
    u64::try_from(there.st_size).unwrap_or(0)
}

fn size_of(file: &File) -> Option<u64> {
    fstat(file).ok().as_ref().map(size)
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

/// The folder and not its path, which may lead elsewhere by now.
fn watch(folder: impl AsFd) -> Result<OwnedFd, Errno> {
    let folder = format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd());
    let folder = CString::new(folder).expect("digits");
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
