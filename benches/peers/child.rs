//! The commands that this binary plays behind an init. They take orders on stdin and report numbers, eight bytes
//! each, on stdout: these two are what every init hands on.

use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use crate::common::namespace::now_nanos;
use crate::storm;

/// Plays `verb` until stdin or stdout has no other end; an unknown one is a fault of this benchmark.
pub fn play(verb: &str, words: &[String]) -> ExitCode {
    let number = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let played = match verb {
        "clock" => clock(),
        "rest" => rest(),
        "signals" => signals(),
        "backlog" => on_order(|| storm::backlog(number)),
        "storm" => on_order(|| storm::storm(number)),
        _ => return ExitCode::from(64),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(numbers: &[u64]) -> std::io::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let mut out = stdout().lock();
    out.write_all(&bytes)?;
    out.flush()
}

/// For architectures on which `program` cannot be written by hand.
fn clock() -> std::io::Result<()> {
    let now = now_nanos();
    report(&[now / 1_000_000_000, now % 1_000_000_000])
}

/// Reports its pid and then does nothing.
fn rest() -> std::io::Result<()> {
    report(&[u64::from(std::process::id())])?;
    stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

/// Reports that it is ready, and then the moment at which each SIGUSR1 reached it.
fn signals() -> std::io::Result<()> {
    // SAFETY: the set is on our stack; this process has one thread.
    let wanted = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    report(&[0])?;
    loop {
        // SAFETY: the set is ours, and no information about the signal is asked for.
        if unsafe { libc::sigwaitinfo(&wanted, std::ptr::null_mut()) } == libc::SIGUSR1 {
            report(&[now_nanos()])?;
        }
    }
}

/// Reports that it is ready; does `work` when a byte comes, and reports what came of it. Stays, since an init that
/// leaves can no longer be asked what it cost.
fn on_order(work: impl FnOnce() -> storm::Outcome) -> std::io::Result<()> {
    report(&[0])?;
    stdin().read_exact(&mut [0])?;
    let outcome = work();
    report(&[outcome.nanos, outcome.most_waiting, outcome.errno as u64])?;
    stdin().read_to_end(&mut Vec::new()).map(|_| ())
}
