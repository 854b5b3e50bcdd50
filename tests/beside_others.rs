//! Not as PID 1: what monopod must leave alone, and what it must not leave behind. Needs no root and no container.
//!
//! Each of these was found by somebody who tried the README for the first time, or to break it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const MONOPOD: &str = env!("CARGO_BIN_EXE_monopod");

fn shell(script: &str) -> Output {
    Command::new("bash")
        .args(["-c", script])
        .env("M", MONOPOD)
        .output()
        .expect("bash runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port that is free now; whoever takes it in between makes the test fail, and says so.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("an address").port()
}

#[test]
fn the_port_is_free_again_in_the_moment_in_which_monopod_has_left() {
    let at = format!("127.0.0.1:{}", free_port());
    for round in 0..100 {
        let run = Command::new(MONOPOD)
            .args(["--health", &at, "--", "true"])
            .output();
        let output = run.expect("monopod runs");
        assert!(output.status.success(), "round {round}: {}", said(&output));
    }
}

#[test]
fn children_of_the_shell_that_became_monopod_are_neither_killed_nor_waited_for() {
    let begun = Instant::now();
    let output = shell(
        r#"note=$(mktemp)
           bash -c 'sleep 30 & echo $! > "$0"; exec "$M" --grace 20 -- sh -c "sleep 30 & exit 3"' "$note"
           code=$?
           kill "$(cat "$note")" || echo "the guest was killed"
           rm "$note"; exit $code"#,
    );
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "it waited for the guest"
    );
}

#[test]
fn a_line_break_in_a_name_makes_no_line_of_its_own_in_the_log() {
    let run = Command::new(MONOPOD)
        .args(["--", "a\nmonopod: error: forged \x1b[31m"])
        .output();
    let output = run.expect("monopod runs");
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    assert!(!said(&output).contains('\x1b'));
}

#[test]
fn a_command_without_a_name_says_just_that() {
    let output = Command::new(MONOPOD)
        .args(["--", ""])
        .output()
        .expect("monopod runs");
    assert_eq!(output.status.code(), Some(127));
    assert!(said(&output).contains("name is empty"), "{}", said(&output));
}

#[test]
fn an_env_file_that_is_a_pipe_is_a_fault_and_nothing_is_started() {
    let output = shell(r#""$M" --env-file <(sleep 0.1; echo A=1) -- echo started"#);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    assert!(said(&output).contains("it is a pipe"), "{}", said(&output));
}

#[test]
fn a_path_in_an_env_file_is_where_the_command_is_looked_up() {
    let output = shell(
        r#"d=$(mktemp -d); printf '#!/bin/sh\necho found\n' > "$d/only-here"; chmod +x "$d/only-here"
           echo "PATH=$d" > "$d/env"
           "$M" --env-file "$d/env" --init only-here -- only-here; code=$?; rm -r "$d"; exit $code"#,
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "found\nfound\n",
        "{}",
        said(&output)
    );
}

#[test]
fn a_step_that_is_tried_again_says_how_it_failed() {
    let output = shell(r#""$M" --init 'sh -c "exit 7"' --init-retries 1 -- true"#);
    assert_eq!(output.status.code(), Some(7));
    for words in ["exited with 7", "is tried again at once"] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn a_stop_signal_that_stops_nothing_is_a_fault() {
    for signal in ["CONT", "CHLD", "STOP", "32", "0"] {
        let run = Command::new(MONOPOD)
            .args(["--stop-signal", signal, "--", "true"])
            .output();
        assert_eq!(
            run.expect("monopod runs").status.code(),
            Some(64),
            "{signal}"
        );
    }
}

#[test]
fn log_lines_that_nobody_reads_are_counted_and_hold_up_nothing() {
    let mut monopod = Command::new(MONOPOD);
    monopod.args(["--log-level", "info"]);
    monopod.args(["--init", "true"].repeat(2000));
    let script = "echo running; read -r go; exit 7";
    monopod.args(["--", "sh", "-c", script]);
    monopod
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut life = monopod.spawn().expect("monopod runs");
    let mut out = BufReader::new(life.stdout.take().expect("a pipe"));
    let mut line = String::new();
    // Two lines a step are far more than a pipe holds; it comes here only if it does not wait for us.
    out.read_line(&mut line).expect("it gets to its command");
    assert_eq!(line, "running\n");
    let mut errors = life.stderr.take().expect("a pipe");
    let mut pipeful = vec![0; 32 * 1024];
    errors.read_exact(&mut pipeful).expect("what was written");
    // Now there is room, and the next word, that the command has ended, comes with the count.
    life.stdin
        .take()
        .expect("a pipe")
        .write_all(b"go\n")
        .expect("it reads");
    let mut rest = String::new();
    errors.read_to_string(&mut rest).expect("text");
    let status: ExitStatus = life.wait().expect("it ends");
    assert_eq!(status.code(), Some(7), "{rest}");
    assert!(rest.contains("log lines were lost"), "{rest}");
}

/// Whoever of this name is a child of that process.
fn child_named(parent: u32, name: &str) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.ok()?;
    let pids = children.split(' ').filter_map(|pid| pid.parse().ok());
    pids.into_iter().find(|pid: &i32| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        comm.is_ok_and(|comm| comm.trim() == name)
    })
}

#[test]
fn a_process_that_writes_the_log_loses_no_line_when_it_is_killed() {
    let (mut errors, stderr) = std::io::pipe().expect("a pipe");
    // SAFETY: plain numbers. It holds less than is to be said, so some of it waits.
    unsafe {
        libc::fcntl(
            std::os::fd::AsRawFd::as_raw_fd(&stderr),
            libc::F_SETPIPE_SZ,
            4096,
        )
    };
    let mut monopod = Command::new(MONOPOD);
    monopod.args(["--log-level", "info"]);
    monopod.args(["--init", "true"].repeat(100));
    monopod.args(["--", "sh", "-c", "echo running; read -r go"]);
    monopod
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr);
    let mut life = monopod.spawn().expect("monopod runs");
    drop(monopod);
    let mut out = BufReader::new(life.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it gets to its command");
    let writer = child_named(life.id(), "monopod-log").expect("who writes the log");
    // SAFETY: plain numbers.
    unsafe { libc::kill(writer, libc::SIGKILL) };
    drop(life.stdin.take());
    let mut told = String::new();
    errors.read_to_string(&mut told).expect("text");
    assert!(life.wait().expect("it ends").code().is_some());
    for step in 1..=100 {
        for what in ["started", "is done"] {
            let line = format!("init step {step} (true) {what}\n");
            assert!(told.contains(&line), "no {line} in\n{told}");
        }
    }
    assert!(!told.contains("lost"), "{told}");
}
