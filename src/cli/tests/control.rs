//! `monopod status` and its like.

use super::{EMPTY, Stream, with};
use crate::cli::Invocation;
use crate::plan::{Ask, ControlRequest, ExitCode, Layout};

fn asked(argv: &[&str]) -> ControlRequest {
    match EMPTY.ask(argv) {
        Invocation::Control(request) => request,
        other => panic!("{argv:?}: {other:?}"),
    }
}

#[test]
fn each_command_is_understood() {
    let name = || "web".to_owned();
    let status = |output, watch| Ask::Status { output, watch };
    for (words, ask) in [
        (&["status"][..], status(Layout::Table, false)),
        (&["status", "-o", "wide", "-w"], status(Layout::Wide, true)),
        (&["status", "--output=json"], status(Layout::Json, false)),
        (&["status", "-oyaml"], status(Layout::Yaml, false)),
        (&["describe"], Ask::Describe { name: None }),
        (&["describe", "web"], Ask::Describe { name: Some(name()) }),
        (&["events", "--watch"], Ask::Events { watch: true }),
        (&["restart", "web"], Ask::Restart { name: name() }),
        (
            &["signal", "web", "USR1"],
            Ask::Signal {
                name: name(),
                signal: "USR1".to_owned(),
            },
        ),
        (
            &["gate", "example.com/a", "false"],
            Ask::Gate {
                gate: "example.com/a".to_owned(),
                value: false,
            },
        ),
        (&["stop"], Ask::Stop),
        (&["timeline"], Ask::Timeline),
    ] {
        let argv: Vec<&str> = ["monopod"].iter().chain(words).copied().collect();
        let request = asked(&argv);
        assert_eq!(request.ask, ask, "{words:?}");
        assert_eq!(request.path.to_str(), Some("/run/monopod/control.sock"));
    }
}

#[test]
fn the_socket_is_found_by_flag_or_variable() {
    let request = asked(&["monopod", "stop", "--control", "/a"]);
    assert_eq!(request.path.to_str(), Some("/a"));
    let world = with(&[("MONOPOD_CONTROL", "/b")]);
    match world.ask(&["monopod", "stop"]) {
        Invocation::Control(request) => assert_eq!(request.path.to_str(), Some("/b")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_fault_is_a_line_and_all_are_told() {
    for (argv, expected) in [
        (
            &["monopod", "restart"][..],
            &["write monopod restart NAME"][..],
        ),
        (
            &["monopod", "gate", "a/b", "yes"],
            &["write monopod gate TYPE True|False"],
        ),
        (
            &["monopod", "signal", "web", "HOP"],
            &["\"HOP\" is not a signal"],
        ),
        (&["monopod", "stop", "now"], &["write monopod stop"]),
        (
            &["monopod", "stop", "-w"],
            &["only status and events take -w"],
        ),
        (
            &["monopod", "events", "-o", "wide"],
            &["only status takes -o"],
        ),
        (
            &["monopod", "status", "-o", "xml"],
            &["\"xml\" is not a format"],
        ),
        (
            &["monopod", "status", "-w", "-o", "json"],
            &["-w shows tables only"],
        ),
        (
            &["monopod", "stop", "--control", "none"],
            &["--control is none"],
        ),
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::USAGE, "{argv:?}");
        for words in expected {
            assert!(text.contains(words), "{argv:?}: {text}");
        }
    }
}

#[test]
fn only_the_very_first_word_is_a_command() {
    for argv in [
        &["monopod", "--", "status"][..],
        &["monopod", "--grace", "1s", "status"],
        &["monopod", "nginx", "stop"],
    ] {
        assert!(
            matches!(EMPTY.ask(argv), Invocation::Run { .. }),
            "{argv:?}"
        );
    }
    let (help, _) = EMPTY.printed(Stream::Stdout, &["monopod", "status", "--help"]);
    assert!(help.contains("monopod gate TYPE True|False"), "{help}");
}

#[test]
fn a_command_alone_has_a_control_socket_only_where_it_is_asked_for() {
    let control = |argv: &[&str]| {
        let control = EMPTY.run(argv).plan.serving.control;
        control.map(|control| (control.path.display().to_string(), control.missed))
    };
    assert_eq!(control(&["monopod", "true"]), None);
    assert_eq!(control(&["monopod", "--health", ":1", "true"]), None);
    let asked = Some(("/a".to_owned(), true));
    assert_eq!(control(&["monopod", "--control", "/a", "true"]), asked);
    assert_eq!(
        control(&["monopod", "--health", ":1", "--control", "none", "true"]),
        None
    );
}

#[test]
fn crash_loops_are_included_from_a_number_of_restarts_on() {
    let count = |words| {
        EMPTY
            .run(&["monopod", "--livez-includes", words, "true"])
            .plan
            .serving
            .crash_loops
    };
    assert_eq!(count("crash-loops"), Some(5));
    assert_eq!(count("crash-loops=2"), Some(2));
    for words in ["crash-loops=0", "crash-loops=", "crash", "crash-loopsx"] {
        let argv = ["monopod", "--livez-includes", words, "true"];
        let (text, _) = EMPTY.printed(Stream::Stderr, &argv);
        assert!(text.contains("cannot be included"), "{text}");
    }
}
