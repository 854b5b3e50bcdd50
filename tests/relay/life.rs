//! A monopod that a story is about: started, read, killed at, and seen to its end.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const MONOPOD: &str = env!("CARGO_BIN_EXE_monopod");

/// After this long a condition will not come true any more.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Life {
    pub child: Child,
    pub out: Option<BufReader<ChildStdout>>,
    pub err: Option<BufReader<ChildStderr>>,
}

/// A monopod with these words; both its outputs are pipes of ours.
pub fn begin(words: &[&str]) -> Life {
    begin_with(words, Stdio::piped())
}

/// The same with another standard output.
pub fn begin_with(words: &[&str], out: Stdio) -> Life {
    spawn(MONOPOD, words, out)
}

/// The same by a program that becomes it, with both in its words.
pub fn begin_by(program: &str, words: &[&str]) -> Life {
    spawn(program, words, Stdio::piped())
}

fn spawn(program: &str, words: &[&str], out: Stdio) -> Life {
    let mut child = Command::new(program)
        .args(words)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .expect("monopod runs");
    let out = child
        .stdout
        .take()
        .map(|out| BufReader::with_capacity(1 << 16, out));
    let err = child.stderr.take().map(BufReader::new);
    Life { child, out, err }
}

impl Drop for Life {
    fn drop(&mut self) {
        // A story that failed must not leave its command behind. One that was waited for is not signalled.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(libc::SIGTERM);
        }
    }
}

impl Life {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: plain numbers; the child was not waited for, so the number is its own.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("it can be waited for")
    }

    /// Reads both streams to their ends and sees it leave.
    pub fn finish(mut self) -> (ExitStatus, String, String) {
        let (mut out, mut said) = (String::new(), String::new());
        if let Some(mut stdout) = self.out.take() {
            stdout.read_to_string(&mut out).expect("text");
        }
        if let Some(mut stderr) = self.err.take() {
            stderr.read_to_string(&mut said).expect("text");
        }
        (self.end(), out, said)
    }

    /// Sends SIGKILL to its relay again and again until told to stop; the answer is how often.
    pub fn murder(&self) -> Murder {
        let (over, kills) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (is_over, count, core) = (over.clone(), kills.clone(), self.pid());
        let thread = std::thread::spawn(move || {
            let mut dice = 88_172_645_463_325_252_u64;
            while !is_over.load(Ordering::Relaxed) {
                for pid in children_of(core, RELAY) {
                    // SAFETY: plain numbers. Should the relay have died since, the number is hardly another's yet.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                    count.fetch_add(1, Ordering::Relaxed);
                }
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                // Not to let things settle: so that the blow falls anywhere.
                std::thread::sleep(Duration::from_micros(dice % 4000));
            }
        });
        Murder {
            over,
            kills,
            thread,
        }
    }
}

pub struct Murder {
    over: Arc<AtomicBool>,
    kills: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Murder {
    /// Ends it, and tells how often it struck.
    pub fn stop(self) -> u32 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does nothing that fails");
        self.kills.load(Ordering::Relaxed)
    }
}

/// The relay of this core, from /proc.
pub fn relay_of(core: i32) -> Option<i32> {
    child_of(core, RELAY)
}

const RELAY: &str = "monopod-relay";

/// A child that goes by this name, from /proc.
pub fn child_of(core: i32, name: &str) -> Option<i32> {
    children_of(core, name).into_iter().next()
}

/// All of them.
fn children_of(core: i32, name: &str) -> Vec<i32> {
    let children = std::fs::read_dir("/proc").expect("it is mounted");
    let its = children.flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let rest = stat.strip_prefix(&format!("{pid} ({name}) "))?;
        let mut words = rest.split(' ');
        let lives = words.next()? != "Z";
        (lives && words.next()? == core.to_string()).then_some(pid)
    });
    its.collect()
}

/// Waits until it holds.
pub fn until<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = holds() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sees that the lines are `head` with the numbers from 1 to `last`, each once and in order, in 99 digits.
pub fn expect_count(lines: impl BufRead, head: &str, last: u64) {
    expect_count_slowly(lines, head, last, |_| {});
}

/// The same; after each line `rest` may take its time.
pub fn expect_count_slowly(lines: impl BufRead, head: &str, last: u64, rest: impl FnMut(u64)) {
    expect_dressed(lines, head, "\n", last, rest);
}

/// The same; each line ends with `tail`.
pub fn expect_dressed(
    mut lines: impl BufRead,
    head: &str,
    tail: &str,
    last: u64,
    mut rest: impl FnMut(u64),
) {
    let mut line = Vec::new();
    for number in 1..=last {
        line.clear();
        lines.read_until(b'\n', &mut line).expect("it can be read");
        let text = line
            .strip_prefix(head.as_bytes())
            .and_then(|rest| rest.strip_suffix(tail.as_bytes()));
        let read = text
            .filter(|text| text.len() == 99)
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        assert_eq!(read, Some(number), "{}", String::from_utf8_lossy(&line));
        rest(number);
    }
    line.clear();
    lines.read_to_end(&mut line).expect("it can be read");
    assert!(
        line.is_empty(),
        "more came: {}",
        String::from_utf8_lossy(&line)
    );
}

/// The two ends of a terminal that changes nothing.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: the kernel fills two numbers and a struct for which all zeroes is a value; both descriptors are nobody else's.
    unsafe {
        let none = std::ptr::null_mut();
        let made = libc::openpty(
            &raw mut master,
            &raw mut slave,
            none,
            none.cast(),
            none.cast(),
        );
        assert_eq!(made, 0, "a terminal");
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(slave, &raw mut modes);
        libc::cfmakeraw(&raw mut modes);
        libc::tcsetattr(slave, libc::TCSANOW, &raw const modes);
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}

/// A folder of its own, which any uid may enter.
pub struct Folder {
    pub path: std::path::PathBuf,
}

impl Folder {
    pub fn new() -> Folder {
        use std::os::unix::fs::PermissionsExt;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("relay-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&path, open).expect("it is ours");
        Folder { path }
    }

    pub fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

pub fn is_root() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::geteuid() == 0 }
}
