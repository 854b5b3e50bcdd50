//! HTTP/2 frames, as far as one call on stream 1 needs them (RFC 9113), and header blocks by loona-hpack (RFC 7541).
//!
//! Pure. A frame has 16 KiB at most, which is what an endpoint may expect that never said otherwise; a block of headers,
//! whatever it is cut into, has [`BLOCK_LIMIT`]. Whatever does not fit is [`Garbled`].

use super::grpc::Fields;

/// The largest frame that a peer may send us.
const FRAME_LIMIT: usize = 16 * 1024;
/// A block of headers, put together. Trailers with a long message and details have a few hundred bytes.
const BLOCK_LIMIT: usize = 16 * 1024;
/// The bytes before every frame's content.
const HEAD: usize = 9;

// Places in HPACK's static table.
pub const METHOD_POST: u8 = 3;
pub const SCHEME_HTTP: u8 = 6;
pub const SCHEME_HTTPS: u8 = 7;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// Also ACK, on settings and pings.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// The one stream that there is.
const STREAM: u32 = 1;

/// What a peer said that matters.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The head of the response, or its trailers.
    Headers {
        /// What is wanted of them.
        fields: Fields,
        /// Nothing comes after them.
        is_end: bool,
    },
    /// A piece of the message.
    Data {
        /// Without padding.
        bytes: Vec<u8>,
        /// Nothing comes after it.
        is_end: bool,
    },
    /// The call was broken off, with HTTP/2's error code.
    Reset(u32),
    /// The server goes, and says that it has not looked at the call.
    Refused,
}

/// This is not HTTP/2, or more of it than we read.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbled;

/// Frames that are being read.
pub struct Frames {
    unread: Vec<u8>,
    decoder: loona_hpack::Decoder<'static>,
    /// Headers of this stream are being continued, with these flags; nothing else may come in between.
    continued: Option<(u32, u8)>,
    block: Vec<u8>,
}

impl Frames {
    /// Nothing heard yet.
    pub fn new() -> Frames {
        Frames {
            unread: Vec::new(),
            decoder: loona_hpack::Decoder::new(),
            continued: None,
            block: Vec::new(),
        }
    }

    /// Takes what has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next event that is complete. What must be answered is answered into `unsent`.
    pub fn next(&mut self, unsent: &mut Vec<u8>) -> Result<Option<Event>, Garbled> {
        loop {
            let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = &self.unread[..] else {
                return Ok(None);
            };
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if length > FRAME_LIMIT {
                return Err(Garbled);
            }
            if rest.len() < length {
                return Ok(None);
            }
            let (kind, flags, stream) =
                (*kind, *flags, u32::from_be_bytes([*d & 0x7f, *e, *f, *g]));
            let payload = rest[..length].to_vec();
            self.unread.drain(..HEAD + length);
            let event = self.frame(kind, flags, stream, &payload, unsent)?;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        unsent: &mut Vec<u8>,
    ) -> Result<Option<Event>, Garbled> {
        if self.continued.is_some() != (kind == CONTINUATION) {
            return Err(Garbled);
        }
        match kind {
            DATA if stream == STREAM => {
                let bytes = without_padding(flags, payload)?.to_vec();
                return Ok(Some(Event::Data {
                    bytes,
                    is_end: flags & END_STREAM != 0,
                }));
            }
            HEADERS => {
                let block = without_padding(flags, payload)?;
                let skipped = if flags & PRIORITY != 0 { 5 } else { 0 };
                self.block = block.get(skipped..).ok_or(Garbled)?.to_vec();
                return self.block_has_come(stream, flags, flags);
            }
            CONTINUATION => {
                let (begun_on, begun_with) = self.continued.take().ok_or(Garbled)?;
                self.block.extend_from_slice(payload);
                if stream != begun_on || self.block.len() > BLOCK_LIMIT {
                    return Err(Garbled);
                }
                return self.block_has_come(stream, begun_with, flags);
            }
            RST_STREAM if stream == STREAM => return Ok(Some(Event::Reset(number(payload, 0)?))),
            SETTINGS if flags & ACK == 0 => unsent.extend(frame(SETTINGS, ACK, 0, &[])),
            PING if flags & ACK == 0 && payload.len() == 8 => {
                unsent.extend(frame(PING, ACK, 0, payload))
            }
            GOAWAY if number(payload, 0)? & 0x7fff_ffff < STREAM => {
                return Ok(Some(Event::Refused));
            }
            // We have said that we take none.
            PUSH_PROMISE => return Err(Garbled),
            _ => {}
        }
        Ok(None)
    }

    /// A piece of a block of headers; the whole block if `flags` say that it ends here.
    fn block_has_come(
        &mut self,
        stream: u32,
        begun_with: u8,
        flags: u8,
    ) -> Result<Option<Event>, Garbled> {
        if flags & END_HEADERS == 0 {
            self.continued = Some((stream, begun_with));
            return Ok(None);
        }
        let block = std::mem::take(&mut self.block);
        let mut fields = Fields::default();
        // Those of other streams too: the decoder must see all that the encoder wrote.
        let decoded = self
            .decoder
            .decode_with_cb(&block, |name, value| fields.take(&name, &value));
        decoded.map_err(|_| Garbled)?;
        let is_end = begun_with & END_STREAM != 0;
        Ok((stream == STREAM).then_some(Event::Headers { fields, is_end }))
    }
}

fn number(payload: &[u8], place: usize) -> Result<u32, Garbled> {
    let bytes = payload
        .get(place..place + 4)
        .and_then(|four| four.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or(Garbled)
}

fn without_padding(flags: u8, payload: &[u8]) -> Result<&[u8], Garbled> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(Garbled)?;
    let length = rest
        .len()
        .checked_sub(usize::from(*padding))
        .ok_or(Garbled)?;
    Ok(&rest[..length])
}

/// The preface and our settings: no table for header compression, no pushes.
pub fn opening() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]));
    bytes
}

/// Appends a request's headers; its message follows.
pub fn put_headers(bytes: &mut Vec<u8>, block: &[u8]) {
    let mut pieces = block.chunks(FRAME_LIMIT).peekable();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        bytes.extend(frame(kind, flags, STREAM, piece));
        kind = CONTINUATION;
    }
}

/// Appends a request's message, which is all of it.
pub fn put_data(bytes: &mut Vec<u8>, message: &[u8]) {
    let mut pieces = message.chunks(FRAME_LIMIT).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_STREAM
        } else {
            0
        };
        bytes.extend(frame(DATA, flags, STREAM, piece));
    }
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Appends a field of the static table.
pub fn put_indexed(block: &mut Vec<u8>, place: u8) {
    block.push(0x80 | place);
}

/// Appends a field by its name and value, without compression.
pub fn put_header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    put_string(block, name);
    put_string(block, value);
}

fn put_string(block: &mut Vec<u8>, text: &str) {
    const MOST: usize = 0x7f;
    match text.len() {
        length if length < MOST => block.push(length as u8),
        length => {
            block.push(MOST as u8);
            let mut rest = length - MOST;
            while rest >= 0x80 {
                block.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Event>, Garbled> {
        let mut frames = Frames::new();
        frames.hear(bytes);
        let mut events = Vec::new();
        while let Some(event) = frames.next(&mut Vec::new())? {
            events.push(event);
        }
        Ok(events)
    }

    fn status(code: u16) -> Event {
        let fields = Fields {
            http_status: Some(code),
            grpc_status: None,
        };
        Event::Headers {
            fields,
            is_end: false,
        }
    }

    /// `:status: 200` from the static table.
    const OK: &[u8] = &[0x88];

    #[test]
    fn headers_may_be_cut_and_padded_and_have_a_priority() {
        assert_eq!(
            all(&frame(HEADERS, END_HEADERS, 1, OK)),
            Ok(vec![status(200)])
        );
        let padded = [&[2, 0, 0, 0, 0, 9][..], OK, &[0, 0]].concat();
        assert_eq!(
            all(&frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 1, &padded)),
            Ok(vec![status(200)])
        );
        let mut block = Vec::new();
        put_header(&mut block, ":status", "503");
        let mut cut = frame(HEADERS, 0, 1, &block[..4]);
        cut.extend(frame(CONTINUATION, 0, 1, &[]));
        cut.extend(frame(CONTINUATION, END_HEADERS, 1, &block[4..]));
        assert_eq!(all(&cut), Ok(vec![status(503)]));
    }

    #[test]
    fn what_breaks_the_rules_is_garbled() {
        let begun = frame(HEADERS, 0, 1, OK);
        let flood = [
            begun.clone(),
            frame(CONTINUATION, 0, 1, &[0x88; 9000]).repeat(2),
        ]
        .concat();
        for bytes in [
            frame(CONTINUATION, END_HEADERS, 1, OK),
            [begun.clone(), frame(DATA, 0, 1, &[])].concat(),
            [begun, frame(CONTINUATION, END_HEADERS, 3, OK)].concat(),
            flood,
            frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x88]),
            frame(HEADERS, END_HEADERS | PRIORITY, 1, OK),
            frame(
                HEADERS,
                END_HEADERS,
                1,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88]),
            frame(RST_STREAM, 0, 1, &[0]),
            frame(GOAWAY, 0, 0, &[]),
            vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(all(&bytes), Err(Garbled), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        let mut bytes = frame(42, 0xff, 7, b"unknown");
        bytes.extend(frame(8, 0, 0, &[0, 0, 0, 1]));
        bytes.extend(frame(HEADERS, END_HEADERS, 2, OK));
        bytes.extend(frame(DATA, 0, 2, b"other"));
        bytes.extend(frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
        bytes.extend(frame(DATA, END_STREAM, 1, b"own"));
        assert_eq!(
            all(&bytes),
            Ok(vec![Event::Data {
                bytes: b"own".to_vec(),
                is_end: true
            }])
        );
    }
}
