//! The flags about output, for a command alone and for a manifest.

use super::{EMPTY, Run, Stream, World};
use crate::plan::{ExitCode, Format, Output, ProgramId};

const SHOP: &[u8] = b"
{apiVersion: v1, kind: Pod, metadata: {annotations: {monopod/output: json, monopod/output.db: inherit}},
spec: {initContainers: [{name: seed, command: [seed]}], containers: [{name: web, command: [web],
livenessProbe: {exec: {command: [ask]}}}, {name: db, command: [db]}]}}";

const ONE: &[u8] = b"containers: [{name: web, command: [web]}]";

fn world() -> World {
    World {
        files: vec![("shop.yaml", SHOP), ("one.yaml", ONE)],
        ..EMPTY
    }
}

/// Whose lines are relayed, and how.
fn relayed(run: &Run) -> Vec<(&str, Format)> {
    let each = run.plan.outputs.relayed.iter();
    each.map(|(_, relayed)| (relayed.container.as_str(), relayed.format))
        .collect()
}

#[test]
fn annotations_say_how_the_output_of_each_container_goes() {
    let run = world().run(&["monopod", "-f", "shop.yaml"]);
    assert_eq!(
        relayed(&run),
        [("seed", Format::Json), ("web", Format::Json)]
    );
    assert_eq!(run.plan.outputs.elsewhere, Output::Relayed(Format::Json));
}

#[test]
fn the_flag_beats_the_annotations_and_is_for_all_containers() {
    let run = world().run(&["monopod", "--output=prefix", "-f", "shop.yaml"]);
    let prefix = Format::Prefix;
    assert_eq!(
        relayed(&run),
        [("seed", prefix), ("web", prefix), ("db", prefix)]
    );
    let run = world().run(&["monopod", "--output=inherit", "-f", "shop.yaml"]);
    assert!(relayed(&run).is_empty());
}

#[test]
fn what_probes_and_hooks_write_is_kept_and_not_relayed() {
    let run = world().run(&["monopod", "--output=json", "-f", "shop.yaml"]);
    for (place, program) in run.plan.programs.iter().enumerate() {
        let is_relayed = run.plan.outputs.of(ProgramId(place)).is_some();
        assert_eq!(is_relayed, !program.kept_output, "{}", program.name);
    }
    let run = world().run(&[
        "monopod",
        "--output=json",
        "--liveness-probe=exec:ask",
        "web",
    ]);
    assert_eq!(relayed(&run), [("web", Format::Json)]);
}

#[test]
fn captured_lines_go_out_in_the_name_of_the_container_that_is_said_or_the_only_one() {
    let names = |argv: &[&str]| -> Vec<Option<String>> {
        let captures = world().run(argv).plan.outputs.captures;
        captures.into_iter().map(|c| c.container).collect()
    };
    let words = [
        "monopod",
        "--capture=/l/a",
        "--capture-follow=/l/b:db",
        "-f",
    ];
    assert_eq!(
        names(&[&words[..], &["shop.yaml"]].concat()),
        [None, Some("db".to_owned())]
    );
    let web = Some("web".to_owned());
    assert_eq!(
        names(&["monopod", "--capture=/l/a", "-f", "one.yaml"]),
        std::slice::from_ref(&web)
    );
    // A command alone has no containers: the name is a label.
    assert_eq!(
        names(&["monopod", "--capture=/l/a", "--capture=/l/b:access", "web"]),
        [web, Some("access".to_owned())]
    );
}

#[test]
fn a_container_that_there_is_not_is_a_fault_at_load() {
    let argv = [
        "monopod",
        "--capture=/l/a:wweb",
        "--capture-follow=/l/b=stderr:cache",
        "-f",
        "shop.yaml",
    ];
    let (text, code) = world().printed(Stream::Stderr, &argv);
    assert_eq!(code, ExitCode::USAGE);
    assert_eq!(
        text,
        "monopod: error: --capture: no container is named \"wweb\", for which \"/l/a\" is to be captured; did you mean \
         web?\nmonopod: error: --capture-follow: no container is named \"cache\", for which \"/l/b\" is to be captured; \
         there is seed, web, db\n"
    );
    let (text, _) = world().printed(Stream::Stderr, &["monopod", "--output=prefx", "web"]);
    assert!(
        text.contains("\"prefx\" is no way for output to go; did you mean prefix?"),
        "{text}"
    );
}

#[test]
fn s123_output_that_is_not_relayed_stands_in_for_nothing_and_that_is_said() {
    let world = World {
        files: vec![(
            "pod.yaml",
            b"containers: [{name: web, command: [web], terminationMessagePolicy: FallbackToLogsOnError}]",
        )],
        ..EMPTY
    };
    let run = world.run(&["monopod", "-f", "pod.yaml"]);
    assert_eq!(
        run.warnings,
        [
            "terminationMessagePolicy FallbackToLogsOnError of web means nothing while output is not relayed (--output)"
        ]
    );
    let run = world.run(&["monopod", "--output=json", "-f", "pod.yaml"]);
    assert!(run.warnings.is_empty());
}

#[test]
fn check_shows_where_output_goes() {
    let argv = ["monopod", "check", "--capture=/l/a:db", "-f", "shop.yaml"];
    let (text, _) = world().printed(Stream::Stdout, &argv);
    assert_eq!(
        text.matches("  output           json\n").count(),
        2,
        "{text}"
    );
    assert!(
        text.contains("\ncaptures         /l/a=stdout:db\n"),
        "{text}"
    );
}
