//! What kind of world a seed makes: a plan, who plays in it, what people do, and the kernel's habits.
//!
//! Swarm testing (Groce and others, 2012): each world switches whole kinds of events off, so that some worlds are full
//! of what is rare in the others. Times are whole numbers of a grid that is coarse in some worlds, where coincidences
//! are common, and fine in others, where they hardly occur.

use crate::kernel::{Cast, Event, Habits, Repliers};
use crate::plans::{self, OneCommand, Retries};
use crate::rng::Rng;
use crate::temper::{Launch, Offspring, Reaction, Reply, Temper, runs};
use crate::weather_pod;
use monopod::machine::{Ending, Sender, Stage, Unstartable};
use monopod::plan::{Conduct, ExitCode, ExitMap, Passthrough, Plan, ProgramId, Signal, Target};
use monopod::time::Time;
use std::time::Duration;

/// Grids, from "everything meets" to "nothing does".
const GRIDS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(1),
    Duration::from_millis(250),
    Duration::from_millis(1),
    Duration::from_nanos(1),
];

/// A seed's world before it begins.
pub struct Weather {
    /// What was asked for.
    pub plan: Plan,
    /// What it is if it is the one-command form.
    pub command: Option<OneCommand>,
    /// The kernel's habits.
    pub habits: Habits,
    /// What people do and what befalls everybody.
    pub events: Vec<(Time, Event)>,
    /// Who plays.
    pub cast: Cast,
    /// Who answers.
    pub repliers: Repliers,
}

/// Which kinds of things happen in this world, as chances in a hundred.
#[derive(Clone, Debug)]
pub struct Climate {
    /// What times are whole numbers of.
    pub grid: Duration,
    /// How long things last at most.
    pub scale: Duration,
    fails: u64,
    unstartable: u64,
    lives_on: u64,
    stubborn: u64,
    slow_to_die: u64,
    undying: u64,
    frozen: u64,
    slow_exec: u64,
    forks: u64,
    escapes: u64,
    /// An attempt of a probe fails.
    unhealthy: u64,
    /// An attempt of a probe outlasts its timeout.
    slow_answers: u64,
    /// An attempt of a probe cannot be carried out.
    errs: u64,
}

/// What a program is for, as far as that decides who plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The command of a container.
    Own,
    /// An exec probe.
    Probe,
    /// An exec hook.
    Hook,
}

/// The weather of this seed.
pub fn weather(rng: &mut Rng) -> Weather {
    let grid = *rng.pick(&GRIDS);
    let mut sometimes = |chance| {
        if rng.percent(50) {
            0
        } else {
            rng.below(chance)
        }
    };
    let climate = Climate {
        grid,
        scale: Duration::ZERO,
        fails: sometimes(100),
        unstartable: sometimes(30),
        lives_on: sometimes(100),
        stubborn: sometimes(100),
        slow_to_die: sometimes(60),
        undying: sometimes(20),
        frozen: sometimes(20),
        slow_exec: sometimes(50),
        forks: sometimes(100),
        escapes: sometimes(100),
        unhealthy: sometimes(100),
        slow_answers: sometimes(30),
        errs: sometimes(60),
    };
    let scale = *rng.pick(&[1, 5, 30, 700].map(Duration::from_secs));
    let climate = Climate { scale, ..climate };
    let (plan, command, parts) = match rng.percent(60) {
        true => {
            let (plan, parts) = weather_pod::plan(rng, &climate);
            (plan, None, parts)
        }
        false => plan(rng, &climate),
    };
    let events = events(rng, &climate, &plan, command.is_some());
    let whim = |rng: &mut Rng, chance| {
        if rng.percent(60) {
            0
        } else {
            rng.below(chance)
        }
    };
    let habits = Habits {
        late: (
            whim(rng, 60),
            *rng.pick(&[1, 60, 4000].map(Duration::from_millis)),
        ),
        chops: whim(rng, 80),
        refuses_helper: whim(rng, 90),
        suspended: rng.span(scale, grid),
        grid,
    };
    let (mut tempers, mut answers) = (rng.split(), rng.split());
    let moods = climate.clone();
    let cast = Box::new(move |program: ProgramId, _: u32| match parts[program.0] {
        Part::Own => temper(&mut tempers, &climate, 2),
        Part::Probe => attempt(&mut tempers, &climate),
        Part::Hook => temper(&mut tempers, &climate, 1),
    });
    let repliers = Box::new(move |_, _, _| reply(&mut answers, &moods));
    Weather {
        plan,
        command,
        habits,
        events,
        cast,
        repliers,
    }
}

fn plan(rng: &mut Rng, climate: &Climate) -> (Plan, Option<OneCommand>, Vec<Part>) {
    const NAMES: [&str; 6] = ["web", "hook", "step1", "step2", "step3", "step4"];
    let remap_exit = remap_exit(rng);
    let maybe = |rng: &mut Rng, most| match rng.percent(40) {
        true => rng.span(most, climate.grid),
        false => Duration::ZERO,
    };
    let form = match rng.percent(70) {
        true => Ok(OneCommand {
            steps: (0..rng.below(5) as usize)
                .map(|step| ProgramId(step + 2))
                .collect(),
            step_retries: match rng.below(3) {
                0 => Retries::Unlimited,
                1 => Retries::AtMost(rng.below(12) as u32),
                _ => Retries::AtMost(0),
            },
            main: ProgramId(0),
            pre_stop: rng.percent(50).then_some(ProgramId(1)),
            grace: rng.span(Duration::from_secs(40).min(climate.scale), climate.grid),
            stop_on: stop_on(rng),
            drain: maybe(rng, climate.scale),
            stop_signal: rng.percent(30).then(|| any_signal(rng)),
            remap_exit,
        }),
        false => Err(Passthrough {
            main: rng.percent(90).then_some(ProgramId(0)),
            target: *rng.pick(&[Target::Process, Target::Group]),
            rewrites: (0..rng.below(3))
                .map(|_| (any_signal(rng), rng.percent(70).then(|| any_signal(rng))))
                .collect(),
            suspend_self: rng.percent(50),
            farewell: rng.percent(50),
            warn_on_reap: rng.percent(50),
            remap_exit,
        }),
    };
    let health = rng.percent(50) && form.is_ok();
    let (conduct, command) = match form {
        Ok(command) => (Conduct::Pod(command.pod(&NAMES)), Some(command)),
        Err(conduct) => (Conduct::Passthrough(conduct), None),
    };
    let parts = vec![Part::Own; NAMES.len()];
    (plans::plan(&NAMES, &[], conduct, health), command, parts)
}

/// What asks for the stop of a pod: mostly the usual.
pub fn stop_on(rng: &mut Rng) -> Vec<Signal> {
    const OTHERS: [i32; 4] = [libc::SIGQUIT, libc::SIGWINCH, libc::SIGTERM, 37];
    match rng.percent(70) {
        true => Signal::ASKING.to_vec(),
        false => (0..=rng.below(2))
            .filter_map(|_| Signal::new(*rng.pick(&OTHERS)))
            .collect(),
    }
}

/// A few exit codes that become others.
pub fn remap_exit(rng: &mut Rng) -> ExitMap {
    let mut remap_exit = ExitMap::default();
    for _ in 0..rng.below(3) {
        let code = |rng: &mut Rng| ExitCode(*rng.pick(&[0, 1, 2, 127, 130, 137, 143]));
        remap_exit.insert(code(rng), code(rng));
    }
    remap_exit
}

/// Any signal that somebody might send.
pub fn any_signal(rng: &mut Rng) -> Signal {
    const COMMON: [i32; 9] = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGWINCH,
        libc::SIGQUIT,
    ];
    let common = *rng.pick(&COMMON);
    let number = if rng.percent(70) {
        common
    } else {
        34 + rng.below(31) as i32
    };
    Signal::new(number).unwrap_or(Signal::TERM)
}

fn events(rng: &mut Rng, climate: &Climate, plan: &Plan, one_command: bool) -> Vec<(Time, Event)> {
    // A pod with probes takes a step a second, so the lives of pods are shorter.
    let factor = if one_command { 20 } else { 7 };
    let last = Time::START.after(climate.scale * factor + Duration::from_secs(700));
    let doom = last.after(Duration::from_secs(1000));
    let mut events = vec![(doom, Event::Doom)];
    let horizon = climate.scale * (1 + rng.below(6) as u32);
    let at = |rng: &mut Rng| Time::START.after(rng.span(horizon, climate.grid));
    let asking = match &plan.conduct {
        Conduct::Pod(pod) => pod.stop_on.clone(),
        Conduct::Passthrough(_) => Signal::ASKING.to_vec(),
    };
    let (first, last_one) = (asking[0], asking[asking.len() - 1]);
    let stops = rng.below(3);
    for _ in 0..stops {
        let asks = *rng.pick(&[first, first, last_one]);
        events.push((at(rng), Event::Signal(asks, Sender::Process(0))));
    }
    // What nobody asked to stop is asked at the latest when the last thing is over; Doom is for those who are deaf.
    events.push((last, Event::Signal(first, Sender::Process(0))));
    if rng.percent(60) {
        for _ in 0..rng.below(60) {
            let sender = *rng.pick(&[Sender::Process(0), Sender::Process(7), Sender::Kernel]);
            events.push((at(rng), Event::Signal(any_signal(rng), sender)));
        }
    }
    if let Conduct::Pod(pod) = &plan.conduct
        && !one_command
    {
        weather_pod::events(rng, pod, horizon, climate.grid, &mut events);
    }
    if (plan.health.is_some() || !plan.checks.is_empty()) && rng.percent(70) {
        let mut when = at(rng);
        for _ in 0..rng.below(40) {
            events.push((when, Event::HelperDies));
            // Some die young, some die old.
            let pause = *rng.pick(&[0, 1, 5, 50, 100, 1000]);
            when = when.after(Duration::from_millis(pause));
        }
    }
    for _ in 0..rng.below(30) {
        events.push((at(rng), Event::Nothing));
    }
    if rng.percent(3) {
        let grace = rng.span(Duration::from_secs(30), climate.grid);
        events.push((at(rng), Event::Panic(grace, ExitCode::BUG)));
    }
    events
}

fn temper(rng: &mut Rng, climate: &Climate, generations: u32) -> Temper {
    let mut temper = runs();
    let span = |rng: &mut Rng| rng.span(climate.scale, climate.grid);
    let exec_takes = match rng.percent(climate.slow_exec) {
        true => rng.span(Duration::from_secs(3), climate.grid),
        false => Duration::ZERO,
    };
    temper.launch = match rng.percent(climate.unstartable) {
        true => Launch::Fails(exec_takes, unstartable(rng)),
        false => Launch::Succeeds(exec_takes),
    };
    if !rng.percent(climate.lives_on) {
        temper.ends = Some((span(rng), ending(rng, climate)));
    }
    if rng.percent(climate.stubborn) {
        temper.otherwise = Reaction::Ignores;
    }
    if rng.percent(50) {
        temper.manners.push((
            any_signal(rng),
            Reaction::Ends(span(rng), ending(rng, climate)),
        ));
    }
    if rng.percent(climate.slow_to_die) {
        temper.dies_within = Some(rng.span(Duration::from_secs(2), climate.grid));
    }
    temper.frozen = rng.percent(climate.frozen);
    if rng.percent(climate.undying) {
        temper.dies_within = None;
    }
    if generations > 0 && rng.percent(climate.forks) {
        for _ in 0..1 + rng.below(3) {
            temper.offspring.push(Offspring {
                after: span(rng),
                escapes: rng.percent(climate.escapes),
                daemon: rng.percent(climate.escapes),
                temper: self::temper(rng, climate, generations - 1),
            });
        }
    }
    temper
}

/// A program that is an attempt of a probe.
fn attempt(rng: &mut Rng, climate: &Climate) -> Temper {
    let mut temper = runs();
    let takes = match (rng.percent(climate.slow_answers), rng.percent(50)) {
        (true, true) => None,
        (true, false) => Some(rng.span(Duration::from_secs(20), climate.grid)),
        (false, _) => Some(rng.span(Duration::from_secs(1), climate.grid) / 2),
    };
    let code = ExitCode(u8::from(rng.percent(climate.unhealthy)));
    temper.ends = takes.map(|takes| (takes, Ending::Exited(code)));
    if rng.percent(climate.errs / 2) {
        temper.launch = Launch::Fails(Duration::ZERO, unstartable(rng));
    }
    if rng.percent(climate.slow_to_die) {
        temper.dies_within = Some(rng.span(Duration::from_secs(2), climate.grid));
    }
    if rng.percent(climate.undying / 4) {
        temper.dies_within = None;
    }
    temper
}

/// What becomes of an attempt over the network, or of a hook's question.
fn reply(rng: &mut Rng, climate: &Climate) -> Reply {
    use monopod::machine::Outcome;
    let after = match (rng.percent(climate.slow_answers), rng.percent(50)) {
        (true, true) => None,
        (true, false) => Some(rng.span(Duration::from_secs(20), climate.grid)),
        (false, _) => Some(rng.span(Duration::from_secs(1), climate.grid) / 2),
    };
    let outcome = match (rng.percent(climate.errs), rng.percent(climate.unhealthy)) {
        (true, _) => Outcome::Unknown,
        (false, true) => Outcome::Failure,
        (false, false) if rng.percent(20) => Outcome::Warning,
        (false, false) => Outcome::Success,
    };
    let mut reply = Reply::new(outcome, after);
    reply.lost = rng.percent(climate.errs / 4);
    if outcome == Outcome::Success && rng.percent(5) {
        reply.answer.cause = monopod::machine::Cause::HttpFallback;
    }
    reply
}

fn ending(rng: &mut Rng, climate: &Climate) -> Ending {
    match (rng.percent(climate.fails), rng.percent(20)) {
        (false, _) => Ending::Exited(ExitCode::SUCCESS),
        (true, true) => Ending::Killed(any_signal(rng)),
        (true, false) => Ending::Exited(ExitCode(1 + rng.below(255) as u8)),
    }
}

fn unstartable(rng: &mut Rng) -> Unstartable {
    let stages = [
        Stage::Fork,
        Stage::Session,
        Stage::Stdin,
        Stage::Exec,
        Stage::Interpreter,
    ];
    Unstartable {
        stage: *rng.pick(&stages),
        errno: *rng.pick(&[libc::ENOENT, libc::EACCES, libc::EAGAIN, libc::ENOMEM]),
    }
}
