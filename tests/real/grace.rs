//! The end: one grace for all, nobody left behind, and not a moment longer than needed.

use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::launch::{Launch, Stdio};
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use std::io::{PipeReader, Read};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let straggler = "after SIGTERM a background process that needs a second gets it, and not more";
    let escaped = "after SIGTERM so does one that has left for a session of its own";
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
            "what an init step left in the background lives with the command and ends after it",
            daemon_of_a_step,
        ),
        Case::own(
            "at the end of the grace SIGKILL takes all, escaped ones too",
            grace_ends,
        )
        .alone(),
        Case::own(
            "not as PID 1, at the end of the grace SIGKILL takes all, too",
            grace_ends_not_pid_1,
        )
        .alone(),
        Case::own(
            "a grace shorter than 2 s still leaves 2 s after the stop signal",
            short_grace,
        )
        .alone(),
        Case::own(
            "what ignores SIGTERM after the command's end is killed in the grace",
            stubborn,
        )
        .alone(),
        Case::own(
            "who holds the pipe of standard error holds up neither a signal nor the end, and then the lines come",
            held_pipe,
        )
        .alone(),
        Case::own(
            "nor does who holds it and leaves no process free for the log",
            held_pipe_and_no_process,
        )
        .alone(),
        Case::own("what forks itself for ever is killed in the grace", hydra).alone(),
        Case::own(
            "not as PID 1, what forks itself for ever does not keep it",
            hydra_not_pid_1,
        )
        .alone(),
    ]
}

/// They leave at once, as their originals do; what users miss there is what the own form is for.
const DROP_INS: [Init; 3] = [Init::AsTini, Init::AsDumbInit, Init::AsCatatonit];

/// How late an end may come that waits for nothing any more: this machine may be busy with other things.
pub const LATE: Duration = Duration::from_millis(700);

/// The init must end with this code, after this long and hardly more.
pub fn ends_between(run: &mut Run, code: i32, asked: Instant, least: Duration) -> Outcome {
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

fn daemon_of_a_step(scene: &Scene) -> Outcome {
    let step = scene.script_line("orphan { setsid block 15 say daemon wait 15 say obeyed }");
    let mut run = scene
        .launch(&["--init", &step], "block 10 say up wait 10 exit 6")
        .start()?;
    let mut words = [run.ear.line()?, run.ear.line()?];
    words.sort();
    ensure!(words == ["daemon", "up"], "heard {words:?}");
    run.signal(libc::SIGUSR1)?;
    run.ends_with(6)?;
    run.ear.expect_next("obeyed")
}

fn grace_ends_in(launch: Launch) -> Outcome {
    let mut run = launch.start()?;
    run.ear.line()?;
    run.ear.line()?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    ends_between(&mut run, 137, asked, Duration::from_secs(3))?;
    // As PID 1 there is no namespace left to look at; otherwise only the witness may be left.
    let left = run.processes().unwrap_or_default();
    ensure!(left.len() <= 1, "these outlived it: {left:?}");
    Ok(())
}

const ALL_IGNORE_TERM: &str =
    "orphan { setsid ignore 15 say up pause } ignore 15 say command pause";

fn grace_ends(scene: &Scene) -> Outcome {
    grace_ends_in(scene.launch(&["--grace", "3s"], ALL_IGNORE_TERM))
}

fn grace_ends_not_pid_1(scene: &Scene) -> Outcome {
    grace_ends_in(
        scene
            .launch(&["--grace", "3s"], ALL_IGNORE_TERM)
            .not_pid_1(),
    )
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

fn held_pipe(scene: &Scene) -> Outcome {
    let (mut said, stderr) = std::io::pipe().map_err(|why| why.to_string())?;
    let script = "ignore 15 block 10 orphan { hold 2 } say up wait 10 say still-heard pause";
    let mut run = scene
        .launch(&["--grace", "2s", "--log-level", "debug"], script)
        .stderr(Stdio::Given(stderr.into()))
        .start()?;
    run.ear.expect("up")?;
    until_pipe_is_held(&run)?;
    run.signal(libc::SIGUSR1)?;
    run.ear.expect("still-heard")?;
    stop_is_in_time_and_tells(&mut run, &mut said, "SIGKILL")
}

/// Of a grace of 2 s, and a command that ignores SIGTERM.
fn stop_is_in_time_and_tells(run: &mut Run, said: &mut PipeReader, words: &str) -> Outcome {
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    ends_between(run, 137, asked, Duration::from_secs(2))?;
    let mut lines = String::new();
    said.read_to_string(&mut lines)
        .map_err(|why| why.to_string())?;
    ensure!(lines.contains(words), "the line is lost: {lines}");
    Ok(())
}

fn until_pipe_is_held(run: &Run) -> Outcome {
    until("the pipe is held", patience(), || {
        let scripts = run.scripts()?;
        let held = scripts
            .iter()
            .any(|pid| proc::system_call(*pid) == Some(libc::SYS_splice));
        Ok(held.then_some(()))
    })
}

fn held_pipe_and_no_process(scene: &Scene) -> Outcome {
    let (mut said, stderr) = std::io::pipe().map_err(|why| why.to_string())?;
    let flags = ["--grace", "2s", "--liveness-probe", "exec:true,period=1"];
    // monopod and the command: a probe is refused, and so is whoever could say so.
    let mut run = scene
        .launch(&flags, "ignore 15 say up hold 2")
        .uid(71_000)
        .processes_at_most(2)
        .stderr(Stdio::Given(stderr.into()))
        .start()?;
    run.ear.expect("up")?;
    until_pipe_is_held(&run)?;
    let slept = || proc::number(run.pid, "voluntary_ctxt_switches");
    let before = slept()?;
    until("it went on after two probes", patience(), || {
        Ok((slept()? >= before + 3).then_some(()))
    })?;
    stop_is_in_time_and_tells(&mut run, &mut said, "no process is to be had")
}

fn stubborn(scene: &Scene) -> Outcome {
    let script = "block 10 orphan { setsid ignore 15 say up pause } wait 10 exit 5";
    let mut run = scene.launch(&["--grace", "2s"], script).start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    ends_between(&mut run, 5, asked, Duration::from_secs(2))
}

const HYDRA: &str = "block 10 orphan { setsid ignore 15 say up hydra } wait 10 exit 5";

fn hydra(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["--grace", "2s"], HYDRA).start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    ends_between(&mut run, 5, asked, Duration::from_secs(2))
}

fn hydra_not_pid_1(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&["--grace", "2s"], HYDRA)
        .not_pid_1()
        .start()?;
    run.ear.expect("up")?;
    let asked = Instant::now();
    run.signal(libc::SIGUSR1)?;
    run.ends_with(5)?;
    // Whether such a walk catches it is luck; that it ends is not.
    let took = asked.elapsed();
    ensure!(took < Duration::from_secs(3) + 2 * LATE, "it took {took:?}");
    Ok(())
}
