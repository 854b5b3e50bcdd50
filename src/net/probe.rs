//! The client: asks the endpoints of a monopod that runs in the same container, for `HEALTHCHECK` and exec probes in
//! images without a shell.
//!
//! One deadline holds over everything: Docker and the kubelet kill a check that takes too long and then say nothing about
//! why; we say it. Redirects, other servers and other machines are not its business.
//!
//! What surprised us: `0.0.0.0` is a fine address to listen on, and Linux even connects to it. Other systems do not, so
//! it is turned into the loopback address that was meant.

use crate::plan::HealthAddress;
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// More than any page of ours; whatever sends more is not a monopod.
const RESPONSE_LIMIT: usize = 64 * 1024;

/// Headers read in a response. Ours have eight.
const HEADERS_LIMIT: usize = 64;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The HTTP status code; 200 to 399 is success, as for the kubelet's httpGet.
    pub code: u16,
    /// The page, as text.
    pub body: String,
}

/// Asks for `path` (with its query) and waits at most `timeout` for all of the answer. The error is a whole sentence
/// without its full stop, and names the address.
pub fn probe(at: HealthAddress, path: &str, timeout: Duration) -> Result<Probed, String> {
    let deadline = Instant::now() + timeout;
    let mut failure = String::new();
    for address in addresses(at) {
        match connect(address, deadline) {
            Ok(socket) => {
                return exchange(socket, address, path, deadline)
                    .map_err(|error| {
                        format!("{address} did not answer: {}", describe(&error, timeout))
                    })
                    .and_then(|bytes| understand(&bytes, &address));
            }
            // The first address is the likelier one, so its error is the one to tell.
            Err(error) if failure.is_empty() => {
                failure = format!("cannot connect to {address}: {}", describe(&error, timeout));
            }
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Where to look, the likelier first. A socket that listens everywhere is reached by IPv4 even if it is an IPv6 one,
/// unless there is no IPv4 at all.
fn addresses(at: HealthAddress) -> Vec<SocketAddr> {
    match at {
        HealthAddress::Any(port) => vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ],
        HealthAddress::At(address) => vec![match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => (Ipv6Addr::LOCALHOST, address.port()).into(),
            _ => address,
        }],
    }
}

fn connect(address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, left(deadline)?)
}

fn exchange(
    mut socket: TcpStream,
    address: SocketAddr,
    path: &str,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: monopod-probe/{}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    // It fits the buffer of a new socket, so that this is one call and does not block.
    socket.set_write_timeout(Some(left(deadline)?))?;
    socket.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        match socket.read(&mut chunk) {
            Ok(0) => return Ok(response),
            Ok(length) => response.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if response.len() > RESPONSE_LIMIT {
            return Err(io::Error::other("it sends more than a monopod would"));
        }
    }
}

/// The time that is left; the error of a timeout if none is. (A timeout of zero would mean none, to the kernel.)
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

fn describe(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        // A read that times out is reported as one that would block.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("no answer within {timeout:?}")
        }
        ErrorKind::ConnectionRefused => {
            "nothing listens there (is monopod run with --health?)".into()
        }
        _ => error.to_string(),
    }
}

/// An answer, whole. `from` is who gave it, for messages.
pub(super) fn understand(bytes: &[u8], from: &dyn Display) -> Result<Probed, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    match (response.parse(bytes), response.code) {
        (Ok(httparse::Status::Complete(head)), Some(code)) => Ok(Probed {
            code,
            body: String::from_utf8_lossy(&bytes[head..]).into_owned(),
        }),
        _ if bytes.is_empty() => Err(format!("{from} hung up without an answer")),
        _ => Err(format!("what {from} answered is not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const A_WHILE: Duration = Duration::from_secs(2);

    /// A server for one client, that reads a request's head and then behaves as told.
    fn server(
        behave: impl FnOnce(TcpStream, String) + Send + 'static,
    ) -> (HealthAddress, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = HealthAddress::At(listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                socket.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            behave(socket, String::from_utf8(head).unwrap());
        });
        (at, thread)
    }

    fn answer(response: &'static [u8]) -> Result<Probed, String> {
        let (at, thread) = server(move |mut socket, _| socket.write_all(response).unwrap());
        let outcome = probe(at, "/livez", A_WHILE);
        thread.join().unwrap();
        outcome
    }

    #[test]
    fn it_asks_as_a_health_checker_does() {
        let (at, thread) = server(|mut socket, head| {
            assert!(
                head.starts_with("GET /readyz?verbose HTTP/1.1\r\nHost: 127.0.0.1:"),
                "{head}"
            );
            assert!(head.contains("\r\nUser-Agent: monopod-probe/"), "{head}");
            assert!(head.ends_with("\r\nConnection: close\r\n\r\n"), "{head}");
            socket
                .write_all(b"HTTP/1.1 503 No\r\nA: b\r\n\r\nwhy\n")
                .unwrap();
        });
        let probed = probe(at, "/readyz?verbose", A_WHILE).unwrap();
        thread.join().unwrap();
        assert_eq!((probed.code, probed.body.as_str()), (503, "why\n"));
    }

    #[test]
    fn what_is_not_an_answer_is_said_plainly() {
        assert!(
            answer(b"")
                .unwrap_err()
                .ends_with("hung up without an answer")
        );
        assert!(
            answer(b"SSH-2.0-OpenSSH_9.2\r\n")
                .unwrap_err()
                .ends_with("is not HTTP")
        );
        assert!(
            answer(b"HTTP/1.1 200 OK\r\n")
                .unwrap_err()
                .ends_with("is not HTTP")
        );
        assert_eq!(answer(b"HTTP/1.0 204\r\n\r\n").unwrap().code, 204);
    }

    #[test]
    fn nobody_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = HealthAddress::At(listener.local_addr().unwrap());
        drop(listener);
        let error = probe(at, "/livez", A_WHILE).unwrap_err();
        assert!(error.starts_with("cannot connect to 127.0.0.1:"), "{error}");
        assert!(error.contains("nothing listens there"), "{error}");
    }

    #[test]
    fn the_deadline_holds_against_a_server_that_dribbles() {
        let (at, thread) = server(|mut socket, _| {
            socket
                .set_read_timeout(Some(Duration::from_millis(10)))
                .unwrap();
            // A byte now and then, until the client has had enough.
            while socket.write_all(b"H").is_ok() {
                if matches!(socket.read(&mut [0]), Ok(0)) {
                    break;
                }
            }
        });
        let start = Instant::now();
        let error = probe(at, "/livez", Duration::from_millis(150)).unwrap_err();
        assert!(
            error.ends_with("did not answer: no answer within 150ms"),
            "{error}"
        );
        assert!(start.elapsed() < A_WHILE);
        thread.join().unwrap();
    }

    #[test]
    fn endless_answers_are_cut_off() {
        let (at, thread) = server(|mut socket, _| while socket.write_all(&[b'a'; 8192]).is_ok() {});
        let error = probe(at, "/livez", A_WHILE).unwrap_err();
        assert!(
            error.ends_with("it sends more than a monopod would"),
            "{error}"
        );
        thread.join().unwrap();
    }

    #[test]
    fn an_address_to_listen_on_everywhere_is_asked_for_on_the_loopback() {
        let at = |text: &str| addresses(HealthAddress::At(text.parse().unwrap()));
        assert_eq!(at("0.0.0.0:7")[0].to_string(), "127.0.0.1:7");
        assert_eq!(at("[::]:7")[0].to_string(), "[::1]:7");
        assert_eq!(at("10.1.2.3:7")[0].to_string(), "10.1.2.3:7");
        assert_eq!(addresses(HealthAddress::Any(7)).len(), 2);
    }
}
