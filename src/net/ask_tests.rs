//! The asker against a core that is played by the test.

use super::*;
use crate::machine::Happening;
use crate::net::link::{self, Link};
use crate::net::tell::{Known, tell};
use crate::plan::ContainerId;
use crate::report::chronicle::Chronicle;
use crate::report::journal::Reason;
use crate::report::samples;

const ALL: Wants = Wants::STATUS
    .and(Wants::EVENTS)
    .and(Wants::MARKS)
    .and(Wants::WORDS)
    .and(Wants::COUNTS);

/// Answers all that has come, as the core would of this view.
fn answer(core: &Link, view: &View) -> usize {
    let (plan, mut chronicle) = (samples::plan(), Chronicle::new(&samples::pod()));
    chronicle.note(
        view.now.0,
        &Happening::ContainerStarted(samples::WEB),
        &plan,
        None,
    );
    chronicle.last_words(samples::WEB, Some("bye"));
    let questions = core.hear().questions;
    for question in &questions {
        let known = Known {
            now: view.now.0,
            status: &|| view.status.clone(),
            chronicle: &chronicle,
        };
        tell(core, *question, &known);
    }
    questions.len()
}

fn hear_all(asker: &mut Asker) -> Vec<News> {
    let mut news = Vec::new();
    loop {
        match asker.hear().unwrap() {
            News::Nothing => return news,
            heard => news.push(heard),
        }
    }
}

#[test]
fn a_round_covers_its_own_clients_and_earlier_ones_across_the_wrap() {
    assert!(covers(5, 5) && covers(6, 5) && !covers(5, 6));
    assert!(covers(0, u32::MAX) && !covers(u32::MAX, 0));
}

#[test]
fn what_the_core_knows_arrives() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    asker.ask(Instant::now(), ALL).unwrap();
    let told = samples::crashing();
    let mut parts = 0;
    while answer(&core, &told) > 0 {
        parts += hear_all(&mut asker)
            .iter()
            .filter(|news| **news == News::Part)
            .count();
    }
    assert_eq!(parts, 5);
    let (_, got, view) = asker.seen().unwrap();
    assert!(got.covers(ALL));
    assert_eq!(view.status, told.status);
    assert_eq!(view.now, told.now);
    assert_eq!(view.events[0].reason, Reason::Started);
    assert_eq!(view.marks.len(), 1);
    assert_eq!(view.words_of(samples::WEB, false).unwrap(), "bye");
    assert_eq!(view.counts.probes.len(), 5);
}

#[test]
fn three_thousand_containers_arrive_in_several_answers() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    let mut told = samples::crashing();
    told.status.containers = (0..3000).map(samples::running).collect();
    asker.ask(Instant::now(), Wants::STATUS).unwrap();
    let mut questions = 0;
    loop {
        match answer(&core, &told) {
            0 => break,
            count => questions += count,
        }
        hear_all(&mut asker);
    }
    assert_eq!(questions, 3);
    let (_, got, view) = asker.seen().unwrap();
    assert_eq!(got, Wants::STATUS);
    assert_eq!(view.status, told.status);
}

#[test]
fn one_round_at_a_time_until_patience_ends() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    let start = Instant::now();
    assert_eq!(asker.ask(start, Wants::STATUS), Some(0));
    assert_eq!(asker.ask(start, Wants::STATUS), None);
    assert_eq!(core.hear().questions.len(), 1);
    assert_eq!(asker.hear().unwrap(), News::Nothing);

    // The answer to question 0 is lost. After a while the next one is asked, and is answered.
    assert_eq!(asker.ask(start + PATIENCE, Wants::STATUS), Some(1));
    answer(&core, &samples::serving());
    assert_eq!(hear_all(&mut asker), [News::Part]);
    assert_eq!(asker.seen().unwrap().0, 1);
    assert_eq!(asker.ask(start + PATIENCE, Wants::STATUS), Some(2));
}

#[test]
fn a_late_answer_does_not_free_the_line_for_a_third_question() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    let start = Instant::now();
    asker.ask(start, Wants::STATUS);
    let late = core.hear().questions[0];
    asker.ask(start + PATIENCE, Wants::STATUS);
    let chronicle = Chronicle::new(&samples::pod());
    let known = Known {
        now: samples::at(1),
        status: &Default::default,
        chronicle: &chronicle,
    };
    tell(&core, late, &known);
    assert_eq!(hear_all(&mut asker), [News::NotYet]);
    assert_eq!(asker.ask(start + PATIENCE, Wants::STATUS), None);
}

#[test]
fn an_answer_that_makes_no_sense_is_none() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    let number = asker.ask(Instant::now(), Wants::STATUS).unwrap();
    let mut message = Answer {
        number,
        is_last: true,
    }
    .begin();
    // A container that is not the next.
    Record::Container(7, samples::waiting(), false).write(&mut message);
    core.send(&message.done());
    assert_eq!(hear_all(&mut asker), [News::NotYet]);
    assert!(asker.seen().is_none());
}

#[test]
fn orders_pass_beside_the_questions() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    asker.ask(Instant::now(), Wants::STATUS).unwrap();
    let command = Command::Restart(ContainerId(3));
    let number = asker.order(command).unwrap();
    let heard = core.hear();
    assert_eq!(heard.orders[0].command, command);
    core.confirm(number);
    assert_eq!(hear_all(&mut asker), [News::Obeyed(number)]);
}

#[test]
fn a_core_that_is_gone_is_noticed() {
    let (core, line) = link::pair().unwrap();
    let mut asker = Asker::new(line);
    drop(core);
    assert_eq!(asker.ask(Instant::now(), Wants::STATUS), None);
    assert!(asker.hear().is_err());
}
