//! Host names: `/etc/hosts` first, then DNS, asked in the helper's own loop.
//!
//! The C library's resolver would block the loop or need threads, which the helper may not start, and in a static binary
//! it loads shared objects that the image happens to have. So this is a resolver of our own, as small as a probe's needs:
//! files and then the servers of `/etc/resolv.conf`, with its search list and `ndots`, over UDP. Nothing is remembered:
//! both files are read for each attempt, for an engine may rewrite them.
//!
//! IPv4 addresses come first: `localhost` is often both, and what is probed often listens on one.

use super::dns::{self, Kind};
use super::is_shortage;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// The most that is read of a file; a hosts file has a line for each of a pod's aliases.
const FILE_LIMIT: u64 = 64 * 1024;
/// Servers and search domains that are used: the C library's own limits.
const SERVERS_LIMIT: usize = 3;
const DOMAINS_LIMIT: usize = 32;
/// Addresses that are tried.
const ADDRESSES_LIMIT: usize = 8;
/// How long a server is waited for before the question is asked again, of the next. A probe has a second by default.
const PATIENCE: Duration = Duration::from_millis(400);
/// Askings of one name before it is given up, for those who have no deadline of their own.
const TRIES: u32 = 12;

/// What a look for a name came to.
pub enum Found {
    /// There.
    Addresses(Vec<SocketAddr>),
    /// DNS is asked.
    Search(Box<Search>),
    /// DNS has not answered yet.
    NotYet,
    /// There is no such host, or nobody who could tell.
    Nobody,
    /// The kernel has no descriptor to give just now.
    Shortage,
}

/// Looks for a host.
pub fn find(host: &str, port: u16, now: Instant) -> Found {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Found::Addresses(vec![(address, port).into()]);
    }
    let Some(hosts) = read("/etc/hosts") else {
        return Found::Shortage;
    };
    let mut known = in_hosts(&hosts, host);
    if known.is_empty() && is_localhost(host) {
        known = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    if !known.is_empty() {
        return Found::Addresses(sorted(known, port));
    }
    match read("/etc/resolv.conf").map(|text| plan(&text, host)) {
        Some((servers, names)) => Search::begin(servers, names, port, now),
        None => Found::Shortage,
    }
}

/// By RFC 6761 this never leaves the machine.
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn sorted(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let (mut addresses, last): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    addresses.extend(last);
    addresses.truncate(ADDRESSES_LIMIT);
    addresses
        .into_iter()
        .map(|address| (address, port).into())
        .collect()
}

/// A small file; of one that is not there or is no file, nothing. The container may have put anything there: a pipe is not
/// waited for. `None` for want of a descriptor.
fn read(path: &str) -> Option<String> {
    let mut content = Vec::new();
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    if opened.as_ref().is_err_and(is_shortage) {
        return None;
    }
    if let Ok(file) = opened
        && file.metadata().is_ok_and(|about| about.is_file())
    {
        // What could be read of it is better than nothing.
        let _ = file.take(FILE_LIMIT).read_to_end(&mut content);
    }
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// hosts(5)
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let line = |line: &str| {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace();
        let address = words.next()?.parse::<IpAddr>().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    };
    text.lines().filter_map(line).collect()
}

/// resolv.conf(5): whom to ask, and for which names in turn.
fn plan(text: &str, host: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut servers, mut domains, mut ndots) = (Vec::new(), Vec::new(), 1);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
            }
            Some("search" | "domain") => domains = words.map(str::to_owned).collect(),
            Some("options") => {
                let told = words.find_map(|word| word.strip_prefix("ndots:"));
                ndots = told.and_then(|number| number.parse().ok()).unwrap_or(ndots);
            }
            _ => {}
        }
    }
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    servers.truncate(SERVERS_LIMIT);
    domains.truncate(DOMAINS_LIMIT);
    let servers = servers
        .into_iter()
        .map(|server| (server, dns::PORT).into())
        .collect();
    let Some(host) = host.strip_suffix('.').map_or(Some(host), |_| None) else {
        return (servers, vec![host.trim_end_matches('.').to_owned()]);
    };
    let mut names: Vec<String> = domains
        .iter()
        .map(|domain| {
            format!("{host}.{}", domain.trim_matches('.'))
                .trim_end_matches('.')
                .to_owned()
        })
        .collect();
    let has_enough_dots = host.matches('.').count() >= ndots;
    names.insert(
        if has_enough_dots { 0 } else { names.len() },
        host.to_owned(),
    );
    (servers, names)
}

/// DNS being asked.
pub struct Search {
    servers: Vec<SocketAddr>,
    /// Still to be asked for; the first one is being asked for.
    names: Vec<String>,
    port: u16,
    socket: UdpSocket,
    /// Of the two questions, A and AAAA: their number, and what came.
    questions: [(Kind, u16, Option<Vec<IpAddr>>); 2],
    tries: u32,
    ask_again: Instant,
}

impl Search {
    fn begin(servers: Vec<SocketAddr>, names: Vec<String>, port: u16, now: Instant) -> Found {
        let socket = match servers.first().map(towards) {
            Some(Ok(socket)) => socket,
            Some(Err(error)) if is_shortage(&error) => return Found::Shortage,
            _ => return Found::Nobody,
        };
        let questions = [(Kind::A, 0, None), (Kind::Aaaa, 0, None)];
        let mut search = Search {
            servers,
            names,
            port,
            socket,
            questions,
            tries: 0,
            ask_again: now,
        };
        match search.ask_for_next(now) {
            true => Found::Search(Box::new(search)),
            false => Found::Nobody,
        }
    }

    /// The descriptor to wait on.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// When to look at it at the latest.
    pub fn deadline(&self) -> Instant {
        self.ask_again
    }

    /// Hears what has come.
    pub fn advance(&mut self, now: Instant) -> Found {
        let mut message = [0; dns::MESSAGE_LIMIT];
        loop {
            let length = match self.socket.recv(&mut message) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Found::NotYet;
                }
                // That server is not there; the next one, at once.
                Err(_) => return self.lapse(now),
            };
            let Some(name) = self.names.first() else {
                return Found::Nobody;
            };
            for (kind, number, answer) in &mut self.questions {
                match dns::read(&message[..length], *number, name, *kind) {
                    Some(dns::Reply::Addresses(addresses)) => *answer = Some(addresses),
                    // The server cannot tell; another may.
                    Some(dns::Reply::Fault) => return self.lapse(now),
                    None => {}
                }
            }
            match &self.questions {
                [(_, _, Some(four)), _] if !four.is_empty() => return self.found(),
                [(_, _, Some(_)), (_, _, Some(six))] if !six.is_empty() => return self.found(),
                [(_, _, Some(_)), (_, _, Some(_))] => {
                    self.names.remove(0);
                    if !self.ask_for_next(now) {
                        return Found::Nobody;
                    }
                }
                _ => {}
            }
        }
    }

    /// Asks again, the next server.
    pub fn lapse(&mut self, now: Instant) -> Found {
        self.tries += 1;
        let server = self.servers[self.tries as usize % self.servers.len()];
        if self.tries >= TRIES {
            return Found::Nobody;
        }
        // One that cannot even be sent to (there is no IPv6) is silent.
        if let Ok(socket) = towards(&server) {
            self.socket = socket;
        }
        self.ask(now);
        Found::NotYet
    }

    fn found(&self) -> Found {
        let answers = self
            .questions
            .iter()
            .filter_map(|(_, _, answer)| answer.clone());
        Found::Addresses(sorted(answers.flatten().collect(), self.port))
    }

    /// Begins with the next name that can be one. False when there is none left.
    fn ask_for_next(&mut self, now: Instant) -> bool {
        while let Some(name) = self.names.first() {
            if dns::question(0, name, Kind::A).is_some() {
                self.questions
                    .iter_mut()
                    .for_each(|(_, _, answer)| *answer = None);
                self.ask(now);
                return true;
            }
            self.names.remove(0);
        }
        false
    }

    fn ask(&mut self, now: Instant) {
        self.ask_again = now + PATIENCE;
        let Some(name) = self.names.first() else {
            return;
        };
        for (kind, number, answer) in &mut self.questions {
            // Not to be guessed, like the port that the kernel chose: only the server shall answer.
            *number = RandomState::new().build_hasher().finish() as u16;
            if answer.is_none()
                && let Some(question) = dns::question(*number, name, *kind)
            {
                // A question that is lost is asked again; at once if the kernel knows that nobody is there.
                if self.socket.send(&question).is_err() {
                    self.ask_again = now;
                }
            }
        }
    }
}

/// A socket that hears this server only.
fn towards(server: &SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(found: Found) -> Vec<String> {
        match found {
            Found::Addresses(addresses) => addresses.iter().map(SocketAddr::to_string).collect(),
            _ => panic!("no addresses"),
        }
    }

    #[test]
    fn an_address_is_itself_and_localhost_is_here() {
        let now = Instant::now();
        assert_eq!(addresses(find("10.0.0.7", 1, now)), ["10.0.0.7:1"]);
        assert_eq!(addresses(find("::1", 1, now)), ["[::1]:1"]);
        assert_eq!(addresses(find("LocalHost", 1, now))[0], "127.0.0.1:1");
        assert_eq!(
            addresses(find("a.localhost.", 1, now)),
            ["127.0.0.1:1", "[::1]:1"]
        );
    }

    #[test]
    fn a_hosts_file_is_read() {
        let text =
            "# 1.1.1.1 db\n::7 db\n10.0.0.7\tDB db.example # not web\nnonsense db\n10.0.0.8 web";
        let found = |host| {
            in_hosts(text, host)
                .iter()
                .map(IpAddr::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(found("db"), ["::7", "10.0.0.7"]);
        assert_eq!(found("db.example."), ["10.0.0.7"]);
        assert_eq!(found("web"), ["10.0.0.8"]);
        assert!(found("d").is_empty());
        assert_eq!(sorted(in_hosts(text, "db"), 1)[0].to_string(), "10.0.0.7:1");
    }

    #[test]
    fn the_search_list_is_used_as_the_c_library_does() {
        let text =
            "nameserver 10.0.0.10\nnameserver nonsense\nsearch a.svc svc.\noptions ndots:2 edns0\n";
        let (servers, names) = plan(text, "db.other");
        assert_eq!(servers, ["10.0.0.10:53".parse().unwrap()]);
        assert_eq!(names, ["db.other.a.svc", "db.other.svc", "db.other"]);
        assert_eq!(plan(text, "x.y.z").1, ["x.y.z", "x.y.z.a.svc", "x.y.z.svc"]);
        assert_eq!(plan(text, "db.").1, ["db"]);
        assert_eq!(
            plan("", "db"),
            (vec!["127.0.0.1:53".parse().unwrap()], vec!["db".to_owned()])
        );
    }

    /// A server for the questions of one search. Gives each to `reply`, which may leave it unanswered.
    fn serve(reply: impl Fn(&str, Kind, u32) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut message = [0; 512];
            let mut count = 0;
            while let Ok((length, from)) = socket.recv_from(&mut message) {
                let (name, kind) = dns::tests::asked(&message[..length]);
                if let Some(records) = reply(&name, kind, count) {
                    socket
                        .send_to(&dns::tests::reply(&message[..length], &records), from)
                        .unwrap();
                }
                count += 1;
            }
        });
        address
    }

    fn search(servers: Vec<SocketAddr>, names: &[&str]) -> Found {
        let names = names.iter().map(|name| name.to_string()).collect();
        let Found::Search(mut search) = Search::begin(servers, names, 7, Instant::now()) else {
            panic!("no search");
        };
        loop {
            let mut polled = libc::pollfd {
                fd: search.descriptor(),
                events: libc::POLLIN,
                revents: 0,
            };
            let left = search.deadline().saturating_duration_since(Instant::now());
            // SAFETY: one live pollfd.
            let ready = unsafe { libc::poll(&raw mut polled, 1, left.as_millis() as i32 + 1) };
            let now = Instant::now();
            let found = if ready > 0 {
                search.advance(now)
            } else {
                search.lapse(now)
            };
            if !matches!(found, Found::NotYet) {
                return found;
            }
        }
    }

    #[test]
    fn dns_is_asked_name_by_name() {
        let server = serve(|name, kind, _| match (name, kind) {
            ("db.svc", Kind::A) => Some(dns::tests::a([10, 0, 0, 7])),
            _ => Some(Vec::new()),
        });
        assert_eq!(
            addresses(search(vec![server], &["db.a.svc", "db.svc", "db"])),
            ["10.0.0.7:7"]
        );
        assert!(matches!(
            search(vec![server], &["nobody", &"x".repeat(64)]),
            Found::Nobody
        ));
    }

    #[test]
    fn a_silent_server_is_passed_over_and_an_absent_one_at_once() {
        let silent = serve(|_, _, _| None);
        let absent = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let server = serve(|_, kind, _| {
            Some(if kind == Kind::A {
                dns::tests::a([1, 2, 3, 4])
            } else {
                Vec::new()
            })
        });
        assert_eq!(
            addresses(search(vec![absent, server], &["db"])),
            ["1.2.3.4:7"]
        );
        assert_eq!(
            addresses(search(vec![silent, server], &["db"])),
            ["1.2.3.4:7"]
        );
        let start = Instant::now();
        assert!(matches!(search(vec![absent], &["db"]), Found::Nobody));
        assert!(start.elapsed() < PATIENCE * TRIES / 2);
    }
}
