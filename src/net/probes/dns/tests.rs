//! DNS messages made and read, and a server's half for the tests of `names`.

use super::*;

/// The name and kind of a question, for a server of a test.
pub fn asked(message: &[u8]) -> (String, Kind) {
    let mut labels = Vec::new();
    let mut rest = &message[HEADER..];
    while rest[0] != 0 {
        let length = usize::from(rest[0]);
        labels.push(String::from_utf8(rest[1..=length].to_vec()).unwrap());
        rest = &rest[length + 1..];
    }
    (
        labels.join("."),
        if rest[2] == 28 { Kind::Aaaa } else { Kind::A },
    )
}

/// The answer to a question, with these records.
pub fn reply(question: &[u8], records: &[u8]) -> Vec<u8> {
    let mut message = [question, records].concat();
    message[2] |= 0x80;
    message[7] = if records.is_empty() { 0 } else { 2 };
    message
}

/// An alias and its address.
pub fn a(address: [u8; 4]) -> Vec<u8> {
    let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, b'x', 0];
    let record = [1, b'x', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4];
    [&alias[..], &record, &address].concat()
}

#[test]
fn an_address_behind_an_alias_is_found() {
    let question = question(7, "db.svc", Kind::A).unwrap();
    let message = reply(&question, &a([10, 0, 0, 7]));
    let found = Reply::Addresses(vec![[10, 0, 0, 7].into()]);
    assert_eq!(read(&message, 7, "DB.svc", Kind::A), Some(found));
    // Not to that number, not to that name, not to that kind; and a question is no answer.
    assert_eq!(read(&message, 8, "db.svc", Kind::A), None);
    assert_eq!(read(&message, 7, "db.src", Kind::A), None);
    assert_eq!(read(&message, 7, "db.svc", Kind::Aaaa), None);
    assert_eq!(read(&question, 7, "db.svc", Kind::A), None);
    for cut in 0..message.len() {
        read(&message[..cut], 7, "db.svc", Kind::A);
    }
}

#[test]
fn no_such_name_is_an_answer_and_a_fault_is_none() {
    let question = question(7, "db", Kind::A).unwrap();
    let mut message = reply(&question, &[]);
    message[3] = 3;
    assert_eq!(
        read(&message, 7, "db", Kind::A),
        Some(Reply::Addresses(Vec::new()))
    );
    message[3] = 2;
    assert_eq!(read(&message, 7, "db", Kind::A), Some(Reply::Fault));
}

#[test]
fn what_cannot_be_a_name_is_not_asked_for() {
    for name in ["", "a..b", ".", &"x".repeat(64), &"x.".repeat(127)] {
        assert_eq!(question(1, name, Kind::A), None, "{name}");
    }
}

#[test]
fn noise_never_panics() {
    let question = question(7, "db", Kind::A).unwrap();
    let mut seed = 5;
    for round in 0..300_000 {
        let mut message = reply(&question, &[]);
        message[7] = 9;
        message.extend((0..round % 40).map(|_| {
            seed = crate::net::probes::tests::next(seed);
            (seed >> 33) as u8 & 0xcf
        }));
        read(&message, 7, "db", Kind::A);
    }
}
