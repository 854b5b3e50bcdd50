//! The core's end of the line to the helper.
//!
//! Part of PID 1: it never blocks, allocates a handful of bytes at most and trusts nothing that it reads. The helper may
//! have been taken over by whoever talks to it; the worst that it can say is "what is the status?".

use super::wire::{Answer, Question};
use crate::machine::Status;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Questions read in one call. An honest helper has one on its way; a mad one shall not keep the core from its other
/// work, and what is left over is heard in the next turn.
const QUESTIONS_PER_CALL: usize = 4;

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
    pub fn questions(&self) -> Heard {
        let mut heard = Heard::default();
        // One byte more than a question, so that a longer message is not cut down to a valid one.
        let mut bytes = [0; Question::SIZE + 1];
        for _ in 0..QUESTIONS_PER_CALL {
            match recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => {
                    heard.lost = true;
                    break;
                }
                Ok(length) => heard
                    .questions
                    .extend(Question::from_bytes(&bytes[..length]).map(|question| question.number)),
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
        let bytes = Answer { number, status }.to_bytes();
        let _ = send(
            self.fd.as_raw_fd(),
            &bytes,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        );
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
        assert_eq!(link.questions(), Heard::default());
        say(&helper, b"?").unwrap();
        say(&helper, b"?1234567890").unwrap();
        say(&helper, &Question { number: 9 }.to_bytes()).unwrap();
        let heard = link.questions();
        assert_eq!((heard.questions, heard.lost), (vec![9], false));
    }

    #[test]
    fn a_mad_helper_is_heard_only_a_little_at_a_time() {
        let (link, helper) = pair().unwrap();
        while say(&helper, &Question { number: 1 }.to_bytes()).is_ok() {}
        assert_eq!(link.questions().questions.len(), QUESTIONS_PER_CALL);
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
        assert!(link.questions().lost);
        assert!(link.questions().lost);
        link.answer(2, Status::default());
    }
}
