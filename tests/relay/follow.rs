//! Log files that others write, across their rotation.

use crate::life::{
    Folder, Life, MONOPOD, begin, begin_by, expect_count_slowly, is_root, relay_of, until,
};
use std::io::{BufRead, Read, Write};
use std::process::Command;

/// A monopod that follows the log in this folder while its command waits for `go`.
fn following(folder: &Folder, script: &str) -> Life {
    let log = folder.file("log");
    let room = folder.path.display().to_string();
    begin(&["--capture-follow", &log, "--", "sh", "-c", script, &room])
}

#[test]
fn a_file_is_followed_from_its_end_and_a_missing_one_from_its_beginning() {
    let folder = Folder::new();
    std::fs::write(folder.path.join("log"), "old\nolder\n").expect("a file");
    let script = "cd $0; echo new >> log; printf unfinished >> log";
    let (status, out, err) = following(&folder, script).finish();
    assert!(status.success(), "{err}");
    assert_eq!(out, "new\nunfinished\n");
    let empty = Folder::new();
    let (_, out, _) = following(&empty, "cd $0; echo first > log; echo second >> log").finish();
    assert_eq!(out, "first\nsecond\n");
    assert!(empty.path.join("log").exists(), "it is not ours to remove");
}

#[test]
fn a_rotation_by_renaming_loses_nothing_and_doubles_nothing() {
    // The writer opens its log anew only after it has written on to the renamed one, as nginx does.
    let script = "cd $0; n=0; exec 3>>log
        for r in $(seq 1 20); do
            seq -f %099.0f $((n + 1)) $((n + 500)) >&3; until [ -e go.$r ]; do sleep 0.01; done; mv log log.$r; : > log
            seq -f %099.0f $((n + 501)) $((n + 1000)) >&3; n=$((n + 1000)); exec 3>>log
        done";
    for is_murdered in [false, true] {
        let folder = Folder::new();
        std::fs::write(folder.path.join("log"), "").expect("a file");
        let mut life = following(&folder, script);
        let murder = is_murdered.then(|| life.murder());
        // The next rotation comes when the new file is being read: one at a time is what is promised.
        let rest = |number| {
            if number % 1000 == 500 {
                let go = folder.file(&format!("go.{}", number / 1000 + 1));
                std::fs::write(go, "").expect("the command waits for it");
            }
        };
        expect_count_slowly(life.out.take().expect("a pipe"), "", 20_000, rest);
        if let Some(murder) = murder {
            murder.stop();
        }
        let (status, _, err) = life.finish();
        assert!(status.success(), "{err}");
    }
}

#[test]
fn who_never_opens_his_log_anew_does_not_keep_the_new_one_from_being_read() {
    let folder = Folder::new();
    let log = folder.path.join("log");
    let made = Command::new("mkfifo").arg(folder.file("go")).status();
    assert!(made.expect("mkfifo runs").success());
    let mut old = std::fs::File::create(&log).expect("a file");
    let mut life = following(&folder, "read x < $0/go; true");
    until("there is a relay", || relay_of(life.pid()));
    let mut out = life.out.take().expect("a pipe");
    let mut expect = |text: &str| {
        let mut line = String::new();
        out.read_line(&mut line).expect("text");
        assert_eq!(line, text);
    };
    old.write_all(b"one\n").expect("it is written");
    expect("one\n");
    std::fs::rename(&log, folder.path.join("log.1")).expect("it is ours");
    let mut new = std::fs::File::create(&log).expect("a file");
    new.write_all(b"two\n").expect("it is written");
    expect("two\n");
    // It was quiet for too long.
    old.write_all(b"late\n").expect("it is written");
    new.write_all(b"three\n").expect("it is written");
    expect("three\n");
    std::fs::write(folder.path.join("go"), "go\n").expect("it reads");
    let (status, rest, _) = life.finish();
    assert!(status.success());
    assert_eq!(rest, "");
}

#[test]
fn a_link_is_followed_to_what_lies_beside_it_and_nowhere_else() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let secret = elsewhere.file("secret");
    std::fs::write(&secret, "secret\n").expect("a file");
    let log = folder.path.join("log");
    std::os::unix::fs::symlink(&secret, &log).expect("a link");
    let (status, _, err) = following(&folder, "true").finish();
    assert_eq!(status.code(), Some(1));
    assert!(err.contains("a link that leads out of its folder"), "{err}");

    std::fs::remove_file(&log).expect("it is ours");
    let made = Command::new("mkfifo").arg(folder.file("go")).status();
    assert!(made.expect("mkfifo runs").success());
    let mut life = following(&folder, "read x < $0/go; true");
    // Or what is written would be what was there at its start.
    until("there is a relay", || relay_of(life.pid()));
    let mut out = life.out.take().expect("a pipe");
    let link = |to: &str| {
        let new = folder.path.join("new");
        std::os::unix::fs::symlink(to, &new).expect("a link");
        std::fs::rename(&new, &log).expect("it is ours");
    };
    // By its name and by its whole path, and written to once more after it was found.
    for (to, name) in [
        ("log.1".to_owned(), "log.1"),
        (folder.file("log.2"), "log.2"),
    ] {
        for round in ["first", "second"] {
            let text = format!("{round} of {name}\n");
            let mut options = std::fs::File::options();
            let file = options
                .append(true)
                .create(true)
                .open(folder.path.join(name));
            file.expect("a file")
                .write_all(text.as_bytes())
                .expect("it is written");
            if round == "first" {
                link(&to);
            }
            let mut line = String::new();
            out.read_line(&mut line).expect("text");
            assert_eq!(line, text);
        }
    }
    link(&secret);
    std::fs::write(folder.path.join("go"), "go\n").expect("it reads");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
    assert!(life.finish().0.success());
}

#[test]
fn a_rotation_by_truncating_goes_on_at_the_beginning() {
    let folder = Folder::new();
    let log = folder.path.join("log");
    std::fs::write(&log, "").expect("a file");
    let made = Command::new("mkfifo").arg(folder.file("go")).status();
    assert!(made.expect("mkfifo runs").success());
    let mut life = following(&folder, "read x < $0/go; true");
    // Or what is written would be what was there at its start.
    until("there is a relay", || relay_of(life.pid()));
    let mut out = life.out.take().expect("a pipe");
    let mut line = String::new();
    for round in 0..20 {
        let text = format!(
            "round {round} with more or less text {}\n",
            "x".repeat(200 - 3 * round)
        );
        std::fs::write(&log, &text).expect("truncated and written");
        line.clear();
        out.read_line(&mut line).expect("text");
        assert_eq!(line, text);
    }
    until("the command waits", || {
        std::fs::write(folder.path.join("go"), "go\n").ok()
    });
    assert!(life.finish().0.success());
}

#[test]
fn whoever_owns_a_folder_on_the_way_has_nothing_read_out_but_what_lies_in_it() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let secret = elsewhere.path.join("app.log");
    std::fs::write(&secret, "secret\n").expect("a file");
    let (logs, moved) = (folder.path.join("logs"), folder.path.join("moved"));
    std::fs::create_dir(&logs).expect("a folder");
    std::fs::write(logs.join("app.log"), "").expect("a file");
    let made = Command::new("mkfifo").arg(folder.file("go")).status();
    assert!(made.expect("mkfifo runs").success());
    let mut life = begin(&[
        "--capture-follow",
        &folder.file("logs/app.log"),
        "--",
        "sh",
        "-c",
        "read x < $0/go; true",
        &folder.path.display().to_string(),
    ]);
    // Or what is written would be what was there at its start.
    until("there is a relay", || relay_of(life.pid()));
    let mut out = life.out.take().expect("a pipe");
    let mut expect = |name: &str, text: &str| {
        let mut options = std::fs::File::options();
        let file = options.append(true).create(true).open(moved.join(name));
        writeln!(file.expect("a file"), "{text}").expect("it is written");
        if name == "app.log" {
            let mut line = String::new();
            out.read_line(&mut line).expect("text");
            assert_eq!(line.trim_end(), text);
        }
    };

    std::fs::rename(&logs, &moved).expect("it is ours");
    std::os::unix::fs::symlink(&elsewhere.path, &logs).expect("a link");
    expect("app.log", "where it lay");
    std::fs::rename(moved.join("app.log"), moved.join("app.log.1")).expect("it is ours");
    expect("app.log", "and its next");

    // Another name for what is not for everybody.
    std::fs::hard_link(&secret, moved.join("new")).expect("a second name");
    std::fs::rename(moved.join("new"), moved.join("app.log")).expect("it is ours");
    expect("other", "a reason to look");
    let mut err = life.err.take().expect("a pipe");
    let mut told = String::new();
    err.read_line(&mut told).expect("text");
    assert!(told.contains("it has a second name"), "{told}");
    expect("other", "a reason to look again");
    std::fs::remove_file(moved.join("app.log")).expect("it is ours");
    expect("app.log", "a file of its own");

    std::fs::write(folder.path.join("go"), "go\n").expect("it reads");
    let (mut rest, mut said) = (String::new(), String::new());
    out.read_to_string(&mut rest).expect("text");
    err.read_to_string(&mut said).expect("text");
    assert_eq!((rest.as_str(), said.as_str()), ("", ""));
    assert!(life.finish().0.success());
}

#[test]
fn what_was_laid_in_the_way_before_the_start_is_a_fault() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    std::fs::write(elsewhere.path.join("secret"), "secret\n").expect("a file");
    std::os::unix::fs::symlink(&elsewhere.path, folder.path.join("logs")).expect("a link");
    std::fs::hard_link(elsewhere.path.join("secret"), folder.path.join("twin")).expect("a name");
    for (name, fault) in [
        ("logs/secret", "a link is on the way to it"),
        ("twin", "it has a second name"),
        ("../x", "goes back by \"..\""),
    ] {
        let path = folder.file(name);
        let (status, out, err) = begin(&["--capture-follow", &path, "--", "true"]).finish();
        assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains(fault), "{err}");
    }
}

#[test]
fn a_file_whose_size_is_a_lie_is_read_once_and_then_slept_on() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can mount");
    }
    let folder = Folder::new();
    let made = Command::new("mkfifo").arg(folder.file("go")).status();
    assert!(made.expect("mkfifo runs").success());
    // It says 4096 bytes and has a few.
    let script =
        "cd $0; : > log; mount --bind /sys/kernel/uevent_seqnum log; : > other; read x < go";
    let (log, room) = (folder.file("log"), folder.file(""));
    let words = ["--capture-follow", &log, "--", "sh", "-c", script, &room];
    let mut life = begin_by("unshare", &[&["-m", MONOPOD], &words[..]].concat());
    let mut line = String::new();
    let out = life.out.as_mut().expect("a pipe");
    out.read_line(&mut line).expect("text");
    let seen = std::fs::read_to_string("/sys/kernel/uevent_seqnum").expect("it is there");
    assert_eq!(line.len(), seen.len());
    let relay = until("there is a relay", || relay_of(life.pid()));
    let mut times = 0;
    until("it sleeps", || {
        let stat = std::fs::read_to_string(format!("/proc/{relay}/stat")).ok()?;
        times = if stat.contains(") S ") { times + 1 } else { 0 };
        (times > 50).then_some(())
    });
    std::fs::write(folder.path.join("go"), "go\n").expect("it reads");
    assert!(life.finish().0.success());
}
