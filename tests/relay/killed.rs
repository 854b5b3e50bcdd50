//! A relay that is killed with SIGKILL under full load, again and again: no line is lost, none is doubled, no writer gets
//! SIGPIPE.

use crate::life::{
    Folder, begin, begin_with, expect_count, expect_count_slowly, expect_dressed, is_root,
    relay_of, terminal, until,
};
use crate::volume::{self, count, scale};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

/// So many lines that there is time for blows.
fn many() -> u64 {
    1_000_000 * scale()
}

#[test]
fn a_relay_that_is_killed_loses_no_line_and_doubles_none() {
    for how in ["prefix", "json"] {
        let (head, tail) = volume::dress(how, "sh");
        let last = many();
        let words = ["--output", how, "--output-time", "no", "--", "sh", "-c"];
        let mut life = begin(&[&words[..], &[&count(last)]].concat());
        let murder = life.murder();
        expect_dressed(life.out.take().expect("a pipe"), &head, tail, last, |_| {});
        let kills = murder.stop();
        let (status, _, said) = life.finish();
        assert!(status.success(), "{said}");
        println!("{how}: {last} lines, {kills} kills");
        assert!(kills > 3, "only {kills} kills");
    }
}

#[test]
fn killed_before_a_slow_reader_too() {
    let last = 30_000;
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", &count(last)]);
    let murder = life.murder();
    let rest = |number| {
        if number % 500 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    expect_count_slowly(life.out.take().expect("a pipe"), "sh | ", last, rest);
    assert!(murder.stop() > 10);
    assert!(life.finish().0.success());
}

/// What is shared with a program that wants it so: a write that finds no room says EAGAIN.
fn set_nonblocking(fd: &OwnedFd) {
    // SAFETY: plain numbers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
}

#[test]
fn killed_before_a_pipe_a_socket_and_a_terminal_whether_or_not_they_block() {
    for kind in ["pipe", "socket", "terminal"] {
        for blocks in [true, false] {
            let (from, to): (OwnedFd, OwnedFd) = match kind {
                "pipe" => {
                    let (from, to) = std::io::pipe().expect("a pipe");
                    (from.into(), to.into())
                }
                "socket" => {
                    let (from, to) = UnixStream::pair().expect("two sockets");
                    (from.into(), to.into())
                }
                _ => terminal(),
            };
            if !blocks {
                set_nonblocking(&to);
            }
            let last = 30_000;
            let words = ["--output", "prefix", "--", "sh", "-c", &count(last)];
            let mut life = begin_with(&words, Stdio::from(to));
            let murder = life.murder();
            let rest = |number| {
                if number % 500 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
            };
            // A terminal says no end, but EIO; so it is read as far as it must go.
            let lines = BufReader::new(File::from(from));
            match kind {
                "terminal" => expect_count_slowly(lines.take(last * 105), "sh | ", last, rest),
                _ => expect_count_slowly(lines, "sh | ", last, rest),
            }
            murder.stop();
            assert!(life.end().success(), "{kind}");
        }
    }
}

#[test]
fn killed_while_it_writes_to_a_file() {
    for appends in [false, true] {
        let folder = Folder::new();
        let path = folder.file("log");
        let mut options = File::options();
        options.create(true).append(appends).write(true);
        let file: OwnedFd = options.open(&path).expect("a file").into();
        let words = ["--output", "prefix", "--", "sh", "-c", &count(many())];
        let mut life = begin_with(&words, Stdio::from(file));
        let murder = life.murder();
        assert!(life.end().success());
        murder.stop();
        let read = BufReader::new(File::open(&path).expect("it is there"));
        expect_count(read, "sh | ", many());
    }
}

#[test]
fn killed_while_a_line_is_unfinished_it_is_finished_by_the_next() {
    let script = "printf begun; read go < \"$0\"; echo ' and done'";
    let folder = Folder::new();
    let go = folder.file("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status();
    assert!(made.expect("mkfifo runs").success());
    let life = begin(&["--output", "prefix", "--", "sh", "-c", script, &go]);
    for _ in 0..5 {
        let relay = until("there is a relay", || relay_of(life.pid()));
        // SAFETY: plain numbers.
        unsafe { libc::kill(relay, libc::SIGKILL) };
        until("there is another", || {
            relay_of(life.pid()).filter(|next| *next != relay)
        });
    }
    std::fs::write(&go, "go\n").expect("it reads");
    let (status, out, _) = life.finish();
    assert!(status.success());
    assert_eq!(out, "sh | begun and done\n");
}

#[test]
fn when_the_core_is_killed_the_relay_goes_on_until_the_last_writer_is_gone() {
    let script = "echo $$; read go < \"$0\"; seq -f %099.0f 1 5000";
    let folder = Folder::new();
    let go = folder.file("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status();
    assert!(made.expect("mkfifo runs").success());
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", script, &go]);
    let mut out = life.out.take().expect("a pipe");
    let mut line = String::new();
    out.read_line(&mut line).expect("text");
    life.signal(libc::SIGKILL);
    life.end();
    std::fs::write(&go, "go\n").expect("it reads");
    expect_count(out, "sh | ", 5000);
}

#[test]
fn a_relay_whose_limits_somebody_has_lowered_leaves_the_rest_to_the_next() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can become another");
    }
    let folder = Folder::new();
    let go = folder.file("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status();
    assert!(made.expect("mkfifo runs").success());
    let path = folder.file("log");
    let file: OwnedFd = File::create(&path).expect("a file").into();
    let script = "read go < $0; seq -f %099.0f 1 5000";
    let mut life = begin_with(
        &["--output", "prefix", "--", "sh", "-c", script, &go],
        Stdio::from(file),
    );
    let relay = until("there is a relay", || relay_of(life.pid()));
    // Whoever has the uid of the relay may.
    let mut prlimit = std::process::Command::new("prlimit");
    prlimit.args([&format!("--pid={relay}"), "--fsize=0"]);
    let lowered = prlimit.uid(65534).gid(65534).status();
    assert!(lowered.expect("prlimit runs").success());
    std::fs::write(&go, "go\n").expect("it reads");
    assert!(life.end().success());
    let read = BufReader::new(File::open(&path).expect("it is there"));
    expect_count(read, "sh | ", 5000);
}
