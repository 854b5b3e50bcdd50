//! The clients against honest and hostile servers on the loopback, over real sockets. Servers are threads of the test;
//! the clients run in the test's own loop, as they do in the helper's.

use super::{ATTEMPTS, KUBELET_VERSION, Probes, QUEUE_PATIENCE, failure, success, unknown};
use crate::machine::{Answer, AskId, Cause, Outcome};
use crate::plan::{Asker, Check, CheckId, HttpGet, NetworkQuestion};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here should take on a busy machine; nothing waits for it to pass.
const A_WHILE: Duration = Duration::from_secs(5);

/// The timeout of checks that are to time out.
const SHORT: Duration = Duration::from_millis(200);

/// The next number of a small generator (Knuth's), so that a failure can be repeated.
pub fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

fn http(port: u16) -> Check {
    Check {
        question: NetworkQuestion::Http(HttpGet {
            tls: false,
            host: "127.0.0.1".into(),
            port,
            path: "/livez".into(),
            headers: Vec::new(),
        }),
        timeout: Some(A_WHILE),
        asker: Asker::Probe,
    }
}

/// The same, as a hook.
fn hook(port: u16, tls: bool) -> Check {
    let mut check = http(port);
    (check.asker, check.timeout) = (Asker::Hook, None);
    if let NetworkQuestion::Http(get) = &mut check.question {
        get.tls = tls;
    }
    check
}

fn tcp(port: u16) -> Check {
    let host = "127.0.0.1".into();
    Check {
        question: NetworkQuestion::Tcp { host, port },
        ..http(port)
    }
}

fn grpc(port: u16) -> Check {
    let question = NetworkQuestion::Grpc {
        host: "127.0.0.1".into(),
        port,
        service: String::new(),
        tls: false,
    };
    Check {
        question,
        ..http(port)
    }
}

fn within(mut check: Check, timeout: Duration) -> Check {
    check.timeout = Some(timeout);
    check
}

/// Turns the clients' loop until so many answers are there.
fn answers(probes: &mut Probes<'_>, count: usize) -> Vec<(AskId, Answer)> {
    let start = Instant::now();
    let mut polled = Vec::new();
    let mut found = Vec::new();
    loop {
        found.extend(std::iter::from_fn(|| probes.next_answer()));
        if found.len() >= count {
            return found;
        }
        assert!(start.elapsed() < A_WHILE * 2, "{} of {count}", found.len());
        polled.clear();
        probes.poll(&mut polled);
        let left = probes.deadline().map_or(A_WHILE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let timeout = left.as_millis() as i32 + 1;
        // SAFETY: the pointer and the count are those of one live vector.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
        probes.advance(&polled, Instant::now());
    }
}

fn ask(check: &Check) -> Answer {
    let checks = [check.clone()];
    let mut probes = Probes::new(&checks);
    probes.ask(AskId(7), CheckId(0), Instant::now());
    let [(AskId(7), answer)] = answers(&mut probes, 1)[..] else {
        panic!("not one answer");
    };
    answer
}

/// A port where nobody listens.
fn deserted() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A server that lets `behave` have each connection with its number, and tells what that gave.
fn server<T: Send + 'static>(
    behave: impl Fn(TcpStream, usize) -> T + Send + 'static,
) -> (u16, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            let socket = socket.unwrap();
            socket.set_read_timeout(Some(A_WHILE)).unwrap();
            if tell.send(behave(socket, number)).is_err() {
                break;
            }
        }
    });
    (port, told)
}

/// The head of a request.
fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|length| length == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server that answers every request so, and tells the requests.
fn answering(response: impl Into<Vec<u8>>) -> (u16, Receiver<String>) {
    let response = response.into();
    server(move |mut socket, _| {
        let request = head(&mut socket);
        // Whoever has heard enough hangs up.
        let _ = socket.write_all(&response);
        request
    })
}

fn answered(response: impl Into<Vec<u8>>) -> Answer {
    ask(&http(answering(response).0))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn s55_the_request_is_the_kubelets_to_the_byte() {
    let (port, requests) = answering(OK);
    assert_eq!(ask(&http(port)), success());
    assert_eq!(
        requests.recv().unwrap(),
        format!(
            "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: kube-probe/{KUBELET_VERSION}\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        )
    );
}

#[test]
fn s46_the_status_decides() {
    let unwell = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
    assert_eq!(answered(unwell), failure(Cause::HttpStatus(503)));
    assert_eq!(answered("HTTP/1.0 204\r\n\r\n"), success());
    assert_eq!(
        answered(format!("HTTP/1.1 100 Continue\r\n\r\n{OK}")),
        success()
    );
}

#[test]
fn s47_another_host_is_never_contacted() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://localhost:{}/x", trap.local_addr().unwrap().port());
    let found = answered(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n"));
    let warning = Answer {
        outcome: Outcome::Warning,
        cause: Cause::Redirect(302),
    };
    assert_eq!(found, warning);
    trap.set_nonblocking(true).unwrap();
    assert_eq!(trap.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn s48_a_redirect_to_another_port_is_followed() {
    let (port, requests) = answering(OK);
    let to = format!("http://127.0.0.1:{port}/ready?x");
    let (first, _) = answering(format!("HTTP/1.1 307 X\r\nLocation: {to}\r\n\r\n"));
    assert_eq!(ask(&http(first)), success());
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with(&format!(
            "GET /ready?x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        )),
        "{request}"
    );
    let referer = format!(
        "\r\nAccept: */*\r\nReferer: http://127.0.0.1:{first}/livez\r\nConnection: close\r\n"
    );
    assert!(request.contains(&referer), "{request}");
}

#[test]
fn s49_exactly_ten_requests_are_made() {
    let (port, requests) = answering("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n");
    assert_eq!(ask(&http(port)), failure(Cause::RedirectLoop));
    (0..10).for_each(|_| drop(requests.recv().unwrap()));
    assert!(requests.recv_timeout(SHORT).is_err());
}

#[test]
fn s50_a_redirect_to_nowhere_makes_no_second_request() {
    let (port, requests) = answering("HTTP/1.1 300 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(ask(&http(port)).outcome, Outcome::Warning);
    requests.recv().unwrap();
    assert!(requests.recv_timeout(SHORT).is_err());
}

#[test]
fn s51_whatever_goes_wrong_before_the_head_is_a_failure() {
    let refused = failure(Cause::Connection(libc::ECONNREFUSED));
    assert_eq!(ask(&http(deserted())), refused);
    assert_eq!(answered("SSH-2.0-OpenSSH_9.2\r\n"), failure(Cause::Garbled));
    let reset = failure(Cause::Connection(libc::ECONNRESET));
    assert_eq!(answered(""), reset);
    // With the request unread, a hang-up is a reset.
    let (port, _told) = server(|_, _| ());
    assert_eq!(ask(&http(port)), reset);
    // A connection that nobody accepts, and one that nobody answers on.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    assert_eq!(ask(&within(http(port), SHORT)), failure(Cause::TimedOut));
}

#[test]
fn s52_a_body_that_stalls_or_is_cut_counts_for_nothing() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
    assert_eq!(answered(head), unknown(Cause::BodyCut));
    let (port, sockets) = server(move |mut socket, _| {
        socket.write_all(head.as_bytes()).unwrap();
        socket
    });
    assert_eq!(ask(&within(http(port), SHORT)), unknown(Cause::BodyCut));
    drop(sockets);
}

#[test]
fn s53_a_large_body_is_not_read_to_its_end() {
    let mut response =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30).into_bytes();
    response.resize(1 << 20, b'a');
    assert_eq!(answered(response), success());
}

#[test]
fn s61_every_probe_is_a_connection_of_its_own() {
    let (port, requests) = answering(OK);
    for _ in 0..2 {
        assert_eq!(ask(&http(port)), success());
        assert!(
            requests
                .recv()
                .unwrap()
                .ends_with("\r\nConnection: close\r\n\r\n")
        );
    }
}

#[test]
fn s62_tcp_is_content_with_a_connection_and_sends_nothing() {
    let (port, bytes) = server(|mut socket, number| {
        let mut bytes = Vec::new();
        if number > 0 {
            socket.read_to_end(&mut bytes).unwrap();
        }
        bytes
    });
    for _ in 0..2 {
        assert_eq!(ask(&tcp(port)), success());
        assert_eq!(bytes.recv().unwrap(), b"");
    }
}

#[test]
fn s63_tcp_fails_where_nobody_listens() {
    let refused = failure(Cause::Connection(libc::ECONNREFUSED));
    assert_eq!(ask(&tcp(deserted())), refused);
}

#[test]
fn s64_a_grpc_call_never_errs() {
    let refused = failure(Cause::Connection(libc::ECONNREFUSED));
    assert_eq!(ask(&grpc(deserted())), refused);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    assert_eq!(ask(&within(grpc(port), SHORT)), failure(Cause::TimedOut));
    let (port, _requests) = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(ask(&grpc(port)), failure(Cause::Garbled));
    let (port, _told) = server(|mut socket, _| drop(head(&mut socket)));
    assert_eq!(ask(&grpc(port)).outcome, Outcome::Failure);
}

#[test]
fn s77_and_s78_a_hook_wants_an_answer_and_no_more() {
    let (port, requests) = answering("HTTP/1.1 500 X\r\n\r\n");
    assert_eq!(ask(&hook(port, false)), success());
    let request = requests.recv().unwrap();
    let expected = format!(
        "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: kube-lifecycle/{KUBELET_VERSION}\r\n\
         Accept: */*\r\nAccept-Encoding: gzip\r\n\r\n"
    );
    assert_eq!(request, expected);
    let refused = failure(Cause::Connection(libc::ECONNREFUSED));
    assert_eq!(ask(&hook(deserted(), false)), refused);
}

#[cfg(feature = "https")]
#[test]
fn s79_an_https_hook_that_is_answered_in_plain_http_asks_again() {
    let response = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let (port, requests) = server(|mut socket, number| {
        let mut beginning = [0; 3];
        if number == 0 {
            socket.read_exact(&mut beginning).unwrap();
            socket.write_all(response).unwrap();
            // Or the hang-up would be a reset that overtakes the answer.
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
            return beginning.escape_ascii().to_string();
        }
        let request = head(&mut socket);
        socket.write_all(response).unwrap();
        request
    });
    let mut check = hook(port, true);
    if let NetworkQuestion::Http(get) = &mut check.question {
        get.headers.push(("Authorization".into(), "secret".into()));
    }
    let fallen = Answer {
        outcome: Outcome::Success,
        cause: Cause::HttpFallback,
    };
    assert_eq!(ask(&check), fallen);
    assert!(requests.recv().unwrap().starts_with("\\x16\\x03"));
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with("GET /livez HTTP/1.1\r\n") && !request.contains("secret"),
        "{request}"
    );
}

#[cfg(feature = "https")]
#[test]
fn an_https_probe_that_is_answered_in_plain_http_fails() {
    let (port, requests) = server(|mut socket, _| {
        socket.read_exact(&mut [0; 3]).unwrap();
        socket.write_all(OK.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let mut check = hook(port, true);
    check.asker = Asker::Probe;
    assert_eq!(ask(&check), failure(Cause::Tls));
    requests.recv().unwrap();
    assert!(requests.recv_timeout(SHORT).is_err());
}

#[cfg(not(feature = "https"))]
#[test]
fn a_build_without_tls_says_so() {
    let (port, _requests) = answering(OK);
    assert_eq!(ask(&hook(port, true)), unknown(Cause::NoTls));
}

#[test]
fn names_are_found() {
    let (port, requests) = answering(OK);
    let mut check = http(port);
    if let NetworkQuestion::Http(get) = &mut check.question {
        get.host = "localhost".into();
    }
    assert_eq!(ask(&check), success());
    let host = format!("\r\nHost: localhost:{port}\r\n");
    assert!(requests.recv().unwrap().contains(&host));
}

/// How much a peer can send before it is hung up on, when it sends this first and then that for ever.
fn can_send(first: &'static [u8], then: &'static [u8], check: fn(u16) -> Check) -> (usize, Answer) {
    let (port, sent) = server(move |mut socket, _| {
        let mut sent = 0;
        let mut next = first;
        while let Ok(length) = socket.write(next) {
            sent += length;
            next = then;
        }
        sent
    });
    let answer = ask(&check(port));
    (sent.recv().unwrap(), answer)
}

#[test]
fn a_hostile_peer_is_hung_up_on() {
    let head = b"HTTP/1.1 200 OK\r\n";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (first, then, check, outcome) in [
        (
            &head[..],
            &[b'a'; 1 << 16][..],
            http as fn(u16) -> Check,
            Outcome::Failure,
        ),
        (head, b"A: b\r\n", http, Outcome::Failure),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            http,
            Outcome::Failure,
        ),
        (chunked, b"1\r\na\r\n", http, Outcome::Success),
        (chunked, b"1;", http, Outcome::Unknown),
        (chunked, b"0", http, Outcome::Unknown),
        (
            b"\0\0\x08\x06\0\0\0\0\0pingpong",
            b"\0\0\x08\x06\0\0\0\0\0pingpong",
            grpc,
            Outcome::Failure,
        ),
        (
            b"\0\x40\0\x01\x04\0\0\0\x01",
            &[0x88; 1 << 14],
            grpc,
            Outcome::Failure,
        ),
        (
            b"\0\0\0\x09\0\0\0\0\x01",
            b"\0\0\0\x09\0\0\0\0\x01",
            grpc,
            Outcome::Failure,
        ),
    ] {
        let (sent, answer) = can_send(first, then, check);
        assert_eq!(answer.outcome, outcome, "{}", first.escape_ascii());
        // All but our limits is what the two sockets hold.
        assert!(sent < 16 << 20, "{sent} of {}", first.escape_ascii());
    }
}

#[test]
fn one_who_dribbles_is_given_no_more_time() {
    let (port, _told) = server(|mut socket, _| {
        socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let mut asked = [0; 512];
        while socket.write_all(b"H").is_ok() {
            if matches!(socket.read(&mut asked), Ok(0)) {
                break;
            }
        }
    });
    let start = Instant::now();
    assert_eq!(ask(&within(http(port), SHORT)).outcome, Outcome::Failure);
    assert!(start.elapsed() < A_WHILE);
}

#[test]
fn more_checks_than_may_be_under_way_are_all_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (slow, quick) = (silent.local_addr().unwrap().port(), answering(OK));
    let mut checks = vec![within(http(slow), SHORT); ATTEMPTS + 50];
    checks.extend(vec![http(quick.0); 50]);
    let mut probes = Probes::new(&checks);
    for number in 0..checks.len() {
        probes.ask(AskId(number as u32), CheckId(number), Instant::now());
    }
    let mut found = answers(&mut probes, checks.len());
    found.sort_by_key(|(ask, _)| *ask);
    for (number, (ask, answer)) in found.into_iter().enumerate() {
        assert_eq!(ask, AskId(number as u32));
        let is_slow = number < ATTEMPTS + 50;
        assert_eq!(answer.outcome == Outcome::Failure, is_slow, "{answer:?}");
    }
}

#[test]
fn an_answer_that_came_in_time_counts_though_it_is_looked_at_late() {
    let (port, requests) = answering(OK);
    let checks = [http(port)];
    let mut probes = Probes::new(&checks);
    let start = Instant::now();
    probes.ask(AskId(1), CheckId(0), start);
    let mut polled = Vec::new();
    // Connected, and asked; then this process sleeps past the deadline.
    while requests.try_recv().is_err() {
        polled.clear();
        probes.poll(&mut polled);
        // SAFETY: the pointer and the count are those of one live vector.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 10) };
        if polled
            .iter()
            .any(|polled| polled.revents & libc::POLLOUT != 0)
        {
            probes.advance(&polled, start);
        }
    }
    polled.clear();
    probes.poll(&mut polled);
    // SAFETY: as above.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 5000) };
    probes.advance(&polled, start + A_WHILE * 2);
    assert_eq!(probes.next_answer(), Some((AskId(1), success())));
}

#[test]
fn whoever_waits_too_long_for_a_turn_is_told_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    // Hooks without an end take all places.
    let checks = vec![hook(port, false); ATTEMPTS + 1];
    let mut probes = Probes::new(&checks);
    let start = Instant::now();
    for number in 0..checks.len() {
        probes.ask(AskId(number as u32), CheckId(number), start);
    }
    assert_eq!(probes.deadline(), Some(start + QUEUE_PATIENCE));
    probes.advance(&[], start + QUEUE_PATIENCE);
    let last = AskId(ATTEMPTS as u32);
    assert_eq!(probes.next_answer(), Some((last, unknown(Cause::TimedOut))));
    assert_eq!(probes.deadline(), None);
}

#[test]
fn asking_anew_gives_up_on_the_earlier_asking_and_no_hook_has_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let checks = [hook(silent.local_addr().unwrap().port(), false)];
    let mut probes = Probes::new(&checks);
    probes.ask(AskId(1), CheckId(0), Instant::now());
    assert_eq!(probes.deadline(), None);
    probes.ask(AskId(2), CheckId(0), Instant::now());
    assert_eq!(
        answers(&mut probes, 1),
        [(AskId(1), unknown(Cause::TimedOut))]
    );
    let mut polled = Vec::new();
    probes.poll(&mut polled);
    assert_eq!(polled.len(), 1);
    // Nobody waits for what is not in the plan.
    probes.ask(AskId(3), CheckId(9), Instant::now());
    assert!(!probes.has_answers());
}
