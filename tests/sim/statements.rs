//! Every statement of kubelet-semantics H.1 and H.3 to H.6 is told by a test that bears its number, or stands here with
//! the reason why not and where it is looked after instead. The choices taken where upstream is an artefact (level X)
//! stand here too.
//!
//! The test below reads the sources, so a story that is renamed or lost is missed at once.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The statements about life cycles: H.1, H.3, H.4, H.5, H.6.
const STATEMENTS: [RangeInclusive<u32>; 5] = [1..=36, 70..=90, 100..=126, 130..=162, 170..=182];

/// Not a matter for the pretend clock: the statement, why, and where it is looked after.
const ELSEWHERE: [(u32, &str); 15] = [
    (
        32,
        "numbers of a manifest: src/manifest fills in the defaults",
    ),
    (33, "numbers of a manifest: src/manifest refuses them"),
    (34, "numbers of a manifest: src/manifest accepts them"),
    (
        79,
        "bytes of a hook's request: the helper (src/net) asks again over http and answers with Cause::HttpFallback",
    ),
    (
        90,
        "numbers of a manifest: src/manifest refuses a sleep beyond the grace",
    ),
    (
        107,
        "periods of delete requests: nobody can send monopod one; a second ask is no new period (S110)",
    ),
    (
        108,
        "periods of delete requests: nobody can send monopod one; a grace of zero is S102",
    ),
    (
        121,
        "a file's text: the hands (src/linux) read it, src/report shows it",
    ),
    (122, "a file's text: the hands keep the last 4096 bytes"),
    (123, "a container's output: the hands keep its tail"),
    (
        124,
        "a container's output: the hands show it after failures only",
    ),
    (125, "the length of what is published: src/report cuts it"),
    (126, "a file's text: the hands empty it before each start"),
    (139, "words: src/report writes durations as Go does"),
    (
        145,
        "rules of a manifest: src/manifest refuses rules without a policy",
    ),
];

/// Where upstream is an artefact: what monopod does. Each has a story.
const CHOICES: [(u32, &str); 6] = [
    (35, "all counters are new with a new instance"),
    (36, "all counters are new with a new instance"),
    (
        42,
        "a probe's program that cannot be run says nothing about the container, as with the kubelet",
    ),
    (
        159,
        "every end counts for the back-off, also that of an instance that a probe killed",
    ),
    (
        160,
        "what a probe killed is restarted unless the policy is Never, whatever its code",
    ),
    (
        161,
        "back-off is forgotten after a run of more than ten minutes and never by the calendar",
    ),
];

/// Where monopod departs from an N or K statement on purpose.
const DEPARTURES: [(u32, &str); 2] = [
    (
        84,
        "in a stop of the pod, what the hook took is not rounded to whole seconds: whoever kills the pod from outside \
          does not round either, so the pod has one absolute end. When one container is stopped alone, it is",
    ),
    (
        162,
        "a container that takes long to stop holds no other, as the statement itself advises",
    ),
];

#[test]
fn every_statement_is_told_by_a_test_or_stands_here_with_the_reason() {
    let told = numbers_in_test_names();
    let elsewhere: BTreeSet<u32> = ELSEWHERE.iter().map(|(number, _)| *number).collect();
    let missing: Vec<u32> = STATEMENTS
        .into_iter()
        .flatten()
        .filter(|number| !told.contains(number) && !elsewhere.contains(number))
        .collect();
    assert_eq!(
        missing,
        Vec::<u32>::new(),
        "neither told by a test sNN_… nor listed"
    );
}

#[test]
fn a_choice_and_a_departure_have_a_story() {
    let told = numbers_in_test_names();
    let listed = CHOICES.iter().chain(&DEPARTURES).map(|(number, _)| *number);
    let untold: Vec<u32> = listed.filter(|number| !told.contains(number)).collect();
    assert_eq!(untold, Vec::<u32>::new());
}

fn numbers_in_test_names() -> BTreeSet<u32> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut numbers = BTreeSet::new();
    for folder in ["src", "tests"] {
        for file in rust_files(&root.join(folder)) {
            let text = fs::read_to_string(&file).expect("a source file is text");
            let names = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("fn "));
            numbers.extend(names.flat_map(numbers_of));
        }
    }
    numbers
}

/// `s149_s150_what_it_says` is about 149 and 150.
fn numbers_of(name: &str) -> Vec<u32> {
    let parts = name
        .split('_')
        .map_while(|part| part.strip_prefix('s')?.parse().ok());
    parts.collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of sources can be read");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn the_numbers_of_a_name() {
    assert_eq!(numbers_of("s149_s150_what_it_says() {"), [149, 150]);
    assert_eq!(numbers_of("seconds(span: Duration)"), Vec::<u32>::new());
}
