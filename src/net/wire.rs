//! The messages between the helper and the core, as bytes: here the two about the status, in
//! [`wire_checks`](super::wire_checks) those about checks. Nothing else ever passes between them.
//!
//! Fixed sizes and a tag each, over a socket that keeps messages apart: there is no length to believe, nothing to
//! collect in parts and nothing to allocate. The core reads what a process sends that strangers can talk to, so
//! anything that is not exactly a question is nothing.

use crate::machine::Status;

/// Helper to core: what is the status at this moment?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Comes back in the answer, so that a late answer is not taken for that to a later question.
    pub number: u32,
}

/// Core to helper: this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub number: u32,
    /// The status after the turn in which the question was heard.
    pub status: Status,
}

const QUESTION_TAG: u8 = b'?';
const ANSWER_TAG: u8 = b'!';

const STARTED: u8 = 1;
const RUNNING: u8 = 2;
const STOPPING: u8 = 4;

impl Question {
    /// Bytes of a question.
    pub const SIZE: usize = 5;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Question::SIZE] {
        let [a, b, c, d] = self.number.to_le_bytes();
        [QUESTION_TAG, a, b, c, d]
    }

    /// The question in one message, if it is one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Question> {
        let &[QUESTION_TAG, a, b, c, d] = bytes else {
            return None;
        };
        Some(Question {
            number: u32::from_le_bytes([a, b, c, d]),
        })
    }
}

impl Answer {
    /// Bytes of an answer.
    pub const SIZE: usize = 10;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Answer::SIZE] {
        let [a, b, c, d] = self.number.to_le_bytes();
        let [e, f] = self.status.steps.to_le_bytes();
        let [g, h] = self.status.steps_done.to_le_bytes();
        let flag = |holds, bit| if holds { bit } else { 0 };
        let flags = flag(self.status.started, STARTED)
            | flag(self.status.running, RUNNING)
            | flag(self.status.stopping, STOPPING);
        [ANSWER_TAG, a, b, c, d, e, f, g, h, flags]
    }

    /// The answer in one message, if it is one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Answer> {
        let &[ANSWER_TAG, a, b, c, d, e, f, g, h, flags] = bytes else {
            return None;
        };
        if flags & !(STARTED | RUNNING | STOPPING) != 0 {
            return None;
        }
        Some(Answer {
            number: u32::from_le_bytes([a, b, c, d]),
            status: Status {
                steps: u16::from_le_bytes([e, f]),
                steps_done: u16::from_le_bytes([g, h]),
                started: flags & STARTED != 0,
                running: flags & RUNNING != 0,
                stopping: flags & STOPPING != 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator (xorshift), so that a failure can be repeated.
    fn noise(seed: &mut u64) -> u8 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 32) as u8
    }

    #[test]
    fn every_message_comes_back_as_it_went() {
        for number in [0, 1, 0x0102_0304, u32::MAX] {
            let question = Question { number };
            assert_eq!(Question::from_bytes(&question.to_bytes()), Some(question));
            for flags in 0..8u8 {
                let answer = Answer {
                    number,
                    status: Status {
                        steps: 0x1234,
                        steps_done: 0x0102,
                        started: flags & 1 != 0,
                        running: flags & 2 != 0,
                        stopping: flags & 4 != 0,
                    },
                };
                assert_eq!(Answer::from_bytes(&answer.to_bytes()), Some(answer));
            }
        }
    }

    #[test]
    fn noise_is_either_nothing_or_exactly_one_message() {
        let mut seed = 2;
        for round in 0..100_000usize {
            let mut bytes: Vec<u8> = (0..round % 13).map(|_| noise(&mut seed)).collect();
            if let Some(first) = bytes.first_mut() {
                match round % 3 {
                    0 => *first = QUESTION_TAG,
                    1 => *first = ANSWER_TAG,
                    _ => {}
                }
            }
            if let Some(question) = Question::from_bytes(&bytes) {
                assert_eq!(question.to_bytes()[..], bytes);
            }
            if let Some(answer) = Answer::from_bytes(&bytes) {
                assert_eq!(answer.to_bytes()[..], bytes);
            }
        }
    }

    #[test]
    fn one_byte_more_or_less_is_not_a_question() {
        let mut bytes = Question { number: 7 }.to_bytes().to_vec();
        bytes.push(0);
        assert_eq!(Question::from_bytes(&bytes), None);
        assert_eq!(Question::from_bytes(&bytes[..4]), None);
        assert_eq!(Question::from_bytes(&[]), None);
    }
}
