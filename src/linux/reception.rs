//! Where the helper's questions and orders wait for the end of the turn, beside the memory that answers them. Only a life
//! that somebody may look at has one.
//!
//! An order becomes a fact of the turn in which it is heard; that it was heard is confirmed when the turn is over. Numbers
//! of containers and gates that there are not are dropped here: they can only come from a helper gone mad, and the
//! machine relies on its own.

use crate::machine::{Action, Command, Fact, Happening, PodStatus};
use crate::net::Link;
use crate::net::tell::{Known, tell};
use crate::net::wire::Question;
use crate::net::wire::command::Order;
use crate::plan::{ContainerId, Plan};
use crate::report::chronicle::Chronicle;
use crate::report::view::pod_of;
use crate::time::Time;

/// The reception.
pub struct Reception {
    chronicle: Chronicle,
    /// The moment of the turn.
    now: Time,
    containers: usize,
    gates: usize,
    questions: Vec<Question>,
    /// Numbers of the orders that were heard in this turn.
    orders: Vec<u32>,
}

impl Reception {
    /// Of a life that has not begun.
    pub fn new(plan: &Plan) -> Reception {
        let pod = pod_of(plan);
        Reception {
            chronicle: Chronicle::new(&pod),
            now: Time::START,
            containers: pod.containers.len(),
            gates: pod.readiness_gates.len(),
            questions: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// The facts of the turn, before the machine hears them.
    pub fn hear(&mut self, now: Time, facts: &[Fact]) {
        facts.iter().for_each(|fact| self.chronicle.hear(now, fact));
    }

    /// The orders of the machine, before they are carried out.
    pub fn act(&mut self, now: Time, actions: &[Action]) {
        self.now = now;
        actions
            .iter()
            .for_each(|action| self.chronicle.act(now, action));
    }

    /// Something that is told to people in this turn; and what whoever it happened to has said about it, if anything.
    pub fn note(&mut self, happening: &Happening, plan: &Plan, said: Option<&str>) {
        self.chronicle.note(self.now, happening, plan, said);
    }

    /// What an instance left as its termination message.
    pub fn last_words(&mut self, container: ContainerId, words: Option<&str>) {
        self.chronicle.last_words(container, words);
    }

    /// The same, where it was heard of only later.
    pub fn late_last_words(&mut self, container: ContainerId, words: Option<&str>) {
        self.chronicle.late_last_words(container, words);
    }

    /// What the helper says. Orders become facts.
    pub fn take(&mut self, questions: Vec<Question>, orders: Vec<Order>, facts: &mut Vec<Fact>) {
        self.questions.extend(questions);
        for order in orders {
            if self.exists(order.command) {
                facts.push(Fact::Commanded(order.command));
                self.orders.push(order.number);
            }
        }
    }

    fn exists(&self, command: Command) -> bool {
        match command {
            Command::Stop => true,
            Command::Restart(id) | Command::Signal(id, _) => id.0 < self.containers,
            Command::SetGate(id, _) => id.0 < self.gates,
        }
    }

    /// The helper is gone, and with it whoever had asked.
    pub fn forget(&mut self) {
        self.questions.clear();
        self.orders.clear();
    }

    /// Answers all that has come, after the turn.
    pub fn answer(&mut self, link: &Link, now: Time, status: &dyn Fn() -> PodStatus) {
        let chronicle = &self.chronicle;
        let known = Known {
            now,
            status,
            chronicle,
        };
        for question in self.questions.drain(..) {
            tell(link, question, &known);
        }
        for number in self.orders.drain(..) {
            link.confirm(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{GateId, Signal};
    use crate::report::samples;

    #[test]
    fn what_there_is_not_cannot_be_commanded() {
        let mut reception = Reception::new(&samples::plan());
        let commands = [
            Command::Restart(ContainerId(4)),
            Command::Restart(ContainerId(5)),
            Command::Signal(ContainerId(usize::MAX), Signal::TERM),
            Command::SetGate(GateId(1), true),
            Command::Stop,
        ];
        let order = |command| Order { number: 0, command };
        let mut facts = Vec::new();
        reception.take(Vec::new(), commands.map(order).into(), &mut facts);
        assert_eq!(
            facts,
            [Fact::Commanded(commands[0]), Fact::Commanded(commands[4])]
        );
    }
}
