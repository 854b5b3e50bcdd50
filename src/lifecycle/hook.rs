//! One call of a postStart or preStop hook (kubelet-semantics C.3).
//!
//! It has no timeout of its own (S76): whoever called it decides how long to wait, and abandons it, as the kubelet does,
//! without cancelling it (S86). What surprised us: a hook that is asked over the network must not fail because our own
//! helper died. It is asked anew, so a hook is called at least once and not exactly once (C.4), until three helpers in a
//! row have died of it.

use super::desk::Desk;
use super::leftovers::Leftovers;
use crate::machine::{Answer, AskId, Cause, Ending, Happening, Outcome, RunId, Unstartable};
use crate::plan::{CheckId, ContainerId, Hook, HookKind, ProgramId};
use crate::time::Time;

/// So many helpers die of one question before it counts as failed. One may die of anything, three die of the question.
const DEATHS: u32 = 3;

/// A hook that was called.
#[derive(Debug)]
pub struct Call {
    kind: HookKind,
    state: State,
}

#[derive(Debug)]
enum State {
    Due(Hook),
    Running {
        run: RunId,
        program: ProgramId,
    },
    /// Waits for a helper.
    AskDue {
        check: CheckId,
        deaths: u32,
    },
    Asking {
        ask: AskId,
        check: CheckId,
        deaths: u32,
    },
    Sleeping {
        until: Time,
    },
    Over {
        succeeded: bool,
    },
}

impl Call {
    /// A call that is made when the turn settles.
    pub fn new(kind: HookKind, hook: Hook) -> Call {
        let state = State::Due(hook);
        Call { kind, state }
    }

    /// Whether it succeeded, once that is known.
    pub fn succeeded(&self) -> Option<bool> {
        match self.state {
            State::Over { succeeded } => Some(succeeded),
            _ => None,
        }
    }

    /// A run has ended, or never was if there is a reason for that.
    pub fn end(
        &mut self,
        id: ContainerId,
        over: RunId,
        how: Result<Ending, Unstartable>,
        desk: &mut Desk,
    ) {
        let State::Running { run, program } = self.state else {
            return;
        };
        if run != over {
            return;
        }
        match how {
            Ok(ending) if ending.is_success() => self.state = State::Over { succeeded: true },
            Ok(ending) => self.fail(id, Cause::Exit(ending.code().0), desk),
            Err(why) => {
                desk.say(Happening::CannotStart(program, why));
                self.fail(id, Cause::Exec(why.errno), desk);
            }
        }
    }

    /// An ask was answered.
    pub fn answer(&mut self, id: ContainerId, answered: AskId, answer: Answer, desk: &mut Desk) {
        if !matches!(self.state, State::Asking { ask, .. } if ask == answered) {
            return;
        }
        match answer.outcome {
            Outcome::Success | Outcome::Warning => {
                if answer.cause == Cause::HttpFallback {
                    desk.say(Happening::HookFellBack(id, self.kind));
                }
                self.state = State::Over { succeeded: true };
            }
            Outcome::Failure | Outcome::Unknown => self.fail(id, answer.cause, desk),
        }
    }

    /// The helper was lost over an ask. If it has not even `died`, because it could not be forked, the ask is not to blame.
    pub fn lose(&mut self, id: ContainerId, lost: AskId, died: bool, desk: &mut Desk) {
        match self.state {
            State::Asking { ask, check, deaths } if ask == lost => {
                let deaths = deaths + u32::from(died);
                match deaths < DEATHS {
                    true => self.state = State::AskDue { check, deaths },
                    false => self.fail(id, Cause::NoHelper, desk),
                }
            }
            _ => {}
        }
    }

    /// A sleep that is over.
    pub fn lapse(&mut self, now: Time) {
        if matches!(self.state, State::Sleeping { until } if until <= now) {
            self.state = State::Over { succeeded: true };
        }
    }

    /// Makes the call, if it is due.
    pub fn settle(&mut self, now: Time, id: ContainerId, leftovers: &Leftovers, desk: &mut Desk) {
        if let State::Due(hook) = self.state {
            match hook {
                // The call before it, of an instance that is gone, was killed and is about to end.
                Hook::Exec(program) if leftovers.has(program) => {}
                Hook::Exec(program) => {
                    if desk.seats.take_for_call(id) {
                        let run = desk.start(id, program);
                        self.state = State::Running { run, program };
                    }
                }
                Hook::Ask(check) => self.state = State::AskDue { check, deaths: 0 },
                Hook::Sleep(span) if span.is_zero() => self.state = State::Over { succeeded: true },
                Hook::Sleep(span) => {
                    self.state = State::Sleeping {
                        until: now.after(span),
                    }
                }
                Hook::Fails => self.fail(id, Cause::None, desk),
            }
        }
        if let State::AskDue { check, deaths } = self.state
            && let Some(ask) = desk.ask(id, check)
        {
            self.state = State::Asking { ask, check, deaths };
        }
    }

    fn fail(&mut self, id: ContainerId, cause: Cause, desk: &mut Desk) {
        desk.say(Happening::HookFailed(id, self.kind, cause));
        self.state = State::Over { succeeded: false };
    }

    /// Nobody waits for it any more. It goes on.
    pub fn abandon(self, leftovers: &mut Leftovers) {
        if let State::Running { run, program } = self.state {
            leftovers.leave(run, program);
        }
    }

    /// When a sleep is over.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Sleeping { until } => Some(until),
            _ => None,
        }
    }

    /// Whether it is due and found no seat.
    pub fn is_held_up(&self, leftovers: &Leftovers) -> bool {
        matches!(self.state, State::Due(Hook::Exec(program)) if !leftovers.has(program))
    }

    /// Whether it waits for a helper.
    pub fn waits_for_helper(&self) -> bool {
        matches!(self.state, State::AskDue { .. })
    }
}
