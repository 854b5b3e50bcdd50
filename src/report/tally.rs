//! What is counted for `/metrics` and cannot be seen in a status: attempts of probes, orphans, helpers.
//!
//! It listens to what the machine orders and to what came of it, so the machine need not count. It never decides
//! anything and never grows: what is under way is bounded by the probes that there are.

use crate::machine::{Action, AskId, Ending, Fact, Outcome, RunId};
use crate::plan::{Handler, Pod, Probe, ProbeKind};
use crate::time::Time;
use litemap::LiteMap;
use std::time::Duration;

/// All that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orphans that were collected.
    pub orphans: u64,
    /// Helpers that were lost.
    pub helpers_lost: u32,
    /// By container in the order of the plan, then by probe as in [`KINDS`].
    pub probes: Vec<[Attempts; 3]>,
}

/// The probes in the order in which they are counted and shown.
pub const KINDS: [ProbeKind; 3] = [
    ProbeKind::Startup,
    ProbeKind::Liveness,
    ProbeKind::Readiness,
];

/// Attempts of one probe, by the kubelet's three results; a warning counts as a success there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// `successful`
    pub successful: u32,
    /// `failed`
    pub failed: u32,
    /// `unknown`
    pub unknown: u32,
    /// How long all of them took together.
    pub took: Duration,
}

/// A probe, by container and place in [`KINDS`].
type Place = (usize, usize);

/// Counts by listening.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: Counts,
    /// By `CheckId`: whose question it is.
    by_check: LiteMap<usize, Place>,
    /// By `ProgramId`: whose attempt it is.
    by_program: LiteMap<usize, Place>,
    asks: LiteMap<AskId, (Place, Time)>,
    runs: LiteMap<RunId, (Place, Time)>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(pod: &Pod) -> Tally {
        let mut tally = Tally {
            counts: Counts {
                probes: vec![Default::default(); pod.containers.len()],
                ..Counts::default()
            },
            by_check: LiteMap::new(),
            by_program: LiteMap::new(),
            asks: LiteMap::new(),
            runs: LiteMap::new(),
        };
        for (id, container) in pod.containers() {
            for (place, kind) in KINDS.into_iter().enumerate() {
                match probe(container, kind).map(|probe| probe.handler) {
                    Some(Handler::Ask(check)) => {
                        tally.by_check.insert(check.0, (id.0, place));
                    }
                    Some(Handler::Exec(program)) => {
                        tally.by_program.insert(program.0, (id.0, place));
                    }
                    Some(Handler::Unresolvable) | None => {}
                }
            }
        }
        tally
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// An order of the machine.
    pub fn act(&mut self, now: Time, action: &Action) {
        match action {
            Action::Ask(ask, check) => {
                if let Some(place) = self.by_check.get(&check.0) {
                    self.asks.insert(*ask, (*place, now));
                }
            }
            Action::Start(run, program) => {
                if let Some(place) = self.by_program.get(&program.0) {
                    self.runs.insert(*run, (*place, now));
                }
            }
            _ => {}
        }
    }

    /// Something that happened.
    pub fn hear(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::OrphanReaped { .. } => self.counts.orphans += 1,
            Fact::HelperLost => {
                self.counts.helpers_lost += 1;
                // All their answers are lost with it.
                for (_, attempt) in std::mem::take(&mut self.asks) {
                    self.count(now, attempt, Outcome::Unknown);
                }
            }
            Fact::Answered(ask, answer) => {
                if let Some(attempt) = self.asks.remove(ask) {
                    self.count(now, attempt, answer.outcome);
                }
            }
            Fact::Ended(run, ending) => self.count_run(now, *run, by_exit(*ending)),
            // What cannot be run says nothing about the container (B.4).
            Fact::Unstartable(run, _) => self.count_run(now, *run, Outcome::Unknown),
            Fact::Started(_)
            | Fact::Emptied
            | Fact::Signalled(..)
            | Fact::HelperUnstartable(_)
            | Fact::Commanded(_) => {}
        }
    }

    fn count_run(&mut self, now: Time, run: RunId, outcome: Outcome) {
        if let Some(attempt) = self.runs.remove(&run) {
            self.count(now, attempt, outcome);
        }
    }

    fn count(&mut self, now: Time, ((container, kind), begun): (Place, Time), outcome: Outcome) {
        let attempts = &mut self.counts.probes[container][kind];
        attempts.took += now.since(begun);
        let counted = match outcome {
            Outcome::Success | Outcome::Warning => &mut attempts.successful,
            Outcome::Failure => &mut attempts.failed,
            Outcome::Unknown => &mut attempts.unknown,
        };
        *counted = counted.wrapping_add(1);
    }
}

fn by_exit(ending: Ending) -> Outcome {
    match ending.is_success() {
        true => Outcome::Success,
        false => Outcome::Failure,
    }
}

/// The container's probe of this kind.
pub fn probe(container: &crate::plan::Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Answer, Cause, Stage, Unstartable};
    use crate::plan::{CheckId, ExitCode, ProgramId};
    use crate::report::samples;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn attempts_are_counted_by_what_came_of_them() {
        let mut tally = Tally::new(&samples::pod());
        // In the sample, check 0 is web's readiness probe and program 9 its liveness probe.
        let answers = [
            Outcome::Success,
            Outcome::Warning,
            Outcome::Failure,
            Outcome::Unknown,
        ];
        for (number, outcome) in answers.into_iter().enumerate() {
            let ask = AskId(number as u32);
            tally.act(at(10), &Action::Ask(ask, CheckId(0)));
            let cause = Cause::None;
            tally.hear(at(11), &Fact::Answered(ask, Answer { outcome, cause }));
        }
        tally.act(at(20), &Action::Ask(AskId(9), CheckId(0)));
        tally.hear(at(21), &Fact::HelperLost);
        let web = tally.counts().probes[samples::WEB.0];
        assert_eq!(
            web[2],
            Attempts {
                successful: 2,
                failed: 1,
                unknown: 2,
                took: Duration::from_secs(5)
            }
        );
        assert_eq!(tally.counts().helpers_lost, 1);
    }

    #[test]
    fn a_program_that_asks_counts_by_its_exit_code_and_others_do_not_count() {
        let mut tally = Tally::new(&samples::pod());
        for (run, code) in [(1, 0), (2, 1)] {
            tally.act(at(1), &Action::Start(RunId(run), ProgramId(9)));
            tally.hear(
                at(3),
                &Fact::Ended(RunId(run), Ending::Exited(ExitCode(code))),
            );
        }
        tally.act(at(1), &Action::Start(RunId(3), ProgramId(0)));
        tally.hear(at(3), &Fact::Ended(RunId(3), Ending::Exited(ExitCode(0))));
        // What cannot be run is no failure of the container.
        tally.act(at(5), &Action::Start(RunId(4), ProgramId(9)));
        let why = Unstartable {
            stage: Stage::Exec,
            errno: libc::ENOENT,
        };
        tally.hear(at(5), &Fact::Unstartable(RunId(4), why));
        let web = tally.counts().probes[samples::WEB.0];
        let seen = (web[1].successful, web[1].failed, web[1].unknown);
        assert_eq!(seen, (1, 1, 1));
        assert_eq!(web[1].took, Duration::from_secs(4));
    }
}
