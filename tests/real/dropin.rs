//! What is particular to each of the names that monopod can go by. Each story is told about the original, too: it is
//! the judge of what its command line means.

use crate::ensure;
use crate::harness::inits::{self, Init};
use crate::harness::launch::Launch;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let [tini, dumb_init, catatonit] = [
        &Init::TINIS[..],
        &Init::DUMB_INITS[..],
        &Init::CATATONITS[..],
    ];
    vec![
        Case::of(
            tini,
            "tini --version is on stdout and begins as docker info wants it",
            tini_version,
        ),
        Case::of(tini, "tini -h is on stdout and leaves with 0", tini_help),
        Case::of(
            tini,
            "tini -g sends signals to the command's group, without it only to the command",
            tini_group,
        ),
        Case::of(
            tini,
            "TINI_KILL_PROCESS_GROUP is tini -g",
            tini_group_variable,
        ),
        Case::of(
            tini,
            "tini -e makes 0 of a code, and only of that",
            tini_remap,
        ),
        Case::of(tini, "tini -e refuses what is no exit code", tini_bad_remap),
        Case::of(
            tini,
            "tini -p gets its signal when the parent dies",
            tini_parent_death,
        ),
        Case::of(tini, "tini -w warns of each orphan reaped", tini_warn),
        Case::of(
            tini,
            "tini warns when it is not PID 1 and cannot reap, and TINI_VERBOSITY=0 silences it",
            tini_not_pid_1,
        ),
        Case::of(tini, "tini PROGRAM -- ARGS drops the dashes", tini_usage),
        Case::of(
            dumb_init,
            "dumb-init --version and --help leave with 0",
            dumb_init_texts,
        ),
        Case::of(
            dumb_init,
            "dumb-init -r hands a signal on as another, or drops it",
            dumb_init_rewrite,
        ),
        Case::of(
            dumb_init,
            "dumb-init gives the command a session, and signals to all of it",
            dumb_init_session,
        ),
        Case::of(
            dumb_init,
            "dumb-init --single-child gives no session, and signals only to the command",
            dumb_init_single,
        ),
        Case::of(
            dumb_init,
            "DUMB_INIT_SETSID=0 is dumb-init --single-child",
            dumb_init_single_variable,
        ),
        Case::of(
            dumb_init,
            "dumb-init answers TSTP by stopping the command and itself, and CONT continues both",
            dumb_init_suspend,
        ),
        Case::of(
            dumb_init,
            "dumb-init sends the group TERM when the command has ended",
            dumb_init_farewell,
        ),
        Case::of(
            dumb_init,
            "dumb-init -v and DUMB_INIT_DEBUG=1 talk",
            dumb_init_verbose,
        ),
        Case::of(
            catatonit,
            "catatonit -P runs nothing and ends with 0 at TERM or INT",
            catatonit_pause,
        ),
        Case::of(
            catatonit,
            "catatonit -P reaps orphans",
            catatonit_pause_reaps,
        ),
        Case::of(
            catatonit,
            "catatonit -g sends signals to the command's group",
            catatonit_group,
        ),
        Case::of(
            catatonit,
            "catatonit --version looks like tini's",
            catatonit_version,
        ),
        Case::of(
            &Init::OURS,
            "LISTEN_PID that names the init names the command afterwards",
            listen_pid,
        ),
        Case::own(
            "every name works as a link and with --as and MONOPOD_AS",
            every_name,
        ),
    ]
}

fn texts(scene: &Scene, words: &[&str]) -> Outcome<(String, String)> {
    let mut run = Launch::words(scene, scene.init, words).start()?;
    run.ends_with(0)
        .map_err(|why| format!("{words:?}: {why}"))?;
    Ok((run.stdout(), run.stderr()))
}

fn tini_version(scene: &Scene) -> Outcome {
    let (stdout, stderr) = texts(scene, &["--version"])?;
    ensure!(
        stdout.starts_with("tini version 0.19.0"),
        "stdout {stdout:?}"
    );
    ensure!(stderr.is_empty(), "stderr {stderr:?}");
    ensure!(stdout.lines().count() == 1, "stdout {stdout:?}");
    Ok(())
}

fn tini_help(scene: &Scene) -> Outcome {
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

/// The command with a child in its group; both speak when they get USR1.
const GROUP: &str = "fork { block 10 say up wait 10 say other } ears";

fn group_hears(launch: Launch) -> Outcome {
    let mut run = launch.start()?;
    both_up(&mut run)?;
    run.signal(libc::SIGUSR1)?;
    let mut words = [run.ear.line()?, run.ear.line()?];
    words.sort();
    ensure!(words == ["other", "sig 10"], "heard {words:?}");
    Ok(())
}

fn command_alone_hears(launch: Launch) -> Outcome {
    let mut run = launch.start()?;
    both_up(&mut run)?;
    for _ in 0..3 {
        run.signal(libc::SIGUSR1)?;
        run.ear.expect_next("sig 10")?;
    }
    Ok(())
}

fn both_up(run: &mut Run) -> Outcome {
    let mut words = [run.ear.line()?, run.ear.line()?];
    words.sort();
    ensure!(words == ["ready", "up"], "heard {words:?}");
    Ok(())
}

fn tini_group(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&["-g"], GROUP))?;
    command_alone_hears(scene.launch(&[], GROUP))
}

fn tini_group_variable(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&[], GROUP).env("TINI_KILL_PROCESS_GROUP", ""))
}

fn tini_remap(scene: &Scene) -> Outcome {
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

fn tini_bad_remap(scene: &Scene) -> Outcome {
    for code in ["256", "-1", "x"] {
        let mut run = scene.launch(&["-e", code], "say up").start()?;
        run.ends_with(1)
            .map_err(|why| format!("-e {code}: {why}"))?;
        run.ear.expect_silence()?;
    }
    Ok(())
}

fn tini_parent_death(scene: &Scene) -> Outcome {
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

fn tini_warn(scene: &Scene) -> Outcome {
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

fn tini_not_pid_1(scene: &Scene) -> Outcome {
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

fn tini_usage(scene: &Scene) -> Outcome {
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

fn dumb_init_texts(scene: &Scene) -> Outcome {
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

fn dumb_init_rewrite(scene: &Scene) -> Outcome {
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

fn dumb_init_session(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "report").start()?;
    let pid = reported(&mut run, "pid")?;
    let (group, session) = (reported(&mut run, "group")?, reported(&mut run, "session")?);
    ensure!(
        (group, session) == (pid, pid),
        "pid {pid}, group {group}, session {session}"
    );
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
    drop(run);
    let mut run = launch(scene, GROUP)?;
    both_up(&mut run)?;
    for _ in 0..3 {
        run.signal(libc::SIGUSR1)?;
        run.ear.expect_next("sig 10")?;
    }
    Ok(())
}

fn dumb_init_single(scene: &Scene) -> Outcome {
    single_child(scene, |scene, script| {
        scene.launch(&["--single-child"], script).start()
    })?;
    single_child(scene, |scene, script| scene.launch(&["-c"], script).start())
}

fn dumb_init_single_variable(scene: &Scene) -> Outcome {
    single_child(scene, |scene, script| {
        scene
            .launch(&[], script)
            .env("DUMB_INIT_SETSID", "0")
            .start()
    })
}

fn dumb_init_suspend(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "ears").not_pid_1().start()?;
    run.ear.expect("ready")?;
    let command = *proc::children(run.pid)?.first().ok_or("no command")?;
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

fn dumb_init_farewell(scene: &Scene) -> Outcome {
    // All of the group gets USR1, but only the command is to end by it.
    let script = "block 10 fork { block 15 say up wait 15 say farewell } wait 10 exit 4";
    let mut run = scene.launch(&[], script).not_pid_1().start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGUSR1)?;
    run.ends_with(4)?;
    run.ear.expect_next("farewell")
}

fn dumb_init_verbose(scene: &Scene) -> Outcome {
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

fn catatonit_pause(scene: &Scene) -> Outcome {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut run = Launch::words(scene, scene.init, &["-P"]).start()?;
        run.hears(signal)?;
        run.signal(signal)?;
        run.ends_with(0)
            .map_err(|why| format!("signal {signal}: {why}"))?;
    }
    Ok(())
}

fn catatonit_pause_reaps(scene: &Scene) -> Outcome {
    let init = scene.init.path().ok_or("no init")?;
    // A process of the pod's PID namespace whose parent goes: here it is there before the pause.
    let script = format!(
        "fork {{ orphan {{ sleep 200 say orphan }} }} exec {} -P",
        init.display()
    );
    let mut run = Launch::world(scene, &script).start()?;
    run.ear.expect("orphan")?;
    until("only the init is left", patience(), || {
        Ok((run.processes()?.len() == 1).then_some(()))
    })?;
    run.lives()
}

fn catatonit_group(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&["-g"], GROUP))?;
    command_alone_hears(scene.launch(&[], GROUP))
}

fn catatonit_version(scene: &Scene) -> Outcome {
    for words in [["--version"], ["-V"]] {
        let (stdout, _) = texts(scene, &words)?;
        ensure!(
            stdout.starts_with("tini version ") && stdout.contains("_catatonit"),
            "stdout {stdout:?}"
        );
    }
    Ok(())
}

fn listen_pid(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&[], "report")
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .start()?;
    run.ends_with(0)?;
    let lines = run.ear.rest()?;
    let pid = lines
        .iter()
        .find_map(|line| line.strip_prefix("pid "))
        .ok_or("no pid")?;
    let wanted = format!("env LISTEN_PID={pid}");
    ensure!(lines.contains(&wanted), "no {wanted:?} in {lines:?}");
    // A LISTEN_PID that means somebody else is not ours to change.
    let mut run = scene
        .launch(&[], "report")
        .env("LISTEN_PID", "77")
        .start()?;
    run.ends_with(0)?;
    let lines = run.ear.rest()?;
    ensure!(
        lines.contains(&"env LISTEN_PID=77".to_owned()),
        "heard {lines:?}"
    );
    Ok(())
}

fn every_name(scene: &Scene) -> Outcome {
    let names = [
        ("tini", "tini version 0.19.0"),
        ("tini-static", "tini version 0.19.0"),
        ("docker-init", "tini version 0.19.0"),
        ("podman-init", "tini version 0.2.1_catatonit"),
        ("catatonit", "tini version 0.2.1_catatonit"),
        ("dumb-init", "dumb-init v1.2.5"),
    ];
    for (name, version) in names {
        let link = inits::link(name);
        let launches = [
            Launch::words(scene, scene.init, &["--version"]).called(&link),
            Launch::words(scene, scene.init, &["--as", name, "--version"]),
            Launch::words(scene, scene.init, &["--version"]).env("MONOPOD_AS", name),
        ];
        for launch in launches {
            let mut run = launch.start()?;
            run.ends_with(0).map_err(|why| format!("{name}: {why}"))?;
            let text = run.stdout() + &run.stderr();
            ensure!(text.starts_with(version), "{name} prints {text:?}");
        }
        scene
            .launch(&[], "exit 8")
            .called(&link)
            .start()?
            .ends_with(8)?;
    }
    let mut run = scene.launch(&["--as", "systemd"], "say up").start()?;
    run.ends_with(64)?;
    run.ear.expect_silence()
}
