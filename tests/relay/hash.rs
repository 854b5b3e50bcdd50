//! Bytes of every kind: long lines and short ones, text and what is none. The hash of what went in is the hash of what came
//! out, once its dress is taken off.

use crate::life::{Folder, begin};
use crate::volume::scale;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufWriter, Write};

/// For each way; a scale of 45 makes a gibibyte of it.
fn bytes() -> usize {
    24_000_000 * scale() as usize
}

/// Writes lines to the file, and tells their hash.
fn write_lines(file: &str) -> u64 {
    let mut out = BufWriter::new(File::create(file).expect("a file"));
    let (mut hasher, mut written, mut dice) = (DefaultHasher::new(), 0, 88_172_645_463_325_252_u64);
    let mut line = Vec::new();
    while written < bytes() {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let length = match dice % 1000 {
            // Of these, pieces are made.
            0 => dice >> 8 & 0xFFFF,
            1..100 => 0,
            _ => dice >> 8 & 0xFF,
        };
        line.clear();
        line.extend((0..length).map(|place| match dice >> 32 & 3 {
            0 => (dice >> (place % 40)) as u8 ^ place as u8,
            1 => b"\"quoted\"\t\\ "[place as usize % 11],
            _ => b'a' + ((dice >> (place % 48)) % 26) as u8,
        }));
        line.iter_mut()
            .for_each(|byte| *byte += u8::from(*byte == b'\n'));
        line.push(b'\n');
        hasher.write(&line);
        written += line.len();
        out.write_all(&line).expect("it is written");
    }
    out.flush().expect("it is written");
    hasher.finish()
}

/// What a line with a prefix says; the break is not the text's if the line goes on.
fn of_prefix<'a>(line: &'a [u8], name: &str) -> &'a [u8] {
    let rest = line.strip_prefix(name.as_bytes()).expect("the name");
    match rest.strip_prefix(b" P| ") {
        Some(piece) => &piece[..piece.len() - 1],
        None => rest
            .strip_prefix(b" | ")
            .or_else(|| rest.strip_prefix(b" F| "))
            .expect("a prefix"),
    }
}

/// The same of an object.
fn of_json(line: &[u8]) -> Vec<u8> {
    let object: serde_json::Value = serde_json::from_slice(line).expect("every line is JSON");
    match object["base64"].as_str() {
        Some(exact) => from_base64(exact),
        None => object["log"].as_str().expect("text").into(),
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four
            .iter()
            .fold(0_u32, |bits, byte| bits << 6 | u32::from(value(*byte)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

#[test]
fn the_hash_of_what_went_in_is_that_of_what_came_out_through_prefix_json_and_capture() {
    let folder = Folder::new();
    let (file, log) = (folder.file("lines"), folder.file("log"));
    let expected = write_lines(&file);
    let capture = format!("{log}:it");
    let to_the_log = ["sh", "-c", "cat \"$0\" > \"$1\"", &file, &log];
    let by_itself = ["--", "cat", &file];
    let ways: [(&str, &[&str]); 3] = [
        ("prefix", &by_itself),
        ("json", &by_itself),
        (
            "prefix",
            &[&["--capture", &capture, "--"], &to_the_log[..]].concat(),
        ),
    ];
    for (how, command) in ways {
        let name = if command.len() > 3 { "it" } else { "cat" };
        let mut life = begin(&[&["--output", how], command].concat());
        let (mut out, mut line) = (life.out.take().expect("a pipe"), Vec::new());
        let mut hasher = DefaultHasher::new();
        while out.read_until(b'\n', &mut line).expect("it can be read") > 0 {
            match how {
                "json" => hasher.write(&of_json(&line)),
                _ => hasher.write(of_prefix(&line, name)),
            }
            line.clear();
        }
        let (status, _, said) = life.finish();
        assert!(status.success(), "{said}");
        assert_eq!(hasher.finish(), expected, "{how} of {name}");
    }
}
