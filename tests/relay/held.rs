//! Whoever has a pipe can hold its mutex for ever, and a reader that has stopped makes the relay do so: the core must go on.

use crate::life::{
    Folder, Life, PATIENCE, begin, begin_with, child_of, is_root, relay_of, terminal, until,
};
use std::io::{BufRead, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Who is started with this variable holds.
pub const HOLDS: &str = "MONOPOD_TEST_HOLDS";

/// No story, but what a container does in one: writes a line, and holds the mutex of the pipe behind its standard output, until it
/// is killed. Both in one call, so that no relay comes between.
#[test]
fn holder() {
    if std::env::var_os(HOLDS).is_none() {
        return;
    }
    let (mut quiet, from) = UnixStream::pair().expect("two sockets");
    quiet.write_all(b"hello\n").expect("there is room");
    let enough: libc::c_int = 4096;
    // SAFETY: one int, of its size. A splice of so many bytes waits for all of them.
    let set = unsafe {
        let size = size_of_val(&enough) as libc::socklen_t;
        let value = (&raw const enough).cast();
        libc::setsockopt(
            from.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            value,
            size,
        )
    };
    assert_eq!(set, 0);
    let none = std::ptr::null_mut;
    // SAFETY: plain numbers; no offsets.
    unsafe { libc::splice(from.as_raw_fd(), none(), 1, none(), 4096, 0) };
}

/// Waits until a process holds.
pub fn until_it_holds(pid: i32) {
    until("the pipe is held", || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task"))
            .ok()?
            .flatten();
        threads.find_map(|thread| is_in(&thread.path().join("syscall"), libc::SYS_splice))
    });
}

/// Whether a thread waits in this system call.
fn is_in(syscall: &Path, number: libc::c_long) -> Option<()> {
    let text = std::fs::read_to_string(syscall).ok()?;
    (text.split(' ').next() == Some(&number.to_string())).then_some(())
}

/// Its exit code, if it leaves in time.
fn code(life: &mut Life) -> Option<i32> {
    until("it leaves", || life.child.try_wait().expect("ours")).code()
}

fn fifo(folder: &Folder, name: &str) -> String {
    let path = folder.file(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    path
}

#[test]
fn who_holds_the_pipe_of_a_program_holds_up_neither_the_core_nor_its_end() {
    let folder = Folder::new();
    let go = fifo(&folder, "go");
    let me = std::env::current_exe().expect("it has a path");
    let script = format!(
        "trap '' TERM; {HOLDS}=1 {} --exact held::holder & echo $! > \"$0.pid\"; read go < \"$0\"; exit 3",
        me.display()
    );
    let words = [
        "--grace=1s",
        "--output=prefix",
        "--",
        "sh",
        "-c",
        &script,
        &go,
    ];
    let mut life = begin(&words);
    let holder = until("there is a holder", || {
        let text = std::fs::read_to_string(format!("{go}.pid")).ok()?;
        text.trim().parse().ok()
    });
    until_it_holds(holder);
    std::fs::write(&go, "go\n").expect("it reads");
    assert_eq!(code(&mut life), Some(3));
}

#[test]
fn what_an_instance_did_to_the_flags_of_its_output_is_not_the_next_ones() {
    let step = "sh -c \"grep flags /proc/self/fdinfo/1; dd oflag=nonblock if=/dev/null 2>/dev/null; exit 1\"";
    let words = [
        "--output=prefix",
        "--init-retries=1",
        "--init",
        step,
        "--",
        "true",
    ];
    let (status, out, _) = begin(&words).finish();
    assert_eq!(status.code(), Some(1));
    let flags: Vec<&str> = out.lines().collect();
    assert_eq!(flags.len(), 2, "{out}");
    assert_eq!(flags[0], flags[1]);
}

/// Waits until the pipe of a program that only writes is full.
fn until_full(pid: i32) {
    let syscall = format!("/proc/{pid}/syscall");
    let mut times = 0;
    until("its pipe is full", || {
        times = is_in(Path::new(&syscall), libc::SYS_write).map_or(0, |()| times + 1);
        (times > 20).then_some(())
    });
}

#[test]
fn a_terminal_and_a_socket_that_nobody_reads_hold_up_no_end() {
    for kind in ["terminal", "socket"] {
        let (from, to): (OwnedFd, OwnedFd) = match kind {
            "socket" => {
                let (from, to) = UnixStream::pair().expect("two sockets");
                (from.into(), to.into())
            }
            _ => terminal(),
        };
        let words = ["--grace=1s", "--output=prefix", "--", "yes"];
        let mut life = begin_with(&words, Stdio::from(to));
        until_full(until("it writes", || child_of(life.pid(), "yes")));
        life.signal(libc::SIGTERM);
        assert_eq!(code(&mut life), Some(143), "{kind}");
        let mut said = String::new();
        err_of(&mut life).read_to_string(&mut said).expect("text");
        assert!(
            said.contains("bytes of output were not delivered"),
            "{said}"
        );
        drop(from);
    }
}

fn err_of(life: &mut Life) -> impl Read {
    life.err.take().expect("a pipe")
}

#[test]
fn a_relay_that_cannot_look_is_told_by_the_next_instance_where_the_last_one_ended() {
    let folder = Folder::new();
    let been = folder.file("been");
    let (mut from, to) = UnixStream::pair().expect("two sockets");
    let step = format!("sh -c \"printf again; echo >> {been}; exit 1\"");
    let words = [
        "--grace=20s",
        "--output=prefix",
        "--init-retries=1",
        "--init",
        "seq -f %099.0f 1 4000",
        "--init",
        &step,
        "--",
        "true",
    ];
    let to: OwnedFd = to.into();
    let mut life = begin_with(&words, Stdio::from(to));
    // More than the socket holds, and less than the pipe and the relay: so all have ended before anybody reads.
    until("both instances ended", || {
        let times = std::fs::read_to_string(&been).ok()?;
        (times.len() == 2).then_some(())
    });
    let mut out = String::new();
    from.read_to_string(&mut out).expect("text");
    let agains: Vec<&str> = out.lines().filter(|it| it.contains("again")).collect();
    assert_eq!(agains, ["sh   | again"; 2]);
    assert_eq!(code(&mut life), Some(1));
}

#[test]
fn a_relay_that_somebody_stops_goes_on() {
    expect_answers_whatever_befalls_the_relay(|relay| {
        // SAFETY: plain numbers.
        unsafe { libc::kill(relay, libc::SIGSTOP) };
    });
}

#[test]
fn a_relay_that_may_wait_for_nobody_any_more_leaves_it_to_the_next() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can become another");
    }
    expect_answers_whatever_befalls_the_relay(|relay| {
        // Whoever has the uid of the relay may. From then on its poll is refused.
        let mut prlimit = Command::new("prlimit");
        prlimit.args([&format!("--pid={relay}"), "--nofile=0"]);
        let lowered = prlimit.uid(65534).gid(65534).status();
        assert!(lowered.expect("prlimit runs").success());
    });
}

/// A command that answers three times; before each question something befalls the relay that is up.
fn expect_answers_whatever_befalls_the_relay(mut befalls: impl FnMut(i32)) {
    let folder = Folder::new();
    let go = fifo(&folder, "go");
    let script = "for n in 1 2 3; do read go < $0; echo $n; done";
    // Open for both, so that nobody waits for the other in his open.
    let mut options = std::fs::File::options();
    let mut says = options
        .read(true)
        .write(true)
        .open(&go)
        .expect("it is ours");
    let mut life = begin(&["--output=prefix", "--", "sh", "-c", script, &go]);
    let (tell, told) = std::sync::mpsc::channel();
    let out = life.out.take().expect("a pipe");
    std::thread::spawn(move || {
        out.lines()
            .try_for_each(|line| tell.send(line.expect("text")))
    });
    for n in 1..=3 {
        befalls(until("a relay sleeps", || {
            relay_of(life.pid()).filter(|relay| is_asleep(*relay))
        }));
        says.write_all(b"go\n").expect("there is room");
        let line = told.recv_timeout(PATIENCE);
        assert_eq!(line.as_deref(), Ok(&*format!("sh | {n}")));
    }
    assert!(life.end().success());
}

fn is_asleep(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains(") S "))
}
