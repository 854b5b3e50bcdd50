//! The client of the control socket: `monopod status` and its like, by `docker exec` in an image without a shell.
//!
//! It shows what a document of the other side says and nothing else, so it may be of another version. One request, one
//! answer, one deadline; a watcher asks again every second, which costs the other side a copy and an idle pod nothing
//! when nobody watches.

use super::probe::understand;
use crate::plan::{Ask, ControlRequest, Layout};
use crate::report::{describe, table, yaml};
use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// For one answer. The core itself has less than a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest page: a thousand containers and their last words are a tenth of it.
const RESPONSE_LIMIT: usize = 16 << 20;

/// From one look to the next of a watcher, in milliseconds.
const WATCH_PERIOD_MS: libc::c_int = 1000;

/// Asks, and prints what is to be said. The error is a whole sentence without its full stop.
pub fn run(request: &ControlRequest, print: &mut dyn FnMut(&str)) -> Result<(), String> {
    ask(request, print).map_err(|refusal| match refusal {
        Refusal::Told(why) => why,
        Refusal::HungUp => "monopod has ended before it answered".to_owned(),
    })
}

/// Why there is nothing to show.
enum Refusal {
    /// For this reason.
    Told(String),
    /// The other side was there, and is gone.
    HungUp,
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal::Told(why)
    }
}

fn ask(request: &ControlRequest, print: &mut dyn FnMut(&str)) -> Result<(), Refusal> {
    let path = request.path.as_path();
    let now = SystemTime::now;
    match &request.ask {
        Ask::Status {
            output,
            watch: false,
        } => {
            let document = get(path, "/status")?;
            print(&match output {
                Layout::Table => table::pod(&document, false, now()),
                Layout::Wide => table::pod(&document, true, now()),
                Layout::Json => format!("{document:#}\n"),
                Layout::Yaml => yaml::text(&document),
            });
        }
        Ask::Status {
            output,
            watch: true,
        } => watch_status(path, *output == Layout::Wide, print)?,
        Ask::Describe { name } => {
            let (document, events) = (get(path, "/status")?, get(path, "/events")?);
            let text = describe::describe(&document, &events, name.as_deref(), now());
            let name = name.as_deref().unwrap_or_default();
            print(&text.ok_or_else(|| format!("no container {name:?}; see monopod status"))?);
        }
        Ask::Events { watch } => events(path, *watch, print)?,
        Ask::Timeline => print(&exchange(path, "GET", "/timeline")?),
        Ask::Gate { gate, value } => {
            let value = if *value { "True" } else { "False" };
            let query = format!("type={}&status={value}", encoded(gate));
            post(path, &format!("gate?{query}"))?;
        }
        Ask::Restart { name } => post(path, &format!("restart?container={}", encoded(name)))?,
        Ask::Signal { name, signal } => {
            let query = format!("container={}&signal={}", encoded(name), encoded(signal));
            post(path, &format!("signal?{query}"))?;
        }
        // Whoever has left before the answer was written has stopped.
        Ask::Stop => post(path, "stop").or_else(|why| match why {
            Refusal::HungUp => Ok(()),
            Refusal::Told(why) => Err(Refusal::Told(why)),
        })?,
    }
    Ok(())
}

/// A line whenever something has changed, as `kubectl get pod -w` does.
fn watch_status(path: &Path, wide: bool, print: &mut dyn FnMut(&str)) -> Result<(), Refusal> {
    let mut last = None;
    loop {
        let document = get(path, "/status")?;
        // Ages grow by themselves and are no news.
        let news = document["status"].clone();
        if last.as_ref() != Some(&news) {
            print(&table::pod(&document, wide, SystemTime::now()));
            print("\n");
            last = Some(news);
        }
        rest();
    }
}

fn events(path: &Path, watch: bool, print: &mut dyn FnMut(&str)) -> Result<(), Refusal> {
    let (mut since, mut header) = ("0".to_owned(), true);
    loop {
        let list = get(path, &format!("/events?since={since}"))?;
        let has_items = list["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty());
        if has_items || (header && !watch) {
            print(&table::events(&list, header, SystemTime::now()));
            header = false;
        }
        if !watch {
            return Ok(());
        }
        table::text(&list["metadata"]["resourceVersion"]).clone_into(&mut since);
        rest();
    }
}

fn rest() {
    // SAFETY: no descriptors, so nothing is read or written; a sleep.
    unsafe { libc::poll(std::ptr::null_mut(), 0, WATCH_PERIOD_MS) };
}

fn get(path: &Path, target: &str) -> Result<Value, Refusal> {
    let body = exchange(path, "GET", target)?;
    let document = serde_json::from_str(&body);
    document.map_err(|error| format!("what was answered is not JSON: {error}").into())
}

fn post(path: &Path, command: &str) -> Result<(), Refusal> {
    exchange(path, "POST", &format!("/command/{command}")).map(drop)
}

/// One request and the body of its answer; what is not a 200 is an error in the words of the other side.
fn exchange(path: &Path, method: &str, target: &str) -> Result<String, Refusal> {
    let socket = UnixStream::connect(path).map_err(|error| no_connection(path, &error))?;
    let bytes = talk(socket, method, target)
        .map_err(|error| format!("{} did not answer: {error}", path.display()))?;
    if bytes.is_empty() {
        return Err(Refusal::HungUp);
    }
    let answer = understand(&bytes, &path.display())?;
    if answer.code == 200 {
        return Ok(answer.body);
    }
    let document: Option<Value> = serde_json::from_str(&answer.body).ok();
    let told = document.and_then(|json| json["error"].as_str().map(str::to_owned));
    Err(told
        .unwrap_or_else(|| answer.body.trim_end().to_owned())
        .into())
}

fn talk(mut socket: UnixStream, method: &str, target: &str) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean no timeout.
        Some(left.max(Duration::from_millis(1)))
    };
    socket.set_write_timeout(left())?;
    let agent = env!("CARGO_PKG_VERSION");
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: monopod\r\nUser-Agent: monopod/{agent}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        socket.set_read_timeout(left())?;
        match socket.read(&mut chunk) {
            Ok(0) => return Ok(response),
            Ok(length) => response.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let why = format!("no answer within {} s", TIMEOUT.as_secs());
                return Err(io::Error::other(why));
            }
            Err(error) => return Err(error),
        }
        if response.len() > RESPONSE_LIMIT {
            return Err(io::Error::other("it sends more than a monopod would"));
        }
    }
}

fn no_connection(path: &Path, error: &io::Error) -> String {
    let at = path.display();
    match error.kind() {
        ErrorKind::NotFound => {
            format!(
                "no control socket at {at} (is monopod run with -f or --control? MONOPOD_CONTROL tells both sides another path)"
            )
        }
        ErrorKind::PermissionDenied => {
            let own = nix::unistd::geteuid();
            let owner = std::fs::metadata(path).map(|file| file.uid());
            match owner {
                Ok(0) => format!("not allowed: {at} is for root alone; you are uid {own}"),
                Ok(uid) => {
                    format!("not allowed: {at} is for uid {uid} and root alone; you are uid {own}")
                }
                Err(_) => format!(
                    "not allowed: {at} is for monopod's own uid and root alone; you are uid {own}"
                ),
            }
        }
        ErrorKind::ConnectionRefused => format!("nobody listens at {at} any more"),
        _ => format!("cannot connect to {at}: {}", super::control::words(error)),
    }
}

/// A value in a query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_letter_is_encoded() {
        assert_eq!(
            encoded("example.com/a b&c=é"),
            "example.com/a%20b%26c%3D%C3%A9"
        );
    }

    #[test]
    fn a_socket_that_is_not_there_is_said_to_be() {
        let request = ControlRequest {
            path: "/nonexistent/control.sock".into(),
            ask: Ask::Stop,
        };
        let error = run(&request, &mut |_| {}).unwrap_err();
        assert!(
            error.starts_with("no control socket at /nonexistent"),
            "{error}"
        );
        assert!(error.contains("-f or --control?"), "{error}");
    }
}
