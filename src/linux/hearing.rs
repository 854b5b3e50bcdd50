//! What has happened since the last turn, gathered from everywhere: ends, execs, answers, signals, the relay, and what
//! programs have left to be read.
//!
//! It asks only those who have something to say (`ready`), for a turn is most often about a signal. It must never decide
//! what a fact means, and never block.
//!
//! What surprised us: between the end of a program and the end of its output may lie a long time, so its last words are
//! read when it has ended and not when the last writer has.

use super::core::{Core, FIRST_DYING_REST};
use super::runs::Exec;
use super::{last_words, reap, scribe, signals, spawn};
use crate::machine::{Ending, Fact, RunId};
use crate::net;
use crate::relay::Relay;
use std::os::fd::{AsFd, AsRawFd};

impl Core<'_> {
    /// All facts of a turn. Ends, then answers, then signals: the order decides nothing but the exit code when a step fails
    /// in the very turn of a SIGTERM.
    pub(super) fn hear(&mut self, facts: &mut Vec<Fact>) {
        let child_has_ended = signals::child_has_ended(&self.records);
        self.hear_execs(facts);
        // While a run lives, SIGCHLD tells of every end. When none does, what matters is whether anything is left, and
        // that can change without a signal to us.
        if child_has_ended || self.more_ended || self.runs.is_empty() {
            self.more_ended = self.collect(facts);
        }
        // After the ends: those whose exec was never heard of hold no pipe any more.
        self.start_postponed(facts);
        if child_has_ended {
            self.keep_going();
        }
        for (_, ended) in self.runs.ended() {
            self.terminal.take_back(ended.pid);
        }
        self.hear_relay();
        self.hear_helper(facts);
        self.inbox.tell(&mut self.records, facts);
    }

    /// None of our own processes stays stopped. Told once of each: whoever can do it can do it again and again.
    pub(super) fn keep_going(&mut self) {
        let ours = [
            (
                self.helper.as_ref().map(|helper| helper.pid),
                "the network helper",
            ),
            (self.relay.as_ref().and_then(Relay::pid), "the output relay"),
            (scribe::pid(), "the process that writes the log"),
        ];
        for (told, (pid, who)) in self.told_of_stop.iter_mut().zip(ours) {
            if let Some(pid) = pid
                && net::keep_going(pid)
                && std::mem::replace(told, pid) != pid
            {
                log::warn!("{who} was stopped by somebody; it goes on, now and every other time");
            }
        }
    }

    /// Collects whoever has ended, and what those have left to be read. True if there may be more.
    pub(super) fn collect(&mut self, facts: &mut Vec<Fact>) -> bool {
        let known = facts.len();
        let more = reap::reap(&mut self.runs, &mut self.guests, facts);
        self.victims.find_among(&mut facts[known..]);
        for fact in &facts[known..] {
            if let Fact::Ended(run, ending) = fact {
                self.hear_last_words(*run, *ending);
            }
        }
        more
    }

    fn hear_last_words(&mut self, run: RunId, ending: Ending) {
        let Some(ended) = self.runs.find_ended(run) else {
            return;
        };
        let program = ended.program;
        if let Some(relay) = &mut self.relay {
            relay.program_ended(program);
        }
        if let Some(kept) = ended.kept.take() {
            self.said.hear_output(program, *kept, ending);
        }
        if let Some((container, its)) = self.owners.termination_message(program, self.plan) {
            let mut message = its.path.as_deref().and_then(|path| {
                last_words::read(path).unwrap_or_else(|error| {
                    log::debug!("no termination message from {}: {error}", path.display());
                    None
                })
            });
            self.unsaid.retain(|(of, _)| *of != container);
            if let (None, Some(relay), true) =
                (&message, &self.relay, its.or_output && !ending.is_success())
            {
                message = relay.last_words(program);
                self.unsaid
                    .extend(message.is_none().then_some((container, program)));
            }
            if let Some(reception) = &mut self.reception {
                reception.last_words(container, message.as_deref());
            }
            self.said.hear_message(container, message);
        }
    }

    fn hear_execs(&mut self, facts: &mut Vec<Fact>) {
        if self.ready.is_empty() {
            return;
        }
        let last_program = self.plan.programs.len().checked_sub(1);
        let mut last_has_started = false;
        self.runs.visit(&self.ready, |entry| {
            let Exec::Pending(pipe) = &entry.exec else {
                return;
            };
            match spawn::exec_outcome(pipe) {
                None => {}
                Some(Ok(())) => {
                    facts.push(Fact::Started(entry.run));
                    entry.exec = Exec::Succeeded;
                    last_has_started |= Some(entry.program.0) == last_program;
                }
                Some(Err(why)) => {
                    facts.push(Fact::Unstartable(entry.run, why));
                    entry.exec = Exec::Failed;
                }
            }
        });
        if last_has_started && self.plan.let_go && !self.owners.start_again {
            self.let_go();
        }
    }

    fn hear_relay(&mut self) {
        let Some(relay) = &mut self.relay else { return };
        let is_ready = |fd: i32| self.ready.binary_search(&fd).is_ok();
        for pid in relay.hear(is_ready, self.clock.now()) {
            self.dying
                .extend(Some(pid).filter(|pid| !net::collect(*pid)));
            self.dying_rest = FIRST_DYING_REST;
        }
        let (said, reception) = (&mut self.said, &mut self.reception);
        self.unsaid.retain(|(container, program)| {
            let words = relay.last_words(*program);
            if let Some(reception) = reception {
                reception.late_last_words(*container, words.as_deref());
            }
            let is_missing = words.is_none();
            said.hear_message(*container, words);
            is_missing
        });
    }

    fn hear_helper(&mut self, facts: &mut Vec<Fact>) {
        self.dying.retain(|pid| !net::collect(*pid));
        let Some(helper) = &self.helper else { return };
        let fd = helper.link.as_fd().as_raw_fd();
        if self.ready.binary_search(&fd).is_err() {
            return;
        }
        let heard = helper.link.hear();
        if let Some(reception) = &mut self.reception {
            reception.take(heard.questions, heard.orders, facts);
        }
        let answered = heard.answered.into_iter();
        facts.extend(answered.map(|(ask, answer)| Fact::Answered(ask, answer)));
        if heard.lost {
            self.dying
                .extend(Some(helper.pid).filter(|pid| !net::collect(*pid)));
            self.dying_rest = FIRST_DYING_REST;
            self.helper = None;
            if let Some(reception) = &mut self.reception {
                reception.forget();
            }
            facts.push(Fact::HelperLost);
        }
    }
}
