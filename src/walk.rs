//! A path walked name by name, for files that somebody else may have laid on it.
//!
//! What surprised us: O_NOFOLLOW is about the last name of a path alone. Whoever may rename a folder on the way to it
//! can put a link in its place, and have root read, empty, make or remove a file anywhere. So a link is followed, and
//! `..` gone back by, only as long as every folder so far is root's or our own and nobody else may write there: then
//! nobody else laid it. `/var/run` of an image leads to `/run`, but a link below a folder of the application's ends the
//! walk. Whoever comes again keeps the folder and not its path.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A folder that a walk came to.
#[derive(Debug)]
pub struct Folder {
    /// Names it only (O_PATH).
    pub fd: OwnedFd,
    /// Nobody but root and ourselves can have made its path lead anywhere else, now or later.
    pub is_safe: bool,
}

/// The folder that a path leads to, and the name in it.
pub fn folder_and_name(path: &Path) -> Result<(OwnedFd, &Path), Errno> {
    let (folder, name) = walk(path, false)?;
    Ok((folder.fd, name))
}

/// The same, with the folders made that are missing.
pub fn made_folder_and_name(path: &Path) -> Result<(Folder, &Path), Errno> {
    walk(path, true)
}

/// Why a walk ended early, for people, and what to do.
pub fn why(errno: Errno) -> &'static str {
    match errno {
        Errno::ELOOP => {
            "a link is on the way to it, where others than root may lay one; name the folder that it leads to"
        }
        Errno::EINVAL => "its path goes back by \"..\"; name it without",
        other => other.desc(),
    }
}

/// Opens what has this name in the folder, which must be no link.
pub fn step(folder: impl AsFd, name: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(folder, name, flags, Mode::from_bits_truncate(0o666))
}

/// Opens what `found` (O_PATH) names, as `options` say: that very thing, whatever has taken its name since. For who may put
/// a FIFO there, whose lock he holds, has an `open` by name wait for him, O_NONBLOCK or not. Without /proc it is an error.
pub fn open_again(found: &File, options: &mut OpenOptions) -> io::Result<File> {
    let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
    options
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(itself)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("it cannot be opened without /proc"),
            _ => error,
        })
}

/// What has this name in the folder, be it a link.
pub fn look_at(folder: impl AsFd, name: &Path) -> Result<FileStat, Errno> {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// Its device and inode.
pub fn identity_of(folder: impl AsFd, name: &Path) -> Option<(u64, u64)> {
    look_at(folder, name).ok().as_ref().map(identity)
}

/// Device and inode.
pub fn identity(there: &FileStat) -> (u64, u64) {
    (there.st_dev, there.st_ino)
}

/// A file, a FIFO, or what it is.
pub fn kind(there: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(there.st_mode & SFlag::S_IFMT.bits())
}

fn walk(path: &Path, makes: bool) -> Result<(Folder, &Path), Errno> {
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    let start = match path.is_absolute() {
        true => Folder::start("/")?,
        false => Folder::start(".")?,
    };
    let way = path.parent().unwrap_or(Path::new(""));
    Ok((start.walk(way, makes)?, Path::new(name)))
}

/// The names of a path, the first one last.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
}

impl Folder {
    fn start(path: &str) -> Result<Folder, Errno> {
        Folder::entered(AT_FDCWD, OsStr::new(path), true)
    }

    fn entered(from: impl AsFd, name: &OsStr, is_from_safe: bool) -> Result<Folder, Errno> {
        let fd = step(from, Path::new(name), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let there = fstat(&fd)?;
        let is_safe = is_from_safe && is_own(&there) && there.st_mode & WRITABLE_BY_OTHERS == 0;
        Ok(Folder { fd, is_safe })
    }

    /// `self` is where the names of `path` begin, even if it begins with a slash.
    fn walk(self, path: &Path, makes: bool) -> Result<Folder, Errno> {
        let mut here = self;
        let mut ahead: Vec<OsString> = names(path).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." && !here.is_safe {
                return Err(Errno::EINVAL);
            }
            match here.enter(&name, makes) {
                Ok(next) => here = next,
                Err(Errno::ENOTDIR) => {
                    let target = here.link(&name)?;
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::ELOOP);
                    }
                    ahead.extend(names(&target));
                    if target.is_absolute() {
                        here = Folder::start("/")?;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(here)
    }

    fn enter(&self, name: &OsStr, makes: bool) -> Result<Folder, Errno> {
        let enter = || Folder::entered(&self.fd, name, self.is_safe);
        match enter() {
            Err(Errno::ENOENT) if makes => {
                match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o777)) {
                    Ok(()) | Err(Errno::EEXIST) => enter(),
                    Err(errno) => Err(errno),
                }
            }
            outcome => outcome,
        }
    }

    /// What this name, which is no folder's, leads to; ELOOP if others may have laid it.
    fn link(&self, name: &OsStr) -> Result<PathBuf, Errno> {
        let target = readlinkat(&self.fd, name).map_err(|_| Errno::ENOTDIR)?;
        let there = look_at(&self.fd, Path::new(name))?;
        match self.is_safe && is_own(&there) {
            true => Ok(target.into()),
            false => Err(Errno::ELOOP),
        }
    }
}

fn is_own(there: &FileStat) -> bool {
    there.st_uid == 0 || there.st_uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A walk that begins in a folder with this mode, in which `to` is a folder, `file` a file, and the links lie:
    /// what it came to, by its name in there.
    fn walked(name: &str, mode: u32, path: &str) -> Result<PathBuf, Errno> {
        let ground = format!("monopod-walk-{name}-{}", std::process::id());
        let ground = std::env::temp_dir().join(ground);
        fs::create_dir_all(ground.join("to/deep")).unwrap();
        for folder in [ground.join("to"), ground.join("to/deep")] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(ground.join("file"), "").unwrap();
        symlink("to", ground.join("beside")).unwrap();
        symlink("../to/deep", ground.join("to/back")).unwrap();
        symlink("loop", ground.join("loop")).unwrap();
        symlink("/usr/lib", ground.join("far")).unwrap();
        fs::set_permissions(&ground, Permissions::from_mode(mode)).unwrap();
        let start = step(AT_FDCWD, &ground, OFlag::O_PATH).unwrap();
        let start = Folder::entered(&start, OsStr::new("."), true).unwrap();
        let outcome = start.walk(Path::new(path), false).map(|folder| {
            let path = fs::read_link(format!("/proc/self/fd/{}", folder.fd.as_raw_fd())).unwrap();
            path.strip_prefix(&ground)
                .map(Path::to_owned)
                .unwrap_or(path)
        });
        fs::remove_dir_all(&ground).unwrap();
        outcome
    }

    #[test]
    fn a_link_is_followed_where_nobody_else_can_have_laid_it() {
        for (path, came_to) in [
            ("to/deep", "to/deep"),
            ("beside/deep", "to/deep"),
            ("beside/back", "to/deep"),
            ("to/deep/../../beside", "to"),
            ("far", "/usr/lib"),
        ] {
            assert_eq!(walked("own", 0o755, path), Ok(came_to.into()), "{path}");
        }
        assert_eq!(walked("own", 0o755, "loop"), Err(Errno::ELOOP));
        assert_eq!(walked("own", 0o755, "file/deep"), Err(Errno::ENOTDIR));
    }

    #[test]
    fn a_link_that_others_may_have_laid_ends_the_walk_and_so_does_one_below() {
        for mode in [0o777, 0o775, 0o1777] {
            assert_eq!(walked("others", mode, "to/deep"), Ok("to/deep".into()));
            for path in ["beside", "loop", "far", "to/back"] {
                let ended = walked("others", mode, path);
                assert_eq!(ended, Err(Errno::ELOOP), "{path} in {mode:o}");
            }
            assert_eq!(walked("others", mode, "to/.."), Err(Errno::EINVAL));
            assert_eq!(walked("others", mode, "file/deep"), Err(Errno::ENOTDIR));
        }
    }

    #[test]
    fn what_was_found_is_opened_whatever_has_taken_its_name() {
        let name = format!("monopod-walk-{}", std::process::id());
        let ground = std::env::temp_dir().join(name);
        fs::create_dir(&ground).unwrap();
        let (file, fifo) = (ground.join("file"), ground.join("fifo"));
        fs::write(&file, "the one").unwrap();
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let (folder, name) = folder_and_name(&file).unwrap();
        let found = File::from(step(&folder, name, OFlag::O_PATH).unwrap());
        // An open of this by name would wait for a writer.
        fs::rename(&fifo, &file).unwrap();
        let mut text = String::new();
        let mut again = open_again(&found, File::options().read(true)).unwrap();
        again.read_to_string(&mut text).unwrap();
        assert_eq!(text, "the one");
        fs::remove_dir_all(&ground).unwrap();
    }
}
