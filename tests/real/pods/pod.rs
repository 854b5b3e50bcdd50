//! A pod in a Docker container without a network: monopod with a manifest as PID 1. How to look at it and to talk to it.
//!
//! Its ports are its own, so that every manifest may say 80: whoever asks steps into its network for a moment, in a thread
//! of its own. `docker run` stays in the foreground, for its output and its exit code.

use super::root;
use super::status::Status;
use crate::containers::dockerd::{Container, docker, import};
use crate::containers::{SLOW, code, run};
use crate::harness::launch::Launch;
use crate::harness::needs::Need;
use crate::harness::{Case, Outcome, Scene, ground, os_error, patience, until};
use crate::http::{self, Answer};
use serde_json::Value;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

const IMAGE: &str = "monopod-pods";
const PORT: u16 = 9110;

/// A story about a pod in Docker.
pub fn case(story: &'static str, run: fn(&Scene) -> Outcome) -> Case {
    [
        "dockerd",
        "docker",
        "busybox",
        "nginx",
        "redis-server",
        "redis-cli",
    ]
    .into_iter()
    .fold(Case::own(story, run), |case, name| {
        case.needing(Need::Program(name))
    })
}

/// What is to be replaced in an example, and by what.
pub type Edit<'a> = (&'a str, &'a str);

/// An example with figures or paths changed. Each edit must find something.
pub fn example(name: &str, edits: &[Edit]) -> Outcome<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    let mut text =
        std::fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    for (from, to) in edits {
        if !text.contains(from) {
            return Err(format!("{name} has no {from:?} any more"));
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

/// A line of monopod's log, with its own time.
#[derive(Clone, Debug)]
pub struct Line {
    /// Since the beginning of 1970.
    pub at: Duration,
    /// The sentence.
    pub words: String,
}

/// A pod that was started.
pub struct Pod {
    container: Container,
    client: Child,
    pid: i32,
    dir: PathBuf,
}

impl Pod {
    /// Starts an example, with edits.
    pub fn example(scene: &Scene, name: &str, edits: &[Edit]) -> Outcome<Pod> {
        Pod::start(scene, &example(name, edits)?, &[])
    }

    /// Starts a manifest, with flags for `docker run`; comes back when PID 1 is there and answers.
    pub fn start(scene: &Scene, manifest: &str, flags: &[&str]) -> Outcome<Pod> {
        static IMPORTED: OnceLock<Outcome> = OnceLock::new();
        // The daemon must be there before the image can be.
        docker(&[])?;
        IMPORTED.get_or_init(|| import(IMAGE, root::make)).clone()?;
        let dir = scene.dir.clone();
        let file = dir.join("pod.yaml");
        std::fs::write(&file, manifest).map_err(|why| why.to_string())?;
        let file = file.to_string_lossy();
        let container = Container::of(scene);
        // A story may have several pods, one after the other; the one before has told its own.
        let out = File::create(dir.join("stdout")).map_err(|why| why.to_string())?;
        let err = File::create(dir.join("stderr")).map_err(|why| why.to_string())?;
        scene.remember(File::open(dir.join("stderr")).map_err(|why| why.to_string())?);
        let volume = format!("{0}:{0}", ground().display());
        let health = format!("MONOPOD_HEALTH=127.0.0.1:{PORT}");
        let mut words = vec!["run", "--name", &container.0, "--network", "none"];
        words.extend(["--log-driver", "none", "--volume", &volume]);
        words.extend(["--env", &health, "--env", "MONOPOD_LOG_FORMAT=json"]);
        words.extend([
            "--env",
            "MONOPOD_LOG_LEVEL=info",
            "--entrypoint",
            "/monopod",
        ]);
        words.extend(flags);
        words.extend([IMAGE, "-f", &file]);
        let client = docker(&words)?
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|why| format!("docker run: {why}"))?;
        let mut pod = Pod {
            container,
            client,
            pid: 0,
            dir,
        };
        pod.pid = until("docker has started the container", SLOW, || {
            pod.still_there()?;
            Ok(pod.container.pid().ok().filter(|pid| *pid > 0))
        })?;
        until("the pod answers", SLOW, || {
            pod.still_there()?;
            Ok(pod.get("/livez").ok())
        })?;
        Ok(pod)
    }

    fn still_there(&mut self) -> Outcome {
        match self.client.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("docker run ended: {ended:?}: {}", self.stderr())),
        }
    }

    /// The host pid of monopod.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What Docker calls it.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The path of a file inside, from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.pid))
    }

    /// Makes an empty file inside.
    pub fn touch(&self, inside: &str) -> Outcome {
        std::fs::write(self.path(inside), "").map_err(|why| format!("{inside}: {why}"))
    }

    /// Takes a file away inside.
    pub fn remove(&self, inside: &str) -> Outcome {
        std::fs::remove_file(self.path(inside)).map_err(|why| format!("{inside}: {why}"))
    }

    /// Does something in its network.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let path = format!("/proc/{}/ns/net", self.pid);
        let network = File::open(&path).map_err(|why| format!("{path}: {why}"))?;
        std::thread::scope(|scope| {
            let visit = scope.spawn(|| {
                // SAFETY: moves this thread only, which is about to end, to a network that we hold open.
                match unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) } {
                    0 => act(),
                    _ => Err(os_error("setns")),
                }
            });
            visit
                .join()
                .unwrap_or_else(|_| Err("a visitor panicked".to_owned()))
        })
    }

    /// What monopod answers to a GET.
    pub fn get(&self, target: &str) -> Outcome<Answer> {
        self.within(|| http::get(PORT, target))
    }

    /// The code must be this, now.
    pub fn expect(&self, target: &str, status: u16) -> Outcome {
        self.within(|| http::expect(PORT, target, status))
    }

    /// Waits until this target has this code.
    pub fn becomes(&self, target: &str, status: u16) -> Outcome<Answer> {
        let mut last = None;
        until(&format!("{target} is {status}"), patience(), || {
            let answer = self.get(target)?;
            if answer.status == status {
                return Ok(Some(answer));
            }
            last = Some(answer);
            Ok(None)
        })
        .map_err(|why| format!("{why}; the last answer: {last:?}"))
    }

    /// The pod as /status tells it.
    pub fn status(&self) -> Outcome<Status> {
        let answer = self.get("/status")?;
        serde_json::from_str(&answer.body)
            .map(Status)
            .map_err(|why| format!("/status is no JSON: {why}: {answer:?}"))
    }

    /// Waits until the status is as wanted.
    pub fn status_becomes(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Status) -> bool,
    ) -> Outcome<Status> {
        let mut last = None;
        until(what, patience(), || {
            let status = self.status()?;
            let there = wanted(&status);
            last = Some(status.clone());
            Ok(there.then_some(status))
        })
        .map_err(|why| format!("{why}; the last status: {last:?}"))
    }

    /// How often an event with this reason about this container was told, by /events.
    pub fn events(&self, reason: &str, container: &str) -> Outcome<u64> {
        let answer = self.get("/events")?;
        let list: Value = serde_json::from_str(&answer.body)
            .map_err(|why| format!("/events is no JSON: {why}: {answer:?}"))?;
        let path = format!("{{{container}}}");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items
            .iter()
            .filter(|event| {
                let about = event["involvedObject"]["fieldPath"].as_str();
                event["reason"] == reason && about.is_some_and(|about| about.ends_with(&path))
            })
            .filter_map(|event| event["count"].as_u64())
            .sum())
    }

    /// Runs a command inside by `docker exec`, to its success; hands out what it printed.
    pub fn exec(&self, command: &[&str]) -> Outcome<String> {
        let mut words = vec!["exec", &self.container.0];
        words.extend(command);
        run(&mut docker(&words)?)
    }

    /// Sends monopod a signal.
    pub fn signal(&self, signal: i32) -> Outcome {
        // SAFETY: a plain system call.
        match unsafe { libc::kill(self.pid, signal) } {
            0 => Ok(()),
            _ => Err(os_error("signalling the pod")),
        }
    }

    /// The container must end, with this code; how long after `asked`.
    pub fn ends_with(&mut self, wanted: i32, asked: Instant) -> Outcome<Duration> {
        let code = code(&mut self.client)?;
        match code == wanted {
            true => Ok(asked.elapsed()),
            false => Err(format!("the container left with {code}, not {wanted}")),
        }
    }

    /// All of its standard output so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.dir.join("stdout")).unwrap_or_default()
    }

    /// All of its standard error so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default()
    }

    /// Waits until a line of its standard output is this.
    pub fn says(&self, words: &str) -> Outcome {
        until(&format!("it says {words:?}"), patience(), || {
            Ok(self
                .stdout()
                .lines()
                .any(|line| line == words)
                .then_some(()))
        })
        .map_err(|why| format!("{why}; it said {:?}", self.stdout()))
    }

    /// monopod's log so far.
    pub fn log(&self) -> Vec<Line> {
        let text = self.stderr();
        text.lines()
            .filter_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let at = humantime::parse_rfc3339(line["time"].as_str()?).ok()?;
                Some(Line {
                    at: at.duration_since(SystemTime::UNIX_EPOCH).ok()?,
                    words: line["msg"].as_str()?.to_owned(),
                })
            })
            .collect()
    }

    /// The times at which monopod logged words that begin so.
    pub fn logged(&self, words: &str) -> Vec<Duration> {
        self.log()
            .iter()
            .filter(|line| line.words.starts_with(words))
            .map(|line| line.at)
            .collect()
    }

    /// Waits until monopod has logged so many lines that begin so; the time of the last.
    pub fn logs(&self, words: &str, count: usize) -> Outcome<Duration> {
        until(
            &format!("{words:?} is logged {count} times"),
            patience(),
            || Ok(self.logged(words).get(count - 1).copied()),
        )
    }

    /// Lines that begin so must have been logged in this order; the first of each counts.
    pub fn logged_in_order(&self, wanted: &[&str]) -> Outcome {
        let log = self.log();
        let mut rest = log.iter();
        for words in wanted {
            if !rest.any(|line| line.words.starts_with(words)) {
                let all: Vec<&str> = log.iter().map(|line| line.words.as_str()).collect();
                return Err(format!("{words:?} is missing or out of order in {all:#?}"));
            }
        }
        Ok(())
    }

    /// How many lines that begin with `counted` were logged before the first that begins with `end`.
    pub fn logged_before(&self, counted: &str, end: &str) -> usize {
        self.log()
            .iter()
            .take_while(|line| !line.words.starts_with(end))
            .filter(|line| line.words.starts_with(counted))
            .count()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The container goes with its own drop; its client with it, at the latest now.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// A launch of monopod with a manifest in a PID namespace of the machine itself, for what needs no image.
pub fn launch<'a>(scene: &'a Scene, manifest: &str, flags: &[&str]) -> Outcome<Launch<'a>> {
    let file = scene.dir.join("pod.yaml");
    std::fs::write(&file, manifest).map_err(|why| why.to_string())?;
    let file = file.to_string_lossy();
    let mut words = vec!["-f", &file];
    words.extend(flags);
    Ok(Launch::words(scene, scene.init, &words))
}

/// A script of the suite as a `command` of a manifest.
pub fn command(scene: &Scene, script: &str) -> String {
    let line = scene.script_line(script);
    let words: Vec<&str> = line.split_whitespace().collect();
    format!("{words:?}")
}
