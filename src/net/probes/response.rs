//! A response as far as a probe reads it: the final head, and 10 KiB of body. Pure; fed with bytes as they come.
//!
//! Everything in it is hostile until read, and all of it is bounded: a head of [`HEAD_LIMIT`] bytes, a handful of interim
//! responses, [`BODY_LIMIT`] bytes of body. Where Go's client is more generous (10 MB of head), nobody honest notices.
//!
//! What surprised us: the body of a health check has a say. One that ends too early makes the whole attempt an error,
//! which counts for nothing (S52), so a probe must know where the body should end.

use super::body::{Body, BodyState};
use httparse::{Header, ParserConfig};

/// The most that all heads of one response may have. A kubelet-sized answer has 200 bytes; cookies of a few kilobytes
/// are seen in the wild.
pub const HEAD_LIMIT: usize = 16 * 1024;
/// Headers in one head. A limit for httparse's table on the stack (4 kB).
const HEADERS_LIMIT: usize = 128;
/// Interim responses (100, 103) before the final one: what Go allows.
const INTERIM_LIMIT: u32 = 5;
/// What is read of a body; then the connection is closed and all is well (S53).
pub const BODY_LIMIT: u64 = 10 * 1024;

/// A response that is being read.
#[derive(Debug)]
pub struct Response {
    state: State,
    /// All bytes of heads so far.
    head_bytes: usize,
    interim: u32,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    Body(Body),
}

/// The head of a final response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// 100 to 999.
    pub status: u16,
    /// Where a redirect leads, if it says so and is not empty.
    pub location: Option<Vec<u8>>,
}

/// What has become of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// More must come.
    Partial,
    /// The final head is complete; call [`Response::go_on`] for its body.
    Head(Head),
    /// The body is all there, or as much of it as is wanted.
    Complete,
    /// This is no HTTP.
    Garbled,
    /// The body is not what its head said.
    BodyCut,
}

impl Response {
    /// Nothing heard yet.
    pub fn new() -> Response {
        Response {
            state: State::Head(Vec::new()),
            head_bytes: 0,
            interim: 0,
        }
    }

    /// Whether the final head is there.
    pub fn has_head(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// Hears the next bytes.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        match &mut self.state {
            State::Body(_) => self.body(bytes),
            State::Head(head) => {
                // One read may bring more than a head may have, the beginning of the body included.
                head.extend_from_slice(bytes);
                self.go_on()
            }
        }
    }

    /// Reads on in what was heard already: after a head, or from the beginning.
    pub fn go_on(&mut self) -> Heard {
        loop {
            let State::Head(bytes) = &mut self.state else {
                return self.body(&[]);
            };
            let (head, framing, length) = match parse(bytes) {
                Parsed::Partial if self.head_bytes + bytes.len() <= HEAD_LIMIT => {
                    return Heard::Partial;
                }
                Parsed::Partial | Parsed::Bad => return Heard::Garbled,
                Parsed::Head(head, framing, length) => (head, framing, length),
            };
            self.head_bytes += length;
            if self.head_bytes > HEAD_LIMIT {
                return Heard::Garbled;
            }
            let rest = bytes.split_off(length);
            // 101 is final: after it there is no HTTP.
            if (100..200).contains(&head.status) && head.status != 101 {
                self.interim += 1;
                if self.interim > INTERIM_LIMIT {
                    return Heard::Garbled;
                }
                *bytes = rest;
                continue;
            }
            self.state = State::Body(Body::new(framing, rest));
            return Heard::Head(head);
        }
    }

    /// The peer has ended its side.
    pub fn end(&mut self) -> Heard {
        match &self.state {
            State::Head(_) => Heard::Garbled,
            State::Body(body) if body.may_end() => Heard::Complete,
            State::Body(_) => Heard::BodyCut,
        }
    }

    fn body(&mut self, bytes: &[u8]) -> Heard {
        let State::Body(body) = &mut self.state else {
            return Heard::Partial;
        };
        match body.hear(bytes) {
            BodyState::Partial => Heard::Partial,
            BodyState::Complete => Heard::Complete,
            BodyState::Broken => Heard::BodyCut,
        }
    }
}

/// How a body's end is known (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// The connection ends.
    ToClose,
}

enum Parsed {
    Partial,
    Bad,
    Head(Head, Framing, usize),
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    let mut config = ParserConfig::default();
    // Go reads both.
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.allow_multiple_spaces_in_response_status_delimiters(true);
    let length = match config.parse_response(&mut response, bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Bad,
    };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Parsed::Bad;
    };
    match framing(status, version, response.headers) {
        Some(framing) => {
            let location = value(response.headers, "Location").filter(|place| !place.is_empty());
            Parsed::Head(
                Head {
                    status,
                    location: location.map(<[u8]>::to_vec),
                },
                framing,
                length,
            )
        }
        None => Parsed::Bad,
    }
}

fn framing(status: u16, version: u8, headers: &[Header<'_>]) -> Option<Framing> {
    if (100..200).contains(&status) || matches!(status, 204 | 304) {
        return Some(Framing::Length(0));
    }
    let mut encodings = values(headers, "Transfer-Encoding");
    if version == 1
        && let Some(encoding) = encodings.next()
    {
        let is_chunked =
            encoding.trim_ascii().eq_ignore_ascii_case(b"chunked") && encodings.next().is_none();
        return is_chunked.then_some(Framing::Chunked);
    }
    let mut lengths = values(headers, "Content-Length").map(<[u8]>::trim_ascii);
    let Some(length) = lengths.next() else {
        return Some(Framing::ToClose);
    };
    let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    if !is_number || lengths.any(|other| other != length) {
        return None;
    }
    std::str::from_utf8(length)
        .ok()?
        .parse()
        .ok()
        .map(Framing::Length)
}

fn values<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn value<'a>(headers: &'a [Header<'_>], name: &'a str) -> Option<&'a [u8]> {
    values(headers, name).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it at once, then byte by byte: both must come to the same. Gives the status, and what the body came to
    /// before and after the peer hung up.
    fn read(bytes: &[u8]) -> (Option<u16>, Heard, Heard) {
        let once = read_in(bytes, bytes.len().max(1));
        assert_eq!(read_in(bytes, 1), once, "{}", bytes.escape_ascii());
        once
    }

    fn read_in(bytes: &[u8], size: usize) -> (Option<u16>, Heard, Heard) {
        let mut response = Response::new();
        let (mut status, mut last) = (None, Heard::Partial);
        for piece in bytes.chunks(size) {
            last = response.hear(piece);
            if let Heard::Head(head) = last {
                status = Some(head.status);
                last = response.go_on();
            }
            if last != Heard::Partial {
                return (status, last.clone(), last);
            }
        }
        let end = response.end();
        (status, last, end)
    }

    #[test]
    fn what_a_server_may_legally_say_is_understood() {
        for (bytes, status) in [
            (&b"HTTP/1.0 200 OK\r\n\r\nhello"[..], 200),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
            (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304),
            (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200),
            (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200),
            (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\n\r\n", 503),
            (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nnoise", 101),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nT: x\r\n\r\n", 200),
            (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot in chunks", 200),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 200),
        ] {
            let (heard, _, end) = read(bytes);
            assert_eq!((heard, end), (Some(status), Heard::Complete), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn s51_what_is_not_http_is_garbled() {
        let many = [
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"A: b\r\n".repeat(200),
            b"\r\n".to_vec(),
        ]
        .concat();
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(6);
        for bytes in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"\x15\x03\x01\x00\x02\x02\x46",
            &many,
            &interim,
        ] {
            let (status, _, end) = read(bytes);
            assert_eq!(
                (status, end),
                (None, Heard::Garbled),
                "{}",
                bytes.escape_ascii()
            );
        }
        // A peer that hangs up inside its head.
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nA").2, Heard::Garbled);
        assert_eq!(read(b"").2, Heard::Garbled);
    }

    #[test]
    fn s52_a_body_that_ends_early_is_cut() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            let (status, _, end) = read(bytes);
            assert_eq!(
                (status, end),
                (Some(200), Heard::BodyCut),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn s53_ten_kibibytes_of_a_body_are_enough() {
        let whole = BODY_LIMIT as usize;
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n",
        ] {
            let mut bytes = head.as_bytes().to_vec();
            bytes.resize(bytes.len() + whole - 1, b'a');
            assert_eq!(read_in(&bytes, 999).1, Heard::Partial, "{head}");
            bytes.push(b'a');
            assert_eq!(read_in(&bytes, 999).1, Heard::Complete, "{head}");
        }
    }

    #[test]
    fn a_head_has_its_limit_and_interim_heads_count() {
        let mut bytes = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
        bytes.resize(HEAD_LIMIT, b'a');
        assert_eq!(read_in(&bytes, 100).1, Heard::Partial);
        bytes.push(b'a');
        assert_eq!(read_in(&bytes, 100).1, Heard::Garbled);
        let mut interim = b"HTTP/1.1 100 Continue\r\nA: ".to_vec();
        interim.resize(HEAD_LIMIT / 2, b'a');
        interim.extend(b"\r\n\r\n");
        assert_eq!(read_in(&interim.repeat(2), 100).1, Heard::Garbled);
    }

    #[test]
    fn noise_never_panics() {
        let mut seed = 7;
        let words: [&[u8]; 16] = [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 302 F\r\n",
            b"HTTP/1.1 100 C\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 18446744073709551615\r\n",
            b"Location: /x\r\n",
            b"\r\n",
            b"\n",
            b"a",
            b"ffffffffffffffff\r\n",
            b"0\r\n",
            b"5;x=y\r\n",
            b":",
            b"\0",
            b"\xff",
            b" ",
        ];
        for _ in 0..200_000 {
            let mut response = Response::new();
            for _ in 0..12 {
                seed = crate::net::probes::tests::next(seed);
                match response.hear(words[(seed >> 33) as usize % words.len()]) {
                    Heard::Partial => {}
                    Heard::Head(_) => drop(response.go_on()),
                    _ => break,
                }
            }
            response.end();
        }
    }
}
