//! What is wrong with a command line of the own form, and how it is told.

use super::{EMPTY, Stream, World, with};
use crate::plan::ExitCode;

fn faults(world: &World, argv: &[&str]) -> Vec<String> {
    let (text, code) = world.printed(Stream::Stderr, argv);
    assert_eq!(code, ExitCode::USAGE, "{argv:?}");
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let fault = line.strip_prefix("monopod: error: ");
            fault
                .unwrap_or_else(|| panic!("no prefix: {line}"))
                .to_owned()
        })
        .collect()
}

#[track_caller]
fn only_fault(argv: &[&str], expected: &str) {
    let faults = faults(&EMPTY, argv);
    assert!(
        faults.len() == 1 && faults[0].contains(expected),
        "{argv:?}: {faults:?} is not {expected:?}"
    );
}

#[test]
fn each_fault_is_one_clear_line() {
    for (argv, expected) in [
        (
            &["monopod"][..],
            "no command to run; write monopod [flags] -- COMMAND...",
        ),
        (&["monopod", "--"], "no command to run"),
        (
            &["monopod", "--graec", "5s", "app"],
            "unknown flag --graec; did you mean --grace?",
        ),
        (
            &["monopod", "--graec=5s", "app"],
            "unknown flag --graec; did you mean --grace?",
        ),
        (
            &["monopod", "--stop-sig", "TERM", "app"],
            "did you mean --stop-signal?",
        ),
        (
            &["monopod", "--frobnicate", "app"],
            "unknown flag --frobnicate",
        ),
        (
            &["monopod", "--frob\x1bnicate", "app"],
            "unknown flag --frob\\u{1b}nicate",
        ),
        (&["monopod", "-xyz", "app"], "unknown flag -x"),
        (
            &["monopod", "-g", "app"],
            "unknown flag -g; it is one of tini's, for which say --as tini first",
        ),
        (&["monopod", "--help=yes", "app"], "--help takes no value"),
        (
            &["monopod", "--init", "--grace", "5s", "app"],
            "--init needs a value: --init CMD",
        ),
        (&["monopod", "--init", "--", "app"], "--init needs a value"),
        (
            &["monopod", "--grace", "--drain=1", "app"],
            "--grace needs a value: --grace DUR",
        ),
        (
            &["monopod", "--grace", "5 parsecs", "app"],
            "--grace: \"5 parsecs\" is not a duration",
        ),
        (
            &["monopod", "--drain", "-1", "app"],
            "--drain: \"-1\" is not a duration",
        ),
        (
            &["monopod", "--drain", "31", "app"],
            "--drain 31s is longer than the grace 30s",
        ),
        (
            &["monopod", "--drain", "31", "--grace", "x", "app"],
            "--grace: \"x\"",
        ),
        (
            &["monopod", "--grace=0", "--drain=500ms", "app"],
            "--drain 500ms is longer than the grace 0s",
        ),
        (
            &["monopod", "--init-retries", "-1", "app"],
            "--init-retries: \"-1\"",
        ),
        (
            &["monopod", "--init", "", "app"],
            "--init: \"\" has no command in it",
        ),
        (
            &["monopod", "--init", "a 'b", "app"],
            "--init: \"a 'b\" ends inside of quotes",
        ),
        (&["monopod", "--init", "a && b", "app"], "write sh -c '...'"),
        (
            &["monopod", "--pre-stop", "a | b", "app"],
            "--pre-stop: \"a | b\" has the shell operator |",
        ),
        (
            &["monopod", "--stop-on", "TERM,CONT", "app"],
            "--stop-on: \"CONT\" cannot ask for a stop",
        ),
        (
            &["monopod", "--stop-on", "TERM,,INT", "app"],
            "--stop-on: \"\" is not a signal",
        ),
        (
            &["monopod", "--stop-signal", "BYE", "app"],
            "--stop-signal: \"BYE\" is not a signal",
        ),
        (
            &["monopod", "--remap-exit", "256=0", "app"],
            "--remap-exit: \"256=0\"",
        ),
        (
            &["monopod", "--health", ":0", "app"],
            "--health: \":0\" is not an address",
        ),
        (
            &["monopod", "--log-level", "loud", "app"],
            "--log-level: \"loud\"",
        ),
        (
            &["monopod", "--log-format", "xml", "app"],
            "--log-format: \"xml\"",
        ),
        (
            &["monopod", "--grace", "1", "--as", "tini", "app"],
            "--as must be the first word",
        ),
        (
            &["monopod", "--env-file", "/no", "app"],
            "--env-file: cannot read \"/no\": no such file or directory",
        ),
    ] {
        only_fault(argv, expected);
    }
}

#[test]
fn a_value_missing_at_the_end_is_two_faults_as_the_command_is_missing_too() {
    let faults = faults(&EMPTY, &["monopod", "--grace"]);
    assert_eq!(faults.len(), 2);
    assert_eq!(faults[0], "--grace needs a value: --grace DUR");
    assert!(faults[1].starts_with("no command to run"));
}

#[test]
fn all_faults_are_told_at_once_and_name_where_they_stand() {
    let mut world = with(&[
        ("MONOPOD_GRACE", "5x"),
        ("MONOPOD_REMAP_EXIT", "1=2\n3\n4=x"),
        ("MONOPOD_STOP_SIGNAL", "BYE"),
    ]);
    world.files = vec![("/a.env", b"A=1\n=2"), ("/b.env", b"B C")];
    let faults = faults(
        &world,
        &[
            "monopod",
            "--graec",
            "1",
            "--init",
            "a >",
            "--health",
            "example.com:80",
            "--env-file",
            "/a.env",
            "--env-file",
            "/b.env",
            "--env-file",
            "/c.env",
            "--drain",
            "40",
        ],
    );
    for expected in [
        "unknown flag --graec",
        "no command to run",
        "--init: \"a >\"",
        "--health: \"example.com:80\"",
        "/a.env, line 2: no name before the =",
        "/b.env, line 1: a name with a blank in it",
        "--env-file: cannot read \"/c.env\"",
        "MONOPOD_GRACE: \"5x\"",
        "MONOPOD_REMAP_EXIT: \"3\"",
        "MONOPOD_REMAP_EXIT: \"4=x\"",
        "MONOPOD_STOP_SIGNAL: \"BYE\"",
    ] {
        let told = faults
            .iter()
            .filter(|fault| fault.contains(expected))
            .count();
        assert_eq!(told, 1, "{expected} in {faults:#?}");
    }
    assert_eq!(faults.len(), 11, "{faults:#?}");
}

#[test]
fn a_value_that_a_later_one_replaces_is_still_checked() {
    only_fault(
        &["monopod", "--grace", "x", "--grace", "2", "app"],
        "--grace: \"x\"",
    );
}
