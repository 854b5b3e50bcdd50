//! The end of the pod, asked for or come by itself: drain, the containers' stops in their order, the sweep
//! (kubelet-semantics D.3).
//!
//! One absolute time, `stop_by`, is set when the end begins and handed down. Main containers are stopped at the same
//! time. A sidecar's hook is called with theirs, but its signal waits until they and the sidecars after it are gone.
//!
//! What surprised us: the kill at the end of the grace is not one moment. A hook that overran has two seconds more for its
//! container, and so has a sidecar that got no turn before (S115). Only who is killed last takes with it all that is left.

use super::container::{Container, Standing};
use super::crew::Crew;
use super::instance::StopOrder;
use super::stopping::{FLOOR, Stop};
use super::sweep::Sweep;
use crate::machine::{Happening, KillCause};
use crate::plan::{ContainerId, ExitCode, Role, Signal};
use crate::time::Time;

/// An end that has begun.
#[derive(Debug)]
pub struct Ending {
    since: Time,
    stop_by: Time,
    signal: Signal,
    stage: Stage,
    /// When the last of those is to be killed that were sent their signal.
    last_kill_at: Option<Time>,
}

#[derive(Debug)]
enum Stage {
    /// Heard of in this turn.
    Begun,
    Draining {
        until: Time,
    },
    DrainOver,
    Stopping,
    Sweeping(Sweep),
}

impl Ending {
    /// An end that begins at `now`; `signal` stops those that name no signal of their own.
    pub fn new(now: Time, signal: Signal, crew: &Crew) -> Ending {
        Ending {
            since: now,
            stop_by: now.after(crew.plan().grace),
            signal,
            stage: Stage::Begun,
            last_kill_at: None,
        }
    }

    /// When it began.
    pub fn since(&self) -> Time {
        self.since
    }

    /// Deadlines that are due.
    pub fn lapse(&mut self, now: Time) {
        match &mut self.stage {
            Stage::Draining { until } if *until <= now => self.stage = Stage::DrainOver,
            Stage::Sweeping(sweep) => sweep.lapse(now),
            Stage::Begun | Stage::Draining { .. } | Stage::DrainOver | Stage::Stopping => {}
        }
    }

    /// Before the containers act: those that are to be stopped learn of it.
    pub fn order_stops(&mut self, now: Time, crew: &mut Crew) {
        if matches!(self.stage, Stage::Begun) {
            crew.with_all(|container, _| container.give_up());
            crew.note();
            let drain = crew.plan().drain.min(crew.plan().grace);
            // What serves nobody has nothing to drain.
            self.stage = match drain.is_zero() || !has_live(crew, Role::Main) {
                true => Stage::DrainOver,
                false => {
                    crew.desk.say(Happening::Draining(drain));
                    Stage::Draining {
                        until: now.after(drain),
                    }
                }
            };
        }
        if matches!(self.stage, Stage::Draining { .. }) && !has_live(crew, Role::Main) {
            self.stage = Stage::DrainOver;
        }
        if matches!(self.stage, Stage::DrainOver) {
            let (stop_by, signal) = (self.stop_by, self.signal);
            crew.with_all(|container, post| {
                let order = StopOrder {
                    cause: KillCause::Stop,
                    stop_by,
                    signal,
                    waits: post.plan.role == Role::Sidecar,
                };
                container.stop(now, order, post);
            });
            self.stage = Stage::Stopping;
        }
        if matches!(self.stage, Stage::Stopping)
            && let Some(id) = next_sidecar(crew)
        {
            crew.with(id, |container, _| container.give_turn());
        }
    }

    /// After the containers have acted: whoever outlasted its grace is killed, and if no container is left, all the rest is
    /// swept away. `code` is asked for when it leaves.
    pub fn settle(
        &mut self,
        now: Time,
        emptied: bool,
        crew: &mut Crew,
        code: impl FnOnce(&Crew) -> ExitCode,
    ) {
        if matches!(self.stage, Stage::Stopping) {
            crew.note();
            let signalled = crew.touched().filter_map(|id| {
                let stopping = crew.containers()[id.0].stopping();
                stopping.and_then(Stop::is_to_be_killed_at)
            });
            self.last_kill_at = self.last_kill_at.max(signalled.max());
            let containers = crew.containers().iter();
            let mut live = containers
                .filter(|container| container.run().is_some())
                .peekable();
            if live.peek().is_none() {
                let kill_at = self
                    .last_kill_at
                    .unwrap_or(self.stop_by.max(now.after(FLOOR)));
                // The last container may have ended at the last moment; for the rest there is none.
                self.stage = Stage::Sweeping(match kill_at > now {
                    true => Sweep::new(kill_at),
                    false => Sweep::kill(now),
                });
            } else if live.all(Container::is_past_its_grace) {
                kill(crew, true);
                self.stage = Stage::Sweeping(Sweep::kill(now));
            }
        }
        if matches!(self.stage, Stage::Draining { .. } | Stage::Stopping) {
            kill_overdue(crew);
        }
        if let Stage::Sweeping(sweep) = &mut self.stage {
            let mut actions = Vec::new();
            sweep.settle(now, emptied, || code(crew), &mut actions);
            crew.desk.actions().append(&mut actions);
        }
    }

    /// Whether SIGKILL was sent to all or is about to be.
    pub fn is_killing(&self) -> bool {
        matches!(&self.stage, Stage::Sweeping(sweep) if sweep.is_killing())
    }

    /// Whether nobody is left who could get a signal.
    pub fn is_sweeping(&self) -> bool {
        matches!(self.stage, Stage::Sweeping(_))
    }

    /// Whether the last word was said.
    pub fn has_left(&self) -> bool {
        matches!(&self.stage, Stage::Sweeping(sweep) if sweep.has_left())
    }

    /// When to look again, but for the containers.
    pub fn deadline(&self) -> Option<Time> {
        match &self.stage {
            Stage::Draining { until } => Some(*until),
            Stage::Sweeping(sweep) => sweep.deadline(),
            Stage::Begun | Stage::DrainOver | Stage::Stopping => None,
        }
    }
}

fn has_live(crew: &Crew, role: Role) -> bool {
    crew.seen()
        .iter()
        .any(|seen| seen.role == role && seen.standing == Standing::Live)
}

/// The sidecar whose turn it is to be sent its signal: the last that lives, once no main container does (S113).
fn next_sidecar(crew: &Crew) -> Option<ContainerId> {
    if has_live(crew, Role::Main) {
        return None;
    }
    let is_next =
        |seen: &super::crew::Seen| seen.role == Role::Sidecar && seen.standing == Standing::Live;
    crew.seen().iter().rposition(is_next).map(ContainerId)
}

/// Kills those that are past their grace, each with its tree.
pub fn kill_overdue(crew: &mut Crew) {
    kill(crew, false);
}

/// `all`: everybody is killed anyway.
fn kill(crew: &mut Crew, all: bool) {
    crew.with_touched(|container, post| container.kill_if_overdue(all, post));
}
