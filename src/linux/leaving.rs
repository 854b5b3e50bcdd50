//! The last stretch: the machine has left, and what programs wrote is still on its way.
//!
//! It decides nothing about the life, which is over; it only lets output finish, within the time in which the whole stop
//! must be over, and counts what did not make it. Without a relay there is no such stretch.
//!
//! When that stop was asked for, the machine says: it alone knows which signals ask, and of a machine that only hands signals
//! on (a drop-in name) nobody asks for one.

use super::core::Core;
use super::grace;
use crate::machine::{Action, Happening};
use crate::plan::{ExitCode, Plan};
use crate::time::Time;
use std::time::Duration;

/// What output always gets, however late it is: the kubelet's minimum between a stop signal and SIGKILL
/// (kubelet-semantics A.5).
const LEAST: Duration = Duration::from_secs(2);

/// When it all must be over.
#[derive(Debug, Default)]
pub struct Leaving {
    /// When a stop was first asked for.
    stop_asked: Option<Time>,
    /// When the machine left, and with what code.
    left: Option<(Time, ExitCode)>,
}

impl Leaving {
    /// Notes when a stop was asked for, by what the machine has to say.
    pub fn note(&mut self, now: Time, actions: &[Action]) {
        let is_stop = |action: &Action| {
            matches!(
                action,
                Action::Say(Happening::StopAsked(_) | Happening::StopCommanded)
            )
        };
        if self.stop_asked.is_none() && actions.iter().any(is_stop) {
            self.stop_asked = Some(now);
        }
    }

    /// Whether the machine has left.
    pub fn has_begun(&self) -> bool {
        self.left.is_some()
    }

    /// When to give up: a grace after the stop was asked for, or after the machine left if nobody had.
    pub fn deadline(&self, plan: &Plan) -> Option<Time> {
        let (left, _) = self.left?;
        let from = self.stop_asked.unwrap_or(left);
        Some(from.after(grace(plan)).max(left.after(LEAST)))
    }
}

impl Core<'_> {
    /// The machine has left. `Some` if that is the end.
    pub(super) fn leave(&mut self, now: Time, code: ExitCode) -> Option<ExitCode> {
        self.leaving.left = Some((now, code));
        self.keep_going();
        if let Some(relay) = &mut self.relay {
            relay.begin_drain();
            relay.keep(now);
        }
        self.left()
    }

    /// The exit code, once there is nothing left to wait for.
    pub(super) fn left(&mut self) -> Option<ExitCode> {
        let (_, code) = self.leaving.left?;
        if let Some(relay) = &self.relay {
            let is_late = self.leaving.deadline(self.plan) <= Some(self.clock.now());
            if !relay.has_drained() && !is_late {
                return None;
            }
            let (waiting, lost) = relay.undelivered();
            if !relay.has_drained() && waiting > 0 {
                log::warn!(
                    "at least {waiting} bytes of output were not delivered: nobody read them in time"
                );
            }
            if lost > 0 {
                log::warn!(
                    "{lost} bytes of output were not delivered: there was no reader, or no room"
                );
            }
            relay.remove_fifos();
            // Once more: what a relayed program said last may have been heard of only now.
            self.leave_last_words(code);
        }
        self.end_helper();
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle;
    use crate::machine::{Command, Fact, Machine, Sender};
    use crate::plan::{Conduct, Container, Pod, ProgramId, RestartPolicy, Role, Signal};

    const GRACE: Duration = Duration::from_secs(30);

    /// The deadline of a life that left after 20 s and had these facts, each a second after the one before.
    fn deadline(facts: &[Fact]) -> Option<Time> {
        let web = Container::bare("web", Role::Main, ProgramId(0), RestartPolicy::Never);
        let mut pod = Pod::bare(vec![web], GRACE);
        pod.stop_on = vec![usr1()];
        let plan = Plan::bare(Vec::new(), Conduct::Pod(pod.clone()));
        let (mut machine, mut leaving) = (lifecycle::Pod::new(&plan, &pod), Leaving::default());
        for (second, fact) in (1..).zip(facts) {
            let (now, mut actions) = (at(second), Vec::new());
            machine.step_into(now, &[*fact], &mut actions);
            leaving.note(now, &actions);
        }
        leaving.left = Some((at(20), ExitCode::SUCCESS));
        leaving.deadline(&plan)
    }

    fn usr1() -> Signal {
        Signal::parse("USR1").unwrap()
    }

    fn at(second: u64) -> Time {
        Time::START.after(Duration::from_secs(second))
    }

    #[test]
    fn the_grace_runs_from_what_the_machine_takes_for_the_asking() {
        let signalled = |signal| Fact::Signalled(signal, Sender::Kernel);
        let (term, usr1) = (signalled(Signal::TERM), signalled(usr1()));
        assert_eq!(deadline(&[term, term]), Some(at(20 + 30)));
        assert_eq!(deadline(&[term, usr1, usr1]), Some(at(2 + 30)));
        let command = Fact::Commanded(Command::Stop);
        assert_eq!(deadline(&[term, term, command]), Some(at(3 + 30)));
    }
}
