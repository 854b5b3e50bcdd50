//! Questions over the network and what came of them, and what people ask for by the control socket.
//!
//! All of it has a fixed size: it crosses the line between the core and a process that strangers can talk to.

use crate::plan::{ContainerId, GateId, Signal};

/// One asking of one check. Minted by the machine, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u32);

/// What came of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub outcome: Outcome,
    /// Why, for people.
    pub cause: Cause,
}

/// The verdict of one attempt (kubelet-semantics B.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Good.
    Success,
    /// Counts as good, and people are told.
    Warning,
    /// Bad.
    Failure,
    /// The attempt itself could not be carried out; it counts for nothing.
    Unknown,
}

/// Why an answer is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is nothing to explain.
    None,
    /// The HTTP status code of the final response.
    HttpStatus(u16),
    /// A redirect that was not followed, with its status code.
    Redirect(u16),
    /// Ten requests and still a redirect.
    RedirectLoop,
    /// An https hook was answered in plain HTTP and asked again over http (C.3).
    HttpFallback,
    /// The connection was refused or broke, with the errno.
    Connection(i32),
    /// The name of the host could not be resolved.
    UnknownHost,
    /// No answer in time.
    TimedOut,
    /// The peer does not speak the protocol.
    Garbled,
    /// TLS failed.
    Tls,
    /// The body ended early or stalled (S52).
    BodyCut,
    /// The gRPC status code of a call that failed.
    GrpcStatus(u8),
    /// The serving status that the peer told, other than SERVING.
    GrpcHealth(u8),
    /// This build has no TLS.
    NoTls,
    /// A program was run and exited with this code.
    Exit(u8),
    /// A program could not be run, with the errno.
    Exec(i32),
    /// The handler names a port that the container does not have.
    NoSuchPort,
    /// The helper is away.
    NoHelper,
}

/// What people may ask for by the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set a readiness gate.
    SetGate(GateId, bool),
    /// Stop this container in order and start it again.
    Restart(ContainerId),
    /// Send a signal to this container's own process.
    Signal(ContainerId, Signal),
    /// Stop the pod, as SIGTERM does.
    Stop,
}
