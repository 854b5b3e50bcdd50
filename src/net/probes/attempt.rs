//! One attempt at one check: find the host, connect, talk, judge. Under one deadline from the first to the last.
//!
//! A machine of its own that is told what `poll` found and what time it is. It never blocks, and what it holds is
//! bounded by those who talk (`http`, `grpc`).
//!
//! What surprised us: a connection to a port of the ephemeral range that nobody listens on may, once in 28,000 times, be
//! given that very port as its own, and then it is connected to itself. To a tcpSocket probe that would be a success.

use super::channel::{Channel, Received};
use super::grpc::Call;
use super::http::Exchange;
use super::names::{self, Found, Search};
use super::tls::{Protocol, Tls};
use super::{Progress, failure, means_shortage, success, unknown, url};
use crate::machine::{Answer, Cause};
use crate::plan::{Check, NetworkQuestion};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

/// Read at a time.
const CHUNK: usize = 4 * 1024;

/// An attempt under way.
pub struct Attempt<'a> {
    check: &'a Check,
    talk: Talk<'a>,
    stage: Stage,
    deadline: Option<Instant>,
}

/// What is said once a connection stands.
enum Talk<'a> {
    /// Nothing.
    Tcp,
    Http(Box<Exchange<'a>>),
    Grpc(Box<Call>),
}

enum Stage {
    Searching(Box<Search>),
    Connecting {
        socket: TcpStream,
        /// Where to try next.
        others: Vec<SocketAddr>,
        /// What the first address said; the likeliest to be of use.
        refusal: Option<i32>,
    },
    Talking {
        channel: Channel,
        unsent: Vec<u8>,
    },
    Over(Answer),
}

/// The kernel has no socket to give just now.
pub struct NoSocket;

impl<'a> Attempt<'a> {
    /// Begins. Its time runs from here.
    pub fn begin(check: &'a Check, tls: &Tls, now: Instant) -> Result<Attempt<'a>, NoSocket> {
        let talk = match &check.question {
            NetworkQuestion::Http(get) => Talk::Http(Box::new(Exchange::new(get, check.asker))),
            NetworkQuestion::Tcp { .. } => Talk::Tcp,
            NetworkQuestion::Grpc { .. } => Talk::Grpc(Box::new(Call::new())),
        };
        let mut attempt = Attempt {
            check,
            talk,
            // Until the first step below.
            stage: Stage::Over(unknown(Cause::None)),
            deadline: check.timeout.map(|timeout| now + timeout),
        };
        attempt.find(tls, now);
        match attempt.stage {
            Stage::Over(Answer {
                cause: Cause::Connection(errno),
                ..
            }) if means_shortage(errno) => Err(NoSocket),
            _ => Ok(attempt),
        }
    }

    /// The descriptor and what to poll it for; -1 if there is none.
    pub fn poll(&self) -> libc::pollfd {
        let (fd, events) = match &self.stage {
            Stage::Searching(search) => (search.descriptor(), libc::POLLIN),
            Stage::Connecting { socket, .. } => (socket.as_raw_fd(), libc::POLLOUT),
            Stage::Talking { channel, unsent } => (channel.descriptor(), channel.events(unsent)),
            Stage::Over(_) => (-1, 0),
        };
        libc::pollfd {
            fd,
            events,
            revents: 0,
        }
    }

    /// When to look at it at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Searching(search) => Some(search.deadline()),
            _ => None,
        };
        [own, self.deadline].into_iter().flatten().min()
    }

    /// What came of it, once it is over.
    pub fn answer(&self) -> Option<Answer> {
        match self.stage {
            Stage::Over(answer) => Some(answer),
            _ => None,
        }
    }

    /// Goes on with what `poll` found.
    pub fn advance(&mut self, tls: &Tls, now: Instant) {
        match &mut self.stage {
            Stage::Searching(search) => {
                let found = search.advance(now);
                self.found(found, tls);
            }
            Stage::Connecting { .. } => self.connected(tls),
            Stage::Talking { .. } => self.talk(tls, now),
            Stage::Over(_) => {}
        }
    }

    /// Ends what has taken too long.
    pub fn lapse(&mut self, tls: &Tls, now: Instant) {
        // What came in time counts, though we look late.
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(Cause::TimedOut);
        } else if let Stage::Searching(search) = &mut self.stage
            && search.deadline() <= now
        {
            let found = search.lapse(now);
            self.found(found, tls);
        }
    }

    /// Host and port, and what is spoken through TLS if anything is.
    fn place(&self) -> (&str, u16, Option<Protocol>) {
        match (&self.talk, &self.check.question) {
            (Talk::Http(exchange), _) => {
                let url = exchange.url();
                (&url.host, url.port, url.tls.then_some(Protocol::Http))
            }
            (
                _,
                NetworkQuestion::Grpc {
                    host, port, tls, ..
                },
            ) => (host, *port, tls.then_some(Protocol::Grpc)),
            (_, NetworkQuestion::Tcp { host, port }) => (host, *port, None),
            (_, NetworkQuestion::Http(get)) => (&get.host, get.port, None),
        }
    }

    fn find(&mut self, tls: &Tls, now: Instant) {
        let (host, port, _) = self.place();
        let found = names::find(host, port, now);
        self.found(found, tls);
    }

    fn found(&mut self, found: Found, tls: &Tls) {
        match found {
            Found::Addresses(addresses) => self.connect(addresses, None, tls),
            Found::Search(search) => self.stage = Stage::Searching(search),
            Found::NotYet => {}
            Found::Nobody => self.fail(Cause::UnknownHost),
            Found::Shortage => self.fail(Cause::Connection(libc::EMFILE)),
        }
    }

    /// Tries one address after the other.
    fn connect(&mut self, mut others: Vec<SocketAddr>, mut refusal: Option<i32>, tls: &Tls) {
        while !others.is_empty() {
            match open(others.remove(0)) {
                Ok(socket) => {
                    self.stage = Stage::Connecting {
                        socket,
                        others,
                        refusal,
                    };
                    return self.connected(tls);
                }
                Err(errno) => refusal = refusal.or(Some(errno as i32)),
            }
        }
        self.fail(Cause::Connection(refusal.unwrap_or(libc::EADDRNOTAVAIL)));
    }

    /// Looks whether the connection stands.
    fn connected(&mut self, tls: &Tls) {
        let Stage::Connecting {
            socket,
            others,
            refusal,
        } = &mut self.stage
        else {
            return;
        };
        let refused = match socket.take_error() {
            Ok(None) => match (socket.peer_addr(), socket.local_addr()) {
                // Connected to itself.
                (Ok(peer), Ok(own)) if peer == own => libc::ECONNREFUSED,
                (Ok(_), _) => return self.begin_talk(tls),
                // Not yet.
                (Err(_), _) => return,
            },
            Ok(Some(error)) | Err(error) => error.raw_os_error().unwrap_or(libc::ECONNREFUSED),
        };
        let (others, refusal) = (std::mem::take(others), refusal.or(Some(refused)));
        self.connect(others, refusal, tls);
    }

    fn begin_talk(&mut self, tls: &Tls) {
        let Stage::Connecting { socket, .. } =
            std::mem::replace(&mut self.stage, Stage::Over(success()))
        else {
            return;
        };
        let unsent = match (&self.talk, &self.check.question) {
            (Talk::Http(exchange), _) => exchange.request(),
            (
                Talk::Grpc(_),
                NetworkQuestion::Grpc {
                    host,
                    port,
                    service,
                    tls,
                },
            ) => Call::request(
                &url::join(host, Some(*port)),
                service,
                *tls,
                self.check.timeout,
            ),
            // Connected is all that was asked for; the stage says so already.
            _ => return,
        };
        let (host, _, protocol) = self.place();
        let channel = match protocol {
            None => Ok(Channel::Plain(socket)),
            Some(protocol) => tls
                .secure(socket, host, protocol)
                .map(|secured| Channel::Secured(Box::new(secured))),
        };
        match channel {
            Ok(channel) => {
                self.stage = Stage::Talking { channel, unsent };
                self.send();
            }
            Err(cause) => self.fail(cause),
        }
    }

    /// A peer that no longer reads may have answered all the same, so it is heard before it is given up.
    fn send(&mut self) {
        if let Stage::Talking { channel, unsent } = &mut self.stage
            && channel.send(unsent).is_err()
        {
            unsent.clear();
        }
    }

    fn talk(&mut self, tls: &Tls, now: Instant) {
        self.send();
        let mut chunk = [0; CHUNK];
        // Comes to an end: who talks hears only so much.
        loop {
            let Stage::Talking { channel, unsent } = &mut self.stage else {
                return;
            };
            let progress = match (channel.receive(&mut chunk), &mut self.talk) {
                (Ok(Received::Nothing), _) => break,
                (Ok(Received::Bytes(length)), Talk::Http(exchange)) => {
                    exchange.hear(&chunk[..length])
                }
                (Ok(Received::Bytes(length)), Talk::Grpc(call)) => {
                    call.hear(&chunk[..length], unsent)
                }
                (Ok(Received::End), Talk::Http(exchange)) => exchange.end(),
                (Ok(_), _) => Progress::Over(failure(Cause::Connection(libc::ECONNRESET))),
                (Err(cause), talk) => match talk {
                    Talk::Http(exchange) if channel.is_plain_http() => match exchange.fall_back() {
                        true => Progress::Again,
                        false => return self.fail(cause),
                    },
                    _ => return self.fail(cause),
                },
            };
            match progress {
                Progress::More => {}
                Progress::Over(answer) => self.stage = Stage::Over(answer),
                Progress::Again => return self.find(tls, now),
            }
        }
        self.send();
    }

    fn fail(&mut self, cause: Cause) {
        self.stage = Stage::Over(match (&self.talk, cause) {
            (_, Cause::NoTls) => unknown(cause),
            // Our own want, not the container's fault.
            (_, Cause::Connection(errno)) if means_shortage(errno) => unknown(cause),
            (Talk::Tcp, cause) => failure(cause),
            (Talk::Http(exchange), cause) => exchange.fail(cause),
            (Talk::Grpc(call), cause) => call.fail(cause),
        });
    }
}

/// A socket that is on its way to an address.
fn open(address: SocketAddr) -> Result<TcpStream, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(socket)),
        Err(errno) => Err(errno),
    }
}
