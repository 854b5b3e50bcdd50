//! The containers of a pod: entries of the manifest, each a process tree of the one real container.
//!
//! The words are the API's. Whatever the manifest leaves open was decided by whoever made the plan: there is no "unset"
//! here that means a default.

use super::{ExitCode, ExitMap, Hook, Probe, ProgramId, Signal};
use std::path::PathBuf;
use std::time::Duration;

/// A pod: its containers in the order of their start, and how it is stopped.
#[derive(Clone, Debug)]
pub struct Pod {
    /// metadata.name; a bare PodSpec has none, nor has the one-command form.
    pub name: Option<String>,
    /// Init containers and sidecars in their order, then the main containers in theirs.
    pub containers: Vec<Container>,
    /// The signals that ask for the stop; all others are handed on.
    pub stop_on: Vec<Signal>,
    /// All must be over this long after a stop was asked for (terminationGracePeriodSeconds).
    pub grace: Duration,
    /// The part of the grace in which the containers go on serving, unready, before anything else of the stop.
    pub drain: Duration,
    /// The pod fails this long after its start (activeDeadlineSeconds).
    pub active_deadline: Option<Duration>,
    /// The condition types that somebody outside must set True before the pod is ready (readinessGates).
    pub readiness_gates: Vec<String>,
    /// The container whose exit code is monopod's; without one, the first main container in order that failed.
    pub exit_code_from: Option<ContainerId>,
    /// Exit codes to change on the way out.
    pub remap_exit: ExitMap,
}

/// A container of the pod, by its place in [`Pod::containers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub usize);

/// A readiness gate of the pod, by its place in [`Pod::readiness_gates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateId(pub usize);

impl Pod {
    /// Of these containers, with this grace and nothing else.
    pub fn bare(containers: Vec<Container>, grace: Duration) -> Pod {
        Pod {
            name: None,
            containers,
            stop_on: Signal::ASKING.to_vec(),
            grace,
            drain: Duration::ZERO,
            active_deadline: None,
            readiness_gates: Vec::new(),
            exit_code_from: None,
            remap_exit: ExitMap::default(),
        }
    }

    /// The container with this id. Ids come from this pod only.
    pub fn container(&self, id: ContainerId) -> &Container {
        &self.containers[id.0]
    }

    /// Every container with its id, in order.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerId, &Container)> {
        let numbered = self.containers.iter().enumerate();
        numbered.map(|(place, container)| (ContainerId(place), container))
    }
}

/// One entry of the manifest.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name: a DNS label for an entry of a manifest; what people call it in messages.
    pub name: String,
    /// What it is to the pod.
    pub role: Role,
    /// What it runs.
    pub program: ProgramId,
    /// Whether it is started again when it has ended.
    pub restart: Restart,
    /// Holds liveness and readiness back until it has succeeded.
    pub startup_probe: Option<Probe>,
    /// Its failure restarts the container.
    pub liveness_probe: Option<Probe>,
    /// Its failure takes the container out of service.
    pub readiness_probe: Option<Probe>,
    /// Run right after the start.
    pub post_start: Option<Hook>,
    /// Run before the stop signal.
    pub pre_stop: Option<Hook>,
    /// What it is stopped with; without it, the signal that asked for the stop.
    pub stop_signal: Option<Signal>,
    /// Whether its whole process tree is killed when its own process has ended and the pod goes on, as a real
    /// container's PID namespace would be.
    pub kills_its_tree: bool,
    /// Where it leaves its last words, if anybody is to read them.
    pub termination_message: Option<TerminationMessage>,
}

impl Container {
    /// An entry of a manifest without probes, hooks, rules or last words.
    pub fn bare(
        name: impl Into<String>,
        role: Role,
        program: ProgramId,
        policy: RestartPolicy,
    ) -> Container {
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
}

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to success before the next one starts.
    Init,
    /// Starts in its place among the init containers and lives as long as the pod (an init container with
    /// `restartPolicy: Always`).
    Sidecar,
    /// What the pod is for.
    Main,
}

/// Whether an ended container is started again (kubelet-semantics E.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The container's own policy if it has one, else the pod's. For an init container Always and OnFailure are the same.
    pub policy: RestartPolicy,
    /// Looked at before the policy; the first that matches decides. Empty unless the container has a policy of its own.
    pub rules: Vec<RestartRule>,
    /// At most so many restarts after failures in a row (`--init-retries`, which no manifest can say).
    pub at_most: Option<u32>,
}

/// The API's restartPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Whatever the exit code.
    Always,
    /// Unless the exit code is 0.
    OnFailure,
    /// Not at all.
    Never,
}

/// One of the API's restartPolicyRules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRule {
    /// True: the rule matches exit codes among the values. False: all others.
    pub among: bool,
    /// Exit codes.
    pub values: Vec<i32>,
    /// What is done then.
    pub action: RuleAction,
}

impl RestartRule {
    /// Whether the rule is about this exit code.
    pub fn matches(&self, code: ExitCode) -> bool {
        self.values.contains(&i32::from(code.0)) == self.among
    }
}

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// The container is started again.
    Restart,
    /// All containers are killed, and the pod starts anew with its first init container (KEP-5532).
    RestartAllContainers,
}

/// Where a container leaves its last words (terminationMessagePath, terminationMessagePolicy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminationMessage {
    /// Emptied before each start, read after each end. None: others write to the same file, so it tells of nobody.
    pub path: Option<PathBuf>,
    /// Whether the end of the container's output, where that is relayed, stands in for an empty file after a failure
    /// (FallbackToLogsOnError).
    pub or_output: bool,
}
