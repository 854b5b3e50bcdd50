//! Hooks of pods (kubelet-semantics H.3), on the pretend clock. How the exec hook of a single command fits into its
//! grace stands in `stories_hook`.

use crate::pod::{Deed, Pod, exec};
use crate::script::{asks, goes};
use crate::story::{ms, s, signal};
use crate::temper::{Temper, exits, runs};
use monopod::plan::RestartPolicy::Never;

fn web() -> Pod {
    Pod::new().main("web", runs())
}

/// Pays no heed to any signal.
fn deaf() -> Pod {
    Pod::new().main("web", runs().unmoved())
}

/// Takes its leave that long after SIGTERM.
fn obeys(after: u64) -> Temper {
    runs().on(signal("TERM"), s(after), 0).unmoved()
}

#[test]
fn s70_until_the_post_start_hook_is_done_it_waits_and_is_not_probed() {
    web()
        .post_start(Deed::Sleep(20))
        .liveness(goes("S"))
        .lives(25)
        .state("web", "Initial@0 Running@20")
        .started("web", "no@0 yes@20")
        .starts("web/liveness", "20");
}

#[test]
fn s71_the_next_container_waits_for_the_post_start_hook() {
    let told = web()
        .post_start(exec(exits(s(20), 0)))
        .main("b", runs())
        .lives(25);
    told.starts("web", "0").starts("b", "20");
}

#[test]
fn s72_the_entrypoint_does_not_wait_for_its_hook() {
    let told = web().post_start(exec(exits(s(20), 0))).lives(25);
    told.starts("web", "0").starts("web/postStart", "0");
}

#[test]
fn s73_a_post_start_hook_that_fails_stops_its_container_and_back_off_applies() {
    let told = web().post_start(exec(exits(s(3), 1))).lives(20);
    told.starts("web", "0 3 16")
        .struck("web", "SIGTERM@3 SIGTERM@6 SIGTERM@19")
        .says("web PostStart failed: Exit(1)", "3 6 19");
}

#[test]
fn s73_meanwhile_it_says_why_it_waits() {
    let told = deaf().post_start(exec(exits(s(3), 1))).lives(20);
    told.state("web", "Initial@0 PostStartHookError@3");
}

#[test]
fn s73_the_next_attempt_still_says_why_until_its_own_hook_is_done() {
    let told = web().post_start(exec(exits(s(3), 1))).lives(5);
    told.state("web", "Initial@0 PostStartHookError@3");
}

#[test]
fn s74_the_pre_stop_hook_of_a_container_whose_post_start_failed_is_run() {
    web()
        .post_start(exec(exits(s(3), 1)))
        .pre_stop(exec(exits(s(2), 0)))
        .lives(5)
        .starts("web/preStop", "3")
        .struck("web", "SIGTERM@5");
}

#[test]
fn s75_with_policy_never_that_is_its_end() {
    let told = web()
        .policy(Never)
        .post_start(exec(exits(s(3), 1)))
        .lives(60);
    told.starts("web", "0")
        .leaves("143@3")
        .phase("Pending@0 Failed@3");
}

#[test]
fn s76_a_post_start_hook_has_no_timeout() {
    let told = web().post_start(exec(runs())).lives(100_000);
    told.state("web", "Initial@0").struck("web/postStart", "");
}

#[test]
fn s77_a_question_that_was_answered_is_a_hook_that_succeeded() {
    let told = web().post_start(Deed::Ask(asks("S"))).lives(60);
    told.state("web", "Running@0")
        .starts("web/postStart", "0")
        .struck("web", "");
}

#[test]
fn s78_a_question_that_was_not_is_one_that_failed() {
    let told = deaf().post_start(Deed::Ask(asks("F"))).lives(20);
    told.struck("web", "SIGTERM@0");
}

#[test]
fn s80_a_sleep_comes_before_the_signal_and_counts() {
    let told = deaf()
        .pre_stop(Deed::Sleep(5))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.struck("web", "SIGTERM@65 SIGKILL@90");
}

#[test]
fn s81_a_sleep_of_nothing_is_over_at_once() {
    let told = deaf()
        .pre_stop(Deed::Sleep(0))
        .at(60)
        .signal("TERM")
        .lives(61);
    told.struck("web", "SIGTERM@60");
}

#[test]
fn s82_a_tcp_hook_always_fails() {
    let told = deaf().post_start(Deed::Fails).lives(20);
    told.struck("web", "SIGTERM@0")
        .says("web PostStart failed: None", "0");
    let told = deaf().pre_stop(Deed::Fails).at(60).signal("TERM").lives(61);
    told.struck("web", "SIGTERM@60")
        .says("web PreStop failed: None", "60");
}

#[test]
fn s83_a_pre_stop_hook_that_fails_neither_aborts_nor_hastens() {
    let told = deaf()
        .pre_stop(exec(exits(s(3), 1)))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.struck("web", "SIGTERM@63 SIGKILL@90")
        .says("web PreStop failed: Exit(1)", "63");
}

#[test]
fn s84_what_the_hook_took_is_not_rounded() {
    // The kubelet subtracts whole seconds and would kill at 90.9. One grace is one grace.
    let told = deaf()
        .pre_stop(exec(exits(ms(4900), 0)))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.struck("web", "SIGTERM@64.9 SIGKILL@90");
}

#[test]
fn s85_a_pre_stop_hook_that_never_ends_costs_its_container_all_but_two_seconds() {
    let told = deaf()
        .pre_stop(exec(runs().unmoved()))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.struck("web", "SIGTERM@90 SIGKILL@92")
        .says("web PreStop overran", "90");
}

#[test]
fn s86_a_question_that_is_still_open_then_is_left_open() {
    let told = deaf()
        .pre_stop(Deed::Ask(asks("-")))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.starts("web/preStop", "60")
        .struck("web", "SIGTERM@90 SIGKILL@92");
}

#[test]
fn s87_who_exits_by_itself_has_no_pre_stop_hook() {
    let told = Pod::new()
        .main("web", exits(s(5), 0))
        .pre_stop(exec(exits(s(1), 0)))
        .lives(30);
    told.starts("web/preStop", "").starts("web", "0 5 20");
}

#[test]
fn s88_a_probes_kill_runs_the_pre_stop_hook_within_its_own_grace() {
    deaf()
        .pre_stop(Deed::Sleep(5))
        .liveness(goes("F").failures(1).grace(20))
        .lives(19)
        .struck("web", "SIGTERM@5");
    deaf()
        .pre_stop(exec(runs().unmoved()))
        .startup(goes("F").failures(1).grace(20))
        .lives(22)
        .struck("web", "SIGTERM@20 SIGKILL@22");
}

#[test]
fn s89_without_a_grace_there_is_no_hook() {
    let told = deaf()
        .grace(0)
        .pre_stop(exec(exits(s(0), 0)))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.starts("web/preStop", "")
        .struck("web", "SIGTERM@60 SIGKILL@62");
}

#[test]
fn a_stop_does_not_wait_for_a_post_start_hook() {
    // The kubelet's one loop hangs with the hook (C.1); a supervisor must be stoppable.
    let told = Pod::new()
        .main("web", obeys(1))
        .post_start(exec(runs()))
        .at(60)
        .signal("TERM")
        .lives(99);
    told.struck("web", "SIGTERM@60");
}
