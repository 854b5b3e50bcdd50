//! What the command finds: descriptors, umask, directory, name, environment; and worlds in which little is to be found.

use crate::ensure;
use crate::harness::inits::{self, Init};
use crate::harness::launch::{Launch, Stdio};
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use std::fs::File;
use std::os::fd::OwnedFd;

/// A uid that no machine has an entry for.
const NOBODY_KNOWN: u32 = 12_345;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::of_all(
            "the command has no descriptor above 2 that was not inherited",
            none_leaked,
        ),
        Case::of_all(
            "descriptors 9 and 10 reach the command when the caller opened them",
            inherited,
        ),
        Case::of_all(
            "a standard descriptor that was closed is closed in the command",
            closed,
        ),
        Case::of_all(
            "umask, directory and argv[0] reach the command untouched",
            untouched,
        ),
        Case::of_all("the environment reaches the command untouched", environment),
        Case::of_all(
            "the init itself keeps no inherited descriptor",
            lets_go_of_descriptors,
        ),
        Case::of_all(
            "the init itself leaves the working directory",
            leaves_directory,
        ),
        Case::of_all("it works without /proc", without_proc),
        Case::of_all("it works without /dev/null", without_dev),
        Case::of_all("it works on a read-only root", read_only),
        Case::of_all("it works with room for 16 descriptors", few_descriptors),
        Case::of_all("it works as a uid without a passwd entry", as_unknown_uid),
        Case::of_all(
            "it works as such a uid with no /proc, no /dev and no writable path",
            with_nothing,
        ),
    ]
}

fn some_file() -> Outcome<OwnedFd> {
    File::open("/dev/null")
        .map(OwnedFd::from)
        .map_err(|why| why.to_string())
}

/// All values of this name that the command reports.
fn reported(run: &mut Run, name: &str) -> Outcome<Vec<String>> {
    let mut values = Vec::new();
    loop {
        let line = run.ear.line()?;
        if line == "end" {
            return Ok(values);
        }
        if let Some(value) = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
        {
            values.push(value.to_owned());
        }
    }
}

fn open_in_command(launch: Launch, wanted: &str) -> Outcome {
    let mut run = launch.start()?;
    let open = reported(&mut run, "open")?.concat();
    ensure!(open == wanted, "open are {open}, should be {wanted}");
    run.ends_with(0)
}

fn none_leaked(scene: &Scene) -> Outcome {
    open_in_command(scene.launch(&[], "report"), "0,1,2")
}

fn inherited(scene: &Scene) -> Outcome {
    let launch = scene
        .launch(&[], "report")
        .descriptor(9, some_file()?)
        .descriptor(10, some_file()?);
    open_in_command(launch, "0,1,2,9,10")
}

fn closed(scene: &Scene) -> Outcome {
    open_in_command(scene.launch(&[], "report").stdin(Stdio::Closed), "1,2")?;
    open_in_command(scene.launch(&[], "report").stdout(Stdio::Closed), "0,2")?;
    open_in_command(scene.launch(&[], "report").stderr(Stdio::Closed), "0,1")?;
    let launch = scene.launch(&[], "report");
    let launch = launch
        .stdin(Stdio::Closed)
        .stdout(Stdio::Closed)
        .stderr(Stdio::Closed);
    open_in_command(launch, "")
}

fn untouched(scene: &Scene) -> Outcome {
    // Found through PATH, so that an init that resolves the name would show it.
    let ear = scene.ear_path();
    let path = inits::child()
        .parent()
        .ok_or("no directory")?
        .to_string_lossy();
    let command = [
        "child",
        "__child",
        &ear.to_string_lossy(),
        "argv0",
        "report",
    ];
    let launch = Launch::bare_command(scene, scene.init, &[], &command)
        .env("PATH", &path)
        .umask(0o027)
        .cwd(&scene.dir);
    let mut run = launch.start()?;
    run.ear.expect_next("argv0 child")?;
    let mut umask = String::new();
    let mut cwd = String::new();
    loop {
        let line = run.ear.line()?;
        match line.split_once(' ') {
            Some(("umask", value)) => umask = value.to_owned(),
            Some(("cwd", value)) => cwd = value.to_owned(),
            None if line == "end" => break,
            _ => {}
        }
    }
    ensure!(umask == "27", "umask {umask}");
    ensure!(cwd == scene.dir.to_string_lossy(), "cwd {cwd}");
    run.ends_with(0)
}

fn environment(scene: &Scene) -> Outcome {
    let launch = scene
        .launch(&[], "report")
        .env("EMPTY", "")
        .env("SPACED", " a b ")
        .env("EQUAL", "x=y");
    let mut run = launch.start()?;
    let mut seen = reported(&mut run, "env")?;
    seen.sort();
    let wanted = [
        "EMPTY=",
        "EQUAL=x=y",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "SPACED= a b ",
    ];
    ensure!(seen == wanted, "environment {seen:?}");
    run.ends_with(0)
}

fn lets_go_of_descriptors(scene: &Scene) -> Outcome {
    let launch = scene
        .launch(&[], "say up pause")
        .descriptor(9, some_file()?)
        .descriptor(250, some_file()?);
    let mut run = launch.start()?;
    run.ear.expect("up")?;
    let dir = proc::dir(run.pid).join("fd");
    let holds = |number: &str| dir.join(number).symlink_metadata().is_ok();
    until(
        "9 and 250 are closed in the init",
        std::time::Duration::from_secs(3),
        || Ok((!holds("9") && !holds("250")).then_some(())),
    )
}

fn leaves_directory(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "say up pause").cwd(&scene.dir).start()?;
    run.ear.expect("up")?;
    let link = proc::dir(run.pid).join("cwd");
    until(
        "the init is in /",
        std::time::Duration::from_secs(3),
        || {
            let cwd = std::fs::read_link(&link).map_err(|why| why.to_string())?;
            Ok((cwd.as_os_str() == "/").then_some(()))
        },
    )
}

/// The whole of its work in little: a signal arrives, an orphan is reaped, SIGTERM ends it, a missing program is 127.
fn works<'a>(scene: &'a Scene, world: fn(Launch<'a>) -> Launch<'a>) -> Outcome {
    let mut run = world(scene.launch(&[], "orphan { say orphan } ears")).start()?;
    let mut words = [run.ear.line()?, run.ear.line()?];
    words.sort();
    ensure!(words == ["orphan", "ready"], "heard {words:?}");
    until("the orphan is reaped", patience(), || {
        Ok((run.scripts()?.len() == 1).then_some(()))
    })?;
    run.signal(libc::SIGUSR2)?;
    run.ear.expect_next("sig 12")?;
    drop(run);

    let mut run = world(scene.launch(&[], "say up pause")).start()?;
    run.ear.expect("up")?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    let known_only_by_name = matches!(scene.init, Init::DumbInit | Init::Catatonit);
    if known_only_by_name {
        // They have a code of their own for it, which is another story.
        return Ok(());
    }
    world(scene.launch_command(&[], &["/no/such/program"]))
        .start()?
        .ends_with(127)
}

fn without_proc(scene: &Scene) -> Outcome {
    works(scene, Launch::without_proc)
}

fn without_dev(scene: &Scene) -> Outcome {
    works(scene, Launch::without_dev)
}

fn read_only(scene: &Scene) -> Outcome {
    works(scene, Launch::read_only)
}

fn few_descriptors(scene: &Scene) -> Outcome {
    works(scene, |launch| launch.descriptors_at_most(16))
}

fn as_unknown_uid(scene: &Scene) -> Outcome {
    works(scene, |launch| launch.uid(NOBODY_KNOWN))
}

fn with_nothing(scene: &Scene) -> Outcome {
    works(scene, |launch| {
        launch
            .uid(NOBODY_KNOWN)
            .without_proc()
            .without_dev()
            .read_only()
    })
}
