//! The own form.

use super::super::Voice;
use super::{EMPTY, Stream, with, words};
use crate::plan::{
    ExitCode, HealthAddress, Hook, Mask, Placement, ProgramId, RestartPolicy, Signal, Stdin,
};
use log::LevelFilter;
use std::time::Duration;

#[test]
fn a_command_alone_gets_the_kubelets_defaults() {
    let run = EMPTY.run(&["monopod", "/usr/sbin/nginx", "-g", "daemon off;"]);
    let pod = run.pod();
    assert_eq!(run.command(), ["/usr/sbin/nginx", "-g", "daemon off;"]);
    assert!(run.steps().is_empty());
    assert_eq!(run.main().restart.policy, RestartPolicy::Never);
    assert!(!run.main().kills_its_tree);
    assert_eq!(pod.grace, Duration::from_secs(30));
    assert_eq!(pod.drain, Duration::ZERO);
    assert_eq!(run.main().pre_stop, None);
    assert_eq!(run.main().stop_signal, None);
    assert_eq!(pod.remap_exit.apply(ExitCode(143)), ExitCode(143));
    assert_eq!(run.plan.health, None);
    assert_eq!(run.plan.parent_death_signal, None);
    assert!(run.plan.subreaper && run.plan.let_go);
    assert!(run.plan.programs[0].environment.base.is_none());
    assert_eq!(run.log.voice, Voice::Text);
    assert_eq!(run.log.level, LevelFilter::Warn);
    assert!(run.warnings.is_empty());
    let program = &run.plan.programs[0];
    assert_eq!(program.name, "nginx");
    assert_eq!(program.placement, Placement::Group);
    assert!(program.foreground);
    assert_eq!(program.mask, Mask::Empty);
    assert_eq!(program.stdin, Stdin::Inherited);
}

#[test]
fn every_flag_fills_in_its_place_in_either_spelling() {
    let apart = [
        "monopod",
        "--init",
        "/bin/migrate --wait 'a b'",
        "--init",
        "seed",
        "--init-retries",
        "3",
        "--grace",
        "1m 30s",
        "--drain",
        "5",
        "--stop-on",
        "TERM,rtmin+3",
        "--stop-signal",
        "quit",
        "--pre-stop",
        "/hooks/bye",
        "--remap-exit",
        "143=0",
        "--remap-exit",
        "1=2",
        "--health",
        ":9110",
        "--log-level",
        "debug",
        "--log-format",
        "json",
        "--",
        "app",
        "--init",
        "x",
    ];
    let joined = [
        "monopod",
        "--init=/bin/migrate --wait 'a b'",
        "--init=seed",
        "--init-retries=3",
        "--grace=1m 30s",
        "--drain=5",
        "--stop-on=TERM,rtmin+3",
        "--stop-signal=quit",
        "--pre-stop=/hooks/bye",
        "--remap-exit=143=0",
        "--remap-exit=1=2",
        "--health=:9110",
        "--log-level=debug",
        "--log-format=json",
        "app",
        "--init",
        "x",
    ];
    let variables = with(&[
        ("MONOPOD_INIT", "/bin/migrate --wait 'a b'\n\n seed\n"),
        ("MONOPOD_INIT_RETRIES", "3"),
        ("MONOPOD_GRACE", "1m 30s"),
        ("MONOPOD_DRAIN", "5"),
        ("MONOPOD_STOP_ON", "TERM, SIGRTMIN+3"),
        ("MONOPOD_STOP_SIGNAL", "quit"),
        ("MONOPOD_PRE_STOP", "/hooks/bye"),
        ("MONOPOD_REMAP_EXIT", "143=0\n1=2"),
        ("MONOPOD_HEALTH", ":9110"),
        ("MONOPOD_LOG_LEVEL", "debug"),
        ("MONOPOD_LOG_FORMAT", "json"),
    ]);
    let alone = ["monopod", "app", "--init", "x"];
    for (world, argv) in [
        (&EMPTY, &apart[..]),
        (&EMPTY, &joined[..]),
        (&variables, &alone[..]),
    ] {
        let run = world.run(argv);
        let pod = run.pod();
        let names: Vec<&str> = run.plan.programs.iter().map(|p| &p.name[..]).collect();
        assert_eq!(
            names,
            [
                "init step 1 (migrate)",
                "init step 2 (seed)",
                "app",
                "pre-stop hook (bye)"
            ]
        );
        assert_eq!(
            words(&run.plan.programs[0]),
            ["/bin/migrate", "--wait", "a b"]
        );
        assert_eq!(run.command(), ["app", "--init", "x"]);
        let steps = run.steps();
        let programs: Vec<ProgramId> = steps.iter().map(|step| step.program).collect();
        assert_eq!(programs, [ProgramId(0), ProgramId(1)]);
        assert_eq!(run.main().program, ProgramId(2));
        assert_eq!(run.main().pre_stop, Some(Hook::Exec(ProgramId(3))));
        for step in steps {
            assert_eq!(step.restart.policy, RestartPolicy::OnFailure);
            assert_eq!(step.restart.at_most, Some(3));
        }
        assert_eq!(pod.grace, Duration::from_secs(90));
        assert_eq!(pod.drain, Duration::from_secs(5));
        let stop_on: Vec<i32> = pod.stop_on.iter().map(|s| s.number()).collect();
        assert_eq!(stop_on, [libc::SIGTERM, 37]);
        assert_eq!(
            run.main().stop_signal.map(Signal::number),
            Some(libc::SIGQUIT)
        );
        assert_eq!(pod.remap_exit.apply(ExitCode(143)), ExitCode(0));
        assert_eq!(pod.remap_exit.apply(ExitCode(1)), ExitCode(2));
        assert_eq!(run.plan.health, Some(HealthAddress::Any(9110)));
        assert_eq!(run.log.level, LevelFilter::Debug);
        assert_eq!(run.log.voice, Voice::Json);
        for (i, program) in run.plan.programs.iter().enumerate() {
            let expected = if i == 2 {
                Stdin::Inherited
            } else {
                Stdin::Empty
            };
            assert_eq!(program.stdin, expected, "{}", program.name);
            assert_eq!(program.placement, Placement::Group);
            assert!(program.foreground);
            assert_eq!(program.mask, Mask::Empty);
        }
        assert!(!run.plan.let_go, "the hook is still to be started");
    }
}

#[test]
fn a_flag_beats_its_variable_and_the_variable_is_not_even_read() {
    let world = with(&[
        ("MONOPOD_GRACE", "nonsense"),
        ("MONOPOD_INIT", "one\ntwo"),
        ("MONOPOD_DRAIN", ""),
        ("MONOPOD_LOG_LEVEL", ""),
    ]);
    let run = world.run(&["monopod", "--grace", "7s", "--init", "three", "app"]);
    assert_eq!(run.pod().grace, Duration::from_secs(7));
    assert_eq!(run.steps().len(), 1);
    assert_eq!(run.plan.programs[0].name, "init step 1 (three)");
    assert_eq!(run.pod().drain, Duration::ZERO);
    assert_eq!(run.log.level, LevelFilter::Warn);
}

#[test]
fn the_last_of_several_counts_for_a_flag_that_does_not_add_up() {
    let run = EMPTY.run(&["monopod", "--grace", "1", "--grace", "2", "app"]);
    assert_eq!(run.pod().grace, Duration::from_secs(2));
}

#[test]
fn flags_end_at_the_first_word_that_is_none() {
    for (argv, command) in [
        (
            &["monopod", "app", "--grace", "x"][..],
            &["app", "--grace", "x"][..],
        ),
        (&["monopod", "--", "app", "--", "a"], &["app", "--", "a"]),
        (&["monopod", "app", "--", "a"], &["app", "--", "a"]),
        (&["monopod", "--", "--grace"], &["--grace"]),
        (&["monopod", "--", "probe", "live"], &["probe", "live"]),
        (&["monopod", "--grace", "1", "probe"], &["probe"]),
        (&["monopod", "--", "--", "a"], &["--", "a"]),
        (&["monopod", "-", "a"], &["-", "a"]),
        (&["monopod", "", "a"], &["", "a"]),
    ] {
        assert_eq!(EMPTY.run(argv).command(), command, "{argv:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output_whatever_else_is_wrong() {
    for argv in [
        &["monopod", "--help"][..],
        &["monopod", "-h"],
        &["monopod", "--graec", "1", "-h", "app"],
        &["monopod", "-hV"],
    ] {
        let (text, code) = EMPTY.printed(Stream::Stdout, argv);
        assert_eq!(code, ExitCode::SUCCESS);
        for flag in super::super::flags::RUN {
            assert!(text.contains(&flag.usage()), "{}", flag.name);
        }
    }
    for argv in [
        &["monopod", "--version"][..],
        &["monopod", "-V"],
        &["monopod", "-Vh"],
    ] {
        let (text, code) = EMPTY.printed(Stream::Stdout, argv);
        assert_eq!(text, format!("monopod {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(code, ExitCode::SUCCESS);
    }
    let run = EMPTY.run(&["monopod", "app", "--help"]);
    assert_eq!(run.command(), ["app", "--help"]);
}

#[test]
fn env_files_override_the_environment_and_later_ones_the_earlier() {
    let mut world = with(&[("A", "own"), ("B", "own"), ("C", "own")]);
    world.files = vec![("/1", b"A=1\nB=1\nD=1\n"), ("/2", b"B=2\nD\nC\nA\n")];
    let entries = |argv: &[&str]| {
        let environment = world.run(argv).plan.programs[0].environment.clone();
        let base = environment.base.expect("files replace what was inherited");
        let mut entries: Vec<String> = base
            .iter()
            .map(|e| e.to_str().expect("UTF-8").to_owned())
            .collect();
        entries.sort();
        entries
    };
    assert_eq!(
        entries(&["monopod", "--env-file", "/1", "app"]),
        ["A=1", "B=1", "C=own", "D=1"]
    );
    assert_eq!(
        entries(&["monopod", "--env-file", "/1", "--env-file", "/2", "app"]),
        ["A=own", "B=2", "C=own", "D=1"]
    );
    world.variables.push(("MONOPOD_ENV_FILE", "/2\n/1"));
    let by_variable = world.run(&["monopod", "app"]).plan.programs[0]
        .environment
        .base
        .clone();
    assert!(by_variable.is_some_and(|base| base.contains(&c"B=1".into())));
}

#[test]
fn a_name_for_people_is_one_line_whatever_the_program_is_called() {
    for (file, name) in [
        ("/bin/sh", "sh"),
        ("a\nb", "a?b"),
        ("\x1b[31mred", "?[31mred"),
        ("/", "/"),
        ("dir/", "dir/"),
    ] {
        assert_eq!(EMPTY.run(&["monopod", file]).plan.programs[0].name, name);
    }
}

#[test]
fn a_variable_that_no_shell_replaces_is_warned_of_with_where_it_stands() {
    let world = with(&[("MONOPOD_INIT", "a\nb $B")]);
    let run = world.run(&[
        "monopod",
        "--pre-stop=echo $HOME",
        "--liveness-probe=exec:ask $ME",
        "--readiness-probe=:80/$x",
        "app",
    ]);
    let starts = [
        "MONOPOD_INIT: $B in",
        "--liveness-probe: $ME in",
        "--pre-stop: $HOME in",
    ];
    assert_eq!(run.warnings.len(), starts.len(), "{:?}", run.warnings);
    for start in starts {
        assert!(
            run.warnings.iter().any(|told| told.starts_with(start)),
            "{:?}",
            run.warnings
        );
    }
}
