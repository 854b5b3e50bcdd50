//! What was asked for: checked, complete and inert. Plain data that `cli` makes and everybody else reads.
//!
//! Nothing here acts, and nothing here has a default: whoever makes a plan knows what was said and what was not. What is
//! called `bare` is what there is when nothing was said, for whoever says the rest.
//! A program is named by its place in [`Plan::programs`], so a machine can order it started without seeing its words.

mod container;
mod exit;
mod output;
mod probe;
mod request;
mod serving;
mod signal;

use std::ffi::{CStr, CString};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

pub use container::{
    Container, ContainerId, GateId, Pod, Restart, RestartPolicy, RestartRule, Role, RuleAction,
    TerminationMessage,
};
pub use exit::{ExitCode, ExitMap};
pub use output::{Capture, Format, LONGEST_LINE_BYTES, Output, Outputs, Relayed, Stream};
pub use probe::{
    Asker, Check, CheckId, Handler, Hook, HookKind, HttpGet, NetworkQuestion, Probe, ProbeKind,
};
pub use request::{Ask, ControlRequest, Layout};
pub use serving::{Control, Serving};
pub use signal::Signal;

/// All that one life of monopod needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every program that may be started, in the order of first use.
    pub programs: Vec<Program>,
    /// Every network question that may be asked.
    pub checks: Vec<Check>,
    /// What becomes of what they write.
    pub outputs: Outputs,
    /// How to behave.
    pub conduct: Conduct,
    /// Where to serve the health endpoints, if anywhere.
    pub health: Option<HealthAddress>,
    /// What else is served, and how.
    pub serving: Serving,
    /// Whether to adopt orphans when not PID 1. PID 1 always does.
    pub subreaper: bool,
    /// The signal that monopod itself gets when its parent dies (`tini -p`).
    pub parent_death_signal: Option<Signal>,
    /// Whether the core leaves the working directory and inherited descriptors once the last program that needs them
    /// was started, so that it pins no mount and no socket.
    pub let_go: bool,
}

impl Plan {
    /// Of these and nothing else: nothing is asked, nothing served, nothing let go.
    pub fn bare(programs: Vec<Program>, conduct: Conduct) -> Plan {
        Plan {
            programs,
            checks: Vec::new(),
            outputs: Outputs::default(),
            conduct,
            health: None,
            serving: Serving::default(),
            subreaper: true,
            parent_death_signal: None,
            let_go: false,
        }
    }

    /// The program with this id. Ids come from this plan only.
    pub fn program(&self, id: ProgramId) -> &Program {
        &self.programs[id.0]
    }

    /// Whether anybody may ask anything: there is a port or a socket.
    pub fn is_served(&self) -> bool {
        self.health.is_some() || self.serving.control.is_some()
    }
}

/// A program of the plan, by its place in [`Plan::programs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramId(pub usize);

/// Something to run and where to put it.
#[derive(Clone, Debug)]
pub struct Program {
    /// What people call it in messages: `nginx`, `init step 2 (migrate)`.
    pub name: String,
    /// The words of the command, the program first; at least one.
    pub argv: Vec<CString>,
    /// The process group and session it lives in.
    pub placement: Placement,
    /// Whether it gets the terminal's foreground when monopod had it.
    pub foreground: bool,
    /// The signal mask it starts with.
    pub mask: Mask,
    /// What it reads.
    pub stdin: Stdin,
    /// The variables that it sees.
    pub environment: Environment,
    /// Where it starts; without one, where monopod was started.
    pub working_dir: Option<CString>,
    /// Who it runs as.
    pub identity: Identity,
    /// Whether what it writes is also kept, 10 KiB of it (an exec probe's words).
    pub kept_output: bool,
}

impl Program {
    /// As an entry of a manifest runs it that says no more: alone, without input, as monopod itself.
    pub fn bare(name: impl Into<String>, argv: Vec<CString>) -> Program {
        Program {
            name: name.into(),
            argv,
            placement: Placement::Alone,
            foreground: false,
            mask: Mask::Empty,
            stdin: Stdin::Empty,
            environment: Environment::inherited(),
            working_dir: None,
            identity: Identity::default(),
            kept_output: false,
        }
    }

    /// The word that is looked up in PATH.
    pub fn file(&self) -> &CStr {
        &self.argv[0]
    }
}

/// Where a new process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A process group of its own, in monopod's session.
    Group,
    /// A session of its own, which takes the controlling terminal when standard input is one (dumb-init's way).
    Session,
    /// Monopod's own group and session (`dumb-init --single-child`).
    Shared,
    /// A session of its own, without a terminal: an entry of a manifest, beside others.
    Alone,
}

/// The signal mask of a new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Nothing blocked.
    Empty,
    /// As monopod itself was started.
    Inherited,
}

/// The standard input of a new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// Monopod's own; closed if that is closed.
    Inherited,
    /// At its end from the start: for init steps, hooks and probes, which must not eat what is meant for the command, and
    /// for an entry of a manifest that does not ask for `stdin`.
    Empty,
}

/// The variables that a child sees.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What all share, as `NAME=value`: these; or monopod's own, untouched.
    pub base: Option<Rc<Vec<CString>>>,
    /// What comes on top, each name once, replacing the base's of that name.
    pub extra: Rc<Vec<CString>>,
}

impl Environment {
    /// Monopod's own, untouched.
    pub fn inherited() -> Environment {
        Environment {
            base: None,
            extra: Rc::default(),
        }
    }

    /// These and no others.
    pub fn exactly(variables: Rc<Vec<CString>>) -> Environment {
        Environment {
            base: Some(variables),
            extra: Rc::default(),
        }
    }
}

/// Who a child runs as (securityContext). What is not said stays as monopod itself has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// runAsUser
    pub uid: Option<u32>,
    /// runAsGroup
    pub gid: Option<u32>,
    /// supplementalGroups; no other group is kept once a uid or a gid is set.
    pub groups: Vec<u32>,
    /// Capabilities that are taken away: numbers of capabilities(7).
    pub drop_capabilities: Vec<u8>,
    /// Capabilities that are added (they must be among monopod's own), or kept through a change of uid.
    pub add_capabilities: Vec<u8>,
    /// allowPrivilegeEscalation: false
    pub no_new_privileges: bool,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthAddress {
    /// Every address of the machine, IPv6 and IPv4 where there is IPv6.
    Any(u16),
    /// This address only.
    At(SocketAddr),
}

/// How to behave.
#[derive(Clone, Debug)]
pub enum Conduct {
    /// As a kubelet would with a pod.
    Pod(Pod),
    /// As tini, dumb-init or catatonit would with a command.
    Passthrough(Passthrough),
}

/// What the small inits do: forward, rewrite, reap, leave.
#[derive(Clone, Debug)]
pub struct Passthrough {
    /// The command; without one, pause until told to stop (`catatonit -P`).
    pub main: Option<ProgramId>,
    /// Who gets forwarded signals.
    pub target: Target,
    /// Signals replaced before forwarding; `None` drops the signal. The first rule for a signal is the one that holds.
    pub rewrites: Vec<(Signal, Option<Signal>)>,
    /// Whether to stop monopod itself after TSTP, TTIN or TTOU was handed on (dumb-init's way with job control).
    pub suspend_self: bool,
    /// Whether the command's group gets TERM when the command has ended.
    pub farewell: bool,
    /// Whether to say so when an orphan was reaped (`tini -w`).
    pub warn_on_reap: bool,
    /// Exit codes to change on the way out.
    pub remap_exit: ExitMap,
}

impl Passthrough {
    /// Hands on to the command alone, as tini does without options.
    pub fn bare(main: Option<ProgramId>) -> Passthrough {
        Passthrough {
            main,
            target: Target::Process,
            rewrites: Vec::new(),
            suspend_self: false,
            farewell: false,
            warn_on_reap: false,
            remap_exit: ExitMap::default(),
        }
    }
}

/// A process alone, or all of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The process itself.
    Process,
    /// Its process group.
    Group,
    /// All that came of it, as far as can be told: its session, its descendants, and who carries its mark.
    Tree,
}

impl fmt::Display for HealthAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthAddress::Any(port) => write!(out, ":{port}"),
            HealthAddress::At(address) => write!(out, "{address}"),
        }
    }
}
