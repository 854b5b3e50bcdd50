//! Who plays what in a pod's story: programs by their tempers, probes by a script of verdicts.
//!
//! A script is read attempt by attempt: `S` success, `W` a warning, `F` failure, `?` an attempt that cannot be carried
//! out, `-` one that is never answered, `!` one of which the helper never tells. Its last letter stands for all that follow.

use crate::story::s;
use crate::temper::{Reply, Temper, cannot_start, exits, runs};
use monopod::machine::{Outcome, Stage};
use monopod::plan::{Handler, Probe};
use monopod::time::Time;
use std::time::Duration;

/// How a program behaves at each of its starts; the last temper stands for all that follow.
pub struct Play(Vec<Temper>);

impl Play {
    /// Its temper at the nth start, counted from 0.
    pub fn nth(&mut self, nth: u32) -> Temper {
        self.0[(nth as usize).min(self.0.len() - 1)].clone()
    }
}

impl From<Temper> for Play {
    fn from(temper: Temper) -> Play {
        Play(vec![temper])
    }
}

impl<const N: usize> From<[Temper; N]> for Play {
    fn from(tempers: [Temper; N]) -> Play {
        Play(tempers.to_vec())
    }
}

/// What becomes of each asking of a check.
pub struct Asks {
    script: Vec<char>,
    takes: Duration,
    /// Failures until then, successes afterwards, whatever the script.
    healthy_from: Option<Time>,
}

impl Asks {
    /// What becomes of the nth asking, counted from 0.
    pub fn nth(&mut self, nth: u32, now: Time) -> Reply {
        let letter = self.script[(nth as usize).min(self.script.len() - 1)];
        let outcome = match (letter, self.healthy_from) {
            (_, Some(from)) if from <= now => Outcome::Success,
            (_, Some(_)) | ('F', None) => Outcome::Failure,
            ('S', None) => Outcome::Success,
            ('W', None) => Outcome::Warning,
            ('?', None) => Outcome::Unknown,
            ('-', None) => return Reply::new(Outcome::Unknown, None),
            ('!', None) => {
                let lost = Reply::new(Outcome::Unknown, None);
                return Reply { lost: true, ..lost };
            }
            (other, None) => panic!("no script has a {other}"),
        };
        Reply::new(outcome, Some(self.takes))
    }
}

/// A question whose answers go by this script.
pub fn asks(script: &str) -> Asks {
    Asks {
        script: script.chars().collect(),
        takes: Duration::ZERO,
        healthy_from: None,
    }
}

/// How a probe asks.
pub enum How {
    /// Over the network.
    Ask(Asks),
    /// By a program.
    Exec(Play),
    /// Not at all.
    Unresolvable,
}

/// A probe in a story: the API's defaults, and how it goes.
#[must_use]
pub struct Script {
    /// How it asks.
    pub handler: How,
    /// All but the handler.
    pub numbers: Probe,
}

/// A network probe that goes so, each attempt being answered at once.
pub fn goes(script: &str) -> Script {
    by(How::Ask(asks(script)))
}

/// A network probe that fails until this second and succeeds from then on.
pub fn healthy_from(seconds: u64) -> Script {
    let mut asks = asks("F");
    asks.healthy_from = Some(Time::START.after(s(seconds)));
    by(How::Ask(asks))
}

/// An exec probe that goes so.
pub fn execs(script: &str) -> Script {
    let temper = |letter| match letter {
        'S' => exits(Duration::ZERO, 0),
        'F' => exits(Duration::ZERO, 1),
        // As a shell says of a program that was killed.
        'K' => exits(Duration::ZERO, 137),
        '-' => runs().unmoved(),
        '?' => cannot_start(Stage::Exec, libc::ENOENT),
        other => panic!("no script has a {other}"),
    };
    by(How::Exec(Play(script.chars().map(temper).collect())))
}

/// A probe of a port that the container does not have.
pub fn unresolvable() -> Script {
    by(How::Unresolvable)
}

fn by(handler: How) -> Script {
    Script {
        handler,
        numbers: Probe::bare(Handler::Unresolvable),
    }
}

impl Script {
    /// initialDelaySeconds
    pub fn delay(mut self, seconds: u64) -> Script {
        self.numbers.initial_delay = s(seconds);
        self
    }

    /// timeoutSeconds
    pub fn timeout(mut self, seconds: u64) -> Script {
        self.numbers.timeout = s(seconds);
        self
    }

    /// periodSeconds
    pub fn period(mut self, seconds: u64) -> Script {
        self.numbers.period = s(seconds);
        self
    }

    /// successThreshold
    pub fn successes(mut self, threshold: u32) -> Script {
        self.numbers.success_threshold = threshold;
        self
    }

    /// failureThreshold
    pub fn failures(mut self, threshold: u32) -> Script {
        self.numbers.failure_threshold = threshold;
        self
    }

    /// terminationGracePeriodSeconds
    pub fn grace(mut self, seconds: u64) -> Script {
        self.numbers.grace = Some(s(seconds));
        self
    }

    /// Each answer takes so many seconds.
    pub fn taking(mut self, seconds: u64) -> Script {
        if let How::Ask(asks) = &mut self.handler {
            asks.takes = s(seconds);
        }
        self
    }
}
