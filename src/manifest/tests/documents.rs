//! Which pod of a text is meant.

use super::{World, faults, one, understood, words};

fn template(kind: &str, api: &str, way: &[&str], policy: &str) -> String {
    let spec = format!("{{restartPolicy: {policy}, containers: [{{name: web, command: [web]}}]}}");
    let inner = format!("{{metadata: {{labels: {{a: b}}}}, spec: {spec}}}");
    let body = way
        .iter()
        .rev()
        .fold(inner, |inner, step| format!("{{{step}: {inner}}}"));
    let body = body
        .strip_prefix('{')
        .and_then(|body| body.strip_suffix('}'))
        .expect("a map");
    format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: some}}, {body}}}")
}

#[test]
fn the_template_of_whatever_makes_pods_is_taken() {
    for (kind, api, way, policy) in [
        ("Deployment", "apps/v1", &["spec", "template"][..], "Always"),
        ("StatefulSet", "apps/v1", &["spec", "template"], "Always"),
        ("DaemonSet", "apps/v1", &["spec", "template"], "Always"),
        ("ReplicaSet", "apps/v1", &["spec", "template"], "Always"),
        (
            "ReplicationController",
            "v1",
            &["spec", "template"],
            "Always",
        ),
        ("Job", "batch/v1", &["spec", "template"], "Never"),
        (
            "CronJob",
            "batch/v1",
            &["spec", "jobTemplate", "spec", "template"],
            "OnFailure",
        ),
        ("PodTemplate", "v1", &["template"], "Never"),
    ] {
        let understood = understood(&template(kind, api, way, policy));
        assert_eq!(understood.name.as_deref(), Some("some"), "{kind}");
        assert_eq!(words(understood.program("web")), ["web"], "{kind}");
    }
}

#[test]
fn a_workloads_rules_hold_for_its_pod() {
    let told = faults(template(
        "Deployment",
        "apps/v1",
        &["spec", "template"],
        "Never",
    ));
    assert!(
        told[0]
            .contains("spec.template.spec.restartPolicy: found Never; a Deployment allows Always"),
        "{told:?}"
    );
    let told = faults(template("Job", "batch/v1", &["spec", "template"], "Always"));
    assert!(
        told[0].contains("a Job allows OnFailure and Never"),
        "{told:?}"
    );
    let told = faults(
        "{apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: a, command: [a]}]}}}}",
    );
    assert!(told[0].contains("restartPolicy is missing"), "{told:?}");
    let told = faults("{apiVersion: apps/v1beta1, kind: Deployment, spec: {}}");
    assert!(
        told.iter()
            .any(|fault| fault.contains("a Deployment has apps/v1")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|fault| fault.contains("spec: template is missing")),
        "{told:?}"
    );
}

const TWO: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, command: [web]}]}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: db}, spec: {containers: [{name: db, command: [db]}]}}
";

#[test]
fn of_several_pods_one_is_chosen_by_name() {
    let world = World {
        wanted: Some("db"),
        ..World::default()
    };
    assert_eq!(words(world.understood(TWO).program("db")), ["db"]);
    let told = faults(TWO);
    assert_eq!(
        told,
        [
            "x: there are several pods in it; choose one by --pod: \"web\" (Pod, line 6), \"db\" (Pod, line 16)"
        ]
    );
    let world = World {
        wanted: Some("cache"),
        ..World::default()
    };
    assert!(
        world.faults(TWO)[0].contains("no pod is named \"cache\"; there is \"web\" (Pod, line 6)")
    );
    let twice = World {
        wanted: Some("web"),
        ..World::default()
    };
    let text = format!("{TWO}---{}", TWO.replace("name: db", "name: cache"));
    assert!(twice.faults(text)[0].contains("2 pods are named \"web\""));
}

#[test]
fn what_is_no_pod_is_said_to_be_none() {
    for (text, expected) in [
        ("", "there is no pod in it; monopod runs a Pod"),
        (
            "# a comment\n---\n",
            "there is no pod in it; monopod runs a Pod",
        ),
        (
            "{apiVersion: v1, kind: Service}",
            "there is no pod in it, only \"Service\"",
        ),
        ("{apiVersion: v1, kind: pod, spec: {}}", "did you mean Pod?"),
        (
            "{apiVersion: v1, kind: Dployment}",
            "there is no pod in it, only \"Dployment\"",
        ),
        ("spec: {containers: []}", "kind is missing"),
        ("a: b", "has neither a kind nor containers"),
        ("- a", "a document is a map"),
        ("nginx", "a document is a map"),
        (
            "{kind: Pod, spec: {containers: [{name: a, command: [a]}]}}",
            "apiVersion is missing; a Pod has v1",
        ),
        (
            "{apiVersion: v2, kind: Pod, spec: {containers: [{name: a, command: [a]}]}}",
            "a Pod has v1",
        ),
        ("{apiVersion: v1, kind: Pod}", "spec is missing"),
        (
            "{apiVersion: v1, kind: Pod, sepc: {}}",
            "did you mean spec?",
        ),
        (
            "{apiVersion: v1, kind: List, items: []}",
            "there is no pod in it",
        ),
    ] {
        let told = faults(text);
        assert!(told[0].contains(expected), "{text}: {told:?}");
    }
}

#[test]
fn what_a_cluster_adds_to_a_pod_is_no_fault() {
    let text = format!(
        "
apiVersion: v1
kind: Pod
metadata:
  name: web
  uid: x
  creationTimestamp: 2026-01-01T00:00:00Z
  managedFields: []
  ownerReferences: []
status: {{phase: Running}}
spec:
  nodeName: a
  schedulerName: default-scheduler
  tolerations: []
  priority: 0
{}",
        one("")
            .replace("\n", "\n  ")
            .replacen("containers", "  containers", 1)
    );
    let understood = understood(&text);
    assert!(understood.warnings.is_empty());
    assert_eq!(
        understood.notes,
        ["left to the outer container: nodeName, schedulerName, priority"]
    );
}

#[test]
fn what_a_job_says_of_its_pods_is_not_followed_in_silence() {
    let pod = "{spec: {restartPolicy: Never, activeDeadlineSeconds: 9, containers: [{name: a, command: [a]}]}}";
    let job = format!("{{activeDeadlineSeconds: 5, backoffLimit: 0, template: {pod}}}");
    for (text, way) in [
        (
            format!("{{apiVersion: batch/v1, kind: Job, spec: {job}}}"),
            "spec",
        ),
        (
            format!(
                "{{apiVersion: batch/v1, kind: CronJob, spec: {{jobTemplate: {{spec: {job}}}}}}}"
            ),
            "spec.jobTemplate.spec",
        ),
    ] {
        let understood = understood(&text);
        assert_eq!(
            understood.pod.active_deadline,
            Some(std::time::Duration::from_secs(9))
        );
        let told = &understood.warnings;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with(&format!("{way}.activeDeadlineSeconds is the job's own")),
            "{told:?}"
        );
        assert!(
            told[1].starts_with(&format!("{way}.backoffLimit is the job's own")),
            "{told:?}"
        );
    }
}
