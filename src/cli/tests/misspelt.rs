//! Subcommands and variables that are nearly ours.

use super::{EMPTY, Stream, with};

#[test]
fn a_word_that_is_nearly_a_subcommand_is_run_and_the_subcommand_is_named_if_it_is_no_program() {
    for (argv, hint) in [
        (&["monopod", "stauts"][..], Some("status")),
        (&["monopod", "desribe", "web"], Some("describe")),
        (&["monopod", "chek", "-f", "pod.yaml"], Some("check")),
        (&["monopod", "nginx"], None),
        (&["monopod", "--", "stauts"], None),
        (&["monopod", "--grace=5", "stauts"], None),
    ] {
        let hint = hint.map(|verb| format!("did you mean monopod {verb}?"));
        assert_eq!(EMPTY.run(argv).hint, hint, "{argv:?}");
    }
}

#[test]
fn a_variable_that_is_nearly_ours_is_a_warning_with_the_name_that_was_meant() {
    let world = with(&[
        ("MONOPOD_GRCAE", "5"),
        ("MONOPOD_LOGLEVEL", "info"),
        ("MONOPOD_PROBE_TIMOUT", "1s"),
        ("MONOPOD_GRACE_PERIOD", "3"),
        ("MONOPOD_GRACE", "7"),
    ]);
    let expected = [
        "MONOPOD_GRCAE is no variable of monopod's; did you mean MONOPOD_GRACE?",
        "MONOPOD_LOGLEVEL is no variable of monopod's; did you mean MONOPOD_LOG_LEVEL?",
        "MONOPOD_PROBE_TIMOUT is no variable of monopod's; did you mean MONOPOD_PROBE_TIMEOUT?",
        "MONOPOD_GRACE_PERIOD is no variable of monopod's; did you mean MONOPOD_GRACE?",
    ];
    assert_eq!(world.run(&["monopod", "true"]).warnings, expected);
    let (text, _) = world.printed(Stream::Stdout, &["monopod", "check", "--", "true"]);
    assert!(text.contains(expected[0]), "{text}");
}

#[test]
fn one_that_may_be_why_a_command_line_is_refused_is_told_with_the_fault() {
    let world = with(&[("MONOPOD_MANIFST", "pod.yaml")]);
    let (text, _) = world.printed(Stream::Stderr, &["monopod"]);
    assert!(text.contains("no command to run"), "{text}");
    assert!(text.contains("did you mean MONOPOD_MANIFEST?"), "{text}");
}

#[test]
fn what_an_image_a_service_or_monopod_itself_has_set_is_no_news() {
    let world = with(&[
        ("MONOPOD_VERSION", "0.1.0"),
        ("MONOPOD_SERVICE_HOST", "10.0.0.1"),
        ("MONOPOD_PORT", "tcp://10.0.0.1:80"),
        ("MONOPOD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("GRCAE", "5"),
        ("MONOPOD_FOO", "1"),
        ("MONOPOD_RUN", "a.b.c"),
    ]);
    assert_eq!(world.run(&["monopod", "true"]).warnings, [""; 0]);
    let alone = with(&[("MONOPOD_PORT", "web")]).run(&["monopod", "true"]);
    assert_eq!(alone.warnings.len(), 1);
}
