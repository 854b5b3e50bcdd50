//! Whole pods on a pretend clock: order, stop, restart, status (kubelet-semantics H.4 to H.6).

mod story;

use super::*;
use crate::machine::{self, ConditionReason, ContainerState, Phase, RunId, WaitingReason};
use crate::plan::RestartPolicy::{Always, Never, OnFailure};
use crate::plan::{Container, GateId, Hook, RestartRule, RuleAction};
use std::time::Duration;
use story::{DEAF, MISSING, RUNS, Story, at, exits, obeys};

fn sleeps(seconds: u64) -> impl FnOnce(&mut Container) {
    move |container| container.pre_stop = Some(Hook::Sleep(Duration::from_secs(seconds)))
}

#[test]
fn s112_s120_main_containers_are_stopped_at_the_same_time() {
    let story = Story::new(Always)
        .main("a", obeys(1, 0))
        .main("b", obeys(2, 0))
        .stop_at(60)
        .lives(100)
        .does(&["0 start a", "0 start b", "60 TERM a", "60 TERM b"]);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((62, 0)), Phase::Succeeded)
    );
    let story = Story::new(Always)
        .main("a", RUNS)
        .main("b", obeys(0, 0))
        .stop_at(60)
        .lives(100);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((60, 143)), Phase::Failed)
    );
}

#[test]
fn s113_sidecars_go_last_and_in_reverse() {
    Story::new(Always)
        .sidecar("s1", obeys(1, 0))
        .sidecar("s2", obeys(1, 0))
        .main("app", obeys(5, 0))
        .stop_at(60)
        .lives(100)
        .does(&[
            "0 start s1",
            "0 start s2",
            "0 start app",
            "60 TERM app",
            "65 TERM s2",
            "66 TERM s1",
        ]);
}

#[test]
fn s114_the_hook_of_a_sidecar_is_called_at_once_and_its_signal_waits() {
    Story::new(Always)
        .add("s1", Role::Sidecar, obeys(0, 0), sleeps(3))
        .main("app", obeys(5, 0))
        .stop_at(60)
        .lives(100)
        .does(&["0 start s1", "0 start app", "60 TERM app", "65 TERM s1"]);
    Story::new(Always)
        .add("s1", Role::Sidecar, obeys(0, 0), sleeps(8))
        .main("app", obeys(5, 0))
        .stop_at(60)
        .lives(100)
        .does(&["0 start s1", "0 start app", "60 TERM app", "68 TERM s1"]);
}

#[test]
fn s115_at_the_end_of_the_grace_all_sidecars_get_their_signal_and_two_seconds() {
    let story = Story::new(Always)
        .sidecar("s1", DEAF)
        .sidecar("s2", DEAF)
        .main("app", DEAF)
        .stop_at(60)
        .lives(200);
    assert_eq!(
        story.deeds[3..],
        [
            "60 TERM app",
            "90 TERM s1",
            "90 TERM s2",
            "90 KILL app",
            "92 all KILL s1",
            "92 all KILL s2"
        ]
    );
    assert_eq!(story.left, Some((92, 137)));
}

#[test]
fn s116_the_grace_is_one_budget() {
    let story = Story::new(Always)
        .sidecar("s1", DEAF)
        .main("app", obeys(40, 0))
        .grace(60)
        .stop_at(100)
        .lives(300);
    assert_eq!(
        story.deeds[2..],
        ["100 TERM app", "140 TERM s1", "160 all KILL s1"]
    );
    assert_eq!(story.left, Some((160, 0)));
}

#[test]
fn s117_nothing_is_restarted_once_a_stop_was_asked_for() {
    let story = Story::new(Always)
        .main("a", exits(62, 1))
        .main("b", obeys(10, 0))
        .stop_at(60)
        .lives(100);
    assert_eq!(story.starts("a"), [0]);
    assert_eq!(story.left, Some((70, 143)));
}

#[test]
fn s133_s134_a_container_that_fails_at_once_rests_as_the_kubelet_says() {
    let story = Story::new(OnFailure).main("a", exits(1, 1)).lives(1000);
    assert_eq!(story.starts("a"), [0, 1, 12, 33, 74, 155, 316, 617, 918]);
    let status = &story.status(40).containers[0];
    let rests = WaitingReason::CrashLoopBackOff(Duration::from_secs(40));
    assert_eq!(status.state, ContainerState::Waiting(rests), "S138");
    assert_eq!(
        (status.restarts, status.ready, status.started),
        (3, false, false),
        "S141"
    );
    assert_eq!(story.status(40).phase, Phase::Running, "S175");
}

#[test]
fn s140_the_rests_of_one_are_not_another_s() {
    let story = Story::new(Always)
        .main("a", exits(1, 1))
        .main("b", exits(25, 0))
        .lives(60);
    assert_eq!(story.starts("b"), [0, 25, 60]);
    assert_eq!(story.starts("a"), [0, 1, 12, 33]);
}

#[test]
fn s149_s170_init_containers_come_first_one_by_one() {
    let story = Story::new(Always)
        .init("i1", exits(4, 0))
        .init("i2", exits(6, 0))
        .main("app", RUNS)
        .lives(20)
        .does(&["0 start i1", "4 start i2", "10 start app"]);
    let early = story.status(5);
    assert_eq!(early.phase, Phase::Pending);
    assert_eq!(
        early.conditions[2].reason,
        ConditionReason::ContainersNotInitialized
    );
    assert_eq!(
        early.containers[2].state,
        ContainerState::Waiting(WaitingReason::Initial)
    );
    assert!(early.containers[0].ready, "S182");
    let late = story.status(12);
    assert_eq!(late.phase, Phase::Running);
    assert!(late.conditions[..5].iter().all(|condition| condition.holds));
    assert_eq!(late.conditions[2].since, at(10));
}

#[test]
fn s150_s151_a_failed_init_container_is_tried_again_unless_the_policy_is_never() {
    let story = Story::new(Always)
        .init("i1", exits(1, 3))
        .main("app", RUNS)
        .lives(20);
    assert_eq!(
        (story.starts("i1"), story.starts("app")),
        (vec![0, 1, 12], vec![])
    );
    assert_eq!(story.last.phase, Phase::Pending);
    let story = Story::new(Never)
        .sidecar("s1", obeys(1, 0))
        .init("i1", exits(2, 3))
        .main("app", RUNS)
        .lives(20)
        .does(&["0 start s1", "0 start i1", "2 TERM s1"]);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((3, 3)), Phase::Failed)
    );
}

#[test]
fn s154_s155_sidecars_are_restarted_until_the_main_containers_are_over() {
    let story = Story::new(Never)
        .sidecar("s1", obeys(1, 7))
        .sidecar("s2", exits(5, 0))
        .main("app", exits(12, 0))
        .lives(60);
    assert_eq!(story.starts("s2"), [0, 5]);
    assert_eq!(story.deeds.last().map(String::as_str), Some("12 TERM s1"));
    assert_eq!(
        (story.left, story.last.phase),
        (Some((13, 0)), Phase::Succeeded)
    );
}

#[test]
fn s156_init_containers_are_not_run_again_for_a_restart() {
    let story = Story::new(Always)
        .init("i1", exits(1, 0))
        .main("app", exits(5, 1))
        .lives(10);
    assert_eq!(
        (story.starts("i1"), story.starts("app")),
        (vec![0], vec![1, 6])
    );
}

#[test]
fn s157_what_cannot_be_started_is_tried_again_or_says_127() {
    let story = Story::new(Always).main("app", MISSING).lives(40);
    assert_eq!(story.starts("app"), [0, 0, 10, 30]);
    let status = &story.status(20).containers[0];
    assert!(status.last.is_some_and(|end| end.unstartable.is_some()));
    let story = Story::new(Never).main("app", MISSING).lives(40);
    assert_eq!(story.left, Some((0, 127)));
}

#[test]
fn s158_a_rule_starts_everything_anew() {
    let rule = RestartRule {
        among: true,
        values: vec![88],
        action: RuleAction::RestartAllContainers,
    };
    Story::new(Always)
        .init("i1", exits(1, 0))
        .add("a", Role::Main, exits(9, 88), |a| {
            a.restart.rules.push(rule)
        })
        .add("b", Role::Main, DEAF, sleeps(5))
        .lives(13)
        .does(&[
            "0 start i1",
            "1 start a",
            "1 start b",
            "10 TERM b",
            "12 KILL b",
            "12 start i1",
            "13 start a",
            "13 start b",
        ]);
}

#[test]
fn a_new_start_of_everything_cuts_short_the_hook_of_a_stop_that_was_under_way() {
    let rule = RestartRule {
        among: true,
        values: vec![88],
        action: RuleAction::RestartAllContainers,
    };
    // A deadline that was brought forward to the very turn was once left behind in it.
    Story::new(Always)
        .add("a", Role::Main, exits(9, 88), |a| {
            a.restart.rules.push(rule)
        })
        .add("b", Role::Main, obeys(1, 0), sleeps(20))
        .at(5, Fact::Commanded(Command::Restart(ContainerId(1))))
        .lives(10)
        .does(&[
            "0 start a",
            "0 start b",
            "9 TERM b",
            "10 start a",
            "10 start b",
        ]);
}

#[test]
fn s172_s173_s181_gates_are_waited_for() {
    let mut story = Story::new(Always).main("app", RUNS);
    story.pod.readiness_gates = vec!["x/y".to_owned()];
    let gate = |holds| Fact::Commanded(Command::SetGate(GateId(0), holds));
    let story = story.at(5, gate(false)).at(9, gate(true)).lives(20);
    let ready = |seconds| story.status(seconds).conditions[4];
    assert_eq!(
        (ready(1).holds, ready(1).reason),
        (false, ConditionReason::ReadinessGatesNotReady)
    );
    assert_eq!((ready(6).since, ready(9).since), (ready(1).since, at(9)));
    assert!(ready(9).holds && story.status(1).conditions[3].holds);
}

#[test]
fn s176_s177_s178_s180_the_phase_is_that_of_the_main_containers() {
    let story = Story::new(Never)
        .main("a", exits(2, 0))
        .main("b", exits(5, 3))
        .lives(20);
    assert_eq!(story.status(3).phase, Phase::Running);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((5, 3)), Phase::Failed)
    );
    assert_eq!(story.last.conditions[4].reason, ConditionReason::PodFailed);
    let story = Story::new(OnFailure)
        .main("a", exits(2, 0))
        .main("b", exits(5, 0))
        .lives(20);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((5, 0)), Phase::Succeeded)
    );
    let reasons = story.last.conditions.map(|condition| condition.reason);
    assert_eq!(reasons[2..], [ConditionReason::PodCompleted; 4]);
}

#[test]
fn a_pod_that_outlives_its_active_deadline_fails_and_its_code_is_not_0() {
    let mut story = Story::new(Always).main("app", obeys(2, 0));
    story.pod.active_deadline = Some(Duration::from_secs(40));
    let story = story.lives(100).does(&["0 start app", "40 TERM app"]);
    assert_eq!(
        (story.left, story.last.phase),
        (Some((42, 1)), Phase::Failed)
    );
    assert!(story.last.deadline_exceeded);
}

#[test]
fn the_first_failure_in_order_is_the_code_unless_one_container_was_chosen() {
    let pod = || {
        Story::new(Never)
            .main("a", exits(9, 0))
            .main("b", exits(5, 4))
            .main("c", exits(2, 3))
    };
    assert_eq!(pod().lives(20).left, Some((9, 4)));
    let mut chosen = pod();
    chosen.pod.exit_code_from = Some(ContainerId(2));
    assert_eq!(chosen.lives(20).left, Some((9, 3)));
}

#[test]
fn a_victim_of_the_memory_killer_is_called_so_unless_the_sigkill_was_ours() {
    let victim = Fact::Ended(RunId(1), machine::Ending::OutOfMemory);
    let story = Story::new(Never).main("a", DEAF).at(5, victim).lives(20);
    assert_eq!(story.left, Some((5, 137)));
    assert_eq!(end_of(&story.last), machine::Ending::OutOfMemory);

    let mut plain = Story::new(Never).main("a", DEAF).grace(10);
    plain.killed_as = machine::Ending::OutOfMemory;
    let story = plain.stop_at(60).lives(100);
    assert_eq!(story.left, Some((70, 137)));
    assert_eq!(end_of(&story.last), machine::Ending::Killed(Signal::KILL));
}

fn end_of(status: &PodStatus) -> machine::Ending {
    match status.containers[0].state {
        ContainerState::Terminated(end) => end.ending,
        state => panic!("{state:?}"),
    }
}

#[test]
fn a_command_restarts_a_container_in_order_and_without_a_rest() {
    let restart = Fact::Commanded(Command::Restart(ContainerId(0)));
    Story::new(Never)
        .add("a", Role::Main, obeys(1, 0), sleeps(2))
        .main("b", RUNS)
        .at(10, restart)
        .at(20, restart)
        .lives(40)
        .does(&[
            "0 start a",
            "0 start b",
            "12 TERM a",
            "13 start a",
            "22 TERM a",
            "23 start a",
        ]);
}

#[test]
fn other_signals_go_to_all_main_containers_and_to_no_sidecar() {
    let hup = Fact::Signalled(Signal::HUP, Sender::Process(0));
    Story::new(Always)
        .sidecar("s1", DEAF)
        .main("a", DEAF)
        .main("b", DEAF)
        .at(5, hup)
        .lives(10)
        .does(&["0 start s1", "0 start a", "0 start b", "5 HUP a", "5 HUP b"]);
}
