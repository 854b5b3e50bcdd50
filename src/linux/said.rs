//! What programs have said and how they failed, remembered for the messages about them.
//!
//! Happenings are of a fixed size and hold no text; so whoever tells a person of one asks here for the words that the
//! program itself found: the output of a probe or hook that failed, the termination message of a container.

use super::kept::Kept;
use super::owners::{hook_program, probe_program};
use crate::machine::{Cause, Ending, Happening, KillCause, Outcome};
use crate::plan::{Conduct, ContainerId, ExitCode, Plan, Pod, ProbeKind, ProgramId};
use crate::report::words;
use litemap::LiteMap;
use std::borrow::Cow;

/// More failures than this are not told apart when it comes to why the whole failed.
const MOST_FAILURES: usize = 64;

/// What was said so far.
#[derive(Debug, Default)]
pub struct Said {
    /// What the last run of a program said, if it failed.
    outputs: LiteMap<ProgramId, String>,
    /// What the last instance of a container left in its file.
    messages: LiteMap<ContainerId, String>,
    /// What may be the reason for the end of it all, the latest last.
    failures: Vec<Happening>,
    /// How the last probe of each container and kind went that did not go well.
    probes: LiteMap<(ContainerId, ProbeKind), (Outcome, Cause)>,
}

impl Said {
    /// A run of a program whose words are kept has ended.
    pub fn hear_output(&mut self, program: ProgramId, kept: Kept, ending: Ending) {
        let text = kept.finish();
        match ending.is_success() || text.is_empty() {
            true => self.outputs.remove(&program),
            false => self.outputs.insert(program, text),
        };
    }

    /// An instance of a container has ended, with this message.
    pub fn hear_message(&mut self, container: ContainerId, message: Option<String>) {
        match message {
            None => self.messages.remove(&container),
            Some(message) => self.messages.insert(container, message),
        };
    }

    /// The termination message of the last instance that ended (state.terminated.message).
    pub fn message(&self, container: ContainerId) -> Option<&str> {
        self.messages.get(&container).map(String::as_str)
    }

    /// What whoever this happened to has said about it.
    pub fn about(&self, happening: &Happening, plan: &Plan) -> Option<Cow<'_, str>> {
        let Conduct::Pod(pod) = &plan.conduct else {
            return None;
        };
        match happening {
            Happening::ContainerEnded(id, ..) | Happening::InitFailed(id, _) => {
                self.message(*id).map(Cow::from)
            }
            // Of attempts that fail while it starts up only the info level tells, and here it is wanted.
            Happening::Killing(id, KillCause::Probe(kind @ ProbeKind::Startup, _)) => {
                let (_, cause) = self.probes.get(&(*id, *kind))?;
                let program = probe_program(pod.container(*id), *kind);
                let output = program.and_then(|program| self.outputs.get(&program));
                Some(Cow::from(words::attempt(
                    *cause,
                    output.map(String::as_str),
                )))
            }
            _ => {
                let program = failed_program(happening, pod)?;
                self.outputs.get(&program).map(Cow::from)
            }
        }
    }

    /// Whether a probe cannot be carried out, or is cautioned, just as the last time: one line a period would bury all others.
    pub fn is_repeat(&mut self, happening: &Happening) -> bool {
        let (id, kind, how) = match *happening {
            Happening::Unhealthy(id, kind, outcome, cause) => (id, kind, (outcome, cause)),
            Happening::ProbeWarning(id, kind, cause) => (id, kind, (Outcome::Warning, cause)),
            Happening::ContainerStarted(id) => {
                self.probes.retain(|(known, _), _| *known != id);
                return false;
            }
            _ => return false,
        };
        // Failures are counted until one too many, and a person counts along.
        self.probes.insert((id, kind), how) == Some(how) && how.0 != Outcome::Failure
    }

    /// Something happened that may be why all fails.
    pub fn note(&mut self, happening: &Happening) {
        let is_failure = match happening {
            Happening::CannotStart(..)
            | Happening::ContainerUnstartable(..)
            | Happening::InitFailed(..)
            | Happening::DeadlineExceeded => true,
            Happening::Ended(_, ending, _) | Happening::ContainerEnded(_, ending, _) => {
                !ending.is_success()
            }
            _ => false,
        };
        if is_failure {
            if self.failures.len() == MOST_FAILURES {
                self.failures.remove(0);
            }
            self.failures.push(*happening);
        }
    }

    /// Why it ends with `code`, in one line: the last failure with this code, or else the last one.
    pub fn why(&self, code: ExitCode, plan: &Plan) -> String {
        let explains = |failure: &&Happening| exit_code(failure) == Some(code);
        let mut failures = self.failures.iter().rev();
        let failure = failures.find(explains).or(self.failures.last());
        match failure {
            Some(failure) => format!("monopod: {}", words::words(failure, plan)),
            None => format!("monopod: ended with exit code {}", code.0),
        }
    }
}

fn failed_program(happening: &Happening, pod: &Pod) -> Option<ProgramId> {
    match happening {
        Happening::Unhealthy(id, kind, _, Cause::Exit(_)) => {
            probe_program(pod.container(*id), *kind)
        }
        Happening::HookFailed(id, kind, Cause::Exit(_)) => hook_program(pod.container(*id), *kind),
        _ => None,
    }
}

fn exit_code(failure: &Happening) -> Option<ExitCode> {
    match failure {
        Happening::CannotStart(_, why) | Happening::ContainerUnstartable(_, why) => {
            Some(why.code())
        }
        Happening::InitFailed(_, ending)
        | Happening::Ended(_, ending, _)
        | Happening::ContainerEnded(_, ending, _) => Some(ending.code()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Container, Passthrough, RestartPolicy, Role, Signal};
    use std::time::Duration;

    fn plan() -> Plan {
        // Where there is no pod, a container is called by its number.
        Plan::bare(Vec::new(), Conduct::Passthrough(Passthrough::bare(None)))
    }

    #[test]
    fn a_probe_that_goes_wrong_as_before_is_a_repeat_until_its_container_starts_anew() {
        let mut said = Said::default();
        let web = ContainerId(0);
        let unhealthy =
            |kind, outcome| Happening::Unhealthy(web, kind, outcome, Cause::UnknownHost);
        let unknown = unhealthy(ProbeKind::Liveness, Outcome::Unknown);
        assert!(!said.is_repeat(&unknown));
        assert!(said.is_repeat(&unknown));
        assert!(!said.is_repeat(&unhealthy(ProbeKind::Readiness, Outcome::Unknown)));
        assert!(!said.is_repeat(&unhealthy(ProbeKind::Liveness, Outcome::Failure)));
        let failure = unhealthy(ProbeKind::Startup, Outcome::Failure);
        assert!(!said.is_repeat(&failure) && !said.is_repeat(&failure));
        assert!(!said.is_repeat(&unknown));
        assert!(!said.is_repeat(&Happening::ContainerStarted(web)));
        assert!(!said.is_repeat(&unknown));
    }

    #[test]
    fn a_container_that_did_not_start_up_is_killed_with_the_reason_of_its_last_attempt() {
        let web = Container::bare("web", Role::Main, ProgramId(0), RestartPolicy::Never);
        let pod = Pod::bare(vec![web], Duration::from_secs(30));
        let plan = Plan::bare(Vec::new(), Conduct::Pod(pod));
        let mut said = Said::default();
        let killing = |kind| Happening::Killing(ContainerId(0), KillCause::Probe(kind, true));
        for code in [403, 503] {
            let cause = Cause::HttpStatus(code);
            let (startup, failed) = (ProbeKind::Startup, Outcome::Failure);
            said.is_repeat(&Happening::Unhealthy(
                ContainerId(0),
                startup,
                failed,
                cause,
            ));
        }
        let about = said.about(&killing(ProbeKind::Startup), &plan);
        assert_eq!(
            about.as_deref(),
            Some("HTTP probe failed with statuscode: 503")
        );
        assert_eq!(said.about(&killing(ProbeKind::Liveness), &plan), None);
    }

    #[test]
    fn the_reason_is_the_failure_whose_code_it_is_or_else_the_last() {
        let plan = plan();
        let mut said = Said::default();
        assert_eq!(
            said.why(ExitCode(9), &plan),
            "monopod: ended with exit code 9"
        );
        let ended = |number, ending| Happening::ContainerEnded(ContainerId(number), ending, false);
        said.note(&ended(0, Ending::Exited(ExitCode(3))));
        said.note(&ended(1, Ending::Killed(Signal::KILL)));
        said.note(&ended(2, Ending::Exited(ExitCode::SUCCESS)));
        assert_eq!(
            said.why(ExitCode(3), &plan),
            "monopod: container 0 exited with 3"
        );
        let last = "monopod: container 1 was killed by SIGKILL";
        assert_eq!(said.why(ExitCode(137), &plan), last);
        assert_eq!(said.why(ExitCode(1), &plan), last);
    }
}
