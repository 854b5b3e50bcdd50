//! The helper as a process of its own: jailed, killed, starved, shouted at. And the tools that the server's tests use too.
//!
//! A test runner has many threads, and a fork of it by a bare clone could find the allocator locked. So each of these
//! tests starts the test program once more for itself alone, and forks there.

use super::site::Site;
use super::tell::{Known, tell};
use super::wire::Question;
use super::{Link, Served, collect, control, fork_helper, fork_limited, listen::listen};
use crate::machine::{Answer, AskId, Cause, Outcome};
use crate::plan::{Asker, Check, CheckId, HealthAddress, HttpGet, NetworkQuestion};
use crate::report::chronicle::Chronicle;
use crate::report::samples;
use crate::report::view::View;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here should take on a busy machine; nothing waits for it to pass.
pub const A_WHILE: Duration = Duration::from_secs(3);

/// The sample's site, for whoever runs the tests.
pub fn site() -> Site {
    Site {
        frame: samples::frame(),
        uid: nix::unistd::geteuid().as_raw(),
    }
}

/// Answers as a core does whose pod looks so.
pub fn answer(link: &Link, question: Question, view: &View) {
    answer_with(link, question, view, &Chronicle::new(&samples::pod()));
}

/// The same with a past.
pub fn answer_with(link: &Link, question: Question, view: &View, chronicle: &Chronicle) {
    let known = Known {
        now: view.now.0,
        status: &|| view.status.clone(),
        chronicle,
    };
    tell(link, question, &known);
}

/// A listener on a free port of the loopback, and its address.
pub fn open_port() -> (OwnedFd, SocketAddr) {
    let listener =
        TcpListener::from(listen(HealthAddress::At("127.0.0.1:0".parse().unwrap())).unwrap());
    let address = listener.local_addr().unwrap();
    (listener.into(), address)
}

/// A client that has sent these bytes.
pub fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(A_WHILE)).unwrap();
    client.write_all(bytes).unwrap();
    client
}

/// All that comes until the server hangs up.
pub fn receive(mut client: TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = client.read_to_end(&mut bytes) {
        panic!("{error} after {}", bytes.escape_ascii());
    }
    String::from_utf8(bytes).unwrap()
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Whether the descriptor becomes readable within the time.
pub fn becomes_readable(fd: &impl AsFd, within: Duration) -> bool {
    let mut polled = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&raw mut polled, 1, within.as_millis() as i32) == 1 }
}

/// The questions that are the next to come.
pub fn next_questions(link: &Link) -> Vec<Question> {
    assert!(becomes_readable(link, A_WHILE), "no question came");
    link.hear().questions
}

/// Answers the questions that are the next to come: all is well.
pub fn answer_next(link: &Link) {
    for question in next_questions(link) {
        answer(link, question, &samples::serving());
    }
}

/// Runs `story` in a process that has no other test in it. `name` is that of the test that calls.
fn alone(name: &str, story: impl FnOnce()) {
    const MARK: &str = "MONOPOD_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return story();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("net::tests::{name}"),
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn served(listener: &OwnedFd) -> Served<'_> {
    // Leaked: it must live as long as the process.
    let plan = Box::leak(Box::new(samples::plan()));
    Served {
        health: Some(listener.as_fd()),
        control: None,
        plan,
        start: std::time::SystemTime::now(),
    }
}

fn fork(listener: &OwnedFd) -> (libc::pid_t, Link) {
    fork_helper(served(listener), std::process::id() as i32).unwrap()
}

/// Asks as a client and answers as the core.
fn ask_once(address: SocketAddr, link: &Link) -> String {
    let client = send(address, &get("/readyz"));
    answer_next(link);
    receive(client)
}

fn wait_until_collected(pid: libc::pid_t) {
    let start = Instant::now();
    while !collect(pid) {
        assert!(start.elapsed() < A_WHILE, "the helper does not die");
        std::thread::yield_now();
    }
}

/// What waitid says to a core that looks for children of any kind but helpers.
fn look_for_children() -> Errno {
    // SAFETY: the kernel writes one siginfo into a live one.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        assert_eq!(libc::waitid(libc::P_ALL, 0, &raw mut info, options), -1);
    }
    Errno::last()
}

/// A line of /proc/PID/status, without its name.
fn status_line(pid: libc::pid_t, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap().trim().to_owned()
}

#[test]
fn the_helper_serves_from_a_jail() {
    alone("the_helper_serves_from_a_jail", || {
        let (listener, address) = open_port();
        let (pid, link) = fork(&listener);
        assert!(ask_once(address, &link).starts_with("HTTP/1.1 200 OK\r\n"));

        assert_eq!(status_line(pid, "Name"), "monopod-net");
        assert_eq!(status_line(pid, "NoNewPrivs"), "1");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status_line(pid, set), "0000000000000000", "{set}");
        }
        // SAFETY: a number.
        assert_eq!(unsafe { libc::getsid(pid) }, pid);
        // The rest can be seen, and in part be had, only by root.
        if nix::unistd::geteuid().is_root() {
            assert_eq!(status_line(pid, "Uid"), "65534\t65534\t65534\t65534");
            assert_eq!(status_line(pid, "Gid"), "65534\t65534\t65534\t65534");
            assert_eq!(status_line(pid, "Groups"), "");
            assert_eq!(
                fs::read_link(format!("/proc/{pid}/cwd"))
                    .unwrap()
                    .as_os_str(),
                "/"
            );
            let mut open: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .map(|entry| {
                    fs::read_link(entry.unwrap().path())
                        .unwrap()
                        .display()
                        .to_string()
                })
                .collect();
            open.retain(|target| !target.starts_with("socket:"));
            assert!(open.len() <= 1, "more than stderr and sockets: {open:?}");
            let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let limit = |name: &str| {
                let line = limits
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap();
                line.split_whitespace().next().unwrap().to_owned()
            };
            assert_eq!(limit("Max core file size"), "0");
            assert_eq!(limit("Max processes"), "0");
            assert_eq!(
                limit("Max open files"),
                super::server::descriptors(samples::plan().checks.len()).to_string()
            );
            assert_eq!(limit("Max address space"), (256 << 20).to_string());
        }
        drop(link);
        wait_until_collected(pid);
    });
}

#[test]
fn a_helper_is_no_child_that_the_container_waits_for() {
    alone("a_helper_is_no_child_that_the_container_waits_for", || {
        let (listener, address) = open_port();
        let (pid, link) = fork(&listener);
        assert!(ask_once(address, &link).contains("\r\n\r\nok"));
        assert_eq!(look_for_children(), Errno::ECHILD);
        drop(link);
        wait_until_collected(pid);
        assert_eq!(look_for_children(), Errno::ECHILD);
    });
}

#[test]
fn the_clients_of_a_killed_helper_are_answered_by_the_next() {
    alone(
        "the_clients_of_a_killed_helper_are_answered_by_the_next",
        || {
            let (listener, address) = open_port();
            let (mut pid, mut link) = fork(&listener);
            for _ in 0..8 {
                // SAFETY: two numbers.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                // The port does not refuse while nobody serves it.
                let client = send(address, &get("/livez"));
                assert!(becomes_readable(&link, A_WHILE) && link.hear().lost);
                let last = pid;
                collect(last);
                (pid, link) = fork(&listener);
                answer_next(&link);
                assert!(receive(client).contains("\r\n\r\nok"));
                wait_until_collected(last);
            }
            // One that lives is ended.
            wait_until_collected(pid);
            assert!(link.hear().lost);
        },
    );
}

#[test]
fn a_helper_without_its_core_does_not_begin() {
    alone("a_helper_without_its_core_does_not_begin", || {
        let (listener, _) = open_port();
        // Somebody else is said to be the core.
        let (pid, link) = fork_helper(served(&listener), 1).unwrap();
        assert!(becomes_readable(&link, A_WHILE) && link.hear().lost);
        wait_until_collected(pid);
    });
}

/// A helper that can open so many descriptors only.
fn fork_starved(listener: &OwnedFd, descriptors: u64) -> (libc::pid_t, Link) {
    fork_limited(served(listener), std::process::id() as i32, descriptors).unwrap()
}

#[test]
fn short_of_descriptors_it_sends_the_oldest_away() {
    alone("short_of_descriptors_it_sends_the_oldest_away", || {
        let (listener, address) = open_port();
        let (pid, link) = fork_starved(&listener, 12);
        let half_open: Vec<TcpStream> = (0..40).map(|_| send(address, b"GET /livez HT")).collect();
        for _ in 0..10 {
            assert!(ask_once(address, &link).contains("\r\n\r\nok"));
        }
        drop(half_open);
        drop(link);
        wait_until_collected(pid);
    });
}

#[test]
fn with_few_descriptors_silent_clients_make_room_at_once() {
    alone(
        "with_few_descriptors_silent_clients_make_room_at_once",
        || {
            let (listener, address) = open_port();
            let (pid, link) = fork_starved(&listener, 32);
            let silent: Vec<TcpStream> = (0..200).map(|_| send(address, b"")).collect();
            let start = Instant::now();
            assert!(ask_once(address, &link).contains("\r\n\r\nok"));
            let took = start.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
            drop(silent);
            drop(link);
            wait_until_collected(pid);
        },
    );
}

/// In a process of its own, as the threads share one umask.
#[test]
fn of_many_who_start_at_once_over_a_stale_socket_one_lives_and_keeps_its_file() {
    let name = "of_many_who_start_at_once_over_a_stale_socket_one_lives_and_keeps_its_file";
    alone(name, || {
        let folder = std::env::temp_dir().join(format!("monopod-race-{}", std::process::id()));
        let path = folder.join("control.sock");
        for _ in 0..200 {
            drop(control::listen(&path).unwrap());
            let start = Barrier::new(8);
            let attempt = || {
                start.wait();
                control::listen(&path)
            };
            let outcomes: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                joined.collect()
            });
            let (living, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!(living.len(), 1, "{living:?} {refused:?}");
            UnixStream::connect(&path).unwrap();
            for error in refused.into_iter().filter_map(Result::err) {
                assert!(error.to_string().contains("another monopod"), "{error}");
            }
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        }
        fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn without_a_descriptor_it_does_not_spin_and_loses_nobody() {
    alone(
        "without_a_descriptor_it_does_not_spin_and_loses_nobody",
        || {
            let (listener, address) = open_port();
            let (pid, link) = fork_starved(&listener, 3);
            let client = send(address, &get("/livez"));
            // There is nobody whom it could send away. The kernel counts the time from before the limit, too.
            assert!(!becomes_readable(&client, Duration::from_millis(400)));
            let used = processor_time(pid);
            assert!(
                used < Duration::from_millis(100),
                "spins: {used:?} of 400 ms"
            );
            drop(link);
            wait_until_collected(pid);

            let (pid, link) = fork(&listener);
            answer_next(&link);
            assert!(receive(client).contains("\r\n\r\nok"));
            drop(link);
            wait_until_collected(pid);
        },
    );
}

/// Checks of this port: a tcp check, and so many httpGets of a name.
fn checks(port: u16, gets: usize) -> Vec<Check> {
    let check = |question| Check {
        question,
        timeout: Some(A_WHILE),
        asker: Asker::Probe,
    };
    let get = NetworkQuestion::Http(HttpGet {
        tls: false,
        host: "localhost".into(),
        port,
        path: "/livez".into(),
        headers: Vec::new(),
    });
    let host = "127.0.0.1".into();
    let mut checks = vec![check(NetworkQuestion::Tcp { host, port })];
    checks.extend(vec![check(get); gets]);
    checks
}

/// No doors, and these checks.
fn asking(checks: &[Check]) -> Served<'static> {
    let mut plan = samples::plan();
    plan.checks = checks.to_vec();
    Served {
        health: None,
        control: None,
        // Leaked: it must live as long as the process.
        plan: Box::leak(Box::new(plan)),
        start: std::time::SystemTime::now(),
    }
}

/// The answers of so many asks.
fn next_answers(link: &Link, count: usize) -> Vec<(AskId, Answer)> {
    let mut answers = Vec::new();
    while answers.len() < count {
        assert!(becomes_readable(link, A_WHILE), "{} came", answers.len());
        let heard = link.hear();
        assert!(!heard.lost, "the helper is gone");
        answers.extend(heard.answered);
    }
    answers.sort_by_key(|(ask, _)| *ask);
    answers
}

#[test]
fn a_helper_without_a_port_asks_from_its_jail() {
    alone("a_helper_without_a_port_asks_from_its_jail", || {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let checks = checks(server.local_addr().unwrap().port(), 600);
        let (pid, link) = fork_helper(asking(&checks), std::process::id() as i32).unwrap();
        let asks: Vec<_> = (0..checks.len())
            .map(|number| (AskId(number as u32), CheckId(number)))
            .collect();
        assert_eq!(link.ask(&asks), &[]);
        let answering = std::thread::spawn(move || {
            for _ in 0..=600 {
                let (mut client, _) = server.accept().unwrap();
                // The tcp check is gone already.
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = client.read(&mut [0; 512]);
            }
        });
        for (number, (ask, answer)) in next_answers(&link, asks.len()).into_iter().enumerate() {
            assert_eq!(ask, AskId(number as u32));
            assert_eq!(answer.outcome, Outcome::Success, "{number}: {answer:?}");
        }
        answering.join().unwrap();
        // Nobody listens any more.
        assert_eq!(link.ask(&[(AskId(9000), CheckId(0))]), &[]);
        let refused = Cause::Connection(libc::ECONNREFUSED);
        assert_eq!(next_answers(&link, 1)[0].1.cause, refused);
        assert_eq!(status_line(pid, "Threads"), "1");
        drop(link);
        wait_until_collected(pid);
    });
}

#[test]
fn short_of_descriptors_it_asks_one_after_the_other() {
    alone("short_of_descriptors_it_asks_one_after_the_other", || {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let checks = checks(server.local_addr().unwrap().port(), 40);
        let own = std::process::id() as i32;
        let (pid, link) = fork_limited(asking(&checks), own, 9).unwrap();
        let asks: Vec<_> = (0..41)
            .map(|number| (AskId(number as u32), CheckId(number)))
            .collect();
        link.ask(&asks);
        let answering = std::thread::spawn(move || {
            for _ in 0..=40 {
                let (mut client, _) = server.accept().unwrap();
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = client.read(&mut [0; 512]);
            }
        });
        for (_, answer) in next_answers(&link, 41) {
            assert_eq!(answer.outcome, Outcome::Success, "{answer:?}");
        }
        answering.join().unwrap();
        drop(link);
        wait_until_collected(pid);
    });
}

/// User and system time, in steps of 10 ms.
fn processor_time(pid: libc::pid_t) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory in kilobytes.
fn resident(pid: libc::pid_t) -> u64 {
    let line = status_line(pid, "VmRSS");
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn nothing_that_clients_send_makes_it_grow() {
    alone("nothing_that_clients_send_makes_it_grow", || {
        let (listener, address) = open_port();
        let (pid, link) = fork(&listener);
        ask_once(address, &link);
        let before = resident(pid);
        let mut pipelined = get("/nothing").repeat(2000);
        pipelined.extend(b"GET /nothing HT");
        let bomb = b"POST /livez HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n".repeat(1000);
        let mut header = b"GET /livez HTTP/1.1\r\nA: ".to_vec();
        header.resize(1 << 20, b'a');
        let mut held = Vec::new();
        for round in 0..300 {
            let bytes = [&pipelined, &bomb, &header][round % 3];
            let mut client = TcpStream::connect(address).unwrap();
            // A small buffer on this side: it is not the client's memory that counts.
            setsockopt(&client, sockopt::SndBuf, &(64 * 1024)).unwrap();
            client.set_nonblocking(true).unwrap();
            // As much as they take: a client that sends without reading.
            while matches!(client.write(bytes), Ok(length) if length > 0) {}
            held.push(client);
            if round % 50 == 0 {
                assert!(ask_once(address, &link).contains("\r\n\r\nok"));
            }
        }
        assert!(ask_once(address, &link).contains("\r\n\r\nok"));
        let grown = resident(pid).saturating_sub(before);
        assert!(grown < 4096, "grew by {grown} kB");
        drop(held);
        drop(link);
        wait_until_collected(pid);
    });
}
