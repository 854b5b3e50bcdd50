//! The server against hostile clients, by both doors: the port and the control socket. Beside each of them honest clients
//! must be answered in time.

use super::CONNECTIONS;
use super::tests::Living;
use crate::net::ask::PATIENCE;
use crate::net::socket::Socket;
use crate::net::tests::{A_WHILE, get, send};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// A world and the door by which its hostile clients come.
struct Siege {
    world: Living,
    by_control: bool,
}

impl Siege {
    fn send(&self, bytes: &[u8]) -> Socket {
        match self.by_control {
            true => Socket::Unix(self.world.send_to_control(bytes)),
            false => Socket::Tcp(send(self.world.address, bytes)),
        }
    }

    fn ask(&self, bytes: &[u8]) -> String {
        read_all(self.send(bytes))
    }
}

/// By each door in a world of its own.
fn besieged(story: impl Fn(&Siege)) {
    for by_control in [false, true] {
        story(&Siege {
            world: Living::new(),
            by_control,
        });
    }
}

fn stop_writing_after(client: &Socket, time: Duration) {
    match client {
        Socket::Tcp(socket) => socket.set_write_timeout(Some(time)),
        Socket::Unix(socket) => socket.set_write_timeout(Some(time)),
    }
    .unwrap();
}

fn read_all(mut client: Socket) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn other_languages_are_answered_in_plain_http() {
    besieged(|siege| {
        for (sent, code) in [
            (
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
                "505",
            ),
            (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "400"),
            (b"GET /livez\r\n", "400"),
            (b"\0\0\0\0\0\0\0\0", "400"),
        ] {
            let answer = siege.ask(sent);
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        }
        siege.world.is_well();
    });
}

#[test]
fn a_body_of_a_terabyte_is_announced_and_held_back() {
    besieged(|siege| {
        let start = Instant::now();
        let held: Vec<Socket> = (0..50)
            .map(|_| {
                let mut client =
                    siege.send(b"GET /livez HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n");
                let mut answer = [0; 12];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
                client
            })
            .collect();
        siege.world.is_well();
        assert!(start.elapsed() < A_WHILE);
        drop(held);
    });
}

#[test]
fn a_header_of_a_hundred_megabytes_ends_in_431() {
    besieged(|siege| {
        let mut client = siege.send(b"GET /livez HTTP/1.1\r\nA: ");
        stop_writing_after(&client, Duration::from_millis(100));
        let chunk = [b'a'; 64 * 1024];
        let mut sent = 0;
        loop {
            match client.write(&chunk) {
                Ok(length) => sent += length,
                Err(error) => {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::WouldBlock,
                        "reset before the answer was read"
                    );
                    break;
                }
            }
            assert!(sent < 100_000_000, "all of it was taken");
        }
        siege.world.is_well();
        // The answer lies there, whatever was sent after it.
        assert!(receive_what_is_there(&mut client).starts_with("HTTP/1.1 431 "));
    });
}

#[test]
fn a_thousand_requests_in_a_row_get_one_answer() {
    besieged(|siege| {
        let mut client = siege.send(&get("/livez").repeat(1000));
        let answer = receive_what_is_there(&mut client);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
        siege.world.is_well();
    });
}

/// The first answer, without waiting for the end of the connection.
fn receive_what_is_there(client: &mut Socket) -> String {
    let mut bytes = [0; 4096];
    let length = client.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn clients_that_reset_at_once() {
    let world = Living::new();
    for round in 0..500 {
        let client = send(
            world.address,
            if round % 2 == 0 {
                b""
            } else {
                b"GET /livez HTTP/1.1\r\n\r\n"
            },
        );
        nix::sys::socket::setsockopt(
            &client,
            nix::sys::socket::sockopt::Linger,
            &libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .unwrap();
        drop(client);
    }
    world.is_well();
}

/// Lets this process open as many descriptors as it may.
fn open_many() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 16), hard).unwrap();
}

const HALF: &[u8] = b"GET /livez HTTP/1.1\r\nHost: ";
const OTHER_HALF: &[u8] = b"a\r\n\r\n";

#[test]
fn two_thousand_half_open_connections() {
    besieged(|siege| {
        open_many();
        let mut held = Vec::new();
        for index in 0..2000 {
            held.push(siege.send(HALF));
            if index % 50 == 0 {
                siege.world.is_well();
            }
        }
        for _ in 0..50 {
            siege.world.is_well();
        }
        // The oldest go, so that a client has the time in which as many others come as there may be in all.
        let mut slow = siege.send(HALF);
        for _ in 0..CONNECTIONS - 1 {
            held.push(siege.send(HALF));
        }
        slow.write_all(OTHER_HALF).unwrap();
        assert!(read_all(slow).ends_with("ok"));
    });
}

#[test]
fn whoever_has_an_answer_goes_before_those_who_have_none() {
    besieged(|siege| {
        open_many();
        let slow: Vec<Socket> = (0..100).map(|_| siege.send(HALF)).collect();
        let answered: Vec<Socket> = (0..CONNECTIONS)
            .map(|_| {
                let mut client = siege.send(&get("/nothing"));
                assert!(receive_what_is_there(&mut client).starts_with("HTTP/1.1 404 "));
                client
            })
            .collect();
        for mut client in slow {
            client.write_all(OTHER_HALF).unwrap();
            assert!(read_all(client).ends_with("ok"));
        }
        drop(answered);
    });
}

#[test]
fn many_who_want_long_pages_of_their_own_do_not_keep_health_waiting() {
    open_many();
    let siege = Siege {
        world: Living::troubled(),
        by_control: false,
    };
    let mut hungry: Vec<Socket> = (0..CONNECTIONS - 6).map(|_| siege.send(b"")).collect();
    siege.world.is_well();
    for (since, client) in hungry.iter_mut().enumerate() {
        client
            .write_all(&get(&format!("/events?since={since}")))
            .unwrap();
    }
    for _ in 0..5 {
        let start = Instant::now();
        siege.world.is_well();
        let took = start.elapsed();
        // Two questions, one by each door.
        assert!(took < 2 * PATIENCE, "{took:?}");
    }
    // The first are served, and whoever must wait too long for his turn is told that.
    let answers: Vec<String> = hungry.into_iter().map(read_all).collect();
    assert!(answers[0].starts_with("HTTP/1.1 200 "), "{}", answers[0]);
    for answer in &answers {
        let code = &answer[..12];
        assert!(code == "HTTP/1.1 200" || code == "HTTP/1.1 503", "{code}");
    }
}
