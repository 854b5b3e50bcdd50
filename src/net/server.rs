//! The helper's loop: accepts, asks the core, answers. One thread, one poll, no wake-up without a reason.
//!
//! It must never wait for a client, believe a client or grow with clients. Everything is bounded: connections, the bytes
//! of each, the time of each, the work of one turn. It decides nothing about health; see `report::health` for the words.
//!
//! When there are too many connections, one goes for each that comes: first one that has its answer, then the oldest
//! that has not finished its request. So whoever holds connections open pushes out himself, while an honest client, who
//! sends all at once, is past that danger as soon as it is accepted.
//!
//! What surprised us: with no descriptor left, accept fails and the client stays in the queue, so the listener is
//! readable at once again. A loop that only logs this turns at full speed; one that ends leaves a deaf port.

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use super::ask::{Asker, CoreGone, News, covers};
use super::connection::Connection;
use super::control;
use super::message;
use super::probes::{ATTEMPTS, Probes};
use super::site::{Door, Site};
use super::socket::Socket;
use super::wire_checks::Answered;
use crate::plan::Check;
use crate::report::route::{Route, Wants};
use nix::sys::resource::{Resource, getrlimit};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The most connections at a time. A pod has a kubelet, a load balancer or two and a person; the rest is for those who
/// hold connections open: each of 256 costs at most 8 kB here and 32 kB in the kernel.
const CONNECTIONS: usize = 256;

/// Connections that there may be however few descriptors are allowed: who asks all at once needs one for a moment.
const FEWEST_CONNECTIONS: usize = 4;

/// Descriptors that the helper needs: a connection each, an attempt each, and the few of its own.
pub fn descriptors(checks: usize) -> u64 {
    (CONNECTIONS + others(checks)) as u64
}

fn others(checks: usize) -> usize {
    checks.min(ATTEMPTS) + 16
}

/// The most connections within the limit on descriptors that this process really has; the container's own may be lower
/// than what the jail would allow.
fn most_connections(checks: usize) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let left = limit.saturating_sub(others(checks));
    left.clamp(FEWEST_CONNECTIONS, CONNECTIONS)
}

/// Accepted in one turn, so that a flood of new clients does not keep those that are there waiting.
const ACCEPTS_PER_TURN: usize = 64;

/// Bytes of answers that clients have not taken. The socket's own buffer takes what an honest client is sent; this is for
/// those who ask for the longest pages and do not read them.
const UNSENT_LIMIT: usize = 8 << 20;

/// How long pages are made for in one turn. A client who wants the pod's health waits for two turns at most before its
/// question is sent and answered, and gives up after a second.
const PAGES_TIME: Duration = Duration::from_millis(20);

/// How long no client is accepted when the kernel refused one for want of descriptors or memory and none of those that
/// are there can be spared. Long enough not to spin, short enough for a probe that waits for a second.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The core is gone, and its helper goes.
const CORE_GONE: u8 = 0;
/// The listener or the poll failed in a way that will not pass; the core forks another helper.
const BROKEN: u8 = 1;

/// Where clients come in.
#[derive(Debug, Default)]
pub struct Doors {
    /// The port.
    pub health: Option<OwnedFd>,
    /// The control socket.
    pub control: Option<OwnedFd>,
}

enum Listener {
    Health(TcpListener),
    Control(UnixListener),
}

impl Listener {
    fn fd(&self) -> i32 {
        match self {
            Listener::Health(listener) => listener.as_raw_fd(),
            Listener::Control(listener) => listener.as_raw_fd(),
        }
    }

    fn accept(&self) -> io::Result<(Socket, Door)> {
        match self {
            Listener::Health(listener) => {
                let (socket, _) = listener.accept()?;
                Ok((Socket::Tcp(socket), Door::Health))
            }
            Listener::Control(listener) => {
                let (socket, _) = listener.accept()?;
                let uid = control::uid_of(&socket);
                Ok((Socket::Unix(socket), Door::Control(uid)))
            }
        }
    }
}

/// Serves, where there is a door, and asks the checks that the core wants asked, until the core hangs up. Says with which
/// code to exit. Blocks, and is meant for a process of its own.
pub fn serve(doors: Doors, line: OwnedFd, site: Site, checks: &[Check]) -> u8 {
    let health = doors.health.map(|fd| Listener::Health(fd.into()));
    let control = doors.control.map(|fd| Listener::Control(fd.into()));
    let mut server = Server {
        listeners: health.into_iter().chain(control).collect(),
        site: Rc::new(site),
        asker: Asker::new(line),
        probes: Probes::new(checks),
        connections: Vec::new(),
        most: most_connections(checks.len()),
        has_pages_to_make: false,
        accept_again: None,
        polled: Vec::new(),
    };
    loop {
        match server.turn() {
            Ok(()) => {}
            Err(End::CoreGone) => return CORE_GONE,
            Err(End::Broken(error)) => {
                log::warn!("the health endpoints stop for a moment: {error}");
                return BROKEN;
            }
        }
    }
}

struct Server<'a> {
    listeners: Vec<Listener>,
    site: Rc<Site>,
    asker: Asker,
    probes: Probes<'a>,
    /// In the order of their coming.
    connections: Vec<Connection>,
    /// How many there may be.
    most: usize,
    /// Somebody waits for a page of which all is known.
    has_pages_to_make: bool,
    /// Until when nobody is accepted.
    accept_again: Option<Instant>,
    /// The line, the listeners, the connections in their order, then what the probes wait for. Kept so that its memory is.
    polled: Vec<libc::pollfd>,
}

enum End {
    CoreGone,
    Broken(io::Error),
}

impl From<CoreGone> for End {
    fn from(_: CoreGone) -> End {
        End::CoreGone
    }
}

impl Server<'_> {
    /// Waits for something to do and does it.
    fn turn(&mut self) -> Result<(), End> {
        self.poll().map_err(End::Broken)?;
        let now = Instant::now();
        let before = 1 + self.listeners.len();
        // Before the line is heard, as new asks would shift what was polled.
        let of_probes = &self.polled[before + self.connections.len()..];
        self.probes.advance(of_probes, now);
        // Answers before deadlines: an answer that has come in time counts, also when we were kept from reading it.
        if self.polled[0].revents != 0 {
            self.hear(now)?;
        }
        if self.has_pages_to_make {
            self.answer(now);
        }
        for (connection, polled) in self.connections.iter_mut().zip(&self.polled[before..]) {
            if polled.revents != 0 {
                connection.advance(polled.revents, now);
            }
            connection.lapse(now);
        }
        self.connections.retain(|connection| !connection.is_over());
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_again = None;
        }
        for place in 0..self.listeners.len() {
            if self.polled[1 + place].revents != 0 {
                self.accept(place, now).map_err(End::Broken)?;
            }
        }
        self.ask(now);
        self.tell();
        Ok(())
    }

    fn poll(&mut self) -> io::Result<()> {
        let may_accept = self.may_accept();
        self.polled.clear();
        let listeners = self.listeners.iter().map(|listener| match may_accept {
            true => listener.fd(),
            false => -1, // which poll passes over
        });
        let to_read = [self.asker.fd()].into_iter().chain(listeners);
        self.polled.extend(to_read.map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        }));
        if self.probes.has_answers() {
            self.polled[0].events |= libc::POLLOUT;
        }
        self.polled
            .extend(self.connections.iter().map(Connection::poll));
        self.probes.poll(&mut self.polled);
        let deadlines = self.connections.iter().map(Connection::deadline);
        let others = self.accept_again.into_iter().chain(self.probes.deadline());
        let timeout = match deadlines.chain(others).min() {
            _ if self.has_pages_to_make => 0,
            None => -1,
            // Rounded up, or the last millisecond is spent in a circle.
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
            }
        };
        let count = self.polled.len() as libc::nfds_t;
        // SAFETY: the pointer and the count are those of one live slice of pollfd.
        let outcome = unsafe { libc::poll(self.polled.as_mut_ptr(), count, timeout) };
        if outcome == -1 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives what has come to all who may have it.
    fn hear(&mut self, now: Instant) -> Result<(), End> {
        loop {
            match self.asker.hear()? {
                News::Nothing => return Ok(()),
                News::NotYet => {}
                News::Part => self.has_pages_to_make = true,
                News::Asks(asks) => {
                    for (ask, check) in asks {
                        self.probes.ask(ask, check, now);
                    }
                }
                News::Obeyed(number) => {
                    let awaits = |other: &&mut Connection| other.awaits_order() == Some(number);
                    if let Some(connection) = self.connections.iter_mut().find(awaits) {
                        connection.obeyed(now);
                    }
                }
            }
        }
    }

    /// Tells the core what came of checks, as far as the line takes it.
    fn tell(&mut self) {
        while let Some((ask, answer)) = self.probes.next_answer() {
            if !self.asker.tell(Answered { ask, answer }) {
                return self.probes.keep_answer(ask, answer);
            }
        }
    }

    /// Gives pages to those whose round has brought what they want: first to all who want no more than the status, which
    /// is little work, then to others for as long as a turn has; the rest of them is left for the next turn.
    fn answer(&mut self, now: Instant) {
        self.has_pages_to_make = false;
        let Some((round, parts, view)) = self.asker.seen() else {
            return;
        };
        let mut unsent: usize = self.connections.iter().map(Connection::unsent).sum();
        // Made once for all who want the same: a page of a large pod is work.
        let mut made: Vec<(Route, bool, Rc<[u8]>)> = Vec::new();
        let begun = Instant::now();
        for of_status in [true, false] {
            for connection in &mut self.connections {
                let Some((wanted, wants)) = connection.awaits_round() else {
                    continue;
                };
                let is_there = covers(round, wanted) && parts.covers(wants);
                if !is_there || (wants == Wants::STATUS) != of_status {
                    continue;
                }
                if let Some(command) = connection.weighs() {
                    connection.weighed(self.site.objection(command, view), now);
                    continue;
                }
                // A kubelet's answer is small and always finds room.
                if unsent > UNSENT_LIMIT && !of_status {
                    connection.put_off(now);
                    continue;
                }
                let Some((route, with_body)) = connection.awaited() else {
                    continue;
                };
                let known = made.iter().find(|(r, b, _)| r == route && *b == with_body);
                let bytes = match known {
                    Some((.., bytes)) => bytes.clone(),
                    None if !of_status && begun.elapsed() >= PAGES_TIME => {
                        self.has_pages_to_make = true;
                        continue;
                    }
                    None => {
                        let page = self.site.page(route, Some(view));
                        let bytes: Rc<[u8]> = message::print(&page, with_body).into();
                        made.push((route.clone(), with_body, bytes.clone()));
                        bytes
                    }
                };
                connection.give(bytes, now);
                unsent += connection.unsent();
            }
        }
    }

    /// Begins a round for all who wait and were not asked for, and hands on what was commanded.
    fn ask(&mut self, now: Instant) {
        for connection in &mut self.connections {
            if let Some(command) = connection.wants_order()
                && let Some(number) = self.asker.order(command)
            {
                connection.asked(number);
            }
        }
        let wants = |connection: &Connection| connection.wants_question();
        let all = self.connections.iter().filter_map(wants);
        let all = all.fold(Wants::default(), Wants::and);
        if all == Wants::default() {
            return;
        }
        // A new round takes the place of the last one, so whoever has not had his page of that gets it of this.
        let left_over = self.connections.iter().filter_map(Connection::awaits_round);
        let all = left_over.fold(all, |all, (_, wants)| all.and(wants));
        if let Some(number) = self.asker.ask(now, all) {
            for connection in &mut self.connections {
                if connection.wants_question().is_some() {
                    connection.asked(number);
                }
            }
        }
    }

    fn may_accept(&self) -> bool {
        self.accept_again.is_none()
            && (self.connections.len() < self.most || self.dispensable().is_some())
    }

    fn accept(&mut self, place: usize, now: Instant) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.may_accept() {
                return Ok(());
            }
            match self.listeners[place].accept() {
                Ok((socket, door)) => {
                    if self.connections.len() >= self.most {
                        self.evict();
                    }
                    let connection = Connection::new(socket, self.site.clone(), door, now);
                    if !connection.is_over() {
                        self.connections.push(connection);
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(()),
                    // Whoever is sent away leaves room for the next one at once.
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        let has_room = self.evict();
                        if !has_room {
                            self.accept_again = Some(now + ACCEPT_REST);
                        }
                    }
                    Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => return Err(error),
                    // That client's misfortune: accept(2) tells the errors of the new connection as its own.
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Sends one client away and tells whether one could be spared. Never one that waits for the core: that is over within
    /// a second.
    fn evict(&mut self) -> bool {
        let spared = self.dispensable();
        if let Some(index) = spared {
            self.connections.remove(index);
        }
        spared.is_some()
    }

    fn dispensable(&self) -> Option<usize> {
        let position = |test: fn(&Connection) -> bool| self.connections.iter().position(test);
        position(Connection::is_draining).or_else(|| position(|other| !other.is_waiting()))
    }
}
