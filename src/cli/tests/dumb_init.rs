//! dumb-init's command line, checked by hand against dumb-init 1.2.5 of Debian 12.

use super::super::Voice;
use super::{EMPTY, Stream, with};
use crate::plan::{ExitCode, Mask, Placement, Signal, Stdin, Target};
use log::LevelFilter;

/// What a signal becomes under the rules of a plan, of which the first that fits holds.
fn rewritten(rules: &[(Signal, Option<Signal>)], number: i32) -> Option<i32> {
    let rule = rules.iter().find(|(from, _)| from.number() == number);
    rule.map_or(Some(number), |(_, to)| to.map(Signal::number))
}

#[test]
fn a_command_alone_gets_a_session_and_its_group_the_signals() {
    let run = EMPTY.run(&["dumb-init", "app", "--", "-r"]);
    let conduct = run.passthrough();
    assert_eq!(run.command(), ["app", "--", "-r"]);
    assert_eq!(conduct.target, Target::Group);
    assert!(conduct.suspend_self && conduct.farewell && !conduct.warn_on_reap);
    for stop in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        assert_eq!(
            rewritten(&conduct.rewrites, stop.number()),
            Some(libc::SIGSTOP)
        );
    }
    assert_eq!(rewritten(&conduct.rewrites, 15), Some(15));
    let program = &run.plan.programs[0];
    assert_eq!(program.placement, Placement::Session);
    assert!(!program.foreground);
    assert_eq!(program.mask, Mask::Empty);
    assert_eq!(program.stdin, Stdin::Inherited);
    assert!(!run.plan.subreaper && run.plan.let_go);
    assert_eq!(run.log.voice, Voice::DumbInit);
    assert_eq!(run.log.level, LevelFilter::Warn);
}

#[test]
fn a_single_child_stays_where_it_is_and_gets_the_signals_alone() {
    let variable = with(&[("DUMB_INIT_SETSID", "0")]);
    for (world, argv) in [
        (&EMPTY, &["dumb-init", "-c", "app"][..]),
        (&EMPTY, &["dumb-init", "--single-child", "--", "app"]),
        (&EMPTY, &["dumb-init", "--s", "app"]),
        (&variable, &["dumb-init", "app"]),
    ] {
        let run = world.run(argv);
        let conduct = run.passthrough();
        assert_eq!(
            run.plan.programs[0].placement,
            Placement::Shared,
            "{argv:?}"
        );
        assert_eq!(conduct.target, Target::Process);
        assert!(conduct.suspend_self && !conduct.farewell);
        assert!(conduct.rewrites.is_empty());
    }
    for value in ["", "00", "1", "no"] {
        let run = with(&[("DUMB_INIT_SETSID", value)]).run(&["dumb-init", "app"]);
        assert_eq!(
            run.plan.programs[0].placement,
            Placement::Session,
            "{value:?}"
        );
    }
}

#[test]
fn it_speaks_up_when_told_to() {
    let debug = with(&[("DUMB_INIT_DEBUG", "1")]);
    for (world, argv) in [
        (&EMPTY, &["dumb-init", "-v", "app"][..]),
        (&EMPTY, &["dumb-init", "--verbose", "app"]),
        (&EMPTY, &["dumb-init", "--verb", "app"]),
        (&EMPTY, &["dumb-init", "-cv", "app"]),
        (&debug, &["dumb-init", "app"]),
    ] {
        assert_eq!(world.run(argv).log.level, LevelFilter::Debug, "{argv:?}");
    }
    for value in ["", "0", "2", "10", "true"] {
        let run = with(&[("DUMB_INIT_DEBUG", value)]).run(&["dumb-init", "app"]);
        assert_eq!(run.log.level, LevelFilter::Warn, "{value:?}");
    }
}

#[test]
fn rules_replace_or_drop_signals_and_the_last_for_a_signal_holds() {
    for argv in [
        &[
            "dumb-init",
            "-r",
            "15:9",
            "-r15:3",
            "--rewrite",
            "1:0",
            "--rewrite=20:20",
            "--rew=37:64",
            "app",
        ][..],
        &["dumb-init", "-r15:3", "-r1:0", "-r20:20", "-vr37:64", "app"],
    ] {
        let run = EMPTY.run(argv);
        let rules = &run.passthrough().rewrites;
        for (from, to) in [
            (15, Some(3)),
            (1, None),
            (20, Some(20)),
            (21, Some(19)),
            (37, Some(64)),
            (2, Some(2)),
        ] {
            assert_eq!(rewritten(rules, from), to, "{from} in {argv:?}");
        }
    }
    let run = EMPTY.run(&["dumb-init", "-c", "-r", "20:19", "app"]);
    let only = [(Signal::TSTP, Some(Signal::STOP))];
    assert_eq!(run.passthrough().rewrites, only);
}

#[test]
fn help_and_version_go_to_standard_error_and_are_no_failure() {
    for argv in [
        &["dumb-init", "-h"][..],
        &["dumb-init", "--help"],
        &["dumb-init", "--h"],
        &["dumb-init", "-vh", "-z"],
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::SUCCESS, "{argv:?}");
        for fact in [
            "-c, --single-child",
            "-r, --rewrite s:r",
            "-v, --verbose",
            "-h, --help",
            "-V, --version",
            "DUMB_INIT_DEBUG",
            "DUMB_INIT_SETSID",
        ] {
            assert!(text.contains(fact), "{fact}");
        }
    }
    for argv in [
        &["dumb-init", "-V"][..],
        &["dumb-init", "--version", "app"],
        &["dumb-init", "--vers"],
        &["dumb-init", "-V", "-h"],
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::SUCCESS, "{argv:?}");
        let ours = env!("CARGO_PKG_VERSION");
        assert_eq!(text, format!("dumb-init v1.2.5 (monopod {ours})\n"));
    }
}

#[test]
fn misuse_leaves_with_1_at_the_first_fault() {
    for (argv, expected) in [
        (&["dumb-init"][..], "no command to run"),
        (&["dumb-init", "-r", "15:3"], "no command to run"),
        (&["dumb-init", "-z", "-h"], "invalid option '-z'"),
        (&["dumb-init", "--foo"], "invalid option '--foo'"),
        (
            &["dumb-init", "--ver"],
            "option '--ver' may be --verbose or --version",
        ),
        (
            &["dumb-init", "--single-child=1", "app"],
            "option '--single-child' takes no value",
        ),
        (&["dumb-init", "-r"], "missing argument for option '-r'"),
        (
            &["dumb-init", "--rewrite"],
            "missing argument for option '--rewrite'",
        ),
        (&["dumb-init", "-r", "15", "app"], "\"15\" is not that"),
        (&["dumb-init", "-r", "0:3", "app"], "\"0:3\" is not that"),
        (
            &["dumb-init", "-r", "15:65", "app"],
            "\"15:65\" is not that",
        ),
        (
            &["dumb-init", "-r", "15:-1", "app"],
            "\"15:-1\" is not that",
        ),
        (&["dumb-init", "-r", ":3", "app"], "\":3\" is not that"),
        (&["dumb-init", "-r", "15:", "app"], "\"15:\" is not that"),
        (
            &["dumb-init", "-r", "TERM:QUIT", "app"],
            "\"TERM:QUIT\" is not that",
        ),
        (&["dumb-init", "-r=15:3", "app"], "\"=15:3\" is not that"),
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode(1), "{argv:?}");
        assert!(text.starts_with("[dumb-init] "), "{text}");
        let first = text.lines().next().unwrap_or("");
        assert!(first.contains(expected), "{argv:?}: {text}");
        assert!(text.contains("dumb-init --help"), "{text}");
    }
}
