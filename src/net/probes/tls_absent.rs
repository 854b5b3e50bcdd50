//! What stands in for `tls` in a build without the feature `https`: every attempt is told that there is none.

use super::channel::Received;
use crate::machine::Cause;
use std::convert::Infallible;
use std::net::TcpStream;
use std::os::fd::RawFd;

/// What would be spoken through TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2, for gRPC.
    Grpc,
}

/// Nothing to set.
#[derive(Default)]
pub struct Tls;

impl Tls {
    /// Refuses.
    pub fn secure(&self, _: TcpStream, _: &str, _: Protocol) -> Result<Secured, Cause> {
        Err(Cause::NoTls)
    }
}

/// There is none.
pub struct Secured(Infallible);

impl Secured {
    /// Of none.
    pub fn descriptor(&self) -> RawFd {
        match self.0 {}
    }

    /// Of none.
    pub fn wants_to_write(&self) -> bool {
        match self.0 {}
    }

    /// Of none.
    pub fn is_plain_http(&self) -> bool {
        match self.0 {}
    }

    /// On none.
    pub fn send(&mut self, _: &mut Vec<u8>) -> Result<(), Cause> {
        match self.0 {}
    }

    /// From none.
    pub fn receive(&mut self, _: &mut [u8]) -> Result<Received, Cause> {
        match self.0 {}
    }
}
