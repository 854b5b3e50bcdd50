//! The two messages about checks, as bytes: which to ask, and what came of one. See [`wire`](super::wire) for the rules.
//!
//! Asks go many at a time: all probes of a pod may be due in one turn, and a socket holds some 270 messages, however
//! small they are.

use crate::machine::{Answer, AskId, Cause, Outcome};
use crate::plan::CheckId;

/// Core to helper: ask these checks over the network.
pub struct Asks;

/// Helper to core: this came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Of this asking.
    pub ask: AskId,
    /// This.
    pub answer: Answer,
}

const ASKS_TAG: u8 = b'a';
const ANSWERED_TAG: u8 = b'=';

impl Asks {
    /// The most asks in one message.
    pub const MOST: usize = 64;
    /// Bytes of the longest message.
    pub const SIZE: usize = 1 + Asks::MOST * Asks::EACH;
    const EACH: usize = 8;

    /// As they are sent; at most [`Asks::MOST`].
    pub fn to_bytes(asks: &[(AskId, CheckId)]) -> Vec<u8> {
        let mut bytes = vec![ASKS_TAG];
        for (ask, check) in asks.iter().take(Asks::MOST) {
            bytes.extend(ask.0.to_le_bytes());
            // A plan with so many checks does not fit into memory.
            bytes.extend(u32::try_from(check.0).unwrap_or(u32::MAX).to_le_bytes());
        }
        bytes
    }

    /// The asks in one message, if it is one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Vec<(AskId, CheckId)>> {
        let (&ASKS_TAG, asks) = bytes.split_first()? else {
            return None;
        };
        let (asks, rest) = asks.as_chunks::<{ Asks::EACH }>();
        let ask = |&[a, b, c, d, e, f, g, h]: &[u8; Asks::EACH]| {
            let check = u32::from_le_bytes([e, f, g, h]);
            (
                AskId(u32::from_le_bytes([a, b, c, d])),
                CheckId(check as usize),
            )
        };
        rest.is_empty().then(|| asks.iter().map(ask).collect())
    }
}

impl Answered {
    /// Bytes of the message.
    pub const SIZE: usize = 11;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Answered::SIZE] {
        let [a, b, c, d] = self.ask.0.to_le_bytes();
        let outcome = match self.answer.outcome {
            Outcome::Success => 0,
            Outcome::Warning => 1,
            Outcome::Failure => 2,
            Outcome::Unknown => 3,
        };
        let (kind, number) = cause_to_wire(self.answer.cause);
        let [e, f, g, h] = number.to_le_bytes();
        [ANSWERED_TAG, a, b, c, d, outcome, kind, e, f, g, h]
    }

    /// What was answered, if the message is one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Answered> {
        let &[ANSWERED_TAG, a, b, c, d, outcome, kind, e, f, g, h] = bytes else {
            return None;
        };
        let outcome = match outcome {
            0 => Outcome::Success,
            1 => Outcome::Warning,
            2 => Outcome::Failure,
            3 => Outcome::Unknown,
            _ => return None,
        };
        let cause = cause_from_wire(kind, i32::from_le_bytes([e, f, g, h]))?;
        Some(Answered {
            ask: AskId(u32::from_le_bytes([a, b, c, d])),
            answer: Answer { outcome, cause },
        })
    }
}

/// The causes that a helper can have; the core's own are sent as none.
fn cause_to_wire(cause: Cause) -> (u8, i32) {
    match cause {
        Cause::None | Cause::Exit(_) | Cause::Exec(_) | Cause::NoSuchPort | Cause::NoHelper => {
            (0, 0)
        }
        Cause::HttpStatus(code) => (1, code.into()),
        Cause::Redirect(code) => (2, code.into()),
        Cause::RedirectLoop => (3, 0),
        Cause::HttpFallback => (4, 0),
        Cause::Connection(errno) => (5, errno),
        Cause::UnknownHost => (6, 0),
        Cause::TimedOut => (7, 0),
        Cause::Garbled => (8, 0),
        Cause::Tls => (9, 0),
        Cause::BodyCut => (10, 0),
        Cause::GrpcStatus(code) => (11, code.into()),
        Cause::GrpcHealth(status) => (12, status.into()),
        Cause::NoTls => (13, 0),
    }
}

fn cause_from_wire(kind: u8, number: i32) -> Option<Cause> {
    let cause = match kind {
        0 => Cause::None,
        1 => Cause::HttpStatus(number.try_into().ok()?),
        2 => Cause::Redirect(number.try_into().ok()?),
        3 => Cause::RedirectLoop,
        4 => Cause::HttpFallback,
        5 => Cause::Connection(number),
        6 => Cause::UnknownHost,
        7 => Cause::TimedOut,
        8 => Cause::Garbled,
        9 => Cause::Tls,
        10 => Cause::BodyCut,
        11 => Cause::GrpcStatus(number.try_into().ok()?),
        12 => Cause::GrpcHealth(number.try_into().ok()?),
        13 => Cause::NoTls,
        _ => return None,
    };
    // A number that means nothing is none of ours.
    (cause_to_wire(cause) == (kind, number)).then_some(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_come_back_as_they_went() {
        for count in [0, 1, 2, Asks::MOST] {
            let asks: Vec<_> = (0..count)
                .map(|number| (AskId(number as u32 * 0x0102_0304), CheckId(number * 3)))
                .collect();
            let bytes = Asks::to_bytes(&asks);
            assert_eq!(Asks::from_bytes(&bytes), Some(asks));
            assert!(bytes.len() <= Asks::SIZE);
            assert_eq!(Asks::from_bytes(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(Asks::from_bytes(b""), None);
        assert_eq!(Asks::from_bytes(b"?1234"), None);
    }

    #[test]
    fn every_cause_of_a_helper_comes_back_as_it_went() {
        let causes = [
            Cause::None,
            Cause::HttpStatus(503),
            Cause::Redirect(302),
            Cause::RedirectLoop,
            Cause::HttpFallback,
            Cause::Connection(libc::ECONNREFUSED),
            Cause::UnknownHost,
            Cause::TimedOut,
            Cause::Garbled,
            Cause::Tls,
            Cause::BodyCut,
            Cause::GrpcStatus(14),
            Cause::GrpcHealth(255),
            Cause::NoTls,
        ];
        for outcome in [
            Outcome::Success,
            Outcome::Warning,
            Outcome::Failure,
            Outcome::Unknown,
        ] {
            for cause in causes {
                let answered = Answered {
                    ask: AskId(0x0102_0304),
                    answer: Answer { outcome, cause },
                };
                assert_eq!(Answered::from_bytes(&answered.to_bytes()), Some(answered));
            }
        }
    }

    #[test]
    fn noise_is_either_nothing_or_exactly_one_answer() {
        let mut seed = 2;
        let mut found = 0;
        for round in 0..300_000usize {
            let mut bytes: Vec<u8> = (0..Answered::SIZE - 1 + round % 3)
                .map(|_| {
                    seed = crate::net::probes::tests::next(seed);
                    (seed >> 33) as u8
                })
                .collect();
            bytes[0] = ANSWERED_TAG;
            // Near what means something.
            bytes[5] &= 7;
            bytes[6] &= 15;
            bytes[8..10].fill(0);
            if let Some(answered) = Answered::from_bytes(&bytes) {
                assert_eq!(answered.to_bytes()[..], bytes);
                found += 1;
            }
            Asks::from_bytes(&bytes);
        }
        assert!(found > 1000, "{found}");
    }
}
