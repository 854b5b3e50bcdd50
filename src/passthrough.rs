//! What tini, dumb-init and catatonit do: start the command, hand on signals, reap, leave at once with its code.
//!
//! No grace, no steps, no endpoint, and no `if tini` anywhere: the grammars in `cli` fill in
//! [`crate::plan::Passthrough`], and every difference between the three is a field of it.
//!
//! What surprised us: a signal that comes before the command was started needs no special care. The command is started
//! and struck in the same turn, and a fresh process takes the signal with its default action before its first word.

use crate::machine::{
    Action, Ending, Fact, Happening, Machine, PodStatus, RunId, RunIds, Sender, SignalSet,
    StandingOrder,
};
use crate::plan::{self, ExitCode, Plan, ProgramId, Signal, Target};
use crate::time::Time;

/// The machine behind the drop-in names.
#[derive(Debug)]
pub struct Passthrough {
    conduct: plan::Passthrough,
    ids: RunIds,
    state: State,
    /// What a command that lives gets as it is.
    as_they_are: SignalSet,
    /// Signals of this turn, in order of arrival, already rewritten; with what was received, for job control.
    to_forward: Vec<(Signal, Option<Signal>)>,
}

#[derive(Debug)]
enum State {
    Due(ProgramId),
    Live { run: RunId, program: ProgramId },
    Pausing,
    Over { run: Option<RunId>, code: ExitCode },
    Left,
}

impl Passthrough {
    /// A life that has not begun.
    pub fn new(_plan: &Plan, conduct: &plan::Passthrough) -> Passthrough {
        let state = conduct.main.map_or(State::Pausing, State::Due);
        let handed_on = |signal: &Signal| {
            let suspends = conduct.suspend_self && is_job_control(*signal);
            !suspends && rewritten(conduct, *signal) == Some(*signal)
        };
        Passthrough {
            conduct: conduct.clone(),
            ids: RunIds::default(),
            state,
            as_they_are: Signal::forwardable().filter(handed_on).collect(),
            to_forward: Vec::new(),
        }
    }

    fn rewritten(&self, signal: Signal) -> Option<Signal> {
        rewritten(&self.conduct, signal)
    }

    fn hear(&mut self, fact: Fact, actions: &mut Vec<Action>) {
        match (fact, &self.state) {
            (Fact::Started(run), State::Live { run: live, program }) if run == *live => {
                actions.push(Action::Say(Happening::Started(*program)));
            }
            (Fact::Unstartable(run, why), State::Live { run: live, program }) if run == *live => {
                actions.push(Action::Say(Happening::CannotStart(*program, why)));
                let code = self.conduct.remap_exit.apply(why.code());
                self.state = State::Over { run: None, code };
            }
            (Fact::Ended(run, ending), State::Live { run: live, program }) if run == *live => {
                actions.push(Action::Say(Happening::Ended(*program, ending, true)));
                self.hear_ended(run, ending);
            }
            (Fact::OrphanReaped { pid, ending }, _) if self.conduct.warn_on_reap => {
                actions.push(Action::Say(Happening::OrphanReaped(pid, ending, true)));
            }
            (Fact::Signalled(signal, sender), State::Pausing) => {
                if matches!(signal, Signal::TERM | Signal::INT) {
                    self.state = State::Over {
                        run: None,
                        code: ExitCode::SUCCESS,
                    };
                } else if sender != Sender::Kernel {
                    actions.push(Action::Say(Happening::SignalDropped(signal)));
                }
            }
            (Fact::Signalled(signal, sender), State::Due(_) | State::Live { .. }) => {
                // The terminal scolds whoever touches it from the background; with job control of our own
                // (dumb-init) that is news for the command, otherwise it is about us.
                let about_us = sender == Sender::Kernel && !self.conduct.suspend_self;
                if !(about_us && matches!(signal, Signal::TTIN | Signal::TTOU)) {
                    self.to_forward.push((signal, self.rewritten(signal)));
                }
            }
            // Facts about runs that are over, signals for a command that is gone, a helper that was never wanted.
            (
                Fact::Started(_)
                | Fact::Unstartable(..)
                | Fact::Ended(..)
                | Fact::OrphanReaped { .. }
                | Fact::Signalled(..)
                | Fact::Emptied
                | Fact::HelperLost
                | Fact::HelperUnstartable(_)
                | Fact::Answered(..)
                | Fact::Commanded(_),
                _,
            ) => {}
        }
    }

    fn hear_ended(&mut self, run: RunId, ending: Ending) {
        let code = self.conduct.remap_exit.apply(ending.code());
        self.state = State::Over {
            run: Some(run),
            code,
        };
    }

    fn settle(&mut self, actions: &mut Vec<Action>) {
        if let State::Due(program) = self.state {
            let run = self.ids.mint();
            actions.push(Action::Start(run, program));
            self.state = State::Live { run, program };
        }
        match self.state {
            State::Live { run, .. } => {
                for (received, handed_on) in self.to_forward.drain(..) {
                    let target = self.conduct.target;
                    actions.extend(handed_on.map(|signal| Action::Strike(run, target, signal)));
                    if is_job_control(received) && self.conduct.suspend_self {
                        actions.push(Action::SuspendSelf);
                    }
                }
            }
            State::Over { run, code } => {
                if let (Some(run), true) = (run, self.conduct.farewell) {
                    let farewell = self.rewritten(Signal::TERM);
                    actions.extend(farewell.map(|term| Action::Strike(run, Target::Group, term)));
                }
                actions.push(Action::Leave(code));
                self.state = State::Left;
            }
            State::Due(_) | State::Pausing | State::Left => {}
        }
        self.to_forward.clear();
    }
}

fn rewritten(conduct: &plan::Passthrough, signal: Signal) -> Option<Signal> {
    let mut rules = conduct.rewrites.iter();
    let rule = rules.find(|(from, _)| *from == signal);
    rule.map_or(Some(signal), |(_, to)| *to)
}

fn is_job_control(signal: Signal) -> bool {
    matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU)
}

impl Machine for Passthrough {
    fn step_into(&mut self, _now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        if matches!(self.state, State::Left) {
            return;
        }
        for fact in facts {
            self.hear(*fact, actions);
        }
        self.settle(actions);
    }

    fn standing_order(&self) -> Option<StandingOrder> {
        let State::Live { run, .. } = self.state else {
            return None;
        };
        Some(StandingOrder {
            run,
            target: self.conduct.target,
            signals: self.as_they_are,
        })
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    /// Nobody can look: there is no endpoint.
    fn status(&self) -> PodStatus {
        PodStatus::default()
    }
}
