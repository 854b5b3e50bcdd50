//! Captured paths: FIFOs that anybody may write.

use crate::life::{Folder, MONOPOD, begin, begin_by, is_root};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
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
    make_fifo(&fifo);
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
    assert_eq!(mode(&fifo), 0o600, "nor to open up");
}

#[test]
fn a_folder_that_was_made_a_link_before_the_start_is_a_fault_and_nothing_changes_behind_it() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let private = elsewhere.file("access.log");
    make_fifo(&private);
    symlink(&elsewhere.path, folder.path.join("logs")).expect("a link");
    std::fs::hard_link(&private, folder.path.join("twin")).expect("a second name");
    for (name, fault) in [
        ("logs/access.log", "a link is on the way to it"),
        ("logs/error.log", "a link is on the way to it"),
        ("../x", "its path goes back by \"..\""),
        ("twin", "it has a second name"),
    ] {
        let path = folder.file(name);
        let (status, out, err) = begin(&["--capture", &path, "--", "echo", "started"]).finish();
        assert_eq!((status.code(), &*out), (Some(1), ""), "{err}");
        let told = format!("cannot capture {path}: {fault}");
        assert!(err.contains(&told), "{err}");
    }
    assert!(!elsewhere.path.join("error.log").exists());
    assert_eq!(mode(&private), 0o600);
}

#[test]
fn what_was_made_is_taken_away_where_it_lies_and_nothing_behind_a_link_laid_meanwhile() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let (logs, moved) = (folder.path.join("logs"), folder.path.join("moved"));
    std::fs::create_dir(&logs).expect("a folder");
    let log = logs.join("access.log");
    // It moves its folder itself, so that all is made by then.
    let script = "cd $0; mv logs moved; ln moved/access.log $1/access.log; ln -s $1 logs; echo x > moved/access.log";
    let (path, room) = (log.display().to_string(), folder.path.display().to_string());
    let victim = elsewhere.path.display().to_string();
    let words = ["--capture", &path, "--", "sh", "-c", script, &room, &victim];
    let (status, out, err) = begin(&words).finish();
    assert_eq!((status.code(), &*out, &*err), (Some(0), "x\n", ""));
    assert!(logs.is_symlink());
    // By now it has the name that was made, and the same inode: all that a look by the path would see.
    assert!(elsewhere.path.join("access.log").exists());
    assert!(!moved.join("access.log").exists());
}

#[test]
fn a_link_of_the_images_on_the_way_is_followed() {
    let leads_to_run = std::fs::canonicalize("/var/run").is_ok_and(|to| to == Path::new("/run"));
    if !is_root() || !leads_to_run {
        return eprintln!("PASSED OVER: it needs root, and /var/run to be a link to /run");
    }
    // A /run of its own, which is nobody else's.
    let inside =
        "mount -t tmpfs -o mode=755 none /run; exec \"$0\" --capture /var/run/log -- sh -c \"$1\"";
    let command = "setpriv --reuid 1000 --clear-groups sh -c 'echo heard > /run/log'";
    let words = ["-m", "sh", "-c", inside, MONOPOD, command];
    let (status, out, err) = begin_by("unshare", &words).finish();
    assert_eq!((status.code(), &*out), (Some(0), "heard\n"), "{err}");
}

#[test]
fn a_folder_of_another_uid_is_no_hindrance_nor_is_the_lack_of_proc() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can give a folder away");
    }
    for way in ["exec", "mount -t tmpfs none /proc; exec"] {
        let folder = Folder::new();
        let logs = folder.path.join("logs");
        std::fs::create_dir(&logs).expect("a folder");
        std::os::unix::fs::chown(&logs, Some(1000), Some(1000)).expect("it is ours to give");
        let inside = format!("umask 077; {way} \"$0\" --capture \"$1\" -- sh -c \"$2\" \"$1\"");
        let command = "setpriv --reuid 1001 --clear-groups sh -c 'echo heard > $0' $0";
        let log = logs.join("access.log").display().to_string();
        let words = ["-m", "sh", "-c", &inside, MONOPOD, &log, command];
        let (status, out, err) = begin_by("unshare", &words).finish();
        assert_eq!((status.code(), &*out), (Some(0), "heard\n"), "{way}: {err}");
        assert!(!Path::new(&log).exists());
    }
}

/// For its owner alone.
fn make_fifo(path: &str) {
    let made = Command::new("mkfifo").args(["-m", "600", path]).status();
    assert!(made.expect("mkfifo runs").success());
}

fn mode(path: &str) -> u32 {
    let there = std::fs::metadata(path).expect("it is there");
    there.permissions().mode() & 0o777
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
