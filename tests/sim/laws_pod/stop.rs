//! The stop of the pod: why, since when, when it is over at the latest, and with which code.

use super::PodLaws;
use super::book::{Book, FLOOR, HookState, Instance, Next};
use crate::laws::Turn;
use monopod::machine::Ending as End;
use monopod::plan::{ExitCode, Pod, Role, Signal};
use monopod::time::Time;
use std::time::Duration;

/// A stop under way.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub at: Time,
    /// When the drain is over.
    pub drained: Time,
    /// When the grace is over: the pod's one absolute end.
    pub by: Time,
}

/// Why a pod is being stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// By a signal, or by command.
    Asked(Option<Signal>),
    /// No main container is to run any more.
    MainsOver,
    /// An init container failed for good.
    InitFailed,
    /// activeDeadlineSeconds are over.
    Deadline,
}

impl Stop {
    /// Somebody asked.
    pub fn asked(now: Time, pod: &Pod, signal: Option<Signal>) -> Stop {
        Stop {
            cause: Cause::Asked(signal),
            at: now,
            drained: now.after(pod.drain.min(pod.grace)),
            by: now.after(pod.grace),
        }
    }

    /// Nobody asked.
    pub fn by_itself(now: Time, pod: &Pod, cause: Cause) -> Stop {
        Stop {
            cause,
            at: now,
            drained: match cause {
                Cause::Deadline => now.after(pod.drain.min(pod.grace)),
                Cause::Asked(_) | Cause::MainsOver | Cause::InitFailed => now,
            },
            by: now.after(pod.grace),
        }
    }
}

/// From when on something may be done, and when it must have been done; `None`: not by the clock.
pub type Window = (Option<Time>, Option<Time>);

impl PodLaws {
    /// When this container's preStop hook is run, if nothing else happens.
    pub fn hook_window(&self, book: &Book, instance: &Instance, now: Time) -> Window {
        if book.plan.pre_stop.is_none() || instance.pre != HookState::Before {
            return (None, None);
        }
        if instance.signalled.is_some() {
            return (None, None);
        }
        if let Some(kill) = instance.kill.filter(|kill| !kill.grace.is_zero()) {
            // A hook that had to wait until its grace was over is passed over.
            let at = Some(kill.at).filter(|_| now < kill.by());
            return (at, at);
        }
        let pods = self.stop.as_ref().filter(|stop| now < stop.by);
        let drained = pods.map(|stop| (self.drained(stop), stop.by));
        let at = drained.filter(|(at, by)| at < by).map(|(at, _)| at);
        (at, at)
    }

    /// The drain is for main containers that serve; without any there is none.
    pub fn drained(&self, stop: &Stop) -> Time {
        match self.mains_live() {
            true => stop.drained,
            false => stop.at,
        }
    }

    fn mains_live(&self) -> bool {
        let mut mains = self
            .books
            .iter()
            .filter(|book| book.plan.role == Role::Main);
        mains.any(|book| book.live().is_some())
    }

    /// Whether all that must end before this sidecar have ended.
    fn is_its_turn(&self, place: usize) -> bool {
        if self.books[place].plan.role != Role::Sidecar {
            return true;
        }
        let mut later = self.books.iter().enumerate().skip(place + 1);
        later.all(|(_, book)| book.plan.role == Role::Init || book.live().is_none())
    }

    /// When this container's stop signal is sent.
    pub fn signal_window(&self, place: usize, now: Time) -> Window {
        let book = &self.books[place];
        let Some(instance) = book.live().filter(|instance| instance.signalled.is_none()) else {
            return (None, None);
        };
        let hook_is_over = match instance.pre {
            HookState::Before => book.plan.pre_stop.is_none(),
            HookState::Live(_) => false,
            HookState::Over(_) => true,
        };
        let own = instance.kill.map(|kill| {
            let hookless = hook_is_over || kill.grace.is_zero();
            if hookless { now } else { kill.by() }
        });
        let pods = self.stop.as_ref().map(|stop| {
            let drained = self.drained(stop);
            let hookless = hook_is_over || drained >= stop.by;
            match hookless && self.is_its_turn(place) {
                true => drained.min(stop.by),
                false => stop.by,
            }
        });
        let both = own.into_iter().chain(pods);
        (both.clone().min(), both.max())
    }

    /// When this container is killed, once it was signalled.
    pub fn kill_window(&self, instance: &Instance) -> Window {
        let Some(signalled) = instance.signalled else {
            return (None, None);
        };
        let floor = signalled.after(FLOOR);
        let own = instance.kill.map(|kill| {
            // Of what the hook took, the kubelet subtracts whole seconds only (S84).
            let took = Duration::from_secs(signalled.since(kill.at).as_secs());
            let whole = signalled.after(kill.grace.saturating_sub(took));
            // One that was signalled already has two seconds from the moment on that its grace was taken (S158).
            let taken = signalled.max(kill.at).after(FLOOR);
            (kill.by().max(floor), whole.max(taken))
        });
        let pods = self.stop.as_ref().map(|stop| stop.by.max(floor));
        let joined = instance.joined.map(|at| at.max(floor));
        let from = own
            .map(|own| own.0)
            .into_iter()
            .chain(pods)
            .chain(joined)
            .min();
        let until = own.map(|own| own.1).into_iter().chain(pods).max();
        (from, until)
    }

    /// Sees whether from now on there is nothing left to do but to clear away.
    pub fn begin_ending(&mut self, turn: &Turn) {
        let now = turn.now;
        let Some(stop) = self
            .stop
            .as_ref()
            .filter(|_| self.ending.killed_at.is_none())
        else {
            let code = self.code();
            if self.stop.is_some() && self.books.iter().all(|book| book.live().is_none()) {
                self.ending.learn_codes(code);
            }
            return;
        };
        let live: Vec<&Instance> = self.books.iter().filter_map(Book::live).collect();
        if live.is_empty() {
            if !self.ending.has_begun() {
                let last = self.books.iter().filter_map(|book| book.instance.as_ref());
                let floor = last.filter_map(|instance| instance.signalled).max();
                let floor = floor.map_or(stop.by, |at| at.after(FLOOR));
                let until = stop.by.max(floor).max(now.after(FLOOR));
                // An end that was set for one container alone, and comes earlier, holds (S110).
                let instances = self.books.iter().filter_map(|book| book.instance.as_ref());
                let own = instances.filter_map(|instance| self.kill_window(instance).0);
                let from = own.chain([stop.by]).min().unwrap_or(until).min(until);
                let codes = self.code();
                self.ending.begin_within(from, until, codes);
            }
            return;
        }
        let windows: Vec<_> = live
            .iter()
            .map(|instance| self.kill_window(instance))
            .collect();
        let all = |pick: fn(&Window) -> Option<Time>| {
            let times: Option<Vec<Time>> = windows.iter().map(pick).collect();
            times.and_then(|times| times.into_iter().max())
        };
        self.ending
            .expect_kill(all(|window| window.0), all(|window| window.1));
    }
}

/// The codes that would be right now; one, but where nobody can know.
pub fn codes(laws: &PodLaws) -> Vec<ExitCode> {
    let remap = |code| laws.pod.remap_exit.apply(code);
    let Some(stop) = &laws.stop else {
        return Vec::new();
    };
    let mains = || {
        laws.books
            .iter()
            .filter(|book| book.plan.role == Role::Main)
    };
    let init_failure = laws.books.iter().find_map(|book| match book.next {
        Next::Done(Some(end)) if book.plan.role == Role::Init && !end.is_success() => {
            Some(end.code())
        }
        _ => None,
    });
    let code = match stop.cause {
        Cause::InitFailed => init_failure,
        Cause::Asked(signal) if mains().all(|book| book.starts == 0) => {
            Some(ExitCode::by_signal(signal.unwrap_or(Signal::TERM)))
        }
        Cause::Deadline => return Vec::new(),
        Cause::Asked(_) | Cause::MainsOver => {
            let ended = |book: &Book| match book.next {
                Next::Done(ending) => ending.map(End::code),
                // Should it survive even SIGKILL, nobody will ever know its own code.
                Next::Live => Some(ExitCode::by_signal(Signal::KILL)),
                Next::First | Next::Again(..) => None,
            };
            let named = laws.pod.exit_code_from;
            let mut codes = mains().filter_map(ended);
            named
                .and_then(|id| ended(&laws.books[id.0]))
                .or_else(|| codes.find(|code| *code != ExitCode::SUCCESS))
                .or(Some(ExitCode::SUCCESS))
        }
    };
    code.map(remap).into_iter().collect()
}
