//! The stop of pods (kubelet-semantics H.4), on the pretend clock. That of a single command stands in `stories_stop`.

use crate::pod::{Deed, Pod, exec};
use crate::script::goes;
use crate::story::{s, signal};
use crate::temper::{Temper, exits, runs};
use monopod::plan::RestartPolicy::Never;

/// Pays no heed to any signal.
fn deaf() -> Temper {
    runs().unmoved()
}

/// Takes its leave that long after SIGTERM.
fn obeys(after: u64) -> Temper {
    runs().on(signal("TERM"), s(after), 0).unmoved()
}

#[test]
fn s100_who_ignores_the_signal_is_killed_when_the_grace_is_over() {
    let told = Pod::new()
        .main("web", deaf())
        .at(60)
        .signal("TERM")
        .lives(999);
    told.struck("web", "SIGTERM@60 SIGKILL@90").leaves("137@90");
}

#[test]
fn s101_who_obeys_is_not_killed() {
    let told = Pod::new()
        .main("web", obeys(3))
        .at(60)
        .signal("TERM")
        .lives(999);
    told.struck("web", "SIGTERM@60").leaves("0@63");
}

#[test]
fn s102_without_any_grace_there_are_two_seconds() {
    let told = Pod::new()
        .grace(0)
        .main("web", deaf())
        .at(60)
        .signal("TERM")
        .lives(999);
    told.struck("web", "SIGTERM@60 SIGKILL@62");
}

#[test]
fn s103_a_hook_longer_than_the_grace() {
    let web = Pod::new()
        .grace(1)
        .main("web", deaf())
        .pre_stop(exec(exits(s(5), 0)));
    web.at(60)
        .signal("TERM")
        .lives(999)
        .struck("web", "SIGTERM@61 SIGKILL@63");
}

#[test]
fn s104_a_probes_own_grace_is_that_of_its_kill() {
    let web = Pod::new().grace(60).main("web", deaf());
    web.liveness(goes("FS").failures(1).grace(5))
        .lives(5)
        .struck("web", "SIGTERM@0 SIGKILL@5");
}

#[test]
fn s105_and_it_is_not_cut_to_the_pods() {
    let web = Pod::new().grace(60).main("web", deaf());
    let told = web.liveness(goes("FS").failures(1).grace(600)).lives(600);
    told.struck("web", "SIGTERM@0 SIGKILL@600");
}

#[test]
fn s106_but_a_stop_of_the_pod_knows_only_the_pods() {
    let web = Pod::new()
        .grace(60)
        .main("web", deaf())
        .liveness(goes("S").grace(5));
    web.at(65)
        .signal("TERM")
        .lives(999)
        .struck("web", "SIGTERM@65 SIGKILL@125");
}

#[test]
fn s109_each_container_has_its_own_stop_signal() {
    Pod::new()
        .main("a", deaf())
        .stop_signal("USR1")
        .main("b", deaf())
        .at(60)
        .signal("INT")
        .lives(999)
        .struck("a", "SIGUSR1@60 SIGKILL@90")
        .struck("b", "SIGINT@60 SIGKILL@90");
}

#[test]
fn what_asks_for_the_stop_is_a_matter_of_the_plan_and_all_else_is_handed_on() {
    let web = || {
        Pod::new()
            .drain(5)
            .main("web", obeys(3))
            .stop_signal("TERM")
    };
    let told = web().stop_on(&["QUIT"]).at(50).signal("TERM").at(60);
    told.signal("QUIT").lives(52).struck("web", "SIGTERM@50");
    let told = web().stop_on(&["TERM", "QUIT"]).at(60).signal("QUIT");
    let told = told.lives(999);
    told.struck("web", "SIGTERM@65").leaves("0@68");
}

#[test]
fn s110_two_stops_are_one_stop_signal() {
    let told = Pod::new()
        .main("web", deaf())
        .at(60)
        .signal("TERM")
        .at(70)
        .stop()
        .lives(999);
    told.struck("web", "SIGTERM@60 SIGKILL@90");
}

#[test]
fn s112_main_containers_are_stopped_side_by_side() {
    Pod::new()
        .main("a", obeys(9))
        .pre_stop(exec(exits(s(2), 0)))
        .main("b", obeys(1))
        .at(60)
        .signal("TERM")
        .lives(999)
        .starts("a/preStop", "60")
        .struck("a", "SIGTERM@62")
        .struck("b", "SIGTERM@60")
        .leaves("0@71");
}

#[test]
fn s113_sidecars_are_stopped_after_the_main_containers_and_in_reverse() {
    Pod::new()
        .sidecar("s1", obeys(1))
        .sidecar("s2", obeys(1))
        .main("app", obeys(5))
        .at(60)
        .signal("TERM")
        .lives(999)
        .struck("app", "SIGTERM@60")
        .struck("s2", "SIGTERM@65")
        .struck("s1", "SIGTERM@66")
        .leaves("0@67");
}

#[test]
fn s114_a_sidecars_hook_does_not_wait_for_its_turn() {
    Pod::new()
        .sidecar("s1", obeys(1))
        .pre_stop(exec(exits(s(1), 0)))
        .main("app", obeys(5))
        .at(60)
        .signal("TERM")
        .lives(999)
        .starts("s1/preStop", "60")
        .struck("s1", "SIGTERM@65");
}

#[test]
fn s115_when_the_grace_is_over_nobody_waits_for_his_turn() {
    Pod::new()
        .sidecar("s1", deaf())
        .sidecar("s2", deaf())
        .main("app", deaf())
        .at(60)
        .signal("TERM")
        .lives(999)
        .struck("app", "SIGTERM@60 SIGKILL@90")
        .struck("s1", "SIGTERM@90 SIGKILL@92")
        .struck("s2", "SIGTERM@90 SIGKILL@92")
        .leaves("137@92");
}

#[test]
fn s116_the_grace_is_one_budget() {
    Pod::new()
        .grace(60)
        .sidecar("s1", deaf())
        .main("app", obeys(40))
        .at(60)
        .signal("TERM")
        .lives(999)
        .struck("s1", "SIGTERM@100 SIGKILL@120")
        .leaves("0@120");
}

#[test]
fn s117_who_ends_during_the_stop_is_not_started_again() {
    let told = Pod::new().main("a", exits(s(62), 0)).main("b", obeys(10));
    told.at(60)
        .signal("TERM")
        .lives(999)
        .starts("a", "0")
        .leaves("143@70");
}

#[test]
fn s118_the_ready_condition_is_the_probes_business_while_the_pod_is_stopped() {
    let web = Pod::new().main("web", obeys(15)).readiness(goes("S"));
    let told = web.at(60).signal("TERM").lives(999);
    told.ready("web", "yes@0 no@75")
        .starts("web/readiness", "0 10 20 30 40 50 60 70")
        .condition("Ready", "True@0 False/PodCompleted@75");
}

#[test]
fn s119_the_code_of_who_died_of_a_signal() {
    let told = Pod::new()
        .policy(Never)
        .main("web", runs())
        .at(7)
        .signal_to("web", "SEGV")
        .lives(99);
    told.leaves("139@7").state("web", "Running@0 139@7");
}

#[test]
fn s120_the_phase_is_decided_by_the_main_containers() {
    let pod = || Pod::new().sidecar("s1", runs());
    let stop = |pod: Pod| pod.at(60).signal("TERM").lives(999);
    stop(pod().main("web", obeys(1)))
        .ends("s1", "SIGTERM@61")
        .phase("Running@0 Succeeded@61")
        .leaves("0@61");
    stop(pod().main("web", runs()))
        .phase("Running@0 Failed@60")
        .leaves("143@60");
    stop(pod().main("web", deaf()))
        .phase("Running@0 Failed@90")
        .leaves("137@90");
}

#[test]
fn the_control_socket_stops_as_a_signal_does() {
    let told = Pod::new().main("web", deaf()).at(60).stop().lives(999);
    told.struck("web", "SIGTERM@60 SIGKILL@90").leaves("137@90");
}

#[test]
fn a_drain_comes_before_everything_and_counts() {
    let web = Pod::new()
        .drain(5)
        .main("web", deaf())
        .pre_stop(Deed::Sleep(10));
    web.at(60)
        .signal("TERM")
        .lives(999)
        .struck("web", "SIGTERM@75 SIGKILL@90");
}

#[test]
fn a_stop_during_back_off_has_nobody_to_wait_for() {
    let told = Pod::new()
        .main("web", exits(s(1), 7))
        .at(5)
        .signal("TERM")
        .lives(999);
    told.starts("web", "0 1")
        .leaves("7@5")
        .phase("Running@0 Failed@5");
}

#[test]
fn a_stop_during_a_probes_kill_keeps_the_earlier_end() {
    let web = Pod::new()
        .main("web", deaf())
        .liveness(goes("F").failures(1).grace(20));
    let told = web.at(5).signal("TERM").lives(999);
    told.starts("web", "0")
        .struck("web", "SIGTERM@0 SIGKILL@20")
        .leaves("137@20");
}

#[test]
fn a_stop_during_init_stops_what_runs_and_starts_nothing() {
    Pod::new()
        .sidecar("s1", obeys(1))
        .init("migrate", obeys(2))
        .main("web", runs())
        .at(5)
        .signal("TERM")
        .lives(999)
        .struck("migrate", "SIGTERM@5")
        .starts("web", "")
        .leaves("143@7");
}

#[test]
fn the_pods_deadline_stops_it_and_it_has_failed() {
    let told = Pod::new()
        .active_deadline(50)
        .main("web", obeys(2))
        .lives(999);
    told.struck("web", "SIGTERM@50")
        .leaves("1@52")
        .phase("Running@0 Failed@50")
        .says("DeadlineExceeded", "50");
}

#[test]
fn who_escaped_his_container_is_killed_with_it_and_nobody_elses_is() {
    Pod::new()
        .main("web", [exits(s(10), 1).daemonising(deaf()), runs()])
        .main("other", runs().daemonising(exits(s(50), 0)))
        .lives(60)
        .says("an orphan died of SIGKILL", "10")
        .says("an orphan exited 0", "50");
}

#[test]
fn an_end_that_comes_with_the_stop_is_one_of_the_stop() {
    let told = Pod::new()
        .main("web", exits(s(5), 3))
        .at(5)
        .signal("TERM")
        .lives(999);
    told.starts("web", "0").leaves("3@5");
}

#[test]
fn the_code_is_that_of_the_container_that_was_named() {
    let pod = Pod::new()
        .policy(Never)
        .main("a", exits(s(1), 7))
        .main("b", exits(s(2), 9));
    pod.exit_code_is_its().lives(99).leaves("9@2");
}
