//! The control socket: who may have it, where it is, and who may use it.
//!
//! Bound by the core before anything is started, like the port. The file is for its owner alone (0600), so that others are
//! kept out by the kernel; whoever gets past that (a group that was given the file, a capability) is looked at again by
//! uid at the other end. Uid 0 and monopod's own may command: not the uid of a container of the manifest, or every
//! process of an application could stop its neighbours.
//!
//! What surprised us: a socket file outlives its process. Whether somebody listens behind it is only told by knocking. And
//! between bind and listen nobody does: so from the knock to the listening a lock is held, or one that starts at the same
//! time would be taken for dead and lose its file.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, umask};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket, and the file that leads to it.
#[derive(Debug)]
pub struct Control {
    listener: OwnedFd,
    path: PathBuf,
    /// Device and inode of the file, to know it again.
    file: Option<(u64, u64)>,
}

/// Listens at this path: never blocks, not inherited by children. A file that nobody listens behind is replaced; one with
/// somebody there is theirs, and that is the error.
pub fn listen(path: &Path) -> io::Result<Control> {
    if let Some(folder) = path.parent()
        && let Err(error) = fs::create_dir_all(folder)
    {
        // The bind would only find that there is no such folder.
        let why = format!("{} cannot be made: {}", folder.display(), words(&error));
        return Err(io::Error::new(error.kind(), why));
    }
    let lock = Lock::take(path)?;
    let listener = match bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            make_way(path)?;
            bind(path)?
        }
        outcome => outcome?,
    };
    drop(lock);
    listener.set_nonblocking(true)?;
    let file = fs::symlink_metadata(path).ok();
    Ok(Control {
        listener: listener.into(),
        path: path.to_owned(),
        file: file.map(|file| (file.dev(), file.ino())),
    })
}

/// A file beside the socket that one monopod at a time holds and removes again. One that was left behind is not held.
struct Lock {
    path: PathBuf,
    held: File,
}

impl Lock {
    /// Never waits. Nothing if there can be no lock here: what hinders it hinders the socket too, whose error says more,
    /// or is a file system without locks.
    fn take(socket: &Path) -> io::Result<Option<Lock>> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let Ok(held) = options.mode(0o600).custom_flags(flags).open(&path) else {
            return Ok(None);
        };
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(another_starts()),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
        let lock = Lock { path, held };
        match lock.is_in_its_place() {
            true => Ok(Some(lock)),
            // Its holder removed it after we had opened it.
            false => Err(another_starts()),
        }
    }

    fn is_in_its_place(&self) -> bool {
        let there = fs::symlink_metadata(&self.path).ok();
        let held = self.held.metadata().ok();
        let [there, held] = [there, held].map(|file| file.map(|file| (file.dev(), file.ino())));
        held.is_some() && held == there
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_in_its_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn another_starts() -> io::Error {
    let why = "another monopod is starting here; give this one a path of its own";
    io::Error::new(ErrorKind::AddrInUse, why)
}

/// The kernel's words without the number that the standard library adds.
pub fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).desc().to_ascii_lowercase(),
        None => error.to_string(),
    }
}

/// The mask is the whole process's, which has one thread.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let before = umask(Mode::from_bits_truncate(0o177));
    let outcome = UnixListener::bind(path);
    umask(before);
    outcome
}

fn make_way(path: &Path) -> io::Result<()> {
    let taken = |why| Err(io::Error::new(ErrorKind::AddrInUse, why));
    match knock(path) {
        // EAGAIN: so many wait there that one more would have to wait to be let in.
        Ok(()) | Err(Errno::EAGAIN) => {
            taken("another monopod listens there; give this one a path of its own")
        }
        Err(Errno::ECONNREFUSED) => match fs::symlink_metadata(path)?.file_type().is_socket() {
            true => fs::remove_file(path),
            false => taken("there is a file, and it is no socket"),
        },
        Err(errno) => Err(errno.into()),
    }
}

/// Connects and goes away again. Never waits.
fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

impl Control {
    /// Removes the file, unless it has become somebody else's.
    pub fn remove(&self) {
        let now = fs::symlink_metadata(&self.path).ok();
        let now = now.map(|file| (file.dev(), file.ino()));
        if self.file.is_some() && now == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// The uid of a client, as it is called here; nothing if the kernel does not say.
pub fn uid_of(client: &UnixStream) -> Option<u32> {
    getsockopt(client, sockopt::PeerCredentials)
        .ok()
        .map(|peer| peer.uid())
}

/// Whether a client with this uid may look and command. `own` is monopod's own uid.
pub fn may_command(uid: Option<u32>, own: u32) -> bool {
    uid.is_some_and(|uid| uid == 0 || uid == own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("monopod-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder.join("control.sock")
    }

    #[test]
    fn it_is_for_its_owner_alone_and_goes_with_its_monopod() {
        let path = place("owner");
        let control = listen(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        control.remove();
        assert!(!path.exists());
        fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_stale_one_is_replaced_and_a_live_one_is_not() {
        let path = place("stale");
        let first = listen(&path).unwrap();
        let error = listen(&path).unwrap_err();
        assert!(error.to_string().contains("another monopod"), "{error}");
        drop(first);
        let second = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(second);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn while_another_starts_here_nobody_waits() {
        let path = place("lock");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lock = Lock::take(&path).unwrap();
        let error = listen(&path).unwrap_err();
        assert!(error.to_string().contains("is starting here"), "{error}");
        drop(lock);
        // A lock file of one that was killed hinders nobody.
        fs::write(path.with_extension("sock.lock"), "").unwrap();
        drop(listen(&path).unwrap());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn whose_file_it_has_become_keeps_it() {
        let path = place("other");
        let first = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = listen(&path).unwrap();
        first.remove();
        assert!(path.exists());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let path = place("file");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(listen(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_the_reason() {
        let path = place("folder");
        fs::write(path.parent().unwrap(), "no folder").unwrap();
        let error = listen(&path.parent().unwrap().join("deep/control.sock")).unwrap_err();
        let told = error.to_string();
        assert!(
            told.ends_with("deep cannot be made: not a directory"),
            "{told}"
        );
        fs::remove_file(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn root_and_our_own_uid_may_command_and_nobody_else() {
        assert!(may_command(Some(0), 1000) && may_command(Some(1000), 1000));
        assert!(!may_command(Some(1001), 1000) && !may_command(Some(1001), 0));
        assert!(!may_command(None, 0));
    }
}
