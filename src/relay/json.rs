//! Writing JSON into a buffer that is there: strings, base 64, and whether a line is an object already.
//!
//! Own code for one reason: a string goes straight from the line into the output, without a value in between, and nearly
//! all of it is copied as it is.

use serde_json::value::RawValue;

/// Writes into a slice that is long enough.
pub struct Pen<'a> {
    out: &'a mut [u8],
    used: usize,
}

impl<'a> Pen<'a> {
    /// At the beginning.
    pub fn new(out: &'a mut [u8]) -> Pen<'a> {
        Pen { out, used: 0 }
    }

    /// How much was written.
    pub fn used(&self) -> usize {
        self.used
    }

    /// These bytes, as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.out[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }

    /// An object, which is well formed. A carriage return can only be space in it; whoever takes it for the end of a line
    /// would read what stands behind it as one that we wrote, so a space it becomes.
    pub fn put_in_one_line(&mut self, object: &[u8]) {
        let from = self.used;
        self.put(object);
        for byte in &mut self.out[from..self.used] {
            if *byte == b'\r' {
                *byte = b' ';
            }
        }
    }

    /// `text` as a string, with a line break at its end if asked for. What is not UTF-8 becomes U+FFFD, and the answer is
    /// false.
    pub fn quote(&mut self, text: &[u8], line_break: bool) -> bool {
        self.put(b"\"");
        let mut is_text = true;
        if let Ok(text) = std::str::from_utf8(text) {
            self.escape(text.as_bytes());
            self.put(if line_break { b"\\n\"" } else { b"\"" });
            return true;
        }
        for chunk in text.utf8_chunks() {
            self.escape(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                is_text = false;
                self.put("\u{FFFD}".as_bytes());
            }
        }
        self.put(if line_break { b"\\n\"" } else { b"\"" });
        is_text
    }

    fn escape(&mut self, mut text: &[u8]) {
        loop {
            let clean = clean_length(text);
            self.put(&text[..clean]);
            let Some(byte) = text.get(clean) else { return };
            match byte {
                b'"' => self.put(b"\\\""),
                b'\\' => self.put(b"\\\\"),
                b'\n' => self.put(b"\\n"),
                b'\r' => self.put(b"\\r"),
                b'\t' => self.put(b"\\t"),
                other => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let digits = [
                        HEX[usize::from(other >> 4)],
                        HEX[usize::from(other & 0b1111)],
                    ];
                    self.put(b"\\u00");
                    self.put(&digits);
                }
            }
            text = &text[clean + 1..];
        }
    }

    /// `bytes`, and a line break where one is wanted, in base 64 (RFC 4648), filled up with `=`.
    pub fn base64(&mut self, bytes: &[u8], line_break: bool) {
        let (threes, rest) = bytes.as_chunks::<3>();
        for three in threes {
            self.base64_of_three(three, 3);
        }
        let mut last = [0; 3];
        last[..rest.len()].copy_from_slice(rest);
        if line_break {
            last[rest.len()] = b'\n';
        }
        let left = rest.len() + usize::from(line_break);
        if left > 0 {
            self.base64_of_three(&last, left);
        }
    }

    /// The first `length` of three bytes, of which the others are 0.
    fn base64_of_three(&mut self, three: &[u8; 3], length: usize) {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let mut four = [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 0b11_1111) as usize]);
        four[length + 1..].fill(b'=');
        self.put(&four);
    }
}

/// How many bytes of `text` need no escape: eight at a time, for these are looked at for every line.
fn clean_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut clean = 0;
    for eight in text.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*eight);
        let small = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = small
            | zeros(word ^ (ONES * u64::from(b'"')))
            | zeros(word ^ (ONES * u64::from(b'\\')));
        if special != 0 {
            // The lowest hit is a true one; borrows only spoil what lies above it.
            return clean + (special.trailing_zeros() / 8) as usize;
        }
        clean += 8;
    }
    let rest = &text[clean..];
    let hit = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
    clean + hit.unwrap_or(rest.len())
}

/// Whether the line is one JSON object and nothing else but space. Nothing is built.
pub fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
        && std::str::from_utf8(text)
            .is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok())
}
