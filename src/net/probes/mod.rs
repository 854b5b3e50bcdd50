//! The helper's clients: http, https, tcp and grpc checks, many at a time, beside the server in the helper's one loop.
//!
//! Attempts are machines that never block. There are at most [`ATTEMPTS`] at a time, the rest waits its turn, and its own
//! time does not run before that. All that a peer sends is bounded, so a container that lies about its health can make
//! its own probes fail and nothing else.
//!
//! Proxies are never used: no environment is read here (S60). Every attempt is a connection of its own (S61).
//!
//! | file | for | pure |
//! |---|---|---|
//! | `attempt` | find, connect, talk, judge, under one deadline | |
//! | `channel`, `tls` | bytes, in the clear or not | |
//! | `names` | `/etc/hosts` and DNS | |
//! | `dns` | DNS messages | yes |
//! | `http`, `request`, `url`, `response`, `body` | httpGet | yes |
//! | `grpc`, `frames` | grpc | yes |

mod attempt;
mod body;
mod channel;
mod dns;
mod frames;
mod grpc;
mod http;
mod names;
mod request;
mod response;
#[cfg(feature = "https")]
mod tls;
#[cfg(not(feature = "https"))]
#[path = "tls_absent.rs"]
mod tls;
mod url;

#[cfg(test)]
pub mod tests;

use crate::machine::{Answer, AskId, Cause, Outcome};
use crate::plan::{Check, CheckId};
use attempt::{Attempt, NoSocket};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tls::Tls;

/// The kubelet that our clients say they are: the one whose behaviour kubelet-semantics.md describes.
const KUBELET_VERSION: &str = "1.36";

/// The most attempts at a time: three probes each of 170 containers, all of them slow. One costs up to 50 kB with TLS,
/// and a descriptor.
pub const ATTEMPTS: usize = 512;

/// How long nothing new is begun when the kernel had no socket to give.
const REST: Duration = Duration::from_millis(50);

/// How long an ask waits for its turn. Then it could not be carried out, which counts for nothing but is said, where
/// silence would look like a probe that is still at it.
const QUEUE_PATIENCE: Duration = Duration::from_secs(10);

/// What those who talk have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// More must come.
    More,
    /// A new connection is to be made, for the next request.
    Again,
    /// This is it.
    Over(Answer),
}

fn success() -> Answer {
    Answer {
        outcome: Outcome::Success,
        cause: Cause::None,
    }
}

fn failure(cause: Cause) -> Answer {
    Answer {
        outcome: Outcome::Failure,
        cause,
    }
}

fn unknown(cause: Cause) -> Answer {
    Answer {
        outcome: Outcome::Unknown,
        cause,
    }
}

/// Whether the kernel has nothing left to give: our own want, and not the fault of whoever is asked.
fn means_shortage(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
    )
}

fn is_shortage(error: &std::io::Error) -> bool {
    error.raw_os_error().is_some_and(means_shortage)
}

/// All checks that are asked for.
pub struct Probes<'a> {
    checks: &'a [Check],
    tls: Tls,
    /// In the order of their coming.
    waiting: VecDeque<Waiting>,
    under_way: Vec<UnderWay<'a>>,
    answers: VecDeque<(AskId, Answer)>,
    rest_until: Option<Instant>,
}

struct Waiting {
    ask: AskId,
    check: CheckId,
    since: Instant,
}

struct UnderWay<'a> {
    ask: AskId,
    check: CheckId,
    attempt: Attempt<'a>,
}

impl<'a> Probes<'a> {
    /// Nothing asked for yet.
    pub fn new(checks: &'a [Check]) -> Probes<'a> {
        Probes {
            checks,
            tls: Tls::default(),
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            answers: VecDeque::new(),
            rest_until: None,
        }
    }

    /// Asks this check.
    ///
    /// Whoever asks it anew waits no longer for an earlier asking: a check has one asker, and that asks one thing at a
    /// time. So an http hook that never ends is left open (S86) until its container is stopped the next time, and what
    /// is open never grows beyond the number of checks.
    pub fn ask(&mut self, ask: AskId, check: CheckId, now: Instant) {
        let answers = &mut self.answers;
        let mut is_other = |other: CheckId, ask: AskId| {
            if other == check {
                answers.push_back((ask, unknown(Cause::TimedOut)));
            }
            other != check
        };
        self.waiting.retain(|one| is_other(one.check, one.ask));
        self.under_way.retain(|one| is_other(one.check, one.ask));
        self.waiting.push_back(Waiting {
            ask,
            check,
            since: now,
        });
        self.begin(now);
    }

    /// The answer that is next to be told.
    pub fn next_answer(&mut self) -> Option<(AskId, Answer)> {
        self.answers.pop_front()
    }

    /// An answer that could not be told just now.
    pub fn keep_answer(&mut self, ask: AskId, answer: Answer) {
        self.answers.push_front((ask, answer));
    }

    /// Whether there is something to tell.
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Adds what is to be polled.
    pub fn poll(&self, polled: &mut Vec<libc::pollfd>) {
        polled.extend(
            self.under_way
                .iter()
                .map(|under_way| under_way.attempt.poll()),
        );
    }

    /// When to look again at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let attempts = self
            .under_way
            .iter()
            .filter_map(|under_way| under_way.attempt.deadline());
        let queue = self
            .waiting
            .front()
            .map(|first| first.since + QUEUE_PATIENCE);
        attempts.chain(self.rest_until).chain(queue).min()
    }

    /// Goes on with what was found of that which [`Probes::poll`] had added.
    pub fn advance(&mut self, polled: &[libc::pollfd], now: Instant) {
        for (under_way, polled) in self.under_way.iter_mut().zip(polled) {
            // What has come in time counts, also when we were kept from looking.
            if polled.revents != 0 {
                under_way.attempt.advance(&self.tls, now);
            }
            under_way.attempt.lapse(&self.tls, now);
        }
        self.collect();
        while let Some(first) = self.waiting.front()
            && first.since + QUEUE_PATIENCE <= now
        {
            self.answers
                .push_back((first.ask, unknown(Cause::TimedOut)));
            self.waiting.pop_front();
        }
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
        }
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        while self.rest_until.is_none()
            && self.under_way.len() < ATTEMPTS
            && let Some(next) = self.waiting.pop_front()
        {
            // Both processes have the same plan; what is not in it is nothing that anybody waits for.
            let Some(question) = self.checks.get(next.check.0) else {
                continue;
            };
            match Attempt::begin(question, &self.tls, now) {
                Ok(attempt) => self.under_way.push(UnderWay {
                    ask: next.ask,
                    check: next.check,
                    attempt,
                }),
                Err(NoSocket) => {
                    self.waiting.push_front(next);
                    self.rest_until = Some(now + REST);
                }
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        self.under_way
            .retain(|under_way| match under_way.attempt.answer() {
                Some(answer) => {
                    self.answers.push_back((under_way.ask, answer));
                    false
                }
                None => true,
            });
    }
}
