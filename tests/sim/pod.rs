//! The language of stories about pods: these containers, with these probes and hooks; this happened; so it went.
//!
//! A container is named, then whatever is said belongs to it until the next one is named. What plays its program, its
//! probes and its hooks is said with it. `at` moves the clock for what follows. A life that was lived ([`Told`]) is then
//! asked what befell whom; and the laws were watching all along.

use crate::kernel::{Event, Habits, Kernel};
use crate::laws::Laws;
use crate::plans;
use crate::rng::Rng;
use crate::script::{Asks, Play, Script};
use crate::story::{s, signal};
use crate::temper::{Reply, Temper};
use crate::timeline::Timeline;
use crate::told::Told;
use crate::world::World;
use monopod::machine::{Command, Sender};
use monopod::plan::{
    CheckId, Conduct, Container, ContainerId, GateId, Handler, Hook, Probe, ProgramId,
    RestartPolicy, RestartRule, Role, RuleAction,
};
use monopod::time::Time;
use std::time::Duration;

/// A pod's story that is being told.
#[must_use]
pub struct Pod {
    pod: monopod::plan::Pod,
    policy: RestartPolicy,
    own_policy: Vec<bool>,
    programs: Vec<String>,
    plays: Vec<Play>,
    checks: Vec<String>,
    asks: Vec<Asks>,
    timeouts: Vec<Option<Duration>>,
    clock: Time,
    events: Vec<(Time, Event)>,
    habits: Habits,
}

/// What a hook does.
pub enum Deed {
    /// Runs a program.
    Exec(Play),
    /// Asks over the network.
    Ask(Asks),
    /// Lets time pass.
    Sleep(u64),
    /// Fails at once.
    Fails,
}

/// A hook that runs a program of this temper.
pub fn exec(play: impl Into<Play>) -> Deed {
    Deed::Exec(play.into())
}

impl Pod {
    /// A pod without containers yet; policy Always, a grace of 30 s.
    pub fn new() -> Pod {
        Pod {
            pod: plans::pod(Vec::new()),
            policy: RestartPolicy::Always,
            own_policy: Vec::new(),
            programs: Vec::new(),
            plays: Vec::new(),
            checks: Vec::new(),
            asks: Vec::new(),
            timeouts: Vec::new(),
            clock: Time::START,
            events: Vec::new(),
            habits: Habits::plain(),
        }
    }

    /// The pod's restart policy.
    pub fn policy(mut self, policy: RestartPolicy) -> Pod {
        self.policy = policy;
        self
    }

    /// The pod's grace in seconds.
    pub fn grace(mut self, seconds: u64) -> Pod {
        self.pod.grace = s(seconds);
        self
    }

    /// The drain in seconds.
    pub fn drain(mut self, seconds: u64) -> Pod {
        self.pod.drain = s(seconds);
        self
    }

    /// What asks for the stop.
    pub fn stop_on(mut self, names: &[&str]) -> Pod {
        self.pod.stop_on = names.iter().map(|name| signal(name)).collect();
        self
    }

    /// activeDeadlineSeconds
    pub fn active_deadline(mut self, seconds: u64) -> Pod {
        self.pod.active_deadline = Some(s(seconds));
        self
    }

    /// A readiness gate.
    pub fn gate(mut self, condition: &str) -> Pod {
        self.pod.readiness_gates.push(condition.into());
        self
    }

    /// An init container.
    pub fn init(self, name: &str, play: impl Into<Play>) -> Pod {
        self.container(name, Role::Init, play.into())
    }

    /// A sidecar.
    pub fn sidecar(self, name: &str, play: impl Into<Play>) -> Pod {
        self.container(name, Role::Sidecar, play.into())
    }

    /// A main container.
    pub fn main(self, name: &str, play: impl Into<Play>) -> Pod {
        self.container(name, Role::Main, play.into())
    }

    fn container(mut self, name: &str, role: Role, play: Play) -> Pod {
        let program = self.program(name.into(), play);
        let policy = match role {
            Role::Sidecar => RestartPolicy::Always,
            Role::Init | Role::Main => self.policy,
        };
        let container = Container::bare(name, role, program, policy);
        self.pod.containers.push(container);
        self.own_policy.push(role == Role::Sidecar);
        self
    }

    fn program(&mut self, name: String, play: Play) -> ProgramId {
        self.programs.push(name);
        self.plays.push(play);
        ProgramId(self.programs.len() - 1)
    }

    fn check(&mut self, name: String, asks: Asks, timeout: Option<Duration>) -> CheckId {
        self.checks.push(name);
        self.asks.push(asks);
        self.timeouts.push(timeout);
        CheckId(self.checks.len() - 1)
    }

    /// The container that was named last.
    fn last(&mut self) -> &mut Container {
        self.pod
            .containers
            .last_mut()
            .expect("a container comes first")
    }

    fn probe(&mut self, kind: &str, script: Script) -> Probe {
        let name = format!("{}/{kind}", self.last().name);
        let handler = match script.handler {
            crate::script::How::Ask(asks) => {
                Handler::Ask(self.check(name, asks, Some(script.numbers.timeout)))
            }
            crate::script::How::Exec(play) => Handler::Exec(self.program(name, play)),
            crate::script::How::Unresolvable => Handler::Unresolvable,
        };
        Probe {
            handler,
            ..script.numbers
        }
    }

    fn hook(&mut self, kind: &str, deed: Deed) -> Hook {
        let name = format!("{}/{kind}", self.last().name);
        match deed {
            Deed::Exec(play) => Hook::Exec(self.program(name, play)),
            Deed::Ask(asks) => Hook::Ask(self.check(name, asks, None)),
            Deed::Sleep(seconds) => Hook::Sleep(s(seconds)),
            Deed::Fails => Hook::Fails,
        }
    }

    /// Its startup probe.
    pub fn startup(mut self, script: Script) -> Pod {
        self.last().startup_probe = Some(self.probe("startup", script));
        self
    }

    /// Its liveness probe.
    pub fn liveness(mut self, script: Script) -> Pod {
        self.last().liveness_probe = Some(self.probe("liveness", script));
        self
    }

    /// Its readiness probe.
    pub fn readiness(mut self, script: Script) -> Pod {
        self.last().readiness_probe = Some(self.probe("readiness", script));
        self
    }

    /// Its postStart hook.
    pub fn post_start(mut self, deed: Deed) -> Pod {
        self.last().post_start = Some(self.hook("postStart", deed));
        self
    }

    /// Its preStop hook.
    pub fn pre_stop(mut self, deed: Deed) -> Pod {
        self.last().pre_stop = Some(self.hook("preStop", deed));
        self
    }

    /// What it is stopped with.
    pub fn stop_signal(mut self, name: &str) -> Pod {
        self.last().stop_signal = Some(signal(name));
        self
    }

    /// A restart policy of its own.
    pub fn own_policy(mut self, policy: RestartPolicy) -> Pod {
        self.last().restart.policy = policy;
        if let Some(own) = self.own_policy.last_mut() {
            *own = true;
        }
        self
    }

    /// A restart rule: exit codes among these, or all others.
    pub fn rule(mut self, among: bool, values: &[i32], action: RuleAction) -> Pod {
        self.last().restart.rules.push(RestartRule {
            among,
            values: values.to_vec(),
            action,
        });
        self
    }

    /// It decides monopod's exit code.
    pub fn exit_code_is_its(mut self) -> Pod {
        self.pod.exit_code_from = Some(ContainerId(self.pod.containers.len() - 1));
        self
    }

    /// What is said next happens at this second.
    pub fn at(self, seconds: u64) -> Pod {
        self.at_ms(seconds * 1000)
    }

    /// What is said next happens at this millisecond.
    pub fn at_ms(mut self, milliseconds: u64) -> Pod {
        self.clock = Time::START.after(Duration::from_millis(milliseconds));
        self
    }

    fn event(mut self, event: Event) -> Pod {
        self.events.push((self.clock, event));
        self
    }

    /// Somebody sends a signal.
    pub fn signal(self, name: &str) -> Pod {
        self.event(Event::Signal(signal(name), Sender::Process(0)))
    }

    /// Somebody sets the first gate.
    pub fn gate_is(self, value: bool) -> Pod {
        self.event(Event::Command(Command::SetGate(GateId(0), value)))
    }

    /// Somebody asks for a restart of this container.
    pub fn restart(self, name: &str) -> Pod {
        let id = self.id(name);
        self.event(Event::Command(Command::Restart(id)))
    }

    /// Somebody sends this container a signal.
    pub fn signal_to(self, name: &str, name_of_signal: &str) -> Pod {
        let id = self.id(name);
        self.event(Event::Command(Command::Signal(id, signal(name_of_signal))))
    }

    /// Somebody asks for the stop by the control socket.
    pub fn stop(self) -> Pod {
        self.event(Event::Command(Command::Stop))
    }

    /// The helper dies.
    pub fn helper_dies(self) -> Pod {
        self.event(Event::HelperDies)
    }

    fn id(&self, name: &str) -> ContainerId {
        let place = self.pod.containers.iter().position(|c| c.name == name);
        ContainerId(place.expect("a story names containers that exist"))
    }

    /// Lives it until this second, or to its end if that is sooner. What is asked of the life is asked of what is given
    /// back.
    #[track_caller]
    pub fn lives(self, seconds: u64) -> Told {
        let Pod {
            mut pod,
            policy,
            own_policy,
            programs,
            mut plays,
            checks,
            mut asks,
            timeouts,
            events,
            habits,
            ..
        } = self;
        for (container, own) in pod.containers.iter_mut().zip(own_policy) {
            if !own {
                container.restart.policy = policy;
            }
        }
        let names: Vec<&str> = programs.iter().map(String::as_str).collect();
        let containers = pod.containers.iter().map(|c| c.name.clone()).collect();
        let plan = plans::plan(&names, &timeouts, Conduct::Pod(pod), false);
        let cast = Box::new(move |program: ProgramId, nth| -> Temper { plays[program.0].nth(nth) });
        let repliers =
            Box::new(move |check: CheckId, nth, now| -> Reply { asks[check.0].nth(nth, now) });
        let kernel = Kernel::new(&plan, cast, repliers, habits, Rng::new(0));
        let mut world = World::new(plans::machine(&plan), kernel, Laws::new(&plan, None), None);
        world.timeline = Some(Timeline::new(&plan));
        world.seen = Some(Vec::new());
        world.diary = Some(Vec::new());
        world.kernel().effects = Some(Vec::new());
        for (at, event) in events {
            world.kernel().plan_event(at, event);
        }
        let outcome = world.live(Time::START.after(s(seconds)));
        let told = Told::new(world, programs, checks, containers);
        if let Err(broken) = outcome {
            panic!("a law was broken: {broken}\n{}", told.text());
        }
        told
    }
}
