//! The laws of the small inits: start, hand on in order, leave at once; nothing else, ever.

use crate::laws::{Turn, Verdict, deadline, law};
use monopod::machine::{Action, Fact, Happening, PodStatus, RunId, Sender};
use monopod::plan::{ExitCode, Passthrough, Signal, Target};

/// The books of one life.
pub struct PassthroughLaws {
    conduct: Passthrough,
    run: Option<RunId>,
}

impl PassthroughLaws {
    /// The laws for this conduct.
    pub fn new(conduct: &Passthrough) -> PassthroughLaws {
        PassthroughLaws {
            conduct: conduct.clone(),
            run: None,
        }
    }

    /// Looks at one step.
    pub fn check(&mut self, turn: &Turn) -> Verdict {
        deadline(turn, None)?;
        law(
            turn.status == PodStatus::default(),
            "a passthrough is no pod to look at",
            || format!("{:?}", turn.status),
        )?;
        law(
            turn.strikes_on_all().next().is_none(),
            "a passthrough strikes nobody but its command",
            || format!("{:?}", turn.actions),
        )?;
        match self.conduct.main {
            Some(_) => self.check_command(turn)?,
            None => self.check_pause(turn)?,
        }
        let orphans = turn
            .facts
            .iter()
            .filter(|fact| matches!(fact, Fact::OrphanReaped { .. }))
            .count();
        let said = turn.said(|words| matches!(words, Happening::OrphanReaped(..)));
        let expected = if self.conduct.warn_on_reap {
            orphans
        } else {
            0
        };
        law(
            said == expected,
            "orphans are told of when asked for",
            || format!("{said} of {expected}"),
        )
    }

    fn check_pause(&self, turn: &Turn) -> Verdict {
        let told = |signal: Signal| {
            turn.facts
                .iter()
                .any(|fact| matches!(fact, Fact::Signalled(s, _) if *s == signal))
        };
        let must = told(Signal::TERM) || told(Signal::INT);
        let expected = must.then_some(ExitCode::SUCCESS);
        law(
            turn.left() == expected,
            "a pause ends by TERM or INT with 0",
            || format!("{turn:?}"),
        )?;
        let quiet = |action: &Action| matches!(action, Action::Say(_) | Action::Leave(_));
        law(
            turn.actions.iter().all(quiet),
            "a pause does nothing",
            || format!("{:?}", turn.actions),
        )
    }

    fn check_command(&mut self, turn: &Turn) -> Verdict {
        let starts: Vec<RunId> = turn.starts().map(|(run, _)| run).collect();
        law(
            starts.len() == usize::from(self.run.is_none()),
            "the command is started first and once",
            || format!("{:?}", turn.actions),
        )?;
        self.run = self.run.or(starts.first().copied());
        let Some(run) = self.run else { return Ok(()) };
        let has_started = turn.facts.contains(&Fact::Started(run));
        let told = turn.said(|words| matches!(words, Happening::Started(_)));
        law(
            told == usize::from(has_started),
            "the command's start is told",
            || format!("{turn:?}"),
        )?;
        let over = turn.facts.iter().find_map(|fact| match fact {
            Fact::Ended(ended, ending) if *ended == run => Some((ending.code(), true)),
            Fact::Unstartable(never, why) if *never == run => Some((why.code(), false)),
            _ => None,
        });
        match over {
            None => self.check_forwarding(turn, run),
            Some((code, was)) => self.check_farewell(turn, run, code, was),
        }
    }

    fn rewritten(&self, signal: Signal) -> Option<Signal> {
        let mut rules = self.conduct.rewrites.iter();
        rules
            .find(|(from, _)| *from == signal)
            .map_or(Some(signal), |(_, to)| *to)
    }

    fn check_forwarding(&self, turn: &Turn, run: RunId) -> Verdict {
        law(
            turn.left().is_none(),
            "no Leave while the command lives",
            || format!("{turn:?}"),
        )?;
        let mut expected = Vec::new();
        for fact in turn.facts {
            let Fact::Signalled(signal, sender) = *fact else {
                continue;
            };
            let stops = matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU);
            // The kernel's TTIN and TTOU scold monopod itself for touching the terminal.
            let scolds = sender == Sender::Kernel && stops && signal != Signal::TSTP;
            if scolds && !self.conduct.suspend_self {
                continue;
            }
            let target = self.conduct.target;
            expected.extend(
                self.rewritten(signal)
                    .map(|signal| Action::Strike(run, target, signal)),
            );
            if stops && self.conduct.suspend_self {
                expected.push(Action::SuspendSelf);
            }
        }
        let done: Vec<&Action> = turn
            .actions
            .iter()
            .filter(|action| matches!(action, Action::Strike(..) | Action::SuspendSelf))
            .collect();
        law(
            done.iter().copied().eq(&expected),
            "every signal is handed on once and in order",
            || format!("{done:?} instead of {expected:?}"),
        )
    }

    fn check_farewell(&self, turn: &Turn, run: RunId, code: ExitCode, was: bool) -> Verdict {
        let left = turn.left();
        let mapped = self.conduct.remap_exit.apply(code);
        law(
            left == Some(mapped),
            "the exit code is the right one",
            || format!("{left:?}, not {mapped:?}"),
        )?;
        let term = self
            .rewritten(Signal::TERM)
            .filter(|_| was && self.conduct.farewell);
        let expected: Vec<_> = term
            .into_iter()
            .map(|term| (run, Target::Group, term))
            .collect();
        law(
            turn.strikes().eq(expected.iter().copied()),
            "a farewell to the group and nothing else",
            || format!("{:?} instead of {expected:?}", turn.actions),
        )
    }
}
