//! Plans and machines for the pretend world. Where a program lives, what it reads and what its words are is the hands'
//! business and makes no difference here.

use monopod::lifecycle;
use monopod::machine::Machine;
use monopod::passthrough;
use monopod::plan::{
    Asker, Check, Conduct, Container, Environment, ExitMap, HealthAddress, Identity, Mask,
    NetworkQuestion, Outputs, Passthrough, Placement, Plan, Pod, Program, ProgramId, Restart,
    RestartPolicy, Role, Serving, Signal, Stdin, Target,
};
use std::time::Duration;

/// A plan with programs of these names, and with checks of these timeouts.
pub fn plan(names: &[&str], checks: &[Option<Duration>], conduct: Conduct, health: bool) -> Plan {
    Plan {
        programs: names.iter().map(|name| program(name)).collect(),
        checks: checks.iter().map(|timeout| check(*timeout)).collect(),
        outputs: Outputs::default(),
        conduct,
        health: health.then_some(HealthAddress::Any(9110)),
        serving: Serving::default(),
        subreaper: true,
        parent_death_signal: None,
        let_go: true,
    }
}

fn program(name: &str) -> Program {
    Program {
        name: name.into(),
        argv: Vec::new(),
        placement: Placement::Group,
        foreground: false,
        mask: Mask::Empty,
        stdin: Stdin::Inherited,
        environment: Environment::inherited(),
        working_dir: None,
        identity: Identity::default(),
        kept_output: false,
    }
}

/// What is asked is the helper's business; here only that it is asked.
fn check(timeout: Option<Duration>) -> Check {
    Check {
        question: NetworkQuestion::Tcp {
            host: "127.0.0.1".into(),
            port: 8080,
        },
        timeout,
        asker: Asker::Probe,
    }
}

/// A container that runs this program, and nothing else about it.
pub fn container(name: &str, role: Role, program: ProgramId, policy: RestartPolicy) -> Container {
    Container {
        name: name.into(),
        role,
        program,
        restart: Restart {
            policy,
            rules: Vec::new(),
            at_most: None,
        },
        startup_probe: None,
        liveness_probe: None,
        readiness_probe: None,
        post_start: None,
        pre_stop: None,
        stop_signal: None,
        kills_its_tree: true,
        termination_message: None,
    }
}

/// A pod of these containers with a grace of 30 s.
pub fn pod(containers: Vec<Container>) -> Pod {
    Pod {
        name: None,
        containers,
        stop_on: Signal::ASKING.to_vec(),
        grace: Duration::from_secs(30),
        drain: Duration::ZERO,
        active_deadline: None,
        readiness_gates: Vec::new(),
        exit_code_from: None,
        remap_exit: ExitMap::default(),
    }
}

/// How often a failed step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// At most this often.
    AtMost(u32),
    /// For ever.
    Unlimited,
}

/// The one-command form: what `monopod --init ... -- command` asks for.
#[derive(Clone, Debug)]
pub struct OneCommand {
    /// Init steps: strictly in order, each to success.
    pub steps: Vec<ProgramId>,
    /// How often a failed init step is tried again.
    pub step_retries: Retries,
    /// The command.
    pub main: ProgramId,
    /// Run before the stop signal.
    pub pre_stop: Option<ProgramId>,
    /// The signals that ask for the stop.
    pub stop_on: Vec<Signal>,
    /// All must be over this long after a stop was asked for.
    pub grace: Duration,
    /// How long the command goes on serving, unready, before anything else of the stop.
    pub drain: Duration,
    /// What the command is stopped with; without it, the signal that asked.
    pub stop_signal: Option<Signal>,
    /// Exit codes to change on the way out.
    pub remap_exit: ExitMap,
}

impl OneCommand {
    /// The command is program 0; a grace of 30 s and nothing else.
    pub fn new() -> OneCommand {
        OneCommand {
            steps: Vec::new(),
            step_retries: Retries::AtMost(0),
            main: ProgramId(0),
            pre_stop: None,
            stop_on: Signal::ASKING.to_vec(),
            grace: Duration::from_secs(30),
            drain: Duration::ZERO,
            stop_signal: None,
            remap_exit: ExitMap::default(),
        }
    }

    /// The pod that it is.
    pub fn pod(&self, names: &[&str]) -> Pod {
        let (policy, at_most) = match self.step_retries {
            Retries::AtMost(0) => (RestartPolicy::Never, None),
            Retries::AtMost(most) => (RestartPolicy::OnFailure, Some(most)),
            Retries::Unlimited => (RestartPolicy::OnFailure, None),
        };
        let step = |program: &ProgramId| {
            let mut step = container(names[program.0], Role::Init, *program, policy);
            step.restart.at_most = at_most;
            step
        };
        let name = names[self.main.0];
        let main = container(name, Role::Main, self.main, RestartPolicy::Never);
        let main = Container {
            pre_stop: self.pre_stop.map(monopod::plan::Hook::Exec),
            ..main
        };
        let mut containers: Vec<Container> = self.steps.iter().map(step).chain([main]).collect();
        for container in &mut containers {
            container.stop_signal = self.stop_signal;
            container.kills_its_tree = false;
        }
        Pod {
            stop_on: self.stop_on.clone(),
            grace: self.grace,
            drain: self.drain,
            remap_exit: self.remap_exit.clone(),
            ..pod(containers)
        }
    }
}

/// The command is program 0; handed on to alone, as tini does without flags.
pub fn passthrough() -> Passthrough {
    Passthrough {
        main: Some(ProgramId(0)),
        target: Target::Process,
        rewrites: Vec::new(),
        suspend_self: false,
        farewell: false,
        warn_on_reap: false,
        remap_exit: ExitMap::default(),
    }
}

/// The machine that follows this plan.
pub fn machine(plan: &Plan) -> Box<dyn Machine> {
    match &plan.conduct {
        Conduct::Pod(pod) => Box::new(lifecycle::Pod::new(plan, pod)),
        Conduct::Passthrough(conduct) => Box::new(passthrough::Passthrough::new(plan, conduct)),
    }
}
