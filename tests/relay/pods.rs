//! Pods: the lines of each container under its name, up to its end and the pod's; and as whichever uid it runs.

use crate::life::{Folder, MONOPOD, begin, is_root, until};
use crate::volume::scale;
use std::fs::File;
use std::io::{BufRead, Write};
use std::process::{Command, Output, Stdio};

/// A container of a manifest in YAML's flow style; the script is a shell's, without single quotes.
fn container(name: &str, fields: &str, script: &str) -> String {
    let script = script.replace('\n', " ");
    format!("{{name: {name}, {fields}command: [sh, -c, '{script}']}}")
}

/// A manifest in a folder, which scripts know as the current one.
fn manifest(folder: &Folder, annotations: &str, containers: &[String]) -> String {
    let path = folder.file("pod.yaml");
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{annotations: {{{annotations}}}}}, spec: {{restartPolicy: Never,\n\
         terminationGracePeriodSeconds: 1, containers: [{}]}}}}\n",
        containers.join(",\n")
    );
    std::fs::write(&path, text).expect("it is ours");
    path
}

/// A monopod that is PID 1 in a namespace of its own, with its working directory in the folder.
fn as_pid_1(folder: &Folder, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "-mpf",
        "--mount-proc",
        "--kill-child",
        MONOPOD,
        "--control=none",
    ]);
    command.args(words).current_dir(&folder.path);
    command.stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn annotations_dress_each_container_its_own_way() {
    let folder = Folder::new();
    let say = |name| container(name, "", &format!("echo {name} speaks"));
    let path = manifest(
        &folder,
        "monopod/output: prefix, monopod/output.db: json, monopod/output.old: inherit",
        &[say("web"), say("db"), say("old")],
    );
    let words = ["--control=none", "--output-time=no", "-f", &path];
    let (status, out, err) = begin(&words).finish();
    assert!(status.success(), "{err}");
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "old speaks",
            "web | web speaks",
            r#"{"stream":"stdout","container":"db","log":"db speaks\n"}"#,
        ]
    );
}

#[test]
fn a_container_that_is_restarted_goes_on_under_its_name_in_new_lines() {
    let folder = Folder::new();
    let again = container(
        "again",
        "restartPolicy: OnFailure, ",
        "printf \"no end\"; test -e been || { : > been; exit 1; }",
    );
    let path = manifest(&folder, "monopod/output: prefix", &[again]);
    let script = "cd \"$1\"; exec \"$0\" --control=none -f \"$2\"";
    let room = folder.path.display().to_string();
    let output = Command::new("sh")
        .args(["-c", script, MONOPOD, &room, &path])
        .output()
        .expect("sh runs");
    assert_eq!(text(&output.stdout), "again | no end\nagain | no end\n");
    assert!(output.status.success());
}

#[test]
fn standard_input_is_that_of_the_one_container_that_asks_for_it() {
    let folder = Folder::new();
    let containers = [
        container("one", "", "cat; echo nothing"),
        container("two", "stdin: true, ", "cat"),
    ];
    let path = manifest(&folder, "monopod/output: prefix", &containers);
    let mut monopod = Command::new(MONOPOD);
    monopod.args(["--control=none", "-f", &path]);
    let (from, mut to) = std::io::pipe().expect("a pipe");
    to.write_all(b"said to it\n").expect("there is room");
    drop(to);
    let output = monopod.stdin(from).output().expect("monopod runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        sorted(&text(&output.stdout)),
        ["one | nothing", "two | said to it"]
    );
}

/// Writes numbered lines without end and without minding SIGTERM; the number of each line that is written is written to a
/// file afterwards. One of them asks for the stop, once all are at it and so past their traps.
fn restless(name: &str, asks: bool) -> String {
    let ask = match asks {
        true => {
            "if test $n -ge 300 -a -e one.written -a -e two.written -a -e six.written -a ! -e asked;
             then : > asked; kill -TERM $PPID; fi;"
        }
        false => "",
    };
    let script = format!(
        "trap \"\" TERM; n=0; while :; do n=$((n+1)); echo \"line $n\"; echo $n >> {name}.written; {ask} done"
    );
    container(name, "", &script)
}

fn expect_all_of(output: &Output, folder: &Folder, names: &[&str]) {
    let out = text(&output.stdout);
    for name in names {
        let head = format!("{name} | line ");
        let said = out.lines().filter_map(|line| line.strip_prefix(&head));
        let said: Vec<usize> = said
            .map(|number| number.parse().expect("a whole line"))
            .collect();
        let in_order: Vec<usize> = (1..=said.len()).collect();
        assert_eq!(said, in_order, "{name} lost something or said it twice");
        let written = std::fs::read_to_string(folder.file(&format!("{name}.written")));
        let written = written.expect("it began").lines().count();
        assert!(
            said.len() >= written,
            "{name}: {} of {written} came",
            said.len()
        );
    }
    let lines = out.lines().count();
    let known = out.lines().filter(|line| line.contains(" | line ")).count();
    assert_eq!(lines, known, "every line is whole and has its name");
}

#[test]
fn what_three_containers_wrote_before_they_were_killed_is_out_before_the_end() {
    let folder = Folder::new();
    let names = ["one", "two", "six"];
    let containers = names.map(|name| restless(name, name == "one"));
    let path = manifest(&folder, "monopod/output: prefix", &containers);
    let mut beside_others = Command::new(MONOPOD);
    beside_others.args(["--control=none", "-f", &path]);
    let output = beside_others.current_dir(&folder.path).output();
    let output = output.expect("monopod runs");
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    expect_all_of(&output, &folder, &names);
}

#[test]
fn the_same_as_pid_1_where_the_sigkill_takes_the_relay_too() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can make namespaces");
    }
    let folder = Folder::new();
    let names = ["one", "two", "six"];
    let containers = names.map(|name| restless(name, name == "six"));
    let path = manifest(&folder, "monopod/output: prefix", &containers);
    let output = as_pid_1(&folder, &["-f", &path]).output();
    let output = output.expect("unshare runs");
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    expect_all_of(&output, &folder, &names);
}

/// Two users at once, who write by path to all that there is. (A `>` would cut a file short, as it does without monopod.)
fn users(folder: &Folder) -> String {
    let user = |name: &str, uid: u32| {
        let script = format!(
            "echo {name} out >> /dev/stdout; echo {name} err >> /dev/stderr; echo {name} log >> app.log"
        );
        let fields = format!("securityContext: {{runAsUser: {uid}, runAsGroup: {uid}}}, ");
        container(name, &fields, &script)
    };
    manifest(folder, "", &[user("ann", 1000), user("bob", 1001)])
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn containers_of_other_uids_open_their_stdout_stderr_and_captured_log_under_a_root_pid_1() {
    if !is_root() {
        return eprintln!("PASSED OVER: only root can become another");
    }
    let folder = Folder::new();
    let path = users(&folder);
    for output in ["inherit", "prefix"] {
        // Nobody in particular has captured the log: there are two containers.
        let (ann, bob, nobody) = match output {
            "prefix" => ("ann | ", "bob | ", "    | "),
            _ => ("", "", ""),
        };
        let out = [
            format!("{ann}ann out"),
            format!("{nobody}ann log"),
            format!("{bob}bob out"),
            format!("{nobody}bob log"),
        ];
        let out = out.join("\n");
        let err = format!("{ann}ann err\n{bob}bob err");
        let words = ["--output", output, "--capture", "app.log", "-f", &path];

        // Through pipes, as a container's logs are.
        let to_pipes = as_pid_1(&folder, &words).output().expect("unshare runs");
        let said = (text(&to_pipes.stdout), text(&to_pipes.stderr));
        assert_eq!(sorted(&said.0), sorted(&out), "{output}: {}", said.1);
        assert_eq!(sorted(&said.1), sorted(&err), "{output}");

        // Into a file that belongs to root.
        let file = folder.file("out");
        let opened = File::options().append(true).create(true).open(&file);
        let mut to_file = as_pid_1(&folder, &words);
        to_file
            .stdout(opened.expect("it is ours"))
            .stderr(Stdio::piped());
        let to_file = to_file.output().expect("unshare runs");
        let said = std::fs::read_to_string(&file).expect("it was just written");
        let errors = text(&to_file.stderr);
        assert_eq!(sorted(&said), sorted(&out), "{output}: {errors}");
        std::fs::remove_file(&file).expect("it is ours");
    }
}

#[test]
fn a_hundred_containers_write_at_once_and_every_line_is_whole_and_in_its_order() {
    const MANY: usize = 100;
    let last = 2_000 * scale();
    let folder = Folder::new();
    let script = |n: usize| {
        format!(
            "seq -f out-%099.0f 1 {last} & seq -f err-%099.0f 1 {last} >&2; wait; exit $(({n} % 2))"
        )
    };
    let containers: Vec<String> = (0..MANY)
        .map(|n| container(&format!("c{n}"), "", &script(n)))
        .collect();
    let path = manifest(&folder, "monopod/output: prefix", &containers);
    let mut life = begin(&["--control=none", "-f", &path]);
    let (out, err) = (life.out.take(), life.err.take());
    let read = |lines: &mut dyn BufRead, stream: &str| {
        let mut seen = vec![0; MANY];
        for line in lines.lines().map(|line| line.expect("text")) {
            // Beside them, monopod's own words are on standard error.
            let Some((name, text)) = line.split_once(" | ") else {
                continue;
            };
            let place: usize = name[1..].trim_end().parse().expect("a name");
            seen[place] += 1;
            assert_eq!(text, format!("{stream}-{:099}", seen[place]), "{name}");
        }
        assert_eq!(seen, vec![last; MANY], "{stream}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| read(&mut out.expect("a pipe"), "out"));
        read(&mut err.expect("a pipe"), "err");
    });
    assert_eq!(life.end().code(), Some(1));
}

#[test]
fn pipes_for_many_containers_find_room_under_the_usual_soft_limit() {
    const MANY: usize = 400;
    let folder = Folder::new();
    let containers: Vec<String> = (0..MANY)
        .map(|n| container(&format!("c{n}"), "", "echo may open $(ulimit -Sn)"))
        .collect();
    let path = manifest(&folder, "", &containers);
    let script = "ulimit -Sn 1024; exec \"$0\" --control=none --output=prefix -f \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, MONOPOD, &path])
        .output();
    let output = output.expect("sh runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    let expected: Vec<String> = (0..MANY)
        .map(|n| format!("{:4} | may open 1024", format!("c{n}")))
        .collect();
    assert_eq!(sorted(&out), sorted(&expected.join("\n")), "{err}");
}

#[test]
fn where_there_is_no_room_for_pipes_nothing_is_started_and_one_line_says_so() {
    let folder = Folder::new();
    let containers: Vec<String> = (0..40)
        .map(|n| container(&format!("c{n}"), "", "echo started"))
        .collect();
    let path = manifest(&folder, "", &containers);
    let script = "ulimit -n 64; exec \"$0\" --control=none --output=prefix -f \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, MONOPOD, &path])
        .output();
    let output = output.expect("sh runs");
    let err = text(&output.stderr);
    assert_eq!(
        (output.status.code(), &*text(&output.stdout)),
        (Some(1), "")
    );
    assert_eq!(err.matches("cannot make a pipe").count(), 1, "{err}");
    assert!(err.contains("ulimit -n"), "{err}");
}

/// The status of a container of a running pod, under `state` or `lastState`: how it ended, if it has.
fn terminated(socket: &str, container: &str, state: &str) -> Option<serde_json::Value> {
    let mut status = Command::new(MONOPOD);
    status.args(["status", "-o", "json", "--control", socket]);
    let output = status.output().expect("monopod runs");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let statuses = document["status"]["containerStatuses"].as_array()?;
    let its = statuses.iter().find(|its| its["name"] == container)?;
    its[state].get("terminated").cloned()
}

#[test]
fn s123_s124_the_end_of_its_output_stands_in_for_the_message_of_a_container_that_failed() {
    let folder = Folder::new();
    let socket = folder.file("control");
    let fallible = |name: &str, script: &str| {
        let path = folder.file(&format!("{name}.message"));
        let fields = format!(
            "terminationMessagePath: {path}, terminationMessagePolicy: FallbackToLogsOnError, "
        );
        container(name, &fields, script)
    };
    let word = folder.file("worded.message");
    let path = manifest(
        &folder,
        "",
        &[
            fallible("failed", "seq 1 100; echo why >&2; exit 3"),
            fallible("long", "seq -f %0199.0f 1 50; exit 3"),
            fallible(
                "worded",
                &format!("echo noise; echo words > {word}; exit 3"),
            ),
            fallible("well", "echo all is well"),
            // By default it shares the path of its message with others, its output with nobody.
            container(
                "default",
                "terminationMessagePolicy: FallbackToLogsOnError, ",
                "echo said; exit 3",
            ),
            container("other", "", "exec sleep 60"),
        ],
    );
    let words = ["--control", &socket, "--output=prefix", "-f", &path];
    // Its reader does nothing for now: what is read of so little does not depend on him.
    let life = begin(&words);
    let message = |name: &str| {
        until(&format!("the message of {name}"), || {
            let message = terminated(&socket, name, "state")?["message"]
                .as_str()?
                .to_owned();
            Some(message)
        })
    };
    let said = message("failed");
    assert_eq!(said.lines().count(), 80, "{said}");
    assert!(
        said.contains("99\n100\n") && said.contains("why\n"),
        "{said}"
    );
    assert!(!said.lines().any(|line| line == "5"), "{said}");
    let said = message("long");
    assert_eq!(said.len(), 2048);
    assert!(said.ends_with("50\n"), "{said}");
    assert_eq!(message("worded"), "words\n");
    assert_eq!(message("default"), "said\n");
    let well = until("it is over", || terminated(&socket, "well", "state"));
    assert_eq!((&well["exitCode"], well.get("message")), (&0.into(), None));
    life.signal(libc::SIGTERM);
    life.finish();
}

#[test]
fn s126_the_words_of_the_instance_before_are_not_those_of_the_next() {
    let folder = Folder::new();
    let socket = folder.file("control");
    let (path, been) = (folder.file("message"), folder.file("been"));
    let fields = format!(
        "terminationMessagePath: {path}, terminationMessagePolicy: FallbackToLogsOnError, restartPolicy: Always, "
    );
    let script =
        format!("test -e {been} && {{ echo second; exit 2; }}; : > {been}; echo first; exit 1");
    let path = manifest(&folder, "", &[container("again", &fields, &script)]);
    let mut life = begin(&["--control", &socket, "--output=json", "-f", &path]);
    let second = until("the second failure", || {
        let last = terminated(&socket, "again", "lastState")?;
        (last["exitCode"] == 2 && last.get("message").is_some()).then(|| last["message"].clone())
    });
    assert_eq!(second, "second\n");
    life.signal(libc::SIGTERM);
    life.end();
}
