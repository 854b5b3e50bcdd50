//! How an init is put into its world: what it is called with, and what it finds there.
//!
//! This half collects wishes; `enter` (in `entry.rs`) is the forked child that fulfils them with bare system calls.

use super::ear::Ear;
use super::entry::{self, Entry};
use super::inits::{self, Init};
use super::run::Run;
use super::{Outcome, Scene, os_error};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What stands at one of the descriptors 0, 1, 2.
pub enum Stdio {
    /// `/dev/null`.
    Null,
    /// A file in memory that the story reads afterwards. On 0: empty.
    Kept,
    /// Nothing: the descriptor is closed.
    Closed,
    /// This.
    Given(OwnedFd),
}

/// A world and an init, not yet started.
pub struct Launch<'a> {
    scene: &'a Scene,
    argv: Vec<CString>,
    environment: Vec<CString>,
    witnessed: bool,
    stdio: [Stdio; 3],
    extra: Vec<(RawFd, OwnedFd)>,
    entry: Entry,
    cgroup: Option<PathBuf>,
    cwd: Option<CString>,
}

impl<'a> Launch<'a> {
    /// This init before a script.
    pub fn script(scene: &'a Scene, init: Init, flags: &[&str], script: &str) -> Launch<'a> {
        let child = inits::child().to_string_lossy().into_owned();
        let ear = scene.ear_path().to_string_lossy().into_owned();
        let mut command = vec![child.as_str(), "__child", ear.as_str()];
        command.extend(script.split_whitespace());
        Launch::command(scene, init, flags, &command)
    }

    /// This init before a command.
    pub fn command(scene: &'a Scene, init: Init, flags: &[&str], command: &[&str]) -> Launch<'a> {
        let address;
        let mut words = flags.to_vec();
        if init == Init::Serving {
            // A port that nobody can have is as good a fault as any for a machine without free ports.
            address = format!("127.0.0.1:{}", crate::http::free_port().unwrap_or(0));
            words.extend(["--health", &address]);
        }
        if !command.is_empty() {
            words.push("--");
            words.extend(command);
        }
        Launch::words(scene, init, &words)
    }

    /// The same, with no PATH, so that the story can give one.
    pub fn bare_command(
        scene: &'a Scene,
        init: Init,
        flags: &[&str],
        command: &[&str],
    ) -> Launch<'a> {
        let mut launch = Launch::command(scene, init, flags, command);
        launch.environment.clear();
        launch
    }

    /// No init: a script as PID 1, for stories about who starts the init.
    pub fn world(scene: &'a Scene, script: &str) -> Launch<'a> {
        let mut launch = Launch::words(scene, scene.init, &[]);
        launch.argv = scene
            .script_line(script)
            .split_whitespace()
            .map(|word| c_string(OsStr::new(word)))
            .collect();
        launch
    }

    /// This init with exactly these words after its name.
    pub fn words(scene: &'a Scene, init: Init, words: &[&str]) -> Launch<'a> {
        // A story about an init that is not there was passed over before.
        let path = init.path().unwrap_or_else(|| PathBuf::from("/nonexistent"));
        let mut argv = vec![c_string(path.as_os_str())];
        argv.extend(words.iter().map(|word| c_string(OsStr::new(word))));
        Launch {
            scene,
            argv,
            environment: vec![c_string(OsStr::new("PATH=/usr/sbin:/usr/bin:/sbin:/bin"))],
            witnessed: false,
            stdio: [Stdio::Null, Stdio::Kept, Stdio::Kept],
            extra: Vec::new(),
            entry: Entry::default(),
            cgroup: None,
            cwd: None,
        }
    }

    /// By another name, which is where its executable is looked for as well.
    pub fn called(mut self, path: &Path) -> Self {
        self.argv[0] = c_string(path.as_os_str());
        self
    }

    /// Not as PID 1: PID 1 is a witness that reaps and tells how its child ended.
    pub fn not_pid_1(mut self) -> Self {
        self.witnessed = true;
        self
    }

    /// With a variable in the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment
            .push(c_string(OsStr::new(&format!("{name}={value}"))));
        self
    }

    /// With this at descriptor 0.
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdio[0] = stdio;
        self
    }

    /// With this at descriptor 1.
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdio[1] = stdio;
        self
    }

    /// With this at descriptor 2.
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stdio[2] = stdio;
        self
    }

    /// With this at a descriptor above 2.
    pub fn descriptor(mut self, number: RawFd, what: OwnedFd) -> Self {
        self.extra.push((number, what));
        self
    }

    /// With these signals ignored, as `nohup` does it.
    pub fn ignoring(mut self, signals: &[i32]) -> Self {
        self.entry.ignored = mask(signals);
        self
    }

    /// With these signals blocked.
    pub fn blocking(mut self, signals: &[i32]) -> Self {
        self.entry.blocked = mask(signals);
        self
    }

    /// With this umask.
    pub fn umask(mut self, umask: libc::mode_t) -> Self {
        self.entry.umask = Some(umask);
        self
    }

    /// In this directory.
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = Some(c_string(dir.as_os_str()));
        self
    }

    /// As this uid and gid, with no other groups and no capabilities.
    pub fn uid(mut self, uid: u32) -> Self {
        self.entry.uid = Some(uid);
        self
    }

    /// With so many processes at most for its uid.
    pub fn processes_at_most(mut self, limit: u64) -> Self {
        self.entry.processes = Some(limit);
        self
    }

    /// With so many open descriptors at most.
    pub fn descriptors_at_most(mut self, limit: u64) -> Self {
        self.entry.descriptors = Some(limit);
        self
    }

    /// Without /proc.
    pub fn without_proc(mut self) -> Self {
        self.entry.hide_proc = true;
        self
    }

    /// With an empty /dev.
    pub fn without_dev(mut self) -> Self {
        self.entry.hide_dev = true;
        self
    }

    /// With every file system read-only.
    pub fn read_only(mut self) -> Self {
        self.entry.read_only = true;
        self
    }

    /// With standard input as its controlling terminal, in the foreground.
    pub fn on_terminal(mut self) -> Self {
        self.entry.take_terminal = true;
        self
    }

    /// In the cgroup of this directory.
    pub fn cgroup(mut self, dir: &Path) -> Self {
        self.cgroup = Some(dir.to_path_buf());
        self
    }

    /// Starts it and returns when its exec has succeeded.
    pub fn start(mut self) -> Outcome<Run> {
        let ear = Ear::new(&self.scene.ear_path())?;
        let witness = match self.witnessed {
            true => Some(self.put_under_witness()?),
            false => None,
        };
        let stdout = kept()?;
        let stderr = kept()?;
        self.scene.remember(duplicate(&stderr)?);

        let mut descriptors = Vec::new();
        for (number, stdio) in (0..).zip(self.stdio) {
            let kept = if number == 2 { &stderr } else { &stdout };
            match stdio {
                Stdio::Closed => {}
                Stdio::Null => descriptors.push((number, OwnedFd::from(null()?))),
                Stdio::Kept if number == 0 => descriptors.push((number, kept_empty()?)),
                Stdio::Kept => descriptors.push((number, OwnedFd::from(duplicate(kept)?))),
                Stdio::Given(given) => descriptors.push((number, given)),
            }
        }
        descriptors.extend(self.extra);
        self.entry.cgroup = match &self.cgroup {
            Some(dir) => Some(OwnedFd::from(open_for_writing(&dir.join("cgroup.procs"))?)),
            None => None,
        };
        self.entry.cwd = self.cwd;
        let pid = entry::start(&self.argv, &self.environment, &descriptors, &self.entry)?;
        Run::new(pid, ear, witness, stdout, stderr)
    }

    fn put_under_witness(&mut self) -> Outcome<Ear> {
        let path = self.scene.dir.join("witness");
        let ear = Ear::new(&path)?;
        let mut argv: Vec<CString> = [
            inits::child().as_os_str(),
            OsStr::new("__child"),
            path.as_os_str(),
            OsStr::new("mind"),
            OsStr::new("{"),
            OsStr::new("exec"),
        ]
        .into_iter()
        .map(c_string)
        .collect();
        argv.append(&mut self.argv);
        argv.push(c_string(OsStr::new("}")));
        self.argv = argv;
        Ok(ear)
    }
}

/// A set of signals as bits; signal n is bit n-1.
pub fn mask(signals: &[i32]) -> u64 {
    signals.iter().map(|signal| 1 << (signal - 1)).sum()
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn null() -> Outcome<File> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|why| format!("/dev/null: {why}"))
}

fn open_for_writing(path: &Path) -> Outcome<File> {
    File::options()
        .write(true)
        .open(path)
        .map_err(|why| format!("{}: {why}", path.display()))
}

fn kept() -> Outcome<File> {
    // SAFETY: the name is a C string; the result is checked.
    let fd = unsafe { libc::memfd_create(c"kept".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(os_error("memfd_create"));
    }
    // SAFETY: a descriptor just made, owned by nobody else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn kept_empty() -> Outcome<OwnedFd> {
    kept().map(OwnedFd::from)
}

fn duplicate(file: &File) -> Outcome<File> {
    file.try_clone()
        .map_err(|why| format!("dup of {}: {why}", file.as_raw_fd()))
}
