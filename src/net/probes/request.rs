//! The bytes of a GET, as the kubelet's own client writes them (kubelet-semantics B.8).
//!
//! Pure. The order is: request line, `Host`, `User-Agent`, all other headers by name, then what the client adds for
//! itself. It must never write a line break that comes from a manifest.

use super::KUBELET_VERSION;
use super::url::Url;
use crate::plan::{Asker, HttpGet};

/// Headers that Go's client writes by itself or not at all, whatever the manifest says.
const OWN: [&str; 5] = [
    "Host",
    "User-Agent",
    "Content-Length",
    "Transfer-Encoding",
    "Trailer",
];

/// The request for `url`. `host` is what the `Host` header says instead of the URL's; `referer` is the URL that a followed
/// redirect came from.
pub fn print(
    url: &Url,
    get: &HttpGet,
    asker: Asker,
    host: Option<&str>,
    referer: Option<&str>,
) -> Vec<u8> {
    let mut headers = canonical(&get.headers);
    let program = match asker {
        Asker::Probe => "kube-probe",
        Asker::Hook => "kube-lifecycle",
    };
    let user_agent = match first(&headers, "User-Agent") {
        Some(own) => own.to_owned(),
        None => format!("{program}/{KUBELET_VERSION}"),
    };
    match first(&headers, "Accept") {
        None => headers.push(("Accept".into(), "*/*".into())),
        Some("") => headers.retain(|(name, _)| name != "Accept"),
        Some(_) => {}
    }
    if let Some(referer) = referer
        && first(&headers, "Referer").is_none()
    {
        headers.push(("Referer".into(), clean(referer)));
    }
    let is_closing = first(&headers, "Connection").is_some_and(says_close);
    let own_encoding = ["Accept-Encoding", "Range"]
        .iter()
        .any(|name| first(&headers, name).is_some_and(|v| !v.is_empty()));
    headers.retain(|(name, _)| !OWN.contains(&name.as_str()));
    // Stable: the values of one name stay in their order.
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));

    let mut bytes = b"GET ".to_vec();
    bytes.extend_from_slice(&url.target);
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    let mut line =
        |name: &str, value: &str| bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    line("Host", host.unwrap_or(&url.authority));
    if !user_agent.is_empty() {
        line("User-Agent", &user_agent);
    }
    for (name, value) in &headers {
        line(name, value);
    }
    match asker {
        Asker::Probe if is_closing => {}
        Asker::Probe => line("Connection", "close"),
        Asker::Hook if own_encoding => {}
        Asker::Hook => line("Accept-Encoding", "gzip"),
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The `Host` header that a manifest asks for, if it does.
pub fn host_override(get: &HttpGet) -> Option<String> {
    let headers = canonical(&get.headers);
    first(&headers, "Host")
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
}

fn first<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(other, _)| other == name);
    values.next().map(|(_, value)| value.as_str())
}

fn says_close(value: &str) -> bool {
    value
        .split(',')
        .any(|token| token.trim().eq_ignore_ascii_case("close"))
}

/// With names as Go spells them. A name that is no name, which the API refuses, is left out.
fn canonical(headers: &[(String, String)]) -> Vec<(String, String)> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let named = headers.iter().filter(|(name, _)| is_name(name));
    named
        .map(|(name, value)| (spell(name), clean(value)))
        .collect()
}

/// `x-custom` is `X-Custom`.
fn spell(name: &str) -> String {
    let mut begins = true;
    let letter = |c: char| {
        let spelt = if begins {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        };
        begins = c == '-';
        spelt
    };
    name.chars().map(letter).collect()
}

fn clean(value: &str) -> String {
    let one_line = value.trim_matches([' ', '\t', '\r', '\n']);
    one_line
        .chars()
        .map(|c| {
            if c.is_ascii_control() && c != '\t' {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(host: &str, path: &str, headers: &[(&str, &str)]) -> HttpGet {
        HttpGet {
            tls: false,
            host: host.into(),
            port: 8080,
            path: path.into(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    fn printed(asker: Asker, headers: &[(&str, &str)], referer: Option<&str>) -> String {
        let get = get("10.0.0.1", "/livez", headers);
        let url = Url::of_probe(false, &get.host, get.port, &get.path);
        let host = host_override(&get);
        String::from_utf8(print(&url, &get, asker, host.as_deref(), referer)).unwrap()
    }

    fn probe(headers: &[(&str, &str)]) -> String {
        printed(Asker::Probe, headers, None)
    }

    #[test]
    fn s55_the_default_request_is_the_kubelets_to_the_byte() {
        assert_eq!(
            probe(&[]),
            "GET /livez HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        let get = get("fd00::7", "", &[]);
        let url = Url::of_probe(false, &get.host, get.port, &get.path);
        assert!(
            print(&url, &get, Asker::Probe, None, None)
                .starts_with(b"GET / HTTP/1.1\r\nHost: [fd00::7]:8080\r\n")
        );
    }

    #[test]
    fn s56_a_host_header_replaces_the_host_line() {
        assert_eq!(
            probe(&[("host", "a.example")]),
            "GET /livez HTTP/1.1\r\nHost: a.example\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn s57_empty_user_agent_and_accept_are_left_out() {
        assert_eq!(
            probe(&[("User-Agent", ""), ("Accept", "")]),
            "GET /livez HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nConnection: close\r\n\r\n"
        );
        assert!(probe(&[("user-agent", "me")]).contains("\r\nUser-Agent: me\r\nAccept: */*\r\n"));
    }

    #[test]
    fn s58_repeated_headers_keep_their_order_among_sorted_names() {
        assert_eq!(
            probe(&[
                ("x-custom", "2"),
                ("X-A", "2"),
                ("Zebra", "z"),
                ("X-A", "1"),
                ("authorization", "a")
            ]),
            "GET /livez HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n\
             Authorization: a\r\nX-A: 2\r\nX-A: 1\r\nX-Custom: 2\r\nZebra: z\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn s61_every_probe_says_that_the_connection_closes() {
        assert!(
            probe(&[("Connection", "keep-alive")])
                .ends_with("\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
        );
        let once = probe(&[("Connection", "close"), ("X", "y")]);
        assert!(
            once.ends_with("\r\nAccept: */*\r\nConnection: close\r\nX: y\r\n\r\n"),
            "{once}"
        );
    }

    #[test]
    fn what_the_client_must_say_itself_is_not_sent_twice() {
        let own = [
            ("Content-Length", "7"),
            ("transfer-encoding", "chunked"),
            ("Trailer", "x"),
        ];
        assert_eq!(probe(&own), probe(&[]));
    }

    #[test]
    fn a_followed_redirect_says_whence() {
        let text = printed(
            Asker::Probe,
            &[("Zebra", "z")],
            Some("http://10.0.0.1:8080/a"),
        );
        assert!(
            text.ends_with("\r\nAccept: */*\r\nReferer: http://10.0.0.1:8080/a\r\nZebra: z\r\nConnection: close\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn a_hook_is_another_client() {
        assert_eq!(
            printed(Asker::Hook, &[], None),
            "GET /livez HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-lifecycle/1.36\r\nAccept: */*\r\n\
             Accept-Encoding: gzip\r\n\r\n"
        );
    }

    #[test]
    fn nothing_in_a_manifest_adds_a_line() {
        let text = probe(&[
            ("X", "a\r\nEvil: 1"),
            ("Bad\r\nName", "x"),
            ("Host", "h\nEvil: 1"),
        ]);
        assert_eq!(
            text.lines().filter(|line| line.starts_with("Evil")).count(),
            0,
            "{text}"
        );
        assert!(!text.contains("Name"), "{text}");
    }
}
