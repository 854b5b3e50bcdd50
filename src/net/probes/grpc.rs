//! `grpc.health.v1.Health/Check` as one call on one HTTP/2 connection. Pure: bytes in, bytes out.
//!
//! Of HTTP/2 it knows what one unary call needs: it sends settings, one request and acknowledgements, and reads the
//! frames that a server may send in between. HPACK is loona-hpack's; no table is offered to the server. All that a peer
//! may send together is bounded ([`TOTAL_LIMIT`]), and stays within the window that HTTP/2 gives it, so no window is
//! ever updated.
//!
//! What surprised us: a gRPC call never errs (S64). Whatever goes wrong is a failure that counts.

use super::KUBELET_VERSION;
use super::frames::{self, Event, Frames};
use super::{Progress, failure, success};
use crate::machine::{Answer, Cause};
use std::time::Duration;

/// All bytes of one connection. A health check's answer has about 200.
const TOTAL_LIMIT: usize = 64 * 1024;
/// The message: one field of a small number. What Go reads is 4 MB; no health message needs that.
const MESSAGE_LIMIT: usize = 1024;

/// gRPC's status codes that a client gives itself.
const UNKNOWN: u8 = 2;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
/// `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// A call under way.
pub struct Call {
    frames: Frames,
    total: usize,
    /// The `:status` of the response's head, once it is there.
    http_status: Option<u16>,
    message: Vec<u8>,
}

impl Call {
    /// Before its first byte.
    pub fn new() -> Call {
        Call {
            frames: Frames::new(),
            total: 0,
            http_status: None,
            message: Vec::new(),
        }
    }

    /// What is to be sent first.
    pub fn request(
        authority: &str,
        service: &str,
        tls: bool,
        timeout: Option<Duration>,
    ) -> Vec<u8> {
        let mut block = Vec::new();
        frames::put_indexed(&mut block, frames::METHOD_POST);
        frames::put_indexed(
            &mut block,
            if tls {
                frames::SCHEME_HTTPS
            } else {
                frames::SCHEME_HTTP
            },
        );
        frames::put_header(&mut block, ":path", "/grpc.health.v1.Health/Check");
        frames::put_header(&mut block, ":authority", authority);
        frames::put_header(&mut block, "content-type", "application/grpc");
        frames::put_header(
            &mut block,
            "user-agent",
            &format!("kube-probe/{KUBELET_VERSION}"),
        );
        frames::put_header(&mut block, "te", "trailers");
        if let Some(timeout) = timeout {
            // Eight digits at most, says the protocol: a day.
            let milliseconds = timeout.as_millis().clamp(1, 99_999_999);
            frames::put_header(&mut block, "grpc-timeout", &format!("{milliseconds}m"));
        }
        let mut bytes = frames::opening();
        frames::put_headers(&mut bytes, &block);
        frames::put_data(&mut bytes, &enclose(&health_request(service)));
        bytes
    }

    /// Hears what has come. What is to be sent in answer is added to `unsent`.
    pub fn hear(&mut self, bytes: &[u8], unsent: &mut Vec<u8>) -> Progress {
        self.total += bytes.len();
        if self.total > TOTAL_LIMIT {
            return Progress::Over(failure(Cause::Garbled));
        }
        self.frames.hear(bytes);
        loop {
            let outcome = match self.frames.next(unsent) {
                Ok(None) => return Progress::More,
                Ok(Some(Event::Headers { fields, is_end })) => self.headers(&fields, is_end),
                Ok(Some(Event::Data { bytes, is_end })) => self.data(&bytes, is_end),
                Ok(Some(Event::Reset(code))) => Some(Cause::GrpcStatus(of_reset(code))),
                Ok(Some(Event::Refused)) => Some(Cause::GrpcStatus(UNAVAILABLE)),
                Err(frames::Garbled) => Some(Cause::Garbled),
            };
            match outcome {
                Some(Cause::None) => return Progress::Over(success()),
                Some(cause) => return Progress::Over(failure(cause)),
                None => {}
            }
        }
    }

    /// The connection broke, could not be had, or took too long.
    pub fn fail(&self, cause: Cause) -> Answer {
        failure(cause)
    }

    fn headers(&mut self, fields: &Fields, is_end: bool) -> Option<Cause> {
        if self.http_status.is_none() {
            // Interim responses are passed over.
            self.http_status = fields
                .http_status
                .filter(|status| !(100..200).contains(status));
        }
        let status = self.http_status?;
        if !is_end {
            return None;
        }
        Some(match fields.grpc_status {
            Some(0) => self.verdict(),
            Some(code) => Cause::GrpcStatus(code),
            None if status == 200 => Cause::GrpcStatus(UNKNOWN),
            None => Cause::GrpcStatus(of_http(status)),
        })
    }

    fn data(&mut self, bytes: &[u8], is_end: bool) -> Option<Cause> {
        let room = MESSAGE_LIMIT - self.message.len();
        self.message
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        if is_end {
            // No trailers, no status.
            return Some(Cause::GrpcStatus(
                self.http_status
                    .filter(|s| *s != 200)
                    .map_or(INTERNAL, of_http),
            ));
        }
        None
    }

    /// Of a call that ended well.
    fn verdict(&self) -> Cause {
        let [0, a, b, c, d, message @ ..] = &self.message[..] else {
            return Cause::GrpcStatus(INTERNAL);
        };
        if u32::from_be_bytes([*a, *b, *c, *d]) as usize != message.len() {
            return Cause::GrpcStatus(INTERNAL);
        }
        match serving_status(message) {
            Some(SERVING) => Cause::None,
            Some(other) => Cause::GrpcHealth(u8::try_from(other).unwrap_or(u8::MAX)),
            None => Cause::GrpcStatus(INTERNAL),
        }
    }
}

/// What is wanted of a block of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `:status`
    pub http_status: Option<u16>,
    /// `grpc-status`
    pub grpc_status: Option<u8>,
}

impl Fields {
    /// Takes one field, if it is wanted.
    pub fn take(&mut self, name: &[u8], value: &[u8]) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match name {
            b":status" => self.http_status = text.parse().ok(),
            // What is no number is none of the codes.
            b"grpc-status" => self.grpc_status = Some(text.parse().unwrap_or(UNKNOWN)),
            _ => {}
        }
    }
}

/// `HealthCheckRequest { service = 1 }`; an empty field is not sent.
fn health_request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        put_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    message
}

/// gRPC's own frame: not compressed, and so long.
fn enclose(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

fn put_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// `HealthCheckResponse { status = 1 }`; without the field it is 0. Nothing if it is no message.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => status = take_varint(&mut message)?,
            (_, 0) => drop(take_varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 5) => message = message.get(4..)?,
            (_, 2) => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// gRPC's table of what an HTTP status without a `grpc-status` means.
fn of_http(status: u16) -> u8 {
    match status {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// gRPC's table of what a reset stream means.
fn of_reset(code: u32) -> u8 {
    match code {
        7 => UNAVAILABLE,
        8 => 1,
        11 => 8,
        12 => 7,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        fields
            .iter()
            .for_each(|(name, value)| frames::put_header(&mut block, name, value));
        block
    }

    /// A server's frames: its settings, a head, a message, trailers.
    fn answer(message: &[u8], trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = frames::frame(4, 0, 0, &[]);
        bytes.extend(frames::frame(
            1,
            4,
            1,
            &block(&[(":status", "200"), ("content-type", "application/grpc")]),
        ));
        bytes.extend(frames::frame(0, 0, 1, &enclose(message)));
        bytes.extend(frames::frame(1, 5, 1, &block(trailers)));
        bytes
    }

    fn heard(bytes: &[u8]) -> Progress {
        let mut whole = Call::new();
        let once = whole.hear(bytes, &mut Vec::new());
        let mut call = Call::new();
        let mut last = Progress::More;
        for byte in bytes {
            last = call.hear(&[*byte], &mut Vec::new());
            if last != Progress::More {
                break;
            }
        }
        assert_eq!(last, once);
        once
    }

    fn failed(cause: Cause) -> Progress {
        Progress::Over(failure(cause))
    }

    const FINE: &[(&str, &str)] = &[("grpc-status", "0")];

    #[test]
    fn s64_serving_is_success_and_all_else_failure() {
        assert_eq!(heard(&answer(&[8, 1], FINE)), Progress::Over(success()));
        for (status, message) in [(0, &[][..]), (0, &[8, 0]), (2, &[8, 2]), (3, &[8, 3])] {
            assert_eq!(
                heard(&answer(message, FINE)),
                failed(Cause::GrpcHealth(status))
            );
        }
        for code in [4, 5, 12, 14] {
            let trailers = [("grpc-status", &*code.to_string()), ("grpc-message", "no")];
            assert_eq!(
                heard(&answer(&[], &trailers)),
                failed(Cause::GrpcStatus(code))
            );
        }
        // Trailers alone: how unimplemented methods are answered.
        let alone = frames::frame(
            1,
            5,
            1,
            &block(&[(":status", "200"), ("grpc-status", "12")]),
        );
        assert_eq!(heard(&alone), failed(Cause::GrpcStatus(12)));
    }

    #[test]
    fn s64_what_is_no_grpc_is_a_failure_too() {
        assert_eq!(
            heard(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            failed(Cause::Garbled)
        );
        let page = frames::frame(1, 5, 1, &block(&[(":status", "404")]));
        assert_eq!(heard(&page), failed(Cause::GrpcStatus(UNIMPLEMENTED)));
        let mut no_trailers = frames::frame(1, 4, 1, &block(&[(":status", "200")]));
        no_trailers.extend(frames::frame(0, 1, 1, &enclose(&[8, 1])));
        assert_eq!(heard(&no_trailers), failed(Cause::GrpcStatus(INTERNAL)));
        assert_eq!(
            heard(&frames::frame(3, 0, 1, &7u32.to_be_bytes())),
            failed(Cause::GrpcStatus(UNAVAILABLE))
        );
        assert_eq!(
            heard(&frames::frame(7, 0, 0, &[0; 8])),
            failed(Cause::GrpcStatus(UNAVAILABLE))
        );
        // A message that is not so long, one that is compressed, one that is none.
        for message in [&[8, 1, 8][..], &[8], &[0x0b], &[0xff; 12]] {
            assert_eq!(
                heard(&answer(message, FINE)),
                failed(Cause::GrpcStatus(INTERNAL)),
                "{message:?}"
            );
        }
    }

    #[test]
    fn s65_without_a_service_the_request_is_empty() {
        let request = Call::request("127.0.0.1:50051", "", false, Some(Duration::from_secs(1)));
        assert!(request.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        assert!(request.ends_with(&[0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]));
        let named = Call::request("127.0.0.1:50051", "db", false, None);
        assert!(named.ends_with(b"\0\0\x09\0\x01\0\0\0\x01\0\0\0\0\x04\x0a\x02db"));
        let long = Call::request("a", &"s".repeat(200), true, None);
        let message = [
            &[0, 0, 0, 0, 203, 0x0a, 0xc8, 1][..],
            "s".repeat(200).as_bytes(),
        ]
        .concat();
        assert!(long.ends_with(&message));
    }

    #[test]
    fn s65_the_request_can_be_read_back() {
        let request = Call::request("[fd00::7]:9", "x", true, Some(Duration::from_millis(1500)));
        let headers = &request[frames::opening().len()..];
        let length = usize::from(headers[1]) << 8 | usize::from(headers[2]);
        let fields = loona_hpack::Decoder::new()
            .decode(&headers[9..9 + length])
            .unwrap();
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!(
                    "{}={}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value)
                )
            })
            .collect();
        assert_eq!(
            fields,
            [
                ":method=POST",
                ":scheme=https",
                ":path=/grpc.health.v1.Health/Check",
                ":authority=[fd00::7]:9",
                "content-type=application/grpc",
                "user-agent=kube-probe/1.36",
                "te=trailers",
                "grpc-timeout=1500m",
            ]
        );
    }

    #[test]
    fn a_peer_that_never_ends_is_given_up() {
        let mut call = Call::new();
        let ping = frames::frame(6, 0, 0, &[7; 8]);
        let mut unsent = Vec::new();
        let rounds = (0..)
            .take_while(|_| call.hear(&ping, &mut unsent) == Progress::More)
            .count();
        assert_eq!(rounds, TOTAL_LIMIT / ping.len());
        // Each ping is answered, and not with more than it had.
        assert_eq!(unsent.len(), rounds * ping.len());
        assert_eq!(unsent[..17], frames::frame(6, 1, 0, &[7; 8]));
    }

    #[test]
    fn noise_never_panics() {
        let mut seed = 11;
        let mut next = move || {
            seed = crate::net::probes::tests::next(seed);
            (seed >> 33) as usize
        };
        for _ in 0..300_000 {
            let mut call = Call::new();
            let mut unsent = Vec::new();
            for _ in 0..1 + next() % 5 {
                let payload: Vec<u8> = (0..next() % 24).map(|_| next() as u8).collect();
                let kind = [0, 1, 1, 3, 4, 5, 6, 7, 8, 9, 42][next() % 11];
                let bytes = frames::frame(kind, next() as u8, (next() % 3) as u32, &payload);
                let bytes = if next() % 8 == 0 {
                    &bytes[..next() % bytes.len()]
                } else {
                    &bytes[..]
                };
                if call.hear(bytes, &mut unsent) != Progress::More {
                    break;
                }
            }
        }
    }
}
