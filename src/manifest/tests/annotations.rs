//! monopod's own annotations.

use super::{faults, understood};
use crate::plan::{Format, Output};

fn pod(annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\n  annotations:\n{annotations}spec:\n  containers:\n  \
         - {{name: web, command: [web]}}\n  - {{name: worker, command: [worker]}}\n"
    )
}

#[test]
fn one_containers_annotation_beats_that_of_the_pod() {
    let text = pod(
        "    monopod/output: json\n    monopod/output.web: inherit\n    example.com/output: nobody's business\n",
    );
    let outputs = understood(&text).outputs;
    assert_eq!(outputs.of("web"), Some(Output::Inherited));
    assert_eq!(outputs.of("worker"), Some(Output::Relayed(Format::Json)));
    let silent = understood("containers: [{name: web, command: [web]}]").outputs;
    assert_eq!(silent.of("web"), None);
}

#[test]
fn the_pods_own_annotations_count_and_not_its_makers() {
    let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {annotations: {monopod/output: json}}, \
                spec: {template: {metadata: {annotations: {monopod/output.web: prefix}}, \
                spec: {containers: [{name: web, command: [web]}, {name: b, command: [b]}]}}}}";
    let outputs = understood(text).outputs;
    assert_eq!(outputs.of("web"), Some(Output::Relayed(Format::Prefix)));
    assert_eq!(outputs.of("b"), None);
}

#[test]
fn what_was_meant_for_us_and_is_not_understood_is_a_fault() {
    let told = faults(pod(
        "    monopod/output: jsn\n    monopod/output.web: loud\n    monopod/output.wroker: json\n    \
         monopod/output.db: json\n    monopod/outputs.web: json\n    monopod/grace: 5s\n    monopod/output.worker: true\n",
    ));
    assert_eq!(
        told,
        [
            "x:6:21: metadata.annotations[\"monopod/output\"]: found \"jsn\"; did you mean json?",
            "x:7:25: metadata.annotations[\"monopod/output.web\"]: found \"loud\"; write inherit, prefix, json or \
             json-merge",
            "x:8:28: metadata.annotations[\"monopod/output.wroker\"]: no container is named \"wroker\"; did you mean \
             worker?",
            "x:9:24: metadata.annotations[\"monopod/output.db\"]: no container is named \"db\"; there is web, worker",
            "x:10:26: metadata.annotations[\"monopod/outputs.web\"]: \"monopod/outputs.web\" is no annotation of \
             monopod's; did you mean monopod/output.web?",
            "x:11:20: metadata.annotations[\"monopod/grace\"]: \"monopod/grace\" is no annotation of monopod's; it knows \
             monopod/output and monopod/output.CONTAINER",
            "x:12:28: metadata.annotations[\"monopod/output.worker\"]: found the boolean \"true\" where a text belongs; \
             put it in quotes",
        ]
    );
}
