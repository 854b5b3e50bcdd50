//! The messages between the helper and the core, as bytes. Nothing else ever passes between them.
//!
//! A tag each, over a socket that keeps messages apart. Helper to core everything has a fixed size and no text: the core
//! reads what a process sends that strangers can talk to, so anything that is not exactly a question or an order is
//! nothing. Core to helper, texts are bounded, and names are never sent: the helper has the plan.

pub mod bytes;
pub mod command;
pub mod view;

use crate::report::route::Wants;
use bytes::{Reader, Writer};

/// Helper to core: what is there to be seen of this part at this moment?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Comes back in the answer, so that a late answer is not taken for that to a later question.
    pub number: u32,
    /// Which part of a view; exactly one.
    pub part: Wants,
    /// Of containers: from this place on. Of events: told after this revision.
    pub from: u32,
}

/// Core to helper: one message of the answer. The records follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub number: u32,
    /// No message of this answer follows.
    pub is_last: bool,
}

const QUESTION_TAG: u8 = b'?';
const ANSWER_TAG: u8 = b'!';

impl Question {
    /// As it is sent.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::new(QUESTION_TAG);
        out.u32(self.number).u8(self.part.to_wire()).u32(self.from);
        out.done()
    }

    /// The question in one message, if it is one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Question> {
        let mut bytes = Reader::new(QUESTION_TAG, bytes)?;
        let question = Question {
            number: bytes.u32()?,
            part: Wants::one_from_wire(bytes.u8()?)?,
            from: bytes.u32()?,
        };
        bytes.is_done().then_some(question)
    }
}

impl Answer {
    /// The beginning of the message.
    pub fn begin(self) -> Writer {
        let mut out = Writer::new(ANSWER_TAG);
        out.u32(self.number).u8(u8::from(self.is_last));
        out
    }

    /// What a message begins with, and the reader of its records.
    pub fn from_bytes(bytes: &[u8]) -> Option<(Answer, Reader<'_>)> {
        let mut bytes = Reader::new(ANSWER_TAG, bytes)?;
        let (number, is_last) = (bytes.u32()?, bytes.flag()?);
        Some((Answer { number, is_last }, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_back_as_it_went() {
        for part in Wants::EACH {
            for number in [0, 0x0102_0304, u32::MAX] {
                let from = number / 3;
                let question = Question { number, part, from };
                assert_eq!(Question::from_bytes(&question.to_bytes()), Some(question));
            }
        }
    }

    #[test]
    fn noise_is_either_nothing_or_exactly_one_question() {
        let mut seed = 2_u64;
        for round in 0..100_000_usize {
            let mut bytes = vec![QUESTION_TAG];
            for _ in 0..round % 13 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                bytes.push((seed >> 32) as u8 % 33);
            }
            if let Some(question) = Question::from_bytes(&bytes) {
                assert_eq!(question.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn one_byte_more_or_less_is_not_a_question() {
        let question = Question {
            number: 7,
            part: Wants::STATUS,
            from: 0,
        };
        let mut bytes = question.to_bytes();
        bytes.push(0);
        assert_eq!(Question::from_bytes(&bytes), None);
        assert_eq!(Question::from_bytes(&bytes[..9]), None);
        assert_eq!(Question::from_bytes(&[]), None);
        // Two parts at once, and none.
        for part in [0, 3, 32] {
            bytes[5] = part;
            assert_eq!(Question::from_bytes(&bytes[..10]), None);
        }
    }
}
