//! Small texts that stand for very much: refused before it is made. What that takes, `tests/manifest.rs` measures.

use super::{faults, one, understood, words};

/// `args` of so many times one word.
fn repeated(first: &str, more: &str, times: usize) -> String {
    format!("args: [{first}{}]", format!(", {more}").repeat(times))
}

#[track_caller]
fn is_too_much(fields: &str, at: &str) {
    let told = faults(one(fields));
    let what = "with this it is more than 4194304 bytes of arguments and variables in all";
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with(&format!("{at}: {what}")), "{told:?}");
}

#[test]
fn variables_that_double_each_other_are_refused_before_they_are_made() {
    let doubling = (1..60).fold(
        "env:\n- {name: V0, value: aaaaaaaaaaaaaaaa}\n".to_owned(),
        |text, n| format!("{text}- {{name: V{n}, value: $(V{0})$(V{0})}}\n", n - 1),
    );
    is_too_much(&doubling, "containers[0].env[17]");
}

#[test]
fn a_long_variable_named_often_is_refused_in_words_and_in_exec_probes() {
    let long = "b".repeat(500_000);
    let env = format!("env: [{{name: B, value: {long}}}]\n");
    let often = repeated("$(B)$(B)$(B)$(B)", "$(B)$(B)$(B)$(B)", 1000);
    is_too_much(&(env.clone() + &often), "containers[0].args[1]");
    let probe = format!(
        "livenessProbe: {{exec: {{command: [x, {}]}}}}",
        ["$(B)"; 100].join(", ")
    );
    is_too_much(&(env + &probe), "containers[0].livenessProbe.exec");
}

#[test]
fn a_long_word_named_by_alias_is_counted_each_time() {
    let long = "a".repeat(900_000);
    let told = faults(one(&repeated(&format!("&a {long}"), "*a", 30_000)));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].ends_with("more than 4194304 bytes of text by aliases"),
        "{told:?}"
    );
    let keys = format!("- &m {{{}: 1}}\n", "k".repeat(1000)) + &"- {<<: *m}\n".repeat(10_000);
    let told = faults(keys);
    assert!(
        told[0].ends_with("more than 4194304 bytes of text by aliases"),
        "{told:?}"
    );
}

#[test]
fn what_is_named_often_and_is_little_is_no_fault() {
    let twice = one(&repeated("&a word", "*a", 50_000));
    let understood = understood(&twice);
    assert_eq!(words(understood.program("web")).len(), 50_002);
}

#[test]
fn more_containers_than_a_pod_can_have_are_one_fault_and_the_rest_are_not_read() {
    let entry = |i| format!("- {{name: c{i}, command: [x]}}\n");
    let text = "containers:\n".to_owned() + &(0..5_001).map(entry).collect::<String>();
    assert_eq!(
        faults(text),
        ["x:2:3: containers: has 5001 entries; 5000 are allowed"]
    );
}

#[test]
fn faults_that_are_not_told_are_counted_still() {
    let unknown: String = (0..70_000).map(|i| format!("x{i}: 1\n")).collect();
    let told = faults(one(&unknown));
    assert_eq!(told.len(), 51);
    assert_eq!(told[50], "x: 69950 more such faults");
}
