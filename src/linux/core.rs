//! The loop: wait, gather the facts of the turn, ask the machine, do as it says.
//!
//! One thread, for ever, and it blocks on nothing but [`wait`](super::wait); only when it leaves, and is not PID 1, does it
//! also wait for its helper to be gone, 0.2 s at most. It decides nothing: what a fact means is
//! the machine's to say. It parses no byte that came from a network; the helper asks numbered questions and gets the
//! status.
//!
//! What surprised us: performing can make news (a fork that is refused), which must be heard in the same turn, or the
//! loop would sleep on it. That comes to an end because a failed start never leads to another start at the same time
//! more than once.

use super::clock::Clock;
use super::guests::Guests;
use super::leaving::Leaving;
use super::perform::Performed;
use super::runs::{Exec, Runs};
use super::signals::{Inbox, Record};
use super::spawn::{self, Spawner};
use super::tty::Terminal;
use super::{reap, wait};
use crate::descriptors;
use crate::machine::{Fact, Machine};
use crate::net::{self, Link};
use crate::plan::{ExitCode, Plan};
use crate::relay::{Heard, Relay};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// The core's belongings.
pub struct Core<'a> {
    pub(super) plan: &'a Plan,
    pub(super) inbox: &'a Inbox,
    pub(super) runs: Runs,
    pub(super) helper: Option<Helper>,
    pub(super) guests: Guests,
    pub(super) own_pid: i32,
    pub(super) relay: Option<Relay>,
    /// Set once the machine has left and output is still on its way.
    pub(super) leaving: Leaving,
    terminal: Terminal,
    pub(super) clock: Clock,
    listener: Option<OwnedFd>,
    /// More children have ended than one turn collects.
    more_ended: bool,
    /// The signals of this turn.
    records: Vec<Record>,
    /// The helper's questions of this turn.
    questions: Vec<u32>,
    /// Helpers that hung up and could not be collected yet.
    dying: Vec<i32>,
    /// How long to sleep at most while there are such.
    dying_rest: Duration,
}

/// A helper's line ends a moment before its process can be collected, and no signal tells when. So it is looked at
/// again after this, and after twice as long each time, should the kernel have trouble with it.
const FIRST_DYING_REST: Duration = Duration::from_millis(1);
/// Often enough for a zombie in `ps`, seldom enough for a process that never dies.
const LONGEST_DYING_REST: Duration = Duration::from_secs(1);

/// The helper that is up.
pub struct Helper {
    /// Its process.
    pub pid: i32,
    /// The line to it.
    pub link: Link,
}

impl<'a> Core<'a> {
    /// A core that has not begun. `listener` is where the helper is to serve; `relay` what output goes through, if any
    /// does.
    pub fn new(
        plan: &'a Plan,
        inbox: &'a Inbox,
        listener: Option<OwnedFd>,
        relay: Option<Relay>,
    ) -> Core<'a> {
        let own_pid = nix::unistd::getpid().as_raw();
        Core {
            plan,
            inbox,
            runs: Runs::default(),
            helper: None,
            guests: Guests::find(own_pid),
            own_pid,
            relay,
            leaving: Leaving::default(),
            terminal: Terminal::find(),
            clock: Clock::start(),
            listener,
            more_ended: false,
            records: Vec::new(),
            questions: Vec::new(),
            dying: Vec::new(),
            dying_rest: FIRST_DYING_REST,
        }
    }

    /// One turn. `Some` is the end. The first turn does not wait.
    pub fn turn(&mut self, machine: &mut dyn Machine, first: bool) -> Option<ExitCode> {
        if self.leaving.has_begun() {
            return self.turn_leaving(machine);
        }
        let mut facts = if first {
            self.inbox.take_waiting(&mut self.records);
            self.hear()
        } else {
            let timeout = self.timeout(machine);
            self.wait(timeout)
        };
        let now = self.clock.now();
        self.leaving.hear(now, &facts);
        loop {
            let mut news = Vec::new();
            for action in machine.step(now, &facts) {
                match self.perform(action) {
                    Performed::News(fact) => news.push(fact),
                    Performed::Quietly => {}
                    Performed::Left(code) => return self.leave(now, code),
                }
            }
            if news.is_empty() {
                break;
            }
            // Whether anything is left is a fact of every step; without it a refused fork would be waited for.
            self.more_ended |= reap::reap(&mut self.runs, &mut self.guests, &mut news);
            facts = news;
        }
        self.runs.turn_over();
        self.keep_relay();
        self.answer(machine);
        None
    }

    /// A turn between the machine's last word and the end: nothing is decided any more, output goes its way.
    fn turn_leaving(&mut self, machine: &dyn Machine) -> Option<ExitCode> {
        let timeout = self.timeout(machine);
        let facts = self.wait(timeout);
        self.leaving.hear(self.clock.now(), &facts);
        self.runs.turn_over();
        self.keep_relay();
        self.answer(machine);
        self.left()
    }

    /// After the start of what the turn started, which is not to wait for it.
    fn keep_relay(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.keep(self.clock.now());
        }
    }

    fn timeout(&mut self, machine: &dyn Machine) -> Option<Duration> {
        if self.more_ended {
            return Some(Duration::ZERO);
        }
        let dying = (!self.dying.is_empty()).then_some(self.dying_rest);
        self.dying_rest = (self.dying_rest * 2).min(LONGEST_DYING_REST);
        let now = self.clock.now();
        let machines = match self.leaving.has_begun() {
            true => self.leaving.deadline(self.plan),
            false => machine.deadline(),
        };
        let relays = self.relay.as_ref().and_then(Relay::deadline);
        let deadlines = [machines, relays].into_iter().flatten();
        let deadlines = deadlines.map(|deadline| deadline.since(now));
        deadlines.chain(dying).min()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Vec<Fact> {
        let mut watched: Vec<i32> = self
            .runs
            .live()
            .filter_map(|entry| entry.pending())
            .collect();
        watched.extend(
            self.helper
                .as_ref()
                .map(|helper| helper.link.as_fd().as_raw_fd()),
        );
        watched.extend(self.relay.as_ref().and_then(Relay::watched));
        wait::wait(self.inbox, &watched, timeout, &mut self.records);
        self.hear()
    }

    fn hear(&mut self) -> Vec<Fact> {
        let (mut facts, mut signals) = (Vec::new(), Vec::new());
        let child_has_ended = self.inbox.tell(&mut self.records, &mut signals);
        // Ends, then answers, then signals: the order decides nothing but the exit code when a step fails in the very
        // turn of a SIGTERM.
        self.hear_execs(&mut facts);
        // While a run lives, SIGCHLD tells of every end. When none does, what matters is whether anything is left, and
        // that can change without a signal to us.
        if child_has_ended || self.more_ended || self.runs.is_empty() {
            self.more_ended = reap::reap(&mut self.runs, &mut self.guests, &mut facts);
        }
        self.runs
            .ended()
            .for_each(|pid| self.terminal.take_back(pid));
        self.hear_relay(&facts);
        self.hear_helper(&mut facts);
        facts.extend(signals);
        facts
    }

    fn hear_execs(&mut self, facts: &mut Vec<Fact>) {
        let mut last_has_started = false;
        for entry in self.runs.live() {
            let Exec::Pending(pipe) = &entry.exec else {
                continue;
            };
            match spawn::exec_outcome(pipe) {
                None => {}
                Some(Ok(())) => {
                    facts.push(Fact::Started(entry.run));
                    entry.exec = Exec::Succeeded;
                    last_has_started |= entry.program.0 + 1 == self.plan.programs.len();
                }
                Some(Err(why)) => {
                    facts.push(Fact::Unstartable(entry.run, why));
                    entry.exec = Exec::Failed;
                }
            }
        }
        if last_has_started && self.plan.let_go {
            self.let_go();
        }
    }

    /// Pins no mount and keeps nobody's socket open: what was inherited is the children's now.
    fn let_go(&mut self) {
        // A root that cannot be entered is no reason to do anything else.
        let _ = nix::unistd::chdir("/");
        let mut own: Vec<i32> = self.inbox.descriptors().to_vec();
        own.extend(self.runs.live().filter_map(|entry| entry.pending()));
        own.extend(
            self.helper
                .as_ref()
                .map(|helper| helper.link.as_fd().as_raw_fd()),
        );
        own.extend(self.listener.as_ref().map(|listener| listener.as_raw_fd()));
        own.extend(self.relay.iter().flat_map(Relay::descriptors));
        own.extend(self.terminal.descriptor());
        if let Err(errno) = descriptors::close_all_but(own) {
            log::debug!("inherited descriptors stay open: {}", errno.desc());
        }
    }

    pub(super) fn fork_helper(&mut self) -> Result<(), Errno> {
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        let (pid, link) = net::fork_helper(listener.as_fd(), self.own_pid)?;
        self.helper = Some(Helper { pid, link });
        Ok(())
    }

    /// Before leaving, or whoever starts us again at once finds the port still taken. PID 1 takes all with it.
    pub(super) fn end_helper(&mut self) {
        if self.own_pid != 1 {
            self.dying
                .extend(self.helper.take().map(|helper| helper.pid));
            self.dying.extend(self.relay.as_ref().and_then(Relay::pid));
            self.dying.drain(..).for_each(net::end);
        }
    }

    fn hear_relay(&mut self, facts: &[Fact]) {
        let Some(relay) = &mut self.relay else { return };
        if let Heard::Lost(pid) = relay.hear(self.clock.now()) {
            self.dying
                .extend(Some(pid).filter(|pid| !net::collect(*pid)));
            self.dying_rest = FIRST_DYING_REST;
        }
        for fact in facts {
            if let Fact::Ended(run, _) = fact
                && let Some(program) = self.runs.program_ended(*run)
            {
                relay.program_ended(program);
            }
        }
    }

    fn hear_helper(&mut self, facts: &mut Vec<Fact>) {
        self.dying.retain(|pid| !net::collect(*pid));
        let Some(helper) = &self.helper else { return };
        let heard = helper.link.questions();
        self.questions.extend(heard.questions);
        if heard.lost {
            self.dying
                .extend(Some(helper.pid).filter(|pid| !net::collect(*pid)));
            self.dying_rest = FIRST_DYING_REST;
            self.helper = None;
            self.questions.clear();
            facts.push(Fact::HelperLost);
        }
    }

    /// After the turn, so that the answer knows all that the turn brought.
    fn answer(&mut self, machine: &dyn Machine) {
        let Some(helper) = &self.helper else { return };
        for number in self.questions.drain(..) {
            helper.link.answer(number, machine.status());
        }
    }

    pub(super) fn spawner(&self) -> Spawner<'_> {
        Spawner {
            inbox: self.inbox,
            terminal: &self.terminal,
        }
    }
}
