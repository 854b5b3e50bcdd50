//! What is particular to each of the names that monopod can go by. Each story is told about the original, too: it is
//! the judge of what its command line means.

mod catatonit;
mod dumb_init;
mod tini;

use crate::ensure;
use crate::harness::inits::{self, Init};
use crate::harness::launch::Launch;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene};

/// The stories of all names.
pub fn cases() -> Vec<Case> {
    let mut all = vec![
        Case::of(
            &Init::OURS,
            "LISTEN_PID that names the init names the command afterwards",
            listen_pid,
        ),
        Case::own(
            "every name works as a link and with --as and MONOPOD_AS",
            every_name,
        ),
    ];
    all.extend(tini::cases());
    all.extend(dumb_init::cases());
    all.extend(catatonit::cases());
    all
}

fn texts(scene: &Scene, words: &[&str]) -> Outcome<(String, String)> {
    let mut run = Launch::words(scene, scene.init, words).start()?;
    run.ends_with(0)
        .map_err(|why| format!("{words:?}: {why}"))?;
    Ok((run.stdout(), run.stderr()))
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
