//! The same bytes give the same lines, however they are cut; and each format says what its head comment promises.

use super::*;

fn cut(format: Format) -> Cut<'static> {
    Cut {
        name: Some("web"),
        format,
        stream: Stream::Stdout,
        time: Some(false),
        width: 0,
        colour: None,
    }
}

/// Dresses `input`, which comes in chunks, as a lane does: what is left over comes again before the next chunk.
fn dress(cut: &Cut, chunks: &[&[u8]]) -> Vec<u8> {
    let dress = Dress::new(cut);
    let mut out = vec![0; LONGEST_DRESSED_BYTES];
    let (mut all, mut carry, mut split) = (Vec::new(), Vec::new(), false);
    for (index, chunk) in chunks.iter().enumerate() {
        let input = [&carry[..], chunk].concat();
        let is_end = index + 1 == chunks.len();
        let mut place = Place { cursor: 0, split };
        loop {
            let (used, after) = fill(&dress, b"NOW", &input, place, is_end, &mut out);
            all.extend(&out[..used]);
            if used == 0 {
                assert_eq!(after, place, "nothing is skipped silently");
                break;
            }
            place = after;
        }
        split = place.split;
        carry = input[place.cursor..].to_vec();
        assert!(carry.len() <= LONGEST_LINE_BYTES);
    }
    assert_eq!(carry, b"", "the end is forced");
    all
}

fn one(format: Format, input: &[u8]) -> String {
    String::from_utf8(dress(&cut(format), &[input])).expect("text")
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

#[test]
fn however_the_bytes_are_cut_the_lines_are_the_same() {
    for seed in 1..=12 {
        let mut dice = Dice(seed);
        let mut input = Vec::new();
        while input.len() < 80_000 {
            let length = match dice.below(20) {
                0 => dice.below(50_000),
                1 => LONGEST_LINE_BYTES + dice.below(3) - 1,
                2 => 0,
                _ => dice.below(200),
            };
            match dice.below(3) {
                0 => input.extend((0..length).map(|_| dice.below(256) as u8)),
                1 => input.extend("aé€😀\"\\".bytes().cycle().take(length)),
                _ => input.extend(std::iter::repeat_n(b'x', length)),
            }
            input.push(b'\n');
        }
        input.extend(b"unfinished");
        for format in [Format::Raw, Format::Prefix, Format::Json, Format::JsonMerge] {
            let whole = dress(&cut(format), &[&input]);
            let (mut chunks, mut rest) = (Vec::new(), &input[..]);
            while !rest.is_empty() {
                let most = if dice.below(4) == 0 { 5 } else { 30_000 };
                let (chunk, after) = rest.split_at(rest.len().min(1 + dice.below(most)));
                chunks.push(chunk);
                rest = after;
            }
            assert!(
                dress(&cut(format), &chunks) == whole,
                "{format:?}, seed {seed}"
            );
        }
    }
}

#[test]
fn nothing_of_a_long_line_is_lost_or_invented() {
    let mut dice = Dice(7);
    let bytes: Vec<u8> = (0..100_000)
        .map(|_| dice.below(256) as u8)
        .filter(|byte| *byte != b'\n')
        .collect();
    let pieces = dress(&cut(Format::Raw), &[&bytes, b"\n"]);
    let joined: Vec<u8> = pieces.into_iter().filter(|byte| *byte != b'\n').collect();
    assert!(joined == bytes);
}

#[test]
fn a_long_line_is_split_as_a_runtime_does_and_its_pieces_say_so() {
    let long = "x".repeat(LONGEST_LINE_BYTES);
    let whole = one(Format::Prefix, format!("{long}\n").as_bytes());
    assert_eq!(whole, format!("web | {long}\n"));
    let split = one(Format::Prefix, format!("{long}yz\nnext\n").as_bytes());
    assert_eq!(split, format!("web P| {long}\nweb F| yz\nweb | next\n"));
    let json = one(Format::Json, format!("{long}yz\n").as_bytes());
    let head = r#"{"stream":"stdout","container":"web","log":""#;
    let expected = format!("{head}{long}\",\"tag\":\"P\"}}\n{head}yz\\n\",\"tag\":\"F\"}}\n");
    assert_eq!(json, expected);
}

#[test]
fn a_piece_ends_between_characters() {
    for lead in 0..4 {
        let line = format!("{}{}\n", "x".repeat(lead), "😀".repeat(5000));
        let json = one(Format::Json, line.as_bytes());
        assert!(!json.contains("base64"), "{lead}");
    }
}

#[test]
fn json_escapes_what_must_be_and_nothing_else() {
    assert_eq!(
        one(Format::Json, "a\t\"b\"\\\r\x01\x7fé\n".as_bytes()),
        "{\"stream\":\"stdout\",\"container\":\"web\",\
         \"log\":\"a\\t\\\"b\\\"\\\\\\r\\u0001\x7fé\\n\"}\n"
    );
    for length in 0..40 {
        for place in 0..length {
            for byte in [b'"', b'\\', 0x1f, b' ', b'!', 0x7f] {
                let mut text = vec![b'~'; length];
                text[place] = byte;
                let line = one(Format::Json, &[&text[..], b"\n"].concat());
                let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                let log = read["log"].as_str().map(str::as_bytes);
                assert_eq!(log, Some(&[&text[..], b"\n"].concat()[..]));
            }
        }
    }
}

#[test]
fn merging_nests_objects_and_quotes_everything_else() {
    let head = r#"{"stream":"stdout","container":"web","log":"#;
    let of = |text: &str| one(Format::JsonMerge, format!("{text}\n").as_bytes());
    assert_eq!(
        of(r#" {"a":{"b":[1]}} "#),
        format!("{head}{{\"a\":{{\"b\":[1]}}}}}}\n")
    );
    // Or who takes a carriage return for the end of a line finds a line in it that nobody wrote.
    assert_eq!(
        of("{\"a\":\r{\"log\":\"forged\\r\"}\r}\r"),
        format!("{head}{{\"a\": {{\"log\":\"forged\\r\"}} }}}}\n")
    );
    for other in [
        "{\"a\":\"\r\"}",
        "[1]",
        "3",
        "{\"a\":}",
        "{\"a\":1}x",
        "{",
        "null",
    ] {
        assert!(of(other).starts_with(&format!("{head}\"")), "{other}");
    }
}

#[test]
fn time_and_colour_come_where_they_are_asked_for() {
    let timed = Cut {
        time: Some(true),
        colour: Some(36),
        width: 5,
        ..cut(Format::Prefix)
    };
    let line = dress(&timed, &[b"hi\n"]);
    assert_eq!(line, b"NOW \x1b[36mweb   |\x1b[0m hi\n");
    let json = Cut {
        time: None,
        name: None,
        ..cut(Format::Json)
    };
    assert_eq!(
        dress(&json, &[b"hi\n"]),
        b"{\"time\":\"NOW\",\"stream\":\"stdout\",\"log\":\"hi\\n\"}\n"
    );
}

#[test]
fn a_name_cannot_break_out_of_its_line() {
    let named = Cut {
        name: Some("we\nb\x1b\""),
        ..cut(Format::Prefix)
    };
    assert_eq!(dress(&named, &[b"hi\n"]), b"web\" | hi\n");
    let named = Cut {
        format: Format::Json,
        ..named
    };
    let line = String::from_utf8(dress(&named, &[b"hi\n"])).expect("text");
    assert!(line.contains(r#""container":"web\"""#), "{line}");
}
