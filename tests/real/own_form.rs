//! What only the own form promises before and beside the command: init steps, settings, words that block nobody, silence
//! when idle. How it stops is told in `stopping` and `grace`.

use crate::ensure;
use crate::harness::launch::{Launch, Stdio};
use crate::harness::{Case, Outcome, Scene, os_error, patience, proc, until};
use crate::terminal::Terminal;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "init steps run in order, one at a time, and then the command",
            steps_in_order,
        ),
        Case::own(
            "a failing init step ends the container with its code",
            failing_step,
        ),
        Case::own(
            "an init step that is killed ends the container with 128 + the signal",
            killed_step,
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
            "SIGTERM while an init step rests ends it at once",
            term_during_rest,
        ),
        Case::own(
            "init steps read an empty stdin and the command reads monopod's",
            stdin_is_kept,
        ),
        Case::own("--remap-exit changes codes on the way out", remap_exit),
        Case::own("--env-file adds to the environment", env_file),
        Case::own("every flag has its variable", variables),
        Case::own("a stderr that nobody reads does not stop it", full_stderr),
        Case::own(
            "a terminal that nobody reads does not stop it",
            full_terminal,
        ),
        Case::own("the last line of all comes out of a pipe", last_line),
        Case::own(
            "a usage error does not wait for a stderr that nobody reads",
            usage_error_on_full_stderr,
        ),
        Case::own("--log-format json writes one object a line", json_log),
        Case::of_all("an idle init does not wake up", no_wake_ups),
    ]
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

fn killed_step(scene: &Scene) -> Outcome {
    let step = scene.script_line("die 9");
    let mut run = scene.launch(&["--init", &step], "say command").start()?;
    run.ends_with(137)?;
    run.ear.expect_silence()
}

fn term_during_rest(scene: &Scene) -> Outcome {
    let step = scene.script_line("say step exit 4");
    let flags = ["--init", &step, "--init-retries", "unlimited"];
    let mut run = scene.launch(&flags, "say command").start()?;
    // The first retry is immediate, then there is a rest of ten seconds.
    run.ear.expect_next("step")?;
    run.ear.expect_next("step")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        asked.elapsed()
    );
    run.ear.expect_silence()
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
    drop((run, writing));
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

fn full_terminal(scene: &Scene) -> Outcome {
    // It has room for a part of a line now and then, and the rest would be waited with.
    let terminal = Terminal::new()?;
    let steps = ["--init", "true"].repeat(500);
    let flags = [&["--log-level", "info"], &steps[..]].concat();
    let mut run = scene
        .launch(&flags, "ears")
        .stderr(Stdio::Given(terminal.line()?))
        .start()?;
    run.ear.expect("ready")?;
    run.signal(libc::SIGTERM)?;
    run.ear.expect("sig 15")
}

fn last_line(scene: &Scene) -> Outcome {
    let (mut reading, writing) = pipe()?;
    let mut run = Launch::words(scene, scene.init, &["stauts"])
        .stderr(Stdio::Given(OwnedFd::from(writing)))
        .start()?;
    run.ends_with(127)?;
    let mut told = String::new();
    reading
        .read_to_string(&mut told)
        .map_err(|why| why.to_string())?;
    ensure!(told.contains("did you mean monopod status"), "{told}");
    Ok(())
}

fn usage_error_on_full_stderr(scene: &Scene) -> Outcome {
    let (_reading, writing) = full_pipe()?;
    let mut run = Launch::words(scene, scene.init, &["--no-such-flag"])
        .stderr(Stdio::Given(OwnedFd::from(writing)))
        .start()?;
    run.ends_with(64)
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
