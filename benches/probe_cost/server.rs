//! The web server in the containers: this binary itself, which is static. One connection at a time, one answer, no
//! fork, so that what is measured is the asking.

use std::io::{Read, Write, stdout};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

/// The word that makes this binary a web server.
pub const VERB: &str = "child:serve";
/// Each container has a network of its own.
pub const PORT: u16 = 8080;

const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Serves until it is killed. A byte on standard output says that it listens, and each further one that it answered.
pub fn serve() -> ExitCode {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)) else {
        return ExitCode::FAILURE;
    };
    let mut out = stdout();
    let mut told = out.write_all(b".").and_then(|()| out.flush());
    while told.is_ok() {
        let Ok((mut stream, _)) = listener.accept() else {
            continue;
        };
        let mut request = [0; 2048];
        // Both clients send their request, without a body, in one piece.
        let asked = stream.read(&mut request);
        if asked.is_ok_and(|length| length > 0) && stream.write_all(ANSWER).is_ok() {
            told = out.write_all(b".").and_then(|()| out.flush());
        }
    }
    ExitCode::FAILURE
}
