//! A thousand containers in one manifest: what each of them costs monopod, and how soon all are gone.

use super::pod::launch;
use crate::containers::output;
use crate::ensure;
use crate::harness::inits;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "pods: 1,000 containers cost 4 kB and no descriptor each, and are gone within 2 s",
            thousand,
        )
        .alone(),
        Case::own(
            "pods: a SIGTERM amid the start of 1,000 containers is heard at once, and the rest is not started",
            amid_the_start,
        )
        .alone(),
    ]
}

const MANY: u64 = 1_000;

/// Private memory that one container may cost, in kB.
const PRICE: u64 = 4;

/// So many containers, of which so many are up.
fn sleepers(scene: &Scene, count: u64, await_up: u64) -> Outcome<Run> {
    let mut manifest = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n".to_owned();
    for number in 0..count {
        let _ = writeln!(
            manifest,
            "    - {{ name: c{number}, command: [sleep, '3600'] }}"
        );
    }
    let socket = socket(scene);
    let run = launch(scene, &manifest, &["--control", &socket])?.start()?;
    until("enough are up", patience(), || {
        Ok((up(&run)? >= await_up).then_some(()))
    })?;
    Ok(run)
}

fn socket(scene: &Scene) -> String {
    scene.dir.join("socket").to_string_lossy().into_owned()
}

/// What a client is told must name each of them.
fn names_all(scene: &Scene, question: &str) -> Outcome {
    let mut client = Command::new(inits::monopod());
    let answer = output(client.args([question, "--control", &socket(scene)]))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    for number in 0..MANY {
        let name = format!("c{number}");
        ensure!(
            text.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == name),
            "monopod {question} does not name {name} of {MANY}: {}{}",
            &text[..text.len().min(300)],
            String::from_utf8_lossy(&answer.stderr)
        );
    }
    Ok(())
}

fn up(run: &Run) -> Outcome<u64> {
    let all = run.processes()?;
    Ok(all.iter().filter(|one| one.comm == "sleep").count() as u64)
}

/// A start takes PID 1 more than half a millisecond, so with all of them in one turn this would take half a second.
fn amid_the_start(scene: &Scene) -> Outcome {
    let mut run = sleepers(scene, MANY, 1)?;
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    let took = asked.elapsed();
    println!("{MANY} containers: stopped amid their start in {took:?}");
    ensure!(took < Duration::from_millis(250), "the stop took {took:?}");
    Ok(())
}

/// Private memory in kB: what was written. Pages of its file are private, too, when nobody else happens to run it.
fn private(pid: i32) -> Outcome<u64> {
    let path = proc::dir(pid).join("smaps_rollup");
    let text =
        std::fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(text
        .lines()
        .filter(|line| line.starts_with("Private_Dirty"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum())
}

fn descriptors(pid: i32) -> Outcome<usize> {
    let list = std::fs::read_dir(proc::dir(pid).join("fd")).map_err(|why| why.to_string())?;
    Ok(list.count())
}

fn thousand(scene: &Scene) -> Outcome {
    let run = sleepers(scene, 1, 1)?;
    let (memory_of_one, open_of_one) = (private(run.pid)?, descriptors(run.pid)?);
    drop(run);
    let mut run = sleepers(scene, MANY, MANY)?;
    let memory = private(run.pid)?;
    ensure!(
        memory <= memory_of_one + PRICE * (MANY - 1),
        "{memory} kB with {MANY}, {memory_of_one} kB with one"
    );
    // What says that the last exec succeeded may take a moment to be read and closed.
    until(
        "no container has a descriptor of its own",
        patience(),
        || Ok((descriptors(run.pid)? <= open_of_one).then_some(())),
    )?;
    for question in ["status", "describe"] {
        names_all(scene, question)?;
    }
    let asked = Instant::now();
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)?;
    let took = asked.elapsed();
    println!(
        "{MANY} containers: {memory} kB private ({memory_of_one} kB with one), stopped in {took:?}"
    );
    ensure!(took < Duration::from_secs(2), "the stop took {took:?}");
    Ok(())
}
