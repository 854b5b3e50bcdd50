//! `monopod probe`.

use super::{EMPTY, Stream, with};
use crate::plan::{ExitCode, HealthAddress};
use std::time::Duration;

#[test]
fn each_probe_asks_its_endpoint_where_flag_or_variable_say() {
    let world = with(&[("MONOPOD_HEALTH", "127.0.0.1:1")]);
    for (argv, path, port, timeout) in [
        (&["monopod", "probe", "live"][..], "/livez", 1, 1000),
        (
            &["monopod", "probe", "ready", "--health", "127.0.0.1:2"],
            "/readyz",
            2,
            1000,
        ),
        (
            &["monopod", "probe", "--health=localhost:3", "startup"],
            "/startupz",
            3,
            1000,
        ),
        (
            &["monopod", "probe", "live", "--timeout", "250ms"],
            "/livez",
            1,
            250,
        ),
        (&["monopod", "probe", "--", "live"], "/livez", 1, 1000),
    ] {
        let request = world.probe(argv);
        let at = format!("127.0.0.1:{port}").parse().map(HealthAddress::At);
        assert_eq!(request.path, path, "{argv:?}");
        assert_eq!(Ok(request.at), at, "{argv:?}");
        assert_eq!(request.timeout, Duration::from_millis(timeout), "{argv:?}");
    }
    let slow = with(&[("MONOPOD_HEALTH", ":1"), ("MONOPOD_PROBE_TIMEOUT", "3")]);
    let request = slow.probe(&["/monopod", "probe", "live"]);
    assert_eq!(request.timeout, Duration::from_secs(3));
    assert_eq!(request.at, HealthAddress::Any(1));
}

#[test]
fn each_fault_is_a_line_and_all_are_told() {
    for (argv, expected) in [
        (
            &["monopod", "probe", "live"][..],
            &["give --health ADDR:PORT or set MONOPOD_HEALTH"][..],
        ),
        (
            &["monopod", "probe", "--health", ":1"],
            &["say one of live, ready or startup"],
        ),
        (
            &["monopod", "probe", "livez", "--health", ":1"],
            &["\"livez\" is not a probe"],
        ),
        (
            &["monopod", "probe", "live", "ready", "--health", ":1"],
            &["say one of"],
        ),
        (
            &["monopod", "probe", "live", "--health", ":x"],
            &["--health: \":x\""],
        ),
        (
            &[
                "monopod",
                "probe",
                "live",
                "--grace",
                "--health=:1",
                "--timeout=0",
            ],
            &[
                "unknown flag --grace",
                "--timeout: \"0\" must be more than 0",
            ],
        ),
        (&["monopod", "probe"], &["say one of", "no address to ask"]),
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::USAGE, "{argv:?}");
        assert_eq!(text.lines().count(), expected.len(), "{argv:?}: {text}");
        for (line, expected) in text.lines().zip(expected) {
            assert!(
                line.starts_with("monopod: error: ") && line.contains(expected),
                "{line}"
            );
        }
    }
}

#[test]
fn it_has_a_help_of_its_own() {
    let (text, code) = EMPTY.printed(Stream::Stdout, &["monopod", "probe", "--help"]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(
        text.contains("--timeout DUR") && text.contains("MONOPOD_HEALTH"),
        "{text}"
    );
}
