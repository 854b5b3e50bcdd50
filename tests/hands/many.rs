//! A thousand containers: what they cost the core, and how long it takes to be rid of them.

use crate::stage::{Life, Named, Scene, container, first, on_signal, plan, program, wait_until};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, RunId};
use monopod::plan::{ProgramId, Signal, Target};
use std::ffi::CString;
use std::fs;
use std::time::Instant;

const COUNT: usize = 1000;

/// Private memory of the core, a container (issue 3).
const MOST_KB_EACH: u64 = 4;

/// Starts them all when it is told to, strikes each tree by itself, and leaves when all have ended.
fn thousand() -> Scene {
    let unique = std::env::var("U").unwrap_or_default();
    let sleep = |number, kind| {
        let mut program = program(&format!("sleeper-{number}"), "");
        let words = ["sleep".to_owned(), format!("300.{kind}{unique}")];
        program.argv = words.map(|word| CString::new(word).unwrap()).to_vec();
        program
    };
    let mut programs: Vec<_> = (0..COUNT).map(|number| sleep(number, 1)).collect();
    // Tells that it has begun.
    programs.push(sleep(COUNT, 2));
    let containers = (0..COUNT)
        .map(|n| container(&format!("sleeper-{n}"), n))
        .collect();
    let run = |n: usize| RunId(n as u32 + 1);
    let starts = (0..COUNT).map(|n| Action::Start(run(n), ProgramId(n)));
    let strikes = (0..COUNT).map(|n| Action::Strike(run(n), Target::Tree, Signal::KILL));
    let script = vec![
        first(vec![Action::Start(run(COUNT), ProgramId(COUNT))]),
        on_signal("USR1", starts.collect()),
        on_signal("HUP", strikes.collect()),
    ];
    Scene {
        plan: plan(programs, containers),
        script,
    }
}

pub fn scenes() -> Vec<Named> {
    vec![("thousand", thousand)]
}

fn private_kb(pid: i32) -> Result<u64, Failed> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let amounts = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(amounts.sum())
}

/// Time on a processor so far.
fn worked_ms(pid: i32) -> Result<u64, Failed> {
    let told = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds = told.split_whitespace().next().ok_or("no schedstat")?;
    Ok(nanoseconds.parse::<u64>()? / 1_000_000)
}

fn descriptors(pid: i32) -> Result<usize, Failed> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn open_files(pid: &str) -> Result<String, Failed> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    Ok(line.ok_or("no such limit")?.to_owned())
}

fn a_thousand() -> Result<(), Failed> {
    // The usual soft limit, a little lower so that one descriptor a start cannot do.
    let limited = ["prlimit", "--nofile=512:4096"];
    let life = Life::begin("thousand", &limited)?;
    let core = life.core()?;
    life.await_sleepers(2, 1)?;
    let before = private_kb(core)?;
    let begun = Instant::now();
    life.signal(libc::SIGUSR1)?;
    life.await_sleepers(1, COUNT)?;
    let up = begun.elapsed();
    wait_until(
        || descriptors(core).is_ok_and(|count| count < 20),
        || {
            format!(
                "{:?} descriptors of idle containers",
                descriptors(core).ok()
            )
        },
    )?;
    let memory = private_kb(core)?;
    let sleeper = sleeper_pid(&life).ok_or("no sleeper")?;
    let limits = open_files(&sleeper)?;
    let (begun, worked) = (Instant::now(), worked_ms(core)?);
    life.signal(libc::SIGHUP)?;
    life.await_sleepers(1, 0)?;
    let (down, worked) = (begun.elapsed(), worked_ms(core)? - worked);
    let end = life.finish()?;
    println!(
        "a thousand: up in {up:?}, down in {down:?} with {worked} ms of work, {before} kB private before, {memory} kB with them"
    );
    // The plan was there before; count it all, the test's own machine with it.
    if memory > MOST_KB_EACH * COUNT as u64 {
        return Err(format!("{memory} kB for {COUNT} containers").into());
    }
    if !limits.contains(" 512 ") || end.code != Some(0) {
        return Err(format!("{limits}: {end:?}").into());
    }
    Ok(())
}

fn sleeper_pid(life: &Life) -> Option<String> {
    let core = life.core().ok()?;
    let children = fs::read_to_string(format!("/proc/{core}/task/{core}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

pub fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "a_thousand_idle_containers_cost_no_descriptor_and_little_memory",
        a_thousand,
    )]
}
