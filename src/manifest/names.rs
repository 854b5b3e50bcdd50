//! The API server's rules for names, each with the words of a refusal.
//!
//! A rule only says whether; the caller knows where.

/// What a name must be, in words, if it is not.
pub(super) type Verdict = Result<(), &'static str>;

fn verdict(is_good: bool, rule: &'static str) -> Verdict {
    is_good.then_some(()).ok_or(rule)
}

/// A DNS-1123 label: a container's name.
pub(super) fn label(name: &str) -> Verdict {
    verdict(
        name.len() <= 63 && is_label(name),
        "a name has at most 63 lower-case letters, digits and dashes, and begins and ends with none of the dashes",
    )
}

/// A DNS-1123 subdomain: a pod's name.
pub(super) fn subdomain(name: &str) -> Verdict {
    verdict(
        name.len() <= 253 && name.split('.').all(is_label),
        "a name has at most 253 lower-case letters, digits, dashes and dots, and each part between dots begins and \
         ends with a letter or digit",
    )
}

/// A label's signs in any number.
fn is_label(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// A qualified name: a condition type, `example.com/ready` or `ready`.
pub(super) fn qualified(name: &str) -> Verdict {
    let (prefix, name) = match name.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, name),
    };
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    verdict(
        prefix.is_none_or(|prefix| subdomain(prefix).is_ok())
            && name.len() <= 63
            && name.bytes().all(is_inner)
            && is_end(name.bytes().next())
            && is_end(name.bytes().next_back()),
        "a type is a name of at most 63 letters, digits, dashes, dots and underscores, with a domain before it if \
         wanted: example.com/ready",
    )
}

/// An IANA service name: a port's name.
pub(super) fn port(name: &str) -> Verdict {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    verdict(
        name.len() <= 15
            && name.bytes().all(is_inner)
            && name.bytes().any(|b| b.is_ascii_lowercase())
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--"),
        "a port's name has at most 15 lower-case letters, digits and single dashes, with a letter among them and no \
         dash at either end",
    )
}

/// A variable's name: since Kubernetes 1.34 anything that can be printed in ASCII, but for `=`.
pub(super) fn variable(name: &str) -> Verdict {
    verdict(
        !name.is_empty()
            && name
                .bytes()
                .all(|b| (b' '..=b'~').contains(&b) && b != b'='),
        "a variable's name has printable ASCII signs without =, at least one",
    )
}

/// A header's name.
pub(super) fn header(name: &str) -> Verdict {
    verdict(
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
        "a header's name has letters, digits and dashes",
    )
}

/// The names of capabilities(7), by their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Every capability's number.
pub(super) fn all_capabilities() -> impl Iterator<Item = u8> {
    0..CAPABILITIES.len() as u8
}

/// A capability's number.
pub(super) fn capability(name: &str) -> Option<u8> {
    let place = CAPABILITIES.iter().position(|known| *known == name)?;
    u8::try_from(place).ok()
}

/// The known names of capabilities.
pub(super) fn capabilities() -> impl Iterator<Item = &'static str> + Clone {
    CAPABILITIES.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_the_api_servers() {
        let long = "a".repeat(64);
        type Case<'a> = (fn(&str) -> Verdict, &'a [&'a str], &'a [&'a str]);
        let cases: [Case; 6] = [
            (
                label,
                &["a", "web-1", "0"],
                &["", "Web", "-a", "a-", "a.b", "a_b", &long],
            ),
            (
                subdomain,
                &["a.b-c.d", "web"],
                &["", "a..b", ".a", "A", "a.-b"],
            ),
            (
                qualified,
                &["www.example.com/gate-1", "Ready", "a_b.c"],
                &["", "/a", "a/", "a/b/c", "A/b", "-a", "a b", &long],
            ),
            (
                port,
                &["http", "a1", "p-2"],
                &["", "8080", "Http", "a--b", "-a", "a-", "abcdefghijklmnop"],
            ),
            (
                variable,
                &["A", "a.b-c", "1", "a b"],
                &["", "A=B", "ä", "A\n"],
            ),
            (header, &["X-A", "Host"], &["", "X A", "X_A", "X:"]),
        ];
        for (rule, good, bad) in cases {
            for name in good {
                assert_eq!(rule(name), Ok(()), "{name}");
            }
            for name in bad {
                assert!(rule(name).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn capabilities_have_the_kernels_numbers() {
        assert_eq!(capability("CHOWN"), Some(0));
        assert_eq!(capability("NET_BIND_SERVICE"), Some(10));
        assert_eq!(capability("SYS_ADMIN"), Some(21));
        assert_eq!(capability("CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(capability("CAP_CHOWN"), None);
    }
}
