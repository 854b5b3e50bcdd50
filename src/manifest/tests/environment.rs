//! Variables, and references to them.

use super::{World, one, understood, words};
use crate::plan::Handler;

fn entries(understood: &super::Understood) -> Vec<String> {
    let extra = &understood.program("web").environment.extra;
    extra
        .iter()
        .map(|entry| entry.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_variable_may_refer_to_those_before_it_and_the_last_of_a_name_holds() {
    let fields = "
env:
- {name: A, value: '1'}
- {name: B, value: $(A)$(C)}
- {name: C, value: $$(A)}
- {name: A, value: $(A)2}
- {name: D}
args: ['$(A)', '$(B)', '$(C)', '$(E)', '$$(A)']";
    let understood = understood(&one(fields));
    assert_eq!(entries(&understood), ["A=12", "B=1$(C)", "C=$(A)", "D="]);
    assert_eq!(
        words(understood.program("web")),
        ["web", "12", "1$(C)", "$(A)", "$(E)", "$(A)"]
    );
}

#[test]
fn what_the_kubelet_put_into_our_environment_can_be_referred_to() {
    let world = World {
        variables: vec![("REDIS_SERVICE_HOST", "10.0.0.1"), ("P_KEY", "v")],
        ..World::default()
    };
    let fields = "
envFrom: [{prefix: P_, configMapRef: {name: c}}, {secretRef: {name: s, optional: true}}]
env: [{name: A, value: $(REDIS_SERVICE_HOST)}]
args: [$(P_KEY), $(A), $(KEY)]";
    let understood = world.understood(&one(fields));
    assert_eq!(
        words(understood.program("web")),
        ["web", "v", "10.0.0.1", "$(KEY)"]
    );
    assert_eq!(
        entries(&understood),
        ["A=10.0.0.1"],
        "the rest is inherited"
    );
}

#[test]
fn a_value_from_elsewhere_is_looked_up_by_the_variables_own_name() {
    let fields = "
env:
- {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: token}}}
- {name: NOTE, valueFrom: {configMapKeyRef: {name: c, key: note, optional: true}}}
- {name: COPY, value: $(TOKEN)}";
    let world = World {
        variables: vec![("TOKEN", "t=1")],
        ..World::default()
    };
    assert_eq!(
        entries(&world.understood(&one(fields))),
        ["TOKEN=t=1", "COPY=t=1"]
    );
    let faults = super::faults(one(fields));
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with(
            "x:6:30: containers[0].env[0].valueFrom: monopod's own environment has no TOKEN"
        ),
        "{faults:?}"
    );
}

#[test]
fn a_check_elsewhere_notes_what_the_run_will_take_from_its_environment() {
    let fields = "
env:
- {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: token}}}
- {name: NOTE, valueFrom: {configMapKeyRef: {name: c, key: note, optional: true}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
args: [$(TOKEN)]";
    let check = World {
        is_check: true,
        ..World::default()
    };
    let understood = check.understood(&one(fields));
    assert_eq!(
        understood.notes,
        [
            "taken from the environment at run time: TOKEN (the secret's value)",
            "taken from the environment at run time: NODE (the pod's field)"
        ]
    );
    assert_eq!(super::faults(one(fields)).len(), 2, "a run needs them");
}

#[test]
fn s44_an_exec_probe_knows_the_literal_variables_only() {
    let world = World {
        variables: vec![("FOO", "outer"), ("BAR", "outer")],
        ..World::default()
    };
    let fields = "
env:
- {name: FOO, value: bar}
- {name: BAR, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
livenessProbe: {exec: {command: [x, $(FOO), $(BAR), $(UNSET), $$(FOO)]}}";
    let understood = world.understood(&one(fields));
    let probe = understood
        .container("web")
        .liveness_probe
        .as_ref()
        .expect("there is one");
    let Handler::Exec(id) = probe.handler else {
        panic!("{probe:?}")
    };
    let program = &understood.programs[id.0];
    assert_eq!(words(program), ["x", "bar", "$(BAR)", "$(UNSET)", "$(FOO)"]);
    assert_eq!(
        program.environment.extra.len(),
        2,
        "it runs with the container's own variables"
    );
}
