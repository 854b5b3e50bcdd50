//! What pods a seed makes: one to a dozen containers of all roles, policies, probes and hooks; and what people ask of
//! them by the control socket.

use crate::kernel::Event;
use crate::plans;
use crate::rng::Rng;
use crate::weather::{Climate, Part, any_signal, remap_exit, stop_on};
use monopod::machine::Command;
use monopod::plan::{
    CheckId, Conduct, Container, ContainerId, GateId, Handler, Hook, Plan, Pod, Probe, ProgramId,
    RestartPolicy, RestartRule, Role, RuleAction,
};
use monopod::time::Time;
use std::time::Duration;

/// Which kinds of things a pod has at all, as chances in a hundred.
struct Taste {
    probes: u64,
    exec: u64,
    unresolvable: u64,
    hooks: u64,
    rules: u64,
    own_policy: u64,
    graces: u64,
}

struct Maker<'a> {
    rng: &'a mut Rng,
    climate: &'a Climate,
    taste: Taste,
    parts: Vec<Part>,
    names: Vec<String>,
    checks: Vec<Option<Duration>>,
    grace: Duration,
}

const POLICIES: [RestartPolicy; 3] = [
    RestartPolicy::Always,
    RestartPolicy::OnFailure,
    RestartPolicy::Never,
];

/// A pod, and what each of its programs is for.
pub fn plan(rng: &mut Rng, climate: &Climate) -> (Plan, Vec<Part>) {
    let mut sometimes = |chance| {
        if rng.percent(40) {
            0
        } else {
            rng.below(chance)
        }
    };
    let taste = Taste {
        probes: sometimes(100),
        exec: sometimes(100),
        unresolvable: sometimes(20),
        hooks: sometimes(100),
        rules: sometimes(60),
        own_policy: sometimes(60),
        graces: sometimes(60),
    };
    let grace = seconds(rng, 40);
    let mut maker = Maker {
        rng,
        climate,
        taste,
        parts: Vec::new(),
        names: Vec::new(),
        checks: Vec::new(),
        grace,
    };
    let pod = maker.pod();
    let Maker {
        parts,
        names,
        checks,
        ..
    } = maker;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let health = rng.percent(30);
    (
        plans::plan(&names, &checks, Conduct::Pod(pod), health),
        parts,
    )
}

fn seconds(rng: &mut Rng, most: u64) -> Duration {
    Duration::from_secs(rng.below(most + 1))
}

impl Maker<'_> {
    fn pod(&mut self) -> Pod {
        let policy = *self.rng.pick(&POLICIES);
        let few = if self.rng.percent(70) { 2 } else { 5 };
        let mut containers = Vec::new();
        for _ in 0..self.rng.below(few + 1) {
            let role = *self.rng.pick(&[Role::Init, Role::Sidecar]);
            containers.push(self.container(role, policy));
        }
        for _ in 0..1 + self.rng.below(few + 2) {
            containers.push(self.container(Role::Main, policy));
        }
        let mains = containers.len();
        let from = self
            .rng
            .percent(20)
            .then(|| self.rng.below(mains as u64) as usize);
        let is_main = |place: &usize| containers[*place].role == Role::Main;
        let exit_code_from = from.filter(is_main).map(ContainerId);
        Pod {
            stop_on: stop_on(self.grace),
            grace: self.grace,
            drain: if self.rng.percent(40) {
                seconds(self.rng, 20)
            } else {
                Duration::ZERO
            },
            active_deadline: self
                .rng
                .percent(10)
                .then(|| Duration::from_secs(1 + self.rng.below(600))),
            readiness_gates: (0..self.rng.below(3))
                .map(|gate| format!("x/gate-{gate}"))
                .collect(),
            exit_code_from,
            remap_exit: remap_exit(self.rng),
            ..plans::pod(containers)
        }
    }

    fn program(&mut self, part: Part) -> ProgramId {
        self.parts.push(part);
        self.names.push(format!("{part:?}{}", self.names.len()));
        ProgramId(self.names.len() - 1)
    }

    fn check(&mut self, timeout: Option<Duration>) -> CheckId {
        self.checks.push(timeout);
        CheckId(self.checks.len() - 1)
    }

    fn container(&mut self, role: Role, policy: RestartPolicy) -> Container {
        let program = self.program(Part::Own);
        let own = self.rng.percent(self.taste.own_policy);
        let policy = match (role, own) {
            (Role::Sidecar, _) => RestartPolicy::Always,
            (Role::Init, true) => *self.rng.pick(&POLICIES[1..]),
            (Role::Main, true) => *self.rng.pick(&POLICIES),
            (_, false) => policy,
        };
        let name = format!("c{}", program.0);
        let mut container = Container::bare(name, role, program, policy);
        if own && role != Role::Sidecar {
            container.restart.rules = self.rules();
        }
        container.stop_signal = self.rng.percent(20).then(|| any_signal(self.rng));
        if role == Role::Init {
            return container;
        }
        container.startup_probe = self.probe(true);
        container.liveness_probe = self.probe(true);
        container.readiness_probe = self.probe(false);
        container.post_start = self.hook();
        container.pre_stop = self.hook();
        container
    }

    fn rules(&mut self) -> Vec<RestartRule> {
        let mut rules = Vec::new();
        while rules.len() < 3 && self.rng.percent(self.taste.rules) {
            let action = match self.rng.percent(15) {
                true => RuleAction::RestartAllContainers,
                false => RuleAction::Restart,
            };
            rules.push(RestartRule {
                among: self.rng.percent(70),
                values: (0..self.rng.below(4))
                    .map(|_| self.rng.below(140) as i32)
                    .collect(),
                action,
            });
        }
        rules
    }

    fn probe(&mut self, ends: bool) -> Option<Probe> {
        if !self.rng.percent(self.taste.probes) {
            return None;
        }
        let most_timeout = *self.rng.pick(&[2, 2, 2, 20]);
        let timeout = seconds(self.rng, most_timeout) + Duration::from_secs(1);
        let handler = if self.rng.percent(self.taste.unresolvable) {
            Handler::Unresolvable
        } else if self.rng.percent(self.taste.exec) {
            Handler::Exec(self.program(Part::Probe))
        } else {
            Handler::Ask(self.check(Some(timeout)))
        };
        Some(Probe {
            handler,
            initial_delay: if self.rng.percent(40) {
                seconds(self.rng, 40)
            } else {
                Duration::ZERO
            },
            timeout,
            period: Duration::from_secs(*self.rng.pick(&[1, 2, 3, 10, 10, 60])),
            success_threshold: if ends {
                1
            } else {
                1 + self.rng.below(3) as u32
            },
            failure_threshold: 1 + self.rng.below(4) as u32,
            grace: (ends && self.rng.percent(self.taste.graces))
                .then(|| Duration::from_secs(1 + self.rng.below(60))),
        })
    }

    fn hook(&mut self) -> Option<Hook> {
        if !self.rng.percent(self.taste.hooks) {
            return None;
        }
        Some(match self.rng.below(8) {
            0..3 => Hook::Exec(self.program(Part::Hook)),
            3..5 => Hook::Ask(self.check(None)),
            5..7 => {
                let most = self.grace.min(self.climate.scale);
                Hook::Sleep(Duration::from_secs(self.rng.below(most.as_secs() + 1)))
            }
            _ => Hook::Fails,
        })
    }
}

/// What people ask of this pod.
pub fn events(
    rng: &mut Rng,
    pod: &Pod,
    horizon: Duration,
    grid: Duration,
    events: &mut Vec<(Time, Event)>,
) {
    let mut put = |rng: &mut Rng, command| {
        let at = Time::START.after(rng.span(horizon, grid));
        events.push((at, Event::Command(command)));
    };
    let containers = pod.containers.len() as u64;
    let any = |rng: &mut Rng| ContainerId(rng.below(containers) as usize);
    let often = |rng: &mut Rng, most| if rng.percent(60) { 0 } else { rng.below(most) };
    for _ in 0..often(rng, 10) {
        let id = any(rng);
        put(rng, Command::Restart(id));
    }
    for _ in 0..often(rng, 10) {
        let (id, signal) = (any(rng), any_signal(rng));
        put(rng, Command::Signal(id, signal));
    }
    if rng.percent(20) {
        put(rng, Command::Stop);
    }
    for gate in 0..pod.readiness_gates.len() {
        for _ in 0..rng.below(5) {
            let value = rng.percent(60);
            put(rng, Command::SetGate(GateId(gate), value));
        }
    }
}

/// The pod in a few lines, for whoever reads how it lived.
pub fn describe(pod: &Pod) -> String {
    let mut text = format!(
        "grace {:?} drain {:?} deadline {:?} gates {} code from {:?} {:?}\n",
        pod.grace,
        pod.drain,
        pod.active_deadline,
        pod.readiness_gates.len(),
        pod.exit_code_from,
        pod.remap_exit
    );
    for (id, container) in pod.containers() {
        let Container { role, restart, .. } = container;
        text += &format!(
            "c{} {role:?} {:?} {:?} stop {:?}\n",
            id.0, restart.policy, restart.rules, container.stop_signal
        );
        let probes = [
            ("startup", &container.startup_probe),
            ("liveness", &container.liveness_probe),
            ("readiness", &container.readiness_probe),
        ];
        for (name, probe) in probes {
            let Some(probe) = probe else { continue };
            text += &format!(
                "   {name} {:?} delay {:?} timeout {:?} period {:?} successes {} failures {} grace {:?}\n",
                probe.handler,
                probe.initial_delay,
                probe.timeout,
                probe.period,
                probe.success_threshold,
                probe.failure_threshold,
                probe.grace
            );
        }
        for (name, hook) in [
            ("postStart", container.post_start),
            ("preStop", container.pre_stop),
        ] {
            if let Some(hook) = hook {
                text += &format!("   {name} {hook:?}\n");
            }
        }
    }
    text
}
