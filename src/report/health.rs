//! The text of the health endpoints: a status in, a page out.
//!
//! The format is the API server's (`ok`, or one line per check and a closing line), so that whoever can read
//! `kubectl get --raw /readyz?verbose` can read this. Two things differ. A failure is 503, not 500: nothing is wrong with
//! the server, it has something to say. And the reasons are told, where the API server withholds them: there is nothing
//! secret in ours, and a person who looks here looks for exactly that.
//!
//! Nothing is decided here and nothing is asked: whoever calls has the status, or knows that none came in time.
//!
//! What surprised us: `verbose` counts by its presence, so `?verbose=false` is verbose (S197).

use crate::machine::Status;
use std::fmt::Write;
use tiny_http::Method;

/// What a client is to see. The headers that are the same for every page are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status code.
    pub code: u16,
    /// Plain text in UTF-8.
    pub body: String,
    /// What to say in the header `Allow`, if anything.
    pub allow: Option<&'static str>,
}

impl Page {
    /// A page that only says why there is nothing better; `why` is a sentence without its full stop.
    pub fn refusal(code: u16, why: &str) -> Page {
        Page {
            code,
            body: format!("{why}\n"),
            allow: None,
        }
    }
}

/// A question about the health that was understood and now needs a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquiry {
    endpoint: Endpoint,
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Livez,
    Healthz,
    Startupz,
    Readyz,
}

/// What a request with this method and target (path and query, as they came) asks; a page, if no status is needed to
/// answer it: 404 for an unknown path whatever the method, 405 for a method other than GET and HEAD.
pub fn understand(method: &Method, target: &str) -> Result<Inquiry, Page> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let endpoint = match path {
        "/livez" => Endpoint::Livez,
        "/healthz" => Endpoint::Healthz,
        "/startupz" => Endpoint::Startupz,
        "/readyz" => Endpoint::Readyz,
        _ => {
            return Err(Page::refusal(
                404,
                "not found: there are /livez, /healthz, /startupz and /readyz",
            ));
        }
    };
    if !matches!(method, Method::Get | Method::Head) {
        return Err(Page {
            allow: Some("GET, HEAD"),
            ..Page::refusal(405, "not allowed: use GET or HEAD")
        });
    }
    let verbose = query
        .split('&')
        .any(|pair| pair.split('=').next() == Some("verbose"));
    Ok(Inquiry { endpoint, verbose })
}

impl Inquiry {
    /// The answer. No status means that the core's loop did not give one in time.
    pub fn page(self, status: Option<Status>) -> Page {
        let checks = self.endpoint.checks(status);
        let passed = checks.iter().all(|check| check.fault.is_none());
        let mut body = String::new();
        if passed && !self.verbose {
            body.push_str("ok");
        } else {
            for check in &checks {
                // Writing to a String cannot fail.
                let _ = match &check.fault {
                    None => writeln!(body, "[+]{} ok", check.name),
                    Some(reason) => writeln!(body, "[-]{} failed: {reason}", check.name),
                };
            }
            let verdict = if passed { "passed" } else { "failed" };
            let _ = writeln!(body, "{} check {verdict}", self.endpoint.word());
        }
        Page {
            code: if passed { 200 } else { 503 },
            body,
            allow: None,
        }
    }
}

struct Check {
    name: &'static str,
    fault: Option<String>,
}

impl Check {
    fn new(name: &'static str, passed: bool, reason: &str) -> Check {
        Check {
            name,
            fault: (!passed).then(|| reason.to_owned()),
        }
    }
}

impl Endpoint {
    /// The word in the closing line.
    fn word(self) -> &'static str {
        match self {
            Endpoint::Livez => "livez",
            Endpoint::Healthz => "healthz",
            Endpoint::Startupz => "startupz",
            Endpoint::Readyz => "readyz",
        }
    }

    /// Every check of this endpoint, in the order of a life. Without a status only `core` is listed: about the others
    /// nothing is known, and both "ok" and "failed" could be a lie.
    fn checks(self, status: Option<Status>) -> Vec<Check> {
        let mut checks = vec![Check::new(
            "core",
            status.is_some(),
            "its loop did not answer in time",
        )];
        let Some(status) = status else { return checks };
        if matches!(self, Endpoint::Startupz | Endpoint::Readyz) {
            checks.push(Check::new(
                "init",
                status.steps_done == status.steps,
                &format!("{} of {} init steps done", status.steps_done, status.steps),
            ));
            checks.push(Check::new(
                "started",
                status.started,
                "the command was not started yet",
            ));
        }
        if matches!(self, Endpoint::Readyz) {
            checks.push(Check::new(
                "running",
                status.running,
                "the command is not running",
            ));
            // A status that stops without a running command does not tell whether somebody asked for it.
            let reason = if status.running {
                "a stop was asked for"
            } else {
                "the container is ending"
            };
            checks.push(Check::new("shutdown", !status.stopping, reason));
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVING: Status = Status {
        steps: 3,
        steps_done: 3,
        started: true,
        running: true,
        stopping: false,
    };

    fn get(target: &str, status: Option<Status>) -> (u16, String) {
        let page =
            understand(&Method::Get, target).map_or_else(|page| page, |asked| asked.page(status));
        (page.code, page.body)
    }

    #[test]
    fn all_is_well_and_said_in_two_bytes() {
        for path in ["/livez", "/healthz", "/startupz", "/readyz"] {
            assert_eq!(get(path, Some(SERVING)), (200, "ok".into()), "{path}");
        }
    }

    #[test]
    fn verbose_lists_every_check_in_the_api_servers_format() {
        assert_eq!(
            get("/livez?verbose", Some(SERVING)),
            (200, "[+]core ok\nlivez check passed\n".into())
        );
        assert_eq!(
            get("/readyz?a=b&verbose=false", Some(SERVING)).1,
            "[+]core ok\n[+]init ok\n[+]started ok\n[+]running ok\n[+]shutdown ok\nreadyz check passed\n"
        );
        assert_eq!(get("/livez?verbosely&x=verbose", Some(SERVING)).1, "ok");
    }

    #[test]
    fn in_the_middle_of_init_it_is_alive_but_neither_started_nor_ready() {
        let status = Some(Status {
            steps_done: 1,
            started: false,
            running: false,
            ..SERVING
        });
        assert_eq!(get("/livez", status).0, 200);
        assert_eq!(
            get("/startupz", status),
            (
                503,
                "[+]core ok\n[-]init failed: 1 of 3 init steps done\n\
                 [-]started failed: the command was not started yet\nstartupz check failed\n"
                    .into()
            )
        );
        assert_eq!(get("/readyz", status).0, 503);
    }

    #[test]
    fn a_stop_takes_readiness_and_nothing_else() {
        let status = Some(Status {
            stopping: true,
            ..SERVING
        });
        assert_eq!(get("/livez", status).0, 200);
        assert_eq!(get("/startupz", status).0, 200);
        let (code, body) = get("/readyz", status);
        assert_eq!(code, 503);
        assert!(
            body.contains("[-]shutdown failed: a stop was asked for\n"),
            "{body}"
        );
        assert!(body.ends_with("readyz check failed\n"));
    }

    #[test]
    fn a_core_that_does_not_answer_fails_everywhere_and_nothing_else_is_claimed() {
        for word in ["livez", "healthz", "startupz", "readyz"] {
            assert_eq!(
                get(&format!("/{word}"), None),
                (
                    503,
                    format!(
                        "[-]core failed: its loop did not answer in time\n{word} check failed\n"
                    )
                )
            );
        }
    }

    #[test]
    fn the_pages_say_what_the_status_says() {
        for bits in 0..16u8 {
            let status = Status {
                steps: 1,
                steps_done: u16::from(bits & 1 != 0),
                started: bits & 2 != 0,
                running: bits & 4 != 0,
                stopping: bits & 8 != 0,
            };
            let is_200 = |path| get(path, Some(status)).0 == 200;
            assert_eq!(is_200("/startupz"), status.is_started(), "{status:?}");
            assert_eq!(is_200("/readyz"), status.is_ready(), "{status:?}");
            assert!(is_200("/livez"));
        }
    }

    #[test]
    fn only_get_and_head_and_only_the_four_paths() {
        for path in [
            "/",
            "",
            "*",
            "/livez/",
            "/livez/core",
            "//livez",
            "/Livez",
            "livez",
        ] {
            assert_eq!(get(path, Some(SERVING)).0, 404, "{path}");
        }
        let refused = understand(&Method::Post, "/livez").unwrap_err();
        assert_eq!((refused.code, refused.allow), (405, Some("GET, HEAD")));
        assert_eq!(
            understand(&Method::Delete, "/nothing").unwrap_err().code,
            404
        );
        assert!(understand(&Method::Head, "/livez").is_ok());
        let lower: Method = "get".parse().unwrap();
        assert_eq!(understand(&lower, "/livez").unwrap_err().code, 405);
    }
}
