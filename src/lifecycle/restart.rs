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
        true => START_ERROR,
        false => end.ending.code(),
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
