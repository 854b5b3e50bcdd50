//! Answers of the core to its helper. Part of PID 1: it copies, and does nothing else.
//!
//! An answer goes out whole within one turn, so that all of it is of one moment, and it is bounded: a pod of more
//! containers than fit is asked about several times.

use super::link::Link;
use super::wire::bytes::Writer;
use super::wire::view::{CONTAINERS_PER_ANSWER, Head, MESSAGE_LIMIT, Record, counts};
use super::wire::{Answer, Question};
use crate::machine::PodStatus;
use crate::plan::ContainerId;
use crate::report::chronicle::Chronicle;
use crate::report::route::Wants;
use crate::time::Time;

/// All that can be asked about.
pub struct Known<'a> {
    /// The moment.
    pub now: Time,
    /// The machine's status.
    pub status: &'a dyn Fn() -> PodStatus,
    /// The memory of the life so far.
    pub chronicle: &'a Chronicle,
}

/// Answers a question with what is known at this moment.
///
/// An answer that cannot be sent at once is dropped, its rest too. That is right: the helper waits for an answer only so
/// long, then says 503 by itself and asks again, while a core that waited for its helper could be stopped by it.
pub fn tell(link: &Link, question: Question, known: &Known) {
    let mut body: Vec<u8> = Vec::new();
    let send = |body: &[u8], is_last| {
        let number = question.number;
        let mut message = Answer { number, is_last }.begin();
        message.raw(body);
        link.send(&message.done())
    };
    for record in records(question, known) {
        let mut bytes = Writer::new(0);
        record.write(&mut bytes);
        let bytes = &bytes.done()[1..];
        if !body.is_empty() && body.len() + bytes.len() > MESSAGE_LIMIT {
            if !send(&body, false) {
                return;
            }
            body.clear();
        }
        body.extend_from_slice(bytes);
    }
    send(&body, true);
}

fn records(question: Question, known: &Known) -> Vec<Record> {
    let from = question.from as usize;
    let chronicle = known.chronicle;
    match question.part {
        Wants::STATUS => status(from, known),
        Wants::EVENTS => {
            let told = chronicle.journal().since(question.from);
            told.cloned().map(Record::Event).collect()
        }
        Wants::MARKS => chronicle
            .marks()
            .iter()
            .copied()
            .map(Record::Mark)
            .collect(),
        Wants::WORDS => {
            let words = chronicle.all_last_words().iter().enumerate();
            let left = words.filter(|(_, [latest, before])| latest.is_some() || before.is_some());
            left.map(|(place, words)| Record::LastWords(ContainerId(place), words.clone()))
                .collect()
        }
        _ => counts(chronicle.tally().counts()).collect(),
    }
}

fn status(from: usize, known: &Known) -> Vec<Record> {
    let mut status = (known.status)();
    let containers = std::mem::take(&mut status.containers);
    let head = Head {
        now: known.now.as_nanos(),
        status,
        containers: containers.len(),
    };
    let started_up = known.chronicle.started_up();
    let all = containers.into_iter().enumerate();
    let meant = all.skip(from).take(CONTAINERS_PER_ANSWER);
    let records = meant.map(|(place, status)| {
        let ever = status.started || started_up.get(place) == Some(&true);
        Record::Container(place, status, ever)
    });
    [Record::Head(head)].into_iter().chain(records).collect()
}
