//! The examples, and the binary with manifests: what a text may cost it, and what comes by standard input. No container, no PID 1.

// A test binary is not PID 1; what it prints is for whoever reads the test's output.
#![allow(clippy::print_stdout)]

use monopod::manifest::{Around, read};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

fn check(file: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monopod"));
    command
        .args(["check", "-f", file])
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The end of a child, and the most memory it had at a time, in kB.
fn end_of(child: Child) -> (ExitStatus, i64) {
    let pid = i32::try_from(child.id()).expect("a pid");
    let mut status = 0;
    // SAFETY: all zeros is a usage, and wait4 fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both live through the call, and nobody else waits for this child.
    let waited = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    assert_eq!(waited, pid);
    (ExitStatus::from_raw(status), usage.ru_maxrss)
}

#[test]
fn every_example_is_a_manifest_without_a_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("examples is there") {
        let path = entry.expect("a folder can be read").path();
        // kubernetes.yaml is the pod around monopod, whose image has the command.
        let is_manifest = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        if !is_manifest || path.ends_with("kubernetes.yaml") {
            continue;
        }
        let text = std::fs::read(&path).expect("an example can be read");
        let around = Around {
            variable: &|_| None,
            base: None,
            uid: 0,
            command: &[],
            is_run: true,
            wanted: None,
        };
        match read(&text, &around) {
            Ok(understood) => assert_eq!(
                understood.warnings,
                Vec::<String>::new(),
                "{}",
                path.display()
            ),
            Err(faults) => panic!("{:#?}", faults.lines(&path.display().to_string())),
        }
        seen += 1;
    }
    assert!(seen >= 19, "one for each scenario, and web.yaml: {seen}");
}

/// A second in a release build on an idle machine; tests are neither.
const LONGEST: Duration = Duration::from_secs(10);

/// The beginning of a manifest; what is too little to be refused has a stray field as well.
const HEAD: &str = "containers:\n- name: web\n  command: [x]\n";

/// All that makes further programs of a container.
const HOOKS: &str = "  livenessProbe: &p {exec: {command: [x]}}
  readinessProbe: *p
  startupProbe: *p
  lifecycle: {preStop: *p, postStart: *p}
";

#[test]
fn a_hostile_text_is_an_error_within_64_mb() {
    let unit = |unit: &str| unit.as_bytes().repeat(MIB / unit.len());
    let each = |unit: &str, times: usize| -> String {
        (0..times)
            .map(|i| unit.replace('%', &i.to_string()))
            .collect()
    };
    let doubling = (1..60).fold(
        format!("{HEAD}  env:\n  - {{name: V0, value: aaaaaaaaaaaaaaaa}}\n"),
        |text, n| format!("{text}  - {{name: V{n}, value: $(V{0})$(V{0})}}\n", n - 1),
    );
    let folder = std::env::temp_dir().join(format!("monopod-manifest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the texts");
    for (name, text) in [
        (
            "nonsense",
            (0..MIB).map(|i| b' ' + (i * 31 % 94) as u8).collect(),
        ),
        ("lists", unit("[")),
        ("maps", unit("{\"a\":")),
        ("items", [b"[".to_vec(), unit("a,")[2..].to_vec()].concat()),
        (
            "pairs",
            [b"[".to_vec(), unit("a: b,")[5..].to_vec()].concat(),
        ),
        ("dashes", unit("- ")),
        ("documents", unit("--- a\n")),
        ("words", unit("a: [b, c]\n")),
        (
            "keys",
            (0..99_000)
                .flat_map(|i| format!("k{i}: 1\n").into_bytes())
                .collect(),
        ),
        (
            "aliases",
            [b"- &a [x, x, x]\n".to_vec(), unit("- *a\n")[15..].to_vec()].concat(),
        ),
        ("bytes", (0..MIB).map(|i| (i * 7 % 256) as u8).collect()),
        ("variables that double", doubling.into_bytes()),
        (
            "a long variable, often",
            format!(
                "{HEAD}  env: [{{name: B, value: {}}}]\n  args: [x{}]\n",
                "b".repeat(MIB / 2),
                ", $(B)$(B)$(B)$(B)".repeat(20_000)
            )
            .into_bytes(),
        ),
        (
            "a long alias",
            format!(
                "{HEAD}  args: [&a {}{}]\n",
                "a".repeat(900_000),
                ", *a".repeat(30_000)
            )
            .into_bytes(),
        ),
        (
            "a long key, merged",
            format!(
                "- &m {{{}: 1}}\n{}",
                "k".repeat(1000),
                "- {<<: *m}\n".repeat(30_000)
            )
            .into_bytes(),
        ),
        (
            "references without an end",
            format!("{HEAD}  stray: 1\n  args: ['{}']\n", "$(".repeat(500_000)).into_bytes(),
        ),
        (
            "variables",
            format!(
                "{HEAD}  stray: 1\n  env:\n{}",
                each("  - {name: V%, value: x}\n", 30_000)
            )
            .into_bytes(),
        ),
        (
            "short variables, often copied",
            format!(
                "{HEAD}{HOOKS}  stray: 1\n  env:\n{}",
                each("  - {name: V%}\n", 50_000)
            )
            .into_bytes(),
        ),
        (
            "long variables, often copied",
            format!(
                "{HEAD}{HOOKS}  stray: 1\n  env: [{{name: B, value: {}}}, {{name: C, value: $(B)$(B)$(B)}}]\n",
                "b".repeat(900_000)
            )
            .into_bytes(),
        ),
        (
            "short words",
            format!(
                "{HEAD}  stray: 1\n  args: [&a x{}]\n",
                ", *a".repeat(190_000)
            )
            .into_bytes(),
        ),
        (
            "unknown keys",
            format!("{HEAD}{}", each("  x%: 1\n", 70_000)).into_bytes(),
        ),
        (
            "ports",
            format!(
                "{HEAD}  stray: 1\n  ports:\n{}",
                each("  - {containerPort: 1, name: p%}\n", 28_000)
            )
            .into_bytes(),
        ),
        (
            "capabilities",
            format!(
                "{HEAD}  securityContext: {{capabilities: {{add: [{}x]}}}}\n",
                each("X%, ", 100_000)
            )
            .into_bytes(),
        ),
        (
            "empty containers",
            format!("containers:\n{}", "- {}\n".repeat(80_000)).into_bytes(),
        ),
        (
            "containers",
            format!(
                "containers:\n- {{}}\n{}",
                each("- {name: c%, command: [x]}\n", 30_000)
            )
            .into_bytes(),
        ),
        ("more than 1 MiB", vec![b'#'; MIB + 1]),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("room for the text");
        let child = check(file.to_str().expect("UTF-8"))
            .spawn()
            .expect("monopod runs");
        let begun = Instant::now();
        let (status, memory_kb) = end_of(child);
        assert_eq!(status.code(), Some(78), "{name}");
        assert!(
            begun.elapsed() < LONGEST,
            "{name} took {:?}",
            begun.elapsed()
        );
        println!("{name}: {:?}, {memory_kb} kB", begun.elapsed());
        assert!(memory_kb < 64 * 1024, "{name} took {memory_kb} kB");
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn a_manifest_comes_by_standard_input_and_a_stop_ends_the_wait_for_it() {
    let mut child = check("-")
        .stdin(Stdio::piped())
        .spawn()
        .expect("monopod runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(b"containers: [{name: a, ")
        .expect("it reads");
    stdin.write_all(b"command: [a]}]\n").expect("it reads");
    drop(stdin);
    assert_eq!(end_of(child).0.code(), Some(0));

    let mut child = check("-")
        .stdin(Stdio::piped())
        .spawn()
        .expect("monopod runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"containers: [").expect("it reads");
    wait_until_signals_are_blocked(child.id());
    // SAFETY: our own child, which nobody has waited for.
    unsafe { libc::kill(i32::try_from(child.id()).expect("a pid"), libc::SIGTERM) };
    // As PID 1 it would leave with 78; here the signal that waited ends it when it lets signals in again.
    assert_eq!(end_of(child).0.signal(), Some(libc::SIGTERM));
}

/// Before its first act a SIGTERM would simply end it.
fn wait_until_signals_are_blocked(pid: u32) {
    let end = Instant::now() + Duration::from_secs(30);
    let sigterm_blocked = |status: &str| {
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        Some(mask & 1 << (libc::SIGTERM - 1) != 0)
    };
    while Instant::now() < end {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if sigterm_blocked(&status) == Some(true) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never blocked its signals");
}

/// What comes out if this is led with "for one" as standard input.
fn led(words: &[&str], manifest: &str) -> String {
    let folder = std::env::temp_dir().join(format!("monopod-stdin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("pod.yaml");
    std::fs::write(&file, manifest).expect("it is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_monopod"));
    command.arg("--control=none").args(words);
    if !manifest.is_empty() {
        command.arg("-f").arg(&file);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("monopod runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Nobody may read it.
    let _ = stdin.write_all(b"for one\n");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join(", ")
}

#[test]
fn standard_input_is_the_one_commands_and_of_several_the_one_that_asks_for_it() {
    let reads = "read line; echo \"$0 read $line\"";
    let script = |name: &str, stdin: &str| {
        let quoted = reads.replace('"', "\\\"");
        format!("{{name: {name}, {stdin}command: [sh, -c, \"{quoted}\", {name}]}}")
    };
    let pod = |containers: &[String]| {
        let containers = containers.join(",\n");
        format!("{{restartPolicy: Never, containers: [{containers}]}}")
    };
    let (a, b) = (script("a", ""), script("b", ""));
    let asking = script("b", "stdin: true, ");
    for how in ["--output=inherit", "--output=prefix"] {
        let is_relayed = how == "--output=prefix";
        let line = |name: &str, said: &str| match is_relayed {
            true => format!("{name} | {name} read {said}"),
            false => format!("{name} read {said}"),
        };
        let alone = led(
            &[how, "--init", "sh -c cat", "--", "sh", "-c", reads, "sh"],
            "",
        );
        assert_eq!(alone, line("sh", "for one"), "its init step reads nothing");
        let of_several = led(&[how], &pod(&[a.clone(), b.clone()]));
        assert_eq!(of_several, [line("a", ""), line("b", "")].join(", "));
        let asked = led(&[how], &pod(&[a.clone(), asking.clone()]));
        assert_eq!(asked, [line("a", ""), line("b", "for one")].join(", "));
    }
}
