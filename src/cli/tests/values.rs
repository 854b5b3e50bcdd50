//! What texts mean.

use super::super::values;
use crate::plan::HealthAddress;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

#[test]
fn durations() {
    for (text, millis) in [
        ("0", 0),
        ("0s", 0),
        ("5", 5_000),
        ("005", 5_000),
        ("1.5", 1_500),
        ("30s", 30_000),
        ("500ms", 500),
        ("1m", 60_000),
        ("1m 30s", 90_000),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
    ] {
        let expected = Ok(Duration::from_millis(millis));
        assert_eq!(values::duration(text.as_ref()), expected, "{text}");
    }
    for text in [
        "",
        " ",
        "-1",
        "+1",
        "s",
        ".",
        "5x",
        "1..5",
        "5 s s",
        "99999999999999999999",
        "1e3",
        "∞",
    ] {
        assert!(values::duration(text.as_ref()).is_err(), "{text}");
    }
    assert!(values::duration(OsStr::from_bytes(b"5\xff")).is_err());
}

#[test]
fn addresses() {
    for (text, expected) in [
        (":9110", None),
        ("9110", None),
        ("0.0.0.0:9110", Some("0.0.0.0:9110")),
        ("127.0.0.1:9110", Some("127.0.0.1:9110")),
        ("localhost:9110", Some("127.0.0.1:9110")),
        ("[::1]:9110", Some("[::1]:9110")),
        ("[::]:9110", Some("[::]:9110")),
    ] {
        let expected = match expected {
            None => HealthAddress::Any(9110),
            Some(at) => HealthAddress::At(at.parse::<SocketAddr>().expect("an address")),
        };
        assert_eq!(values::address(text.as_ref()), Ok(expected), "{text}");
    }
    for text in [
        "",
        ":",
        "0",
        ":0",
        "localhost:0",
        "[::1]:0",
        "65536",
        ":65536",
        "+1",
        ":-1",
        "::1:9110",
        "[::1]",
        "::1",
        "127.0.0.1",
        "127.0.0.1:",
        "example.com:80",
        "[127.0.0.1]:80",
        "http://127.0.0.1:80",
        " :80",
        "unix:/x",
    ] {
        assert!(values::address(text.as_ref()).is_err(), "{text}");
    }
}

#[test]
fn commands_are_split_as_a_shell_would() {
    for (text, expected) in [
        ("migrate", &["migrate"][..]),
        ("  migrate\t--wait \n now", &["migrate", "--wait", "now"]),
        ("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]),
        ("a '' \"\"", &["a", "", ""]),
        ("a x'y'\"z\"", &["a", "xyz"]),
        ("a $HOME '`x`' \\`y *", &["a", "$HOME", "`x`", "`y", "*"]),
        (
            "sh -c \"a $(b) `c`\" '$(d)'",
            &["sh", "-c", "a $(b) `c`", "$(d)"],
        ),
        ("a # b && c", &["a"]),
        (
            "a '&&' \"||\" \\; \\> '2>&1' \\&\\&",
            &["a", "&&", "||", ";", ">", "2>&1", "&&"],
        ),
        (
            "sh -c 'a && b | c; d > e'",
            &["sh", "-c", "a && b | c; d > e"],
        ),
        ("a \"x \\\" && \\\" y\"", &["a", "x \" && \" y"]),
        ("get http://x/?a=1&b=2;c", &["get", "http://x/?a=1&b=2;c"]),
    ] {
        let words = values::command(text.as_ref()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let words: Vec<&str> = words.iter().map(|w| w.to_str().expect("UTF-8")).collect();
        assert_eq!(words, expected, "{text}");
    }
    let bytes = values::command(OsStr::from_bytes(b"a \xff"));
    assert_eq!(bytes.map(|words| words[1].clone()), Ok(c"\xff".into()));
}

#[test]
fn a_command_that_needs_a_shell_is_refused() {
    for operator in [
        "&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1",
    ] {
        for text in [
            format!("a {operator} b"),
            format!("a 'x y' {operator}"),
            format!("a 'it'\\''s' {operator} b"),
            format!("a 'x\\' {operator} b"),
            format!("a \"{operator} \\\" {operator}\" {operator}"),
        ] {
            let fault = values::command(text.as_ref()).expect_err(&text);
            assert!(
                fault.contains(&format!("shell operator {operator} ")),
                "{fault}"
            );
        }
    }
}

#[test]
fn what_a_shell_would_run_or_replace_does_not_stay_in_silence() {
    for (text, run) in [("a `b`", "`"), ("a x$(b c)", "$("), ("a 'b'`c", "`")] {
        let fault = values::command(text.as_ref()).expect_err(text);
        assert!(fault.contains(&format!("has {run} in it")), "{fault}");
    }
    for (text, name) in [
        ("echo $HOME/x", "$HOME in"),
        ("echo a${HOME}", "${ in"),
        ("echo 'a'$_1-b", "$_1 in"),
    ] {
        let warning = values::unexpanded(text.as_ref()).expect(text);
        assert!(warning.starts_with(name), "{warning}");
    }
    for text in [
        "echo '$HOME'",
        "echo \\$HOME",
        "sh -c \"echo $HOME\"",
        "a $ b$",
        "cost 5$ $1",
        "a # $HOME",
    ] {
        assert_eq!(values::unexpanded(text.as_ref()), None, "{text}");
    }
}

#[test]
fn exit_pairs() {
    for text in ["143=0", "0=255", "007=1"] {
        assert!(values::exit_pair(text.as_ref()).is_ok(), "{text}");
    }
    for text in [
        "", "=", "1", "1=", "=1", "1=2=3", "256=0", "0=256", "-1=0", "+1=0", "a=b", "1 = 2",
    ] {
        assert!(values::exit_pair(text.as_ref()).is_err(), "{text}");
    }
}

#[test]
fn retries_and_levels() {
    use super::super::values::Retries::{AtMost, Unlimited};
    for (text, expected) in [
        ("0", AtMost(0)),
        ("12", AtMost(12)),
        ("unlimited", Unlimited),
    ] {
        assert_eq!(values::retries(text.as_ref()), Ok(expected), "{text}");
    }
    for text in ["", "-1", "+1", "many", "4294967296", "1.5"] {
        assert!(values::retries(text.as_ref()).is_err(), "{text}");
    }
    for level in log::LevelFilter::iter() {
        let text = level.as_str().to_lowercase();
        assert_eq!(values::log_level(text.as_ref()), Ok(level), "{text}");
    }
}
