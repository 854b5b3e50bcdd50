//! From bytes to whole lines in their dress. Pure: the same bytes give the same lines, however they were cut into reads.
//!
//! It runs once for each line that passes, so it allocates nothing and looks at each byte as few times as it can: one
//! `memchr` for the line break and one copy for a prefix; one more look for JSON.
//!
//! | format | a line | a piece of a long line, and its last |
//! |---|---|---|
//! | raw | as it is | as it is, with a line break |
//! | prefix | `web \| text` | `web P\| text`, `web F\| text` |
//! | json | `{"time":…,"stream":…,"container":…,"log":"text\n"}` | the same with `"tag":"P"` and no `\n`, `"tag":"F"` |
//!
//! `log`, `stream` and `time` are the fields of Docker's json-file; a `log` without its `\n` is a piece there too. P and F
//! are CRI's. Text that is not UTF-8 is told twice in JSON: in `log` with U+FFFD in place of what cannot be said, in
//! `base64` exactly.

use super::json;
use crate::plan::{Format, LONGEST_LINE_BYTES, Stream};

/// The most that one line can grow to: each byte as `\u00XX`, once more in base 64, and the rest of the object.
pub const LONGEST_DRESSED_BYTES: usize = LONGEST_LINE_BYTES * 8 + 2 * LONGEST_HEAD_BYTES;
/// What may stand around a line: a time, a stream, a name of 63 bytes or so. A longer name is cut.
const LONGEST_HEAD_BYTES: usize = 1024;
/// So long is a time with a name of 27 characters.
const SHORT_HEAD_BYTES: usize = 64;
/// As long as most lines are.
const SHORT_LINE_BYTES: usize = 128;
/// A longer name is a mistake or an attack on the reader's eyes.
const LONGEST_NAME_BYTES: usize = 128;

/// The looks of one source's lines, worked out once.
#[derive(Clone, Debug)]
pub struct Dress {
    format: Format,
    timed: bool,
    /// What stands before the time.
    before: Vec<u8>,
    /// What stands between the time and the text, for each kind of line.
    heads: [Vec<u8>; 3],
    /// What ends a line of each kind.
    tails: [&'static [u8]; 3],
}

/// A whole line, a piece that others follow, or the last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole = 0,
    Part = 1,
    Last = 2,
}

/// How a dress is cut.
#[derive(Clone, Debug)]
pub struct Cut<'a> {
    /// The container's name.
    pub name: Option<&'a str>,
    /// How lines look.
    pub format: Format,
    /// Which stream.
    pub stream: Stream,
    /// Whether lines carry the time; not said: JSON does.
    pub time: Option<bool>,
    /// Names are filled up to this many characters.
    pub width: usize,
    /// A colour of the terminal, 31 to 36 or 91 to 96.
    pub colour: Option<u8>,
}

impl Dress {
    /// Makes the dress.
    pub fn new(cut: &Cut) -> Dress {
        let is_json = matches!(cut.format, Format::Json | Format::JsonMerge);
        let name = cut.name.unwrap_or("");
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST_NAME_BYTES / 4)
            .collect();
        let timed = cut.format != Format::Raw && cut.time.unwrap_or(is_json);
        let prefix = |mark: &str| {
            let (on, off) = match cut.colour {
                Some(colour) => (format!("\x1b[{colour}m"), "\x1b[0m"),
                None => (String::new(), ""),
            };
            let gap = if timed { " " } else { "" };
            format!("{gap}{on}{name:width$} {mark}|{off} ", width = cut.width).into_bytes()
        };
        let json = || {
            let mut head = Vec::new();
            if timed {
                head.extend(b"\",");
            }
            head.extend(format!("\"stream\":\"{}\",", cut.stream.name()).bytes());
            if !name.is_empty() {
                let quoted = serde_json::Value::from(name.as_str()).to_string();
                head.extend(format!("\"container\":{quoted},").bytes());
            }
            head.extend(b"\"log\":");
            head
        };
        let (before, heads, tails): (&[u8], _, [&'static [u8]; 3]) = match cut.format {
            Format::Raw => (b"", Default::default(), [b"\n"; 3]),
            Format::Prefix => (b"", ["", "P", "F"].map(prefix), [b"\n"; 3]),
            Format::Json | Format::JsonMerge => (
                if timed { b"{\"time\":\"" } else { b"{" },
                [json(), json(), json()],
                [b"}\n", b",\"tag\":\"P\"}\n", b",\"tag\":\"F\"}\n"],
            ),
        };
        Dress {
            format: cut.format,
            timed,
            before: before.to_vec(),
            heads,
            tails,
        }
    }

    /// Whether the time is wanted.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// What stands before a text of this kind.
    fn head(&self, kind: Kind, stamp: &[u8]) -> Vec<u8> {
        let stamp: &[u8] = if self.timed { stamp } else { b"" };
        [&self.before, stamp, &self.heads[kind as usize]].concat()
    }
}

/// Where the work on one input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// So much of the input is done.
    pub cursor: usize,
    /// The next text goes on with a line of which pieces are out already.
    pub split: bool,
}

/// Dresses as many lines of `input` from `place` on as `out` has room for, and gives the length of `out` that was used
/// and the new place. A line without its break waits, unless `is_end`: its writer ended there.
///
/// Zero is used only when no line is left; `out` must hold [`LONGEST_DRESSED_BYTES`].
pub fn fill(
    dress: &Dress,
    stamp: &[u8],
    input: &[u8],
    place: Place,
    is_end: bool,
    out: &mut [u8],
) -> (usize, Place) {
    debug_assert!(out.len() >= LONGEST_DRESSED_BYTES, "one line always fits");
    let whole = dress.head(Kind::Whole, stamp);
    let short = short_head(&whole);
    let is_plain = matches!(dress.format, Format::Raw | Format::Prefix);
    let (mut used, mut place) = (0, place);
    loop {
        let from = place.cursor;
        let window = &input[from..input.len().min(from + LONGEST_LINE_BYTES + 1)];
        let found = find_break(window);
        // The shortest way for nearly all lines: the text and its break are copied as one.
        if let (Some(end), true, false) = (found, is_plain, place.split) {
            let text = &input[from..=from + end];
            let length = whole.len() + text.len();
            if out.len() - used < length {
                return (used, place);
            }
            let room = &mut out[used..];
            match (room.first_chunk_mut(), &short) {
                // What is too much is written over, or not used.
                (Some(first), Some(short)) => *first = *short,
                _ => room[..whole.len()].copy_from_slice(&whole),
            }
            copy_line(text, &input[from..], &mut room[whole.len()..]);
            used += length;
            place.cursor = from + end + 1;
            continue;
        }
        let (text, next, kind) = match found {
            Some(end) => (&window[..end], from + end + 1, last_or_whole(place.split)),
            None if window.len() > LONGEST_LINE_BYTES => {
                let text = up_to_a_character(&window[..LONGEST_LINE_BYTES]);
                (text, from + text.len(), Kind::Part)
            }
            None if is_end && !window.is_empty() => {
                (window, input.len(), last_or_whole(place.split))
            }
            None => return (used, place),
        };
        let most = if is_plain { 1 } else { 8 } * text.len() + LONGEST_HEAD_BYTES;
        if out.len() - used < most {
            return (used, place);
        }
        let head = match kind {
            Kind::Whole => &whole,
            _ => &dress.head(kind, stamp),
        };
        used += dress_one(dress, head, text, kind, &mut out[used..]);
        place = Place {
            cursor: next,
            split: kind == Kind::Part,
        };
    }
}

/// Copies `text`, with which `input` begins, to the beginning of `room`; most lines as a piece of a fixed length, of which
/// what is too much is written over or not used, for a call for each line is a good part of its cost.
fn copy_line(text: &[u8], input: &[u8], room: &mut [u8]) {
    if text.len() <= SHORT_LINE_BYTES
        && let Some(line) = input.first_chunk::<SHORT_LINE_BYTES>()
        && let Some(room) = room.first_chunk_mut()
    {
        *room = *line;
    } else {
        room[..text.len()].copy_from_slice(text);
    }
}

/// A head filled up to a fixed length, which is copied in a few instructions where one of any length is a call; there is one
/// for each line.
fn short_head(head: &[u8]) -> Option<[u8; SHORT_HEAD_BYTES]> {
    let mut short = [0; SHORT_HEAD_BYTES];
    short.get_mut(..head.len())?.copy_from_slice(head);
    Some(short)
}

fn last_or_whole(split: bool) -> Kind {
    if split { Kind::Last } else { Kind::Whole }
}

fn dress_one(dress: &Dress, head: &[u8], text: &[u8], kind: Kind, out: &mut [u8]) -> usize {
    let mut pen = json::Pen::new(out);
    pen.put(head);
    match dress.format {
        Format::Raw | Format::Prefix => pen.put(text),
        Format::JsonMerge if kind == Kind::Whole && json::is_object(text) => {
            pen.put_in_one_line(text.trim_ascii());
        }
        Format::Json | Format::JsonMerge => {
            let line_break = kind != Kind::Part;
            let is_text = pen.quote(text, line_break);
            if !is_text {
                pen.put(b",\"base64\":\"");
                pen.base64(text, line_break);
                pen.put(b"\"");
            }
        }
    }
    pen.put(dress.tails[kind as usize]);
    pen.used()
}

/// A piece must not end within a character, or it would be no text on either side. What is no UTF-8 anyway is cut where
/// it comes.
fn up_to_a_character(piece: &[u8]) -> &[u8] {
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let starts = (1..=4).find(|back| !is_inside(piece[piece.len() - back]));
    match starts {
        // The last character begins this far from the end; how long it wants to be, its first byte says.
        Some(back) => {
            let length = match piece[piece.len() - back] {
                0..0xC0 => 1,
                0xC0..0xE0 => 2,
                0xE0..0xF0 => 3,
                0xF0.. => 4,
            };
            let complete = length <= back;
            &piece[..piece.len() - if complete { 0 } else { back }]
        }
        None => piece,
    }
}

/// The place of the first line break.
fn find_break(text: &[u8]) -> Option<usize> {
    // SAFETY: reads no byte beyond the slice's length.
    let found = unsafe { libc::memchr(text.as_ptr().cast(), i32::from(b'\n'), text.len()) };
    (!found.is_null()).then(|| found as usize - text.as_ptr() as usize)
}

#[cfg(test)]
mod tests;
