//! The core's end of the line to the helper.
//!
//! Part of PID 1: it never blocks, allocates a handful of bytes at most and trusts nothing that it reads. The helper may
//! have been taken over by whoever talks to it; the worst that it can say is what a person at
//! the control socket may, and lies about its checks.

use super::wire::Question;
use super::wire::command::{HeardOrder, Order};
use super::wire_checks::{Answered, Asks};
use crate::machine::{Answer, AskId};
use crate::plan::CheckId;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Messages read in one call. An honest helper has one question on its way, and answers of checks; a mad one shall not
/// keep the core from its other work, and what is left over is heard in the next turn.
const MESSAGES_PER_CALL: usize = 64;

/// No message from a helper is longer.
const LONGEST: usize = 16;

/// The core's end.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

/// What was to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Questions; each is answered by [`tell`](super::tell::tell).
    pub questions: Vec<Question>,
    /// Commands; each is confirmed by [`Link::confirm`].
    pub orders: Vec<Order>,
    /// What came of checks. Asks that nobody made, or a second answer to one, may be among them.
    pub answered: Vec<(AskId, Answer)>,
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
        // One byte more than any message, so that a longer one is not cut down to a valid one.
        let mut bytes = [0; LONGEST + 1];
        for _ in 0..MESSAGES_PER_CALL {
            match recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => {
                    heard.lost = true;
                    break;
                }
                Ok(length) => {
                    let message = &bytes[..length];
                    heard.questions.extend(Question::from_bytes(message));
                    heard.orders.extend(Order::from_bytes(message));
                    let answered = Answered::from_bytes(message);
                    heard
                        .answered
                        .extend(answered.map(|it| (it.ask, it.answer)));
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

    /// Says that the machine has heard the order with this number.
    pub fn confirm(&self, number: u32) {
        self.send(&HeardOrder { number }.to_bytes());
    }

    /// Has these checks asked. Gives back those that the line could not take at once: they will not be asked.
    pub fn ask<'a>(&self, asks: &'a [(AskId, CheckId)]) -> &'a [(AskId, CheckId)] {
        let mut left = asks;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(Asks::MOST));
            if !self.send(&Asks::to_bytes(now)) {
                break;
            }
            left = later;
        }
        left
    }

    /// Sends a message if that can be done at once, and says whether it could.
    pub fn send(&self, message: &[u8]) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.fd.as_raw_fd(), message, flags).is_ok()
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
    use crate::machine::{self, Command};
    use crate::report::route::Wants;

    const QUESTION: Question = Question {
        number: 9,
        part: Wants::STATUS,
        from: 0,
    };

    fn say(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
        send(fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)
    }

    #[test]
    fn questions_and_orders_come_through_and_anything_else_is_nothing() {
        let (link, helper) = pair().unwrap();
        assert_eq!(link.hear(), Heard::default());
        let order = Order {
            number: 3,
            command: Command::Stop,
        };
        say(&helper, b"?").unwrap();
        say(&helper, b"?12345678901234567890").unwrap();
        say(&helper, &QUESTION.to_bytes()).unwrap();
        say(&helper, &order.to_bytes()).unwrap();
        let heard = link.hear();
        assert_eq!(heard.questions, [QUESTION]);
        assert_eq!((heard.orders, heard.lost), (vec![order], false));
    }

    #[test]
    fn a_mad_helper_is_heard_only_a_little_at_a_time() {
        let (link, helper) = pair().unwrap();
        while say(&helper, &QUESTION.to_bytes()).is_ok() {}
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
        say(&helper, &QUESTION.to_bytes()).unwrap();
        say(&helper, b"=a lie about").unwrap();
        let heard = link.hear();
        assert_eq!(heard.answered, [(AskId(7), answered.answer)]);
        assert_eq!((heard.questions, heard.lost), (vec![QUESTION], false));
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
            link.confirm(number);
        }
        assert!(!link.send(b"!"));
    }

    #[test]
    fn a_helper_that_hung_up_is_lost_even_with_an_answer_unread() {
        let (link, helper) = pair().unwrap();
        link.confirm(1);
        drop(helper);
        assert!(link.hear().lost);
        assert!(link.hear().lost);
        link.confirm(2);
    }
}
