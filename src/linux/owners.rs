//! For whom each program of a plan is run: the container whose own process, probe or hook it is.

use super::mark::Owner;
use crate::machine::RunId;
use crate::plan::{
    Conduct, Container, ContainerId, Handler, Hook, HookKind, Plan, ProbeKind, ProgramId,
    RestartPolicy, RestartRule, Role, RuleAction, TerminationMessage,
};

/// What a program is to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The container.
    pub container: ContainerId,
    /// It is the container's own process, not a probe or a hook.
    pub is_own: bool,
}

/// The parts of all programs of a plan.
#[derive(Debug)]
pub struct Owners {
    parts: Vec<Option<Part>>,
    /// Something may be started after each program was started once: a restart, a probe, a hook.
    pub start_again: bool,
}

impl Owners {
    /// Those of this plan. What is no pod has no containers.
    pub fn of(plan: &Plan) -> Owners {
        let mut parts = vec![None; plan.programs.len()];
        if let Conduct::Pod(pod) = &plan.conduct {
            for (container, its) in pod.containers() {
                let mut part = |program: ProgramId, is_own| {
                    parts[program.0] = Some(Part { container, is_own });
                };
                part(its.program, true);
                programs_beside(its).for_each(|program| part(program, false));
            }
        }
        let start_again = match &plan.conduct {
            Conduct::Pod(pod) => pod.containers.iter().any(starts_again),
            _ => false,
        };
        Owners { parts, start_again }
    }

    /// What this program is.
    pub fn part(&self, program: ProgramId) -> Option<Part> {
        self.parts[program.0]
    }

    /// The container whose own process this program is.
    pub fn container(&self, program: ProgramId) -> Option<ContainerId> {
        let part = self.part(program).filter(|part| part.is_own);
        part.map(|part| part.container)
    }

    /// Where the container whose own process this program is leaves its last words, if it does.
    pub fn termination_message<'p>(
        &self,
        program: ProgramId,
        plan: &'p Plan,
    ) -> Option<(ContainerId, &'p TerminationMessage)> {
        let (id, Conduct::Pod(pod)) = (self.container(program)?, &plan.conduct) else {
            return None;
        };
        let message = pod.container(id).termination_message.as_ref()?;
        Some((id, message))
    }

    /// Whose the processes of this run are.
    pub fn owner(&self, run: RunId, program: ProgramId) -> Owner {
        Owner {
            run,
            container: self.part(program).map(|part| part.container),
        }
    }
}

/// Init steps do so only before the last program was started, unless a rule asks for all anew.
fn starts_again(container: &Container) -> bool {
    let anew = |rule: &RestartRule| rule.action == RuleAction::RestartAllContainers;
    let again = container.restart.policy != RestartPolicy::Never
        || !container.restart.rules.is_empty()
        || programs_beside(container).next().is_some();
    container.restart.rules.iter().any(anew) || (container.role != Role::Init && again)
}

/// The program of a probe, if it runs one.
pub fn probe_program(container: &Container, kind: ProbeKind) -> Option<ProgramId> {
    let probe = match kind {
        ProbeKind::Startup => &container.startup_probe,
        ProbeKind::Liveness => &container.liveness_probe,
        ProbeKind::Readiness => &container.readiness_probe,
    };
    match probe.as_ref()?.handler {
        Handler::Exec(program) => Some(program),
        Handler::Ask(_) | Handler::Unresolvable => None,
    }
}

/// The program of a hook, if it runs one.
pub fn hook_program(container: &Container, kind: HookKind) -> Option<ProgramId> {
    let hook = match kind {
        HookKind::PostStart => container.post_start,
        HookKind::PreStop => container.pre_stop,
    };
    match hook? {
        Hook::Exec(program) => Some(program),
        Hook::Ask(_) | Hook::Sleep(_) | Hook::Fails => None,
    }
}

fn programs_beside(container: &Container) -> impl Iterator<Item = ProgramId> {
    let probes = [
        ProbeKind::Startup,
        ProbeKind::Liveness,
        ProbeKind::Readiness,
    ];
    let hooks = [HookKind::PostStart, HookKind::PreStop];
    let probes = probes.map(|kind| probe_program(container, kind));
    let hooks = hooks.map(|kind| hook_program(container, kind));
    probes.into_iter().chain(hooks).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn container(role: Role, policy: RestartPolicy, program: usize) -> Container {
        Container::bare("web", role, ProgramId(program), policy)
    }

    #[test]
    fn all_that_is_still_to_come_keeps_what_was_inherited() {
        let main = || container(Role::Main, RestartPolicy::Never, 0);
        assert!(!starts_again(&main()));
        assert!(!starts_again(&container(
            Role::Init,
            RestartPolicy::OnFailure,
            0
        )));
        assert!(starts_again(&container(
            Role::Sidecar,
            RestartPolicy::Always,
            0
        )));
        assert!(starts_again(&container(
            Role::Main,
            RestartPolicy::OnFailure,
            0
        )));
        let mut hooked = main();
        hooked.pre_stop = Some(Hook::Exec(ProgramId(1)));
        assert!(starts_again(&hooked));
        hooked.pre_stop = Some(Hook::Sleep(Duration::from_secs(1)));
        assert!(!starts_again(&hooked));
        let mut init = container(Role::Init, RestartPolicy::Never, 0);
        init.restart.rules = vec![RestartRule {
            among: true,
            values: vec![1],
            action: RuleAction::RestartAllContainers,
        }];
        assert!(starts_again(&init));
    }
}
