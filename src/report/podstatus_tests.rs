//! The status in the API's words (kubelet-semantics E.7, F, H.6). What holds when is the machine's; how it is said is here.

use super::*;
use crate::machine::{Stage, Unstartable};
use crate::plan::RestartRule;
use crate::report::samples::{self, LOGGER, WEB, WORKER, at, condition};
use serde_json::json;

fn shown(view: &View) -> Value {
    pod(&samples::frame(), view)
}

fn condition_of<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let all = document["status"]["conditions"].as_array().unwrap();
    all.iter()
        .find(|condition| condition["type"] == kind)
        .unwrap()
}

fn container_of<'a>(document: &'a Value, list: &str, name: &str) -> &'a Value {
    let all = document["status"][list].as_array().unwrap();
    all.iter().find(|status| status["name"] == name).unwrap()
}

#[test]
fn s170_while_init_runs_the_pod_is_pending_and_the_main_containers_are_waiting() {
    let document = shown(&samples::initializing());
    assert_eq!(document["status"]["phase"], "Pending");
    let initialized = condition_of(&document, "Initialized");
    assert_eq!(initialized["status"], "False");
    assert_eq!(initialized["reason"], "ContainersNotInitialized");
    assert_eq!(
        initialized["message"],
        "containers with incomplete status: [migrate seed logger]"
    );
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(
        web["state"],
        json!({"waiting": {"reason": "PodInitializing"}})
    );
    let migrate = container_of(&document, "initContainerStatuses", "migrate");
    assert_eq!(
        migrate["state"],
        json!({"running": {"startedAt": "2026-05-01T12:00:00Z"}})
    );
}

#[test]
fn s171_what_is_not_ready_is_named() {
    let mut view = samples::serving();
    view.status.containers[WEB.0].ready = false;
    view.status.containers[WORKER.0].ready = false;
    let not = ConditionReason::ContainersNotReady;
    view.status.conditions[3] = condition(false, not, 12);
    view.status.conditions[4] = condition(false, not, 12);
    let document = shown(&view);
    assert_eq!(document["status"]["phase"], "Running");
    assert_eq!(condition_of(&document, "Initialized")["status"], "True");
    for kind in ["ContainersReady", "Ready"] {
        let condition = condition_of(&document, kind);
        assert_eq!(condition["status"], "False");
        assert_eq!(condition["reason"], "ContainersNotReady");
        assert_eq!(
            condition["message"],
            "containers with unready status: [web worker]"
        );
        assert_eq!(condition["lastTransitionTime"], "2026-05-01T12:00:12Z");
    }
}

#[test]
fn s172_a_gate_that_was_never_set_is_named() {
    let mut view = samples::serving();
    view.status.gates = vec![None];
    view.status.conditions[4] = condition(false, ConditionReason::ReadinessGatesNotReady, 9);
    let document = shown(&view);
    assert_eq!(condition_of(&document, "ContainersReady")["status"], "True");
    let ready = condition_of(&document, "Ready");
    assert_eq!(ready["reason"], "ReadinessGatesNotReady");
    assert_eq!(
        ready["message"],
        "readiness gate \"example.com/traffic\" was never set"
    );
}

#[test]
fn s173_a_gate_that_was_set_is_a_condition() {
    let document = shown(&samples::serving());
    assert_eq!(
        condition_of(&document, "example.com/traffic")["status"],
        "True"
    );
    assert_eq!(condition_of(&document, "Ready")["status"], "True");
}

#[test]
fn s174_a_sidecar_counts_and_stands_among_the_init_containers() {
    let mut view = samples::serving();
    view.status.containers[LOGGER.0].ready = false;
    view.status.conditions[3] = condition(false, ConditionReason::ContainersNotReady, 12);
    let document = shown(&view);
    let message = &condition_of(&document, "ContainersReady")["message"];
    assert_eq!(message, "containers with unready status: [logger]");
    container_of(&document, "initContainerStatuses", "logger");
    assert_eq!(
        document["spec"]["initContainers"][2]["restartPolicy"],
        "Always"
    );
    assert_eq!(
        document["spec"]["initContainers"][0]["restartPolicy"],
        Value::Null
    );
}

#[test]
fn s175_a_crashed_container_waits_with_the_kubelets_words() {
    let document = shown(&samples::crashing());
    assert_eq!(document["status"]["phase"], "Running");
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(
        web["state"]["waiting"],
        json!({
            "reason": "CrashLoopBackOff",
            "message": "back-off 40s restarting failed container=web pod=shop",
        })
    );
    assert_eq!(
        web["lastState"]["terminated"],
        json!({
            "exitCode": 1,
            "reason": "Error",
            "startedAt": "2026-05-01T12:00:40Z",
            "finishedAt": "2026-05-01T12:00:50Z",
        })
    );
    assert_eq!(web["restartCount"], 3);
}

#[test]
fn s177_s178_an_ended_pod_says_how() {
    let mut view = samples::serving();
    for (phase, word, reason, told) in [
        (
            Phase::Failed,
            "Failed",
            ConditionReason::PodFailed,
            "PodFailed",
        ),
        (
            Phase::Succeeded,
            "Succeeded",
            ConditionReason::PodCompleted,
            "PodCompleted",
        ),
    ] {
        view.status.phase = phase;
        view.status.conditions[4] = condition(false, reason, 50);
        let document = shown(&view);
        assert_eq!(document["status"]["phase"], word);
        assert_eq!(condition_of(&document, "Ready")["reason"], told);
    }
}

#[test]
fn s182_an_init_container_that_succeeded_is_ready() {
    let document = shown(&samples::serving());
    let migrate = container_of(&document, "initContainerStatuses", "migrate");
    assert_eq!(migrate["ready"], true);
    assert_eq!(migrate["state"]["terminated"]["reason"], "Completed");
    assert_eq!(migrate["lastState"], json!({}));
}

#[test]
fn s157_what_could_not_be_started_has_the_runtimes_code() {
    let mut view = samples::serving();
    let mut end = samples::ended(127, 5, 5);
    end.unstartable = Some(Unstartable {
        stage: Stage::Exec,
        errno: libc::ENOENT,
    });
    let why = format!("no {} in PATH", samples::frame().programs[web().program.0]);
    view.status.containers[WEB.0] = samples::over(end);
    let document = shown(&view);
    let shown_end = &container_of(&document, "containerStatuses", "web")["state"]["terminated"];
    assert_eq!(
        (&shown_end["reason"], &shown_end["exitCode"]),
        (&json!("StartError"), &json!(128))
    );
    assert_eq!(shown_end["message"], json!(why));
    // The same while it waits for the next attempt.
    view.status.containers[WEB.0] = ContainerStatus {
        state: ContainerState::Waiting(WaitingReason::RunContainerError),
        last: Some(end),
        ..samples::waiting()
    };
    let document = shown(&view);
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(
        web["state"],
        json!({"waiting": {"reason": "RunContainerError", "message": why}})
    );
}

fn web() -> Container {
    samples::frame().pod.containers[WEB.0].clone()
}

#[test]
fn s158_only_a_pod_that_may_start_everything_anew_says_whether_it_does() {
    let mut view = samples::serving();
    let types = |document: &Value| -> Vec<String> {
        let all = document["status"]["conditions"].as_array().unwrap().iter();
        all.map(|it| it["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let restarting = "AllContainersRestarting".to_owned();
    assert!(!types(&shown(&view)).contains(&restarting));
    let mut frame = samples::frame();
    frame.pod.containers[WEB.0].restart.rules = vec![RestartRule {
        among: true,
        values: vec![88],
        action: RuleAction::RestartAllContainers,
    }];
    view.status.conditions[5] = condition(true, ConditionReason::RestartAllContainersStarted, 50);
    assert_eq!(
        *condition_of(&pod(&frame, &view), &restarting),
        json!({
            "type": restarting,
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": "2026-05-01T12:00:50Z",
            "reason": "RestartAllContainersStarted",
            "message": "container exited with restart policy rule",
        })
    );
}

#[test]
fn every_reason_to_wait_has_its_word() {
    for (reason, word) in [
        (WaitingReason::RunContainerError, "RunContainerError"),
        (WaitingReason::PostStartHookError, "PostStartHookError"),
        (WaitingReason::Initial, "PodInitializing"),
    ] {
        let frame = samples::frame();
        assert_eq!(waiting(&frame, &web(), &samples::waiting(), reason).0, word);
    }
    let mut frame = samples::frame();
    frame.pod.containers.drain(..WEB.0);
    let web = frame.pod.containers[0].clone();
    assert_eq!(
        waiting(&frame, &web, &samples::waiting(), WaitingReason::Initial).0,
        "ContainerCreating"
    );
}

#[test]
fn last_words_stand_with_the_instance_that_left_them() {
    let mut view = samples::crashing();
    let words = |text: &str| Some(text.to_owned());
    view.last_words = vec![(WEB, [words("second"), words("first")])];
    // It waits: the last instance is the last state.
    let document = shown(&view);
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(web["lastState"]["terminated"]["message"], "second");
    // It has just ended: the last instance is the state, and the one before is the last state.
    view.status.containers[WEB.0].state = ContainerState::Terminated(samples::ended(1, 51, 52));
    let document = shown(&view);
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(web["state"]["terminated"]["message"], "second");
    assert_eq!(web["lastState"]["terminated"]["message"], "first");
}

#[test]
fn who_was_killed_for_want_of_memory_has_the_runtimes_word_for_it() {
    let mut view = samples::serving();
    let end = Termination {
        ending: Ending::OutOfMemory,
        ..samples::ended(0, 1, 2)
    };
    view.status.containers[WEB.0].state = ContainerState::Terminated(end);
    let document = shown(&view);
    let web = container_of(&document, "containerStatuses", "web");
    assert_eq!(web["state"]["terminated"]["reason"], "OOMKilled");
    assert_eq!(web["state"]["terminated"]["exitCode"], 137);
}

#[test]
fn a_stop_is_a_deletion_with_its_time() {
    let mut view = samples::serving();
    assert_eq!(shown(&view)["metadata"]["deletionTimestamp"], Value::Null);
    view.status.stopping_since = Some(at(60));
    let document = shown(&view);
    assert_eq!(
        document["metadata"]["deletionTimestamp"],
        "2026-05-01T12:01:30Z"
    );
    assert_eq!(document["metadata"]["deletionGracePeriodSeconds"], 30);
}

#[test]
fn a_deadline_is_the_pods_own_reason() {
    let mut view = samples::serving();
    view.status.deadline_exceeded = true;
    assert_eq!(shown(&view)["status"]["reason"], "DeadlineExceeded");
}

#[test]
fn durations_are_gos() {
    for (seconds, text) in [(10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s")] {
        assert_eq!(go_duration(Duration::from_secs(seconds)), text);
    }
}
