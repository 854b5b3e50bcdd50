//! A stop that was asked for: what the command hears of it, and when.

use crate::ensure;
use crate::grace::{LATE, ends_between};
use crate::harness::{Case, Outcome, Scene};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
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
            "a --pre-stop that fails or is not there does not stop the stop",
            failing_pre_stop,
        ),
        Case::own(
            "a command that ends during --pre-stop ends the container",
            end_during_pre_stop,
        ),
        Case::own(
            "--drain lets the command serve before it hears of the stop",
            drain,
        )
        .alone(),
        Case::own(
            "a second SIGTERM during --drain is handed on at once",
            second_term_during_drain,
        ),
        Case::own(
            "a command that ends during --drain ends the container",
            end_during_drain,
        ),
    ]
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

fn failing_pre_stop(scene: &Scene) -> Outcome {
    let failing = scene.script_line("say hook exit 3");
    for hook in [failing.as_str(), "no-such-hook"] {
        let mut run = scene
            .launch(&["--pre-stop", hook], "say up pause")
            .start()?;
        run.ear.expect("up")?;
        run.signal(libc::SIGTERM)?;
        run.ends_with(143).map_err(|why| format!("{hook}: {why}"))?;
        ensure!(
            run.stderr().contains("preStop hook of"),
            "nothing was said of it: {:?}",
            run.stderr()
        );
    }
    Ok(())
}

fn end_during_pre_stop(scene: &Scene) -> Outcome {
    let hook = scene.script_line("say hook pause");
    let mut run = scene
        .launch(&["--pre-stop", &hook], "block 10 say up wait 10 exit 5")
        .start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("hook")?;
    run.signal(libc::SIGUSR1)?;
    run.ends_with(5)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    Ok(())
}

fn second_term_during_drain(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["--drain", "20s"], "ears").start()?;
    run.ear.expect("ready")?;
    let asked = Instant::now();
    run.signal_and_see_taken(libc::SIGTERM)?;
    run.signal(libc::SIGUSR1)?;
    run.ear.expect_next("sig 10")?;
    run.signal(libc::SIGTERM)?;
    run.ear.expect_next("sig 15")?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    Ok(())
}

fn end_during_drain(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["--drain", "20s"], "block 10 say up wait 10 exit 5")
        .start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.signal(libc::SIGUSR1)?;
    run.ends_with(5)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    Ok(())
}
