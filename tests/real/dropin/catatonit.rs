//! catatonit, and monopod as catatonit.

use super::{GROUP, command_alone_hears, group_hears, texts};
use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::launch::Launch;
use crate::harness::{Case, Outcome, Scene, patience, until};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    [
        (
            "catatonit -P runs nothing and ends with 0 at TERM or INT",
            pause as fn(&Scene) -> Outcome,
        ),
        ("catatonit -P reaps orphans", pause_reaps),
        ("catatonit -g sends signals to the command's group", group),
        ("catatonit --version looks like tini's", version),
    ]
    .map(|(story, run)| Case::of(&Init::CATATONITS, story, run))
    .into()
}

fn pause(scene: &Scene) -> Outcome {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut run = Launch::words(scene, scene.init, &["-P"]).start()?;
        run.hears(signal)?;
        run.signal(signal)?;
        run.ends_with(0)
            .map_err(|why| format!("signal {signal}: {why}"))?;
    }
    Ok(())
}

fn pause_reaps(scene: &Scene) -> Outcome {
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

fn group(scene: &Scene) -> Outcome {
    group_hears(scene.launch(&["-g"], GROUP))?;
    command_alone_hears(scene.launch(&[], GROUP))
}

fn version(scene: &Scene) -> Outcome {
    for words in [["--version"], ["-V"]] {
        let (stdout, _) = texts(scene, &words)?;
        ensure!(
            stdout.starts_with("tini version ") && stdout.contains("_catatonit"),
            "stdout {stdout:?}"
        );
    }
    Ok(())
}
