//! Where an httpGet goes, and where a redirect sends it: URLs as Go's `net/url` reads them, as far as a probe can tell.
//!
//! Pure, and total: whatever a manifest or a server says, the outcome is a URL or nothing. It must never let a control
//! character through: what is made here is written into a request.
//!
//! What surprised us (kubelet-semantics B.5): the path of a probe is itself parsed as a URL. So `//x/y` asks for `/y`, and
//! a path with a broken percent sign is escaped as a whole, question mark included.

/// An absolute http or https URL, without user and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// https.
    pub tls: bool,
    /// Without brackets; as it was written, for redirects are compared by it.
    pub host: String,
    /// Given, or the scheme's own.
    pub port: u16,
    /// Host and port as the `Host` header has them: the port only if it was given.
    pub authority: String,
    /// What is asked for: the path, escaped where it must be, and the query as it was given.
    pub target: Vec<u8>,
}

/// A URL reference in its parts.
struct Reference<'a> {
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: &'a [u8],
    /// With its question mark.
    query: &'a [u8],
}

impl Url {
    /// What a manifest's httpGet asks for.
    pub fn of_probe(tls: bool, host: &str, port: u16, path: &str) -> Url {
        let mut target = match Reference::parse(path.as_bytes())
            .and_then(|reference| Some((escape_path(reference.path)?, reference.query)))
        {
            Some((mut path, query)) => {
                path.extend_from_slice(query);
                path
            }
            // Unparsable: passed on as it is, as a path.
            None => escape(path.as_bytes()),
        };
        // The rest of a query-only path (`?x`), or a path without its slash.
        if target.first() != Some(&b'/') {
            target.insert(0, b'/');
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Url {
            tls,
            host: host.to_owned(),
            port,
            authority: join(host, Some(port)),
            target,
        }
    }

    /// What a `Location` header leads to from here. Nothing if it makes no sense, which is an error of the whole probe.
    pub fn join(&self, location: &[u8]) -> Option<Url> {
        let reference = Reference::parse(location)?;
        let tls = match reference.scheme {
            None => self.tls,
            Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => true,
            Some(_) => return None,
        };
        let mut url = match reference.authority {
            Some(authority) => Url::at(tls, authority)?,
            None if reference.scheme.is_some() => return None,
            None => self.clone(),
        };
        let (base_path, base_query) = split_at(&self.target, b'?');
        let path = escape_path(reference.path)?;
        let whole = reference.authority.is_some() || path.first() == Some(&b'/');
        (url.target, url.tls) = match (whole, path.is_empty()) {
            (true, _) => (without_dots(&path), tls),
            (false, true) => (base_path.to_vec(), tls),
            (false, false) => {
                let folder = base_path.iter().rposition(|byte| *byte == b'/');
                let mut joined = base_path[..folder.map_or(0, |slash| slash + 1)].to_vec();
                joined.extend(path);
                (without_dots(&joined), tls)
            }
        };
        let is_same_place = !whole && reference.path.is_empty() && reference.query.is_empty();
        url.target.extend_from_slice(match is_same_place {
            true => base_query,
            false => reference.query,
        });
        Some(url)
    }

    /// Whether the reference names its own scheme and so leaves the server that a `Host` header was meant for.
    pub fn is_absolute(location: &[u8]) -> bool {
        Reference::parse(location).is_some_and(|reference| reference.scheme.is_some())
    }

    fn at(tls: bool, authority: &[u8]) -> Option<Url> {
        let authority = std::str::from_utf8(authority).ok()?;
        // A user and password for the probe would come from the probed; not taken.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (
                    host,
                    rest.strip_prefix(':').or(rest.is_empty().then_some(""))?,
                )
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_~:%!$&'()*+,;=".contains(c);
        if host.is_empty() || !host.chars().all(is_name) {
            return None;
        }
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Url {
            tls,
            host: host.to_owned(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            authority: join(host, port),
            target: Vec::new(),
        })
    }
}

impl std::fmt::Display for Url {
    /// As the `Referer` header has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let target = String::from_utf8_lossy(&self.target);
        write!(f, "{scheme}://{}{target}", self.authority)
    }
}

impl<'a> Reference<'a> {
    fn parse(text: &'a [u8]) -> Option<Reference<'a>> {
        if text.iter().any(u8::is_ascii_control) {
            return None;
        }
        let (text, _fragment) = split_at(text, b'#');
        let (scheme, text) = split_scheme(text)?;
        let (text, query) = split_at(text, b'?');
        let (authority, path) = match text.strip_prefix(b"//") {
            // Three slashes are a path to Go when there is no scheme.
            Some(rest) if scheme.is_some() || rest.first() != Some(&b'/') => {
                let (authority, path) = split_at(rest, b'/');
                (Some(authority), path)
            }
            _ => (None, text),
        };
        Some(Reference {
            scheme,
            authority,
            path,
            query,
        })
    }
}

/// The scheme and what is behind its colon. Nothing for a colon where a scheme should be but is not.
fn split_scheme(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let end = text
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)));
    match end {
        Some(0) if text[0] == b':' => None,
        Some(end) if text[end] == b':' && text[0].is_ascii_alphabetic() => {
            Some((Some(&text[..end]), &text[end + 1..]))
        }
        // A colon in the first part of a relative path.
        _ => {
            let (first, _) = split_at(split_at(text, b'?').0, b'/');
            (!first.contains(&b':')).then_some((None, text))
        }
    }
}

/// Both halves; the second begins with the byte, or is empty.
fn split_at(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let place = text.iter().position(|other| *other == byte);
    text.split_at(place.unwrap_or(text.len()))
}

/// The path as it is if it needs no escaping, else unescaped and escaped again. Nothing if a percent sign stands alone.
fn escape_path(path: &[u8]) -> Option<Vec<u8>> {
    let unescaped = unescape(path)?;
    let is_fine = |byte: &u8| is_plain(*byte) || b"!'()*[]%".contains(byte);
    Some(match path.iter().all(is_fine) {
        true => path.to_vec(),
        false => escape(&unescaped),
    })
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |place: usize| char::from(*after.get(place)?).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &after[2..];
    }
    Some(bytes)
}

fn escape(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match is_plain(*byte) {
            true => text.push(*byte),
            false => text.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    text
}

/// What Go never escapes in a path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

/// An absolute path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut parts = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            b"." | b".." => {
                if part == b".." {
                    kept.pop();
                }
                if is_last {
                    kept.push(b"");
                }
            }
            part => kept.push(part),
        }
    }
    let mut whole = vec![b'/'];
    whole.extend(kept.join(&b'/'));
    whole
}

/// Host and port as Go joins them; a zone (`fe80::1%eth0`) is this machine's business and is left out.
pub fn join(host: &str, port: Option<u16>) -> String {
    let host = host.split('%').next().unwrap_or_default();
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> String {
        let url = Url::of_probe(false, "10.0.0.1", 8080, path);
        String::from_utf8(url.target).unwrap()
    }

    #[test]
    fn s59_a_path_is_parsed_as_go_parses_it() {
        for (path, expected) in [
            ("/livez", "/livez"),
            ("healthz", "/healthz"),
            ("healthz?x=1#y", "/healthz?x=1"),
            ("", "/"),
            ("?x", "/?x"),
            ("/a b", "/a%20b"),
            ("/a%zz", "/a%25zz"),
            ("/a%zz?q", "/a%25zz%3Fq"),
            (
                "/readyz?verbose&exclude=a%20b#f",
                "/readyz?verbose&exclude=a%20b",
            ),
            ("//x/y", "/y"),
            ("///x/y", "///x/y"),
            ("http://elsewhere:1/x", "/x"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2Fb c", "/a/b%20c"),
            ("/a(b)", "/a(b)"),
            ("/a(b) c", "/a%28b%29%20c"),
            ("/ü", "/%C3%BC"),
            ("/a\r\nX: y", "/a%0D%0AX:%20y"),
            ("a:b", "/b"),
            (":b", "/:b"),
            ("*", "/*"),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }

    #[test]
    fn an_authority_is_joined_as_go_joins_it() {
        assert_eq!(join("10.0.0.1", Some(80)), "10.0.0.1:80");
        assert_eq!(join("fd00::7", Some(8080)), "[fd00::7]:8080");
        assert_eq!(join("fe80::1%eth0", Some(1)), "[fe80::1]:1");
        assert_eq!(join("a.example", None), "a.example");
        let url = Url::of_probe(true, "[fd00::7]", 8443, "/x");
        assert_eq!(url.to_string(), "https://[fd00::7]:8443/x");
        assert_eq!(url.host, "fd00::7");
    }

    #[test]
    fn a_location_is_resolved_against_the_url_before() {
        let base = Url::of_probe(false, "127.0.0.1", 8080, "/a/b?q");
        for (location, expected) in [
            ("/c", "http://127.0.0.1:8080/c"),
            ("c", "http://127.0.0.1:8080/a/c"),
            ("../c", "http://127.0.0.1:8080/c"),
            ("../../../c/./d/..", "http://127.0.0.1:8080/c/"),
            ("?r", "http://127.0.0.1:8080/a/b?r"),
            ("#f", "http://127.0.0.1:8080/a/b?q"),
            ("//127.0.0.1:9/c?x#y", "http://127.0.0.1:9/c?x"),
            ("https://127.0.0.1/", "https://127.0.0.1/"),
            ("HTTPS://other:444", "https://other:444/"),
            ("http://u:p@other/x y", "http://other/x%20y"),
            ("http://[::1]:1/x", "http://[::1]:1/x"),
        ] {
            let url = base.join(location.as_bytes()).map(|url| url.to_string());
            assert_eq!(url.as_deref(), Some(expected), "{location}");
        }
        assert_eq!(base.join(b"https://other").unwrap().port, 443);
        for senseless in [
            "ftp://127.0.0.1/",
            "http:/x",
            "http://",
            "/a%zz",
            "http://h:x/",
            "http://h:70000/",
            "http://[::1/",
            "/a\r\nX: y",
            "http://a b/",
            "a b:c",
            "http://h\"/",
        ] {
            assert_eq!(base.join(senseless.as_bytes()), None, "{senseless}");
        }
        assert!(Url::is_absolute(b"http://x/") && !Url::is_absolute(b"//x/"));
    }

    #[test]
    fn noise_is_a_url_or_nothing_and_never_holds_a_line_break() {
        let mut seed = 3;
        let mut pick = |from: &[u8]| {
            seed = crate::net::probes::tests::next(seed);
            from[(seed >> 33) as usize % from.len()]
        };
        let mut url = Url::of_probe(false, "127.0.0.1", 8080, "/");
        for round in 0..200_000 {
            let text: Vec<u8> = (0..round % 24)
                .map(|_| pick(b"/:?#%.@[]ah1\r\n \xff\""))
                .collect();
            if let Some(next) = url.join(&text) {
                assert!(next.target.starts_with(b"/"), "{}", text.escape_ascii());
                assert!(
                    !next.target.iter().any(u8::is_ascii_control),
                    "{}",
                    text.escape_ascii()
                );
                url = if round % 50 == 0 {
                    Url::of_probe(false, "h", 1, "/a")
                } else {
                    next
                };
            }
            let own = Url::of_probe(false, "h", 1, &String::from_utf8_lossy(&text));
            assert!(!own.target.iter().any(u8::is_ascii_control));
        }
    }
}
