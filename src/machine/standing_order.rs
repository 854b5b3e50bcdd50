//! The standing order: what the machine has decided about signals that have not come yet, so that the hands need not ask.
//!
//! It must cover nothing of which the machine has to hear: a step that is told of such a signal, and of nothing else while
//! nothing is due, orders that one strike, and nothing about the machine is another afterwards.
//!
//! What surprised us: a turn of the loop is a thousand instructions, which is nothing, but they lie in a hundred cache
//! lines that are cold whenever a signal wakes PID 1 up. They made a forwarded signal a fifth slower, even those behind the
//! kill: who is woken up by it gets PID 1's processor when PID 1 sleeps.

use super::RunId;
use crate::plan::{Signal, Target};

/// Signals that go to this run as they are, should one of them be the next thing that happens and be sent by a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandingOrder {
    /// Who gets them.
    pub run: RunId,
    /// How far around it.
    pub target: Target,
    /// Which ones.
    pub signals: SignalSet,
}

/// Some of the 64 signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// Whether this one is among them.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal) != 0
    }
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> SignalSet {
        SignalSet(signals.into_iter().map(bit).fold(0, std::ops::BitOr::bitor))
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let last = Signal::forwardable().last().expect("there are some");
        assert_eq!(last.number(), 64);
        let set = SignalSet::from_iter([Signal::HUP, last]);
        for signal in Signal::forwardable() {
            let is_in = [Signal::HUP, last].contains(&signal);
            assert_eq!(set.contains(signal), is_in, "{signal}");
        }
    }
}
