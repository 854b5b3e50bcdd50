//! The least that a client of the health endpoints must be, for honest questions and for dishonest ones.

use crate::harness::Outcome;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Longer than any probe waits; the stories have deadlines of their own.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An answer, as far as stories look at it.
#[derive(Debug)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// What follows.
    pub body: String,
}

/// A port of the loopback address at which nobody listens. From below the range that the kernel hands out to clients, and
/// each only once: a port that was free a moment ago is soon somebody's again. Asked by connecting, because a socket
/// bound for a try would live on for a moment in whatever another thread is just forking.
pub fn free_port() -> Outcome<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..10_000 {
        // Two suites on one machine begin at different places.
        let place = NEXT
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(std::process::id() as u16);
        let port = 12_000 + place % 20_000;
        match connect(port) {
            Err(why) if why.kind() == ErrorKind::ConnectionRefused => return Ok(port),
            _ => {}
        }
    }
    Err("no free port".to_owned())
}

/// A connection to the port.
pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a GET of this target answers.
pub fn get(port: u16, target: &str) -> Outcome<Answer> {
    ask(port, "GET", target)
}

/// What this method of this target answers.
pub fn ask(port: u16, method: &str, target: &str) -> Outcome<Answer> {
    let mut stream = connect(port).map_err(|why| format!("connecting for {target}: {why}"))?;
    let request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|why| format!("asking for {target}: {why}"))?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .map_err(|why| format!("reading {target}: {why}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{target} was answered with {text:?}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("{target} was answered with {head:?}"))?;
    Ok(Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

/// The code of this target must be this.
pub fn expect(port: u16, target: &str, status: u16) -> Outcome {
    let answer = get(port, target)?;
    match answer.status == status {
        true => Ok(()),
        false => Err(format!("{target} should be {status}: {answer:?}")),
    }
}
