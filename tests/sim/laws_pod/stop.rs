//! The stop of the pod: why, since when, when it is over at the latest, and with which code.

use super::PodLaws;
use super::book::{Book, FLOOR, HookState, Instance, Next};
use crate::laws::Turn;
use monopod::machine::Ending as End;
use monopod::plan::{ExitCode, Pod, Role, Signal};
use monopod::time::Time;

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
    pub fn asked(now: Time, pod: &Pod, signal: Option<Signal>, _commanded: bool) -> Stop {
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
            drained: now,
            by: now.after(pod.grace),
        }
    }
}

/// From when on something may be done, and when it must have been done; `None`: not by the clock.
pub type Window = (Option<Time>, Option<Time>);

impl PodLaws {
    /// When this container's preStop hook is run, if nothing else happens.
    pub fn hook_window(&self, book: &Book, instance: &Instance) -> Window {
        if book.plan.pre_stop.is_none() || instance.pre != HookState::Before {
            return (None, None);
        }
        if instance.signalled.is_some() {
            return (None, None);
        }
        let running = instance.is_running();
        let own = instance.kill.filter(|kill| !kill.grace.is_zero());
        let own = own.map(|kill| kill.at).filter(|_| instance.ran.is_some());
        let pods = self.stop.as_ref().filter(|stop| stop.drained < stop.by);
        let may = pods.map(|stop| if self.mains_live() { stop.drained } else { stop.at });
        let must = pods.map(|stop| stop.drained).filter(|_| running);
        match own {
            Some(at) => (Some(at), Some(at)),
            None => (may.filter(|_| instance.ran.is_some()), must),
        }
    }

    fn mains_live(&self) -> bool {
        let mut mains = self.books.iter().filter(|book| book.plan.role == Role::Main);
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
        // A hook that has no time, or nothing to run in, is passed over.
        let no_hook = hook_is_over || instance.pre == HookState::Before && !instance.is_running();
        let own = instance.kill.map(|kill| {
            let hookless = hook_is_over || kill.grace.is_zero() || instance.ran.is_none();
            if hookless { now } else { kill.by() }
        });
        let pods = self.stop.as_ref().map(|stop| {
            let may_now = no_hook || stop.drained >= stop.by;
            let must_now = hook_is_over || stop.drained >= stop.by;
            let drained = if self.mains_live() { stop.drained } else { stop.at };
            let turn = self.is_its_turn(place);
            let may = if may_now && turn { drained.max(stop.at) } else { stop.by };
            let must = if must_now && turn { stop.drained } else { stop.by };
            (may, must)
        });
        match (own, pods) {
            (None, None) => (None, None),
            (Some(own), None) => (Some(own), Some(own)),
            (None, Some((may, must))) => (Some(may), Some(must)),
            (Some(own), Some((may, must))) => (Some(own.min(may)), Some(own.max(must))),
        }
    }

    /// When this container is killed, once it was signalled.
    pub fn kill_window(&self, instance: &Instance) -> Window {
        let Some(signalled) = instance.signalled else {
            return (None, None);
        };
        let floor = signalled.after(FLOOR);
        let own = instance.kill.map(|kill| kill.by().max(floor));
        let pods = self.stop.as_ref().map(|stop| stop.by.max(floor));
        let both = own.into_iter().chain(pods);
        (both.clone().min(), both.max())
    }

    /// Sees whether from now on there is nothing left to do but to clear away.
    pub fn begin_ending(&mut self, turn: &Turn) {
        let now = turn.now;
        let Some(stop) = self.stop.as_ref().filter(|_| self.ending.killed_at.is_none()) else {
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
                let (from, codes) = (stop.by.min(until), self.code());
                self.ending.begin_within(from, until, codes);
            }
            return;
        }
        let windows: Vec<_> = live.iter().map(|instance| self.kill_window(instance)).collect();
        let all = |pick: fn(&(Option<Time>, Option<Time>)) -> Option<Time>| {
            let times: Option<Vec<Time>> = windows.iter().map(pick).collect();
            times.and_then(|times| times.into_iter().max())
        };
        self.ending.expect_kill(all(|window| window.0), all(|window| window.1));
    }
}

/// The codes that would be right now; one, but where nobody can know.
pub fn codes(laws: &PodLaws) -> Vec<ExitCode> {
    let remap = |code| laws.pod.remap_exit.apply(code);
    let Some(stop) = &laws.stop else {
        return Vec::new();
    };
    let mains = || laws.books.iter().filter(|book| book.plan.role == Role::Main);
    let init_failure = laws.books.iter().find_map(|book| match book.next {
        Next::Done(Some(end)) if book.plan.role == Role::Init && !end.is_success() => Some(end.code()),
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
                _ => None,
            };
            match laws.pod.exit_code_from {
                Some(id) => ended(&laws.books[id.0]),
                None => {
                    let mut codes = mains().filter_map(ended);
                    Some(codes.find(|code| *code != ExitCode::SUCCESS).unwrap_or(ExitCode::SUCCESS))
                }
            }
        }
    };
    code.map(remap).into_iter().collect()
}
