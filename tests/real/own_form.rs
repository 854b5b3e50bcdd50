//! What only the own form promises: init steps, one grace for all, nobody left behind, hooks, silence when idle.

use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::launch::{Launch, Stdio};
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, os_error, patience, proc, until};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let straggler = "after SIGTERM a background process that needs a second gets it, and not more";
    let escaped = "so does one that has left for a session of its own";
    vec![
        Case::of_all(straggler, straggler_finishes)
            .but(&DROP_INS)
            .alone(),
        Case::of_all(escaped, escapee_finishes)
            .but(&DROP_INS)
            .alone(),
        Case::own(
            "when the command ends by itself, what is left gets SIGTERM and its time",
            left_behind,
        )
        .alone(),
        Case::own(
            "a straggler that is stopped is continued, so that it can obey",
            stopped_straggler,
        ),
        Case::own(
            "not as PID 1 it waits for what the command left, too",
            left_behind_not_pid_1,
        )
        .alone(),
        Case::own(
            "at the end of the grace SIGKILL takes all, escaped ones too",
            grace_ends,
        )
        .alone(),
        Case::own(
            "a grace shorter than 2 s still leaves 2 s after the stop signal",
            short_grace,
        )
        .alone(),
        Case::own(
            "what ignores SIGTERM after the command's end is killed in the grace",
            stubborn_straggler,
        )
        .alone(),
        Case::own(
            "init steps run in order, one at a time, and then the command",
            steps_in_order,
        ),
        Case::own(
            "a failing init step ends the container with its code",
            failing_step,
        ),
        Case::own(
            "a failing init step is tried again when asked",
            retried_step,
        ),
        Case::own(
            "an init step that is not there is 127 and the command is not run",
            missing_step,
        ),
        Case::own(
            "SIGTERM during init ends it with 143 and the command is not run",
            term_during_init,
        ),
        Case::own(
            "init steps read an empty stdin and the command reads monopod's",
            stdin_is_kept,
        ),
        Case::own("a second SIGTERM is handed on at once", second_term),
        Case::own(
            "SIGINT asks for a stop, and the command is stopped with it",
            int_stops,
        ),
        Case::own(
            "--stop-signal is what the command is stopped with",
            stop_signal,
        ),
        Case::own("--pre-stop runs before the stop signal", pre_stop),
        Case::own(
            "a --pre-stop that outlasts the grace does not cost the command its signal",
            long_pre_stop,
        )
        .alone(),
        Case::own(
            "--drain lets the command serve before it hears of the stop",
            drain,
        )
        .alone(),
        Case::own("--remap-exit changes codes on the way out", remap_exit),
        Case::own("--env-file adds to the environment", env_file),
        Case::own("every flag has its variable", variables),
        Case::own("a stderr that nobody reads does not stop it", full_stderr),
        Case::own("--log-format json writes one object a line", json_log),
        Case::of_all("an idle init does not wake up", no_wake_ups),
    ]
}

/// They leave at once, as their originals do; what users miss there is what the own form is for.
const DROP_INS: [Init; 3] = [Init::AsTini, Init::AsDumbInit, Init::AsCatatonit];

/// How late an end may come that waits for nothing any more: this machine may be busy with other things.
const LATE: Duration = Duration::from_millis(700);

fn ends_between(run: &mut Run, code: i32, asked: Instant, least: Duration) -> Outcome {
    run.ends_with(code)?;
    let took = asked.elapsed();
    ensure!(
        took >= least && took <= least + LATE,
        "it took {took:?}, expected {least:?} and not {LATE:?} more"
    );
    Ok(())
}

fn finishes(scene: &Scene, how: &str) -> Outcome {
    let file = scene.dir.join("saved");
    let script = format!(
        "orphan {{ {how} block 15 say up wait 15 sleep 1000 touch {} }} say command pause",
        file.display()
    );
    let mut run = scene.launch(&[], &script).start()?;
    let mut words = [run.ear.line()?, run.ear.line()?];
    words.sort();
    ensure!(words == ["command", "up"], "heard {words:?}");
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    ends_between(&mut run, 143, asked, Duration::from_secs(1))?;
    ensure!(file.exists(), "the file was never written");
    Ok(())
}

fn straggler_finishes(scene: &Scene) -> Outcome {
    finishes(scene, "")
}

fn escapee_finishes(scene: &Scene) -> Outcome {
    finishes(scene, "setsid")
}

const LEAVES_ONE_BEHIND: &str =
    "block 10 orphan { setsid block 15 say up wait 15 sleep 1000 say saved } wait 10 exit 6";

fn left_behind_in(launch: Launch) -> Outcome {
    let mut run = launch.start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    run.ear.expect("saved")?;
    ends_between(&mut run, 6, asked, Duration::from_secs(1))
}

fn left_behind(scene: &Scene) -> Outcome {
    left_behind_in(scene.launch(&[], LEAVES_ONE_BEHIND))
}

fn left_behind_not_pid_1(scene: &Scene) -> Outcome {
    left_behind_in(scene.launch(&[], LEAVES_ONE_BEHIND).not_pid_1())
}

fn stopped_straggler(scene: &Scene) -> Outcome {
    let script = "block 10 orphan { say up die 19 } wait 10 exit 6";
    let mut run = scene.launch(&[], script).start()?;
    run.ear.expect("up")?;
    until("the straggler is stopped", patience(), || {
        Ok(run
            .processes()?
            .into_iter()
            .find(|process| process.state == 'T'))
    })?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    run.ends_with(6)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "it slept through its grace"
    );
    Ok(())
}

fn grace_ends(scene: &Scene) -> Outcome {
    let script = "orphan { setsid ignore 15 say up pause } ignore 15 say command pause";
    let mut run = scene.launch(&["--grace", "3s"], script).start()?;
    run.ear.line()?;
    run.ear.line()?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    ends_between(&mut run, 137, asked, Duration::from_secs(3))
}

fn short_grace(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["--grace", "1s"], "ignore 15 say up pause")
        .start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    ends_between(&mut run, 137, asked, Duration::from_secs(2))
}

fn stubborn_straggler(scene: &Scene) -> Outcome {
    let script = "block 10 orphan { setsid ignore 15 say up pause } wait 10 exit 5";
    let mut run = scene.launch(&["--grace", "2s"], script).start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    ends_between(&mut run, 5, asked, Duration::from_secs(2))
}

fn steps_in_order(scene: &Scene) -> Outcome {
    let first = scene.script_line("say first sleep 50 say first-over");
    let second = scene.script_line("say second sleep 50 say second-over");
    let flags = ["--init", &first, "--init", &second];
    let mut run = scene.launch(&flags, "say command exit 9").start()?;
    for words in ["first", "first-over", "second", "second-over", "command"] {
        run.ear.expect_next(words)?;
    }
    run.ends_with(9)?;
    run.ear.expect_silence()
}

fn failing_step(scene: &Scene) -> Outcome {
    let first = scene.script_line("say first exit 33");
    let second = scene.script_line("say second");
    let mut run = scene
        .launch(&["--init", &first, "--init", &second], "say command")
        .start()?;
    run.ends_with(33)?;
    run.ear.expect_next("first")?;
    run.ear.expect_silence()?;
    let stderr = run.stderr();
    ensure!(
        stderr.lines().count() == 1,
        "expected one line on stderr, saw {stderr:?}"
    );
    Ok(())
}

fn retried_step(scene: &Scene) -> Outcome {
    // The first retry is immediate, so the second attempt must find the file that the first one makes.
    let file = scene.dir.join("tried");
    let file = file.display();
    let step = format!("sh -c 'test -e {file} || {{ touch {file}; exit 3; }}'");
    let mut run = scene
        .launch(&["--init", &step, "--init-retries", "1"], "say command")
        .start()?;
    run.ends_with(0)?;
    run.ear.expect_next("command")?;

    let mut run = scene
        .launch(
            &["--init", "sh -c 'exit 4'", "--init-retries", "1"],
            "say command",
        )
        .start()?;
    run.ends_with(4)?;
    run.ear.expect_silence()
}

fn missing_step(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["--init", "no-such-step"], "say command")
        .start()?;
    run.ends_with(127)?;
    run.ear.expect_silence()?;
    ensure!(
        run.stderr().contains("no-such-step"),
        "stderr: {:?}",
        run.stderr()
    );
    Ok(())
}

fn term_during_init(scene: &Scene) -> Outcome {
    let step = scene.script_line("say step block 15 wait 15 say asked exit 0");
    let mut run = scene.launch(&["--init", &step], "say command").start()?;
    run.ear.expect("step")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    let rest = run.ear.rest()?;
    // The step may have been struck before it blocked the signal.
    ensure!(rest.is_empty() || rest == ["asked"], "heard {rest:?}");
    Ok(())
}

fn pipe() -> Outcome<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(os_error("pipe2"));
    }
    // SAFETY: two descriptors just made.
    Ok(unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) })
}

fn stdin_is_kept(scene: &Scene) -> Outcome {
    let (reading, mut writing) = pipe()?;
    writing
        .write_all(b"for the command\n")
        .map_err(|why| why.to_string())?;
    drop(writing);
    let eaten = scene.dir.join("eaten");
    let step = format!("sh -c 'cat > {}'", eaten.display());
    let mut run = scene
        .launch_command(&["--init", &step], &["cat"])
        .stdin(Stdio::Given(OwnedFd::from(reading)))
        .start()?;
    run.ends_with(0)?;
    let eaten = std::fs::read_to_string(eaten).map_err(|why| why.to_string())?;
    ensure!(eaten.is_empty(), "the step read {eaten:?}");
    let stdout = run.stdout();
    ensure!(stdout == "for the command\n", "the command read {stdout:?}");
    Ok(())
}

fn second_term(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "ears").start()?;
    run.ear.expect("ready")?;
    for _ in 0..3 {
        run.signal(libc::SIGTERM)?;
        run.ear.expect_next("sig 15")?;
    }
    // Others are handed on during a stop as well.
    run.signal(libc::SIGUSR2)?;
    run.ear.expect_next("sig 12")
}

fn int_stops(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["--grace", "0"], "ears").start()?;
    run.ear.expect("ready")?;
    let asked = Instant::now();
    run.signal(libc::SIGINT)?;
    run.ear.expect_next("sig 2")?;
    run.ends_with(137)?;
    ensure!(
        asked.elapsed() >= Duration::from_secs(2),
        "killed after {:?}",
        asked.elapsed()
    );
    Ok(())
}

fn stop_signal(scene: &Scene) -> Outcome {
    for (name, number) in [("USR1", 10), ("SIGQUIT", 3), ("RTMIN+3", 37), ("12", 12)] {
        let mut run = scene.launch(&["--stop-signal", name], "ears").start()?;
        run.ear.expect("ready")?;
        run.signal(libc::SIGTERM)?;
        run.ear.expect_next(&format!("sig {number}"))?;
    }
    Ok(())
}

fn pre_stop(scene: &Scene) -> Outcome {
    let hook = scene.script_line("say hook sleep 100 say hook-over");
    let mut run = scene.launch(&["--pre-stop", &hook], "ears").start()?;
    run.ear.expect("ready")?;
    run.signal(libc::SIGTERM)?;
    for words in ["hook", "hook-over", "sig 15"] {
        run.ear.expect_next(words)?;
    }
    Ok(())
}

fn long_pre_stop(scene: &Scene) -> Outcome {
    let hook = scene.script_line("say hook ignore 15 pause");
    let mut run = scene
        .launch(&["--pre-stop", &hook, "--grace", "1s"], "ears")
        .start()?;
    run.ear.expect("ready")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("hook")?;
    run.ear.expect_next("sig 15")?;
    let after = asked.elapsed();
    ensure!(
        after >= Duration::from_secs(1) && after < Duration::from_secs(1) + LATE,
        "the stop signal came after {after:?}"
    );
    // Two seconds more, and the hook does not outlive the container.
    ends_between(&mut run, 137, asked, Duration::from_secs(3))
}

fn drain(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["--drain", "1s"], "ears").start()?;
    run.ear.expect("ready")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("sig 15")?;
    let after = asked.elapsed();
    ensure!(
        after >= Duration::from_secs(1) && after < Duration::from_secs(1) + LATE,
        "the stop signal came after {after:?}"
    );
    Ok(())
}

fn remap_exit(scene: &Scene) -> Outcome {
    let flags = ["--remap-exit", "143=0", "--remap-exit", "5=6"];
    scene.launch(&flags, "exit 5").start()?.ends_with(6)?;
    scene.launch(&flags, "exit 7").start()?.ends_with(7)?;
    let mut run = scene.launch(&flags, "say up pause").start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(0)
}

fn env_file(scene: &Scene) -> Outcome {
    let first = scene.dir.join("first.env");
    let second = scene.dir.join("second.env");
    std::fs::write(&first, "# a comment\nA=one\nB=two words\nOWN=from file\n")
        .and_then(|()| std::fs::write(&second, "A=later\nINHERITED\n"))
        .map_err(|why| why.to_string())?;
    let (first, second) = (first.to_string_lossy(), second.to_string_lossy());
    let mut run = scene
        .launch(&["--env-file", &first, "--env-file", &second], "report")
        .env("OWN", "own")
        .env("INHERITED", "yes")
        .start()?;
    run.ends_with(0)?;
    let lines = run.ear.rest()?;
    for wanted in [
        "env A=later",
        "env B=two words",
        "env OWN=from file",
        "env INHERITED=yes",
    ] {
        ensure!(
            lines.iter().any(|line| line == wanted),
            "no {wanted:?} in {lines:?}"
        );
    }
    Ok(())
}

fn variables(scene: &Scene) -> Outcome {
    let steps = format!(
        "{}\n{}",
        scene.script_line("say first"),
        scene.script_line("say second")
    );
    let hook = scene.script_line("say hook");
    let mut run = scene
        .launch(&[], "say command ears")
        .env("MONOPOD_INIT", &steps)
        .env("MONOPOD_PRE_STOP", &hook)
        .env("MONOPOD_STOP_SIGNAL", "USR2")
        .env("MONOPOD_GRACE", "1s")
        .env("MONOPOD_REMAP_EXIT", "137=17\n1=2")
        .env("MONOPOD_LOG_LEVEL", "info")
        .env("MONOPOD_LOG_FORMAT", "json")
        .start()?;
    for words in ["first", "second", "command", "ready"] {
        run.ear.expect_next(words)?;
    }
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("hook")?;
    run.ear.expect_next("sig 12")?;
    run.ends_with(17)?;
    let stderr = run.stderr();
    ensure!(stderr.starts_with('{'), "stderr is no JSON: {stderr:?}");

    let mut run = scene
        .launch(&["--grace", "2s"], "exit 3")
        .env("MONOPOD_GRACE", "nonsense")
        .start()?;
    run.ends_with(3)
        .map_err(|why| format!("a flag must beat its variable: {why}"))?;
    let mut run = scene
        .launch(&[], "exit 3")
        .env("MONOPOD_GRACE", "nonsense")
        .start()?;
    run.ends_with(64)
        .map_err(|why| format!("a wrong variable: {why}"))
}

/// A pipe that is full, with the end that nobody reads.
fn full_pipe() -> Outcome<(File, File)> {
    let (reading, mut writing) = pipe()?;
    // SAFETY: flags of a descriptor of our own.
    unsafe { libc::fcntl(writing.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    while writing.write(&[b'x'; 4096]).is_ok() {}
    // SAFETY: as above; whoever inherits it must find it as pipes usually are.
    unsafe { libc::fcntl(writing.as_raw_fd(), libc::F_SETFL, 0) };
    Ok((reading, writing))
}

fn full_stderr(scene: &Scene) -> Outcome {
    let (mut reading, writing) = full_pipe()?;
    let end = |file: &File| {
        file.try_clone()
            .map(OwnedFd::from)
            .map_err(|why| why.to_string())
    };
    let mut run = scene
        .launch(&["--log-level", "trace"], "ears")
        .stderr(Stdio::Given(end(&writing)?))
        .start()?;
    run.ear.expect("ready")?;
    for _ in 0..100 {
        run.signal(libc::SIGUSR1)?;
        run.ear.expect_next("sig 10")?;
    }
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("sig 15")?;
    drop(run);

    let mut run = scene
        .launch_command(&[], &["no-such-program"])
        .stderr(Stdio::Given(end(&writing)?))
        .start()?;
    run.ends_with(127)?;
    let mut run = Launch::words(scene, scene.init, &["--no-such-flag"])
        .stderr(Stdio::Given(OwnedFd::from(writing)))
        .start()?;
    run.ends_with(64)
        .map_err(|why| format!("a usage error: {why}"))?;
    drop(run);
    let mut all = Vec::new();
    reading
        .read_to_end(&mut all)
        .map_err(|why| why.to_string())?;
    ensure!(
        all.iter().all(|byte| *byte == b'x'),
        "torn words got into the full pipe"
    );
    Ok(())
}

fn json_log(scene: &Scene) -> Outcome {
    let step = scene.script_line("say \"quoted\"");
    let flags = [
        "--log-format",
        "json",
        "--log-level",
        "trace",
        "--init",
        &step,
    ];
    let mut run = scene.launch(&flags, "say up pause").start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    let stderr = run.stderr();
    ensure!(stderr.lines().count() > 1, "nothing was said: {stderr:?}");
    for line in stderr.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).map_err(|why| format!("{line:?}: {why}"))?;
        ensure!(object.is_object(), "{line:?} is no object");
    }
    Ok(())
}

fn no_wake_ups(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "say up pause").start()?;
    run.ear.expect("up")?;
    idle(&[run.pid])
}

/// These processes do not run once in three seconds. This is the one wait that measures time and nothing else.
pub fn idle(pids: &[i32]) -> Outcome {
    let switches = |pid: &i32| proc::number(*pid, "voluntary_ctxt_switches");
    // Whatever the start has stirred up settles first: the count must stand still for a moment.
    for pid in pids {
        let mut before = switches(pid)?;
        let mut since = Instant::now();
        until("the start has settled", Duration::from_secs(5), || {
            let now = switches(pid)?;
            if now != before {
                (before, since) = (now, Instant::now());
            }
            Ok((since.elapsed() > Duration::from_millis(300)).then_some(()))
        })?;
    }
    let before: Vec<u64> = pids.iter().map(switches).collect::<Outcome<_>>()?;
    let started = Instant::now();
    until("three seconds are over", patience(), || {
        Ok((started.elapsed() > Duration::from_secs(3)).then_some(()))
    })?;
    let after: Vec<u64> = pids.iter().map(switches).collect::<Outcome<_>>()?;
    ensure!(before == after, "woken up: {before:?} became {after:?}");
    Ok(())
}
