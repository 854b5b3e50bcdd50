//! Probes and hooks: what is asked of a container, how often, and what is asked over a network.
//!
//! A network question is named by its place in [`super::Plan::checks`]: the helper is a copy of the core, so what passes
//! between the two is that number and never an address or a path.

use super::ProgramId;
use std::time::Duration;

/// A probe with the API's numbers, defaults filled in (kubelet-semantics A.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How it asks.
    pub handler: Handler,
    /// Not before this long after the container's start (initialDelaySeconds).
    pub initial_delay: Duration,
    /// An attempt that takes longer has failed (timeoutSeconds). Never zero.
    pub timeout: Duration,
    /// From one attempt to the next (periodSeconds). Never zero.
    pub period: Duration,
    /// So many successes in a row (successThreshold). At least 1.
    pub success_threshold: u32,
    /// So many failures in a row (failureThreshold). At least 1.
    pub failure_threshold: u32,
    /// The grace of the kill that this probe's failure brings; without one, the pod's (terminationGracePeriodSeconds).
    pub grace: Option<Duration>,
}

impl Probe {
    /// With the numbers that the API gives a probe which names none.
    pub fn bare(handler: Handler) -> Probe {
        Probe {
            handler,
            initial_delay: Duration::ZERO,
            timeout: Duration::from_secs(1),
            period: Duration::from_secs(10),
            success_threshold: 1,
            failure_threshold: 3,
            grace: None,
        }
    }
}

/// How a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Runs a program; exit code 0 is success.
    Exec(ProgramId),
    /// Asks over the network.
    Ask(CheckId),
    /// Names a port that the container does not have: every attempt errs (S24).
    Unresolvable,
}

/// The three probes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// startupProbe
    Startup,
    /// livenessProbe
    Liveness,
    /// readinessProbe
    Readiness,
}

/// What is run after a start or before a stop (kubelet-semantics C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Runs a program; exit code 0 is success. No timeout of its own.
    Exec(ProgramId),
    /// A GET; any answer at all is success (S77).
    Ask(CheckId),
    /// Lets time pass.
    Sleep(Duration),
    /// tcpSocket, which the API accepts and which always fails (S82), and a port name that the container does not have.
    Fails,
}

/// The two hooks of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookKind {
    /// lifecycle.postStart
    PostStart,
    /// lifecycle.preStop
    PreStop,
}

/// A network question of the plan, by its place in [`super::Plan::checks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub usize);

/// A question that the helper asks over a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What to ask.
    pub question: NetworkQuestion,
    /// When to give up; a hook's question has no end (kubelet-semantics C.1).
    pub timeout: Option<Duration>,
    /// Who asks: a probe's rules and request differ from a hook's (kubelet-semantics B.8, C.3).
    pub asker: Asker,
}

/// Who asks a [`Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// `kube-probe`: the status code decides.
    Probe,
    /// `kube-lifecycle`: any answer will do.
    Hook,
}

/// What a [`Check`] asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkQuestion {
    /// httpGet
    Http(HttpGet),
    /// tcpSocket: connects and closes at once.
    Tcp {
        /// A name or an address; never empty.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// grpc: `grpc.health.v1.Health/Check`.
    Grpc {
        /// A name or an address; never empty. The API has no field for it: the pod's own address.
        host: String,
        /// 1 to 65535.
        port: u16,
        /// As given; empty by default.
        service: String,
        /// TLS without verification (grpc.mode, 1.37).
        tls: bool,
    },
}

/// An httpGet action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// HTTPS, without verification.
    pub tls: bool,
    /// A name or an address; never empty.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// As given; may hold a query and need escaping (kubelet-semantics B.5).
    pub path: String,
    /// In the order given; names may repeat.
    pub headers: Vec<(String, String)>,
}
