//! What comes in as a signal goes on to the command.

use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::run::End;
use crate::harness::{Case, Outcome, Scene, dice, patience, proc, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::of_all(
            "HUP, INT, QUIT, TERM, USR1, USR2, WINCH and the like arrive",
            usual_ones,
        ),
        Case::of_all(
            "signals that mean a crash arrive when a process sent them",
            crash_ones,
        ),
        Case::of_all("TSTP, TTIN and TTOU arrive as themselves", terminal_ones)
            // dumb-init documents that they become STOP.
            .but(&[Init::AsDumbInit]),
        Case::of_all("real-time signals 34 to 64 arrive", real_time_ones),
        Case::of_all(
            "1,000 queued real-time signals all arrive while orphans storm",
            none_lost,
        )
        .alone(),
        Case::own("a storm of signals holds up nothing that is due", storm).alone(),
        Case::of_all("real-time signals arrive in the order sent", in_order),
        Case::of_all(
            "5,000 signals sent while the init was stopped all arrive",
            stopped_init,
        )
        .alone(),
        Case::of_all(
            "200 times SIGTERM right after the start ends the command with 143",
            early_term,
        )
        .alone(),
        Case::of_all(
            "signals ignored by the caller stay ignored in the command, as under nohup",
            ignored_stay,
        ),
        Case::of_all(
            "signals that the init catches have their default in the command",
            default_in_child,
        ),
        Case::of_all(
            "no signal is blocked in the command, TSTP, TTIN and TTOU included",
            nothing_blocked,
        ),
        Case::of_all(
            "a caller that ignores SIGCHLD does not make it hang",
            chld_ignored,
        ),
        Case::of_all(
            "a caller that blocks every signal does not make it deaf",
            all_blocked,
        ),
        Case::of_all("not as PID 1 signals arrive too", not_pid_1),
        Case::of_all(
            "a signal that the command itself sends to PID 1 comes back to it",
            from_inside,
        ),
        Case::of_all(
            "a command that stops itself is waited for and can be continued",
            stops_itself,
        ),
        Case::of(
            &[Init::Monopod, Init::AsDumbInit, Init::DumbInit],
            "signals blocked by the caller are not blocked in the command",
            mask_is_empty,
        ),
        Case::of(
            &[
                Init::AsTini,
                Init::AsCatatonit,
                Init::Tini,
                Init::TiniStatic,
            ],
            "signals blocked by the caller stay blocked in the command",
            mask_is_inherited,
        ),
    ]
}

fn all_arrive(scene: &Scene, signals: impl IntoIterator<Item = i32>) -> Outcome {
    let mut run = scene.launch(&[], "ears").start()?;
    run.ear.expect("ready")?;
    let mut missing = Vec::new();
    for signal in signals {
        run.signal(signal)?;
        let words = format!("sig {signal}");
        // A short deadline for those that never come, so that a list of them can be told.
        match run.ear.line_within(Duration::from_secs(3))? {
            Some(line) if line == words => {}
            other => missing.push(format!("{signal} (heard {other:?})")),
        }
    }
    ensure!(missing.is_empty(), "did not arrive: {}", missing.join(", "));
    run.lives()
}

fn usual_ones(scene: &Scene) -> Outcome {
    all_arrive(
        scene,
        [
            libc::SIGHUP,
            libc::SIGQUIT,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGPIPE,
            libc::SIGALRM,
            libc::SIGSTKFLT,
            libc::SIGCONT,
            libc::SIGURG,
            libc::SIGXCPU,
            libc::SIGXFSZ,
            libc::SIGVTALRM,
            libc::SIGPROF,
            libc::SIGWINCH,
            libc::SIGIO,
            libc::SIGPWR,
        ],
    )?;
    // These two ask the own form to stop, so each has a life of its own.
    all_arrive(scene, [libc::SIGINT])?;
    all_arrive(scene, [libc::SIGTERM])
}

fn crash_ones(scene: &Scene) -> Outcome {
    all_arrive(
        scene,
        [
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGSEGV,
            libc::SIGSYS,
        ],
    )
}

fn terminal_ones(scene: &Scene) -> Outcome {
    all_arrive(scene, [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU])
}

fn real_time_ones(scene: &Scene) -> Outcome {
    all_arrive(scene, 34..=64)
}

fn count(run: &mut crate::harness::run::Run, words: &str, wanted: usize) -> Outcome {
    for seen in 0..wanted {
        let Some(line) = run.ear.line_within(Duration::from_secs(5))? else {
            return Err(format!("{seen} of {wanted} arrived"));
        };
        ensure!(line == words, "expected {words:?}, heard {line:?}");
    }
    Ok(())
}

fn none_lost(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "storm 4000 ears").start()?;
    run.ear.expect("ready")?;
    for _ in 0..1000 {
        run.signal(40)?;
    }
    count(&mut run, "sig 40", 1000)?;
    run.lives()
}

fn in_order(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "storm 500 ears").start()?;
    run.ear.expect("ready")?;
    // Of several pending signals the kernel hands out the lowest first, so only a rising sequence can tell.
    for round in 0..30 {
        for signal in 34..=64 {
            run.signal(signal)?;
        }
        for signal in 34..=64 {
            let line = run
                .ear
                .line_within(Duration::from_secs(5))?
                .ok_or(format!("round {round}: signal {signal} was lost"))?;
            ensure!(
                line == format!("sig {signal}"),
                "round {round}: expected {signal}, heard {line:?}"
            );
        }
    }
    Ok(())
}

fn stopped_init(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "ears").start()?;
    run.ear.expect("ready")?;
    run.signal(libc::SIGSTOP)?;
    until("the init is stopped", patience(), || {
        Ok(proc::one(&proc::dir(run.pid)).filter(|process| process.state == 'T'))
    })?;
    for _ in 0..5000 {
        run.signal(41)?;
    }
    run.signal(libc::SIGCONT)?;
    // SIGCONT itself is handed on as well, before or among them.
    let mut seen = 0;
    while seen < 5000 {
        match run.ear.line_within(Duration::from_secs(5))?.as_deref() {
            Some("sig 41") => seen += 1,
            Some("sig 18") => {}
            other => return Err(format!("{seen} of 5000 arrived, then {other:?}")),
        }
    }
    Ok(())
}

fn storm(scene: &Scene) -> Outcome {
    let probe = format!("exec:{},period=1", scene.script_line("say probed"));
    let signals: Vec<i32> = (34..=64).collect();
    let launch = scene.launch(&["--readiness-probe", &probe], "pause");
    let mut run = launch.ignoring(&signals).start()?;
    let (core, over) = (run.pid, AtomicBool::new(false));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for signal in signals.iter().cycle() {
                // SAFETY: plain numbers; the core is collected after this thread.
                unsafe { libc::kill(core, *signal) };
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let probed = (0..4).try_for_each(|_| run.ear.expect_next("probed"));
        over.store(true, Ordering::Relaxed);
        probed
    })
}

fn early_term(scene: &Scene) -> Outcome {
    let mut random = dice();
    for attempt in 0..200 {
        let mut run = scene.launch(&[], "pause").start()?;
        run.hears(libc::SIGTERM)?;
        // From at once to well after the command's exec.
        let delay = Duration::from_micros(random(3000));
        let waited = Instant::now();
        while waited.elapsed() < delay {
            std::hint::spin_loop();
        }
        run.signal(libc::SIGTERM)?;
        match run.end_within(Duration::from_secs(5)) {
            Ok(End::Exited(143)) => {}
            other => {
                return Err(format!(
                    "attempt {attempt}, TERM after {delay:?}: {other:?}"
                ));
            }
        }
    }
    Ok(())
}

/// A set of signals that the command reports about itself.
fn reported(run: &mut crate::harness::run::Run, name: &str) -> Outcome<u64> {
    loop {
        let line = run.ear.line()?;
        ensure!(line != "end", "the report has no {name}");
        if let Some(value) = line.strip_prefix(name) {
            return u64::from_str_radix(value.trim(), 16).map_err(|why| format!("{line}: {why}"));
        }
    }
}

fn ignored_stay(scene: &Scene) -> Outcome {
    let signals = [libc::SIGHUP, libc::SIGPIPE, libc::SIGUSR1, libc::SIGTTOU];
    let mut run = scene.launch(&[], "report").ignoring(&signals).start()?;
    let ignored = reported(&mut run, "ignored")?;
    let wanted = crate::harness::launch::mask(&signals);
    ensure!(
        ignored == wanted,
        "ignored: {ignored:x}, should be {wanted:x}"
    );
    run.ends_with(0)
}

fn default_in_child(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "report").start()?;
    let ignored = reported(&mut run, "ignored")?;
    let caught = reported(&mut run, "caught")?;
    ensure!(ignored == 0, "ignored: {ignored:x}");
    ensure!(caught == 0, "caught: {caught:x}");
    run.ends_with(0)
}

fn nothing_blocked(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "report").start()?;
    let blocked = reported(&mut run, "blocked")?;
    ensure!(blocked == 0, "blocked: {blocked:x}");
    run.ends_with(0)
}

fn chld_ignored(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&[], "exit 5")
        .ignoring(&[libc::SIGCHLD])
        .start()?;
    match run.end_within(Duration::from_secs(10)) {
        Ok(End::Exited(5)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn all_blocked(scene: &Scene) -> Outcome {
    let every: Vec<i32> = (1..=64).collect();
    let mut run = scene.launch(&[], "ears").blocking(&every).start()?;
    run.ear.expect("ready")?;
    run.signal(libc::SIGUSR1)?;
    count(&mut run, "sig 10", 1)
}

fn not_pid_1(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "ears").not_pid_1().start()?;
    run.ear.expect("ready")?;
    for signal in [libc::SIGHUP, libc::SIGUSR1, 37, libc::SIGTERM] {
        run.signal(signal)?;
        count(&mut run, &format!("sig {signal}"), 1)?;
    }
    run.lives()
}

fn from_inside(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&[], "block 10 strike 1 10 wait 10 say back exit 3")
        .start()?;
    run.ear.expect_next("back")?;
    run.ends_with(3)
}

fn stops_itself(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&[], "say up die 19").start()?;
    run.ear.expect("up")?;
    let command = *run.scripts()?.first().ok_or("no command")?;
    until("the command is stopped", patience(), || {
        Ok(proc::one(&proc::dir(command)).filter(|process| process.state == 'T'))
    })?;
    run.lives()?;
    run.signal(libc::SIGCONT)?;
    // What the step `die` does with a signal that was survived.
    run.ends_with(97)
}

fn mask_is_empty(scene: &Scene) -> Outcome {
    let mut run = scene
        .launch(&[], "report")
        .blocking(&[libc::SIGUSR2, 40])
        .start()?;
    let blocked = reported(&mut run, "blocked")?;
    ensure!(blocked == 0, "blocked: {blocked:x}");
    run.ends_with(0)
}

fn mask_is_inherited(scene: &Scene) -> Outcome {
    let signals = [libc::SIGUSR2, 40];
    let mut run = scene.launch(&[], "report").blocking(&signals).start()?;
    let blocked = reported(&mut run, "blocked")?;
    let wanted = crate::harness::launch::mask(&signals);
    ensure!(
        blocked == wanted,
        "blocked: {blocked:x}, should be {wanted:x}"
    );
    run.ends_with(0)
}
