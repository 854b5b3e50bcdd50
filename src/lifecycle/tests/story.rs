//! The language of the stories: a pod, how its programs behave, what happens, and what it did.
//!
//! The world here is small and obedient: a program runs from its exec on, ends when its temper says so, and what was
//! struck is written down. What a whimsical kernel makes of it is the business of `tests/sim`.

use crate::lifecycle;
use crate::machine::{
    Action, Ending as End, Fact, Machine, PodStatus, RunId, Sender, Stage, Unstartable,
};
use crate::plan::{
    self, Conduct, Container, ExitCode, Plan, ProgramId, RestartPolicy, Role, Signal, Target,
};
use crate::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a program behaves at every start.
#[derive(Clone, Copy)]
pub struct Temper {
    /// Ends by itself so many seconds after its start, with this code.
    ends: Option<(u64, u8)>,
    /// Ends so many seconds after a stop signal, with this code; otherwise it ignores it.
    obeys: Option<(u64, u8)>,
    /// Cannot be started.
    missing: bool,
}

pub const RUNS: Temper = Temper {
    ends: None,
    obeys: Some((0, 143)),
    missing: false,
};

pub fn exits(after: u64, code: u8) -> Temper {
    Temper {
        ends: Some((after, code)),
        ..RUNS
    }
}

pub fn obeys(after: u64, code: u8) -> Temper {
    Temper {
        obeys: Some((after, code)),
        ..RUNS
    }
}

/// Cannot be started.
pub const MISSING: Temper = Temper {
    missing: true,
    ..RUNS
};

/// Ignores its stop signal.
pub const DEAF: Temper = Temper {
    obeys: None,
    ..RUNS
};

/// A pod and what becomes of it.
pub struct Story {
    policy: RestartPolicy,
    pub pod: plan::Pod,
    tempers: Vec<Temper>,
    /// What is said of whoever dies of our SIGKILL.
    pub killed_as: End,
    events: BTreeMap<(Time, u32), Fact>,
    /// What was started and struck: `5 start web`, `7 TERM web`.
    pub deeds: Vec<String>,
    pub left: Option<(u64, u8)>,
    pub last: PodStatus,
    /// The status after the last turn of each second.
    seen: BTreeMap<u64, PodStatus>,
}

impl Story {
    pub fn new(policy: RestartPolicy) -> Story {
        Story {
            policy,
            pod: plan::Pod::bare(Vec::new(), Duration::from_secs(30)),
            tempers: Vec::new(),
            killed_as: End::Killed(Signal::KILL),
            events: BTreeMap::new(),
            deeds: Vec::new(),
            left: None,
            last: PodStatus::default(),
            seen: BTreeMap::new(),
        }
    }

    /// A container with this program.
    pub fn add(
        mut self,
        name: &str,
        role: Role,
        temper: Temper,
        change: impl FnOnce(&mut Container),
    ) -> Story {
        let program = ProgramId(self.pod.containers.len());
        let mut container = Container::bare(name, role, program, self.policy);
        change(&mut container);
        self.pod.containers.push(container);
        self.tempers.push(temper);
        self
    }

    pub fn init(self, name: &str, temper: Temper) -> Story {
        self.add(name, Role::Init, temper, |_| {})
    }

    pub fn sidecar(self, name: &str, temper: Temper) -> Story {
        self.add(name, Role::Sidecar, temper, |_| {})
    }

    pub fn main(self, name: &str, temper: Temper) -> Story {
        self.add(name, Role::Main, temper, |_| {})
    }

    pub fn grace(mut self, seconds: u64) -> Story {
        self.pod.grace = Duration::from_secs(seconds);
        self
    }

    pub fn at(mut self, seconds: u64, fact: Fact) -> Story {
        let number = self.events.len() as u32;
        self.events.insert((at(seconds), number), fact);
        self
    }

    pub fn stop_at(self, seconds: u64) -> Story {
        self.at(seconds, Fact::Signalled(Signal::TERM, Sender::Process(0)))
    }

    /// Lives so many seconds, or until it leaves.
    pub fn lives(mut self, seconds: u64) -> Story {
        let plan = Plan::bare(Vec::new(), Conduct::Pod(self.pod.clone()));
        let mut machine = lifecycle::Pod::new(&plan, &self.pod);
        let mut living: BTreeMap<RunId, ProgramId> = BTreeMap::new();
        let mut events = std::mem::take(&mut self.events);
        let mut number = 1000;
        let mut now = Time::START;
        loop {
            let mut facts = Vec::new();
            while let Some(entry) = events.first_entry().filter(|entry| entry.key().0 <= now) {
                let fact = entry.remove();
                match fact {
                    Fact::Ended(run, _) | Fact::Unstartable(run, _)
                        if living.remove(&run).is_none() => {}
                    fact => facts.push(fact),
                }
            }
            facts.extend(living.is_empty().then_some(Fact::Emptied));
            let mut tell = |at: Time, fact| {
                number += 1;
                events.insert((at, number), fact);
            };
            for action in machine.step(now, &facts) {
                match action {
                    Action::Start(run, program) => {
                        self.deed(now, "start", program);
                        living.insert(run, program);
                        let temper = self.tempers[program.0];
                        if temper.missing {
                            let (stage, errno) = (Stage::Exec, libc::ENOENT);
                            tell(now, Fact::Unstartable(run, Unstartable { stage, errno }));
                            continue;
                        }
                        tell(now, Fact::Started(run));
                        if let Some((after, code)) = temper.ends {
                            let end = now.after(Duration::from_secs(after));
                            tell(end, Fact::Ended(run, End::Exited(ExitCode(code))));
                        }
                    }
                    Action::Strike(run, target, signal) => {
                        let Some(program) = living.get(&run).copied() else {
                            continue;
                        };
                        self.deed(now, &signal.to_string()[3..], program);
                        match (signal, self.tempers[program.0].obeys) {
                            (Signal::KILL, _) => {
                                assert_eq!(
                                    target,
                                    Target::Tree,
                                    "what is killed is killed with its tree"
                                );
                                tell(now, Fact::Ended(run, self.killed_as));
                            }
                            (_, Some((after, code))) => {
                                let end = now.after(Duration::from_secs(after));
                                tell(end, Fact::Ended(run, End::Exited(ExitCode(code))));
                            }
                            (_, None) => {}
                        }
                    }
                    Action::StrikeAll(signal) => {
                        for (run, program) in living.clone() {
                            self.deed(now, &format!("all {}", &signal.to_string()[3..]), program);
                            if signal == Signal::KILL {
                                tell(now, Fact::Ended(run, self.killed_as));
                            }
                        }
                    }
                    Action::Leave(code) => self.left = Some((secs(now), code.0)),
                    Action::Ask(..)
                    | Action::StartHelper
                    | Action::SuspendSelf
                    | Action::Say(_) => {}
                }
            }
            self.last = machine.status();
            self.seen.insert(secs(now), self.last.clone());
            let deadline = machine.deadline();
            assert!(
                deadline.is_none_or(|at| at > now),
                "deadlines lie in the future"
            );
            let next = events.keys().next().map(|(at, _)| *at);
            match next.into_iter().chain(deadline).min() {
                Some(next) if self.left.is_none() && next <= at(seconds) => now = next,
                _ => return self,
            }
        }
    }

    fn deed(&mut self, now: Time, what: &str, program: ProgramId) {
        // Hooks are programs of no container.
        let container = self
            .pod
            .containers
            .iter()
            .find(|known| known.program == program);
        let name = container.map_or("hook", |container| &container.name);
        self.deeds.push(format!("{} {what} {name}", secs(now)));
    }

    #[track_caller]
    pub fn does(self, expected: &[&str]) -> Story {
        assert_eq!(self.deeds, expected);
        self
    }

    /// The seconds in which this container was started.
    pub fn starts(&self, name: &str) -> Vec<u64> {
        let end = format!(" start {name}");
        let starts = self.deeds.iter().filter_map(|deed| deed.strip_suffix(&end));
        starts
            .map(|at| at.parse().expect("a deed begins with its second"))
            .collect()
    }

    /// The status as it was at that second.
    pub fn status(&self, seconds: u64) -> &PodStatus {
        let past = self.seen.range(..=seconds);
        past.last()
            .map(|(_, status)| status)
            .expect("there was a first turn")
    }
}

pub fn at(seconds: u64) -> Time {
    Time::START.after(Duration::from_secs(seconds))
}

pub fn secs(time: Time) -> u64 {
    time.since(Time::START).as_secs()
}
