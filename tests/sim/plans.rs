//! Plans and machines for the pretend world. Where a program lives, what it reads and what its words are is the hands'
//! business and makes no difference here.

use monopod::lifecycle;
use monopod::machine::Machine;
use monopod::passthrough;
use monopod::plan::{
    Asker, Check, Conduct, Container, ExitMap, HealthAddress, NetworkQuestion, Passthrough, Plan,
    Pod, Program, ProgramId, RestartPolicy, Role, Signal,
};
use std::time::Duration;

/// A plan with programs of these names, and with checks of these timeouts.
pub fn plan(names: &[&str], checks: &[Option<Duration>], conduct: Conduct, health: bool) -> Plan {
    let program = |name: &&str| Program::bare(*name, Vec::new());
    Plan {
        checks: checks.iter().map(|timeout| check(*timeout)).collect(),
        health: health.then_some(HealthAddress::Any(9110)),
        let_go: true,
        ..Plan::bare(names.iter().map(program).collect(), conduct)
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

/// A pod of these containers with a grace of 30 s.
pub fn pod(containers: Vec<Container>) -> Pod {
    Pod::bare(containers, Duration::from_secs(30))
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
            let mut step = Container::bare(names[program.0], Role::Init, *program, policy);
            step.restart.at_most = at_most;
            step
        };
        let name = names[self.main.0];
        let main = Container::bare(name, Role::Main, self.main, RestartPolicy::Never);
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
    Passthrough::bare(Some(ProgramId(0)))
}

/// The machine that follows this plan.
pub fn machine(plan: &Plan) -> Box<dyn Machine> {
    match &plan.conduct {
        Conduct::Pod(pod) => Box::new(lifecycle::Pod::new(plan, pod)),
        Conduct::Passthrough(conduct) => Box::new(passthrough::Passthrough::new(plan, conduct)),
    }
}
