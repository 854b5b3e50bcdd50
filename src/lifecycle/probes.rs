//! The three probes of an instance together: startup holds the others back, and what they say makes it started, ready,
//! or due to be killed (kubelet-semantics B.6, B.7, F.1).

use super::desk::Desk;
use super::leftovers::Leftovers;
use super::prober::{Addressee, Prober};
use crate::machine::{Answer, AskId, Ending, RunId, Unstartable};
use crate::plan::{Container, ContainerId, Probe, ProbeKind};
use crate::time::Time;

/// The probers of an instance whose postStart hook is done.
#[derive(Debug)]
pub struct Probes {
    startup: Option<Prober>,
    liveness: Option<Prober>,
    readiness: Option<Prober>,
    gate: Gate,
}

/// Whether liveness and readiness are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Nothing has been asked yet.
    New,
    /// Startup is being asked (S5).
    Startup,
    /// The container has started up.
    Open,
    /// It is being stopped: nobody acts on liveness and startup any more, readiness goes on if it had begun (S17, S29).
    Closed,
}

impl Probes {
    /// The probers of this container.
    pub fn new(plan: &Container) -> Probes {
        let prober = |probe: &Option<Probe>, kind| probe.as_ref().map(|_| Prober::new(kind));
        Probes {
            startup: prober(&plan.startup_probe, ProbeKind::Startup),
            liveness: prober(&plan.liveness_probe, ProbeKind::Liveness),
            readiness: prober(&plan.readiness_probe, ProbeKind::Readiness),
            gate: Gate::New,
        }
    }

    /// S3, S4: without a startup probe it has started up as soon as it runs.
    pub fn started(&self) -> bool {
        verdict(&self.startup) == Some(true)
    }

    /// Started up, and the readiness probe, if there is one, says so (S2, S31).
    pub fn ready(&self) -> bool {
        self.started() && verdict(&self.readiness) == Some(true)
    }

    /// What liveness has said last.
    pub fn live(&self) -> bool {
        verdict(&self.liveness) == Some(true)
    }

    /// The probe for which the instance is to be killed. The kubelet looks at liveness first.
    pub fn condemns(&self) -> Option<ProbeKind> {
        let failed = |prober| verdict(prober) == Some(false);
        if failed(&self.liveness) {
            Some(ProbeKind::Liveness)
        } else {
            failed(&self.startup).then_some(ProbeKind::Startup)
        }
    }

    /// The instance is being stopped, or its pod.
    pub fn retire(&mut self, leftovers: &mut Leftovers) {
        self.gate = Gate::Closed;
        for prober in self.startup.iter_mut().chain(&mut self.liveness) {
            prober.shut(leftovers);
        }
    }

    /// Nothing is asked any more; what was said last stands.
    pub fn cease(&mut self, leftovers: &mut Leftovers) {
        self.gate = Gate::Closed;
        self.each(|prober| prober.shut(leftovers));
    }

    /// The instance is gone.
    pub fn over(mut self, leftovers: &mut Leftovers) {
        self.cease(leftovers);
    }

    /// A run has ended, or never was if there is a reason for that.
    pub fn end(&mut self, post: &mut Post, run: RunId, how: Result<Ending, Unstartable>) {
        self.each_to(post, |prober, to| prober.end(to, run, how));
    }

    /// An ask was answered.
    pub fn answer(&mut self, post: &mut Post, ask: AskId, answer: Answer) {
        self.each_to(post, |prober, to| prober.answer(to, ask, answer));
    }

    /// What has taken too long.
    pub fn lapse(&mut self, now: Time, post: &mut Post, leftovers: &mut Leftovers) {
        self.each_to(post, |prober, to| prober.lapse(now, to, leftovers));
    }

    /// Opens what has become due to be asked, and asks. The instance runs since `since`.
    pub fn settle(&mut self, now: Time, since: Time, post: &mut Post, leftovers: &Leftovers) {
        if self.gate == Gate::New {
            self.gate = Gate::Startup;
            let startup = self.startup.as_mut().zip(post.plan.startup_probe.as_ref());
            if let Some((prober, probe)) = startup {
                prober.open(probe, since, now);
            }
        }
        if self.gate == Gate::Startup && self.started() {
            self.gate = Gate::Open;
            self.open(now, since, post.plan);
        }
        self.each_to(post, |prober, to| prober.settle(now, to, leftovers));
    }

    /// S8: after the startup probe liveness waits for its next tick; S25: readiness does not.
    fn open(&mut self, now: Time, since: Time, plan: &Container) {
        let from = match self.startup {
            Some(_) => Time::from_nanos(now.as_nanos().saturating_add(1)),
            None => now,
        };
        if let Some((prober, probe)) = self.liveness.as_mut().zip(plan.liveness_probe.as_ref()) {
            prober.open(probe, since, from);
        }
        if let Some((prober, probe)) = self.readiness.as_mut().zip(plan.readiness_probe.as_ref()) {
            prober.trigger(probe, since, now);
        }
    }

    /// Whether one of them is due and found no seat.
    pub fn is_held_up(&self) -> bool {
        self.all().any(Prober::is_held_up)
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Time> {
        self.all().filter_map(Prober::deadline).min()
    }

    fn all(&self) -> impl Iterator<Item = &Prober> {
        let probers = [&self.startup, &self.liveness, &self.readiness];
        probers.into_iter().flatten()
    }

    fn each(&mut self, mut act: impl FnMut(&mut Prober)) {
        let probers = [&mut self.startup, &mut self.liveness, &mut self.readiness];
        probers.into_iter().flatten().for_each(&mut act);
    }

    fn each_to(&mut self, post: &mut Post, mut act: impl FnMut(&mut Prober, &mut Addressee)) {
        let plan = post.plan;
        for (prober, probe) in [
            (&mut self.startup, &plan.startup_probe),
            (&mut self.liveness, &plan.liveness_probe),
            (&mut self.readiness, &plan.readiness_probe),
        ] {
            if let (Some(prober), Some(probe)) = (prober, probe) {
                let (id, desk) = (post.id, &mut *post.desk);
                act(prober, &mut Addressee { id, probe, desk });
            }
        }
    }
}

/// What a prober thinks; a probe that there is not has passed.
fn verdict(prober: &Option<Prober>) -> Option<bool> {
    prober.as_ref().map_or(Some(true), Prober::published)
}

/// The post of a container: who it is, what was asked for, and where it gives its orders.
#[derive(Debug)]
pub struct Post<'a> {
    /// Who it is.
    pub id: ContainerId,
    /// What was asked for.
    pub plan: &'a Container,
    /// Where orders are given.
    pub desk: &'a mut Desk,
}

#[cfg(test)]
mod tests;
