//! A container of runc with monopod as its PID 1 and our web server in it, and an account of what is spent there.

use std::fs::{File, copy, create_dir_all, metadata, read_to_string, remove_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libc::pid_t;

use crate::common::here::on_path;
use crate::common::procfs::{children, scheduled};
use crate::server;

/// Nothing here takes a second; ten mean that it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The root file system, and where runc keeps what it knows. Dropped, it is removed.
pub struct Place {
    room: PathBuf,
    runc: PathBuf,
}

impl Place {
    /// A root of busybox, monopod and this binary.
    pub fn prepare() -> Result<Place, String> {
        // SAFETY: no memory is involved.
        if unsafe { libc::geteuid() } != 0 {
            return Err("runc needs root here".to_owned());
        }
        let runc = on_path("runc").ok_or("runc IS NOT INSTALLED (Debian package runc)")?;
        let busybox =
            on_path("busybox").ok_or("busybox IS NOT INSTALLED (Debian package busybox-static)")?;
        let name = format!("probe-cost-{}", std::process::id());
        let place = Place {
            room: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
            runc,
        };
        place
            .fill(&busybox)
            .map_err(|error| format!("cannot prepare {}: {error}", place.room.display()))?;
        Ok(place)
    }

    fn fill(&self, busybox: &Path) -> std::io::Result<()> {
        let root = self.room.join("rootfs");
        for name in ["bin", "dev", "proc"] {
            create_dir_all(root.join(name))?;
        }
        copy(busybox, root.join("bin/busybox"))?;
        symlink("busybox", root.join("bin/wget"))?;
        copy(env!("CARGO_BIN_EXE_monopod"), root.join("monopod"))?;
        copy(std::env::current_exe()?, root.join("server"))?;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It lies in the target directory; what cannot be removed does no harm there.
        let _ = remove_dir_all(&self.room);
    }
}

/// A running container. Dropped, it is deleted.
pub struct Container<'a> {
    place: &'a Place,
    id: String,
    said: PathBuf,
    /// monopod, its helper if it has one, and the web server.
    members: Vec<pid_t>,
}

impl<'a> Container<'a> {
    /// Starts it, with an httpGet probe every second or with none, and waits for the web server.
    pub fn start(place: &'a Place, name: &str, probed: bool) -> Result<Container<'a>, String> {
        let bundle = place.room.join(name);
        let wrong = |error: std::io::Error| format!("cannot start {name}: {error}");
        create_dir_all(&bundle).map_err(wrong)?;
        let config = config(&place.room.join("rootfs"), probed).to_string();
        write(bundle.join("config.json"), config).map_err(wrong)?;
        let said = bundle.join("said");
        let out = File::create(&said).map_err(wrong)?;
        let words = File::create(bundle.join("words")).map_err(wrong)?;
        let mut container = Container {
            place,
            id: format!("monopod-probe-cost-{}-{name}", std::process::id()),
            said,
            members: Vec::new(),
        };
        let pid_file = bundle.join("pid");
        let started = container
            .runc("run")
            .args(["--detach", "--pid-file"])
            .arg(&pid_file)
            .arg("--bundle")
            .arg(&bundle)
            .arg(&container.id)
            .stdout(out)
            .stderr(words)
            .status();
        let words = || read_to_string(bundle.join("words")).unwrap_or_default();
        if !started.map_err(wrong)?.success() {
            return Err(format!("runc does not run here: {}", words().trim()));
        }
        let deadline = Instant::now() + PATIENCE;
        // Listening, and for the probed one: asked once.
        while container.bytes()? < 1 + u64::from(probed) {
            if Instant::now() > deadline {
                return Err(format!("{name} is not up: {}", words().trim()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = read_to_string(&pid_file).map_err(wrong)?;
        let pid = pid.parse().map_err(|_| format!("{pid:?} is no pid"))?;
        container.members = vec![pid];
        container
            .members
            .extend(children(pid)?.into_iter().map(|(pid, _)| pid));
        Ok(container)
    }

    fn runc(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.place.runc);
        command
            .arg("--root")
            .arg(self.place.room.join("state"))
            .arg(verb)
            .stdin(Stdio::null());
        command
    }

    fn bytes(&self) -> Result<u64, String> {
        let length = metadata(&self.said).map(|file| file.len());
        length.map_err(|error| format!("cannot look at {}: {error}", self.said.display()))
    }

    /// How often its web server has answered.
    pub fn answered(&self) -> Result<u64, String> {
        Ok(self.bytes()?.saturating_sub(1))
    }

    /// Time on a CPU so far of all that lives in it. Exact while they sleep, as they do but for moments.
    pub fn cpu_nanos(&self) -> Result<u64, String> {
        self.members
            .iter()
            .map(|&pid| Ok(scheduled(pid)?.run_nanos))
            .sum()
    }

    /// One check by `runc exec`; the time on a CPU of runc and all that it waited for, in nanoseconds.
    pub fn exec_probe(&self) -> Result<u64, String> {
        let url = format!("http://127.0.0.1:{}/", server::PORT);
        let before = spent_by_children();
        let output = self
            .runc("exec")
            .arg(&self.id)
            .args(["/bin/wget", "-q", "-O", "/dev/null", &url])
            .output()
            .map_err(|error| format!("cannot run runc exec: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("runc exec failed: {}", words.trim()));
        }
        Ok(spent_by_children() - before)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Whatever is gone already is what was wanted.
        let _ = self.runc("delete").args(["--force", &self.id]).output();
    }
}

/// What ended children and theirs, as far as they were waited for, have used.
fn spent_by_children() -> u64 {
    // SAFETY: plain data on our stack, written by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|time| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000)
        .sum()
}

fn config(root: &Path, probed: bool) -> serde_json::Value {
    let probe = format!("http://127.0.0.1:{}/,period=1", server::PORT);
    let mut argv = vec!["/monopod"];
    if probed {
        argv.extend(["--readiness-probe", &probe]);
    }
    argv.extend(["--", "/server", server::VERB]);
    serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": argv,
            "env": ["PATH=/bin"],
            "cwd": "/"
        },
        "root": { "path": root, "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] }
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" }
            ]
        }
    })
}
