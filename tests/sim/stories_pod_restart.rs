//! Restarts, init containers and sidecars (kubelet-semantics H.5), on the pretend clock.

use crate::pod::{Pod, exec};
use crate::script::{goes, healthy_from};
use crate::story::{s, signal};
use crate::temper::{Temper, cannot_start, exits, runs};
use monopod::machine::Stage;
use monopod::plan::RestartPolicy::{Always, Never, OnFailure};
use monopod::plan::RuleAction::{Restart, RestartAllContainers};

/// Pays no heed to any signal.
fn deaf() -> Temper {
    runs().unmoved()
}

fn crashes(after: u64) -> Temper {
    exits(s(after), 1)
}

#[test]
fn s130_always_is_whatever_the_code() {
    Pod::new()
        .main("web", exits(s(1), 0))
        .lives(50)
        .starts("web", "0 1 12 33");
}

#[test]
fn s131_on_failure_is_unless_it_is_0() {
    let told = Pod::new()
        .policy(OnFailure)
        .main("a", exits(s(1), 0))
        .main("b", crashes(1))
        .lives(50);
    told.starts("a", "0").starts("b", "0 1 12 33");
}

#[test]
fn s132_never_is_never() {
    let told = Pod::new()
        .policy(Never)
        .main("a", crashes(1))
        .main("b", runs())
        .lives(999);
    told.starts("a", "0").state("a", "Running@0 1@1");
}

#[test]
fn s133_s134_the_first_restart_is_free_and_then_the_rests_grow() {
    let told = Pod::new().main("web", crashes(1)).lives(1219);
    told.starts("web", "0 1 12 33 74 155 316 617 918 1219");
}

#[test]
fn s135_the_rests_are_counted_from_the_end() {
    let told = Pod::new().main("web", crashes(30)).lives(1150);
    told.starts("web", "0 30 70 120 190 300 490 820 1150");
}

/// Crashes till the back-off is at its cap, then runs once for this long and crashes, then crashes on.
fn capped_then(runs_for: u64) -> Pod {
    let [c, long] = [crashes(1), crashes(runs_for)];
    let play = [&c, &c, &c, &c, &c, &c, &c, &c, &long, &c].map(Temper::clone);
    Pod::new().main("web", play)
}

#[test]
fn s136_a_run_of_more_than_ten_minutes_wipes_the_slate() {
    let told = capped_then(601).lives(1530);
    told.starts("web", "0 1 12 33 74 155 316 617 918 1519 1530");
}

#[test]
fn s137_a_run_of_exactly_ten_minutes_does_not() {
    let told = capped_then(600).lives(1818);
    told.starts("web", "0 1 12 33 74 155 316 617 918 1818");
}

#[test]
fn s138_a_container_in_back_off_says_so() {
    Pod::new()
        .main("web", crashes(1))
        .lives(36)
        .state("web", "Running@0 CrashLoopBackOff/10@2 Running@12 CrashLoopBackOff/20@13 Running@33 CrashLoopBackOff/40@34")
        .last_state("web", "none@0 1@1")
        .ready("web", "yes@0 no@2 yes@12 no@13 yes@33 no@34")
        .started("web", "yes@0 no@2 yes@12 no@13 yes@33 no@34");
}

#[test]
fn s140_another_containers_back_off_is_another_matter() {
    let told = Pod::new()
        .main("a", crashes(1))
        .main("b", [crashes(100), runs()])
        .lives(101);
    told.starts("a", "0 1 12 33 74").starts("b", "0 100");
}

#[test]
fn s141_restarts_are_counted_when_the_new_instance_is_there() {
    let told = Pod::new().main("web", crashes(1)).lives(36);
    told.restarts("web", "0@0 1@1 2@12 3@33");
}

#[test]
fn s142_a_rule_makes_one_code_retryable() {
    let web = Pod::new()
        .main("web", [exits(s(1), 42), crashes(1)])
        .own_policy(Never);
    let told = web
        .rule(true, &[42], Restart)
        .main("other", runs())
        .lives(99);
    told.starts("web", "0 1").state("web", "Running@0 1@2");
}

#[test]
fn s143_or_all_but_one() {
    let starts = |code, expected| {
        let web = Pod::new()
            .main("web", [exits(s(1), code), runs()])
            .own_policy(Never);
        web.rule(false, &[1], Restart)
            .main("other", runs())
            .lives(99)
            .starts("web", expected);
    };
    starts(1, "0");
    starts(0, "0 1");
    starts(2, "0 1");
}

#[test]
fn s144_the_first_rule_that_matches_decides() {
    Pod::new()
        .main("web", [exits(s(1), 42), runs()])
        .own_policy(Never)
        .rule(true, &[42], Restart)
        .rule(true, &[42], RestartAllContainers)
        .main("other", runs())
        .lives(99)
        .starts("web", "0 1")
        .starts("other", "0");
}

#[test]
fn s146_a_containers_own_policy_is_for_it_alone() {
    let told = Pod::new()
        .main("a", crashes(1))
        .own_policy(Never)
        .main("b", crashes(1))
        .lives(20);
    told.starts("a", "0").starts("b", "0 1 12");
}

#[test]
fn s147_a_rule_judges_what_a_probe_killed_by_its_code() {
    let web = Pod::new()
        .grace(5)
        .main("web", [deaf(), runs()])
        .own_policy(Never);
    let told = web
        .rule(true, &[137], Restart)
        .liveness(goes("FS").failures(1))
        .lives(99);
    told.ends("web", "SIGKILL@5").starts("web", "0 5");
}

#[test]
fn s148_with_policy_never_a_probes_kill_is_the_end() {
    let web = Pod::new()
        .policy(Never)
        .main("web", runs())
        .liveness(goes("F").failures(1));
    let told = web.main("other", runs()).lives(99);
    told.starts("web", "0")
        .says("killing web: Probe(Liveness, false)", "0");
}

#[test]
fn s149_init_containers_run_one_after_the_other_and_the_main_ones_after_all() {
    Pod::new()
        .init("i1", exits(s(4), 0))
        .init("i2", exits(s(6), 0))
        .main("a", runs())
        .main("b", runs())
        .lives(20)
        .starts("i1", "0")
        .starts("i2", "4")
        .starts("a", "10")
        .starts("b", "10");
}

#[test]
fn s150_an_init_container_that_fails_is_tried_again_with_back_off() {
    for policy in [Always, OnFailure] {
        let told = Pod::new()
            .policy(policy)
            .init("i1", crashes(1))
            .init("i2", runs())
            .main("web", runs())
            .lives(40);
        told.starts("i1", "0 1 12 33")
            .starts("i2", "")
            .phase("Pending@0");
    }
}

#[test]
fn s151_with_policy_never_it_fails_the_pod() {
    let told = Pod::new()
        .policy(Never)
        .init("i1", crashes(1))
        .init("i2", runs())
        .main("web", runs())
        .lives(40);
    told.starts("i1", "0")
        .starts("i2", "")
        .starts("web", "")
        .phase("Pending@0 Failed@1")
        .leaves("1@1");
}

#[test]
fn s152_a_sidecar_without_a_startup_probe_holds_nobody_once_its_hook_is_done() {
    let sidecar = Pod::new()
        .sidecar("proxy", runs())
        .post_start(exec(exits(s(5), 0)))
        .readiness(goes("F"));
    let told = sidecar
        .init("i2", exits(s(1), 0))
        .main("web", runs())
        .lives(20);
    told.starts("i2", "5").starts("web", "6");
}

#[test]
fn s153_a_sidecar_with_one_holds_all_that_come_after_it() {
    let sidecar = Pod::new()
        .sidecar("proxy", runs())
        .startup(healthy_from(15).period(5).failures(9));
    let told = sidecar
        .init("i2", exits(s(1), 0))
        .main("web", runs())
        .lives(20);
    told.starts("i2", "15").starts("web", "16");
}

#[test]
fn s154_a_sidecar_is_restarted_whatever_the_pods_policy() {
    let told = Pod::new()
        .policy(Never)
        .sidecar("proxy", exits(s(5), 0))
        .main("web", runs())
        .lives(40);
    told.starts("proxy", "0 5 20");
}

#[test]
fn s155_when_no_main_container_is_left_the_sidecars_are_stopped_in_reverse() {
    Pod::new()
        .policy(Never)
        .sidecar("s1", runs())
        .sidecar("s2", runs().on(signal("TERM"), s(3), 9).unmoved())
        .main("a", exits(s(50), 0))
        .main("b", exits(s(20), 0))
        .lives(999)
        .struck("s2", "SIGTERM@50")
        .struck("s1", "SIGTERM@53")
        .phase("Running@0 Succeeded@53")
        .leaves("0@53");
}

#[test]
fn s156_a_main_containers_restart_is_no_business_of_the_init_containers() {
    let told = Pod::new()
        .init("i1", exits(s(1), 0))
        .main("web", crashes(4))
        .lives(20);
    told.starts("i1", "0").starts("web", "1 5 19");
}

#[test]
fn s157_what_cannot_be_started_goes_through_the_same_rests() {
    Pod::new()
        .main("web", cannot_start(Stage::Exec, libc::ENOENT))
        .lives(35)
        .starts("web", "0 0 10 30")
        .state(
            "web",
            "CrashLoopBackOff/10@0 CrashLoopBackOff/20@10 CrashLoopBackOff/40@30",
        )
        .last_state("web", "StartError@0");
}

#[test]
fn s158_a_rule_starts_everything_anew() {
    Pod::new()
        .init("i1", exits(s(1), 0))
        .main("a", [exits(s(10), 88), runs()])
        .own_policy(Never)
        .rule(true, &[88], RestartAllContainers)
        .main("b", deaf())
        .pre_stop(exec(exits(s(1), 0)))
        .lives(60)
        .struck("b", "SIGTERM@11 SIGKILL@13")
        .starts("b/preStop", "")
        .starts("i1", "0 13")
        .starts("a", "1 14")
        .starts("b", "1 14")
        .restarts("a", "0@0 1@14")
        .condition(
            "AllContainersRestarting",
            "False@0 True/RestartAllContainersStarted@11 False@13",
        );
}

#[test]
fn s159_a_probes_kill_rests_as_any_end() {
    // The kubelet's same-pass restart looks at the end before this one. Each end counts here.
    let told = Pod::new()
        .main("web", runs())
        .liveness(goes("F").failures(1).delay(35).period(5))
        .lives(135);
    told.starts("web", "0 35 80 135");
}

#[test]
fn s160_what_a_probe_killed_is_restarted_even_if_it_exits_0() {
    let web = Pod::new()
        .policy(OnFailure)
        .main("web", runs().on(signal("TERM"), s(1), 0).unmoved());
    let told = web.liveness(goes("FS").failures(1)).lives(60);
    told.ends("web", "0@1").starts("web", "0 1");
}

#[test]
fn s161_at_the_cap_nothing_is_forgotten_early() {
    let told = capped_then(310).lives(1528);
    told.starts("web", "0 1 12 33 74 155 316 617 918 1528");
}

#[test]
fn s162_a_container_that_takes_long_to_stop_holds_no_other() {
    let a = Pod::new().main("a", deaf()).liveness(goes("F").failures(1));
    let told = a.main("b", [crashes(5), runs()]).lives(20);
    told.starts("b", "0 5").struck("a", "SIGTERM@0");
}

#[test]
fn a_restart_that_was_asked_for_is_an_orderly_stop_and_no_rest() {
    let web = Pod::new().main("web", runs().on(signal("TERM"), s(2), 0).unmoved());
    let told = web
        .pre_stop(exec(exits(s(3), 0)))
        .main("other", runs())
        .at(60)
        .restart("web")
        .lives(99);
    told.starts("web/preStop", "60")
        .struck("web", "SIGTERM@63")
        .starts("web", "0 65")
        .starts("other", "0");
}

#[test]
fn a_restart_that_was_asked_for_ends_a_rest() {
    let told = Pod::new()
        .main("web", [crashes(1), crashes(1), crashes(1), runs()])
        .at(20)
        .restart("web")
        .lives(99);
    told.starts("web", "0 1 12 20");
}
