//! Counts a body to its end without keeping any of it. Pure.
//!
//! Chunks are read a byte at a time by a little machine: a size of at most 16 digits, a line of at most [`LINE_LIMIT`]
//! bytes, trailers of at most as much. Nothing a chunk says makes anything grow.

use super::response::{BODY_LIMIT, Framing};

/// The most of a chunk's line, with its extensions, and of all trailers together: what Go reads.
const LINE_LIMIT: usize = 4096;

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    /// Bytes of content so far.
    seen: u64,
    chunk: Chunk,
    /// What came in one piece with the head and was not looked at yet.
    unread: Vec<u8>,
}

/// Where in the chunks.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In the line with the size.
    Size {
        size: u64,
        digits: u32,
        length: usize,
        is_past_digits: bool,
    },
    /// In the content, so much of which is to come.
    Content(u64),
    /// Behind the content: `\r\n`.
    Return,
    Newline,
    /// In the trailers; whether something stands on this line already, and their length.
    Trailers {
        is_empty: bool,
        length: usize,
    },
    Over,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// More must come.
    Partial,
    /// All of it, or as much as is wanted.
    Complete,
    /// It is not what the head said.
    Broken,
}

const NEXT_CHUNK: Chunk = Chunk::Size {
    size: 0,
    digits: 0,
    length: 0,
    is_past_digits: false,
};

impl Body {
    /// A body with what came in one piece with its head.
    pub fn new(framing: Framing, unread: Vec<u8>) -> Body {
        Body {
            framing,
            seen: 0,
            chunk: NEXT_CHUNK,
            unread,
        }
    }

    /// Whether the connection may end here.
    pub fn may_end(&self) -> bool {
        self.framing == Framing::ToClose
    }

    /// Hears the next bytes.
    pub fn hear(&mut self, bytes: &[u8]) -> BodyState {
        let unread = std::mem::take(&mut self.unread);
        for piece in [&unread[..], bytes] {
            if self.framing != Framing::Chunked {
                self.seen = self.seen.saturating_add(piece.len() as u64);
            } else if self.hear_chunks(piece).is_none() {
                return BodyState::Broken;
            }
        }
        let is_all = match self.framing {
            Framing::Length(length) => self.seen >= length,
            Framing::Chunked => matches!(self.chunk, Chunk::Over),
            Framing::ToClose => false,
        };
        match is_all || self.seen >= BODY_LIMIT {
            true => BodyState::Complete,
            false => BodyState::Partial,
        }
    }

    /// Nothing if these are no chunks.
    fn hear_chunks(&mut self, mut bytes: &[u8]) -> Option<()> {
        while let [byte, rest @ ..] = bytes {
            if self.seen >= BODY_LIMIT {
                break;
            }
            self.chunk = match self.chunk {
                Chunk::Content(left) => {
                    let here = left.min(bytes.len() as u64);
                    self.seen = self.seen.saturating_add(here);
                    bytes = &bytes[here as usize..];
                    self.chunk = match left - here {
                        0 => Chunk::Return,
                        left => Chunk::Content(left),
                    };
                    continue;
                }
                Chunk::Size { .. } => self.chunk.size(*byte)?,
                Chunk::Return if *byte == b'\r' => Chunk::Newline,
                Chunk::Return | Chunk::Newline if *byte == b'\n' => NEXT_CHUNK,
                Chunk::Return | Chunk::Newline => return None,
                Chunk::Trailers { length, .. } if length >= LINE_LIMIT => return None,
                Chunk::Trailers { is_empty, length } => match byte {
                    b'\n' if is_empty => Chunk::Over,
                    b'\n' => Chunk::Trailers {
                        is_empty: true,
                        length: length + 1,
                    },
                    b'\r' => Chunk::Trailers {
                        is_empty,
                        length: length + 1,
                    },
                    _ => Chunk::Trailers {
                        is_empty: false,
                        length: length + 1,
                    },
                },
                Chunk::Over => return Some(()),
            };
            bytes = rest;
        }
        Some(())
    }
}

impl Chunk {
    /// One byte of the line with the size. An extension behind the digits is passed over.
    fn size(self, byte: u8) -> Option<Chunk> {
        let Chunk::Size {
            size,
            digits,
            length,
            is_past_digits,
        } = self
        else {
            return Some(self);
        };
        let length = length + 1;
        if length > LINE_LIMIT {
            return None;
        }
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if digits == 0 => None,
            (b'\n', _) if size == 0 => Some(Chunk::Trailers {
                is_empty: true,
                length: 0,
            }),
            (b'\n', _) => Some(Chunk::Content(size)),
            (_, Some(digit)) if !is_past_digits => {
                let size = size.checked_mul(16)?.checked_add(digit.into())?;
                Some(Chunk::Size {
                    size,
                    digits: digits + 1,
                    length,
                    is_past_digits,
                })
            }
            (b';' | b' ' | b'\t' | b'\r', _) if digits > 0 => Some(Chunk::Size {
                size,
                digits,
                length,
                is_past_digits: true,
            }),
            _ if is_past_digits => Some(Chunk::Size {
                size,
                digits,
                length,
                is_past_digits,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(bytes: &[u8]) -> BodyState {
        let once = Body::new(Framing::Chunked, Vec::new()).hear(bytes);
        let mut body = Body::new(Framing::Chunked, bytes.to_vec());
        assert_eq!(body.hear(&[]), once, "{}", bytes.escape_ascii());
        once
    }

    #[test]
    fn chunks_are_counted_to_their_end() {
        assert_eq!(chunks(b"5\r\nhello\r\n0\r\n\r\n"), BodyState::Complete);
        assert_eq!(chunks(b"5\nhello\n0\n\n"), BodyState::Complete);
        assert_eq!(
            chunks(b"000a; x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
            BodyState::Complete
        );
        assert_eq!(chunks(b"5\r\nhello\r\n0\r\nA: b\r\n"), BodyState::Partial);
        assert_eq!(chunks(b"0\r\n\r\nand more"), BodyState::Complete);
    }

    #[test]
    fn what_are_no_chunks_is_broken() {
        let long = [b"5;".to_vec(), vec![b'x'; LINE_LIMIT]].concat();
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(LINE_LIMIT)].concat();
        for bytes in [
            &b"\r\n"[..],
            b"-5\r\n",
            b"0x5\r\n",
            b"5\r\nhello0\r\n",
            b"fffffffffffffffff\r\n",
            &long,
            &trailers,
        ] {
            assert_eq!(
                chunks(bytes),
                BodyState::Broken,
                "{}",
                bytes[..10.min(bytes.len())].escape_ascii()
            );
        }
        assert_eq!(chunks(b"ffffffffffffffff\r\nall"), BodyState::Partial);
    }

    #[test]
    fn a_length_is_counted() {
        let mut body = Body::new(Framing::Length(5), b"he".to_vec());
        assert_eq!(body.hear(b""), BodyState::Partial);
        assert_eq!(body.hear(b"llo"), BodyState::Complete);
        assert_eq!(
            Body::new(Framing::Length(0), Vec::new()).hear(b""),
            BodyState::Complete
        );
        assert!(!body.may_end());
    }
}
