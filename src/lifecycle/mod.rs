//! The life of a pod as a kubelet would lead it: init containers, sidecars, main containers, their probes and hooks, the
//! stop, the sweep.
//!
//! Hear, lapse, settle: [`Pod`] hands each fact to its owner, lets deadlines lapse, and settles once. It does no I/O,
//! reads no clock and cannot fail. An `if` about policy that grows here wants a file of its own.
//!
//! From the inside out: `prober` and `hook` ask, `probes`, `stopping` and `instance` are one run of a container,
//! `container` is all its runs, `crew` all containers; `order`, `anew` and `ending` put them in order, and `verdict` says
//! what is to be thought of it all.
//!
//! What surprised us: an init container that exits 0 after it was asked to stop must not let the next one start, and a
//! stop that comes before anything was started has nothing to wait for.

mod aftermath;
mod anew;
mod attendant;
mod backoff;
mod container;
mod crew;
mod desk;
mod ending;
mod hook;
mod instance;
mod leftovers;
mod order;
mod prober;
mod probes;
mod restart;
mod seats;
mod signals;
mod stopping;
mod sweep;
mod verdict;

#[cfg(test)]
mod tests;

pub use aftermath::Aftermath;
pub use stopping::FLOOR;

use crate::machine::{
    Action, Command, Fact, Happening, KillCause, Machine, PodStatus, Sender, SignalSet,
    StandingOrder,
};
use crate::plan::{self, ContainerId, Plan, Role, Signal, Target};
use crate::time::Time;
use anew::Anew;
use attendant::Attendant;
use container::Standing;
use crew::Crew;
use ending::Ending;
use instance::StopOrder;
use order::Order;
use signals::Signals;
use verdict::Verdict;

/// The machine for a pod.
#[derive(Debug)]
pub struct Pod {
    crew: Crew,
    order: Order,
    anew: Option<Anew>,
    ending: Option<Ending>,
    verdict: Verdict,
    attendant: Attendant,
    signals: Signals,
    /// What does not ask for the stop.
    handed_on: SignalSet,
    /// Containers that somebody wants restarted, until the turn settles.
    to_restart: Vec<ContainerId>,
    deadline: Option<Time>,
    /// A turn was settled before.
    has_settled: bool,
}

impl Pod {
    /// A life that has not begun.
    pub fn new(plan: &Plan, pod: &plan::Pod) -> Pod {
        Pod {
            crew: Crew::new(pod),
            order: Order::default(),
            anew: None,
            ending: None,
            verdict: Verdict::new(pod.readiness_gates.len()),
            attendant: Attendant::new(plan.is_served() || !plan.checks.is_empty()),
            signals: Signals::default(),
            handed_on: Signal::forwardable()
                .filter(|signal| !pod.stop_on.contains(signal))
                .collect(),
            to_restart: Vec::new(),
            deadline: pod.active_deadline.map(|span| Time::START.after(span)),
            has_settled: false,
        }
    }

    fn hear(&mut self, now: Time, fact: Fact) {
        let asked = self.ending.is_some();
        match fact {
            Fact::Started(run) => self.crew.hear_started(now, run),
            Fact::Unstartable(run, why) => self.crew.hear_over(now, run, Err(why), asked),
            Fact::Ended(run, ending) => self.crew.hear_over(now, run, Ok(ending), asked),
            Fact::OrphanReaped { pid, ending } => {
                let orphan = Happening::OrphanReaped(pid, ending, false);
                self.crew.desk.say(orphan);
            }
            Fact::Signalled(signal, sender) => self.hear_signal(now, signal, sender),
            // SIGKILL to all was meant for the helper too.
            Fact::HelperLost | Fact::HelperUnstartable(_) if self.is_killing() => {}
            Fact::HelperLost | Fact::HelperUnstartable(_) => {
                self.attendant.hear(now, fact, self.crew.desk.actions());
                self.crew.hear_helper_lost(matches!(fact, Fact::HelperLost));
            }
            Fact::Answered(ask, answer) => self.crew.hear_answer(ask, answer),
            Fact::Commanded(command) => self.hear_command(now, command),
            // Looked at when the turn settles.
            Fact::Emptied => {}
        }
    }

    fn hear_signal(&mut self, now: Time, signal: Signal, sender: Sender) {
        // The terminal scolds whoever touches it from the background; that is about us, not about the containers.
        if sender == Sender::Kernel && matches!(signal, Signal::TTIN | Signal::TTOU) {
            return;
        }
        // Only the first ask is an ask; what comes after it is handed on, not invented on.
        if self.ending.is_some() || !self.crew.plan().stop_on.contains(&signal) {
            return self.signals.hand_on(signal);
        }
        self.crew.desk.say(Happening::StopAsked(signal));
        self.hear_ask(now, signal);
    }

    fn hear_ask(&mut self, now: Time, signal: Signal) {
        self.signals.ask();
        self.verdict.hear_ask(signal);
        self.begin_ending(now, signal);
    }

    fn hear_command(&mut self, now: Time, command: Command) {
        match command {
            Command::SetGate(gate, holds) => self.verdict.set_gate(gate, holds),
            Command::Restart(id) => self.to_restart.push(id),
            Command::Signal(id, signal) => self.signals.send_to(id, signal),
            Command::Stop if self.ending.is_some() => {}
            Command::Stop => {
                self.crew.desk.say(Happening::StopCommanded);
                self.hear_ask(now, Signal::TERM);
            }
        }
    }

    fn begin_ending(&mut self, now: Time, signal: Signal) {
        self.ending = Some(Ending::new(now, signal, &self.crew));
        self.anew = None;
    }

    fn lapse(&mut self, now: Time) {
        self.attendant.lapse(now);
        self.crew.lapse(now);
        if let Some(ending) = &mut self.ending {
            ending.lapse(now);
        }
    }

    /// Whether these facts, which were heard, leave everything as it is: then there is nothing to lapse and nothing to
    /// settle, only signals to hand on. It is what most turns of a quiet pod are about, and the only ones in a hurry.
    fn is_unmoved_by(&self, now: Time, facts: &[Fact]) -> bool {
        let moves = |fact: &Fact| !matches!(fact, Fact::Signalled(..) | Fact::OrphanReaped { .. });
        self.has_settled
            && self.ending.is_none()
            && self.anew.is_none()
            && !facts.iter().any(moves)
            && self.deadline().is_none_or(|at| now < at)
    }

    fn settle(&mut self, now: Time, emptied: bool) {
        self.has_settled = true;
        self.settle_helper(now);
        self.settle_course(now);
        self.signals.settle_before_stop(&mut self.crew);
        if let Some(ending) = &mut self.ending {
            ending.order_stops(now, &mut self.crew);
        }
        let (goes_on, grace) = (self.ending.is_none(), self.crew.plan().grace);
        self.crew
            .with_touched(|container, post| container.settle(now, goes_on, grace, post));
        if goes_on {
            ending::kill_overdue(&mut self.crew);
        }
        if goes_on && self.anew.is_none() {
            self.order.settle(now, &mut self.crew);
        }
        let anybody = self
            .ending
            .as_ref()
            .is_none_or(|ending| !ending.is_sweeping());
        self.signals.settle(anybody, &mut self.crew);
        self.crew.tell();
        if let Some(ending) = &mut self.ending {
            let verdict = &self.verdict;
            ending.settle(now, emptied, &mut self.crew, |crew| verdict.exit_code(crew));
        }
        self.crew.turn_over();
        let since = self.ending.as_ref().map(Ending::since);
        let anew = self.anew.is_some();
        self.verdict
            .settle(now, &self.crew, &self.order, anew, since);
    }

    fn settle_helper(&mut self, now: Time) {
        if !self.is_killing() && self.attendant.settle(now, self.crew.desk.actions()) {
            self.crew.hear_helper();
        }
        self.crew.desk.set_helper_is_up(self.attendant.is_up());
    }

    /// What the turn means for the pod's course: it goes on, begins anew, or comes to its end.
    fn settle_course(&mut self, now: Time) {
        let (init_failed, all_anew) = self.crew.judge(now, self.ending.is_none());
        let to_restart = std::mem::take(&mut self.to_restart);
        if self.ending.is_some() {
            return;
        }
        if let Some(id) = init_failed {
            self.verdict.hear_init_failed(id);
            return self.begin_ending(now, Signal::TERM);
        }
        if let Some(by) = all_anew.filter(|_| self.anew.is_none()) {
            self.anew = Some(Anew::begin(now, by, &mut self.crew));
        }
        to_restart.into_iter().for_each(|id| self.restart(now, id));
        self.crew.note();
        self.anew = self
            .anew
            .take()
            .filter(|anew| !anew.is_over(&mut self.crew, &mut self.order));
        if self.anew.is_none() && self.mains_are_over() {
            self.begin_ending(now, Signal::TERM);
        } else if self.deadline.is_some_and(|at| at <= now) {
            self.crew.desk.say(Happening::DeadlineExceeded);
            self.verdict.hear_deadline();
            self.begin_ending(now, Signal::TERM);
        }
    }

    /// Stops a container in order and starts it again; one that rests or is over is started at once. What has done its
    /// work for good, an init container, is left alone.
    fn restart(&mut self, now: Time, id: ContainerId) {
        let order = StopOrder {
            cause: KillCause::Commanded,
            stop_by: now.after(self.crew.plan().grace),
            signal: Signal::TERM,
            waits: false,
        };
        self.crew.with(id, |container, post| {
            container.stop(now, order, post);
            if post.plan.role != Role::Init || container.standing() == Standing::Between {
                container.start_afresh();
            }
        });
    }

    /// S155, F.2: main containers are what a pod is for.
    fn mains_are_over(&self) -> bool {
        let mut mains = self
            .crew
            .seen()
            .iter()
            .filter(|seen| seen.role == Role::Main);
        mains.all(|seen| matches!(seen.standing, Standing::Done | Standing::Failed))
    }

    fn is_killing(&self) -> bool {
        self.ending.as_ref().is_some_and(Ending::is_killing)
    }
}

impl Machine for Pod {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        if self.ending.as_ref().is_some_and(Ending::has_left) {
            return;
        }
        for fact in facts {
            self.hear(now, *fact);
        }
        if self.is_unmoved_by(now, facts) {
            self.signals.settle(true, &mut self.crew);
        } else {
            self.lapse(now);
            self.settle(now, facts.contains(&Fact::Emptied));
        }
        self.crew.desk.hand_over(actions);
    }

    /// While nothing but one main container is to get them. Of several, each gets its own in a turn.
    fn standing_order(&self) -> Option<StandingOrder> {
        let run = self.crew.only_run(Role::Main)?;
        let goes_on = self.ending.is_none() && self.anew.is_none();
        goes_on.then_some(StandingOrder {
            run,
            target: Target::Process,
            signals: self.handed_on,
        })
    }

    fn deadline(&self) -> Option<Time> {
        let ending = match &self.ending {
            Some(ending) => ending.deadline(),
            None => self.deadline,
        };
        let goes_on = self.ending.is_none() && self.anew.is_none();
        let starts = match goes_on && self.order.is_held_up() {
            true => self.crew.desk.seats.next_turn(),
            false => None,
        };
        let others = Time::first(self.crew.deadline(), self.attendant.deadline());
        Time::first(Time::first(ending, starts), others)
    }

    fn status(&self) -> PodStatus {
        let since = self.ending.as_ref().map(Ending::since);
        self.verdict.status(&self.crew, since)
    }
}
