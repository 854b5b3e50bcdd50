//! The end: what was written before it is out, unless nobody reads; and nobody who does not read holds it up for ever.

use crate::life::{Folder, begin, begin_with, relay_of, until};
use std::fs::File;
use std::io::{BufRead, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_last_words_are_out_even_if_no_line_break_ends_them() {
    for round in 0..50 {
        let script = "printf 'last words'; printf 'of both' >&2; exit 7";
        let (status, out, err) = begin(&["--output", "prefix", "--", "sh", "-c", script]).finish();
        assert_eq!(status.code(), Some(7), "round {round}");
        assert_eq!(
            (out.as_str(), err.as_str()),
            ("sh | last words\n", "sh | of both\n")
        );
    }
}

#[test]
fn each_program_ends_its_own_line() {
    let words = [
        "--output",
        "prefix",
        "--init",
        "printf one",
        "--init",
        "printf two",
    ];
    let (_, out, _) = begin(&[&words[..], &["--", "printf", "three"]].concat()).finish();
    assert_eq!(out, "printf | one\nprintf | two\nprintf | three\n");
}

#[test]
fn a_step_that_is_run_again_does_not_go_on_with_the_line_of_its_last_run() {
    let step = "sh -c \"printf again; exit 1\"";
    let words = [
        "--output",
        "prefix",
        "--init-retries",
        "1",
        "--init",
        step,
        "--",
        "true",
    ];
    let (status, out, _) = begin(&words).finish();
    assert_eq!(status.code(), Some(1));
    assert_eq!(out, "sh   | again\nsh   | again\n");
}

#[test]
fn a_descendant_that_keeps_the_pipe_does_not_hold_up_the_end() {
    let begun = Instant::now();
    let script = "trap '' TERM; (while :; do echo more; done) & echo first; exit 3";
    let words = [
        "--grace", "1s", "--output", "prefix", "--", "sh", "-c", script,
    ];
    let (status, out, _) = begin(&words).finish();
    assert_eq!(status.code(), Some(3));
    assert!(out.contains("sh | first\n"));
    assert!(out.lines().all(|line| line.starts_with("sh | ")));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_reader_that_has_stopped_stops_neither_the_core_nor_its_end() {
    let words = ["--grace", "1s", "--output", "prefix", "--", "yes"];
    let mut life = begin(&words);
    until("there is a relay", || relay_of(life.pid()));
    let mut line = String::new();
    let out = life.out.as_mut().expect("a pipe");
    out.read_line(&mut line).expect("text");
    let begun = Instant::now();
    life.signal(libc::SIGTERM);
    assert_eq!(life.end().code(), Some(143));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Only now somebody looks.
    let said: Vec<String> = life
        .err
        .take()
        .expect("a pipe")
        .lines()
        .map_while(Result::ok)
        .collect();
    let told = said
        .iter()
        .any(|line| line.contains("bytes of output were not delivered"));
    assert!(told, "{said:?}");
}

#[test]
fn a_reader_that_stands_still_until_after_the_end_gets_a_hundred_short_lines_that_came_one_by_one()
{
    // Each in a page of its own: more than an ordinary pipe has places for.
    let script = "for n in $(seq 1 100); do echo $n; sleep 0.004; done";
    let words = [
        "--grace", "1s", "--output", "prefix", "--", "sh", "-c", script,
    ];
    let mut life = begin(&words);
    assert_eq!(life.end().code(), Some(0));
    let (_, out, err) = life.finish();
    let expected: String = (1..=100).map(|n| format!("sh | {n}\n")).collect();
    assert_eq!((out.as_str(), err.as_str()), (expected.as_str(), ""));
}

#[test]
fn a_reader_that_has_gone_is_told_of_and_the_command_goes_on() {
    let script = "seq 1 100000; echo done >&2; exit 5";
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", script]);
    drop(life.out.take());
    let (status, _, err) = life.finish();
    assert_eq!(status.code(), Some(5), "{err}");
    assert!(err.contains("sh | done\n"), "{err}");
    assert!(err.contains("there was no reader"), "{err}");
}

#[test]
fn a_relay_that_is_stopped_does_not_stop_the_core() {
    let words = ["--grace", "1s", "--output", "prefix", "--", "sleep", "100"];
    let mut life = begin(&words);
    let relay = until("there is a relay", || relay_of(life.pid()));
    // SAFETY: plain numbers.
    unsafe { libc::kill(relay, libc::SIGSTOP) };
    life.signal(libc::SIGTERM);
    assert_eq!(life.end().code(), Some(143));
}

#[test]
fn a_line_whose_reader_went_away_in_its_middle_does_not_swallow_the_next() {
    let folder = Folder::new();
    let fifo = |name| {
        let path = folder.file(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo runs").success());
        path
    };
    let (pipe, go, done) = (fifo("pipe"), fifo("go"), folder.file("done"));
    let read = || {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(&pipe).expect("it is there")
    };
    let mut first = read();
    let to: OwnedFd = File::options()
        .write(true)
        .open(&pipe)
        .expect("it has a reader")
        .into();
    // More than all pipes on the way hold, so it is over when lines are dropped.
    let script = "seq -f %09000.0f 1 200; : > $1; read go < $0; echo AFTER one; echo AFTER two";
    let words = ["--output=prefix", "--", "sh", "-c", script, &go, &done];
    let life = begin_with(&words, Stdio::from(to));
    let mut some = [0; 5000];
    until("something came", || {
        first.read(&mut some).ok().filter(|count| *count > 0)
    });
    drop(first);
    until("all was written", || {
        std::path::Path::new(&done).exists().then_some(())
    });
    let mut second = read();
    std::fs::write(&go, "go\n").expect("it reads");
    let mut out = Vec::new();
    until("all was read", || match second.read_to_end(&mut out) {
        Ok(_) => Some(()),
        Err(_) => None,
    });
    let text = String::from_utf8_lossy(&out);
    let after: Vec<&str> = text.lines().filter(|line| line.contains("AFTER")).collect();
    assert_eq!(after, ["sh | AFTER one", "sh | AFTER two"]);
    assert!(life.finish().0.success());
}
