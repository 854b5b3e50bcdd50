//! Whether a container whose instance has ended is started again (kubelet-semantics E.1, E.2, E.4, E.5).
//!
//! When, is `backoff`'s business; and once the pod is being stopped nobody is asked any more (S117).

use crate::machine::{KillCause, Termination};
use crate::plan::{Container, ExitCode, Restart, RestartPolicy, Role, RuleAction};

/// What a runtime says of an instance that could not be started (S157).
const START_ERROR: ExitCode = ExitCode(128);

/// What becomes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has succeeded, and that is its end.
    Done,
    /// It has failed, and that is its end.
    Failed,
    /// It is started again, when its back-off allows.
    Again,
    /// It is started again at once, and what was is forgotten: somebody has seen to it.
    Afresh,
    /// By a rule of its own all containers are started anew.
    AllAnew,
    /// By another's rule all containers are started anew.
    WithAll,
}

/// What becomes of a container whose instance ended like this, after so many failures in a row, this one counted.
/// `killed` tells why the instance was being stopped, if it was.
pub fn fate(plan: &Container, end: &Termination, killed: Option<KillCause>, failures: u32) -> Fate {
    match killed {
        Some(KillCause::Commanded) => return Fate::Afresh,
        Some(KillCause::RestartAll) => return Fate::WithAll,
        // S147, S160: a kill by a probe is followed by a start whatever the exit code, unless the policy is Never; then
        // the exit is judged as any other.
        Some(KillCause::Probe(..)) if plan.restart.policy != RestartPolicy::Never => {
            return Fate::Again;
        }
        Some(KillCause::Stop | KillCause::Probe(..) | KillCause::PostStart) | None => {}
    }
    let code = match end.unstartable {
        Some(_) => START_ERROR,
        None => end.ending.code(),
    };
    let success = code == ExitCode::SUCCESS;
    let over = if success { Fate::Done } else { Fate::Failed };
    match plan.role {
        // S150: for what runs to success, Always and OnFailure are the same.
        Role::Init if success => Fate::Done,
        // S154
        Role::Sidecar => by_rules(&plan.restart, code).unwrap_or(Fate::Again),
        Role::Init | Role::Main => {
            let used_up = plan.restart.at_most.is_some_and(|most| failures > most);
            match by_rules(&plan.restart, code) {
                Some(fate) => fate,
                None if used_up => over,
                None => match plan.restart.policy {
                    RestartPolicy::Always => Fate::Again,
                    RestartPolicy::OnFailure if !success => Fate::Again,
                    RestartPolicy::OnFailure | RestartPolicy::Never => over,
                },
            }
        }
    }
}

/// S144: the first rule that matches decides.
fn by_rules(restart: &Restart, code: ExitCode) -> Option<Fate> {
    let rule = restart.rules.iter().find(|rule| rule.matches(code))?;
    Some(match rule.action {
        RuleAction::Restart => Fate::Again,
        RuleAction::RestartAllContainers => Fate::AllAnew,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Ending, Stage, Unstartable};
    use crate::plan::{ProbeKind, ProgramId, RestartRule, Signal};
    use crate::time::Time;
    use Fate::{Again, Done, Failed};
    use RestartPolicy::{Always, Never, OnFailure};

    fn container(role: Role, policy: RestartPolicy, rules: &[(bool, &[i32])]) -> Container {
        let rule = |(among, values): &(bool, &[i32])| RestartRule {
            among: *among,
            values: values.to_vec(),
            action: RuleAction::Restart,
        };
        let mut container = Container::bare("web", role, ProgramId(0), policy);
        container.restart.rules = rules.iter().map(rule).collect();
        container
    }

    fn exited(code: u8) -> Termination {
        Termination {
            ending: Ending::Exited(ExitCode(code)),
            unstartable: None,
            started_at: Time::START,
            finished_at: Time::START,
        }
    }

    fn main(policy: RestartPolicy, rules: &[(bool, &[i32])], code: u8) -> Fate {
        fate(
            &container(Role::Main, policy, rules),
            &exited(code),
            None,
            1,
        )
    }

    #[test]
    fn s130_s131_s132_the_policy_decides() {
        assert_eq!([main(Always, &[], 0), main(Always, &[], 1)], [Again, Again]);
        assert_eq!(
            [main(OnFailure, &[], 0), main(OnFailure, &[], 1)],
            [Done, Again]
        );
        assert_eq!([main(Never, &[], 0), main(Never, &[], 1)], [Done, Failed]);
    }

    #[test]
    fn s142_s143_s144_the_first_rule_that_matches_comes_before_the_policy() {
        let among = [(true, &[42][..])];
        assert_eq!(
            [main(Never, &among, 42), main(Never, &among, 1)],
            [Again, Failed]
        );
        let but = [(false, &[1][..])];
        assert_eq!(main(Never, &but, 1), Failed);
        assert_eq!([main(Never, &but, 0), main(Never, &but, 2)], [Again, Again]);
        let mut twice = container(Role::Main, Never, &[(true, &[3]), (true, &[3])]);
        twice.restart.rules[0].action = RuleAction::RestartAllContainers;
        assert_eq!(fate(&twice, &exited(3), None, 1), Fate::AllAnew);
    }

    #[test]
    fn s147_s148_s160_a_probes_kill_is_followed_by_a_start_unless_the_policy_is_never() {
        let by_probe = Some(KillCause::Probe(ProbeKind::Liveness, true));
        let killed = Termination {
            ending: Ending::Killed(Signal::KILL),
            ..exited(0)
        };
        for (policy, end, expected) in [
            (OnFailure, exited(0), Again),
            (Always, exited(0), Again),
            (Never, exited(0), Done),
            (Never, killed, Failed),
        ] {
            let plan = container(Role::Main, policy, &[]);
            assert_eq!(
                fate(&plan, &end, by_probe, 1),
                expected,
                "{policy:?} {end:?}"
            );
        }
        let ruled = container(Role::Main, Never, &[(true, &[137])]);
        assert_eq!(fate(&ruled, &killed, by_probe, 1), Again);
    }

    #[test]
    fn s150_s154_init_containers_run_to_success_and_sidecars_for_ever() {
        let init = |policy, code| fate(&container(Role::Init, policy, &[]), &exited(code), None, 1);
        assert_eq!([init(Always, 0), init(Always, 1)], [Done, Again]);
        assert_eq!([init(OnFailure, 1), init(Never, 1)], [Again, Failed]);
        let sidecar = container(Role::Sidecar, Always, &[]);
        assert_eq!(fate(&sidecar, &exited(0), None, 1), Again);
    }

    #[test]
    fn s157_what_could_not_be_started_is_judged_by_128() {
        let end = Termination {
            unstartable: Some(Unstartable {
                stage: Stage::Exec,
                errno: libc::ENOENT,
            }),
            ..exited(127)
        };
        let plan = container(Role::Main, Never, &[(true, &[128])]);
        assert_eq!(fate(&plan, &end, None, 1), Again);
    }

    #[test]
    fn retries_that_are_used_up_are_the_end() {
        let mut plan = container(Role::Init, OnFailure, &[]);
        plan.restart.at_most = Some(2);
        let after = |failures| fate(&plan, &exited(1), None, failures);
        assert_eq!([after(1), after(2), after(3)], [Again, Again, Failed]);
    }
}
