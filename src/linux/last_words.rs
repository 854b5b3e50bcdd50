//! Termination messages: the files in which containers leave their last words, and our own in the outer pod's.
//!
//! The path comes from a manifest, but what lies there may be anybody's: a pipe that nobody reads, a link to a file that
//! only root may touch. So only regular files with one name are touched, no link is followed at its end, nor on the way
//! where others may lay one (`walk`), and nothing waits: what was looked at is opened, not what has its name by then.
//!
//! In a real pod each container has a file of its own at its path. Here, containers with the same path share it.

use crate::walk::{folder_and_name, open_again, step};
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// So much of the end of a message is read (S122).
const MESSAGE_BYTES: u64 = 4096;

/// Where the real kubelet reads why the container failed.
const OUTER_LOG: &str = "/dev/termination-log";

/// Before a start: an empty file that every uid may write (S126). What is there and is no such file stays as it is.
pub fn prepare(path: &Path) -> io::Result<()> {
    match open(path, File::options().write(true)) {
        Ok(file) => file.set_len(0),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // The umask had a say in the mode.
            make(path)?.set_permissions(Permissions::from_mode(0o666))
        }
        Err(error) => Err(error),
    }
}

/// After an end: the last words, or none (S121).
pub fn read(path: &Path) -> io::Result<Option<String>> {
    let mut file = open(path, File::options().read(true))?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MESSAGE_BYTES)))?;
    let mut text = Vec::new();
    file.take(MESSAGE_BYTES).read_to_end(&mut text)?;
    Ok((!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned()))
}

/// Tells the outer kubelet why we leave, if it asks and nobody has told it anything.
pub fn leave(why: &str) -> io::Result<()> {
    leave_at(Path::new(OUTER_LOG), why)
}

fn leave_at(path: &Path, why: &str) -> io::Result<()> {
    let mut file = open(path, File::options().append(true))?;
    match file.metadata()?.len() {
        0 => writeln!(file, "{why}"),
        _ => Ok(()),
    }
}

/// Opens what is there, after a look at it that touches nothing: opening a device can do things, and a FIFO make us wait.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let (folder, name) = folder_and_name(path)?;
    let found = File::from(step(&folder, name, OFlag::O_PATH)?);
    let metadata = found.metadata()?;
    match metadata.is_file() && metadata.nlink() <= 1 {
        true => open_again(&found, options),
        false => Err(io::Error::other("it is no regular file with one name")),
    }
}

/// Makes a new file, which nobody can have put there.
fn make(path: &Path) -> io::Result<File> {
    let (folder, name) = folder_and_name(path)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    Ok(File::from(step(&folder, name, flags)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    struct Ground(PathBuf);

    impl Ground {
        fn new(name: &str) -> Ground {
            let name = format!("monopod-last-words-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Ground(folder)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Ground {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn s121_s122_the_last_4096_bytes_are_the_message() {
        let ground = Ground::new("read");
        let path = ground.file("log");
        fs::write(&path, "bye").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("bye"));
        fs::write(&path, format!("{}{}", "x".repeat(904), "y".repeat(4096))).unwrap();
        assert_eq!(read(&path).unwrap(), Some("y".repeat(4096)));
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn s126_a_start_finds_an_empty_file_that_all_may_write() {
        let ground = Ground::new("prepare");
        let path = ground.file("log");
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        fs::write(&path, "of the instance before").unwrap();
        prepare(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn links_pipes_and_folders_are_left_alone_and_hold_nobody_up() {
        let ground = Ground::new("strange");
        let secret = ground.file("secret");
        fs::write(&secret, "root's").unwrap();
        let (link, twin, pipe) = (
            ground.file("link"),
            ground.file("twin"),
            ground.file("pipe"),
        );
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&link, &pipe, &ground.0] {
            assert!(prepare(path).is_err() && read(path).is_err() && leave_at(path, "!").is_err());
        }
        fs::hard_link(&secret, &twin).unwrap();
        assert!(prepare(&twin).is_err() && read(&twin).is_err());
        assert_eq!(fs::read_to_string(&secret).unwrap(), "root's");
    }

    #[test]
    fn a_link_in_place_of_a_folder_on_the_way_leads_nowhere() {
        let ground = Ground::new("way");
        // Whatever the mode of the folder for temporary files.
        fs::set_permissions(&ground.0, Permissions::from_mode(0o777)).unwrap();
        let (victim, way) = (ground.file("victim"), ground.file("app"));
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("msg"), "root's").unwrap();
        std::os::unix::fs::symlink(&victim, &way).unwrap();
        for name in ["msg", "absent"] {
            let path = way.join(name);
            assert!(prepare(&path).is_err() && read(&path).is_err(), "{name}");
            assert!(leave_at(&path, "!").is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(victim.join("msg")).unwrap(), "root's");
        assert!(!victim.join("absent").exists());
    }

    #[test]
    fn our_own_words_never_replace_the_applications() {
        let ground = Ground::new("leave");
        let path = ground.file("log");
        assert!(leave_at(&path, "nobody asks").is_err() && !path.exists());
        fs::write(&path, "").unwrap();
        leave_at(&path, "web exited with 3").unwrap();
        leave_at(&path, "too late").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "web exited with 3\n");
    }
}
