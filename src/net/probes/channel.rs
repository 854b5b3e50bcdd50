//! Bytes to and from a peer, in the clear or through TLS. Never blocks.
//!
//! What surprised us: the kubelet sets SO_LINGER to a second on its probes' sockets, so that they are not kept in
//! TIME_WAIT. On Linux close(2) then waits for the peer, up to that second, even on a socket that does not block; the
//! kubelet has threads for that, and the helper has health questions to answer. So it is not set here. On the wire there
//! is no difference.

use super::tls::Secured;
use crate::machine::Cause;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

/// A connection that stands.
pub enum Channel {
    /// In the clear.
    Plain(TcpStream),
    /// Through TLS; its handshake may still be under way.
    Secured(Box<Secured>),
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// None yet.
    Nothing,
    /// The peer has ended its side.
    End,
}

impl Channel {
    /// The descriptor to wait on.
    pub fn descriptor(&self) -> RawFd {
        match self {
            Channel::Plain(socket) => socket.as_raw_fd(),
            Channel::Secured(secured) => secured.descriptor(),
        }
    }

    /// What to wait for.
    pub fn events(&self, unsent: &[u8]) -> i16 {
        let wants_to_write = match self {
            Channel::Plain(_) => !unsent.is_empty(),
            Channel::Secured(secured) => secured.wants_to_write(),
        };
        if wants_to_write {
            libc::POLLIN | libc::POLLOUT
        } else {
            libc::POLLIN
        }
    }

    /// Sends what can be sent now, and leaves the rest.
    pub fn send(&mut self, unsent: &mut Vec<u8>) -> Result<(), Cause> {
        match self {
            Channel::Plain(socket) => {
                while !unsent.is_empty() {
                    match socket.write(unsent) {
                        Ok(length) => drop(unsent.drain(..length)),
                        Err(error) => return tolerate(&error),
                    }
                }
                Ok(())
            }
            Channel::Secured(secured) => secured.send(unsent),
        }
    }

    /// Receives what there is.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Cause> {
        match self {
            Channel::Plain(socket) => match socket.read(buffer) {
                Ok(0) => Ok(Received::End),
                Ok(length) => Ok(Received::Bytes(length)),
                Err(error) => tolerate(&error).map(|()| Received::Nothing),
            },
            Channel::Secured(secured) => secured.receive(buffer),
        }
    }

    /// Whether TLS was spoken to somebody who answered in plain HTTP.
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Channel::Secured(secured) if secured.is_plain_http())
    }
}

/// "Not now" is no fault.
pub fn tolerate(error: &io::Error) -> Result<(), Cause> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(Cause::Connection(
            error.raw_os_error().unwrap_or(libc::ECONNRESET),
        )),
    }
}
