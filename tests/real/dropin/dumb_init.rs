//! dumb-init, and monopod as dumb-init.

use super::{GROUP, both_up, group_hears, texts};
use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    [
        (
            "dumb-init --version and --help leave with 0",
            version_and_help as fn(&Scene) -> Outcome,
        ),
        (
            "dumb-init -r hands a signal on as another, or drops it",
            rewrite,
        ),
        (
            "dumb-init gives the command a session, and signals to all of it",
            session,
        ),
        (
            "dumb-init --single-child gives no session, and signals only to the command",
            single,
        ),
        (
            "DUMB_INIT_SETSID=0 is dumb-init --single-child",
            single_variable,
        ),
        (
            "dumb-init answers TSTP by stopping the command and itself, and CONT continues both",
            suspend,
        ),
        (
            "dumb-init sends the group TERM when the command has ended",
            farewell,
        ),
        ("dumb-init -v and DUMB_INIT_DEBUG=1 talk", verbose),
    ]
    .map(|(story, run)| Case::of(&Init::DUMB_INITS, story, run))
    .into()
}

fn version_and_help(scene: &Scene) -> Outcome {
    for words in [["--version"], ["-V"]] {
        let (stdout, stderr) = texts(scene, &words)?;
        ensure!(
            stderr.starts_with("dumb-init v1.2.5") && stdout.is_empty(),
            "{stdout:?} {stderr:?}"
        );
    }
    let (_, stderr) = texts(scene, &["--help"])?;
    for option in [
        "--single-child",
        "--rewrite",
        "--verbose",
        "--help",
        "--version",
    ] {
        ensure!(stderr.contains(option), "no {option} in {stderr:?}");
    }
    Ok(())
}

fn rewrite(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(
            &["-r", "15:3", "--rewrite", "10:0", "--rewrite=1:12"],
            "ears",
        )
        .start()?;
    run.ear.expect("ready")?;
    for (sent, heard) in [(15, Some(3)), (10, None), (1, Some(12)), (2, Some(2))] {
        run.signal(sent)?;
        if let Some(heard) = heard {
            run.ear.expect_next(&format!("sig {heard}"))?;
        }
    }
    Ok(())
}

/// What the command says of itself.
fn reported(run: &mut Run, name: &str) -> Outcome<i32> {
    loop {
        let line = run.ear.line()?;
        ensure!(line != "end", "no {name} in the report");
        if let Some(value) = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
        {
            return value.parse().map_err(|why| format!("{line}: {why}"));
        }
    }
}

fn session(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "report").start()?;
    let pid = reported(&mut run, "pid")?;
    let (group, session) = (reported(&mut run, "group")?, reported(&mut run, "session")?);
    ensure!(
        (group, session) == (pid, pid),
        "pid {pid}, group {group}, session {session}"
    );
    // What it has yet to say must not be heard in the place of the next one's words.
    run.ear.expect("end")?;
    drop(run);
    group_hears(scene.launch(&[], GROUP))
}

fn single_child(scene: &Scene, launch: fn(&Scene, &str) -> Outcome<Run>) -> Outcome {
    let mut run = launch(scene, "report")?;
    let group = reported(&mut run, "group")?;
    let session = reported(&mut run, "session")?;
    // As PID 1 that leads its session: everything is 1.
    ensure!(
        (group, session) == (1, 1),
        "group {group}, session {session}"
    );
    // What it has yet to say must not be heard in the place of the next one's words.
    run.ear.expect("end")?;
    drop(run);
    let mut run = launch(scene, GROUP)?;
    both_up(&mut run)?;
    for _ in 0..3 {
        run.signal(libc::SIGUSR1)?;
        run.ear.expect_next("sig 10")?;
    }
    Ok(())
}

fn single(scene: &Scene) -> Outcome {
    single_child(scene, |scene, script| {
        scene.launch(&["--single-child"], script).start()
    })?;
    single_child(scene, |scene, script| scene.launch(&["-c"], script).start())
}

fn single_variable(scene: &Scene) -> Outcome {
    single_child(scene, |scene, script| {
        scene
            .launch(&[], script)
            .env("DUMB_INIT_SETSID", "0")
            .start()
    })
}

fn suspend(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "ears").not_pid_1().start()?;
    run.ear.expect("ready")?;
    let command = *run.scripts()?.first().ok_or("no command")?;
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        run.signal(signal)?;
        for pid in [command, run.pid] {
            until(
                &format!("signal {signal} has stopped {pid}"),
                patience(),
                || Ok(proc::one(&proc::dir(pid)).filter(|process| process.state == 'T')),
            )?;
        }
        run.signal(libc::SIGCONT)?;
        run.ear.expect_next("sig 18")?;
        until("the init goes on", patience(), || {
            Ok(proc::one(&proc::dir(run.pid)).filter(|process| process.state == 'S'))
        })?;
    }
    Ok(())
}

fn farewell(scene: &Scene) -> Outcome {
    // All of the group gets USR1, but only the command is to end by it.
    let script = "block 10 fork { block 15 say up wait 15 say farewell } wait 10 exit 4";
    let mut run = scene.launch(&[], script).not_pid_1().start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGUSR1)?;
    run.ends_with(4)?;
    run.ear.expect_next("farewell")
}

fn verbose(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["-v"], "exit 3").start()?;
    run.ends_with(3)?;
    ensure!(
        run.stderr().starts_with("[dumb-init] "),
        "stderr {:?}",
        run.stderr()
    );
    let mut run = scene
        .launch(&[], "exit 3")
        .env("DUMB_INIT_DEBUG", "1")
        .start()?;
    run.ends_with(3)?;
    ensure!(
        run.stderr().starts_with("[dumb-init] "),
        "stderr {:?}",
        run.stderr()
    );
    let mut run = scene.launch(&[], "exit 3").start()?;
    run.ends_with(3)?;
    ensure!(run.stderr().is_empty(), "stderr {:?}", run.stderr());
    Ok(())
}
