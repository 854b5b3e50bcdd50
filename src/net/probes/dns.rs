//! DNS messages: one question out, the addresses of its answer in (RFC 1035). Pure.
//!
//! An answer may come from anybody who can guess a number, so it is believed only if it repeats the question. Of its
//! records all addresses are taken, whatever name they stand at: that of an alias, most often.

#[cfg(test)]
pub mod tests;

use std::net::IpAddr;

/// Where servers listen.
pub const PORT: u16 = 53;
/// What is read of an answer: more does not come without being asked for.
pub const MESSAGE_LIMIT: usize = 512;

const HEADER: usize = 12;
const LABEL_LIMIT: usize = 63;
const NAME_LIMIT: usize = 253;
const IN: u16 = 1;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// These; none if there is no such name or it has no such addresses.
    Addresses(Vec<IpAddr>),
    /// The server cannot or will not tell.
    Fault,
}

/// The question with this number. Nothing for what cannot be a name.
pub fn question(number: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = number.to_be_bytes().to_vec();
    // Recursion is wanted; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(asked(name, kind)?);
    Some(message)
}

fn asked(name: &str, kind: Kind) -> Option<Vec<u8>> {
    if name.is_empty() || name.len() > NAME_LIMIT {
        return None;
    }
    let mut bytes = Vec::new();
    for label in name.split('.') {
        if label.is_empty() || label.len() > LABEL_LIMIT {
            return None;
        }
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend((kind as u16).to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    Some(bytes)
}

/// The answer to that question, if the message is one.
pub fn read(message: &[u8], number: u16, name: &str, kind: Kind) -> Option<Reply> {
    let question = asked(name, kind)?;
    let header = message.get(..HEADER)?;
    let repeated = message.get(HEADER..HEADER + question.len())?;
    let is_answer = header[2] & 0x80 != 0;
    if header[..2] != number.to_be_bytes()
        || !is_answer
        || !repeated.eq_ignore_ascii_case(&question)
    {
        return None;
    }
    match header[3] & 0xf {
        // No error; no such name.
        0 | 3 => {}
        _ => return Some(Reply::Fault),
    }
    let records = u16::from_be_bytes([header[6], header[7]]);
    let mut rest = &message[HEADER + question.len()..];
    let mut addresses = Vec::new();
    for _ in 0..records {
        // An answer that is cut short is taken as far as it goes.
        let Some(record) = record(&mut rest) else {
            break;
        };
        addresses.extend(match (record, kind) {
            ((1, data), Kind::A) => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
            ((28, data), Kind::Aaaa) => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
            _ => None,
        });
    }
    Some(Reply::Addresses(addresses))
}

/// The next record's type and data.
fn record<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    loop {
        let (length, after) = rest.split_first()?;
        *rest = after;
        match length {
            0 => break,
            // The rest of the name stands elsewhere.
            0xc0.. => {
                *rest = rest.get(1..)?;
                break;
            }
            length => *rest = rest.get(usize::from(*length)..)?,
        }
    }
    let [a, b, _, _, _, _, _, _, c, d, after @ ..] = *rest else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*c, *d]));
    *rest = after.get(length..)?;
    Some((u16::from_be_bytes([*a, *b]), &after[..length]))
}
