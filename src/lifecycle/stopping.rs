//! The stop of one instance: preStop hook, its turn, stop signal, SIGKILL (kubelet-semantics D.2).
//!
//! There are two clocks. When the pod is being stopped, all look at one absolute time, so budgets cannot add up past it:
//! whoever kills the pod from outside counts from the same moment and rounds nothing. When one container is being stopped
//! and the pod goes on, it is the kubelet's arithmetic, which gives back the fraction of the last second that the hook
//! used (S84). Either way the stop signal is sent, and two seconds are granted to it (S85, S102, S103).

use super::desk::Desk;
use super::hook::Call;
use super::leftovers::Leftovers;
use crate::machine::{Happening, KillCause, RunId};
use crate::plan::{ContainerId, Hook, HookKind, Signal, Target};
use crate::time::Time;
use std::time::Duration;

/// The kubelet's floor between the stop signal and SIGKILL, so that a hook that ate the grace costs nobody its last
/// words (kubelet-semantics D.2, step 4).
pub const FLOOR: Duration = Duration::from_secs(2);

/// A stop under way.
#[derive(Debug)]
pub struct Stop {
    cause: KillCause,
    begun: Time,
    stop_by: Time,
    signal: Signal,
    /// Whether those are gone that had to go first (D.3).
    has_turn: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Hook(Call),
    SignalDue,
    Signalled { kill_at: Time },
    KillDue,
    Killed,
}

impl Stop {
    /// A stop that begins when the turn settles, and is to be over at `stop_by`.
    pub fn new(
        now: Time,
        cause: KillCause,
        stop_by: Time,
        signal: Signal,
        hook: Option<Hook>,
    ) -> Stop {
        // S89: without grace there is no hook.
        let stage = match hook.filter(|_| stop_by > now) {
            Some(hook) => Stage::Hook(Call::new(HookKind::PreStop, hook)),
            None => Stage::SignalDue,
        };
        Stop {
            cause,
            begun: now,
            stop_by,
            signal,
            has_turn: true,
            stage,
        }
    }

    /// The stop signal waits until [`Stop::give_turn`], or until the grace is over (S114, S115).
    pub fn waits_for_its_turn(mut self) -> Stop {
        self.has_turn = false;
        self
    }

    /// Those that had to go first are gone.
    pub fn give_turn(&mut self) {
        self.has_turn = true;
    }

    /// Why.
    pub fn cause(&self) -> KillCause {
        self.cause
    }

    /// It was under way for another reason. What was done is not done again (S110), and an end that comes earlier holds.
    pub fn join(&mut self, now: Time, cause: KillCause, stop_by: Time) {
        self.cause = cause;
        self.stop_by = self.stop_by.min(stop_by);
        if let Stage::Signalled { kill_at } = &mut self.stage {
            *kill_at = (*kill_at).min(stop_by.max(now.after(FLOOR)));
        }
    }

    /// The hook, while it is at it.
    pub fn hook(&mut self) -> Option<&mut Call> {
        match &mut self.stage {
            Stage::Hook(call) => Some(call),
            _ => None,
        }
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time) {
        match &mut self.stage {
            Stage::Hook(call) => call.lapse(now),
            Stage::Signalled { kill_at } if *kill_at <= now => self.stage = Stage::KillDue,
            Stage::SignalDue | Stage::Signalled { .. } | Stage::KillDue | Stage::Killed => {}
        }
    }

    fn end_hook(&mut self, leftovers: &mut Leftovers) {
        if let Stage::Hook(call) = std::mem::replace(&mut self.stage, Stage::SignalDue) {
            call.abandon(leftovers);
        }
    }

    /// Calls the hook and sends the signal, each if it is due. `run` is the instance's.
    pub fn settle(
        &mut self,
        now: Time,
        run: RunId,
        id: ContainerId,
        leftovers: &mut Leftovers,
        desk: &mut Desk,
    ) {
        if let Stage::Hook(call) = &mut self.stage {
            // Looked at here and not when it lapses: joining another stop may have brought the end forward to now.
            let is_late = self.stop_by <= now;
            if !is_late {
                call.settle(now, id, leftovers, desk);
            }
            let is_over = call.succeeded().is_some();
            if is_late && !is_over {
                desk.say(Happening::HookOverran(id));
            }
            if is_late || is_over {
                self.end_hook(leftovers);
            }
        }
        if matches!(self.stage, Stage::SignalDue) && (self.has_turn || self.stop_by <= now) {
            desk.strike(run, Target::Process, self.signal);
            let kill_at = self.kill_at(now);
            self.stage = Stage::Signalled { kill_at };
        }
    }

    fn kill_at(&self, now: Time) -> Time {
        let rest = match self.cause {
            KillCause::Stop => self.stop_by.since(now),
            _ => {
                let used = Duration::from_secs(now.since(self.begun).as_secs());
                self.stop_by.since(self.begun.after(used))
            }
        };
        now.after(rest.max(FLOOR))
    }

    /// When SIGKILL is due, once the stop signal was sent.
    pub fn is_to_be_killed_at(&self) -> Option<Time> {
        match self.stage {
            Stage::Signalled { kill_at } => Some(kill_at),
            _ => None,
        }
    }

    /// Whether it is to be killed now, or was.
    pub fn is_past_its_grace(&self) -> bool {
        matches!(self.stage, Stage::KillDue | Stage::Killed)
    }

    /// Kills it with its tree if that is due, unless `all` are killed anyway.
    pub fn kill_if_due(&mut self, run: RunId, id: ContainerId, all: bool, desk: &mut Desk) {
        if !matches!(self.stage, Stage::KillDue) {
            return;
        }
        desk.say(Happening::ExceededGrace(id));
        if !all {
            desk.strike(run, Target::Tree, Signal::KILL);
        }
        self.stage = Stage::Killed;
    }

    /// The hook is not waited for any more: the instance is gone.
    pub fn abandon(self, leftovers: &mut Leftovers) {
        if let Stage::Hook(call) = self.stage {
            call.abandon(leftovers);
        }
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        match &self.stage {
            Stage::Hook(call) => Some(
                call.deadline()
                    .map_or(self.stop_by, |at| at.min(self.stop_by)),
            ),
            Stage::SignalDue if self.has_turn => None,
            Stage::SignalDue => Some(self.stop_by),
            Stage::Signalled { kill_at } => Some(*kill_at),
            Stage::KillDue | Stage::Killed => None,
        }
    }
}
