//! Actions become system calls, one arm an action. An arm that needs to think belongs into the machine.

use super::core::Core;
use super::runs::Entry;
use super::spawn::Forked;
use super::tree::{self, Order};
use super::{everyone, last_words, scribe};
use crate::machine::{Action, Fact, Happening, RunId, Stage, Unstartable};
use crate::plan::{Conduct, ExitCode, Placement, ProgramId, Signal, Target};
use crate::report::words;
use nix::errno::Errno;

impl Core<'_> {
    /// Does as told, in order, and then says what is to be said: nobody is to be struck later for our words. What it came to
    /// is news for the machine in this very turn. `Some` is the end.
    pub fn perform_all(&mut self, actions: &[Action], news: &mut Vec<Fact>) -> Option<ExitCode> {
        let mut end = None;
        let mut struck_trees = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            match action {
                Action::Start(run, program) => self.start(*run, *program, news),
                Action::Strike(run, _, signal) if self.call_off(*run, *signal, news) => {}
                Action::Strike(_, Target::Tree, _)
                    if struck_trees.binary_search(&place).is_ok() => {}
                Action::Strike(_, Target::Tree, _) => {
                    self.strike_trees(actions, place, &mut struck_trees)
                }
                Action::Strike(run, target, signal) => self.strike(*run, *target, *signal),
                Action::StrikeAll(signal) => {
                    news.extend(self.postponed.call_off(*signal, |_| true));
                    let mut spared = self.guests.pids().to_vec();
                    spared.extend(self.helper.as_ref().map(|helper| helper.pid));
                    spared.extend(scribe::pid());
                    if let Some(relay) = &mut self.relay {
                        spared.extend(relay.pid());
                        relay.expect_death();
                    }
                    everyone::strike(*signal, self.own_pid, &spared, &self.runs);
                }
                // Sent together when the step is done.
                Action::Ask(ask, check) => self.asks.push((*ask, *check)),
                Action::StartHelper => news.extend(self.start_helper()),
                // SAFETY: plain numbers.
                Action::SuspendSelf => drop(unsafe { libc::kill(self.own_pid, libc::SIGSTOP) }),
                Action::Say(_) => {}
                Action::Leave(code) => end = Some(*code),
            }
        }
        for action in actions {
            if let Action::Say(happening) = action {
                self.say(happening);
            }
        }
        if let Some(code) = end {
            self.leave_last_words(code);
        }
        end
    }

    /// Hands on a signal of which the machine need not hear. Whether it was one; then the turn has not begun.
    pub(super) fn obey_standing_order(&mut self) -> bool {
        let (Some(order), [record], []) = (self.standing, &self.records[..], &self.ready[..])
        else {
            return false;
        };
        // A start that was put off cannot be struck yet, and the signal may call it off.
        let Some(signal) = self.inbox.sent_by_another(record).filter(|signal| {
            order.signals.contains(*signal) && self.runs.find(order.run).is_some()
        }) else {
            return false;
        };
        self.records.clear();
        self.strike(order.run, order.target, signal);
        true
    }

    /// Whether the signal is for a start that was put off, which it calls off.
    fn call_off(&mut self, run: RunId, signal: Signal, news: &mut Vec<Fact>) -> bool {
        let called_off = self
            .postponed
            .call_off(signal, |postponed| postponed == run);
        news.extend(&called_off);
        !called_off.is_empty()
    }

    /// Forks a program that is to be a run.
    pub(super) fn fork_program(
        &mut self,
        run: RunId,
        program: ProgramId,
    ) -> Result<(), Unstartable> {
        let its = self.plan.program(program);
        if let Some((_, message)) = self.owners.termination_message(program, self.plan)
            && let Some(path) = &message.path
            && let Err(error) = last_words::prepare(path)
        {
            let path = path.display();
            log::debug!("no termination message can be left in {path}: {error}");
        }
        let marked = its.placement == Placement::Alone;
        let mark = marked.then(|| self.marks.variable(self.owners.owner(run, program)));
        let relayed = self.relay.as_ref().and_then(|r| r.outputs_of(program));
        if relayed.is_none() && !its.kept_output {
            self.reopening.prepare(its);
        }
        match self.spawner().spawn(its, mark, relayed) {
            Ok(Forked { pid, exec, kept }) => {
                self.runs.enter(Entry {
                    run,
                    program,
                    pid,
                    exec,
                    kept,
                });
                Ok(())
            }
            Err(why) => {
                debug_assert_eq!(
                    why.stage,
                    Stage::Fork,
                    "only the parent's part can fail here"
                );
                Err(why)
            }
        }
    }

    fn strike(&mut self, run: RunId, target: Target, signal: Signal) {
        let live = self.runs.find(run).map(|entry| entry.pid);
        let struck = match (target, live) {
            // No such group: the child has not yet made it (a session is made by the child alone).
            (Target::Group | Target::Tree, Some(pid)) => {
                send(-pid, signal).or_else(|_| send(pid, signal))
            }
            (Target::Process, Some(pid)) => send(pid, signal),
            (Target::Group | Target::Tree, None) => match self.runs.find_ended(run) {
                Some(ended) => send(-ended.pid, signal).or(Ok(())),
                None => Ok(()),
            },
            (Target::Process, None) => Ok(()),
        };
        if let Err(errno) = struck {
            let name = self
                .runs
                .find(run)
                .map_or("a program", |e| &self.plan.program(e.program).name);
            log::warn!("cannot send {signal} to {name}: {}", errno.desc());
        }
    }

    /// All trees of the turn at once, from the first on, so that they share one look at all processes. Runs that are
    /// started later in the same turn wait for their own place. `struck` are the places that need no more, in order.
    fn strike_trees(&mut self, actions: &[Action], first: usize, struck: &mut Vec<usize>) {
        let (mut orders, before) = (Vec::new(), struck.len());
        for (place, action) in actions.iter().enumerate().skip(first) {
            if let Action::Strike(run, Target::Tree, signal) = action
                && struck[..before].binary_search(&place).is_err()
                && let Some((program, pid)) = self.whereabouts(*run)
            {
                orders.push(Order {
                    run: *run,
                    container: self.owners.container(program),
                    pid,
                    signal: *signal,
                });
                struck.push(place);
            }
        }
        struck.sort_unstable();
        if orders.is_empty() {
            return;
        }
        let live = self.runs.live().map(|e| (e.pid, e.run, e.program));
        let ended = self.runs.ended().map(|(run, e)| (e.pid, run, e.program));
        let roots = live
            .chain(ended)
            .map(|(pid, run, program)| (pid, self.owners.owner(run, program)))
            .collect();
        tree::strike(&orders, &roots, &self.marks, self.own_pid);
    }

    fn whereabouts(&mut self, run: RunId) -> Option<(ProgramId, i32)> {
        if let Some(live) = self.runs.find(run) {
            return Some((live.program, live.pid));
        }
        let ended = self.runs.find_ended(run)?;
        Some((ended.program, ended.pid))
    }

    fn say(&mut self, happening: &Happening) {
        self.said.note(happening);
        let again = self.said.is_repeat(happening);
        let said = self.said.about(happening, self.plan);
        if let Some(reception) = &mut self.reception {
            reception.note(happening, self.plan, said.as_deref());
        }
        words::say(happening, self.plan, said.as_deref(), again);
    }

    /// The drop-in forms have no words of their own, as those that they stand in for.
    pub(super) fn leave_last_words(&self, code: ExitCode) {
        let is_drop_in = matches!(self.plan.conduct, Conduct::Passthrough(_));
        if code == ExitCode::SUCCESS || is_drop_in {
            return;
        }
        if let Err(error) = last_words::leave(&self.said.why(code, self.plan)) {
            log::debug!("no line in the outer termination log: {error}");
        }
    }

    fn start_helper(&mut self) -> Option<Fact> {
        let forked = self.fork_helper();
        forked
            .err()
            .map(|errno| Fact::HelperUnstartable(errno as i32))
    }
}

fn send(pid: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::kill(pid, signal.number()) }).map(drop)
}
