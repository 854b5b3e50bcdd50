//! The helper's end of the line: asks the core for its status, one question at a time; hears which checks the core wants
//! asked, and tells what came of them.
//!
//! Every request is answered from a question that was sent after the request had come, so a page never shows a state
//! older than itself. However many requests wait, one answer serves all that were there when its question was sent:
//! the core's work does not grow with the number of clients.
//!
//! What surprised us: "one question at a time" must end with the patience of those who wait. If a lost answer kept the
//! line busy for ever, one lost answer would be 503 for ever.

use super::wire::{Answer, Question};
use super::wire_checks::{Answered, Asks};
use crate::machine::AskId;
use crate::plan::CheckId;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a request waits for the core before it is answered that the core does not answer. The kubelet gives up
/// after one second (the default of `timeoutSeconds`) and then knows only "timeout"; a 503 just before tells it why.
pub const PATIENCE: Duration = Duration::from_millis(900);

/// The helper's end.
#[derive(Debug)]
pub struct Asker {
    line: OwnedFd,
    next_number: u32,
    outstanding: Option<(u32, Instant)>,
}

/// What the core says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The status, to a question.
    Status(Answer),
    /// Checks to ask.
    Asks(Vec<(AskId, CheckId)>),
}

/// The core is gone and so is the reason to be here.
#[derive(Debug)]
pub struct CoreGone;

impl Asker {
    /// On this end of the line.
    pub fn new(line: OwnedFd) -> Asker {
        Asker {
            line,
            next_number: 0,
            outstanding: None,
        }
    }

    /// The descriptor to wait on.
    pub fn fd(&self) -> i32 {
        self.line.as_raw_fd()
    }

    /// Sends a question unless one is on its way, and tells its number.
    pub fn ask(&mut self, now: Instant) -> Option<u32> {
        if self
            .outstanding
            .is_some_and(|(_, sent)| now.saturating_duration_since(sent) < PATIENCE)
        {
            return None;
        }
        let number = self.next_number;
        // Refused when a stopped core has left hundreds of old questions unread; when it is gone, `hear` says so.
        self.send(&Question { number }.to_bytes()).ok()?;
        self.next_number = number.wrapping_add(1);
        self.outstanding = Some((number, now));
        Some(number)
    }

    /// Tells what came of a check. False if it cannot be told just now: the core has hundreds of messages to read.
    pub fn tell(&self, answered: Answered) -> bool {
        self.send(&answered.to_bytes()) != Err(Errno::EAGAIN)
    }

    /// The next that the core has said, if anything.
    pub fn hear(&mut self) -> Result<Option<Heard>, CoreGone> {
        let mut bytes = [0; Asks::SIZE + 1];
        let length = match recv(self.line.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Err(CoreGone),
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(_) => return Err(CoreGone),
        };
        if let Some(asks) = Asks::from_bytes(&bytes[..length]) {
            return Ok(Some(Heard::Asks(asks)));
        }
        let answer = Answer::from_bytes(&bytes[..length]);
        if let (Some(answer), Some((number, _))) = (answer, self.outstanding)
            && answer.number == number
        {
            self.outstanding = None;
        }
        Ok(answer.map(Heard::Status))
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(
            self.line.as_raw_fd(),
            bytes,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        )
    }
}

/// Whether the answer to question `answered` may be given to a request that question `wanted` was sent for: it may if
/// it is the same or a later one. Numbers wrap after 2^32 questions.
pub fn covers(answered: u32, wanted: u32) -> bool {
    answered.wrapping_sub(wanted) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Status;
    use crate::net::link;

    /// Of the status that has come.
    fn number(asker: &mut Asker) -> u32 {
        match asker.hear().unwrap() {
            Some(Heard::Status(answer)) => answer.number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_covers_its_own_question_and_earlier_ones_across_the_wrap() {
        assert!(covers(5, 5) && covers(6, 5) && !covers(5, 6));
        assert!(covers(0, u32::MAX) && !covers(u32::MAX, 0));
    }

    #[test]
    fn one_question_at_a_time_until_patience_ends() {
        let (core, line) = link::pair().unwrap();
        let mut asker = Asker::new(line);
        let start = Instant::now();
        assert_eq!(asker.ask(start), Some(0));
        assert_eq!(asker.ask(start), None);
        assert_eq!(core.hear().questions, [0]);
        assert!(asker.hear().unwrap().is_none());

        // The answer to question 0 is lost. After a while the next one is asked, and is answered.
        assert_eq!(asker.ask(start + PATIENCE), Some(1));
        core.answer(1, Status::default());
        assert_eq!(number(&mut asker), 1);
        assert_eq!(asker.ask(start + PATIENCE), Some(2));
    }

    #[test]
    fn a_late_answer_does_not_free_the_line_for_a_third_question() {
        let (core, line) = link::pair().unwrap();
        let mut asker = Asker::new(line);
        let start = Instant::now();
        asker.ask(start);
        asker.ask(start + PATIENCE);
        core.answer(0, Status::default());
        assert_eq!(number(&mut asker), 0);
        assert_eq!(asker.ask(start + PATIENCE), None);
    }

    #[test]
    fn a_core_that_is_gone_is_noticed() {
        let (core, line) = link::pair().unwrap();
        let mut asker = Asker::new(line);
        drop(core);
        assert_eq!(asker.ask(Instant::now()), None);
        assert!(asker.hear().is_err());
    }
}
