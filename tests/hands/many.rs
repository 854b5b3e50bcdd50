//! A thousand containers: what they cost the core, and how long it takes to be rid of them.

use crate::stage::{
    Life, Named, Scene, Step, container, first, on, on_signal, plan, program, same, wait_until,
};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, Fact, RunId};
use monopod::plan::{ExitCode, ProgramId, Signal, Target};
use std::collections::BTreeSet;
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

/// Starts them all and strikes them all in one turn, and leaves well if each run is told of once: as ended if it was
/// forked, as unstartable if its start was called off; and if there were some of both.
fn struck_at_once() -> Scene {
    let mut scene = thousand();
    let run = |n: usize| RunId(n as u32 + 1);
    let starts = (0..COUNT).map(|n| Action::Start(run(n), ProgramId(n)));
    let strikes = (0..COUNT).map(|n| Action::Strike(run(n), Target::Process, Signal::TERM));
    let orders = on_signal("USR1", starts.chain(strikes).collect());
    let verdict: Step = Box::new(|facts| {
        let runs_of = |wanted: fn(&Fact) -> Option<RunId>| facts.iter().filter_map(wanted);
        let ended: Vec<RunId> = runs_of(|fact| match fact {
            Fact::Ended(run, _) => Some(*run),
            _ => None,
        })
        .collect();
        let called_off: Vec<RunId> = runs_of(|fact| match fact {
            Fact::Unstartable(run, _) => Some(*run),
            _ => None,
        })
        .collect();
        let told: BTreeSet<&RunId> = ended.iter().chain(&called_off).collect();
        let both = !ended.is_empty() && !called_off.is_empty();
        (told.len() == COUNT).then(|| match both && ended.len() + called_off.len() == COUNT {
            true => vec![Action::StrikeAll(Signal::KILL)],
            false => vec![Action::Leave(ExitCode::BUG)],
        })
    });
    scene.script.truncate(1);
    scene.script.extend([orders, verdict]);
    scene.script.push(on(
        |fact| *fact == Fact::Emptied,
        vec![Action::Leave(ExitCode::SUCCESS)],
    ));
    scene
}

pub fn scenes() -> Vec<Named> {
    vec![("thousand", thousand), ("struck_at_once", struck_at_once)]
}

fn private_kb(pid: i32) -> Result<u64, Failed> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let amounts = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(amounts.sum())
}

/// Time on a processor so far.
pub fn worked_ms(pid: i32) -> Result<u64, Failed> {
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

/// The hard limit too: nothing can be raised, and a thousand pipes do not fit.
fn few_descriptors() -> Result<(), Failed> {
    let life = Life::begin("thousand", &["prlimit", "--nofile=48:48"])?;
    life.await_sleepers(2, 1)?;
    life.signal(libc::SIGUSR1)?;
    life.await_sleepers(1, COUNT)?;
    let end = life.finish()?;
    same(end.code, Some(0), &end)
}

/// More than are started before the next turn, of which those behind are struck in the very turn that orders them.
fn called_off() -> Result<(), Failed> {
    let life = Life::begin("struck_at_once", &["prlimit", "--nofile=48:48"])?;
    life.await_sleepers(2, 1)?;
    life.signal(libc::SIGUSR1)?;
    let end = life.end()?;
    same(end.code, Some(0), &end)
}

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "a_start_waits_for_a_descriptor_that_another_is_about_to_give_back",
            few_descriptors,
        ),
        Trial::test(
            "a_start_that_waits_is_called_off_by_a_signal_and_told_of_once",
            called_off,
        ),
        Trial::test(
            "a_thousand_idle_containers_cost_no_descriptor_and_little_memory",
            a_thousand,
        ),
    ]
}
