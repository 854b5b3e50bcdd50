//! One client's connection: its life from the first byte to the last.
//!
//! Reading, then Waiting for the core, then Writing, then Draining, then over. Each state carries its deadline, and no
//! state lasts longer, whatever the client does or leaves undone. A connection never asks the core itself; it says that
//! it waits, and is told.
//!
//! Draining is there for clients that go on sending (a body, more requests, a head without an end). To close while their
//! bytes are unread would send a reset, and a reset may overtake the answer. So our side is ended first and a little more
//! is read and thrown away, until they hang up too. After that little we go deaf instead of closing: their sending stops
//! by itself when the socket's buffer is full, and the answer lies there to be read.
//!
//! What surprised us: a client that has ended its sending side (`nc` does, and so do careful health checkers) looks
//! readable for ever. So while an answer is awaited nothing is polled for; an error or the end of both sides is still told.

use super::ask::PATIENCE;
use super::message::{self, HEAD_LIMIT};
use super::site::{Door, Site};
use super::socket::Socket;
use crate::machine::Command;
use crate::report::route::{Page, Route, Wants};
use crate::report::view::View;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// From the connection to the end of the head. A kubelet sends all in one packet; this is for a person with telnet.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// For the client to take the answer, which always fits the socket's buffer unless the machine is out of memory.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// For the client to hang up after the answer.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Bytes thrown away after the answer. Covers every request with a body that a person would send here by mistake.
const DRAIN_LIMIT: usize = 64 * 1024;

/// Bytes read at a time, once per turn, so that a client who sends fast does not keep the others waiting.
const CHUNK: usize = 2 * 1024;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    site: Rc<Site>,
    door: Door,
    state: State,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    Reading {
        head: Vec<u8>,
    },
    Waiting {
        route: Route,
        with_body: bool,
        /// The first round of questions to the core that began after this request had come; or the order.
        question: Option<u32>,
    },
    Writing {
        /// Shared with all who asked for the same in the same round.
        bytes: Rc<[u8]>,
        sent: usize,
    },
    Draining {
        left: usize,
    },
    Over,
}

impl Connection {
    /// A connection that was just accepted. What has come with it is read at once: an honest request is complete then,
    /// and no longer among those that are sent away when there are too many.
    pub fn new(socket: Socket, site: Rc<Site>, door: Door, now: Instant) -> Connection {
        let mut connection = Connection {
            socket,
            site,
            door,
            state: State::Reading { head: Vec::new() },
            deadline: now + HEAD_TIME,
        };
        match connection.socket.never_block() {
            Ok(()) => connection.read_head(now),
            Err(_) => connection.state = State::Over,
        }
        connection
    }

    /// The descriptor and what to poll it for.
    pub fn poll(&self) -> libc::pollfd {
        let events = match self.state {
            State::Reading { .. } => libc::POLLIN,
            State::Writing { .. } => libc::POLLOUT,
            State::Draining { left } if left > 0 => libc::POLLIN,
            State::Waiting { .. } | State::Draining { .. } | State::Over => 0,
        };
        libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events,
            revents: 0,
        }
    }

    /// When this state ends at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Nothing more will come of it: to be dropped.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Its request is complete and the core's answer is not there yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// It has its answer.
    pub fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }

    /// Bytes of its answer that the client has not taken yet.
    pub fn unsent(&self) -> usize {
        match &self.state {
            State::Writing { bytes, sent } => bytes.len() - sent,
            _ => 0,
        }
    }

    /// Waits to see something, and no round began since it does: what it wants.
    pub fn wants_question(&self) -> Option<Wants> {
        match &self.state {
            State::Waiting {
                route,
                question: None,
                ..
            } => Some(route.wants()).filter(|wants| *wants != Wants::default()),
            _ => None,
        }
    }

    /// Waits for a command that was not handed over yet.
    pub fn wants_order(&self) -> Option<Command> {
        match self.state {
            State::Waiting {
                route: Route::Command(command),
                question: None,
                ..
            } => Some(command),
            _ => None,
        }
    }

    /// The round or the order that it waited for was begun with this number.
    pub fn asked(&mut self, number: u32) {
        if let State::Waiting { question, .. } = &mut self.state
            && question.is_none()
        {
            *question = Some(number);
        }
    }

    /// The round that it waits for, once that was begun, and what it wants of it.
    pub fn awaits_round(&self) -> Option<(u32, Wants)> {
        match &self.state {
            State::Waiting {
                route,
                question: Some(number),
                ..
            } if self.awaits_order().is_none() => Some((*number, route.wants())),
            _ => None,
        }
    }

    /// The order that it waits for, once that was sent.
    pub fn awaits_order(&self) -> Option<u32> {
        match self.state {
            State::Waiting {
                route: Route::Command(_),
                question,
                ..
            } => question,
            _ => None,
        }
    }

    /// What it waits to see, and whether with its body.
    pub fn awaited(&self) -> Option<(&Route, bool)> {
        match &self.state {
            State::Waiting {
                route, with_body, ..
            } => Some((route, *with_body)),
            _ => None,
        }
    }

    /// The core's answer, or that there was none. Nothing for a connection that does not wait.
    pub fn answer(&mut self, view: Option<&View>, now: Instant) {
        if let State::Waiting {
            route, with_body, ..
        } = &self.state
        {
            let (page, with_body) = (self.site.page(route, view), *with_body);
            self.respond(&page, with_body, now);
        }
    }

    /// The command that it wants to give if its container can follow it.
    pub fn weighs(&self) -> Option<Command> {
        match self.state {
            State::Waiting {
                route: Route::Weigh(command),
                ..
            } => Some(command),
            _ => None,
        }
    }

    /// There is nothing against the command, so it is to be handed over; or there is.
    pub fn weighed(&mut self, objection: Option<Page>, now: Instant) {
        if let State::Waiting {
            route,
            question,
            with_body,
        } = &mut self.state
        {
            let with_body = *with_body;
            match (objection, &*route) {
                (Some(page), _) => self.respond(&page, with_body, now),
                (None, Route::Weigh(command)) => {
                    (*route, *question) = (Route::Command(*command), None);
                }
                (None, _) => {}
            }
        }
    }

    /// The core has heard the command.
    pub fn obeyed(&mut self, now: Instant) {
        if let State::Waiting { with_body, .. } = self.state {
            self.respond(&self.site.done(), with_body, now);
        }
    }

    /// There is no room for one more answer.
    pub fn put_off(&mut self, now: Instant) {
        if let State::Waiting { with_body, .. } = self.state {
            let page = Page::refusal(503, "too many clients do not take their answers");
            self.respond(&page, with_body, now);
        }
    }

    /// Goes on with what poll found.
    pub fn advance(&mut self, revents: i16, now: Instant) {
        // A reset, or both sides ended: nobody is there to be answered.
        if revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 {
            self.state = State::Over;
        }
        match self.state {
            State::Reading { .. } if revents & libc::POLLIN != 0 => self.read_head(now),
            State::Writing { .. } if revents & libc::POLLOUT != 0 => self.write(now),
            State::Draining { .. } if revents & libc::POLLIN != 0 => self.drain(),
            _ => {}
        }
    }

    /// Ends the state whose deadline has come.
    pub fn lapse(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        match self.state {
            State::Waiting { .. } => self.answer(None, now),
            State::Reading { .. }
            | State::Writing { .. }
            | State::Draining { .. }
            | State::Over => {
                self.state = State::Over;
            }
        }
    }

    fn read_head(&mut self, now: Instant) {
        let State::Reading { head } = &mut self.state else {
            return;
        };
        let mut chunk = [0; CHUNK];
        let room = CHUNK.min(HEAD_LIMIT - head.len());
        match self.socket.read(&mut chunk[..room]) {
            // Ended before its request: a tcpSocket probe does just that, and is right to.
            Ok(0) => self.state = State::Over,
            Ok(length) => {
                head.extend_from_slice(&chunk[..length]);
                let (site, door) = (&self.site, self.door);
                let understand = |method: &_, target: &_| site.understand(door, method, target);
                let Some(request) = message::read(head, &understand) else {
                    return;
                };
                match request.subject {
                    Err(page) => self.respond(&page, request.with_body, now),
                    Ok(route) => {
                        self.state = State::Waiting {
                            route,
                            with_body: request.with_body,
                            question: None,
                        };
                        self.deadline = now + PATIENCE;
                    }
                }
            }
            Err(error) => self.tolerate(&error),
        }
    }

    fn respond(&mut self, page: &Page, with_body: bool, now: Instant) {
        self.give(message::print(page, with_body).into(), now);
    }

    /// A whole response.
    pub fn give(&mut self, bytes: Rc<[u8]>, now: Instant) {
        self.state = State::Writing { bytes, sent: 0 };
        self.deadline = now + WRITE_TIME;
        self.write(now);
    }

    fn write(&mut self, now: Instant) {
        let State::Writing { bytes, sent } = &mut self.state else {
            return;
        };
        match self.socket.write(&bytes[*sent..]) {
            Ok(length) => {
                *sent += length;
                if *sent < bytes.len() {
                    return;
                }
                self.state = match self.socket.end_writing() {
                    Ok(()) => State::Draining { left: DRAIN_LIMIT },
                    Err(_) => State::Over,
                };
                self.deadline = now + DRAIN_TIME;
            }
            Err(error) => self.tolerate(&error),
        }
    }

    fn drain(&mut self) {
        let State::Draining { left } = &mut self.state else {
            return;
        };
        let mut chunk = [0; CHUNK];
        match self.socket.read(&mut chunk) {
            Ok(0) => self.state = State::Over,
            Ok(length) => *left = left.saturating_sub(length),
            Err(error) => self.tolerate(&error),
        }
    }

    fn tolerate(&mut self, error: &std::io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.state = State::Over;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use std::net::{TcpListener, TcpStream};

    fn connected(sent: &[u8]) -> (TcpStream, Connection, Instant) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        client.write_all(sent).unwrap();
        let (socket, _) = listener.accept().unwrap();
        // Bytes over the loopback are there when the write returns, unless they are held back to be sent together.
        let now = Instant::now();
        let site = Rc::new(Site {
            frame: samples::frame(),
            uid: 0,
        });
        let connection = Connection::new(Socket::Tcp(socket), site, Door::Health, now);
        (client, connection, now)
    }

    const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\n\r\n";

    #[test]
    fn half_a_head_is_given_five_seconds_and_no_more_by_going_on() {
        let (mut client, mut connection, start) = connected(b"GET /livez HTTP/1.1\r\n");
        client.write_all(b"A: b\r\n").unwrap();
        let late = start + HEAD_TIME - Duration::from_millis(1);
        connection.advance(libc::POLLIN, late);
        connection.lapse(late);
        assert!(!connection.is_over());
        connection.lapse(start + HEAD_TIME);
        assert!(connection.is_over());
    }

    #[test]
    fn whoever_waits_is_told_after_the_patience_that_the_core_is_silent() {
        let (mut client, mut connection, start) = connected(REQUEST);
        assert!(connection.is_waiting() && connection.wants_question().is_some());
        assert_eq!(connection.poll().events, 0);
        connection.lapse(start + PATIENCE);
        assert!(connection.is_draining());
        let mut answer = [0; 12];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503");
        connection.lapse(start + PATIENCE + DRAIN_TIME);
        assert!(connection.is_over());
    }

    #[test]
    fn a_client_that_goes_on_sending_is_heard_a_little_and_then_not() {
        let (mut client, mut connection, now) = connected(REQUEST);
        connection.answer(Some(&samples::serving()), now);
        for _ in 0..DRAIN_LIMIT.div_ceil(CHUNK) {
            assert_eq!(connection.poll().events, libc::POLLIN);
            client.write_all(&[b'a'; CHUNK]).unwrap();
            connection.advance(libc::POLLIN, now);
        }
        assert_eq!(connection.poll().events, 0);
        assert!(!connection.is_over());
    }

    #[test]
    fn a_question_belongs_to_those_who_waited_when_it_was_sent() {
        let (_client, mut connection, _) = connected(REQUEST);
        assert_eq!(connection.awaits_round(), None);
        connection.asked(7);
        connection.asked(8);
        assert_eq!(connection.awaits_round(), Some((7, Wants::STATUS)));
        assert_eq!(connection.wants_question(), None);
    }
}
