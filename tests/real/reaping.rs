//! Orphans: all of them, at once, and never at the price of the command's own end.

use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::of_all(
            "10,000 orphans that end in the same moment are all reaped",
            crowd,
        )
        .alone(),
        Case::of_all("a storm of 3,000 orphans leaves no zombie", storm).alone(),
        Case::of_all(
            "the exit code is right when 300 orphans end with the command",
            code_in_crowd,
        )
        .alone(),
        Case::of_all("not as PID 1, orphans are adopted and reaped", adopted)
            // It has no subreaper, and tini has one only when asked.
            .but(&[Init::AsDumbInit, Init::AsTini, Init::Tini, Init::TiniStatic]),
        Case::of(
            &Init::TINIS,
            "tini -s adopts and reaps orphans when it is not PID 1",
            adopted_by_tini,
        ),
        Case::of(
            &Init::TINIS,
            "tini adopts orphans when TINI_SUBREAPER is set",
            adopted_by_variable,
        ),
    ]
}

/// Waits until the namespace holds only these many processes, and the helper where there is one, no zombie among them.
fn only_left(scene: &Scene, run: &Run, wanted: usize) -> Outcome {
    let wanted = wanted + usize::from(scene.init == Init::Serving);
    let mut last = (0, 0);
    until("all orphans are reaped", patience(), || {
        let processes = run.processes()?;
        let zombies = processes
            .iter()
            .filter(|process| process.state == 'Z')
            .count();
        last = (processes.len(), zombies);
        Ok((processes.len() == wanted && zombies == 0).then_some(()))
    })
    .map_err(|why| {
        format!(
            "{why}; {} processes were left, {} of them zombies",
            last.0, last.1
        )
    })
}

fn crowd(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "crowd 10000 ears").start()?;
    run.ear.expect_next("crowd")?;
    run.ear.expect_next("gone")?;
    run.ear.expect_next("ready")?;
    only_left(scene, &run, 2)?;
    run.signal(libc::SIGUSR1)?;
    run.ear.expect_next("sig 10")
}

fn storm(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "storm 3000 ears").start()?;
    run.ear.expect_next("ready")?;
    only_left(scene, &run, 2)
}

fn code_in_crowd(scene: &Scene) -> Outcome {
    for code in 1..=20 {
        scene
            .launch(&[], &format!("crowd 300 exit {code}"))
            .start()?
            .ends_with(code)?;
    }
    Ok(())
}

fn adopts(scene: &Scene, mut run: Run) -> Outcome {
    run.ear.expect("orphan")?;
    let parent = loop {
        let line = run.ear.line()?;
        if let Some(parent) = line.strip_prefix("parent ") {
            break parent.to_owned();
        }
    };
    let init = crate::harness::proc::inner_pid(run.pid)?.to_string();
    ensure!(
        parent == init,
        "the orphan's parent is {parent}, the init is {init}"
    );
    // The witness, the init, the command.
    only_left(scene, &run, 3)
}

const LEAVES_AN_ORPHAN: &str = "orphan { say orphan report } pause";

fn adopted(scene: &Scene) -> Outcome {
    adopts(
        scene,
        scene.launch(&[], LEAVES_AN_ORPHAN).not_pid_1().start()?,
    )
}

fn adopted_by_tini(scene: &Scene) -> Outcome {
    adopts(
        scene,
        scene
            .launch(&["-s"], LEAVES_AN_ORPHAN)
            .not_pid_1()
            .start()?,
    )
}

fn adopted_by_variable(scene: &Scene) -> Outcome {
    adopts(
        scene,
        scene
            .launch(&[], LEAVES_AN_ORPHAN)
            .env("TINI_SUBREAPER", "")
            .not_pid_1()
            .start()?,
    )
}
