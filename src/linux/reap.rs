//! Collects whoever has ended.
//!
//! libc's `waitid`, because nix cannot name a real-time signal: it answers EINVAL *after* the child was collected, and
//! the pid is lost. One call a child; SIGCHLD is only a reason to look, as many ends may come as one.

use super::guests::Guests;
use super::runs::{Exec, Runs};
use super::spawn;
use crate::machine::{Ending, Fact, RunId};
use crate::plan::{ExitCode, Signal};
use std::mem;

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
    // SAFETY: siginfo_t is a plain C struct for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: info outlives the call.
    let answer = unsafe { libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG) };
    if answer < 0 {
        return Collected::NoneLeft;
    }
    // SAFETY: waitid succeeded, so these fields are its; si_pid is 0 if nobody has ended (waitid(2)).
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Collected::NoneEnded;
    }
    let ending = match (info.si_code, Signal::new(status)) {
        (libc::CLD_KILLED | libc::CLD_DUMPED, Some(signal)) => Ending::Killed(signal),
        _ => Ending::Exited(ExitCode(status as u8)),
    };
    Collected::One(pid, ending)
}
