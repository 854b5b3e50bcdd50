//! A FIFO at a path, for programs that insist on a log file: whoever may enter the folder may write, as any uid, and the
//! lines reach monopod's own output.
//!
//! The core opens it for reading and writing, so that a writer neither waits for a reader nor gets SIGPIPE. What was made
//! here is taken away on leaving; a FIFO that was there before is used as it is and stays.
//!
//! The folder is often that of a program that is not root, and what it lays there must not lead us anywhere else. So
//! the folder is walked to once ([`walk`](crate::walk)) and kept, and everything is done in it and never by the path
//! again. Only the mode of what was made here is changed.

use crate::walk::{self, folder_and_name, kind, look_at, open_again, step};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, mkfifoat, unlinkat};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// At first, so that nobody else opens it before us.
const OURS: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);
/// Not the umask's business: any uid may write. And read: who opens a log to append to it may ask for more than it
/// needs.
const FOR_ALL: Mode = Mode::from_bits_truncate(0o666);

const SOMETHING_ELSE: &str = "somebody put something else there";

/// What is left to do on leaving.
#[derive(Debug)]
pub struct Fifo {
    /// Where it was found or made, wherever that lies by now.
    folder: OwnedFd,
    name: PathBuf,
    /// Device and inode.
    is: (u64, u64),
    is_made: bool,
}

impl Fifo {
    /// Makes or finds it. The fault names the path and says what to do.
    pub fn open(path: &Path) -> Result<(OwnedFd, Fifo), String> {
        let told = |why: &str| format!("cannot capture {}: {why}", path.display());
        // Absolute, so that the walk sees the whole way.
        let whole = std::path::absolute(path).map_err(|error| told(&error.to_string()))?;
        let (folder, name) = folder_and_name(&whole).map_err(|errno| told(walk::why(errno)))?;
        let is_made = match look_at(&folder, name) {
            Err(_) => mkfifoat(&folder, name, OURS)
                .map(|()| true)
                .map_err(|errno| told(errno.desc()))?,
            Ok(there) if kind(&there) == SFlag::S_IFIFO => false,
            Ok(there) => return Err(told(instead(&there))),
        };
        let found = step(&folder, name, OFlag::O_PATH).map_err(|errno| told(errno.desc()))?;
        let there = fstat(&found).map_err(|errno| told(errno.desc()))?;
        check(&there, is_made).map_err(told)?;
        let fifo = Fifo {
            is: walk::identity(&there),
            name: name.to_owned(),
            folder,
            is_made,
        };
        match fifo.open_found(&found.into()) {
            Ok(opened) => Ok((opened, fifo)),
            Err(why) => {
                fifo.remove();
                Err(told(&why))
            }
        }
    }

    fn open_found(&self, found: &File) -> Result<OwnedFd, String> {
        let opened: OwnedFd = match Path::new("/proc/self/fd").exists() {
            true => open_again(found, File::options().read(true).write(true))
                .map_err(|error| words(&error))?
                .into(),
            false => {
                let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
                step(&self.folder, &self.name, flags).map_err(|errno| errno.desc().to_owned())?
            }
        };
        // By its name something else can have come.
        if fstat(&opened).map(|opened| walk::identity(&opened)) != Ok(self.is) {
            return Err(SOMETHING_ELSE.to_owned());
        }
        if self.is_made {
            // A file system that knows no modes has the one that suits it.
            let _ = fchmod(&opened, FOR_ALL);
        }
        Ok(opened)
    }

    /// Whether they are one FIFO, by whatever paths.
    pub fn is_same(&self, other: &Fifo) -> bool {
        self.is == other.is
    }

    /// Its folder.
    pub fn descriptor(&self) -> RawFd {
        self.folder.as_raw_fd()
    }

    /// Takes away what was made, unless something else is there by now. Who is quick enough to put something there in
    /// between may write to the folder, and could remove it himself.
    pub fn remove(&self) {
        if self.is_made && walk::identity_of(&self.folder, &self.name) == Some(self.is) {
            // A folder that became read-only keeps it; the next start finds it and uses it.
            let _ = unlinkat(&self.folder, &self.name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Between the making and this look somebody may have been quick, and whoever gives a FIFO a second name need not be
/// allowed to read it.
fn check(there: &FileStat, is_made: bool) -> Result<(), &'static str> {
    if kind(there) != SFlag::S_IFIFO || (is_made && there.st_uid != geteuid().as_raw()) {
        return Err(SOMETHING_ELSE);
    }
    match there.st_nlink <= 1 {
        true => Ok(()),
        false => Err(
            "it has a second name (a hard link), and may be a FIFO that is not for all; remove it first",
        ),
    }
}

fn instead(there: &FileStat) -> &'static str {
    match kind(there) {
        SFlag::S_IFREG => "a file is there already; remove it, or follow it with --capture-follow",
        SFlag::S_IFLNK => "a link is there already; remove it first",
        SFlag::S_IFDIR => "a folder is there already; remove it first",
        _ => "something that is no FIFO is there already; remove it first",
    }
}

/// The kernel's words without the number that the standard library adds.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
