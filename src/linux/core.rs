//! The loop: wait, gather the facts of the turn, ask the machine, do as it says.
//!
//! One thread, for ever, and it blocks on nothing but [`wait`](super::wait); only when it leaves, and is not PID 1, does it
//! also wait for its helper to be gone, 0.2 s at most. It decides nothing: what a fact means is
//! the machine's to say. It parses no byte that came from a network; the helper asks numbered questions and gets the
//! status.
//!
//! What surprised us: performing can make news (a fork that is refused), which must be heard in the same turn, or the
//! loop would sleep on it. That comes to an end because a failed start never leads to more than two others at the same
//! time.

use super::clock::Clock;
use super::guests::Guests;
use super::leaving::Leaving;
use super::limits::Limits;
use super::mark::Marks;
use super::owners::Owners;
use super::postponed::Postponed;
use super::reception::Reception;
use super::reopen::Reopening;
use super::runs::Runs;
use super::said::Said;
use super::scribe;
use super::signals::{Inbox, Record};
use super::spawn::Spawner;
use super::tty::Terminal;
use super::victims::Victims;
use super::wait;
use crate::descriptors;
use crate::machine::{Action, Answer, AskId, Cause, Fact, Machine, Outcome, StandingOrder};
use crate::net::control::Control;
use crate::net::{self, Link, Served};
use crate::plan::{CheckId, ContainerId, ExitCode, Plan, ProgramId};
use crate::relay::Relay;
use crate::time::Time;
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// The core's belongings.
pub struct Core<'a> {
    pub(super) plan: &'a Plan,
    pub(super) inbox: &'a Inbox,
    pub(super) runs: Runs,
    pub(super) postponed: Postponed,
    pub(super) helper: Option<Helper>,
    pub(super) guests: Guests,
    pub(super) own_pid: i32,
    pub(super) owners: Owners,
    pub(super) marks: Marks,
    pub(super) said: Said,
    pub(super) reopening: Reopening,
    pub(super) limits: Limits,
    pub(super) relay: Option<Relay>,
    /// Set once the machine has left and output is still on its way.
    pub(super) leaving: Leaving,
    /// Containers that failed without a word in their file, and whose output was not read to its end yet.
    pub(super) unsaid: Vec<(ContainerId, ProgramId)>,
    pub(super) terminal: Terminal,
    pub(super) clock: Clock,
    listener: Option<OwnedFd>,
    control: Option<Control>,
    pub(super) reception: Option<Reception>,
    pub(super) victims: Victims,
    /// More children have ended than one turn collects.
    pub(super) more_ended: bool,
    /// The signals of this turn.
    pub(super) records: Vec<Record>,
    /// What is done with signals of which the machine need not hear.
    pub(super) standing: Option<StandingOrder>,
    /// The descriptors to watch in this turn.
    watched: Vec<i32>,
    /// Those of them that were ready.
    pub(super) ready: Vec<i32>,
    /// What the machine wants asked over the network, in this step.
    pub(super) asks: Vec<(AskId, CheckId)>,
    /// Helpers that hung up and could not be collected yet.
    pub(super) dying: Vec<i32>,
    /// How long to sleep at most while there are such.
    pub(super) dying_rest: Duration,
    /// Of whose stop people were told: the helper, the relay and the scribe.
    pub(super) told_of_stop: [i32; 3],
}

/// A helper's line ends a moment before its process can be collected, and no signal tells when. So it is looked at
/// again after this, and after twice as long each time, should the kernel have trouble with it.
pub(super) const FIRST_DYING_REST: Duration = Duration::from_millis(1);
/// Often enough for a zombie in `ps`, seldom enough for a process that never dies.
const LONGEST_DYING_REST: Duration = Duration::from_secs(1);

/// What a turn is about. They are emptied and used again: a turn costs no memory.
#[derive(Default)]
pub struct Lists {
    facts: Vec<Fact>,
    actions: Vec<Action>,
    news: Vec<Fact>,
}

/// The helper that is up.
pub struct Helper {
    /// Its process.
    pub pid: i32,
    /// The line to it.
    pub link: Link,
}

impl<'a> Core<'a> {
    /// A core that has not begun. `listener` and `control` are where the helper is to serve; `relay` what output goes
    /// through, if any does.
    pub fn new(
        plan: &'a Plan,
        inbox: &'a Inbox,
        limits: Limits,
        listener: Option<OwnedFd>,
        control: Option<Control>,
        relay: Option<Relay>,
    ) -> Core<'a> {
        let own_pid = nix::unistd::getpid().as_raw();
        Core {
            plan,
            inbox,
            runs: Runs::default(),
            postponed: Postponed::default(),
            helper: None,
            guests: Guests::find(own_pid),
            own_pid,
            owners: Owners::of(plan),
            marks: Marks::new(),
            said: Said::default(),
            reopening: Reopening::new(own_pid == 1),
            limits,
            relay,
            leaving: Leaving::default(),
            unsaid: Vec::new(),
            terminal: Terminal::find(),
            clock: Clock::start(),
            listener,
            control,
            reception: plan.is_served().then(|| Reception::new(plan)),
            victims: Victims::default(),
            more_ended: false,
            records: Vec::new(),
            standing: None,
            watched: Vec::new(),
            ready: Vec::new(),
            asks: Vec::new(),
            dying: Vec::new(),
            dying_rest: FIRST_DYING_REST,
            told_of_stop: [0; 3],
        }
    }

    /// One turn. `Some` is the end. The first turn does not wait. `lists` are empty before and after it.
    pub fn turn(
        &mut self,
        machine: &mut dyn Machine,
        first: bool,
        lists: &mut Lists,
    ) -> Option<ExitCode> {
        if self.leaving.has_begun() {
            return self.turn_leaving(machine);
        }
        if first {
            self.inbox.take_waiting(&mut self.records);
        } else {
            while !self.wait(machine) && self.obey_standing_order() {}
        }
        self.hear(&mut lists.facts);
        let now = self.clock.now();
        if let Some(code) = self.live(machine, now, lists) {
            return self.leave(now, code);
        }
        self.runs.turn_over();
        self.keep_relay();
        // Files of /proc and of cgroups are slow: not before the command runs, nor for nobody.
        if !first && self.reception.is_some() {
            self.victims.begin();
        }
        self.answer(machine, now);
        scribe::catch_up();
        self.standing = machine.standing_order();
        None
    }

    /// Has the machine step until there is no news; empties the lists.
    fn live(
        &mut self,
        machine: &mut dyn Machine,
        now: Time,
        Lists {
            facts,
            actions,
            news,
        }: &mut Lists,
    ) -> Option<ExitCode> {
        loop {
            if let Some(reception) = &mut self.reception {
                reception.hear(now, facts);
            }
            machine.step_into(now, facts, actions);
            self.leaving.note(now, actions);
            if let Some(reception) = &mut self.reception {
                reception.act(now, actions);
            }
            let end = self.perform_all(actions, news);
            actions.clear();
            facts.clear();
            if end.is_some() {
                return end;
            }
            self.send_asks(news);
            if news.is_empty() {
                return None;
            }
            // Whether anything is left is a fact of every step; without it a refused fork would be waited for.
            self.more_ended |= self.collect(news);
            std::mem::swap(facts, news);
        }
    }

    /// A turn between the machine's last word and the end: nothing is decided any more, output goes its way.
    fn turn_leaving(&mut self, machine: &dyn Machine) -> Option<ExitCode> {
        let _ = self.wait(machine);
        let mut facts = Vec::new();
        self.hear(&mut facts);
        let now = self.clock.now();
        self.runs.turn_over();
        self.keep_relay();
        self.answer(machine, now);
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
        let machines = match self.leaving.has_begun() {
            true => self.leaving.deadline(self.plan),
            false => machine.deadline(),
        };
        let relays = self.relay.as_ref().and_then(Relay::deadline);
        let deadline = Time::first(machines, relays);
        let mut timeout = deadline.map(|at| at.since(self.clock.now()));
        if !self.dying.is_empty() {
            let rest = self.dying_rest;
            self.dying_rest = (rest * 2).min(LONGEST_DYING_REST);
            timeout = Some(timeout.map_or(rest, |timeout| timeout.min(rest)));
        }
        timeout
    }

    /// Whether something was due already, so that there was no time to sleep.
    fn wait(&mut self, machine: &dyn Machine) -> bool {
        let timeout = self.timeout(machine);
        let watched = &mut self.watched;
        watched.clear();
        self.runs.watch(watched);
        if let Some(helper) = &self.helper {
            watched.push(helper.link.as_fd().as_raw_fd());
        }
        watched.extend(self.relay.iter().flat_map(Relay::watched));
        let (records, ready) = (&mut self.records, &mut self.ready);
        wait::wait(self.inbox, watched, timeout, records, ready);
        timeout == Some(Duration::ZERO)
    }

    /// Pins no mount and keeps nobody's socket open: what was inherited is the children's now.
    pub(super) fn let_go(&mut self) {
        // A root that cannot be entered is no reason to do anything else.
        let _ = nix::unistd::chdir("/");
        let mut own: Vec<i32> = self.inbox.bell().into_iter().collect();
        own.extend(self.runs.descriptors());
        own.extend(
            self.helper
                .as_ref()
                .map(|helper| helper.link.as_fd().as_raw_fd()),
        );
        own.extend(self.listener.as_ref().map(|listener| listener.as_raw_fd()));
        own.extend(self.control.as_ref().map(|it| it.as_fd().as_raw_fd()));
        own.extend(self.relay.iter().flat_map(Relay::descriptors));
        own.extend(self.terminal.descriptor());
        own.extend(scribe::descriptors());
        if let Err(errno) = descriptors::close_all_but(own) {
            log::debug!("inherited descriptors stay open: {}", errno.desc());
        }
    }

    pub(super) fn fork_helper(&mut self) -> Result<(), Errno> {
        let served = Served {
            health: self.listener.as_ref().map(AsFd::as_fd),
            control: self.control.as_ref().map(AsFd::as_fd),
            plan: self.plan,
            start: self.clock.wall_clock_at_start(),
        };
        let (pid, link) = net::fork_helper(served, self.own_pid)?;
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
        if let Some(control) = &self.control {
            control.remove();
        }
    }

    /// Hands the helper all asks of a step. Those that it cannot be told of are answered here, in the same turn.
    fn send_asks(&mut self, news: &mut Vec<Fact>) {
        let refused = match &self.helper {
            Some(helper) => helper.link.ask(&self.asks),
            None => &self.asks,
        };
        let away = Answer {
            outcome: Outcome::Unknown,
            cause: Cause::NoHelper,
        };
        news.extend(refused.iter().map(|(ask, _)| Fact::Answered(*ask, away)));
        self.asks.clear();
    }

    /// After the turn, so that the answer knows all that the turn brought.
    fn answer(&mut self, machine: &dyn Machine, now: Time) {
        if let (Some(helper), Some(reception)) = (&self.helper, &mut self.reception) {
            reception.answer(&helper.link, now, &|| machine.status());
        }
    }

    pub(super) fn spawner(&self) -> Spawner<'_> {
        Spawner {
            inbox: self.inbox,
            terminal: &self.terminal,
            limits: &self.limits,
        }
    }
}
