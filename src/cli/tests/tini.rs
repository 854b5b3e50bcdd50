//! tini's command line, checked by hand against tini 0.19.0 of Debian 12.

use super::super::Voice;
use super::{EMPTY, Stream, World, with};
use crate::plan::{ExitCode, Mask, Placement, Signal, Stdin, Target};
use log::LevelFilter;

#[test]
fn a_program_alone() {
    let run = EMPTY.run(&["tini", "/bin/app", "a"]);
    let conduct = run.passthrough();
    assert_eq!(run.command(), ["/bin/app", "a"]);
    assert_eq!(conduct.target, Target::Process);
    assert!(conduct.rewrites.is_empty());
    assert!(!conduct.suspend_self && !conduct.farewell && !conduct.warn_on_reap);
    let program = &run.plan.programs[0];
    assert_eq!(program.name, "app");
    assert_eq!(program.placement, Placement::Group);
    assert!(program.foreground);
    assert_eq!(program.mask, Mask::Inherited);
    assert_eq!(program.stdin, Stdin::Inherited);
    assert!(!run.plan.subreaper && run.plan.let_go);
    assert_eq!(run.plan.parent_death_signal, None);
    assert_eq!(run.log.voice, Voice::Tini);
    assert_eq!(run.log.level, LevelFilter::Warn);
    assert!(run.warnings.is_empty());
}

#[test]
fn every_option_alone_attached_and_combined() {
    for argv in [
        &[
            "tini", "-s", "-g", "-w", "-v", "-p", "SIGHUP", "-e", "143", "-e", "7", "--", "app",
        ][..],
        &["tini", "-sgwvpSIGHUP", "-e143", "-e", "7", "app"],
        &["tini", "-gwsve143", "-e7", "-pHUP", "app"],
    ] {
        let run = EMPTY.run(argv);
        let conduct = run.passthrough();
        assert!(run.plan.subreaper);
        assert_eq!(conduct.target, Target::Group);
        assert!(conduct.warn_on_reap);
        assert_eq!(run.log.level, LevelFilter::Info);
        assert_eq!(run.plan.parent_death_signal, Some(Signal::HUP));
        for (code, left) in [(143, 0), (7, 0), (0, 0), (1, 1)] {
            assert_eq!(conduct.remap_exit.apply(ExitCode(code)), ExitCode(left));
        }
    }
}

#[test]
fn the_variables_count_even_when_empty_and_verbosity_beats_the_flags() {
    let run =
        with(&[("TINI_SUBREAPER", ""), ("TINI_KILL_PROCESS_GROUP", "")]).run(&["tini", "app"]);
    assert!(run.plan.subreaper);
    assert_eq!(run.passthrough().target, Target::Group);
    for (text, level) in [
        ("0", LevelFilter::Error),
        ("1", LevelFilter::Warn),
        ("2", LevelFilter::Info),
        ("3", LevelFilter::Debug),
        ("4", LevelFilter::Trace),
        ("99999999999", LevelFilter::Trace),
        ("", LevelFilter::Error),
        ("loud", LevelFilter::Error),
        (" +2x", LevelFilter::Info),
        ("-1", LevelFilter::Trace),
        ("-0", LevelFilter::Error),
    ] {
        let run = with(&[("TINI_VERBOSITY", text)]).run(&["tini", "-vvv", "app"]);
        assert_eq!(run.log.level, level, "{text:?}");
    }
    for (flags, level) in [
        ("-v", LevelFilter::Info),
        ("-vv", LevelFilter::Debug),
        ("-vvvv", LevelFilter::Trace),
    ] {
        assert_eq!(
            EMPTY.run(&["tini", flags, "app"]).log.level,
            level,
            "{flags}"
        );
    }
}

#[test]
fn options_end_at_the_program_and_the_documented_dashes_are_dropped_once() {
    for (argv, command) in [
        (
            &["tini", "app", "--", "a", "--", "b"][..],
            &["app", "a", "--", "b"][..],
        ),
        (&["tini", "app", "--", "--", "a"], &["app", "--", "a"]),
        (&["tini", "app", "a", "--", "b"], &["app", "a", "--", "b"]),
        (&["tini", "--", "app", "--", "a"], &["app", "--", "a"]),
        (&["tini", "-g", "--", "app", "--", "a"], &["app", "--", "a"]),
        (&["tini", "-e", "3", "app", "--", "a"], &["app", "a"]),
        (&["tini", "sh", "-c", "true"], &["sh", "-c", "true"]),
        (&["tini", "--", "-v"], &["-v"]),
        (&["tini", "app", "--version"], &["app", "--version"]),
        (&["tini", "-"], &["-"]),
        (&["tini", ""], &[""]),
    ] {
        assert_eq!(EMPTY.run(argv).command(), command, "{argv:?}");
    }
}

#[test]
fn the_version_is_for_docker_info_to_read() {
    for name in ["tini", "docker-init", "/usr/bin/tini-static"] {
        let (text, code) = EMPTY.printed(Stream::Stdout, &[name, "--version"]);
        assert_eq!(
            text.split(" - ").collect::<Vec<_>>(),
            ["tini version 0.19.0", "git.monopod\n"]
        );
        assert_eq!(code, ExitCode::SUCCESS);
    }
}

#[test]
fn help_and_licence_go_to_standard_output() {
    let (text, code) = EMPTY.printed(Stream::Stdout, &["docker-init", "-vh", "-z"]);
    assert_eq!(code, ExitCode::SUCCESS);
    for fact in [
        "docker-init (tini version 0.19.0",
        "--version",
        "  -h ",
        "  -l ",
        "  -s ",
        "  -p SIGNAL",
        "  -v ",
        "  -w ",
        "  -g ",
        "  -e EXIT_CODE",
        "TINI_SUBREAPER",
        "TINI_VERBOSITY",
        "TINI_KILL_PROCESS_GROUP",
    ] {
        assert!(text.contains(fact), "{fact}");
    }
    let (text, code) = EMPTY.printed(Stream::Stdout, &["tini", "-l"]);
    assert_eq!((text.lines().count(), code), (1, ExitCode::SUCCESS));
}

#[test]
fn misuse_leaves_with_1_at_the_first_fault() {
    for (argv, first_line, has_usage) in [
        (&["tini"][..], "[FATAL tini (7)] no program to run", true),
        (&["tini", "--"], "[FATAL tini (7)] no program to run", true),
        (
            &["tini", "-e", "3"],
            "[FATAL tini (7)] no program to run",
            true,
        ),
        (
            &["tini", "-z", "-h"],
            "[FATAL tini (7)] invalid option '-z'",
            true,
        ),
        (
            &["tini", "--version", "app"],
            "[FATAL tini (7)] invalid option '--version'",
            true,
        ),
        (
            &["tini", "--subreaper", "app"],
            "[FATAL tini (7)] invalid option '--subreaper'",
            true,
        ),
        (
            &["tini", "-e"],
            "[FATAL tini (7)] missing argument for option '-e'",
            true,
        ),
        (
            &["tini", "-p"],
            "[FATAL tini (7)] missing argument for option '-p'",
            true,
        ),
        (
            &["tini", "-e", "300", "app"],
            "[FATAL tini (7)] Not a valid option for -e: 300",
            false,
        ),
        (
            &["tini", "-ge-1", "app"],
            "[FATAL tini (7)] Not a valid option for -e: -1",
            false,
        ),
        (
            &["tini", "-e=3", "app"],
            "[FATAL tini (7)] Not a valid option for -e: =3",
            false,
        ),
        (
            &["tini", "-e", "300", "-h"],
            "[FATAL tini (7)] Not a valid option for -e: 300",
            false,
        ),
        (
            &["tini", "-p", "BYE", "app"],
            "[FATAL tini (7)] Not a valid option for -p: BYE",
            false,
        ),
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode(1), "{argv:?}");
        assert_eq!(text.lines().next(), Some(first_line), "{argv:?}");
        assert_eq!(text.contains("\nUsage: tini "), has_usage, "{argv:?}");
        assert_eq!(text.lines().count() > 1, has_usage, "{argv:?}");
    }
}

#[test]
fn it_warns_when_orphans_would_go_past_it() {
    let aside = || World {
        is_pid_1: false,
        ..EMPTY
    };
    assert!(aside().run(&["tini", "app"]).warnings[0].contains("not reaped"));
    assert!(aside().run(&["tini", "-s", "app"]).warnings.is_empty());
    let told = World {
        variables: vec![("TINI_SUBREAPER", "")],
        ..aside()
    };
    assert!(told.run(&["tini", "app"]).warnings.is_empty());
    assert!(aside().run(&["catatonit", "app"]).warnings.is_empty());
    assert!(aside().run(&["monopod", "app"]).warnings.is_empty());
}
