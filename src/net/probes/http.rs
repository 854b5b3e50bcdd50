//! An httpGet from its first request to its verdict, redirects included. Pure: the attempt that drives it has the socket.
//!
//! The rules are kubelet-semantics B.5 for probes and C.3 for hooks. It must never lead a probe to another host name than
//! the one that it was given: a container shall not aim the prober.
//!
//! What surprised us: a hook is content with any answer, a 500 too (S77); and a probe with a body that ends early is
//! neither good nor bad (S52).

use super::request;
use super::response::{Head, Heard, Response};
use super::url::Url;
use super::{Progress, failure, success, unknown};
use crate::machine::{Answer, Cause, Outcome};
use crate::plan::{Asker, HttpGet};
use std::borrow::Cow;

/// After so many requests without an end the client gives up (S49).
const REQUESTS_LIMIT: u32 = 10;

/// An httpGet under way.
#[derive(Debug)]
pub struct Exchange<'a> {
    get: Cow<'a, HttpGet>,
    asker: Asker,
    /// Where the current request goes.
    url: Url,
    /// What its `Host` header says, if not that.
    host: Option<String>,
    referer: Option<String>,
    /// Requests before the current one.
    requests: u32,
    response: Response,
    /// The final head, once it is there.
    head: Option<Head>,
    fell_back: bool,
}

impl<'a> Exchange<'a> {
    /// Before its first request.
    pub fn new(get: &'a HttpGet, asker: Asker) -> Exchange<'a> {
        Exchange {
            get: Cow::Borrowed(get),
            asker,
            url: Url::of_probe(get.tls, &get.host, get.port, &get.path),
            host: request::host_override(get),
            referer: None,
            requests: 0,
            response: Response::new(),
            head: None,
            fell_back: false,
        }
    }

    /// Where the current request goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The bytes of the current request.
    pub fn request(&self) -> Vec<u8> {
        request::print(
            &self.url,
            &self.get,
            self.asker,
            self.host.as_deref(),
            self.referer.as_deref(),
        )
    }

    /// Hears what has come.
    pub fn hear(&mut self, bytes: &[u8]) -> Progress {
        let heard = self.response.hear(bytes);
        self.understand(heard)
    }

    /// The peer has ended its side.
    pub fn end(&mut self) -> Progress {
        match self.response.end() {
            Heard::Garbled => Progress::Over(failure(Cause::Connection(libc::ECONNRESET))),
            heard => self.understand(heard),
        }
    }

    /// The connection broke, could not be had, or took too long.
    pub fn fail(&self, cause: Cause) -> Answer {
        match self.response.has_head() {
            true => unknown(Cause::BodyCut),
            false => failure(cause),
        }
    }

    /// A hook that spoke TLS to somebody who answered in plain HTTP asks once more, without what is secret (S79). True if
    /// it is to ask again.
    pub fn fall_back(&mut self) -> bool {
        if self.asker != Asker::Hook || self.fell_back || !self.url.tls {
            return false;
        }
        let mut get = self.get.clone().into_owned();
        get.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Authorization"));
        self.url = Url::of_probe(false, &get.host, get.port, &get.path);
        self.host = request::host_override(&get);
        self.get = Cow::Owned(get);
        (self.requests, self.referer, self.response) = (0, None, Response::new());
        self.fell_back = true;
        true
    }

    fn understand(&mut self, heard: Heard) -> Progress {
        match (heard, &self.head) {
            (Heard::Partial, _) => Progress::More,
            (Heard::Garbled, _) => Progress::Over(failure(Cause::Garbled)),
            (Heard::BodyCut, _) => Progress::Over(unknown(Cause::BodyCut)),
            (Heard::Head(head), _) => self.head_has_come(head),
            (Heard::Complete, Some(head)) => Progress::Over(verdict(head.status)),
            (Heard::Complete, None) => Progress::More,
        }
    }

    fn head_has_come(&mut self, head: Head) -> Progress {
        let location = head
            .location
            .as_deref()
            .filter(|_| matches!(head.status, 301..=303 | 307 | 308));
        if let Some(location) = location {
            // A Location that makes no sense fails the request, as in Go.
            let Some(next) = self.url.join(location) else {
                return Progress::Over(failure(Cause::Garbled));
            };
            // The first request's, as it is the only one that a redirect may lead to.
            if next.host == self.url.host {
                return self.follow(next, Url::is_absolute(location));
            }
        }
        if self.asker == Asker::Hook {
            return Progress::Over(Answer {
                outcome: Outcome::Success,
                cause: if self.fell_back {
                    Cause::HttpFallback
                } else {
                    Cause::None
                },
            });
        }
        self.head = Some(head);
        let heard = self.response.go_on();
        self.understand(heard)
    }

    fn follow(&mut self, next: Url, is_absolute: bool) -> Progress {
        self.requests += 1;
        if self.requests >= REQUESTS_LIMIT {
            return Progress::Over(failure(Cause::RedirectLoop));
        }
        if is_absolute {
            self.host = None;
        }
        // From https to http nothing is told of where one was.
        let tells = !self.url.tls || next.tls;
        self.referer = tells.then(|| self.url.to_string());
        self.url = next;
        self.response = Response::new();
        Progress::Again
    }
}

fn verdict(status: u16) -> Answer {
    match status {
        200..=299 => success(),
        300..=399 => Answer {
            outcome: Outcome::Warning,
            cause: Cause::Redirect(status),
        },
        status => failure(Cause::HttpStatus(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get() -> HttpGet {
        HttpGet {
            tls: false,
            host: "127.0.0.1".into(),
            port: 8080,
            path: "/live".into(),
            headers: Vec::new(),
        }
    }

    fn asked(asker: Asker, response: &str) -> Progress {
        Exchange::new(&get(), asker).hear(response.as_bytes())
    }

    fn probed(response: &str) -> (Outcome, Cause) {
        match asked(Asker::Probe, response) {
            Progress::Over(answer) => (answer.outcome, answer.cause),
            other => panic!("{response}: {other:?}"),
        }
    }

    fn status(code: u16) -> String {
        format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n")
    }

    #[test]
    fn s45_two_hundreds_are_success() {
        for code in [200, 204, 299] {
            assert_eq!(probed(&status(code)), (Outcome::Success, Cause::None));
        }
    }

    #[test]
    fn s46_everything_but_two_and_three_hundreds_is_failure() {
        for code in [101, 400, 404, 500, 503, 999] {
            assert_eq!(
                probed(&status(code)),
                (Outcome::Failure, Cause::HttpStatus(code))
            );
        }
        // Any other interim response is waited behind, and the hang-up is the failure.
        let get = get();
        let mut exchange = Exchange::new(&get, Asker::Probe);
        assert_eq!(exchange.hear(status(199).as_bytes()), Progress::More);
        assert_eq!(
            exchange.end(),
            Progress::Over(failure(Cause::Connection(libc::ECONNRESET)))
        );
    }

    fn redirect(code: u16, location: &str) -> String {
        format!("HTTP/1.1 {code} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    }

    #[test]
    fn s47_another_host_name_is_a_warning() {
        for location in [
            "http://elsewhere:8080/",
            "//localhost:8080/live",
            "https://10.0.0.1/",
        ] {
            assert_eq!(
                probed(&redirect(302, location)),
                (Outcome::Warning, Cause::Redirect(302)),
                "{location}"
            );
        }
    }

    #[test]
    fn s48_the_same_host_name_is_followed_whatever_the_port_and_scheme() {
        for code in [301, 302, 303, 307, 308] {
            let get = get();
            let mut exchange = Exchange::new(&get, Asker::Probe);
            assert_eq!(
                exchange.hear(redirect(code, "https://127.0.0.1:8443/x").as_bytes()),
                Progress::Again
            );
            assert_eq!((exchange.url().tls, exchange.url().port), (true, 8443));
            let request = String::from_utf8(exchange.request()).unwrap();
            assert!(
                request.starts_with("GET /x HTTP/1.1\r\nHost: 127.0.0.1:8443\r\n"),
                "{request}"
            );
            assert!(
                request.contains("\r\nReferer: http://127.0.0.1:8080/live\r\n"),
                "{request}"
            );
            // From there back to http, without saying whence.
            assert_eq!(
                exchange.hear(redirect(code, "http://127.0.0.1:8080/y").as_bytes()),
                Progress::Again
            );
            assert!(
                !String::from_utf8(exchange.request())
                    .unwrap()
                    .contains("Referer")
            );
            assert_eq!(
                exchange.hear(status(200).as_bytes()),
                Progress::Over(success())
            );
        }
    }

    #[test]
    fn s48_a_host_header_is_kept_on_a_relative_redirect_only() {
        let mut get = get();
        get.headers.push(("Host".into(), "a.example".into()));
        let mut exchange = Exchange::new(&get, Asker::Probe);
        exchange.hear(redirect(302, "/x").as_bytes());
        assert!(
            String::from_utf8(exchange.request())
                .unwrap()
                .contains("\r\nHost: a.example\r\n")
        );
        exchange.hear(redirect(302, "http://127.0.0.1/x").as_bytes());
        assert!(
            String::from_utf8(exchange.request())
                .unwrap()
                .contains("\r\nHost: 127.0.0.1\r\n")
        );
    }

    #[test]
    fn s49_ten_requests_and_then_failure() {
        for asker in [Asker::Probe, Asker::Hook] {
            let get = get();
            let mut exchange = Exchange::new(&get, asker);
            for _ in 0..9 {
                assert_eq!(
                    exchange.hear(redirect(302, "/again").as_bytes()),
                    Progress::Again
                );
            }
            let tenth = exchange.hear(redirect(302, "/again").as_bytes());
            assert_eq!(tenth, Progress::Over(failure(Cause::RedirectLoop)));
        }
    }

    #[test]
    fn s50_three_hundreds_that_lead_nowhere_are_warnings() {
        assert_eq!(
            probed(&status(304)),
            (Outcome::Warning, Cause::Redirect(304))
        );
        assert_eq!(
            probed(&redirect(300, "/x")),
            (Outcome::Warning, Cause::Redirect(300))
        );
        assert_eq!(
            probed(&status(302)),
            (Outcome::Warning, Cause::Redirect(302))
        );
        assert_eq!(
            probed(&redirect(307, "")),
            (Outcome::Warning, Cause::Redirect(307))
        );
    }

    #[test]
    fn a_location_that_makes_no_sense_is_failure() {
        for location in ["ftp://127.0.0.1/", "http://127.0.0.1:x/", "/%zz"] {
            assert_eq!(
                probed(&redirect(302, location)),
                (Outcome::Failure, Cause::Garbled)
            );
        }
    }

    #[test]
    fn s52_late_or_broken_after_the_head_counts_for_nothing() {
        let get = get();
        let mut exchange = Exchange::new(&get, Asker::Probe);
        assert_eq!(exchange.fail(Cause::TimedOut), failure(Cause::TimedOut));
        assert_eq!(
            exchange.hear(b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nha"),
            Progress::More
        );
        assert_eq!(exchange.fail(Cause::TimedOut), unknown(Cause::BodyCut));
        assert_eq!(exchange.end(), Progress::Over(unknown(Cause::BodyCut)));
    }

    #[test]
    fn s77_a_hook_is_content_with_any_answer() {
        for response in [
            &status(500),
            &status(404),
            &redirect(302, "http://elsewhere/"),
            "HTTP/1.1 200 X\r\n\r\n",
        ] {
            assert_eq!(
                asked(Asker::Hook, response),
                Progress::Over(success()),
                "{response}"
            );
        }
    }

    #[test]
    fn s79_only_a_hook_falls_back_and_only_once_and_without_its_secret() {
        let mut get = get();
        get.tls = true;
        get.headers.push(("authorization".into(), "secret".into()));
        assert!(!Exchange::new(&get, Asker::Probe).fall_back());
        let mut exchange = Exchange::new(&get, Asker::Hook);
        assert!(
            String::from_utf8(exchange.request())
                .unwrap()
                .contains("secret")
        );
        assert!(exchange.fall_back() && !exchange.fall_back());
        assert!(
            !exchange.url().tls
                && !String::from_utf8(exchange.request())
                    .unwrap()
                    .contains("secret")
        );
        let fallen = Answer {
            outcome: Outcome::Success,
            cause: Cause::HttpFallback,
        };
        assert_eq!(
            exchange.hear(status(500).as_bytes()),
            Progress::Over(fallen)
        );
    }
}
