//! A FIFO at a path, for programs that insist on a log file: whoever may enter the folder may write, as any uid, and the
//! lines reach monopod's own output.
//!
//! The core opens it for reading and writing, so that a writer neither waits for a reader nor gets SIGPIPE. What was made
//! here is taken away on leaving; a FIFO that was there before is used and stays.

use nix::errno::Errno;
use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Readable for all as well: who opens a log to append to it may ask for more than it needs.
const MODE: u32 = 0o666;

/// What is left to do on leaving.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
    is_made: bool,
}

impl Fifo {
    /// Makes or finds it. The fault names the path and says what to do.
    pub fn open(path: &Path) -> Result<(OwnedFd, Fifo), String> {
        let told = |why: String| format!("cannot capture {}: {why}", path.display());
        // Absolute, because the core leaves its working directory.
        let path = std::path::absolute(path).map_err(|error| told(error.to_string()))?;
        let found = fs::symlink_metadata(&path).ok();
        match &found {
            None => make(&path).map_err(|errno| told(errno.desc().to_owned()))?,
            Some(there) if there.file_type().is_fifo() => {}
            Some(there) => return Err(told(instead(there))),
        }
        let opened = fs::File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .map_err(|error| told(words(&error)))?;
        let is = opened.metadata().map_err(|error| told(words(&error)))?;
        if !is.file_type().is_fifo() {
            return Err(told("somebody put something else there".to_owned()));
        }
        // Not the umask's business: any uid may write. Refused if it is somebody else's, and then that is their choice.
        let _ = opened.set_permissions(fs::Permissions::from_mode(MODE));
        let fifo = Fifo {
            path,
            is: (is.dev(), is.ino()),
            is_made: found.is_none(),
        };
        Ok((opened.into(), fifo))
    }

    /// Whether they are one FIFO, by whatever paths.
    pub fn is_same(&self, other: &Fifo) -> bool {
        self.is == other.is
    }

    /// Takes away what was made, unless something else is there by now.
    pub fn remove(&self) {
        let is_there = |is: fs::Metadata| (is.dev(), is.ino()) == self.is;
        if self.is_made && fs::symlink_metadata(&self.path).is_ok_and(is_there) {
            // A folder that became read-only keeps it; the next start finds it and uses it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make(path: &Path) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: a C string that outlives the call.
    Errno::result(unsafe { libc::mkfifo(path.as_ptr(), MODE) }).map(drop)
}

fn instead(there: &fs::Metadata) -> String {
    let kind = there.file_type();
    let what = if kind.is_file() {
        return "a file is there already; remove it, or follow it with --capture-follow".to_owned();
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "something that is no FIFO"
    };
    format!("{what} is there already; remove it first")
}

fn words(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
