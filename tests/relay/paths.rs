//! Captured paths: FIFOs that anybody may write.

use crate::life::{Folder, MONOPOD, begin, is_root};
use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::process::Command;

#[test]
fn a_hundred_writers_at_once_never_mix_their_lines() {
    const WRITERS: usize = 100;
    const LINES: usize = 300;
    let folder = Folder::new();
    let paths: Vec<String> = (0..WRITERS)
        .map(|number| format!("{}:w{number}", folder.file(&format!("log{number}"))))
        .collect();
    let mut words = vec!["--output", "prefix"];
    for path in &paths {
        words.extend(["--capture", path]);
    }
    let script = format!(
        "for n in $(seq 0 {}); do seq -f \"$n-%0150.0f\" 1 {LINES} > \"$0/log$n\" & done; wait",
        WRITERS - 1
    );
    let room = folder.path.display().to_string();
    words.extend(["--", "sh", "-c", &script, &room]);
    let (status, out, err) = begin(&words).finish();
    assert!(status.success(), "{err}");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for line in out.lines() {
        let (name, text) = line.split_once(" | ").expect("a prefix");
        let name = name.trim_end();
        let (writer, number) = text.split_once('-').expect("a line as written");
        assert_eq!(format!("w{writer}"), name, "{line}");
        assert_eq!(number.len(), 150, "{line}");
        let before = seen.entry(name).or_default();
        *before += 1;
        assert_eq!(number.parse(), Ok(*before), "{line}");
    }
    assert_eq!(seen.len(), WRITERS);
    assert!(seen.values().all(|lines| *lines == LINES));
}

#[test]
fn beside_inherited_output_captured_lines_are_as_they_were() {
    let folder = Folder::new();
    let (log, errors) = (folder.file("log"), folder.file("errors"));
    let errors_to = format!("{errors}=stderr");
    let script = "echo to the log > \"$0\"; echo an error > \"$1\"; echo once more >> \"$0\"; printf end > \"$0\"";
    let words = ["--capture", &log, "--capture", &errors_to];
    let life = begin(&[&words[..], &["--", "sh", "-c", script, &log, &errors]].concat());
    let (status, out, err) = life.finish();
    assert!(status.success());
    assert_eq!(out, "to the log\nonce more\nend\n");
    assert_eq!(err, "an error\n");
    assert!(
        !folder.path.join("log").exists(),
        "what was made is taken away"
    );
}

#[test]
fn a_writer_that_truncates_or_reopens_its_log_is_heard_on() {
    let folder = Folder::new();
    let log = folder.file("log");
    // Held open as a JVM holds it, truncated by name and by descriptor (which a FIFO refuses), opened to read as well.
    let script = "exec 3>>\"$0\"; echo 1 >&3; truncate -s 0 \"$0\" 2>/dev/null; echo 2 >&3; : > \"$0\"; echo 3 >&3
        exec 3>&-; exec 3>\"$0\"; echo 4 >&3; exec 3<>\"$0\"; echo 5 >&3; exec 3>&-; echo 6 >> \"$0\"";
    let life = begin(&["--capture", &log, "--", "sh", "-c", script, &log]);
    let (status, out, err) = life.finish();
    assert!(status.success(), "{err}");
    assert_eq!(out, "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_file_that_is_there_is_a_fault_and_a_fifo_is_used_and_stays() {
    let folder = Folder::new();
    let (file, fifo) = (folder.file("file"), folder.file("fifo"));
    std::fs::write(&file, "mine").expect("a file");
    let (status, _, err) = begin(&["--capture", &file, "--", "echo", "started"]).finish();
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("remove it, or follow it with --capture-follow"),
        "{err}"
    );
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo runs")
            .success()
    );
    // By two paths: neither could have all of it. What was made for the first of them is taken away.
    for captured in ["fifo", "new"] {
        let (one, other) = (folder.file(captured), folder.file(&format!("./{captured}")));
        let twice = [
            "--capture",
            &one,
            "--capture",
            &other,
            "--",
            "echo",
            "started",
        ];
        let (status, out, err) = begin(&twice).finish();
        assert_eq!((status.code(), &*out), (Some(1), ""));
        assert!(err.contains("is captured already"), "{err}");
    }
    assert!(!folder.path.join("new").exists());
    let (_, out, _) = begin(&["--capture", &fifo, "--", "sh", "-c", "echo x > $0", &fifo]).finish();
    assert_eq!(out, "x\n");
    let kept = std::fs::metadata(&fifo).expect("it was not ours to remove");
    assert!(kept.file_type().is_fifo());
}

#[test]
fn another_uid_writes_to_captured_paths_and_opens_its_own_stdout_and_stderr() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can become another");
    }
    let folder = Folder::new();
    let log = folder.file("log");
    let script = "echo out > /dev/stdout; echo err > /dev/stderr; echo log >> \"$0\"";
    let words = ["--output", "prefix", "--capture", &log, "--"];
    let other = [
        "setpriv",
        "--reuid",
        "1000",
        "--regid",
        "1000",
        "--clear-groups",
    ];
    let life = begin(&[&words[..], &other, &["sh", "-c", script, &log]].concat());
    let (status, out, err) = life.finish();
    assert!(status.success(), "{err}");
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["setpriv | log", "setpriv | out"]);
    assert_eq!(err, "setpriv | err\n");
}

#[test]
fn nginx_as_it_comes_writes_to_captured_logs_and_opens_them_again() {
    let is_here = |program: &str| Command::new(program).arg("-v").output().is_ok();
    if !is_root() || !is_here("nginx") || !is_here("curl") {
        return eprintln!("PASSED OVER: it needs root, nginx and curl");
    }
    // In namespaces of its own: its logs, its port and its processes are nobody else's; monopod is PID 1.
    let inside = r#"set -e
        mount -t tmpfs none /var/log/nginx; mount -t tmpfs none /run; ip link set lo up
        exec "$0" --grace 5s --output prefix --capture /var/log/nginx/access.log:access \
            --capture /var/log/nginx/error.log=stderr:error -- sh -c "$1""#;
    let command = "nginx; curl -s 127.0.0.1/first >&2; nginx -s reopen
        curl -s 127.0.0.1/second >&2; nginx -s quit";
    let output = Command::new("unshare")
        .args([
            "-mnpf",
            "--mount-proc",
            "sh",
            "-c",
            inside,
            MONOPOD,
            command,
        ])
        .output()
        .expect("unshare runs");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    for path in ["GET /first ", "GET /second "] {
        let mut lines = out.lines().filter(|line| line.starts_with("access | "));
        assert!(lines.any(|line| line.contains(path)), "{out}\n{err}");
    }
    assert!(output.status.success(), "{err}");
}
