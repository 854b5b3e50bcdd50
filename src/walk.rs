//! A path walked name by name, along folders only, for files that somebody else may have laid on it.
//!
//! What surprised us: O_NOFOLLOW is about the last name of a path alone. Whoever may rename a folder on the way to it can
//! put a link in its place, and have root read, empty or make a file anywhere. So a link anywhere on it (`/var/run`, say)
//! ends the walk, and whoever comes again keeps the folder and not its path.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

/// The folder that a path leads to without a link, and the name in it. What it gives names the folder only (O_PATH).
pub fn folder_and_name(path: &Path) -> Result<(OwnedFd, &Path), Errno> {
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    let way = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let mut folder = match path.is_absolute() {
        true => step(AT_FDCWD, Path::new("/"), way)?,
        false => step(AT_FDCWD, Path::new("."), way)?,
    };
    for component in path.parent().into_iter().flat_map(Path::components) {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(next) => folder = step(&folder, Path::new(next), way)?,
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::EINVAL),
        }
    }
    Ok((folder, Path::new(name)))
}

/// Opens what has this name in the folder, which must be no link.
pub fn step(folder: impl AsFd, name: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(folder, name, flags, Mode::from_bits_truncate(0o666))
}

/// Opens what `found` (O_PATH) names, as `options` say: that very thing, whatever has taken its name since. For who may put a FIFO
/// there, whose lock he holds, has an `open` by name wait for him, O_NONBLOCK or not. Without /proc it is an error.
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;
    use std::io::Read;

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
