//! The own form with a manifest.

use super::{EMPTY, Run, Stream, World, with, words};
use crate::plan::{Conduct, ExitCode, Handler, Hook, Pod, Signal};
use std::time::Duration;

const WEB: &[u8] = b"
terminationGracePeriodSeconds: 60
initContainers: [{name: step, command: [step]}]
containers:
- {name: web, command: [web, $(HOME)], livenessProbe: {exec: {command: [old]}}}
";

const TWO: &[u8] = b"containers: [{name: a, command: [a]}, {name: b, command: [b], image: b, resources: {limits: {}}}]";

fn world() -> World {
    World {
        variables: vec![("HOME", "/root")],
        files: vec![
            ("pod.yaml", WEB),
            ("two.yaml", TWO),
            (
                "bad.yaml",
                b"containers: [{name: a, comand: [a]}]\ncontainer: 1",
            ),
            ("-", b"containers: [{name: read, command: [read]}]"),
            ("open.yaml", b"containers: [{name: open}]"),
            ("env", b"HOME=/home\nX=1\n"),
        ],
        ..EMPTY
    }
}

fn pod(run: &Run) -> &Pod {
    match &run.plan.conduct {
        Conduct::Pod(pod) => pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_manifest_is_the_plan_and_flags_override_it() {
    let run = world().run(&["monopod", "-f", "pod.yaml"]);
    assert_eq!(pod(&run).grace, Duration::from_secs(60));
    assert!(run.plan.subreaper && !run.plan.let_go);
    let web = &pod(&run).containers[1];
    assert_eq!(words(run.plan.program(web.program)), ["web", "/root"]);
    let run = world().run(&[
        "monopod",
        "--file=pod.yaml",
        "--grace=10",
        "--drain=2",
        "--stop-on=QUIT",
        "--stop-signal=QUIT",
        "--remap-exit=143=0",
        "--exit-code-from=web",
        "--health=:9110",
        "--env-file=env",
        "--liveness-probe=exec:new,period=2",
        "--readiness-probe=:80/x",
        "--pre-stop=bye now",
        "--post-start=hello",
    ]);
    let pod = pod(&run);
    assert_eq!(
        (pod.grace, pod.drain),
        (Duration::from_secs(10), Duration::from_secs(2))
    );
    assert!(
        pod.containers
            .iter()
            .all(|c| c.stop_signal.map(Signal::number) == Some(3))
    );
    assert_eq!(pod.stop_on.iter().map(|s| s.number()).sum::<i32>(), 3);
    assert_eq!(pod.remap_exit.apply(ExitCode(143)), ExitCode(0));
    assert_eq!(pod.exit_code_from.map(|id| id.0), Some(1));
    assert!(run.plan.health.is_some());
    let web = &pod.containers[1];
    let main = run.plan.program(web.program);
    assert_eq!(
        words(main),
        ["web", "/home"],
        "--env-file is part of the environment"
    );
    assert!(main.environment.base.is_some());
    let liveness = web.liveness_probe.as_ref().expect("there is one");
    let Handler::Exec(id) = liveness.handler else {
        panic!("{liveness:?}")
    };
    assert_eq!(words(run.plan.program(id)), ["new"]);
    assert_eq!(run.plan.program(id).name, "livenessProbe of web");
    assert_eq!(liveness.period, Duration::from_secs(2));
    assert!(matches!(
        web.readiness_probe.as_ref().map(|p| p.handler),
        Some(Handler::Ask(_))
    ));
    let Some(Hook::Exec(id)) = web.pre_stop else {
        panic!("{web:?}")
    };
    assert_eq!(words(run.plan.program(id)), ["bye", "now"]);
    let Some(Hook::Exec(id)) = web.post_start else {
        panic!("{web:?}")
    };
    assert!(run.plan.program(id).kept_output, "as its own hooks");
}

#[test]
fn the_manifest_may_come_by_variable_and_by_standard_input() {
    let mut world = world();
    world.variables.push(("MONOPOD_MANIFEST", "two.yaml"));
    assert_eq!(pod(&world.run(&["monopod"])).containers.len(), 2);
    let run = world.run(&["monopod", "-f-"]);
    assert_eq!(pod(&run).containers[0].name, "read");
    let run = world.run(&["monopod", "-f", "open.yaml", "--", "nginx", "-g"]);
    assert_eq!(
        words(run.plan.program(pod(&run).containers[0].program)),
        ["nginx", "-g"]
    );
    let run = world.run(&["monopod", "-f", "two.yaml"]);
    assert_eq!(run.warnings, [""; 0]);
    assert_eq!(run.notes, ["left to the outer container: resources"]);
}

#[test]
fn faults_of_the_manifest_have_their_own_exit_code() {
    let (text, code) = world().printed(Stream::Stderr, &["monopod", "-f", "bad.yaml"]);
    assert_eq!(code, ExitCode::CONFIG);
    assert!(
        text.lines()
            .all(|line| line.starts_with("monopod: error: bad.yaml:")),
        "{text}"
    );
    assert!(
        text.contains("bad.yaml:1:24: containers[0]: \"comand\""),
        "{text}"
    );
    assert!(
        text.contains(
            "bad.yaml:2:1: \"container\" is no field of a PodSpec; did you mean containers?"
        ),
        "{text}"
    );
    let (text, code) = world().printed(Stream::Stderr, &["monopod", "-f", "missing.yaml"]);
    assert_eq!(code, ExitCode::CONFIG);
    assert!(
        text.contains("cannot read missing.yaml: no such file"),
        "{text}"
    );
}

#[test]
fn faults_of_the_command_line_are_told_first() {
    for (argv, expected) in [
        (
            &["monopod", "-f", "bad.yaml", "--grace", "x"][..],
            "is not a duration",
        ),
        (
            &["monopod", "-f", "pod.yaml", "--init", "x"],
            "--init is for a command alone",
        ),
        (
            &["monopod", "-f", "pod.yaml", "--drain", "2m"],
            "--drain 2m is longer than the grace 1m",
        ),
        (
            &["monopod", "-f", "two.yaml", "--pre-stop", "x"],
            "--pre-stop is for one container, and there are 2",
        ),
        (
            &["monopod", "-f", "two.yaml", "--exit-code-from", "c"],
            "no main container is named \"c\"; there is a, b",
        ),
        (
            &["monopod", "--pod", "x", "true"],
            "--pod is for a manifest",
        ),
        (
            &["monopod", "--exit-code-from", "x", "true"],
            "--exit-code-from is for a manifest",
        ),
        (&["monopod", "check"], "nothing to check"),
        (
            &["monopod", "check", "-o", "yaml", "-f", "pod.yaml"],
            "write text or json",
        ),
    ] {
        let (text, code) = world().printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::USAGE, "{argv:?}: {text}");
        assert!(text.contains(expected), "{argv:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{argv:?}: {text}");
    }
}

#[test]
fn a_manifest_in_the_place_of_the_command_is_a_forgotten_flag() {
    for argv in [
        &["monopod", "web.yaml"][..],
        &["monopod", "check", "examples/web.yml"],
        &["monopod", "--grace", "5", "./web.json"],
    ] {
        let (text, code) = world().printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::USAGE, "{argv:?}");
        let meant = format!("did you mean -f {}?", argv[argv.len() - 1]);
        assert!(text.contains(&meant), "{argv:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{argv:?}: {text}");
    }
    for argv in [
        &["monopod", "--", "web.yaml"][..],
        &["monopod", "cat", "web.yaml"],
        &["monopod", "web.yaml", "now"],
        &["monopod", "yaml"],
        &["monopod", "-f", "open.yaml", "web.yaml"],
    ] {
        world().run(argv);
    }
}

#[test]
fn check_shows_the_plan_of_the_same_command_line_and_starts_nothing() {
    let (text, code) = world().printed(
        Stream::Stdout,
        &["monopod", "check", "-f", "pod.yaml", "--grace", "10"],
    );
    assert_eq!(code, ExitCode::SUCCESS);
    for line in [
        "grace            10s",
        "init step",
        "main web",
        "  restart          OnFailure",
        "  command          web /root",
        "  restart          Always",
        "  livenessProbe    exec old, delay 0s, period 10s, timeout 1s, failures 3, successes 1",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line:?} is not in\n{text}"
        );
    }
    let (text, _) = world().printed(
        Stream::Stdout,
        &["monopod", "check", "-o", "json", "-f", "two.yaml"],
    );
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["containers"][1]["command"][0], "b");
    assert_eq!(
        json["warnings"][0],
        "left to the outer container: image, resources"
    );
    let (text, _) = world().printed(Stream::Stdout, &["monopod", "check", "-f", "-"]);
    assert!(
        text.contains("terminationMessagePath /dev/termination-log"),
        "{text}"
    );
    let (text, _) = world().printed(
        Stream::Stdout,
        &["monopod", "check", "--init", "migrate", "--", "web", "a b"],
    );
    assert!(
        text.contains("web \"a b\"") && text.contains("migrate"),
        "{text}"
    );
    let (_, code) = world().printed(Stream::Stderr, &["monopod", "check", "-f", "bad.yaml"]);
    assert_eq!(code, ExitCode::CONFIG);
    let (text, _) = world().printed(Stream::Stdout, &["monopod", "check", "--help"]);
    assert!(text.contains("--format FORMAT"), "{text}");
}

#[test]
fn check_never_shows_a_variables_value() {
    let world = World {
        files: vec![(
            "pod.yaml",
            b"containers: [{name: a, command: [a], env: [{name: PASSWORD, value: secret}]}]",
        )],
        ..with(&[])
    };
    for format in ["text", "json"] {
        let (text, _) = world.printed(
            Stream::Stdout,
            &["monopod", "check", "-o", format, "-f", "pod.yaml"],
        );
        assert!(
            text.contains("PASSWORD") && !text.contains("secret"),
            "{text}"
        );
    }
}
