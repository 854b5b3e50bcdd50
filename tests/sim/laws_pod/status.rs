//! What is shown: flags, states, phase and conditions, compared with the books (kubelet-semantics F).

use super::PodLaws;
use super::book::{Book, Next};
use crate::laws::{Turn, Verdict, law};
use monopod::machine::{Condition, ContainerState, Phase, PodStatus, WaitingReason};
use monopod::plan::Role;
use monopod::time::Time;

/// What was shown before.
#[derive(Default)]
pub struct Seen {
    last: Option<PodStatus>,
}

impl Seen {
    /// A phase only moves forward, and a condition's time only with its status.
    pub fn check(&mut self, turn: &Turn, went_back: bool) -> Verdict {
        let rank = |phase: Phase| match phase {
            Phase::Pending => 0,
            Phase::Running => 1,
            Phase::Succeeded | Phase::Failed => 2,
        };
        if let Some(last) = &self.last {
            let (before, after) = (last.phase, turn.status.phase);
            let forward = rank(before) < rank(after) || before == after;
            let back = went_back && before == Phase::Running && after == Phase::Pending;
            law(forward || back, "the phase only moves forward", || {
                format!("{before:?} became {after:?}")
            })?;
            for (place, (before, after)) in last
                .conditions
                .iter()
                .zip(&turn.status.conditions)
                .enumerate()
            {
                check_times(before, after, turn.now)
                    .map_err(|broken| format!("{broken} (condition {place})"))?;
            }
        }
        self.last = Some(turn.status.clone());
        Ok(())
    }
}

fn check_times(before: &Condition, after: &Condition, now: Time) -> Verdict {
    let expected = if before.holds == after.holds {
        before.since
    } else {
        now
    };
    law(
        after.since == expected,
        "a condition's time changes only with its status",
        || format!("{before:?} became {after:?}"),
    )
}

impl PodLaws {
    /// What is shown is what the books say.
    pub fn check_status(&self, turn: &Turn) -> Verdict {
        for (place, book) in self.books.iter().enumerate() {
            // A postStart hook that ends as a stop begins may have been heard or not.
            let killed = book.live().is_some_and(|instance| instance.kill.is_some());
            // And what the probes of a container say that was sent SIGKILL is nobody's business.
            let dying = book
                .live()
                .is_some_and(|instance| instance.killed.is_some());
            if (self.stop.is_some() || killed) && book.plan.post_start.is_some() || dying {
                continue;
            }
            self.check_container(turn, place, book).map_err(|broken| {
                format!(
                    "{broken}: container {place} shows {:?}\n{turn:?}",
                    turn.status.containers[place]
                )
            })?;
        }
        law(
            turn.status.gates == self.gates,
            "gates are as they were set",
            || format!("{:?}", turn.status.gates),
        )?;
        self.check_phase(turn)?;
        self.check_conditions(turn)
    }

    fn check_container(&self, turn: &Turn, place: usize, book: &Book) -> Verdict {
        let shown = &turn.status.containers[place];
        let words = || "the books disagree".into();
        law(shown.started == book.is_started(), "started (F.1)", words)?;
        law(shown.ready == book.is_ready(), "ready (F.1)", words)?;
        let restarts = book.starts.saturating_sub(1);
        law(shown.restarts == restarts, "restartCount", || {
            format!("{restarts} in the books")
        })?;
        let instance = book.instance.as_ref();
        let running = instance
            .filter(|instance| instance.is_running())
            .and_then(|instance| instance.ran);
        let right = match shown.state {
            ContainerState::Running(since) => running == Some(since),
            ContainerState::Waiting(WaitingReason::CrashLoopBackOff(rest)) => match book.next {
                Next::Again(_, until, expected) => {
                    (rest == expected || book.unsure) && until > turn.now
                }
                _ => book.not_after > turn.now,
            },
            ContainerState::Waiting(_) => running.is_none(),
            ContainerState::Terminated(termination) => instance
                .and_then(|instance| instance.over)
                .is_some_and(|(at, ending)| {
                    termination.finished_at == at && termination.ending == ending
                }),
        };
        law(right, "the state is the container's", || {
            format!("{:?} in the books, running since {running:?}", book.next)
        })?;
        let waits =
            matches!(book.next, Next::Again(_, until, rest) if until > turn.now && !rest.is_zero());
        let says_so = matches!(shown.state, ContainerState::Waiting(_));
        law(
            !waits || says_so || self.stop.is_some(),
            "a container in back-off waits",
            || "it does not say so".into(),
        )
    }

    /// F.2, and D.8 for a pod that was stopped.
    fn check_phase(&self, turn: &Turn) -> Verdict {
        let of = |role: Role| self.books.iter().filter(move |book| book.plan.role == role);
        let any_live = self.books.iter().any(|book| book.live().is_some());
        let good = |book: &Book| matches!(book.next, Next::Done(Some(end)) if end.is_success());
        let expected: &[Phase] = if self.stop.is_some() && !any_live {
            match of(Role::Main).all(good) && !self.failed_as_a_whole() {
                true => &[Phase::Succeeded],
                false => &[Phase::Failed],
            }
        } else if self.ever_anew || self.stop.is_some() {
            &[
                Phase::Pending,
                Phase::Running,
                Phase::Succeeded,
                Phase::Failed,
            ]
        } else if of(Role::Main).all(|book| book.ever_up) {
            &[Phase::Running]
        } else {
            &[Phase::Pending]
        };
        law(
            expected.contains(&turn.status.phase),
            "the phase (F.2)",
            || format!("{:?}, expected {expected:?}\n{turn:?}", turn.status.phase),
        )
    }

    fn failed_as_a_whole(&self) -> bool {
        let cause = self.stop.as_ref().map(|stop| stop.cause);
        matches!(
            cause,
            Some(super::stop::Cause::Deadline | super::stop::Cause::InitFailed)
        )
    }

    fn check_conditions(&self, turn: &Turn) -> Verdict {
        let hooked = self.books.iter().any(|book| book.plan.post_start.is_some());
        let dying = |book: &Book| {
            book.live()
                .is_some_and(|instance| instance.killed.is_some())
        };
        if self.books.iter().any(dying) {
            return Ok(());
        }
        if hooked
            && (self.stop.is_some()
                || self
                    .books
                    .iter()
                    .any(|b| b.live().is_some_and(|i| i.kill.is_some())))
        {
            return Ok(());
        }
        let [_, _, initialized, containers_ready, ready, _] = turn.status.conditions;
        let serving = || {
            self.books
                .iter()
                .filter(|book| book.plan.role != Role::Init)
        };
        let done = |book: &Book| match book.plan.role {
            Role::Init => book.is_ready(),
            Role::Sidecar => book.is_started(),
            Role::Main => true,
        };
        let ever = self
            .books
            .iter()
            .any(|book| book.plan.role == Role::Main && book.ever_up);
        let begun = self
            .books
            .iter()
            .any(|book| book.plan.role == Role::Main && book.starts > 0);
        let all_done = self.books.iter().all(done);
        let loose = begun || self.ever_anew || self.stop.is_some();
        let right = initialized.holds == (ever || all_done) || loose;
        law(right, "Initialized (F.3)", || {
            format!("{initialized:?}\n{turn:?}")
        })?;
        let over = matches!(turn.status.phase, Phase::Succeeded | Phase::Failed);
        let expected = !over && serving().all(Book::is_ready);
        law(
            containers_ready.holds == expected,
            "ContainersReady (F.3)",
            || format!("{containers_ready:?}\n{turn:?}"),
        )?;
        let open = self.gates.iter().all(|gate| *gate == Some(true));
        law(ready.holds == (expected && open), "Ready (F.3)", || {
            format!("{ready:?}\n{turn:?}")
        })
    }
}
