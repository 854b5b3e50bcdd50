//! catatonit's command line, checked by hand against catatonit 0.1.7 of Debian 12, whose options are those of 0.2.1.

use super::super::Voice;
use super::{EMPTY, Stream, with};
use crate::plan::{ExitCode, Mask, Placement, Target};
use log::LevelFilter;

#[test]
fn a_program_alone() {
    let run = EMPTY.run(&["catatonit", "app", "--", "-g"]);
    let conduct = run.passthrough();
    assert_eq!(run.command(), ["app", "--", "-g"]);
    assert_eq!(conduct.target, Target::Process);
    assert!(conduct.rewrites.is_empty());
    assert!(!conduct.suspend_self && !conduct.farewell && !conduct.warn_on_reap);
    let program = &run.plan.programs[0];
    assert_eq!(program.placement, Placement::Group);
    assert!(program.foreground);
    assert_eq!(program.mask, Mask::Inherited);
    assert!(run.plan.subreaper && run.plan.let_go);
    assert_eq!(run.log.voice, Voice::Catatonit);
    assert_eq!(run.log.level, LevelFilter::Error);
}

#[test]
fn the_group_gets_the_signals_on_demand() {
    for argv in [
        &["catatonit", "-g", "app"][..],
        &["podman-init", "-g", "--", "app"],
    ] {
        assert_eq!(
            EMPTY.run(argv).passthrough().target,
            Target::Group,
            "{argv:?}"
        );
    }
}

#[test]
fn a_pause_runs_nothing_whatever_follows() {
    for argv in [
        &["/catatonit", "-P"][..],
        &["catatonit", "-gP"],
        &["catatonit", "-P", "app"],
        &["catatonit", "-P", "--", "app"],
    ] {
        let run = EMPTY.run(argv);
        assert_eq!(run.passthrough().main, None, "{argv:?}");
        assert!(run.plan.programs.is_empty(), "{argv:?}");
        assert!(run.plan.subreaper && run.plan.let_go);
    }
}

#[test]
fn debugging_is_on_when_its_variable_is_there_and_the_reserved_one_is_refused_first() {
    for value in ["", "0", "1"] {
        let run = with(&[("CATATONIT_DEBUG", value)]).run(&["catatonit", "app"]);
        assert_eq!(run.log.level, LevelFilter::Debug, "{value:?}");
    }
    for argv in [
        &["catatonit", "app"][..],
        &["catatonit", "-h"],
        &["podman-init", "-z"],
    ] {
        let (text, code) = with(&[("CATATONIT_LOG", "")]).printed(Stream::Stderr, argv);
        assert!(
            text.starts_with("ERROR (catatonit:7): CATATONIT_LOG "),
            "{text}"
        );
        assert_eq!(code, ExitCode(1), "{argv:?}");
    }
}

#[test]
fn texts_go_where_the_original_prints_them() {
    let (text, code) = EMPTY.printed(Stream::Stderr, &["catatonit", "-hz"]);
    assert_eq!(code, ExitCode::SUCCESS);
    for fact in [
        "[-ghLPV]",
        "  -g ",
        "  -h ",
        "  -L ",
        "  -P ",
        "  -V, --version",
    ] {
        assert!(text.contains(fact), "{fact}");
    }
    let (text, code) = EMPTY.printed(Stream::Stdout, &["catatonit", "-Lz"]);
    assert_eq!((text.lines().count(), code), (1, ExitCode::SUCCESS));
    for argv in [
        &["catatonit", "-V"][..],
        &["podman-init", "--version", "app"],
        &["catatonit", "--v"],
        &["catatonit", "-V", "-z"],
    ] {
        let (text, code) = EMPTY.printed(Stream::Stdout, argv);
        assert_eq!(
            text, "tini version 0.2.1_catatonit - git.monopod\n",
            "{argv:?}"
        );
        assert_eq!(code, ExitCode::SUCCESS);
    }
}

#[test]
fn misuse_leaves_with_1_and_shows_the_usage() {
    for (argv, expected) in [
        (&["catatonit"][..], "no program to run"),
        (&["catatonit", "-g", "--"], "no program to run"),
        (&["catatonit", "-zL"], "invalid option '-z'"),
        (&["catatonit", "--help"], "invalid option '--help'"),
        (
            &["catatonit", "--version=3"],
            "option '--version' takes no value",
        ),
        (&["catatonit", "-e", "3", "app"], "invalid option '-e'"),
        (&["catatonit", "-P", "-s"], "invalid option '-s'"),
    ] {
        let (text, code) = EMPTY.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode(1), "{argv:?}");
        assert!(text.starts_with("ERROR (catatonit:7): "), "{text}");
        let first = text.lines().next().unwrap_or("");
        assert!(first.ends_with(expected), "{argv:?}: {text}");
        assert!(text.contains("\nusage: catatonit [-ghLPV]"), "{text}");
    }
}
