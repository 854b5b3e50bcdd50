//! YAML and JSON: one road.

use super::{faults, one, understood, words};

#[test]
fn json_is_read_with_its_own_escapes() {
    let text = "{\"containers\":[{\"name\":\"web\",\"command\":[\"w\\/e\\u0062\",\"\\ud83d\\ude00\",\"a\\tb\",\"\u{e9}\"],\n\t\"stdin\":false}]}";
    assert_eq!(
        words(understood(text).program("web")),
        ["w/eb", "\u{1f600}", "a\tb", "\u{e9}"]
    );
    let told = faults(
        "{\"containers\": [{\"name\": \"web\", \"command\": [\"web\"], \"stdin\": 1, \"stdin\": true}]}",
    );
    assert_eq!(
        told,
        [
            "x:1:62: containers[0].stdin: found the number 1 where true or false belongs",
            "x:1:65: the key \"stdin\" was said in line 1",
        ]
    );
    let big = "{\"terminationGracePeriodSeconds\": 123456789012345678901234567890, \"containers\": [{\"name\": \"a\", \"command\": [\"a\"]}]}";
    assert!(
        faults(big)[0].contains(
            "found the number 123456789012345678901234567890 where a whole number belongs"
        )
    );
}

#[test]
fn a_key_that_is_said_twice_is_a_fault() {
    let told = faults(one("image: a\nimage: b"));
    assert_eq!(told, ["x:5:3: the key \"image\" was said in line 4"]);
}

#[test]
fn aliases_and_merges_stand_for_what_they_name() {
    let text = "
containers:
- &base
  name: a
  command: [a]
  livenessProbe: &probe {exec: {command: [x]}, periodSeconds: 2}
  readinessProbe: *probe
- <<: *base
  name: b
- <<: [{name: c, workingDir: /c}, *base]
";
    let understood = understood(text);
    assert_eq!(words(understood.program("b")), ["a"]);
    assert_eq!(
        understood
            .container("a")
            .liveness_probe
            .as_ref()
            .map(|p| p.period),
        understood
            .container("c")
            .readiness_probe
            .as_ref()
            .map(|p| p.period)
    );
    assert_eq!(understood.program("c").working_dir.as_deref(), Some(c"/c"));
    assert!(faults("containers: *nobody")[0].contains("this is neither YAML nor JSON"));
    assert!(faults("containers: &a [*a]")[0].contains("an alias inside of what it stands for"));
    assert!(faults("<<: 5")[0].contains("<< takes a map"));
}

#[test]
fn null_is_as_good_as_nothing() {
    understood(&one("env:\nimage: null\nlivenessProbe: ~"));
    assert!(faults(one("env: [{name: }]"))[0].contains("name is missing"));
}

#[test]
fn a_block_keeps_its_lines() {
    let understood = understood(&one(
        "args:\n- |\n  set -e\n  echo $HOME\n- >-\n  a\n  b\n- !!str 5",
    ));
    assert_eq!(
        words(understood.program("web")),
        ["web", "set -e\necho $HOME\n", "a b", "5"]
    );
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    for (text, place) in [
        ("a: [", "x:1:4:"),
        ("a: 1\n\tb: 2", "x:1:4:"),
        ("a: !custom x", "x:1:"),
        ("? [a]\n: b", "x:1:3:"),
        ("{\"a\": \"\\ud83d\"}", "x:1:"),
    ] {
        let told = faults(text);
        assert!(told[0].starts_with(place), "{text}: {told:?}");
    }
}
