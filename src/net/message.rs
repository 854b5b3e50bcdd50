//! HTTP as bytes: the head of a request in, a whole response out. Pure; no socket is touched.
//!
//! httparse reads, tiny_http's types print. Of a request only the first line means anything here. Its headers must be
//! well formed and few and are then forgotten: every response is one piece, and the connection
//! closes after it. So there is no length to believe, no chunk to decode and nothing to smuggle.
//!
//! What surprised us: tiny_http leaves out any header named `Connection`, so it is put in by hand. Without it an HTTP/1.1
//! client may keep the connection for its next request and loses that one.

use crate::report::route::{Page, Route};
use httparse::Error;
use tiny_http::{HTTPVersion, Header, Method, Response, StatusCode};

/// The most that the head of a request may have. The kubelet's has about 120 bytes; Go's server allows a megabyte, for
/// cookies. Eight kilobytes let every proxy's additions through and keep all connections together at a few megabytes.
pub const HEAD_LIMIT: usize = 8 * 1024;

/// The most headers in a request. A limit for httparse's table on the stack (2 kB).
const HEADERS_LIMIT: usize = 64;

/// What the head of a request came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked, or the page that answers it without asking the core.
    pub subject: Result<Route, Page>,
    /// False for HEAD.
    pub with_body: bool,
}

/// What a method and a target ask for.
pub type Understand<'a> = dyn Fn(&Method, &str) -> Result<Route, Page> + 'a;

/// Reads a head from what has come so far; nothing if more must come.
///
/// A client that speaks something else (TLS, HTTP/2, noise) gets an answer in plain HTTP all the same: many programs
/// recognise just that and can then tell their user what is wrong.
pub fn read(bytes: &[u8], understand: &Understand) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut request = httparse::Request::new(&mut headers);
    let refusal = match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => match (request.method, request.path) {
            (Some(method), Some(target)) => return Some(interpret(method, target, understand)),
            _ => Page::refusal(400, "bad request: no method or no path"),
        },
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => return None,
        Ok(httparse::Status::Partial) | Err(Error::TooManyHeaders) => Page::refusal(
            431,
            &format!(
                "request head too large: {HEAD_LIMIT} bytes and {HEADERS_LIMIT} headers are read here"
            ),
        ),
        Err(Error::Version) => Page::refusal(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
        Err(fault) => Page::refusal(400, &format!("bad request: {fault}")),
    };
    Some(Request {
        subject: Err(refusal),
        with_body: true,
    })
}

fn interpret(method: &str, target: &str, understand: &Understand) -> Request {
    match method.parse::<Method>() {
        Ok(method) => Request {
            subject: understand(&method, target),
            with_body: method != Method::Head,
        },
        Err(()) => Request {
            subject: Err(Page::refusal(400, "bad request: the method is not ASCII")),
            with_body: true,
        },
    }
}

/// A page as a whole response.
pub fn print(page: &Page, with_body: bool) -> Vec<u8> {
    let headers = [
        Some(("Server", "monopod")),
        Some(("Content-Type", page.kind)),
        Some(("X-Content-Type-Options", "nosniff")),
        Some(("Cache-Control", "no-store")),
        page.allow.map(|methods| ("Allow", methods)),
    ];
    let headers = headers
        .into_iter()
        .flatten()
        // Only what is not ASCII is refused, and all of it is.
        .filter_map(|(name, value)| Header::from_bytes(name, value).ok())
        .collect();
    let body = page.body.as_bytes();
    // In chunks a page would be harder to read for simple clients, ours among them, and its length is known.
    let response = Response::new(StatusCode(page.code), headers, body, Some(body.len()), None)
        .with_chunked_threshold(usize::MAX);
    let mut bytes = Vec::with_capacity(512);
    // Neither a Vec nor a slice can refuse.
    let _ = response.raw_print(&mut bytes, HTTPVersion(1, 1), &[], !with_body, None);
    let status_line = bytes.iter().position(|byte| *byte == b'\n');
    let after = status_line.map_or(0, |newline| newline + 1);
    bytes.splice(after..after, *b"Connection: close\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::route::understand;
    use crate::report::samples;

    fn read_as_health(head: &[u8]) -> Option<Request> {
        let frame = samples::frame();
        read(head, &|method, target| {
            understand(method, target, &frame, false)
        })
    }

    fn code(head: &[u8]) -> Option<u16> {
        let gauges = &Default::default;
        read_as_health(head).map(|request| match request.subject {
            Ok(route) => {
                let page = route.page(&samples::frame(), Some(&samples::serving()), gauges);
                page.code
            }
            Err(page) => page.code,
        })
    }

    #[test]
    fn the_kubelets_own_request_is_understood_only_when_all_of_it_is_there() {
        let head =
            b"GET /livez HTTP/1.1\r\nHost: 10.244.0.7:8080\r\nUser-Agent: kube-probe/1.36\r\n\
            Accept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(code(head), Some(200));
        for cut in 0..head.len() {
            assert_eq!(read_as_health(&head[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn old_and_careless_clients_are_understood() {
        for head in [
            &b"GET /livez HTTP/1.0\r\n\r\n"[..],
            b"GET /livez HTTP/1.1\n\n",
            b"\r\n\r\n\nGET /livez HTTP/1.1\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n",
            b"GET /livez HTTP/1.1\r\n\r\nGET /nonsense HTTP/9.9\r\n\r\n",
        ] {
            assert_eq!(code(head), Some(200), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_http_is_told_so() {
        for (head, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], 505),
            (b"GET /livez HTTP/1.2\r\n\r\n", 505),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            (b"GET /livez\r\n\r\n", 400),
            (b"GET /li\0vez HTTP/1.1\r\n\r\n", 400),
            (b"GET /livez HTTP/1.1\r\nA: \0\r\n\r\n", 400),
            (
                b"GET /livez HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
                400,
            ),
            (b"\0\0\0\0", 400),
        ] {
            assert_eq!(code(head), Some(expected), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_head_has_its_limits() {
        let mut head = b"GET /livez HTTP/1.1\r\nA: ".to_vec();
        head.resize(HEAD_LIMIT - 1, b'a');
        assert_eq!(code(&head), None);
        head.push(b'a');
        assert_eq!(code(&head), Some(431));
        let mut head = b"GET /livez HTTP/1.1\r\n".to_vec();
        head.extend(b"A: b\r\n".repeat(HEADERS_LIMIT + 1));
        assert_eq!(code(&head), Some(431));
    }

    #[test]
    fn a_long_page_comes_in_one_piece_and_says_how_long_it_is() {
        let page = Page::text(200, "x".repeat(100_000));
        let text = String::from_utf8(print(&page, true)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nContent-Length: 100000"), "{head}");
        assert_eq!(body, page.body);
    }

    #[test]
    fn a_response_is_complete_and_says_that_the_connection_closes() {
        let page = Page {
            allow: Some("GET, HEAD"),
            ..Page::refusal(405, "use GET")
        };
        let text = String::from_utf8(print(&page, true)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "use GET\n");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("HTTP/1.1 405 Method Not Allowed"));
        let lines: Vec<&str> = lines.collect();
        for line in [
            "Connection: close",
            "Server: monopod",
            "Content-Type: text/plain; charset=utf-8",
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-store",
            "Allow: GET, HEAD",
            "Content-Length: 8",
        ] {
            assert!(lines.contains(&line), "{line} is missing in {head}");
        }
    }

    #[test]
    fn head_gets_the_same_head_and_no_body() {
        let page = Page::refusal(404, "not found");
        let with = String::from_utf8(print(&page, true)).unwrap();
        let without = String::from_utf8(print(&page, false)).unwrap();
        assert!(without.ends_with("\r\n\r\n"));
        assert!(without.contains("Content-Length: 10\r\n"));
        let names = |text: &str| -> Vec<String> {
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
            head.lines().map(name).collect()
        };
        assert_eq!(names(&with), names(&without));
    }
}
