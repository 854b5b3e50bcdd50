//! The last stretch: the machine has left, and what programs wrote is still on its way.
//!
//! It decides nothing about the life, which is over; it only lets output finish, within the time in which the whole stop
//! must be over, and counts what did not make it. Without a relay there is no such stretch.

use super::core::Core;
use super::grace;
use crate::machine::{Command, Fact};
use crate::plan::{ExitCode, Plan, Signal};
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
    /// Notes when a stop was asked for.
    pub fn hear(&mut self, now: Time, facts: &[Fact]) {
        let is_stop = |fact: &Fact| match fact {
            Fact::Signalled(signal, _) => [Signal::TERM, Signal::INT].contains(signal),
            Fact::Commanded(Command::Stop) => true,
            _ => false,
        };
        if self.stop_asked.is_none() && facts.iter().any(is_stop) {
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
        }
        self.end_helper();
        Some(code)
    }
}
