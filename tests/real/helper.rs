//! The helper process behind the endpoints: what it may do, what happens when it dies, and what it costs when idle.

use crate::endpoints::{becomes, serving};
use crate::ensure;
use crate::harness::run::{End, Run};
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use crate::http;
use crate::own_form::idle;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own("the helper is jailed", jailed),
        Case::own("the helper goes with a core that is killed", helper_goes),
        Case::own("a helper that somebody stops goes on", goes_on),
        Case::own(
            "a helper killed under load is replaced within 50 ms and the port never refuses",
            killed_under_load,
        )
        .alone(),
        Case::own(
            "idle with endpoints, neither the core nor the helper wakes up",
            idle_with_health,
        ),
    ]
}

/// The helper's host pid, once it has its name.
pub fn helper(run: &Run) -> Outcome<i32> {
    until("there is a helper", patience(), || {
        run.child_named("monopod-net")
    })
}

fn jailed(scene: &Scene) -> Outcome {
    let (run, _port) = serving(scene, "say up pause")?;
    let helper = helper(&run)?;
    for (field, wanted) in [
        ("Uid", "65534\t65534\t65534\t65534"),
        ("Gid", "65534\t65534\t65534\t65534"),
        ("Groups", ""),
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
    ] {
        let seen = proc::status(helper, field)?;
        ensure!(seen == wanted, "{field} of the helper is {seen:?}");
    }
    // SAFETY: asks about a process by its number.
    let (session, ours) = unsafe { (libc::getsid(helper), libc::getsid(run.pid)) };
    ensure!(
        session == helper && session != ours,
        "the helper's session is {session}"
    );
    // The port, the control socket, the line to the core, stderr; the last connection may take a moment to go.
    let mut open = BTreeSet::new();
    until("the helper holds four things only", patience(), || {
        let list =
            std::fs::read_dir(proc::dir(helper).join("fd")).map_err(|why| why.to_string())?;
        open = list
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .collect();
        Ok((open.len() <= 4).then_some(()))
    })
    .map_err(|why| format!("{why}: {open:?}"))
}

fn helper_goes(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let mut run = scene
        .launch(&["--health", &format!("127.0.0.1:{port}")], "say up pause")
        .not_pid_1()
        .start()?;
    run.ear.expect("up")?;
    becomes(port, "/readyz", 200)?;
    let helper = helper(&run)?;
    run.signal(libc::SIGKILL)?;
    ensure!(run.end()? == End::Killed(libc::SIGKILL), "{:?}", run.end()?);
    until("the helper is gone", patience(), || {
        let gone = proc::one(&proc::dir(helper)).is_none_or(|process| process.state == 'Z');
        Ok(gone.then_some(()))
    })
}

fn goes_on(scene: &Scene) -> Outcome {
    let (run, port) = serving(scene, "say up pause")?;
    let helper = helper(&run)?;
    for _ in 0..20 {
        run.signal_to(helper, libc::SIGSTOP)?;
        http::expect(port, "/readyz", 200)?;
    }
    let still = run.child_named("monopod-net")?;
    ensure!(
        still == Some(helper),
        "the helper is another one: {still:?}"
    );
    Ok(())
}

fn killed_under_load(scene: &Scene) -> Outcome {
    let (run, port) = serving(scene, "say up pause")?;
    let over = AtomicBool::new(false);
    let (took, refused, asked) = std::thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut refused, mut asked) = (0, 0);
                    while !over.load(Ordering::Relaxed) {
                        asked += 1;
                        match http::connect(port) {
                            Err(why) if why.kind() == std::io::ErrorKind::ConnectionRefused => {
                                refused += 1
                            }
                            // A connection that the dead helper had accepted is lost; that is what probes retry for.
                            _ => drop(http::get(port, "/livez")),
                        }
                    }
                    (refused, asked)
                })
            })
            .collect();
        let took = kill_eight_times(&run, port);
        over.store(true, Ordering::Relaxed);
        let counts: Vec<(u32, u32)> = load
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect();
        let (refused, asked) = counts
            .iter()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (took, refused, asked)
    });
    let took = took?;
    ensure!(
        refused == 0,
        "{refused} of {asked} connections were refused"
    );
    ensure!(
        took.iter().all(|took| *took < Duration::from_millis(50)),
        "answered again after {took:?}"
    );
    run.lives()
}

/// Longer than monopod takes a helper for one that cannot live.
const SOUND: Duration = Duration::from_millis(200);

fn kill_eight_times(run: &Run, port: u16) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    for _ in 0..8 {
        let victim = helper(run)?;
        let killed = Instant::now();
        run.signal_to(victim, libc::SIGKILL)?;
        until("a probe is answered again", patience(), || {
            Ok(http::get(port, "/livez")
                .ok()
                .filter(|answer| answer.status == 200))
        })?;
        took.push(killed.elapsed());
        until("there is another helper", patience(), || {
            Ok(run.child_named("monopod-net")?.filter(|pid| *pid != victim))
        })?;
        // A helper that dies young is made to wait for its replacement; this story is about sound ones.
        let since = Instant::now();
        until("it has served for a while", patience(), || {
            http::expect(port, "/livez", 200)?;
            Ok((since.elapsed() > SOUND).then_some(()))
        })?;
    }
    Ok(took)
}

fn idle_with_health(scene: &Scene) -> Outcome {
    let (run, port) = serving(scene, "say up pause")?;
    http::expect(port, "/livez", 200)?;
    idle(&[run.pid, helper(&run)?])
}
