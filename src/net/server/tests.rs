//! The server in this process: a thread serves, and the test is both the clients, over real sockets, and the core, unless
//! a second thread plays that. Honest clients here, others in `hostile_tests`; what the jail adds is shown in
//! `net::tests`.

use super::{CONNECTIONS, CORE_GONE, Doors, serve};
use crate::machine::{Cause, Command, Happening, Outcome};
use crate::net::ask::PATIENCE;
use crate::net::site::Site;
use crate::net::tests::{
    A_WHILE, answer, answer_next, answer_with, becomes_readable, get, next_questions, open_port,
    receive, send, site,
};
use crate::net::wire::command::Order;
use crate::net::{Link, control, link};
use crate::plan::ProbeKind;
use crate::report::chronicle::Chronicle;
use crate::report::samples::{self, WEB, at};
use crate::report::view::View;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A server whose core is played by the test.
fn served() -> (SocketAddr, Link, JoinHandle<u8>) {
    let (listener, address) = open_port();
    let (link, line) = link::pair().unwrap();
    let doors = Doors {
        health: Some(listener),
        control: None,
    };
    let server = thread::spawn(move || serve(doors, line, site(), &[]));
    (address, link, server)
}

/// A server by both doors with a core that answers everything at once, until this is dropped.
pub struct Living {
    pub address: SocketAddr,
    pub path: PathBuf,
    /// What was commanded.
    pub orders: Receiver<Command>,
    over: Arc<AtomicBool>,
    threads: Option<(JoinHandle<()>, JoinHandle<u8>)>,
}

impl Living {
    pub fn new() -> Living {
        Living::with(site(), samples::serving(), Chronicle::new(&samples::pod()))
    }

    /// A pod whose journal is full: a probe failed a thousand times, each time with other long words.
    pub fn troubled() -> Living {
        let (plan, mut chronicle) = (samples::plan(), Chronicle::new(&samples::pod()));
        let (kind, cause) = (ProbeKind::Readiness, Cause::Exit(1));
        let failed = Happening::Unhealthy(WEB, kind, Outcome::Failure, cause);
        for number in 0..1000 {
            let words = format!("{number} {}", "\"<words>\" ".repeat(60));
            chronicle.note(at(number), &failed, &plan, Some(&words));
        }
        Living::with(site(), samples::serving(), chronicle)
    }

    /// A pod of a thousand containers, whose pages are long.
    fn large() -> Living {
        let (mut site, mut view) = (site(), samples::serving());
        let web = site.frame.pod.containers[WEB.0].clone();
        site.frame.pod.containers = vec![web; 1000];
        view.status.containers = vec![samples::running(5); 1000];
        Living::with(site, view, Chronicle::new(&samples::pod()))
    }

    fn with(site: Site, view: View, chronicle: Chronicle) -> Living {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("monopod-server-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let control = control::listen(&path).unwrap();
        let (listener, address) = open_port();
        let (link, line) = link::pair().unwrap();
        let doors = Doors {
            health: Some(listener),
            control: Some(control.as_fd().try_clone_to_owned().unwrap()),
        };
        let server = thread::spawn(move || serve(doors, line, site, &[]));
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let (ordered, orders) = channel();
        let core = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if becomes_readable(&link, Duration::from_millis(20)) {
                    let heard = link.hear();
                    assert!(!heard.lost, "the server has ended");
                    for question in heard.questions {
                        answer_with(&link, question, &view, &chronicle);
                    }
                    for Order { number, command } in heard.orders {
                        ordered.send(command).unwrap();
                        link.confirm(number);
                    }
                }
            }
        });
        Living {
            address,
            path,
            orders,
            over,
            threads: Some((core, server)),
        }
    }

    fn ask(&self, request: &[u8]) -> String {
        receive(send(self.address, request))
    }

    /// By the control socket.
    pub fn send_to_control(&self, bytes: &[u8]) -> UnixStream {
        let mut client = UnixStream::connect(&self.path).unwrap();
        client.set_read_timeout(Some(A_WHILE)).unwrap();
        client.write_all(bytes).unwrap();
        client
    }

    fn command(&self, target: &str) -> String {
        let request = format!("POST /command/{target} HTTP/1.1\r\n\r\n");
        let mut answer = String::new();
        let mut client = self.send_to_control(request.as_bytes());
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Honest clients are answered by both doors. Were it not soon, it would be a 503.
    pub fn is_well(&self) {
        let mut by_control = String::new();
        let mut client = self.send_to_control(&get("/readyz"));
        client.read_to_string(&mut by_control).unwrap();
        for answer in [self.ask(&get("/readyz")), by_control] {
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
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
fn every_path_has_its_page() {
    let world = Living::new();
    for (path, kind, words) in [
        ("/", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("/livez/web", "text/plain; charset=utf-8", "ok"),
        (
            "/status",
            "application/json",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"",
        ),
        (
            "/events?since=3",
            "application/json",
            "{\"apiVersion\":\"v1\",\"items\":[]",
        ),
        (
            "/metrics",
            "text/plain; version=0.0.4; charset=utf-8",
            "# HELP prober_probe_total",
        ),
        ("/timeline", "image/svg+xml", "<?xml"),
    ] {
        let answer = world.ask(&get(path));
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(
            answer.contains(&format!("\r\nContent-Type: {kind}\r\n")),
            "{path}: {answer}"
        );
        assert!(
            answer.contains(&format!("\r\n\r\n{words}")),
            "{path}: {answer}"
        );
        let head = world.ask(format!("HEAD {path} HTTP/1.0\r\n\r\n").as_bytes());
        assert!(head.ends_with("\r\n\r\n"), "{path}: {head}");
    }
}

#[test]
fn long_pages_that_nobody_reads_are_bounded_and_health_is_answered_beside_them() {
    let world = Living::large();
    // By the control socket, whose buffer holds less than a page.
    let held: Vec<UnixStream> = (0..120)
        .map(|_| world.send_to_control(&get("/status")))
        .collect();
    let mut answer = String::new();
    let mut late = world.send_to_control(&get("/status"));
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{}", &answer[..80]);
    assert!(answer.contains("too many clients do not take their answers"));
    world.is_well();
    drop(held);
}

#[test]
fn a_command_reaches_the_core_and_is_confirmed() {
    let world = Living::new();
    let answer = world.command("restart?container=web");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"accepted\":true}\n"), "{answer}");
    assert_eq!(
        world.orders.recv_timeout(A_WHILE).unwrap(),
        Command::Restart(WEB)
    );
    assert!(
        world
            .command("restart?container=nobody")
            .starts_with("HTTP/1.1 404 ")
    );
    // The port takes none.
    let answer = world.ask(b"POST /command/stop HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(world.orders.try_recv().is_err());
}

#[test]
fn a_command_that_a_stopped_core_has_not_heard_is_not_called_done() {
    let world = Living::new();
    let (_core, line) = link::pair().unwrap();
    let other = std::env::temp_dir().join(format!("monopod-stopped-{}", std::process::id()));
    let control = control::listen(&other).unwrap();
    let doors = Doors {
        health: None,
        control: Some(control.as_fd().try_clone_to_owned().unwrap()),
    };
    let server = thread::spawn(move || serve(doors, line, site(), &[]));
    let mut client = UnixStream::connect(&other).unwrap();
    client
        .write_all(b"POST /command/stop HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("may carry the command out later"),
        "{answer}"
    );
    drop(_core);
    assert_eq!(server.join().unwrap(), CORE_GONE);
    control.remove();
    drop(world);
}

#[test]
fn another_uid_gets_past_the_door_and_no_further() {
    use crate::net::site::Door;
    let site = site();
    let door = Door::Control(Some(site.uid + 1));
    for (method, target) in [
        ("GET", "/status"),
        ("POST", "/command/stop"),
        ("GET", "/nothing"),
    ] {
        let page = site
            .understand(door, &method.parse().unwrap(), target)
            .unwrap_err();
        assert_eq!(page.code, 403);
        assert!(
            page.body.contains("only uid 0 and monopod's own"),
            "{}",
            page.body
        );
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
    answer_next(&link);
    assert!(receive(client).ends_with("ok"));
    drop(link);
    assert_eq!(server.join().unwrap(), CORE_GONE);
}

#[test]
fn a_stopped_core_is_a_503_and_is_forgiven() {
    let (address, link, server) = served();
    let start = Instant::now();
    let told = receive(send(address, &get("/livez")));
    // A second of room for a busy machine; the promise of one second in all is kept by the number.
    let took = start.elapsed();
    assert!(
        took >= PATIENCE && took < PATIENCE + Duration::from_secs(1),
        "{took:?}"
    );
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    assert!(told.contains("[-]core failed: "), "{told}");

    // It goes on: first the old question, whose answer nobody waits for, then the new one.
    let client = send(address, &get("/livez"));
    let mut questions = next_questions(&link);
    if questions.len() == 1 && questions[0].number == 0 {
        answer(&link, questions[0], &samples::serving());
        questions = next_questions(&link);
    }
    answer(&link, *questions.last().unwrap(), &samples::serving());
    assert!(receive(client).ends_with("ok"));
    drop(link);
    server.join().unwrap();
}

#[test]
fn one_question_serves_all_that_wait_and_none_that_came_after_it() {
    let (address, link, server) = served();
    let first = send(address, &get("/readyz"));
    let asked = next_questions(&link);
    assert_eq!(asked.len(), 1);
    let others: Vec<TcpStream> = (0..50).map(|_| send(address, &get("/readyz"))).collect();
    // Clients are accepted in the order of their coming: when this one has its 404, all the others were read.
    assert!(receive(send(address, &get("/nothing"))).starts_with("HTTP/1.1 404 "));
    assert!(
        !becomes_readable(&link, Duration::ZERO),
        "a second question at the same time"
    );

    answer(&link, asked[0], &samples::serving());
    assert!(receive(first).starts_with("HTTP/1.1 200 "));
    // Now the stop begins. The others asked after the first question was sent, so its answer is not for them.
    let asked = next_questions(&link);
    assert_eq!(asked.len(), 1);
    let mut stopping = samples::serving();
    stopping.status.stopping_since = Some(at(59));
    answer(&link, asked[0], &stopping);
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
