//! tini, and monopod as tini.

use super::{GROUP, command_alone_hears, group_hears, texts};
use crate::ensure;
use crate::harness::inits::{self, Init};
use crate::harness::launch::Launch;
use crate::harness::{Case, Outcome, Scene, patience, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    [
        (
            "tini --version is on stdout and begins as docker wants it",
            version as fn(&Scene) -> Outcome,
        ),
        ("tini -h is on stdout and leaves with 0", help),
        (
            "tini -g sends signals to the command's group, without it only to the command",
            group,
        ),
        ("TINI_KILL_PROCESS_GROUP is tini -g", group_variable),
        ("tini -e makes 0 of a code, and only of that", remap),
        ("tini -e refuses what is no exit code", bad_remap),
        ("tini -p gets its signal when the parent dies", parent_death),
        ("tini -w warns of each orphan reaped", warn),
        (
            "tini warns when it is not PID 1 and cannot reap, and TINI_VERBOSITY=0 silences it",
            not_pid_1,
        ),
        ("tini PROGRAM -- ARGS drops the dashes", usage),
    ]
    .map(|(story, run)| Case::of(&Init::TINIS, story, run))
    .into()
}

fn version(scene: &Scene) -> Outcome {
    let (stdout, stderr) = texts(scene, &["--version"])?;
    ensure!(
        stdout.starts_with("tini version 0.19.0"),
        "stdout {stdout:?}"
    );
    ensure!(stderr.is_empty(), "stderr {stderr:?}");
    ensure!(stdout.lines().count() == 1, "stdout {stdout:?}");
    Ok(())
}

fn help(scene: &Scene) -> Outcome {
    let (stdout, _) = texts(scene, &["-h"])?;
    for option in [
        "Usage:",
        "-s",
        "-p SIGNAL",
        "-v",
        "-w",
        "-g",
        "-e EXIT_CODE",
        "-l",
        "TINI_SUBREAPER",
    ] {
        ensure!(stdout.contains(option), "no {option} in {stdout:?}");
    }
    Ok(())
}

fn group(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&["-g"], GROUP))?;
    command_alone_hears(scene.launch(&[], GROUP))
}

fn group_variable(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&[], GROUP).env("TINI_KILL_PROCESS_GROUP", ""))
}

fn remap(scene: &Scene) -> Outcome {
    scene
        .launch(&["-e", "143", "-e", "5"], "exit 5")
        .start()?
        .ends_with(0)?;
    scene
        .launch(&["-e", "143", "-e", "5"], "exit 6")
        .start()?
        .ends_with(6)?;
    let mut run = scene.launch(&["-e143"], "say up pause").start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(0)
}

fn bad_remap(scene: &Scene) -> Outcome {
    for code in ["256", "-1", "x"] {
        let mut run = scene.launch(&["-e", code], "say up").start()?;
        run.ends_with(1)
            .map_err(|why| format!("-e {code}: {why}"))?;
        run.ear.expect_silence()?;
    }
    Ok(())
}

fn parent_death(scene: &Scene) -> Outcome {
    let tini = scene.init.path().ok_or("no init")?;
    let command = scene.script_line("ears");
    // PID 1, the parent that dies, tini.
    let script = format!(
        "fork {{ fork {{ exec {} -s -p USR1 -- {command} }} pause }} pause",
        tini.display()
    );
    let script = if scene.init.is_ours() {
        script
    } else {
        script.replace("-p USR1", "-p SIGUSR1")
    };
    let mut run = Launch::world(scene, &script).start()?;
    run.ear.expect("ready")?;
    let parent = run.host_pid(2)?;
    run.signal_to(parent, libc::SIGKILL)?;
    run.ear.expect_next("sig 10")
}

fn warn(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["-w"], "orphan { say orphan } pause")
        .start()?;
    run.ear.expect("orphan")?;
    until("the orphan is warned of", patience(), || {
        Ok(run
            .stderr()
            .lines()
            .any(|line| line.starts_with("[WARN  tini (1)] "))
            .then_some(()))
    })
}

fn not_pid_1(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "exit 3").not_pid_1().start()?;
    run.ends_with(3)?;
    let stderr = run.stderr();
    ensure!(stderr.starts_with("[WARN  tini ("), "stderr {stderr:?}");
    let mut run = scene
        .launch(&[], "exit 3")
        .env("TINI_VERBOSITY", "0")
        .not_pid_1()
        .start()?;
    run.ends_with(3)?;
    ensure!(run.stderr().is_empty(), "stderr {:?}", run.stderr());
    let mut run = scene.launch(&["-s"], "exit 3").not_pid_1().start()?;
    run.ends_with(3)?;
    ensure!(run.stderr().is_empty(), "stderr {:?}", run.stderr());
    Ok(())
}

fn usage(scene: &Scene) -> Outcome {
    let child = inits::child().to_string_lossy();
    let ear = scene.ear_path();
    let words = [
        &*child,
        "--",
        "__child",
        &ear.to_string_lossy(),
        "exit",
        "3",
    ];
    Launch::words(scene, scene.init, &words)
        .start()?
        .ends_with(3)
}
