//! The server against honest and hostile clients, in this process: a thread serves, and the test is both the clients,
//! over real TCP, and the core, unless a second thread plays that. What the jail adds is shown in `net::tests`.

use super::{CONNECTIONS, CORE_GONE, serve};
use crate::machine::Status;
use crate::net::ask::PATIENCE;
use crate::net::tests::{
    A_WHILE, SERVING, becomes_readable, get, next_questions, open_port, receive, send,
};
use crate::net::{Link, link};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A server whose core is played by the test.
fn served() -> (SocketAddr, Link, JoinHandle<u8>) {
    let (listener, address) = open_port();
    let (link, line) = link::pair().unwrap();
    (
        address,
        link,
        thread::spawn(move || serve(Some(listener), line, &[])),
    )
}

/// A server with a core that answers everything at once, until this is dropped.
struct Living {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Option<(JoinHandle<()>, JoinHandle<u8>)>,
}

impl Living {
    fn new() -> Living {
        let (address, link, server) = served();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let core = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if becomes_readable(&link, Duration::from_millis(20)) {
                    let heard = link.hear();
                    assert!(!heard.lost, "the server has ended");
                    for number in heard.questions {
                        link.answer(number, SERVING);
                    }
                }
            }
        });
        Living {
            address,
            over,
            threads: Some((core, server)),
        }
    }

    fn ask(&self, request: &[u8]) -> String {
        receive(send(self.address, request))
    }

    /// An honest client is answered. Were it not soon, it would be a 503.
    fn is_well(&self) {
        let answer = self.ask(&get("/readyz"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some((core, server)) = self.threads.take() {
            let core = core.join();
            let server = server.join();
            if !thread::panicking() {
                core.unwrap();
                assert_eq!(server.unwrap(), CORE_GONE);
            }
        }
    }
}

#[test]
fn honest_clients() {
    let world = Living::new();
    world.is_well();
    let answer = world.ask(&get("/readyz?verbose"));
    assert!(answer.contains("\r\n\r\n[+]core ok\n"), "{answer}");
    let answer = world.ask(b"HEAD /livez HTTP/1.0\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\nContent-Length: 2\r\n"), "{answer}");
    assert!(world.ask(&get("/livez/")).starts_with("HTTP/1.1 404 "));
    let answer = world.ask(b"PUT /livez HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nAllow: GET, HEAD\r\n"),
        "{answer}"
    );
}

#[test]
fn a_client_that_types_slowly() {
    let world = Living::new();
    let mut client = send(world.address, b"");
    client.set_nodelay(true).unwrap();
    for byte in get("/livez") {
        client.write_all(&[byte]).unwrap();
    }
    assert!(receive(client).ends_with("ok"));
}

#[test]
fn a_client_that_ended_its_side_still_gets_the_answer() {
    let (address, link, server) = served();
    let client = send(address, &get("/livez"));
    client.shutdown(Shutdown::Write).unwrap();
    for number in next_questions(&link) {
        link.answer(number, SERVING);
    }
    assert!(receive(client).ends_with("ok"));
    drop(link);
    assert_eq!(server.join().unwrap(), CORE_GONE);
}

#[test]
fn a_stopped_core_is_a_503_and_is_forgiven() {
    let (address, link, server) = served();
    let start = Instant::now();
    let answer = receive(send(address, &get("/livez")));
    // A second of room for a busy machine; the promise of one second in all is kept by the number.
    let took = start.elapsed();
    assert!(
        took >= PATIENCE && took < PATIENCE + Duration::from_secs(1),
        "{took:?}"
    );
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("[-]core failed: "), "{answer}");

    // It goes on: first the old question, whose answer nobody waits for, then the new one.
    let client = send(address, &get("/livez"));
    let mut numbers = next_questions(&link);
    if numbers == [0] {
        link.answer(0, SERVING);
        numbers = next_questions(&link);
    }
    link.answer(*numbers.last().unwrap(), SERVING);
    assert!(receive(client).ends_with("ok"));
    drop(link);
    server.join().unwrap();
}

#[test]
fn one_question_serves_all_that_wait_and_none_that_came_after_it() {
    let (address, link, server) = served();
    let first = send(address, &get("/readyz"));
    assert_eq!(next_questions(&link), [0]);
    let others: Vec<TcpStream> = (0..50).map(|_| send(address, &get("/readyz"))).collect();
    // Clients are accepted in the order of their coming: when this one has its 404, all the others were read.
    assert!(receive(send(address, &get("/nothing"))).starts_with("HTTP/1.1 404 "));
    assert!(
        !becomes_readable(&link, Duration::ZERO),
        "a second question at the same time"
    );

    link.answer(0, SERVING);
    assert!(receive(first).starts_with("HTTP/1.1 200 "));
    // Now the stop begins. The others asked after question 0 was sent, so its answer is not for them.
    assert_eq!(next_questions(&link), [1]);
    link.answer(
        1,
        Status {
            stopping: true,
            ..SERVING
        },
    );
    for other in others {
        assert!(receive(other).starts_with("HTTP/1.1 503 "));
    }
    assert!(
        !becomes_readable(&link, Duration::ZERO),
        "a question too many"
    );
    drop(link);
    server.join().unwrap();
}

#[test]
fn a_tcp_probe_asks_nothing_of_the_core() {
    let (address, link, server) = served();
    for _ in 0..20 {
        drop(TcpStream::connect(address).unwrap());
    }
    assert!(receive(send(address, &get("/nothing"))).starts_with("HTTP/1.1 404 "));
    assert!(!becomes_readable(&link, Duration::ZERO));
    drop(link);
    assert_eq!(server.join().unwrap(), CORE_GONE);
}

#[test]
fn other_languages_are_answered_in_plain_http() {
    let world = Living::new();
    for (sent, code) in [
        (
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
            "505",
        ),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "400"),
        (b"GET /livez\r\n", "400"),
        (b"\0\0\0\0\0\0\0\0", "400"),
    ] {
        let answer = world.ask(sent);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
    world.is_well();
}

#[test]
fn a_body_of_a_terabyte_is_announced_and_held_back() {
    let world = Living::new();
    let start = Instant::now();
    let held: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut client = send(
                world.address,
                b"GET /livez HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n",
            );
            let mut answer = [0; 12];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            client
        })
        .collect();
    world.is_well();
    assert!(start.elapsed() < A_WHILE);
    drop(held);
}

#[test]
fn a_header_of_a_hundred_megabytes_ends_in_431() {
    let world = Living::new();
    let mut client = send(world.address, b"GET /livez HTTP/1.1\r\nA: ");
    client
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
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
    world.is_well();
    // The answer lies there, whatever was sent after it.
    assert!(receive_what_is_there(&mut client).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_thousand_requests_in_a_row_get_one_answer() {
    let world = Living::new();
    let mut client = send(world.address, &get("/livez").repeat(1000));
    let answer = receive_what_is_there(&mut client);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    world.is_well();
}

/// The first answer, without waiting for the end of the connection.
fn receive_what_is_there(client: &mut TcpStream) -> String {
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
    open_many();
    let world = Living::new();
    let mut held = Vec::new();
    for index in 0..2000 {
        held.push(send(world.address, HALF));
        if index % 50 == 0 {
            world.is_well();
        }
    }
    for _ in 0..50 {
        world.is_well();
    }
    // The oldest go, so that a client has the time in which as many others come as there may be in all.
    let mut slow = send(world.address, HALF);
    for _ in 0..CONNECTIONS - 1 {
        held.push(send(world.address, HALF));
    }
    slow.write_all(OTHER_HALF).unwrap();
    assert!(receive(slow).ends_with("ok"));
}

#[test]
fn whoever_has_an_answer_goes_before_those_who_have_none() {
    open_many();
    let world = Living::new();
    let slow: Vec<TcpStream> = (0..100).map(|_| send(world.address, HALF)).collect();
    let answered: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = send(world.address, &get("/nothing"));
            assert!(receive_what_is_there(&mut client).starts_with("HTTP/1.1 404 "));
            client
        })
        .collect();
    for mut client in slow {
        client.write_all(OTHER_HALF).unwrap();
        assert!(receive(client).ends_with("ok"));
    }
    drop(answered);
}

#[test]
fn when_all_clients_wait_for_the_core_the_next_ones_wait_in_the_queue() {
    let (address, link, server) = served();
    let start = Instant::now();
    let clients: Vec<TcpStream> = (0..CONNECTIONS + 20)
        .map(|_| send(address, &get("/livez")))
        .collect();
    // A core that never answers: each of them is told so and none is sent away unanswered.
    for client in clients {
        assert!(receive(client).starts_with("HTTP/1.1 503 "));
    }
    // The last ones were accepted only when the first had their answers.
    assert!(start.elapsed() > PATIENCE * 3 / 2);
    drop(link);
    assert_eq!(server.join().unwrap(), CORE_GONE);
}
