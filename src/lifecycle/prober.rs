//! One probe of one instance of a container: when it asks, what counts, what is published (kubelet-semantics B).
//!
//! The ticker is the kubelet's with phase 0 at the instance's start (S6). A prober lives as long as its instance, so a new
//! one counts from nothing: upstream keeps its counters when a container crashes by itself, which nobody wants (S35, S36).
//!
//! What surprised us: a tick that comes while an attempt is under way needs no memory. Whoever is done looks at the clock:
//! if the next tick has passed, one pass is made up at once, and all others are dropped (S27). And a tick that the initial
//! delay would skip is not waited for: skipping it would only wake a sleeping machine.

use super::desk::Desk;
use super::leftovers::Leftovers;
use crate::machine::{Answer, AskId, Cause, Ending, Happening, Outcome, RunId, Unstartable};
use crate::plan::{CheckId, ContainerId, Handler, Probe, ProbeKind, ProgramId};
use crate::time::Time;
use std::time::Duration;

/// Attempts of one pass, as long as they cannot be carried out (S20, S22).
const ATTEMPTS: u32 = 3;
/// The helper keeps a network probe's timeout itself. If it has said nothing so long after that, it is stuck, and the
/// attempt counts for nothing.
const HELPER_IS_STUCK: Duration = Duration::from_secs(1);

/// A probe of one instance.
#[derive(Debug)]
pub struct Prober {
    kind: ProbeKind,
    state: State,
    /// The verdict that stands; before the first one it is [`presumed`].
    published: Option<bool>,
    /// The last outcome that counted, and how many of its kind came in a row.
    last: Option<bool>,
    in_a_row: u32,
    /// The next tick that has not been looked at.
    tick: Time,
}

#[derive(Debug)]
enum State {
    /// Not yet, or never again.
    Shut,
    Idle,
    /// A run that was killed at its timeout has not ended. The next pass waits for that, as the kubelet's does.
    Blocked,
    Due {
        attempt: u32,
    },
    Running {
        run: RunId,
        program: ProgramId,
        attempt: u32,
        give_up_at: Time,
    },
    Asking {
        ask: AskId,
        attempt: u32,
        give_up_at: Time,
    },
}

/// What is thought of an instance that was not probed yet (B.1).
fn presumed(kind: ProbeKind) -> Option<bool> {
    match kind {
        ProbeKind::Liveness => Some(true),
        ProbeKind::Readiness => Some(false),
        ProbeKind::Startup => None,
    }
}

impl Prober {
    /// A prober that does not ask yet.
    pub fn new(kind: ProbeKind) -> Prober {
        Prober {
            kind,
            state: State::Shut,
            published: presumed(kind),
            last: None,
            in_a_row: 0,
            tick: Time::START,
        }
    }

    /// The verdict that stands.
    pub fn published(&self) -> Option<bool> {
        self.published
    }

    /// From now on it asks, at the ticks of an instance that started at `since`: the first is at `from` or later.
    pub fn open(&mut self, probe: &Probe, since: Time, from: Time) {
        self.tick = tick(probe, since, since, from);
        self.state = State::Idle;
    }

    /// Asks now, and from now on a period later each (S25); not before the initial delay is over (S26).
    pub fn trigger(&mut self, probe: &Probe, since: Time, now: Time) {
        self.tick = tick(probe, since, now, now);
        self.state = State::Idle;
    }

    /// Asks no more.
    pub fn shut(&mut self, leftovers: &mut Leftovers) {
        if let State::Running { run, program, .. } = self.state {
            leftovers.doom(run, program);
        }
        self.state = State::Shut;
    }

    /// A run has ended, or never was if there is a reason for that.
    pub fn end(&mut self, to: &mut Addressee, over: RunId, how: Result<Ending, Unstartable>) {
        let State::Running { run, attempt, .. } = self.state else {
            return;
        };
        if run != over {
            return;
        }
        let (outcome, cause) = match how {
            Ok(ending) if ending.is_success() => (Outcome::Success, Cause::None),
            Ok(ending) => (Outcome::Failure, Cause::Exit(ending.code().0)),
            // S42: as with the kubelet, what cannot be run says nothing about the container.
            Err(why) => (Outcome::Unknown, Cause::Exec(why.errno)),
        };
        self.conclude(to, attempt, outcome, cause);
    }

    /// An ask was answered.
    pub fn answer(&mut self, to: &mut Addressee, answered: AskId, answer: Answer) {
        match self.state {
            State::Asking { ask, attempt, .. } if ask == answered => {
                self.conclude(to, attempt, answer.outcome, answer.cause);
            }
            _ => {}
        }
    }

    /// What has taken too long.
    pub fn lapse(&mut self, now: Time, to: &mut Addressee, leftovers: &mut Leftovers) {
        match self.state {
            State::Running {
                run,
                program,
                attempt,
                give_up_at,
            } if give_up_at <= now => {
                leftovers.doom(run, program);
                self.conclude(to, attempt, Outcome::Failure, Cause::TimedOut);
            }
            State::Asking {
                attempt,
                give_up_at,
                ..
            } if give_up_at <= now => self.conclude(to, attempt, Outcome::Unknown, Cause::NoHelper),
            _ => {}
        }
    }

    /// Asks, if it is time.
    pub fn settle(&mut self, now: Time, to: &mut Addressee, leftovers: &Leftovers) {
        let blocked = matches!(to.probe.handler, Handler::Exec(program) if leftovers.has(program));
        match self.state {
            State::Idle if blocked => self.state = State::Blocked,
            State::Blocked if !blocked => self.state = State::Idle,
            _ => {}
        }
        // What fails on the spot is tried again on the spot, and the tick that was missed meanwhile comes right after it.
        loop {
            if matches!(self.state, State::Idle) && self.tick <= now {
                self.state = State::Due { attempt: 1 };
            }
            let State::Due { attempt } = self.state else {
                break;
            };
            let needs_seat = matches!(to.probe.handler, Handler::Exec(_));
            if needs_seat && !to.desk.seats.take_for_call(to.id) {
                break;
            }
            if attempt == 1 {
                self.tick = tick_after(to.probe, self.tick, now);
            }
            match to.probe.handler {
                Handler::Exec(program) => {
                    self.state = State::Running {
                        run: to.desk.start(to.id, program),
                        program,
                        attempt,
                        give_up_at: now.after(to.probe.timeout),
                    };
                }
                Handler::Ask(check) => self.ask(now, to, check, attempt),
                Handler::Unresolvable => {
                    self.conclude(to, attempt, Outcome::Unknown, Cause::NoSuchPort);
                }
            }
        }
    }

    fn ask(&mut self, now: Time, to: &mut Addressee, check: CheckId, attempt: u32) {
        match to.desk.ask(to.id, check) {
            Some(ask) => {
                let give_up_at = now.after(to.probe.timeout).after(HELPER_IS_STUCK);
                self.state = State::Asking {
                    ask,
                    attempt,
                    give_up_at,
                };
            }
            None => self.conclude(to, attempt, Outcome::Unknown, Cause::NoHelper),
        }
    }

    /// An attempt has come to this (B.3, 10 to 14).
    fn conclude(&mut self, to: &mut Addressee, attempt: u32, outcome: Outcome, cause: Cause) {
        if outcome == Outcome::Unknown && attempt < ATTEMPTS {
            self.state = State::Due {
                attempt: attempt + 1,
            };
            return;
        }
        self.state = State::Idle;
        match outcome {
            Outcome::Success => self.count(to.probe, true),
            Outcome::Warning => {
                to.desk
                    .say(Happening::ProbeWarning(to.id, self.kind, cause));
                self.count(to.probe, true);
            }
            Outcome::Failure | Outcome::Unknown => {
                to.desk
                    .say(Happening::Unhealthy(to.id, self.kind, outcome, cause));
                if outcome == Outcome::Failure {
                    self.count(to.probe, false);
                }
            }
        }
    }

    fn count(&mut self, probe: &Probe, success: bool) {
        self.in_a_row = match self.last == Some(success) {
            true => self.in_a_row.saturating_add(1),
            false => 1,
        };
        self.last = Some(success);
        let enough = match success {
            true => probe.success_threshold,
            false => probe.failure_threshold,
        };
        if self.in_a_row < enough {
            return;
        }
        self.published = Some(success);
        // The kubelet's `hold`: nothing more is asked until there is a new instance.
        if matches!(
            (self.kind, success),
            (ProbeKind::Startup, _) | (ProbeKind::Liveness, false)
        ) {
            self.state = State::Shut;
        }
    }

    /// Whether it is due and found no seat.
    pub fn is_held_up(&self) -> bool {
        matches!(self.state, State::Due { .. })
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Idle => Some(self.tick),
            State::Running { give_up_at, .. } | State::Asking { give_up_at, .. } => {
                Some(give_up_at)
            }
            State::Shut | State::Blocked | State::Due { .. } => None,
        }
    }
}

/// Whom a prober works for, and by whom it lets itself be heard.
#[derive(Debug)]
pub struct Addressee<'a> {
    /// The container.
    pub id: ContainerId,
    /// The probe's numbers.
    pub probe: &'a Probe,
    /// Where orders are given.
    pub desk: &'a mut Desk,
}

/// The first tick of those at `phase` and every period after it that is at `from` or later and not before the initial
/// delay, which is compared in whole seconds since the instance's start (B.3, 8).
fn tick(probe: &Probe, since: Time, phase: Time, from: Time) -> Time {
    let delay = probe.initial_delay;
    let whole = Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
    let earliest = from.max(since.after(whole));
    match earliest > phase {
        true => tick_after(probe, phase, Time::from_nanos(earliest.as_nanos() - 1)),
        false => phase,
    }
}

/// The first tick after `now` of those at `tick` and every period after it.
fn tick_after(probe: &Probe, tick: Time, now: Time) -> Time {
    let period = u64::try_from(probe.period.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    let passed = now.since(tick).as_nanos() / u128::from(period) + 1;
    let ahead = passed.saturating_mul(u128::from(period));
    Time::from_nanos(
        tick.as_nanos()
            .saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX)),
    )
}
