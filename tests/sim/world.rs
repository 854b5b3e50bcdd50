//! A machine in the pretend world: turns are gathered, the machine is asked, the laws look on, the kernel obeys.
//!
//! What surprised us: `Emptied` may only be told when every end that led to it has been told, so a turn that holds
//! facts back for the next one must hold it back too.

use crate::kernel::{Event, Kernel};
use crate::laws::{Laws, Turn};
use crate::rng::Rng;
use crate::timeline::Timeline;
use monopod::lifecycle::Aftermath;
use monopod::machine::{Action, Ending, Fact, Machine, PodStatus, Sender};
use monopod::plan::{ExitCode, Signal};
use monopod::time::Time;
use std::time::Duration;

/// How a life went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The machine said Leave.
    Left,
    /// Nothing will ever happen again.
    Asleep,
    /// The time that was given was over.
    Unfinished,
}

/// A world with one machine in it.
pub struct World {
    machine: Box<dyn Machine>,
    kernel: Kernel,
    order: Option<Rng>,
    now: Time,
    held_back: Vec<Fact>,
    laws: Laws,
    /// Every turn in which the machine did something, if asked for.
    pub diary: Option<Vec<(Time, Vec<Action>)>>,
    /// Every change of what can be seen of the pod, if asked for.
    pub seen: Option<Vec<(Time, PodStatus)>>,
    /// The story as text, if asked for.
    pub timeline: Option<Timeline>,
    /// Turns so far.
    pub turns: u64,
}

impl World {
    /// A world before its first turn. `order`: shuffles the facts of each turn.
    pub fn new(machine: Box<dyn Machine>, kernel: Kernel, laws: Laws, order: Option<Rng>) -> World {
        World {
            laws,
            machine,
            kernel,
            order,
            now: Time::START,
            held_back: Vec::new(),
            diary: None,
            seen: None,
            timeline: None,
            turns: 0,
        }
    }

    /// Which happenings were said, as a bit set over [`crate::timeline::happening_number`].
    pub fn said(&self) -> u64 {
        self.laws.said()
    }

    /// The kernel, to put something in store or to see what befell whom.
    pub fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// Lives until the machine leaves, nothing can happen any more, or it is `until`.
    ///
    /// # Errors
    ///
    /// The first law that was broken, in words.
    pub fn live(&mut self, until: Time) -> Result<Outcome, String> {
        self.turn(Time::START)?;
        loop {
            if self.laws.has_left() {
                return Ok(Outcome::Left);
            }
            let deadline = self.machine.deadline();
            let at_once = !self.held_back.is_empty();
            let Some(next) = self.kernel.next_wake(deadline, at_once) else {
                self.laws.asleep_for_ever()?;
                return Ok(Outcome::Asleep);
            };
            if next > until {
                return Ok(Outcome::Unfinished);
            }
            self.turn(next)?;
        }
    }

    fn turn(&mut self, now: Time) -> Result<(), String> {
        self.now = now;
        self.turns += 1;
        let facts = self.gather();
        if let Some(timeline) = &mut self.timeline {
            timeline.facts(now, &facts);
        }
        let is_due = self.machine.deadline().is_some_and(|at| at <= now);
        let standing = self.machine.standing_order().filter(|_| !is_due);
        let actions = self.machine.step(now, &facts);
        let turn = Turn {
            now,
            facts: &facts,
            actions: &actions,
            standing,
            deadline: self.machine.deadline(),
            status: self.machine.status(),
        };
        if let Some(timeline) = &mut self.timeline {
            timeline.actions(now, &actions, &turn.status);
        }
        let verdict = self.laws.check(&turn);
        if let Some(seen) = &mut self.seen
            && seen.last().is_none_or(|(_, last)| *last != turn.status)
        {
            seen.push((now, turn.status));
        }
        verdict?;
        for action in &actions {
            self.kernel.perform(action)?;
        }
        if let Some(diary) = self.diary.as_mut().filter(|_| !actions.is_empty()) {
            diary.push((now, actions));
        }
        Ok(())
    }

    /// Tells the machine some facts more, as if it had not left, and gives back what it did.
    pub fn poke(&mut self) -> Vec<Action> {
        let orphan = Ending::Exited(ExitCode::SUCCESS);
        let facts = [
            Fact::OrphanReaped {
                pid: 1,
                ending: orphan,
            },
            Fact::Signalled(Signal::TERM, Sender::Process(0)),
            Fact::HelperLost,
            Fact::Emptied,
        ];
        let later = self.now.after(Duration::from_secs(1));
        self.machine.step(later, &facts)
    }

    fn gather(&mut self) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut self.held_back);
        let fresh = facts.is_empty();
        for event in self.kernel.happen(self.now, &mut facts) {
            if let Event::Panic(grace, code) = event {
                self.machine = Box::new(Aftermath::new(grace, code));
                self.laws.panicked(self.now, grace, code);
            }
        }
        let Kernel { whims, habits, .. } = &mut self.kernel;
        if fresh && facts.len() > 1 && whims.percent(habits.chops) {
            let kept = 1 + whims.below(facts.len() as u64 - 1) as usize;
            self.held_back = facts.split_off(kept);
        }
        if self.held_back.is_empty() && self.kernel.is_empty() {
            facts.push(Fact::Emptied);
        }
        if let Some(order) = &mut self.order {
            shuffle(&mut facts, order);
        }
        facts
    }
}

/// Any order but for what the hands guarantee: signals and commands as they came, a run's start before its end, no
/// answer after the loss of the helper.
fn shuffle(facts: &mut [Fact], order: &mut Rng) {
    let orders: Vec<Fact> = facts.iter().copied().filter(is_order).collect();
    order.shuffle(facts);
    let places = facts.iter_mut().filter(|fact| is_order(fact));
    for (place, order) in places.zip(orders) {
        *place = order;
    }
    for end in 0..facts.len() {
        let later = match facts[end] {
            Fact::Ended(run, _) => facts.iter().rposition(|fact| *fact == Fact::Started(run)),
            Fact::HelperLost => facts.iter().rposition(|f| matches!(f, Fact::Answered(..))),
            _ => None,
        };
        if let Some(later) = later.filter(|later| *later > end) {
            facts.swap(later, end);
        }
    }
}

fn is_order(fact: &Fact) -> bool {
    matches!(fact, Fact::Signalled(..) | Fact::Commanded(_))
}
