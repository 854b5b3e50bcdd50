//! The core's end of the line to the helper.
//!
//! Part of PID 1: it never blocks, allocates a handful of bytes at most and trusts nothing that it reads. The helper may
//! have been taken over by whoever talks to it; the worst that it can do is ask for the status, and lie about
//! its checks.

use super::wire::{Answer, Question};
use super::wire_checks::{Answered, Asks};
use crate::machine::{self, AskId, Status};
use crate::plan::CheckId;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Messages read in one call. An honest helper has one question on its way, and answers of checks; a mad one shall not
/// keep the core from its other work, and what is left over is heard in the next turn.
const MESSAGES_PER_CALL: usize = 64;

/// The longest message from the helper.
const LONGEST: usize = Answered::SIZE;

/// The core's end.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

/// What was to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The numbers of the questions; answer each with [`Link::answer`].
    pub questions: Vec<u32>,
    /// What came of checks. Asks that nobody made, or a second answer to one, may be among them.
    pub answered: Vec<(AskId, machine::Answer)>,
    /// The helper has hung up; [collect](super::collect) it and drop the link.
    pub lost: bool,
}

/// A new line: the core's end and the helper's. Neither survives an exec, neither ever blocks.
pub fn pair() -> Result<(Link, OwnedFd), Errno> {
    let (core, helper) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    )?;
    Ok((Link { fd: core }, helper))
}

impl Link {
    /// Reads what has arrived. To be called when the descriptor is readable or hung up.
    ///
    /// An empty message cannot be told from the end of the line, so a helper that sends one is given up: ours does not.
    pub fn hear(&self) -> Heard {
        let mut heard = Heard::default();
        // One byte more than the longest, so that a longer message is not cut down to a valid one.
        let mut bytes = [0; LONGEST + 1];
        for _ in 0..MESSAGES_PER_CALL {
            match recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => {
                    heard.lost = true;
                    break;
                }
                Ok(length) => {
                    let message = &bytes[..length];
                    if let Some(question) = Question::from_bytes(message) {
                        heard.questions.push(question.number);
                    } else if let Some(answered) = Answered::from_bytes(message) {
                        heard.answered.push((answered.ask, answered.answer));
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => break,
                // ECONNRESET when the helper died with our answer unread. Whatever else it is, the line is of no use.
                Err(_) => {
                    heard.lost = true;
                    break;
                }
            }
        }
        heard
    }

    /// Answers a question with the status of this moment.
    ///
    /// An answer that cannot be sent at once is dropped. That is right: the helper waits for an answer only so long,
    /// then says 503 by itself and asks again, while a core that waited for its helper could be stopped by it.
    pub fn answer(&self, number: u32, status: Status) {
        let _ = self.send(&Answer { number, status }.to_bytes());
    }

    /// Has these checks asked. Gives back those that the line could not take at once: they will not be asked.
    pub fn ask<'a>(&self, asks: &'a [(AskId, CheckId)]) -> &'a [(AskId, CheckId)] {
        let mut left = asks;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(Asks::MOST));
            if self.send(&Asks::to_bytes(now)).is_err() {
                break;
            }
            left = later;
        }
        left
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(
            self.fd.as_raw_fd(),
            bytes,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        )
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
        send(fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)
    }

    #[test]
    fn questions_come_through_and_anything_else_is_nothing() {
        let (link, helper) = pair().unwrap();
        assert_eq!(link.hear(), Heard::default());
        say(&helper, b"?").unwrap();
        say(&helper, b"?1234567890").unwrap();
        say(&helper, &Question { number: 9 }.to_bytes()).unwrap();
        let heard = link.hear();
        assert_eq!((heard.questions, heard.lost), (vec![9], false));
    }

    #[test]
    fn a_mad_helper_is_heard_only_a_little_at_a_time() {
        let (link, helper) = pair().unwrap();
        while say(&helper, &Question { number: 1 }.to_bytes()).is_ok() {}
        assert_eq!(link.hear().questions.len(), MESSAGES_PER_CALL);
    }

    #[test]
    fn answers_of_checks_come_through_beside_questions() {
        let (link, helper) = pair().unwrap();
        let answered = Answered {
            ask: AskId(7),
            answer: machine::Answer {
                outcome: machine::Outcome::Failure,
                cause: machine::Cause::HttpStatus(503),
            },
        };
        say(&helper, &answered.to_bytes()).unwrap();
        say(&helper, &Question { number: 9 }.to_bytes()).unwrap();
        say(&helper, b"=a lie about").unwrap();
        let heard = link.hear();
        assert_eq!(heard.answered, [(AskId(7), answered.answer)]);
        assert_eq!((heard.questions, heard.lost), (vec![9], false));
    }

    #[test]
    fn all_asks_of_a_large_pod_fit_the_line_and_what_does_not_is_given_back() {
        let (link, helper) = pair().unwrap();
        let asks: Vec<_> = (0..1500).map(|n| (AskId(n), CheckId(n as usize))).collect();
        assert_eq!(link.ask(&asks), &[]);
        let mut bytes = [0; Asks::SIZE + 1];
        let mut heard = Vec::new();
        while let Ok(length) = recv(helper.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            heard.extend(Asks::from_bytes(&bytes[..length]).unwrap());
        }
        assert_eq!(heard, asks);
        while link.ask(&asks).is_empty() {}
        assert_eq!(link.ask(&asks[..Asks::MOST]), &asks[..Asks::MOST]);
    }

    #[test]
    fn a_helper_that_does_not_read_costs_the_core_no_time() {
        let (link, _helper) = pair().unwrap();
        // More than any socket buffer holds: this test ends, or the core would hang.
        for number in 0..100_000 {
            link.answer(number, Status::default());
        }
    }

    #[test]
    fn a_helper_that_hung_up_is_lost_even_with_an_answer_unread() {
        let (link, helper) = pair().unwrap();
        link.answer(1, Status::default());
        drop(helper);
        assert!(link.hear().lost);
        assert!(link.hear().lost);
        link.answer(2, Status::default());
    }
}
