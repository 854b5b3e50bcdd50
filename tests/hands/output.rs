//! Where output goes: by path for every uid, and into the message about a probe or hook that failed.

use crate::as_root;
use crate::stage::{Life, Named, Scene, container, first, holds, plan, program, same, wait_until};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, Cause, Fact, Happening, Outcome, RunId};
use monopod::plan::{
    ContainerId, ExitCode, Handler, Hook, HookKind, Identity, Plan, Probe, ProbeKind, Program,
    ProgramId,
};
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode as Status, Stdio};
use std::ptr::null_mut;

/// Writes by path, and tells which way was closed.
const BY_PATH: &str = r#"id=$(id -u)
    echo "$id said" > /dev/stdout || echo "$id cannot say"
    echo "$id erred" > /dev/stderr || echo "$id cannot err"
    head -c 1 < /dev/stdout > /dev/null 2>&1 && echo "$id can read""#;

fn of_uid(uid: u32) -> Program {
    let mut program = program(&format!("app-{uid}"), BY_PATH);
    program.identity = Identity {
        uid: Some(uid),
        gid: Some(uid),
        ..Identity::default()
    };
    program
}

/// Two users at once, for what is done for one must not undo what was done for the other.
fn users() -> Scene {
    let programs = vec![of_uid(1000), of_uid(1001)];
    let containers = vec![container("app-1000", 0), container("app-1001", 1)];
    let start = |number| Action::Start(RunId(number as u32 + 1), ProgramId(number));
    Scene {
        plan: plan(programs, containers),
        script: vec![first(vec![start(0), start(1)]), Box::new(leave_after_two)],
    }
}

fn leave_after_two(facts: &[Fact]) -> Option<Vec<Action>> {
    let ends = facts.iter().filter(|fact| matches!(fact, Fact::Ended(..)));
    (ends.count() == 2).then(|| vec![Action::Leave(ExitCode::SUCCESS)])
}

fn leave_when_empty() -> crate::stage::Step {
    crate::stage::on(
        |fact| *fact == Fact::Emptied,
        vec![Action::Leave(ExitCode::SUCCESS)],
    )
}

/// A container with an exec probe and an exec hook, both of this script.
fn probed(script: &str) -> Plan {
    let mut probe = program("liveness probe of web", script);
    probe.kept_output = true;
    let programs = vec![program("web", "exec sleep 300.1$U"), probe];
    let mut web = container("web", 0);
    web.liveness_probe = Some(Probe::bare(Handler::Exec(ProgramId(1))));
    web.pre_stop = Some(Hook::Exec(ProgramId(1)));
    plan(programs, vec![web])
}

/// The probe fails, then somebody says so as the machine would, of a probe and of a hook.
fn probe_scene(script: &str) -> Scene {
    const PROBE: RunId = RunId(2);
    let starts = [(RunId(1), 0), (PROBE, 1)];
    let starts = starts.map(|(run, program)| Action::Start(run, ProgramId(program)));
    let tell = |facts: &[Fact]| {
        facts.iter().find_map(|fact| match fact {
            Fact::Ended(PROBE, ending) => {
                let (web, cause) = (ContainerId(0), Cause::Exit(ending.code().0));
                let probe = ProbeKind::Liveness;
                Some(vec![
                    Action::Say(Happening::Unhealthy(web, probe, Outcome::Failure, cause)),
                    Action::Say(Happening::HookFailed(web, HookKind::PreStop, cause)),
                    Action::StrikeAll(monopod::plan::Signal::KILL),
                ])
            }
            _ => None,
        })
    };
    let mut script_of_life = vec![first(starts.to_vec()), Box::new(tell) as crate::stage::Step];
    script_of_life.push(leave_when_empty());
    Scene {
        plan: probed(script),
        script: script_of_life,
    }
}

pub fn scenes() -> Vec<Named> {
    vec![
        ("users", users),
        ("talkative probe", || {
            probe_scene("echo why >&2; echo what; exit 7")
        }),
        ("flooding probe", || {
            probe_scene("yes x | head -c 3000000; exit 7")
        }),
        // This executable again: the parent of a program is the core.
        ("holding probe", || {
            probe_scene("exec /proc/$PPID/exe __hold")
        }),
        ("long-winded probe", || Scene {
            plan: probed("yes | head -c 50000000; exec sleep 300.3$U"),
            script: vec![first(vec![Action::Start(RunId(1), ProgramId(1))])],
        }),
        ("probe that leaves somebody", || {
            probe_scene("sleep 300.2$U & echo gone; exit 7")
        }),
        ("probe of another uid", || {
            let mut scene = probe_scene("echo by path > /dev/stdout; exit 7");
            scene.plan.programs[1].identity.uid = Some(1000);
            scene
        }),
        ("probe and container by path", || {
            probe_scene("echo to the log > /proc/$PPID/fd/1; exit 7")
        }),
        ("idle", || {
            let script = vec![first(vec![Action::Start(RunId(1), ProgramId(0))])];
            Scene {
                plan: plan(vec![of_uid(1000)], vec![container("app-1000", 0)]),
                script,
            }
        }),
    ]
}

fn failure_says(scene: &str, said: &str, logged: &str) -> Result<(), Failed> {
    let end = Life::begin(scene, &[])?.end()?;
    same(end.code, Some(0), &end)?;
    same(end.said.as_str(), said, &end)?;
    holds(
        &end.logged,
        &format!("liveness probe of web failed: exit code 7{logged}"),
    )?;
    holds(
        &end.logged,
        &format!("preStop hook of web failed: exit code 7; the stop goes on{logged}"),
    )
}

/// The word that makes this executable keep a lock of what it was given to say its words to.
pub const HOLD_VERB: &str = "__hold";

/// If it is a pipe, whoever reads it or asks how much is in it waits for as long as this lives, and cannot be killed.
pub fn hold_standard_output() -> Status {
    let (silent, _other) = UnixStream::pair().expect("two sockets");
    let mut said = std::io::stdout();
    let told = said.write_all(b"hello\n").and_then(|()| said.flush());
    told.expect("somewhere to say it");
    // SAFETY: both are open; no offsets. It sleeps, with the pipe's mutex held, until the socket has something.
    unsafe { libc::splice(silent.as_raw_fd(), null_mut(), 1, null_mut(), 4096, 0) };
    Status::from(7)
}

/// How often a process has gone to sleep.
fn sleeps(pid: i32) -> Result<u64, Failed> {
    let told = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Ok(line.ok_or("no such line")?.trim().parse()?)
}

fn long_winded_probe() -> Result<(), Failed> {
    let life = Life::begin("long-winded probe", &[])?;
    let core = life.core()?;
    let said = || {
        let children = fs::read_to_string(format!("/proc/{core}/task/{core}/children")).ok()?;
        let output = format!("/proc/{}/fd/1", children.trim());
        Some(fs::metadata(output).ok()?.len())
    };
    let has_said = |much| {
        wait_until(
            || said().is_some_and(|bytes| bytes >= much),
            || format!("{:?} bytes said", said()),
        )
    };
    has_said(1_000_000)?;
    let before = sleeps(core)?;
    has_said(50_000_000)?;
    life.await_sleepers(3, 1)?;
    let after = sleeps(core)?;
    let end = life.finish()?;
    same(after, before, &end)
}

pub fn trials() -> Vec<Trial> {
    vec![
        as_root("dev_stdout_and_dev_stderr_open_for_every_user", || {
            let end = Life::begin("users", &[])?.end()?;
            for user in [1000, 1001] {
                holds(&end.said, &format!("{user} said"))?;
                holds(&end.logged, &format!("{user} erred"))?;
            }
            same(end.said.contains("cannot"), false, &end)?;
            // Whoever may write may not read back what others wrote.
            same(end.said.contains("can read"), false, &end)
        }),
        // No path opens a socket, so lines go through pipes that every user can open.
        as_root(
            "a_socket_is_no_hindrance_for_output_is_relayed_then",
            || {
                let (mut ours, its) = UnixStream::pair()?;
                let output = Command::new(std::env::current_exe()?)
                    .args([crate::stage::VERB, "users"])
                    .stdout(std::os::fd::OwnedFd::from(its))
                    .stderr(Stdio::piped())
                    .output()?;
                let (mut said, logged) = (String::new(), String::from_utf8_lossy(&output.stderr));
                std::io::Read::read_to_string(&mut ours, &mut said)?;
                for user in [1000, 1001] {
                    holds(&said, &format!("{user} said"))?;
                    holds(&logged, &format!("{user} erred"))?;
                    holds(&logged, &format!("what app-{user} writes is relayed"))?;
                }
                match said.contains("can read") || said.contains("cannot") {
                    false => Ok(()),
                    true => Err(said.into()),
                }
            },
        ),
        as_root(
            "somebodys_log_file_is_left_as_it_is_if_we_are_not_pid_1",
            || {
                let path = std::env::temp_dir().join(format!("monopod-{}.log", std::process::id()));
                let file = std::fs::File::create(&path)?;
                std::fs::set_permissions(
                    &path,
                    std::os::unix::fs::PermissionsExt::from_mode(0o600),
                )?;
                let status = Command::new(std::env::current_exe()?)
                    .args([crate::stage::VERB, "users"])
                    .stdout(file)
                    .stderr(Stdio::null())
                    .status()?;
                let said = std::fs::read_to_string(&path)?;
                let mode = std::os::unix::fs::PermissionsExt::mode(
                    &std::fs::metadata(&path)?.permissions(),
                );
                std::fs::remove_file(&path)?;
                holds(
                    &format!("{status} {mode:o} {said}"),
                    "exit status: 0 100600 ",
                )?;
                holds(&said, "1000 cannot say")
            },
        ),
        Trial::test(
            "what_a_probe_said_stands_in_the_message_and_not_in_the_log_of_the_container",
            || failure_says("talkative probe", "", ": what; why"),
        ),
        Trial::test("a_probe_that_says_much_is_not_held_up", || {
            failure_says("flooding probe", "", ": x; x; x")
        }),
        Trial::test(
            "a_probe_that_prints_much_does_not_wake_the_core",
            long_winded_probe,
        ),
        Trial::test(
            "a_probe_that_holds_what_it_says_its_words_to_holds_nobody_up",
            || failure_says("holding probe", "", ": hello"),
        ),
        Trial::test(
            "who_is_left_behind_by_a_probe_and_holds_its_output_holds_nobody_up",
            || failure_says("probe that leaves somebody", "", ": gone"),
        ),
        as_root("dev_stdout_opens_for_a_probe_of_another_uid", || {
            failure_says("probe of another uid", "", ": by path")
        }),
        Trial::test(
            "sc11_a_probe_reaches_the_log_by_the_cores_own_descriptor",
            || failure_says("probe and container by path", "to the log\n", "\n"),
        ),
    ]
}
