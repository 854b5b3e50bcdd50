//! What is shown of a pod (kubelet-semantics H.6), on the pretend clock.

use crate::pod::{Pod, exec};
use crate::script::{goes, healthy_from};
use crate::story::s;
use crate::temper::{exits, runs};
use monopod::plan::RestartPolicy::{Never, OnFailure};

#[test]
fn s170_s171_before_and_after_the_init_containers() {
    Pod::new()
        .init("migrate", exits(s(4), 0))
        .main("web", runs())
        .readiness(goes("F"))
        .lives(60)
        .phase("Pending@0 Running@4")
        .state("web", "Initial@0 Running@4")
        .condition("Initialized", "False/ContainersNotInitialized@0 True@4")
        .condition("ContainersReady", "False/ContainersNotReady@0")
        .condition("Ready", "False/ContainersNotReady@0")
        .condition("PodScheduled", "True@0")
        .condition("PodReadyToStartContainers", "True@0");
}

#[test]
fn s172_s173_a_gate_that_was_never_set_is_shut() {
    Pod::new()
        .gate("x/y")
        .main("web", runs())
        .at(10)
        .gate_is(true)
        .at(20)
        .gate_is(false)
        .lives(60)
        .condition("ContainersReady", "True@0")
        .condition(
            "Ready",
            "False/ReadinessGatesNotReady@0 True@10 False/ReadinessGatesNotReady@20",
        );
}

#[test]
fn s174_a_sidecar_that_is_not_ready_counts() {
    let pod = Pod::new()
        .sidecar("proxy", runs())
        .readiness(healthy_from(30))
        .main("web", runs());
    pod.lives(60)
        .condition("ContainersReady", "False/ContainersNotReady@0 True@30");
}

#[test]
fn s175_a_pod_whose_only_container_waits_in_back_off_is_running() {
    Pod::new()
        .main("web", exits(s(1), 1))
        .lives(60)
        .phase("Running@0");
}

#[test]
fn s176_running_until_the_last_has_succeeded() {
    let b = [exits(s(1), 1), exits(s(1), 0)];
    let told = Pod::new()
        .policy(OnFailure)
        .main("a", exits(s(1), 0))
        .main("b", b)
        .lives(60);
    told.phase("Running@0 Succeeded@2").leaves("0@2");
}

#[test]
fn s177_one_failure_fails_the_pod() {
    let told = Pod::new()
        .policy(Never)
        .main("a", exits(s(1), 0))
        .main("b", exits(s(2), 1))
        .lives(60);
    told.phase("Running@0 Failed@2")
        .condition(
            "Ready",
            "True@0 False/ContainersNotReady@1 False/PodFailed@2",
        )
        .leaves("1@2");
}

#[test]
fn s178_a_pod_that_succeeded_is_complete() {
    let told = Pod::new()
        .policy(Never)
        .init("i", exits(s(1), 0))
        .main("a", exits(s(1), 0))
        .lives(60);
    told.phase("Pending@0 Running@1 Succeeded@2")
        .condition(
            "Initialized",
            "False/ContainersNotInitialized@0 True@1 True/PodCompleted@2",
        )
        .condition(
            "ContainersReady",
            "False/ContainersNotReady@0 True@1 False/PodCompleted@2",
        )
        .condition(
            "Ready",
            "False/ContainersNotReady@0 True@1 False/PodCompleted@2",
        );
}

#[test]
fn s179_what_was_initialized_stays_so() {
    let proxy = Pod::new()
        .sidecar("proxy", exits(s(5), 0))
        .startup(goes("S"));
    let told = proxy.main("web", runs()).lives(60);
    told.starts("proxy", "0 5 20 45")
        .condition("Initialized", "True@0");
}

#[test]
fn s180_a_phase_that_is_final_is_final() {
    let web = Pod::new()
        .policy(Never)
        .main("web", exits(s(1), 1).daemonising(runs().unmoved()));
    let told = web
        .at(5)
        .signal("HUP")
        .at(9)
        .signal("TERM")
        .at(12)
        .helper_dies()
        .lives(99);
    told.phase("Running@0 Failed@1").leaves("1@31");
}

#[test]
fn s181_a_new_reason_is_no_new_time() {
    let pod = Pod::new()
        .gate("x/y")
        .main("web", runs())
        .readiness(healthy_from(30));
    let told = pod.lives(60);
    told.condition(
        "Ready",
        "False/ContainersNotReady@0 False/ReadinessGatesNotReady@30",
    )
    .since("Ready", "0");
}

#[test]
fn s182_an_init_container_that_succeeded_is_ready() {
    let told = Pod::new()
        .init("i", exits(s(4), 0))
        .main("web", runs())
        .lives(60);
    told.ready("i", "no@0 yes@4").state("i", "Running@0 0@4");
}

#[test]
fn a_container_that_runs_and_has_not_started_up_makes_the_pod_running() {
    let web = Pod::new().main("a", runs()).main("web", runs());
    let web = web
        .post_start(exec(exits(s(3), 0)))
        .startup(healthy_from(30));
    web.lives(60)
        .state("web", "Initial@0 Running@3")
        .phase("Pending@0 Running@3");
}
