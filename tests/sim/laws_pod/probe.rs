//! What is known of one probe of one container: when it may ask, when it must, and what its verdicts come to.
//!
//! A ticker that beats from the moment the container's program runs; gates that a beat must find open; up to three
//! attempts when one cannot be carried out; runs of equal verdicts against thresholds (kubelet-semantics B.2 to B.4).

use super::book::Work;
use monopod::machine::{Fact, Outcome, RunId};
use monopod::plan::{Probe, ProbeKind};
use monopod::time::Time;
use std::time::Duration;

/// Attempts of one pass, all told (S20, S22).
const ATTEMPTS: u32 = 3;

/// The helper ends an attempt at its timeout itself; a word that is this late is that of a helper that is stuck, and
/// nobody knows what became of the attempt.
const HELPERS_WORD: Duration = Duration::from_secs(1);

/// The books about one probe.
pub struct Worker {
    /// Which probe it is.
    pub kind: ProbeKind,
    /// Its numbers.
    pub probe: Probe,
    /// The last published verdict of this instance.
    pub published: Option<bool>,
    /// The attempt that is under way.
    pub attempt: Option<Attempt>,
    /// A run that was killed at its timeout and has not ended yet.
    pub lingering: Option<RunId>,
    /// When its outcome was known.
    pub timed_out_at: Option<Time>,
    /// Attempts of this pass so far; 0 between passes.
    pub tries: u32,
    /// The next beat; `None` while a gate is shut.
    pub beat: Option<Time>,
    /// Its gate opened while its container was being stopped already.
    pub nobody_need_ask: bool,
    /// It has said what it had to say about this instance.
    pub hold: bool,
    last: Option<bool>,
    run: u32,
    /// Since when its ticker beats, if a pass out of turn has moved it.
    moved: Option<Time>,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// What is at work.
    pub work: Work,
    /// Since when.
    pub since: Time,
}

impl Worker {
    /// A worker that knows no instance yet.
    pub fn new(kind: ProbeKind, probe: &Probe) -> Worker {
        Worker {
            kind,
            probe: probe.clone(),
            published: None,
            attempt: None,
            lingering: None,
            timed_out_at: None,
            tries: 0,
            beat: None,
            nobody_need_ask: false,
            hold: false,
            last: None,
            run: 0,
            moved: None,
        }
    }

    /// A new instance: everything from the start (S18, S19, S35, S36).
    pub fn reset(&mut self) {
        if let Some(Attempt {
            work: Work::Run(run),
            ..
        }) = self.attempt
        {
            self.lingering = Some(run);
        }
        self.published = None;
        self.attempt = None;
        self.tries = 0;
        self.beat = None;
        self.hold = false;
        self.last = None;
        self.run = 0;
        self.moved = None;
    }

    /// Its container is killed: nobody waits for what is under way.
    pub fn drop_attempt(&mut self) {
        let work = self.attempt.take().map(|attempt| attempt.work);
        if let Some(Work::Run(run)) = work {
            self.lingering = Some(run);
        }
        self.tries = 0;
    }

    /// The first beat that is not before `at`, of a ticker that beats since `ran`.
    pub fn beat_from(&self, ran: Time, at: Time) -> Time {
        let ran = self.moved.unwrap_or(ran);
        let period = self.probe.period.as_nanos() as u64;
        let since = at.since(ran).as_nanos() as u64;
        ran.after(Duration::from_nanos(since.div_ceil(period) * period))
    }

    /// The attempt under way is given up.
    pub fn abandon(&mut self) {
        if let Some(Attempt {
            work: Work::Run(run),
            ..
        }) = self.attempt.take()
        {
            self.lingering = Some(run);
        }
        self.tries = 0;
    }

    /// A trigger out of turn moves the beat, whether or not a gate lets it pass (B.2, B.6).
    pub fn triggered(&mut self, now: Time) {
        self.moved = Some(now);
    }

    /// A pass was begun now, on a beat or out of turn; the latter moves the beat (B.2).
    pub fn pass_began(&mut self, ran: Time, now: Time, beat: Time) {
        if beat > now {
            self.triggered(now);
        }
        self.beat = Some(self.beat_from(ran, now.after(Duration::from_nanos(1))));
    }

    /// When the attempt under way has failed for good.
    pub fn times_out(&self) -> Option<Time> {
        let attempt = self.attempt?;
        let patience = match attempt.work {
            Work::Ask(_) => HELPERS_WORD,
            Work::Run(_) | Work::Until(_) => Duration::ZERO,
        };
        Some(attempt.since.after(self.probe.timeout).after(patience))
    }

    /// What the facts of a turn came to for the attempt under way; the timeout counts only if nothing else is known.
    pub fn outcome(&self, now: Time, facts: &[Fact]) -> Option<Outcome> {
        let attempt = self.attempt?;
        let told = facts.iter().find_map(|fact| match (*fact, attempt.work) {
            (Fact::Ended(run, ending), Work::Run(known)) if run == known => {
                Some(match ending.is_success() {
                    true => Outcome::Success,
                    false => Outcome::Failure,
                })
            }
            (Fact::Unstartable(run, _), Work::Run(known)) if run == known => Some(Outcome::Unknown),
            (Fact::Answered(ask, answer), Work::Ask(known)) if ask == known => Some(answer.outcome),
            _ => None,
        });
        let lost = || {
            let gone = |fact: &Fact| matches!(fact, Fact::HelperLost | Fact::HelperUnstartable(_));
            let lost = matches!(attempt.work, Work::Ask(_)) && facts.iter().any(gone);
            lost.then_some(Outcome::Unknown)
        };
        let timed_out = || {
            let over = self.times_out().is_some_and(|at| at <= now);
            over.then_some(match attempt.work {
                Work::Ask(_) => Outcome::Unknown,
                Work::Run(_) | Work::Until(_) => Outcome::Failure,
            })
        };
        told.or_else(lost).or_else(timed_out)
    }

    /// Counts an outcome; gives back the verdict if a threshold was reached.
    pub fn count(&mut self, now: Time, outcome: Outcome) -> Option<bool> {
        if let Some(Attempt {
            work: Work::Run(run),
            ..
        }) = self.attempt.take()
        {
            self.lingering = Some(run);
            self.timed_out_at = Some(now);
        }
        let good = match outcome {
            Outcome::Success | Outcome::Warning => true,
            Outcome::Failure => false,
            Outcome::Unknown => {
                if self.tries >= ATTEMPTS {
                    self.tries = 0;
                }
                return None;
            }
        };
        self.tries = 0;
        self.run = if self.last == Some(good) {
            self.run + 1
        } else {
            1
        };
        self.last = Some(good);
        let enough = match good {
            true => self.probe.success_threshold,
            false => self.probe.failure_threshold,
        };
        if self.run < enough {
            return None;
        }
        self.published = Some(good);
        let says_its_last = match self.kind {
            ProbeKind::Startup => true,
            ProbeKind::Liveness => !good,
            ProbeKind::Readiness => false,
        };
        self.hold |= says_its_last;
        Some(good)
    }
}
