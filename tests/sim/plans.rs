//! Plans and machines for the pretend world. Where a program lives, what it reads and what its words are is the hands'
//! business and makes no difference here.

use monopod::lifecycle::Pod;
use monopod::machine::Machine;
use monopod::passthrough;
use monopod::plan::{
    Conduct, Environment, ExitMap, HealthAddress, Identity, Lifecycle, Mask, Outputs, Passthrough,
    Placement, Plan, Program, ProgramId, Retries, Stdin, Target,
};
use std::time::Duration;

/// A plan with programs of these names.
pub fn plan(names: &[&str], conduct: Conduct, health: bool) -> Plan {
    Plan {
        programs: names.iter().map(|name| program(name)).collect(),
        checks: Vec::new(),
        outputs: Outputs::default(),
        conduct,
        health: health.then_some(HealthAddress::Any(9110)),
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

/// The command is program 0; a grace of 30 s and nothing else.
pub fn lifecycle() -> Lifecycle {
    Lifecycle {
        steps: Vec::new(),
        step_retries: Retries::AtMost(0),
        main: ProgramId(0),
        pre_stop: None,
        grace: Duration::from_secs(30),
        drain: Duration::ZERO,
        stop_signal: None,
        remap_exit: ExitMap::default(),
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
        Conduct::Lifecycle(conduct) => Box::new(Pod::new(plan, conduct)),
        Conduct::Pod(_) => unreachable!("no pods yet"),
        Conduct::Passthrough(conduct) => Box::new(passthrough::Passthrough::new(plan, conduct)),
    }
}
