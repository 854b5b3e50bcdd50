//! From the text of a value to what it means. A refusal names the text and says what would have been right; the
//! caller puts the flag's name in front.
//!
//! Nothing is looked up: no DNS, no service names, no paths.

use super::Voice;
use crate::plan::{ExitCode, HealthAddress, Layout, Signal};
use log::LevelFilter;
use std::ffi::{CString, OsStr};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// A value in a message: in quotes, and with nothing in it that a terminal would obey.
pub(super) fn quoted(value: &OsStr) -> String {
    format!("{:?}", value.to_string_lossy())
}

fn text(value: &OsStr) -> &str {
    // No value that must be text has a meaning when it is not UTF-8, and none is empty.
    value.to_str().unwrap_or("")
}

/// `30s`, `1m 30s`, `500ms`, or a bare number of seconds, `1.5` included.
pub(super) fn duration(value: &OsStr) -> Result<Duration, String> {
    let text = text(value);
    let is_bare = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let with_unit = if is_bare {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    humantime::parse_duration(&with_unit).map_err(|_| {
        format!(
            "{} is not a duration; write 30s, 1m 30s, 500ms or a number of seconds",
            quoted(value)
        )
    })
}

/// A duration that is not zero.
pub(super) fn some_time(value: &OsStr) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err(format!("{} must be more than 0", quoted(value))),
        span => Ok(span),
    }
}

/// A duration in the words that [`duration`] reads.
pub(super) fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// How often a failed init step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retries {
    /// At most this often.
    AtMost(u32),
    /// For ever.
    Unlimited,
}

/// A number from 0, or `unlimited`.
pub(super) fn retries(value: &OsStr) -> Result<Retries, String> {
    if value == "unlimited" {
        return Ok(Retries::Unlimited);
    }
    number(text(value)).map(Retries::AtMost).ok_or_else(|| {
        format!(
            "{} is not a number of times; write 0, 1, 2, ... or unlimited",
            quoted(value)
        )
    })
}

/// The path of a control socket; nothing for `none`.
pub(super) fn control_path(value: &OsStr) -> Result<Option<PathBuf>, String> {
    // sun_path of unix(7), with the zero at its end.
    const LONGEST: usize = 107;
    match value.len() {
        0 => Err("a path is missing; write /run/monopod/control.sock, or none".to_owned()),
        1..=LONGEST => Ok((value != "none").then(|| PathBuf::from(value))),
        _ => Err(format!("the path of a socket has at most {LONGEST} bytes")),
    }
}

/// `crash-loops`, or `crash-loops=7`: from how many restarts on.
pub(super) fn livez_includes(value: &OsStr) -> Result<u32, String> {
    /// The fifth restart rests for 160 s (kubelet-semantics E.3): whoever gets there does not mend by itself.
    const RESTARTS: u32 = 5;
    let text = text(value);
    let count = match text.strip_prefix("crash-loops") {
        Some("") => Some(RESTARTS),
        Some(rest) => rest.strip_prefix('=').and_then(number),
        None => None,
    };
    count.filter(|count| *count > 0).ok_or_else(|| {
        format!(
            "{} cannot be included; write crash-loops, or crash-loops=N with N from 1",
            quoted(value)
        )
    })
}

/// `wide`, `json` or `yaml`.
pub(super) fn output(value: &OsStr) -> Result<Layout, String> {
    match text(value) {
        "wide" => Ok(Layout::Wide),
        "json" => Ok(Layout::Json),
        "yaml" => Ok(Layout::Yaml),
        _ => Err(format!(
            "{} is not a format; write wide, json or yaml",
            quoted(value)
        )),
    }
}

/// Digits only: `parse` of the standard library also takes a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

/// An exit code, 0 to 255.
fn exit_code(text: &str) -> Option<ExitCode> {
    number(text).map(ExitCode)
}

/// `143=0`
pub(super) fn exit_pair(value: &OsStr) -> Result<(ExitCode, ExitCode), String> {
    text(value)
        .split_once('=')
        .and_then(|(from, to)| Some((exit_code(from)?, exit_code(to)?)))
        .ok_or_else(|| {
            format!(
                "{} is not a pair of exit codes from 0 to 255; write for example 143=0",
                quoted(value)
            )
        })
}

/// A signal in any spelling that [`Signal::parse`] knows.
pub(super) fn signal(value: &OsStr) -> Result<Signal, String> {
    Signal::parse(text(value)).ok_or_else(|| {
        format!(
            "{} is not a signal; write for example SIGTERM, QUIT, RTMIN+3 or 15",
            quoted(value)
        )
    })
}

/// A signal that can end a process. One that its receiver never sees as a stop would cost every stop its whole grace.
pub(super) fn stop_signal(value: &OsStr) -> Result<Signal, String> {
    let signal = signal(value)?;
    let is_stop = signal == Signal::KILL
        || (Signal::forwardable().any(|known| known == signal) && signal != Signal::CONT);
    is_stop.then_some(signal).ok_or_else(|| {
        format!(
            "{} stops nothing; write for example SIGTERM, QUIT or WINCH",
            quoted(value)
        )
    })
}

/// `TERM,INT`: signals that ask for a stop.
pub(super) fn stop_on(value: &OsStr) -> Result<Vec<Signal>, String> {
    let asking = |word: &str| {
        let word = OsStr::new(word.trim());
        let signal = signal(word)?;
        let can_ask = |known| known == signal && known != Signal::CONT;
        Signal::forwardable()
            .any(can_ask)
            .then_some(signal)
            .ok_or_else(|| {
                format!(
                    "{} cannot ask for a stop; write for example TERM,INT,QUIT or RTMIN+3",
                    quoted(word)
                )
            })
    };
    text(value).split(',').map(asking).collect()
}

/// `:9110`, `9110`, `127.0.0.1:9110`, `[::1]:9110`, `localhost:9110`. Port 0 is refused: nobody could find it.
pub(super) fn address(value: &OsStr) -> Result<HealthAddress, String> {
    let text = text(value);
    let port = |text: &str| number::<u16>(text).filter(|port| *port != 0);
    let any = port(text.strip_prefix(':').unwrap_or(text)).map(HealthAddress::Any);
    let at = || {
        let (host, digits) = text.rsplit_once(':')?;
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
                Some(v6) => IpAddr::V6(v6.parse().ok()?),
                None => IpAddr::V4(host.parse().ok()?),
            },
        };
        Some(HealthAddress::At(SocketAddr::new(ip, port(digits)?)))
    };
    any.or_else(at).ok_or_else(|| {
        format!(
            "{} is not an address to listen on; write :9110, 127.0.0.1:9110, [::1]:9110 or localhost:9110, \
             with a port from 1 to 65535 and no other host name",
            quoted(value)
        )
    })
}

/// One of log's levels, or `off`.
pub(super) fn log_level(value: &OsStr) -> Result<LevelFilter, String> {
    text(value).parse().map_err(|_| {
        format!(
            "{} is not a level; write off, error, warn, info, debug or trace",
            quoted(value)
        )
    })
}

/// `text` or `json`.
pub(super) fn log_format(value: &OsStr) -> Result<Voice, String> {
    match text(value) {
        "text" => Ok(Voice::Text),
        "json" => Ok(Voice::Json),
        _ => Err(format!(
            "{} is not a format; write text or json",
            quoted(value)
        )),
    }
}

/// What a shell would not take for a word of the command. Only whole words are looked for: `a;b` or `x>y` may well
/// be meant, as in an URL, but ` && ` never reaches a program from a shell's line.
const OPERATORS: [&str; 11] = [
    "&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1",
];

/// Splits a command into its words as a shell would: quotes, backslashes and comments, and nothing else of a shell.
pub(super) fn command(value: &OsStr) -> Result<Vec<CString>, String> {
    let raw = value.as_bytes();
    let Some(words) = shlex::bytes::split(raw) else {
        return Err(format!(
            "{} ends inside of quotes or after a backslash",
            quoted(value)
        ));
    };
    if words.is_empty() {
        return Err(format!("{} has no command in it", quoted(value)));
    }
    if let Some(operator) = OPERATORS
        .iter()
        .find(|operator| raw_words(raw).contains(&operator.as_bytes()))
    {
        return Err(format!(
            "{} has the shell operator {operator} in it, and no shell runs it; write sh -c '...' around it, or put \
             {operator} in quotes if the program is to have it",
            quoted(value)
        ));
    }
    if let Some(run) = expansions(raw)
        .iter()
        .find(|text| text.starts_with(b"`") || text.starts_with(b"$("))
    {
        let run = if run[0] == b'`' { "`" } else { "$(" };
        return Err(format!(
            "{} has {run} in it, and no shell runs what is inside; write sh -c '...' around it all, or put it in single \
             quotes if the program is to have it",
            quoted(value)
        ));
    }
    Ok(words.iter().map(|word| c_string(word)).collect())
}

/// A warning if a command has an unquoted `$NAME`, which a shell would replace. It may be meant as it stands.
pub(super) fn unexpanded(value: &OsStr) -> Option<String> {
    let found = expansions(value.as_bytes()).into_iter().find(|text| {
        let next = text.get(1).copied().unwrap_or(b' ');
        text[0] == b'$' && (next == b'{' || next == b'_' || next.is_ascii_alphabetic())
    })?;
    let is_name = |b: &u8| *b == b'_' || b.is_ascii_alphanumeric();
    let name: Vec<u8> = match found[1] {
        b'{' => b"${".to_vec(),
        _ => [b'$']
            .into_iter()
            .chain(found[1..].iter().copied().take_while(|b| is_name(b)))
            .collect(),
    };
    let name = String::from_utf8_lossy(&name);
    Some(format!(
        "{name} in {} stays as it is, for no shell replaces it; write sh -c '...' around it all, or put it in single \
         quotes if the program is to have it",
        quoted(value)
    ))
}

/// The text from every unquoted `$` and backtick on, to the end of its word.
fn expansions(text: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    for word in raw_words(text) {
        let mut at = 0;
        while at < word.len() {
            if matches!(word[at], b'$' | b'`') {
                found.push(&word[at..]);
            }
            at = end_of_piece(word, at);
        }
    }
    found
}

/// The words as they were written, quotes and all, so that a quoted operator is not taken for one.
fn raw_words(text: &[u8]) -> Vec<&[u8]> {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n');
    let mut words = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let start = at;
        if is_blank(text[at]) {
            at += 1;
        } else if text[at] == b'#' {
            while at < text.len() && text[at] != b'\n' {
                at += 1;
            }
        } else {
            while at < text.len() && !is_blank(text[at]) {
                at = end_of_piece(text, at);
            }
            words.push(&text[start..at]);
        }
    }
    words
}

/// Where the letter, the escaped letter or the quoted piece that begins at `at` ends.
fn end_of_piece(text: &[u8], at: usize) -> usize {
    let end = match text[at] {
        b'\\' => at + 2,
        quote @ (b'\'' | b'"') => {
            let mut end = at + 1;
            while end < text.len() && text[end] != quote {
                end += if quote == b'"' && text[end] == b'\\' {
                    2
                } else {
                    1
                };
            }
            end + 1
        }
        _ => at + 1,
    };
    end.min(text.len())
}

/// A word for the kernel. Neither a command line nor a variable can hold a NUL, so nothing is ever left out.
pub(super) fn c_string(word: &[u8]) -> CString {
    let kept: Vec<u8> = word.iter().copied().filter(|byte| *byte != 0).collect();
    CString::new(kept).unwrap_or_default()
}

/// What people call a program: what comes after the last slash, without anything that a terminal would obey.
pub(super) fn program_name(argv: &[CString]) -> String {
    let path = argv.first().map_or(&b""[..], |file| file.to_bytes());
    let name = String::from_utf8_lossy(base_name(path)).into_owned();
    name.replace(char::is_control, "?")
}

/// What comes after the last slash; all of it if nothing does.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or(path)
}

/// The kernel's words without the number that the standard library adds.
pub(super) fn errno_words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno)
            .desc()
            .to_ascii_lowercase(),
        None => error.to_string(),
    }
}
