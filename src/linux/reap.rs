//! Collects whoever has ended.
//!
//! libc's `waitpid`, because nix cannot name a real-time signal: it answers EINVAL *after* the child was collected, and
//! the pid is lost. Not `waitid`, which tells the same in 128 bytes instead of 4. One call a child; SIGCHLD is only a
//! reason to look, as many ends may come as one.

use super::guests::Guests;
use super::runs::{Exec, Runs};
use super::spawn;
use crate::machine::{Ending, Fact, RunId};
use crate::plan::{ExitCode, Signal};

/// Ends in one turn. It bounds the time until a signal is heard during an orphan storm: 64 ends take about 50 µs.
const MOST_PER_TURN: usize = 64;

/// Collects up to a turn's worth. True if there may be more. `guests` are children that were there before us: their ends
/// are no news, and when only they are left nothing is.
pub fn reap(runs: &mut Runs, guests: &mut Guests, facts: &mut Vec<Fact>) -> bool {
    for _ in 0..MOST_PER_TURN {
        match collect_one() {
            Collected::One(pid, ending) => match runs.end(pid) {
                Some((run, exec)) => tell_end(run, exec, ending, facts),
                None if guests.leave(pid) => {}
                None => facts.push(Fact::OrphanReaped { pid, ending }),
            },
            Collected::NoneEnded => {
                if runs.is_empty() && guests.are_alone() {
                    facts.push(Fact::Emptied);
                }
                return false;
            }
            Collected::NoneLeft => {
                facts.push(Fact::Emptied);
                return false;
            }
        }
    }
    true
}

/// Started and Ended, Ended, or Unstartable: each fact once, in the machine's order, whatever we heard first.
fn tell_end(run: RunId, exec: Exec, ending: Ending, facts: &mut Vec<Fact>) {
    match exec {
        // Its exec was not heard of, but now both ends of the pipe are closed and it tells.
        Exec::Pending(pipe) => match spawn::exec_outcome(&pipe) {
            Some(Err(why)) => facts.push(Fact::Unstartable(run, why)),
            _ => facts.extend([Fact::Started(run), Fact::Ended(run, ending)]),
        },
        Exec::Succeeded => facts.push(Fact::Ended(run, ending)),
        Exec::Failed => {}
    }
}

enum Collected {
    One(i32, Ending),
    NoneEnded,
    NoneLeft,
}

fn collect_one() -> Collected {
    let mut status = 0;
    // SAFETY: status outlives the call.
    match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
        0 => Collected::NoneEnded,
        pid @ 1.. => Collected::One(pid, ending(status)),
        _ => Collected::NoneLeft,
    }
}

fn ending(status: i32) -> Ending {
    let killed_by = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    match killed_by.and_then(Signal::new) {
        Some(signal) => Ending::Killed(signal),
        None => Ending::Exited(ExitCode(libc::WEXITSTATUS(status) as u8)),
    }
}
