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
mod tests;

use super::ask::{Asker, CoreGone, Heard, covers};
use super::connection::Connection;
use super::probes::{ATTEMPTS, Probes};
use super::wire_checks::Answered;
use crate::plan::Check;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The most connections at a time. A pod has a kubelet, a load balancer or two and a person; the rest is for those who
/// hold connections open: each of 256 costs at most 8 kB here and 32 kB in the kernel.
const CONNECTIONS: usize = 256;

/// Descriptors that the helper needs: a connection each, an attempt each, and the few of its own.
pub fn descriptors(checks: usize) -> u64 {
    (CONNECTIONS + checks.min(ATTEMPTS) + 16) as u64
}

/// Accepted in one turn, so that a flood of new clients does not keep those that are there waiting.
const ACCEPTS_PER_TURN: usize = 64;

/// How long no client is accepted when the kernel refused one for want of descriptors or memory. Long enough not to
/// spin, short enough for a probe that waits for a second.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The core is gone, and its helper goes.
const CORE_GONE: u8 = 0;
/// The listener or the poll failed in a way that will not pass; the core forks another helper.
const BROKEN: u8 = 1;

/// Serves, where there is a listener, and asks the checks that the core wants asked, until the core hangs up. Says with
/// which code to exit. Blocks, and is meant for a process of its own.
pub fn serve(listener: Option<OwnedFd>, line: OwnedFd, checks: &[Check]) -> u8 {
    let mut server = Server {
        listener: listener.map(TcpListener::from),
        asker: Asker::new(line),
        probes: Probes::new(checks),
        connections: Vec::new(),
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
    listener: Option<TcpListener>,
    asker: Asker,
    probes: Probes<'a>,
    /// In the order of their coming.
    connections: Vec<Connection>,
    /// Until when nobody is accepted.
    accept_again: Option<Instant>,
    /// The line, the listener, the connections in their order, then what the probes wait for. Kept so that its memory is.
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
        // Before the line is heard, as new asks would shift what was polled.
        let of_probes = &self.polled[2 + self.connections.len()..];
        self.probes.advance(of_probes, now);
        // Answers before deadlines: an answer that has come in time counts, also when we were kept from reading it.
        if self.polled[0].revents != 0 {
            self.hear(now)?;
        }
        for (connection, polled) in self.connections.iter_mut().zip(&self.polled[2..]) {
            if polled.revents != 0 {
                connection.advance(polled.revents, now);
            }
            connection.lapse(now);
        }
        self.connections.retain(|connection| !connection.is_over());
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_again = None;
        }
        if self.polled[1].revents != 0 {
            self.accept(now).map_err(End::Broken)?;
        }
        self.ask(now);
        self.tell();
        Ok(())
    }

    fn poll(&mut self) -> io::Result<()> {
        let listener = match &self.listener {
            Some(listener) if self.may_accept() => listener.as_raw_fd(),
            _ => -1, // which poll passes over
        };
        let line_events = match self.probes.has_answers() {
            true => libc::POLLIN | libc::POLLOUT,
            false => libc::POLLIN,
        };
        self.polled.clear();
        for (fd, events) in [(self.asker.fd(), line_events), (listener, libc::POLLIN)] {
            self.polled.push(libc::pollfd {
                fd,
                events,
                revents: 0,
            });
        }
        self.polled
            .extend(self.connections.iter().map(Connection::poll));
        self.probes.poll(&mut self.polled);
        let deadlines = self.connections.iter().map(Connection::deadline);
        let others = self.accept_again.into_iter().chain(self.probes.deadline());
        let timeout = match deadlines.chain(others).min() {
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

    /// Gives every answer that has come to all who may have it, and the probes what is to be asked.
    fn hear(&mut self, now: Instant) -> Result<(), End> {
        while let Some(heard) = self.asker.hear()? {
            let answer = match heard {
                Heard::Status(answer) => answer,
                Heard::Asks(asks) => {
                    for (ask, check) in asks {
                        self.probes.ask(ask, check, now);
                    }
                    continue;
                }
            };
            for connection in &mut self.connections {
                if connection
                    .awaits()
                    .is_some_and(|wanted| covers(answer.number, wanted))
                {
                    connection.answer(Some(answer.status), now);
                }
            }
        }
        Ok(())
    }

    /// Tells the core what came of checks, as far as the line takes it.
    fn tell(&mut self) {
        while let Some((ask, answer)) = self.probes.next_answer() {
            if !self.asker.tell(Answered { ask, answer }) {
                return self.probes.keep_answer(ask, answer);
            }
        }
    }

    /// Asks the core for all who wait and were not asked for.
    fn ask(&mut self, now: Instant) {
        if self.connections.iter().any(Connection::wants_question)
            && let Some(number) = self.asker.ask(now)
        {
            for connection in &mut self.connections {
                connection.asked(number);
            }
        }
    }

    fn may_accept(&self) -> bool {
        self.accept_again.is_none()
            && (self.connections.len() < CONNECTIONS || self.dispensable().is_some())
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listener.as_ref().filter(|_| self.may_accept()) else {
                return Ok(());
            };
            match listener.accept() {
                Ok((socket, _)) => {
                    if self.connections.len() >= CONNECTIONS {
                        self.evict();
                    }
                    let connection = Connection::new(socket, now);
                    if !connection.is_over() {
                        self.connections.push(connection);
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(()),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        self.evict();
                        self.accept_again = Some(now + ACCEPT_REST);
                    }
                    Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => return Err(error),
                    // That client's misfortune: accept(2) tells the errors of the new connection as its own.
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Sends one client away, if any can be spared. Never one that waits for the core: that is over within a second.
    fn evict(&mut self) {
        if let Some(index) = self.dispensable() {
            self.connections.remove(index);
        }
    }

    fn dispensable(&self) -> Option<usize> {
        let position = |test: fn(&Connection) -> bool| self.connections.iter().position(test);
        position(Connection::is_draining).or_else(|| position(|other| !other.is_waiting()))
    }
}
