//! TLS without verification, as the kubelet's probes have it (S54): rustls with ring, driven in memory.
//!
//! A certificate says nothing here: a probe asks whether the container answers, over a way that nobody else sits on. So
//! no signature is checked either; anybody may present a certificate of his own making and sign with its key.
//!
//! Of ALPN only what we speak is offered: `http/1.1` for HTTP, where the kubelet would take `h2` too, and `h2` for gRPC.

use super::channel::{Received, tolerate};
use crate::machine::Cause;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::cell::OnceCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// How a plain HTTP response begins, and as many bytes as TLS looks at first.
const PLAIN_HTTP: &[u8] = b"HTTP/";
/// Records looked at in one go without content coming of them.
const RECORDS_IN_A_ROW: usize = 16;

/// What is spoken through TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2, for gRPC.
    Grpc,
}

/// The settings, made when first needed.
#[derive(Default)]
pub struct Tls {
    http: OnceCell<Arc<ClientConfig>>,
    grpc: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Begins TLS on a connection. `host` is told to the server if it is a name.
    pub fn secure(
        &self,
        socket: TcpStream,
        host: &str,
        protocol: Protocol,
    ) -> Result<Secured, Cause> {
        let (cell, name) = match protocol {
            Protocol::Http => (&self.http, &b"http/1.1"[..]),
            Protocol::Grpc => (&self.grpc, &b"h2"[..]),
        };
        let config = cell.get_or_init(|| Arc::new(config(name))).clone();
        // An address is not told. Nor is a name that is none to TLS (`my_db`).
        let server =
            ServerName::try_from(host.to_owned()).unwrap_or_else(|_| Ipv4Addr::LOCALHOST.into());
        let connection = ClientConnection::new(config, server).map_err(|_| Cause::Tls)?;
        Ok(Secured {
            connection,
            socket,
            beginning: Vec::new(),
        })
    }
}

fn config(protocol: &[u8]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has suites for every version that rustls knows")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    // Every probe is a new connection, and says so by being one.
    config.resumption = Resumption::disabled();
    config
}

/// Takes whoever answers.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A connection through TLS.
pub struct Secured {
    connection: ClientConnection,
    socket: TcpStream,
    /// The first bytes that came, to know a peer that answers in plain HTTP.
    beginning: Vec<u8>,
}

/// Reads from the socket and remembers the beginning.
struct Listening<'a> {
    socket: &'a mut TcpStream,
    beginning: &'a mut Vec<u8>,
}

impl Read for Listening<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.read(buffer)?;
        let wanted = PLAIN_HTTP.len() - self.beginning.len();
        self.beginning
            .extend_from_slice(&buffer[..length.min(wanted)]);
        Ok(length)
    }
}

impl Secured {
    /// The descriptor to wait on.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether records wait to be sent.
    pub fn wants_to_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether the peer answered in plain HTTP.
    pub fn is_plain_http(&self) -> bool {
        self.beginning == PLAIN_HTTP
    }

    /// Takes what is to be sent, and sends what can be sent now.
    pub fn send(&mut self, unsent: &mut Vec<u8>) -> Result<(), Cause> {
        // Before the handshake is done rustls keeps it, up to 64 kB.
        let taken = self.connection.writer().write(unsent).unwrap_or_default();
        unsent.drain(..taken);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Cause> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) => return tolerate(&error),
            }
        }
        Ok(())
    }

    /// Receives what there is.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Cause> {
        for _ in 0..RECORDS_IN_A_ROW {
            if let Some(received) = self.read(buffer)? {
                return Ok(received);
            }
            let mut listening = Listening {
                socket: &mut self.socket,
                beginning: &mut self.beginning,
            };
            match self.connection.read_tls(&mut listening) {
                Ok(0) => return Err(Cause::Connection(libc::ECONNRESET)),
                Ok(_) => {}
                Err(error) => return tolerate(&error).map(|()| Received::Nothing),
            }
            if self.connection.process_new_packets().is_err() {
                // The alert, if it can be had; the peer may want to know.
                let _ = self.flush();
                return Err(Cause::Tls);
            }
            self.flush()?;
        }
        Ok(self.read(buffer)?.unwrap_or(Received::Nothing))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, Cause> {
        match self.connection.reader().read(buffer) {
            Ok(0) => Ok(Some(Received::End)),
            Ok(length) => Ok(Some(Received::Bytes(length))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            // Ended without saying so: cut, as far as anybody can tell.
            Err(_) => Err(Cause::Connection(libc::ECONNRESET)),
        }
    }
}
