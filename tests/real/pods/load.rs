//! The kubelet's manners at a rate that no kubelet has, while PID 1 has its hands full.

use super::pod::{command, launch};
use super::trees::pids_of;
use crate::ensure;
use crate::harness::inits;
use crate::harness::{Case, Outcome, Scene, patience, until};
use crate::{endpoints, http};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "pods: 1,000 probes a second are answered rightly and in time, among orphans and restarts",
            among_orphans,
        )
        .alone(),
    ]
}

/// Threads that ask, and how often each does: together a thousand times a second.
const ASKERS: u32 = 10;
const PACE: Duration = Duration::from_millis(10);
/// As long as a kubelet waits by default.
const TIMEOUT: Duration = Duration::from_secs(1);
const ORPHANS: u32 = 10_000;
const RESTARTS: u32 = 20;
/// However soon the orphans are gone.
const AT_LEAST: Duration = Duration::from_secs(3);

/// What is asked, and the one right answer.
const QUESTIONS: [(&str, u16); 4] = [
    ("/livez", 200),
    ("/readyz/steady", 200),
    ("/readyz/never", 503),
    ("/readyz", 503),
];

fn among_orphans(scene: &Scene) -> Outcome {
    let port = http::free_port()?;
    let socket = scene.dir.join("control");
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  containers:
    - {{ name: steady, command: {steady} }}
    - {{ name: looping, command: {looping} }}
    - name: never
      command: {steady}
      readinessProbe: {{ exec: {{ command: ['false'] }}, periodSeconds: 1 }}
    - {{ name: storm, command: {storm} }}
",
        steady = command(scene, "pause"),
        looping = command(scene, "say looping pause"),
        storm = command(
            scene,
            &format!("block 10 wait 10 storm {ORPHANS} say storm pause")
        ),
    );
    let address = format!("127.0.0.1:{port}");
    let control = socket.to_string_lossy().into_owned();
    let flags = ["--health", &address, "--control", &control];
    let run = launch(scene, &manifest, &flags)?.start()?;
    until("it answers", patience(), || {
        Ok(http::get(port, "/livez").ok())
    })?;
    endpoints::becomes(port, "/startupz", 200)?;
    let tell = |words: &[&str]| {
        let mut command = Command::new(inits::monopod());
        command.args(words).env("MONOPOD_CONTROL", &control);
        crate::containers::run(&mut command).map(drop)
    };
    tell(&["signal", "storm", "USR1"])?;

    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let outcome = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS)
            .map(|number| {
                scope.spawn({
                    let over = &over;
                    move || ask_on(port, PACE * number / ASKERS, over)
                })
            })
            .collect();
        let busy = (|| -> Outcome {
            for _ in 0..RESTARTS {
                tell(&["restart", "looping"])?;
            }
            until("the storm is over", 4 * patience(), || {
                let is_over = pids_of(&run, "storm")?.len() == 1;
                Ok((is_over && begun.elapsed() > AT_LEAST).then_some(()))
            })
        })();
        over.store(true, Ordering::Relaxed);
        let took: Outcome<Vec<Vec<Duration>>> = askers
            .into_iter()
            .map(|asker| {
                asker
                    .join()
                    .unwrap_or_else(|_| Err("an asker panicked".to_owned()))
            })
            .collect();
        busy.and(took)
    });
    let elapsed = begun.elapsed();
    let mut took = outcome?.concat();
    took.sort();
    let rate = took.len() as u128 * 1_000 / elapsed.as_millis().max(1);
    let (middle, worst) = (took[took.len() / 2], took[took.len() - 1]);
    let late = took[took.len() * 99 / 100];
    println!(
        "{} probes, {rate} a second: median {middle:?}, 99 % {late:?}, worst {worst:?}",
        took.len()
    );
    // On a machine that does nothing else it is a thousand; with less than half of that, this shows nothing.
    ensure!(rate > 500, "the machine gave only {rate} probes a second");
    // All of it has really happened.
    let metrics = http::get(port, "/metrics")?.body;
    let number = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_default()
    };
    ensure!(
        number("monopod_orphans_reaped_total") >= f64::from(ORPHANS)
            && number("monopod_container_restarts_total{container=\"looping\"}") >= 10.0,
        "{metrics}"
    );
    run.lives()
}

/// Asks until it is over; how long each answer took.
fn ask_on(port: u16, offset: Duration, over: &AtomicBool) -> Outcome<Vec<Duration>> {
    let mut due = Instant::now() + offset;
    let mut took = Vec::new();
    for (target, wanted) in QUESTIONS.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += PACE;
        let asked = Instant::now();
        let seen = ask_as_kubelet(port, target)
            .map_err(|why| format!("{target} after {:?}: {why}", asked.elapsed()))?;
        ensure!(seen == *wanted, "{target} was answered with {seen}");
        let elapsed = asked.elapsed();
        ensure!(elapsed < TIMEOUT, "{target} took {elapsed:?}");
        took.push(elapsed);
    }
    Ok(took)
}

/// One probe as the kubelet sends it, on a connection of its own; the code.
fn ask_as_kubelet(port: u16, target: &str) -> std::io::Result<u16> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: kube-probe/1.32\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.ok_or_else(|| std::io::Error::other(format!("an answer of {answer:?}")))
}
