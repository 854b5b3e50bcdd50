//! Much output, and readers of every kind.

use crate::life::{
    Folder, MONOPOD, PATIENCE, begin, begin_with, expect_count, expect_count_slowly,
    expect_dressed, terminal, until,
};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How many times as much as usual.
pub fn scale() -> u64 {
    let asked = std::env::var("MONOPOD_RELAY_SCALE").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A program that writes the numbers up to this one, in 99 digits.
pub fn count(last: u64) -> String {
    format!("seq -f %099.0f 1 {last}")
}

/// What stands before and behind a text without its time.
pub fn dress(how: &str, name: &str) -> (String, &'static str) {
    match how {
        "prefix" => (format!("{name} | "), "\n"),
        _ => (
            format!(r#"{{"stream":"stdout","container":"{name}","log":""#),
            "\\n\"}\n",
        ),
    }
}

#[test]
fn a_million_lines_come_out_with_a_prefix_as_json_and_of_a_captured_path_once_and_in_order() {
    let last = 1_000_000 * scale();
    let folder = Folder::new();
    let (log, room) = (folder.file("log"), folder.path.display().to_string());
    let captured = format!("{} > \"$0/log\"", count(last));
    for (how, is_captured) in [("prefix", false), ("json", false), ("json", true)] {
        let script = if is_captured { &captured } else { &count(last) };
        let mut words = vec!["--output", how, "--output-time", "no", "--capture", &log];
        words.extend(["--", "sh", "-c", script, &room]);
        let mut life = begin(&words);
        let (head, tail) = dress(how, "sh");
        expect_dressed(life.out.take().expect("a pipe"), &head, tail, last, |_| {});
        let (status, _, said) = life.finish();
        assert!(status.success(), "{said}");
        assert_eq!(said, "");
    }
}

#[test]
fn lines_as_json_are_json_with_the_runtimes_names() {
    let last = 100_000 * scale();
    let mut life = begin(&["--output", "json", "--", "sh", "-c", &count(last)]);
    let out = life.out.take().expect("a pipe");
    for (line, number) in out.lines().zip(1..) {
        let line: serde_json::Value =
            serde_json::from_str(&line.expect("text")).expect("every line is JSON");
        assert_eq!(line["log"], format!("{number:099}\n"));
        assert_eq!(line["stream"], "stdout");
        assert_eq!(line["container"], "sh");
        assert!(
            line["time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z'))
        );
        if number == last {
            break;
        }
    }
    assert!(life.finish().0.success());
}

#[test]
fn a_slow_reader_gets_everything() {
    let last = 20_000;
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", &count(last)]);
    let rest = |number| {
        if number % 500 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    expect_count_slowly(life.out.take().expect("a pipe"), "sh | ", last, rest);
    assert!(life.finish().0.success());
}

#[test]
fn a_reader_of_one_stream_that_has_stopped_holds_up_the_other_not_at_all() {
    let script = format!("{} >&2 & {}; wait", count(20_000), count(50_000));
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", &script]);
    // Nobody reads standard error, and more is written there than all the pipes on the way can hold.
    let mut out = life.out.take().expect("a pipe");
    let mut line = String::new();
    for _ in 0..50_000 {
        line.clear();
        out.read_line(&mut line).expect("text");
        assert!(line.starts_with("sh | "), "{line}");
    }
    let err = life.err.take().expect("a pipe");
    expect_count(err, "sh | ", 20_000);
    assert!(life.finish().0.success());
}

#[test]
fn a_socket_and_a_terminal_that_nobody_reads_hold_up_the_other_stream_not_at_all() {
    for kind in ["socket", "terminal"] {
        let (from, to): (OwnedFd, OwnedFd) = match kind {
            "socket" => {
                let (from, to) = UnixStream::pair().expect("two sockets");
                (from.into(), to.into())
            }
            _ => terminal(),
        };
        // More than there is room for anywhere on the way. A line that comes alone must find the way free, too.
        let full = format!("{} & {} >&2", count(20_000), count(50_000));
        let script = format!("{full}; for n in $(seq 50); do sleep 0.01; echo $n >&2; done; wait");
        let words = ["--output", "prefix", "--", "sh", "-c", &script];
        let mut life = begin_with(&words, Stdio::from(to));
        let (tell, told) = std::sync::mpsc::channel();
        let err = life.err.take().expect("a pipe");
        std::thread::spawn(move || err.lines().try_for_each(|line| tell.send(line)));
        for _ in 0..50_050 {
            let line = told.recv_timeout(PATIENCE).expect(kind).expect("text");
            assert!(line.starts_with("sh | "), "{line}");
        }
        // Nothing is lost by it. A terminal says no end, but EIO.
        let lines = BufReader::new(File::from(from));
        expect_count(lines.take(20_000 * 105), "sh | ", 20_000);
        assert!(life.end().success(), "{kind}");
    }
}

#[test]
fn into_a_file_that_others_write_to_as_well_nobody_writes_over_anybody() {
    let last = 200_000;
    for appends in [false, true] {
        let folder = Folder::new();
        let mut options = File::options();
        options.create(true).append(appends).write(true);
        let file = options.open(folder.file("log")).expect("a file");
        // The same opening of it, as containers have it that inherit their output.
        let mut shared = file.try_clone().expect("a descriptor");
        let words = ["--output", "prefix", "--", "sh", "-c", &count(last)];
        let mut life = begin_with(&words, Stdio::from(file));
        let mut others = 0;
        while life.child.try_wait().expect("it is ours").is_none() {
            others += 1;
            let line = format!("other | {others:099}\n");
            shared.write_all(line.as_bytes()).expect("it is written");
        }
        let read = std::fs::read(folder.file("log")).expect("it is there");
        let (own, other): (Vec<&[u8]>, Vec<&[u8]>) = read
            .split_inclusive(|byte| *byte == b'\n')
            .partition(|line| line.starts_with(b"sh | "));
        expect_count(BufReader::new(&*own.concat()), "sh | ", last);
        expect_count(BufReader::new(&*other.concat()), "other | ", others);
    }
}

#[test]
fn bytes_that_are_no_text_survive() {
    let script = r"printf '\000\377\200a\n\303'; printf '\n'";
    let read = |how| {
        let mut life = begin(&["--output", how, "--", "sh", "-c", script]);
        let mut bytes = Vec::new();
        let mut out = life.out.take().expect("a pipe");
        out.read_to_end(&mut bytes).expect("it can be read");
        bytes
    };
    assert_eq!(read("prefix"), b"sh | \0\xff\x80a\nsh | \xc3\n");
    let json = String::from_utf8(read("json")).expect("JSON is text");
    assert!(
        json.contains(r#""log":"\u0000��a\n","base64":"AP+AYQo="}"#),
        "{json}"
    );
    assert!(json.contains(r#""base64":"wwo="}"#), "{json}");
}

#[test]
fn colours_come_on_a_terminal_only_and_only_where_they_are_welcome() {
    for (variable, value, expected) in [
        ("TERM", "xterm", "\x1b[36msh |\x1b[0m hello\n"),
        ("NO_COLOR", "1", "sh | hello\n"),
    ] {
        let (from, to) = terminal();
        let mut monopod = Command::new(MONOPOD);
        monopod.args([
            "--output",
            "prefix",
            "--",
            "sh",
            "-c",
            "echo hello; echo why >&2",
        ]);
        monopod
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .env(variable, value);
        let monopod = monopod
            .stdin(Stdio::null())
            .stdout(to)
            .stderr(Stdio::piped());
        let output = monopod.output().expect("it runs");
        let (mut line, mut lines) = (String::new(), BufReader::new(File::from(from)));
        lines.read_line(&mut line).expect("text");
        assert_eq!(line, expected, "{variable}={value}");
        assert_eq!(output.stderr, b"sh | why\n", "a pipe has none");
    }
}

#[test]
fn the_two_streams_stay_apart() {
    let script = "echo to-out; echo to-err >&2";
    let (_, out, err) = begin(&["--output", "prefix", "--", "sh", "-c", script]).finish();
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("sh | to-out\n", "sh | to-err\n")
    );
}

#[test]
fn inherited_output_has_no_relay_and_no_pipe_between() {
    let mut life = begin(&["--", "sh", "-c", "readlink /proc/$$/fd/1; read x; exit 0"]);
    let (pid, mut line) = (life.pid(), String::new());
    life.out
        .as_mut()
        .expect("a pipe")
        .read_line(&mut line)
        .expect("text");
    let own = std::fs::read_link(format!("/proc/{}/fd/1", std::process::id()));
    assert!(line.starts_with("pipe:"), "{line} {own:?}");
    assert_eq!(crate::life::relay_of(pid), None);
    assert!(life.finish().0.success());
}

#[test]
fn a_relay_with_nothing_to_do_does_nothing() {
    for script in ["sleep 100", "echo once; exec sleep 100"] {
        does_nothing(script);
    }
}

/// After the work, an alarm goes off once (see `relay/touch.rs`).
fn until_the_alarm_is_off(core: i32) {
    let folder = format!("/proc/{core}/fdinfo");
    until("no timer is set", || {
        let infos = std::fs::read_dir(&folder).ok()?.flatten();
        let mut timers = infos.filter_map(|info| {
            let text = std::fs::read_to_string(info.path()).ok()?;
            text.contains("clockid:").then_some(text)
        });
        timers
            .all(|text| text.contains("it_value: (0, 0)"))
            .then_some(())
    });
}

fn does_nothing(script: &str) {
    let mut life = begin(&["--output", "prefix", "--", "sh", "-c", script]);
    let relay = until("there is a relay", || crate::life::relay_of(life.pid()));
    let of = |pid: i32, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let switches = |pid| of(pid, "voluntary_ctxt_switches").and_then(|n| n.parse::<u64>().ok());
    if script.contains("once") {
        let (out, mut line) = (life.out.as_mut().expect("a pipe"), String::new());
        out.read_line(&mut line).expect("text");
        assert_eq!(line, "sh | once\n");
        until_the_alarm_is_off(life.pid());
    }
    until("it waits", || switches(relay).filter(|count| *count > 0));
    // The core wakes once after it has begun, to install its handlers.
    until("the core sleeps with its handlers", || {
        let caught = of(life.pid(), "SigCgt:")?;
        let state = of(life.pid(), "State:")?;
        (caught.bytes().any(|digit| digit != b'0') && state == "S").then_some(())
    });
    let before = (switches(relay), switches(life.pid()));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((switches(relay), switches(life.pid())), before);
    life.signal(libc::SIGTERM);
    assert_eq!(life.finish().0.code(), Some(143));
}
