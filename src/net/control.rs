//! The control socket: who may have it, where it is, and who may use it.
//!
//! Bound by the core before anything is started, like the port. The file is for its owner alone (0600), so that others are
//! kept out by the kernel; whoever gets past that (a group that was given the file, a capability) is looked at again by
//! uid at the other end. Uid 0 and monopod's own may command: not the uid of a container of the manifest, or every
//! process of an application could stop its neighbours.
//!
//! `--control` may name a place in somebody else's folder, and what he lays there must not have root make or remove a file
//! elsewhere: so the folder is walked to ([`walk`](crate::walk)), and everything is done in it. Whoever may write there
//! can still put a socket of his own in place of this one; that is for who chose the folder.
//!
//! What surprised us: a socket file outlives its process. Whether somebody listens behind it is only told by knocking. And
//! between bind and listen nobody does: so from the knock to the listening a lock is held, or one that starts at the same
//! time would be taken for dead and lose its file.

use crate::walk::{
    self, Folder, folder_and_name, identity_of, kind, look_at, made_folder_and_name, open_again,
    step,
};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, SFlag, umask};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
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
    // Absolute, because the core leaves its working directory.
    let path = std::path::absolute(path)?;
    let place = Place::of(&path)?;
    let lock = Lock::take(&place)?;
    let listener = match place.bind() {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            place.make_way()?;
            place.bind()?
        }
        outcome => outcome?,
    };
    let file = identity_of(&place.folder.fd, place.name);
    drop(lock);
    listener.set_nonblocking(true)?;
    Ok(Control {
        listener: listener.into(),
        file,
        path,
    })
}

/// Where it is to be: a folder that was come to, and the name in it.
struct Place<'p> {
    path: &'p Path,
    folder: Folder,
    name: &'p Path,
}

impl<'p> Place<'p> {
    fn of(path: &'p Path) -> io::Result<Place<'p>> {
        let (folder, name) = made_folder_and_name(path).map_err(|errno| {
            let why = match errno {
                Errno::ELOOP | Errno::EINVAL => walk::why(errno).to_owned(),
                // The bind would only find that there is no such folder.
                _ => {
                    let folder = path.parent().unwrap_or(path).display();
                    let why = errno.desc().to_ascii_lowercase();
                    format!("{folder} cannot be made: {why}")
                }
            };
            io::Error::new(io::Error::from(errno).kind(), why)
        })?;
        Ok(Place { path, folder, name })
    }

    /// The path by which the kernel comes to this folder and no other: there is no bind or connect in a folder that is
    /// held. (Where /proc is not mounted there is nothing at the second.)
    fn address(&self) -> PathBuf {
        match self.folder.is_safe {
            true => self.path.to_owned(),
            false => Path::new("/proc/self/fd")
                .join(self.folder.fd.as_raw_fd().to_string())
                .join(self.name),
        }
    }

    /// The mask is the whole process's, which has one thread.
    fn bind(&self) -> io::Result<UnixListener> {
        let before = umask(Mode::from_bits_truncate(0o177));
        let outcome = UnixListener::bind(self.address());
        umask(before);
        outcome
    }

    fn make_way(&self) -> io::Result<()> {
        let taken = |why| Err(io::Error::new(ErrorKind::AddrInUse, why));
        let folder = &self.folder.fd;
        match knock(&self.address()) {
            // EAGAIN: so many wait there that one more would have to wait to be let in.
            Ok(()) | Err(Errno::EAGAIN) => {
                taken("another monopod listens there; give this one a path of its own")
            }
            Err(Errno::ECONNREFUSED) => match kind(&look_at(folder, self.name)?) {
                SFlag::S_IFSOCK => Ok(unlinkat(folder, self.name, UnlinkatFlags::NoRemoveDir)?),
                _ => taken("there is a file, and it is no socket"),
            },
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Connects and goes away again. Never waits.
fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

/// A file beside the socket that one monopod at a time holds and removes again. One that was left behind is not held.
struct Lock<'f> {
    folder: &'f OwnedFd,
    name: PathBuf,
    held: File,
}

impl<'f> Lock<'f> {
    /// Never waits. Nothing if there can be no lock here: what hinders it hinders the socket too, whose error says more,
    /// or is a file system without locks.
    fn take(place: &'f Place<'_>) -> io::Result<Option<Lock<'f>>> {
        let mut name = place.name.as_os_str().to_owned();
        name.push(".lock");
        let (folder, name) = (&place.folder.fd, PathBuf::from(name));
        let held = match Lock::open(folder, &name) {
            Ok(held) => held,
            // Its holder removed it before we had opened it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(another_starts()),
            Err(_) => return Ok(None),
        };
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(another_starts()),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
        let lock = Lock { folder, name, held };
        match lock.is_in_its_place() {
            true => Ok(Some(lock)),
            // Its holder removed it after we had opened it.
            false => Err(another_starts()),
        }
    }

    /// Makes it, or opens one that is there: a file and nothing else, for opening a FIFO may take for ever.
    fn open(folder: &OwnedFd, name: &Path) -> io::Result<File> {
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        match openat(folder, name, new, Mode::S_IRUSR | Mode::S_IWUSR) {
            Err(Errno::EEXIST) => {
                let found = File::from(step(folder, name, OFlag::O_PATH)?);
                match found.metadata()?.is_file() {
                    true => open_again(&found, File::options().write(true)),
                    false => Err(Errno::EEXIST.into()),
                }
            }
            outcome => Ok(outcome?.into()),
        }
    }

    fn is_in_its_place(&self) -> bool {
        let held = self.held.metadata().ok();
        let held = held.map(|file| (file.dev(), file.ino()));
        held.is_some() && held == identity_of(self.folder, &self.name)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if self.is_in_its_place() {
            let _ = unlinkat(self.folder, &self.name, UnlinkatFlags::NoRemoveDir);
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

impl Control {
    /// Removes the file, unless it has become somebody else's.
    pub fn remove(&self) {
        let Ok((folder, name)) = folder_and_name(&self.path) else {
            return;
        };
        if self.file.is_some() && identity_of(&folder, name) == self.file {
            let _ = unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir);
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
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
        let here = Place::of(&path).unwrap();
        let lock = Lock::take(&here).unwrap();
        let error = listen(&path).unwrap_err();
        assert!(error.to_string().contains("is starting here"), "{error}");
        drop(lock);
        // A lock file of one that was killed hinders nobody.
        fs::write(path.with_extension("sock.lock"), "").unwrap();
        let control = listen(&path).unwrap();
        assert!(!path.with_extension("sock.lock").exists());
        control.remove();
        // And a FIFO there, which would not be opened before somebody writes, neither.
        nix::unistd::mkfifo(&path.with_extension("sock.lock"), Mode::S_IRWXU).unwrap();
        drop(listen(&path).unwrap());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_link_that_others_may_have_laid_leads_nowhere_at_the_start_nor_at_the_end() {
        let path = place("link");
        let folder = path.parent().unwrap();
        let (ours, victim) = (folder.join("ours"), folder.join("victim"));
        fs::create_dir_all(&victim).unwrap();
        // Whatever the mode of the folder for temporary files.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        symlink(&victim, &ours).unwrap();
        for way in ["control.sock", "deep/control.sock"] {
            let told = listen(&ours.join(way)).unwrap_err().to_string();
            assert!(told.starts_with("a link is on the way to it"), "{told}");
        }
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);

        fs::remove_file(&ours).unwrap();
        let control = listen(&ours.join("control.sock")).unwrap();
        UnixStream::connect(ours.join("control.sock")).unwrap();
        fs::rename(&ours, folder.join("away")).unwrap();
        let second_name = victim.join("control.sock");
        fs::hard_link(folder.join("away/control.sock"), &second_name).unwrap();
        symlink(&victim, &ours).unwrap();
        control.remove();
        assert!(second_name.exists());
        fs::remove_dir_all(folder).unwrap();
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
