//! A path walked name by name, along folders only, for files that somebody else may have laid on it.
//!
//! What surprised us: O_NOFOLLOW is about the last name of a path alone. Whoever may rename a folder on the way to it can
//! put a link in its place, and have root read, empty or make a file anywhere. So a link anywhere on it (`/var/run`, say)
//! ends the walk, and whoever comes again keeps the folder and not its path.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, OwnedFd};
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
