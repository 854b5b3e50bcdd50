//! The helper's end of the line: asks the core for what clients want to see, one question at a time, and hands it orders;
//! hears which checks the core wants asked, and tells what came of them.
//!
//! Every request is answered from a round of questions that began after the request had come, so a page never shows a
//! state older than itself. However many requests wait, one round serves all that were there when it began: the core's
//! work does not grow with the number of clients. A round asks for the parts that those want, the status first, and
//! whoever wants no more than has come is answered without waiting for the rest.
//!
//! What surprised us: "one question at a time" must end with the patience of those who wait. If a lost answer kept the
//! line busy for ever, one lost answer would be 503 for ever.

use super::wire::command::{HeardOrder, Order};
use super::wire::view::{Record, moment};
use super::wire::{Answer, Question};
use super::wire_checks::{Answered, Asks};
use crate::machine::{AskId, Command};
use crate::plan::CheckId;
use crate::report::route::Wants;
use crate::report::view::{Moment, View};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a request waits for the core before it is answered that the core does not answer. The kubelet gives up
/// after one second (the default of `timeoutSeconds`) and then knows only "timeout"; a 503 just before tells it why.
pub const PATIENCE: Duration = Duration::from_millis(900);

/// More than any message of the core: last words are the longest, twice 12 KiB of them.
const LONGEST: usize = 32 * 1024;

/// The helper's end.
#[derive(Debug)]
pub struct Asker {
    line: OwnedFd,
    next_number: u32,
    round: Option<Round>,
    buffer: Vec<u8>,
}

/// The questions that serve all who waited when the first of them was sent.
#[derive(Debug)]
struct Round {
    /// Of its first question.
    number: u32,
    begun: Instant,
    wants: Wants,
    got: Wants,
    /// The question that is on its way.
    question: Question,
    /// Containers that there are, by the last head.
    containers: usize,
    view: View,
}

/// What came of listening.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing more is there to be heard.
    Nothing,
    /// Something was heard that nobody waits for, or that must be followed by more.
    NotYet,
    /// A part of the view is there; see [`Asker::seen`].
    Part,
    /// The core has heard the order with this number.
    Obeyed(u32),
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
            round: None,
            buffer: vec![0; LONGEST],
        }
    }

    /// The descriptor to wait on.
    pub fn fd(&self) -> i32 {
        self.line.as_raw_fd()
    }

    /// Begins a round for these parts unless one is under way, and tells its number.
    pub fn ask(&mut self, now: Instant, wants: Wants) -> Option<u32> {
        let is_under_way = |round: &Round| {
            round.got != round.wants && now.saturating_duration_since(round.begun) < PATIENCE
        };
        if self.round.as_ref().is_some_and(is_under_way) {
            return None;
        }
        let part = next_part(wants, Wants::default())?;
        let question = self.question(part, 0)?;
        self.round = Some(Round {
            number: question.number,
            begun: now,
            wants,
            got: Wants::default(),
            question,
            containers: 0,
            view: View::default(),
        });
        Some(question.number)
    }

    /// Sends an order and tells its number. Nothing if it cannot be sent.
    pub fn order(&mut self, command: Command) -> Option<u32> {
        let number = self.next_number;
        self.send(&Order { number, command }.to_bytes())?;
        Some(number)
    }

    /// What the round under way, or the last one, has brought: its number, the parts that are there, and they.
    pub fn seen(&self) -> Option<(u32, Wants, &View)> {
        let round = self.round.as_ref()?;
        Some((round.number, round.got, &round.view))
    }

    /// Reads the next message that has come, if any.
    pub fn hear(&mut self) -> Result<News, CoreGone> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let heard = recv(self.line.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT);
        let news = match heard {
            Ok(0) => Err(CoreGone),
            Ok(length) => Ok(self.understand(&buffer[..length])),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(News::Nothing),
            Err(_) => Err(CoreGone),
        };
        self.buffer = buffer;
        news
    }

    fn understand(&mut self, message: &[u8]) -> News {
        if let Some(order) = HeardOrder::from_bytes(message) {
            return News::Obeyed(order.number);
        }
        if let Some(asks) = Asks::from_bytes(message) {
            return News::Asks(asks);
        }
        let Some((answer, mut records)) = Answer::from_bytes(message) else {
            return News::NotYet;
        };
        let expected =
            |round: &&mut Round| round.question.number == answer.number && round.got != round.wants;
        let Some(round) = self.round.as_mut().filter(expected) else {
            return News::NotYet;
        };
        while !records.is_done() {
            let taken = Record::read(&mut records).and_then(|record| round.take(record));
            if taken.is_none() {
                self.round = None;
                return News::NotYet;
            }
        }
        if !answer.is_last {
            return News::NotYet;
        }
        self.part_is_there()
    }

    /// Asks for the rest of this part, or for the next one.
    fn part_is_there(&mut self) -> News {
        let Some(mut round) = self.round.take() else {
            return News::NotYet;
        };
        let known = round.view.status.containers.len();
        let (next, news) = if round.question.part == Wants::STATUS && known < round.containers {
            (Some((Wants::STATUS, known)), News::NotYet)
        } else {
            round.got = round.got.and(round.question.part);
            let next = next_part(round.wants, round.got);
            (next.map(|part| (part, 0)), News::Part)
        };
        if let Some((part, from)) = next {
            match self.question(part, from as u32) {
                Some(question) => round.question = question,
                // The line is full. Whoever waits will be told so in time.
                None => round.wants = round.got,
            }
        }
        self.round = Some(round);
        news
    }

    fn question(&mut self, part: Wants, from: u32) -> Option<Question> {
        let number = self.next_number;
        let question = Question { number, part, from };
        self.send(&question.to_bytes())?;
        Some(question)
    }

    /// Tells what came of a check. False if it cannot be told just now: the core has hundreds of messages to read.
    pub fn tell(&self, answered: Answered) -> bool {
        self.say(&answered.to_bytes()) != Err(Errno::EAGAIN)
    }

    /// Refused when a stopped core has left hundreds of old questions unread; when it is gone, `hear` says so.
    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.say(bytes).ok()?;
        self.next_number = self.next_number.wrapping_add(1);
        Some(())
    }

    fn say(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.line.as_raw_fd(), bytes, flags)
    }
}

impl Round {
    /// Nothing if it makes no sense here.
    fn take(&mut self, record: Record) -> Option<()> {
        let view = &mut self.view;
        match record {
            Record::Head(head) => {
                let containers = std::mem::take(&mut view.status.containers);
                view.now = Moment(moment(&head));
                self.containers = head.containers;
                view.status = head.status;
                view.status.containers = containers;
            }
            Record::Container(place, status, started_up) => {
                (place == view.status.containers.len()).then_some(())?;
                view.status.containers.push(status);
                view.started_up.push(started_up);
            }
            Record::Event(event) => view.events.push(event),
            Record::Mark(mark) => view.marks.push(mark),
            Record::LastWords(id, words) => view.last_words.push((id, words)),
            Record::Counts(orphans, helpers_lost) => {
                view.counts.orphans = orphans;
                view.counts.helpers_lost = helpers_lost;
                view.counts.probes = vec![Default::default(); view.status.containers.len()];
            }
            Record::Attempts(place, attempts) => {
                *view.counts.probes.get_mut(place)? = attempts;
            }
        }
        Some(())
    }
}

fn next_part(wants: Wants, got: Wants) -> Option<Wants> {
    let mut each = Wants::EACH.into_iter();
    each.find(|part| wants.covers(*part) && !got.covers(*part))
}

/// Whether what round `answered` brought may be given to a request that round `wanted` was begun for: it may if it is
/// the same or a later one. Numbers wrap after 2^32 questions.
pub fn covers(answered: u32, wanted: u32) -> bool {
    answered.wrapping_sub(wanted) < 1 << 31
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
