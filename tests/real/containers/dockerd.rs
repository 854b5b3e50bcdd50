//! Docker for the suite: a daemon of our own, with its state on the suite's ground, no bridge and no firewall rules; images
//! from busybox, containers that are removed in the end.
//!
//! The daemon is started by the first story that needs it and ends with the suite. A thread of its own starts it, because
//! the kernel's parent-death signal, which takes the daemon down if the suite is killed, is about threads.

use super::{SLOW, make_root, output, run};
use crate::harness::inits;
use crate::harness::{Outcome, Scene, ground, until};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread::JoinHandle;

const IMAGE: &str = "monopod-test";

struct Daemon {
    stop: Sender<()>,
    keeper: JoinHandle<()>,
}

static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);

fn dir() -> PathBuf {
    ground().join("docker")
}

/// A docker command against our daemon, which is started if it is not there.
pub fn docker(words: &[&str]) -> Outcome<Command> {
    static STARTED: OnceLock<Outcome> = OnceLock::new();
    STARTED.get_or_init(start).clone()?;
    Ok(client(words))
}

fn client(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command
        .env("HOME", dir())
        .arg("-H")
        .arg(format!("unix://{}", dir().join("socket").display()))
        .args(words);
    command
}

fn start() -> Outcome {
    std::fs::create_dir_all(dir()).map_err(|why| why.to_string())?;
    // The file of the link's name is what is mounted into containers, and what is asked for its version.
    let (stop, stopped) = channel();
    let (tell, told) = channel();
    let keeper = std::thread::spawn(move || keep(&tell, &stopped));
    *DAEMON.lock().map_err(|why| why.to_string())? = Some(Daemon { stop, keeper });
    told.recv().map_err(|why| why.to_string())??;
    until("dockerd answers", SLOW, || {
        Ok(output(&mut client(&["version"]))?
            .status
            .success()
            .then_some(()))
    })
    .map_err(|why| {
        let log = std::fs::read_to_string(dir().join("log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(10).collect();
        format!("{why}; its last words, last first: {last:#?}")
    })?;
    import(IMAGE, make_root)
}

/// Makes an image of a root file system. The daemon must be there.
pub fn import(image: &str, make: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let (root, tar) = (dir().join(image), dir().join(format!("{image}.tar")));
    make(&root)?;
    run(Command::new("tar")
        .arg("-C")
        .arg(&root)
        .arg("-cf")
        .arg(&tar)
        .arg("."))?;
    run(&mut client(&["import", &tar.to_string_lossy(), image])).map(drop)
}

fn keep(tell: &Sender<Outcome>, stopped: &Receiver<()>) {
    let mut daemon = match spawn() {
        Ok(daemon) => daemon,
        Err(why) => return drop(tell.send(Err(why))),
    };
    let _ = tell.send(Ok(()));
    // Also when the suite's end of the channel is gone.
    let _ = stopped.recv();
    // SAFETY: our own child, not collected yet.
    unsafe { libc::kill(daemon.id() as libc::pid_t, libc::SIGTERM) };
    let _ = daemon.wait();
}

fn spawn() -> Outcome<Child> {
    let log = File::create(dir().join("log")).map_err(|why| why.to_string())?;
    let again = log.try_clone().map_err(|why| why.to_string())?;
    let mut command = Command::new("dockerd");
    command
        .arg("--data-root")
        .arg(dir().join("data"))
        .arg("--exec-root")
        .arg(dir().join("exec"))
        .arg("--pidfile")
        .arg(dir().join("pid"))
        .arg("--host")
        .arg(format!("unix://{}", dir().join("socket").display()))
        .arg("--init-path")
        .arg(inits::link("docker-init"))
        .args(["--bridge=none", "--iptables=false", "--config-file"])
        .arg(dir().join("none.json"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(again);
    std::fs::write(dir().join("none.json"), "{}").map_err(|why| why.to_string())?;
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            },
        );
    }
    command.spawn().map_err(|why| format!("dockerd: {why}"))
}

/// Ends the daemon, if one was started.
pub fn stop() {
    let daemon = DAEMON.lock().ok().and_then(|mut daemon| daemon.take());
    if let Some(Daemon { stop, keeper }) = daemon {
        drop(stop);
        let _ = keeper.join();
    }
}

/// A container by name, removed in the end.
pub struct Container(pub String);

impl Container {
    /// The container of this story.
    pub fn of(scene: &Scene) -> Container {
        let name = scene.dir.to_string_lossy().replace('/', "-");
        Container(name.trim_start_matches('-').to_owned())
    }

    /// `docker run` with what all of them need.
    pub fn run(&self, flags: &[&str], command: &[&str]) -> Outcome<Command> {
        let ground = format!("{0}:{0}", ground().display());
        let mut words = vec![
            "run",
            "--name",
            &self.0,
            "--network",
            "host",
            "--volume",
            &ground,
        ];
        words.extend(flags);
        words.push(IMAGE);
        words.extend(command);
        docker(&words)
    }

    /// What the daemon knows of it.
    pub fn inspect(&self, format: &str) -> Outcome<String> {
        run(&mut docker(&["inspect", "--format", format, &self.0])?)
            .map(|text| text.trim().to_owned())
    }

    /// The host pid of its PID 1.
    pub fn pid(&self) -> Outcome<i32> {
        let pid = self.inspect("{{.State.Pid}}")?;
        pid.parse().map_err(|why| format!("{pid:?}: {why}"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = output(&mut client(&["rm", "--force", &self.0]));
    }
}
