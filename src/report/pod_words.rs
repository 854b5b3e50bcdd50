//! What happens to a pod, as sentences with a level. The rest of monopod's words stand in `words`.
//!
//! `warn` is for what a person should act on, `error` for why a container or the pod will not run, `info` for the course
//! of a life.

use super::words::{ending, is_trouble, no_process, reason, span};
use crate::machine::{Cause, Ending, Happening, KillCause, Outcome};
use crate::plan::{Conduct, ContainerId, HookKind, Plan, ProbeKind, Program, RestartPolicy, Role};
use log::Level;
use nix::errno::Errno;

/// How loud.
pub fn level(happening: &Happening, plan: &Plan) -> Level {
    match happening {
        Happening::ContainerUnstartable(..)
        | Happening::InitFailed(..)
        | Happening::DeadlineExceeded => Level::Error,
        Happening::Unhealthy(_, ProbeKind::Readiness | ProbeKind::Startup, ..) => Level::Info,
        Happening::Unhealthy(..)
        | Happening::ProbeWarning(..)
        | Happening::HookFailed(..)
        | Happening::HookOverran(_)
        | Happening::HookFellBack(..)
        | Happening::ExceededGrace(_)
        | Happening::BackingOff(..)
        | Happening::Killing(_, KillCause::Probe(..) | KillCause::PostStart) => Level::Warn,
        Happening::ContainerEnded(id, end, false) => match end {
            Ending::OutOfMemory => Level::Warn,
            Ending::Killed(signal) if is_trouble(*signal) => Level::Warn,
            _ if end.is_success() || hands_its_code_on(*id, plan) => Level::Info,
            _ => Level::Warn,
        },
        _ => Level::Info,
    }
}

/// What, who, why; and what to do, where that helps.
pub fn words(happening: &Happening, plan: &Plan) -> String {
    let name = |id: &ContainerId| name(*id, plan);
    match happening {
        Happening::ContainerStarted(id) => format!("{} started", name(id)),
        Happening::ContainerUnstartable(id, why) => {
            let why = program(*id, plan).map(|program| reason(*why, program));
            format!("cannot start {}: {}", name(id), why.unwrap_or_default())
        }
        Happening::ContainerEnded(id, end, false) if end.is_success() && is_init(*id, plan) => {
            format!("{} is done", name(id))
        }
        Happening::ContainerEnded(id, end, _) => format!("{} {}", name(id), ending(*end)),
        Happening::BackingOff(id, rest) if rest.is_zero() => {
            format!("{} is tried again at once", name(id))
        }
        Happening::BackingOff(id, rest) => {
            format!("{} is tried again in {}", name(id), span(*rest))
        }
        Happening::Killing(id, cause) => format!("stopping {}{}", name(id), kill_cause(*cause)),
        Happening::Unhealthy(id, kind, Outcome::Unknown, cause) => {
            format!(
                "{} probe of {} could not be carried out{}",
                probe(*kind),
                name(id),
                because(*cause)
            )
        }
        Happening::Unhealthy(id, kind, _, cause) => {
            format!(
                "{} probe of {} failed{}",
                probe(*kind),
                name(id),
                because(*cause)
            )
        }
        Happening::ProbeWarning(id, kind, cause) => {
            format!(
                "{} probe of {} counts as good, but{}",
                probe(*kind),
                name(id),
                because(*cause)
            )
        }
        Happening::HookFailed(id, kind, cause) => {
            let so = match kind {
                HookKind::PostStart => "",
                HookKind::PreStop => "; the stop goes on",
            };
            let (hook, why) = (hook(*kind), because(*cause));
            format!("{hook} hook of {} failed{why}{so}", name(id))
        }
        Happening::HookOverran(id) => format!(
            "preStop hook of {} is still at it at the end of the grace; the stop goes on without it",
            name(id)
        ),
        Happening::HookFellBack(id, kind) => format!(
            "{} hook of {} says https, but was answered in plain HTTP; say http",
            hook(*kind),
            name(id)
        ),
        Happening::Readiness(id, true) => format!("{} is ready", name(id)),
        Happening::Readiness(id, false) => format!("{} is not ready", name(id)),
        Happening::StartedUp(id) => format!("{} has started up", name(id)),
        Happening::InitFailed(id, end) => {
            format!(
                "{} {}; what comes after it is not started",
                name(id),
                ending(*end)
            )
        }
        Happening::ExceededGrace(id) => {
            format!("{} did not end within its grace: SIGKILL", name(id))
        }
        Happening::Initialized => "all init containers are done".to_owned(),
        Happening::DeadlineExceeded => "activeDeadlineSeconds are over: the pod fails".to_owned(),
        Happening::RestartingAll(id) => {
            format!("by a rule of {}, all containers are started anew", name(id))
        }
        Happening::StopCommanded => "a stop was asked for by the control socket".to_owned(),
        _ => String::new(),
    }
}

/// A command alone that is never restarted: its code is monopod's, and that says it.
fn hands_its_code_on(id: ContainerId, plan: &Plan) -> bool {
    let Conduct::Pod(pod) = &plan.conduct else {
        return false;
    };
    let container = pod.container(id);
    container.restart.policy == RestartPolicy::Never && !container.kills_its_tree
}

fn is_init(id: ContainerId, plan: &Plan) -> bool {
    matches!(&plan.conduct, Conduct::Pod(pod) if pod.container(id).role == Role::Init)
}

pub(super) fn name(id: ContainerId, plan: &Plan) -> String {
    match &plan.conduct {
        Conduct::Pod(pod) => pod.container(id).name.clone(),
        _ => format!("container {}", id.0),
    }
}

pub(super) fn program(id: ContainerId, plan: &Plan) -> Option<&Program> {
    match &plan.conduct {
        Conduct::Pod(pod) => Some(plan.program(pod.container(id).program)),
        _ => None,
    }
}

fn probe(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "startup",
        ProbeKind::Liveness => "liveness",
        ProbeKind::Readiness => "readiness",
    }
}

fn hook(kind: HookKind) -> &'static str {
    match kind {
        HookKind::PostStart => "postStart",
        HookKind::PreStop => "preStop",
    }
}

fn kill_cause(cause: KillCause) -> String {
    match cause {
        KillCause::Stop => String::new(),
        KillCause::Probe(kind, true) => {
            format!(
                ": it failed its {} probe and will be restarted",
                probe(kind)
            )
        }
        KillCause::Probe(kind, false) => format!(": it failed its {} probe", probe(kind)),
        KillCause::PostStart => ": its postStart hook failed".to_owned(),
        KillCause::Commanded => ": a restart was asked for".to_owned(),
        KillCause::RestartAll => ": all containers are started anew".to_owned(),
    }
}

/// `: why`, or nothing.
pub fn because(cause: Cause) -> String {
    let why = match cause {
        Cause::None => return String::new(),
        Cause::HttpStatus(code) => format!("HTTP probe failed with statuscode: {code}"),
        Cause::Redirect(code) => format!("a redirect with status {code} was not followed"),
        Cause::RedirectLoop => "stopped after 10 redirects".to_owned(),
        Cause::HttpFallback => "https was answered in plain HTTP".to_owned(),
        Cause::Connection(errno) => Errno::from_raw(errno).desc().to_ascii_lowercase(),
        Cause::UnknownHost => "the host's name cannot be resolved".to_owned(),
        Cause::TimedOut => "no answer in time".to_owned(),
        Cause::Garbled => "the answer is not of the protocol".to_owned(),
        Cause::Tls => "TLS failed".to_owned(),
        Cause::BodyCut => "the body ended early".to_owned(),
        Cause::GrpcStatus(code) => format!("the gRPC call failed with status {code}"),
        Cause::GrpcHealth(status) => format!("service unhealthy (serving status {status})"),
        Cause::NoTls => "this build of monopod has no TLS".to_owned(),
        Cause::Exit(code) => format!("exit code {code}"),
        Cause::Exec(errno) => match Errno::from_raw(errno) {
            Errno::EAGAIN => no_process(Errno::EAGAIN),
            errno => format!("cannot run it: {}", errno.desc().to_ascii_lowercase()),
        },
        Cause::NoSuchPort => "it names a port that the container does not have".to_owned(),
        Cause::NoHelper => "the network helper is away".to_owned(),
    };
    format!(": {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ExitCode;
    use crate::report::samples::{self, WEB};

    #[test]
    fn a_failure_for_good_is_told_but_where_the_code_is_handed_on() {
        let failed = Happening::ContainerEnded(WEB, Ending::Exited(ExitCode(3)), false);
        let mut plan = samples::plan();
        let mut level_where = |kills_its_tree| {
            if let Conduct::Pod(pod) = &mut plan.conduct {
                pod.containers[WEB.0].restart.policy = RestartPolicy::Never;
                pod.containers[WEB.0].kills_its_tree = kills_its_tree;
            }
            level(&failed, &plan)
        };
        assert_eq!(level_where(true), Level::Warn);
        assert_eq!(level_where(false), Level::Info);
    }
}
