//! Actions become system calls, one arm an action. An arm that needs to think belongs into the machine.

use super::core::Core;
use super::everyone;
use super::runs::Entry;
use crate::machine::{Action, Fact, RunId, Stage};
use crate::plan::{ExitCode, ProgramId, Signal, Target};
use crate::report::words;
use nix::errno::Errno;

/// What performing came to.
pub enum Performed {
    /// News for the machine in this very turn.
    News(Fact),
    /// Nothing to tell.
    Quietly,
    /// The end.
    Left(ExitCode),
}

impl Core<'_> {
    /// Does as told.
    pub fn perform(&mut self, action: Action) -> Performed {
        match action {
            Action::Start(run, program) => return self.start(run, program),
            Action::Strike(run, target, signal) => self.strike(run, target, signal),
            Action::StrikeAll(signal) => {
                let mut spared = self.guests.pids().to_vec();
                spared.extend(self.helper.as_ref().map(|helper| helper.pid));
                if let Some(relay) = &mut self.relay {
                    spared.extend(relay.pid());
                    relay.expect_death();
                }
                everyone::strike(signal, self.own_pid, &spared, &mut self.runs);
            }
            // No helper asks yet.
            Action::Ask(..) => {}
            Action::StartHelper => return self.start_helper(),
            // SAFETY: plain numbers.
            Action::SuspendSelf => drop(unsafe { libc::kill(self.own_pid, libc::SIGSTOP) }),
            Action::Say(happening) => words::say(&happening, self.plan),
            Action::Leave(code) => return Performed::Left(code),
        }
        Performed::Quietly
    }

    fn start(&mut self, run: RunId, program: ProgramId) -> Performed {
        let outputs = self.relay.as_ref().and_then(|r| r.outputs_of(program));
        match self.spawner().spawn(self.plan.program(program), outputs) {
            Ok((pid, exec)) => {
                self.runs.enter(Entry {
                    run,
                    program,
                    pid,
                    exec,
                });
                Performed::Quietly
            }
            Err(why) => {
                debug_assert_eq!(
                    why.stage,
                    Stage::Fork,
                    "only the parent's part can fail here"
                );
                Performed::News(Fact::Unstartable(run, why))
            }
        }
    }

    fn strike(&mut self, run: RunId, target: Target, signal: Signal) {
        let live = self.runs.find(run).map(|entry| entry.pid);
        let struck = match (target, live) {
            // No such group: the child has not yet made it (dumb-init's session is made by the child alone).
            (Target::Group | Target::Tree, Some(pid)) => {
                send(-pid, signal).or_else(|_| send(pid, signal))
            }
            (Target::Process, Some(pid)) => send(pid, signal),
            (Target::Group | Target::Tree, None) => match self.runs.group_left_behind(run) {
                Some(pid) => send(-pid, signal).or(Ok(())),
                None => Ok(()),
            },
            (Target::Process, None) => Ok(()),
        };
        if let Err(errno) = struck {
            let name = self
                .runs
                .find(run)
                .map_or("the command", |e| &self.plan.program(e.program).name);
            log::warn!("cannot send {signal} to {name}: {}", errno.desc());
        }
    }

    fn start_helper(&mut self) -> Performed {
        match self.fork_helper() {
            Ok(()) => Performed::Quietly,
            Err(errno) => Performed::News(Fact::HelperUnstartable(errno as i32)),
        }
    }
}

fn send(pid: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::kill(pid, signal.number()) }).map(drop)
}
