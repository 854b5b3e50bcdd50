//! The probe loop (kubelet-semantics H.1), on the pretend clock.

use crate::pod::Pod;
use crate::script::{execs, goes, healthy_from, unresolvable};
use crate::story::{s, signal};
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
fn s1_it_is_live_until_the_threshold_is_reached() {
    web()
        .liveness(goes("F"))
        .lives(19)
        .struck("web", "")
        .starts("web/liveness", "0 10");
}

#[test]
fn s2_it_is_not_ready_before_the_first_attempt() {
    let told = web().readiness(goes("S").delay(5)).lives(20);
    told.ready("web", "no@0 yes@10").started("web", "yes@0");
}

#[test]
fn s3_without_probes_it_is_started_and_ready_at_once() {
    web()
        .lives(10)
        .started("web", "yes@0")
        .ready("web", "yes@0");
}

#[test]
fn s4_started_and_ready_come_with_the_startup_probe() {
    let told = web().startup(healthy_from(20)).lives(60);
    told.started("web", "no@0 yes@20")
        .ready("web", "no@0 yes@20");
}

#[test]
fn s5_the_other_probes_wait_for_the_startup_probe() {
    web()
        .startup(healthy_from(20))
        .liveness(goes("S"))
        .readiness(goes("S"))
        .lives(35)
        .starts("web/startup", "0 10 20")
        .starts("web/liveness", "30")
        .starts("web/readiness", "20 30");
}

#[test]
fn s6_a_delay_is_over_at_the_next_beat() {
    web()
        .liveness(goes("S").delay(5))
        .lives(25)
        .starts("web/liveness", "10 20");
}

#[test]
fn s7_nothing_is_asked_before_the_delay_is_over() {
    web()
        .liveness(goes("S").delay(30))
        .lives(45)
        .starts("web/liveness", "30 40");
}

#[test]
fn s8_a_delay_counts_from_the_start_and_not_from_the_startup_probe() {
    web()
        .startup(healthy_from(60).failures(30))
        .liveness(goes("S").delay(30))
        .lives(75)
        .starts("web/liveness", "70");
}

#[test]
fn s9_the_third_failure_in_a_row_kills() {
    let told = web().liveness(goes("F")).lives(20);
    told.starts("web/liveness", "0 10 20 20")
        .struck("web", "SIGTERM@20")
        .says("killing web: Probe(Liveness, true)", "20");
}

#[test]
fn s10_a_success_between_failures_begins_the_count_anew() {
    deaf()
        .liveness(goes("FFSFFF"))
        .lives(55)
        .struck("web", "SIGTERM@50");
}

#[test]
fn s11_successes_are_counted_in_a_row_too() {
    web()
        .readiness(goes("FSFSS").successes(2))
        .lives(60)
        .ready("web", "no@0 yes@40");
}

#[test]
fn s12_two_failures_of_three_change_nothing() {
    web()
        .readiness(goes("SFFS"))
        .lives(60)
        .ready("web", "yes@0");
}

#[test]
fn s13_an_unready_container_is_asked_on_and_comes_back() {
    let told = web().readiness(goes("SFFFFS")).lives(60);
    told.ready("web", "yes@0 no@30 yes@50")
        .starts("web", "0")
        .struck("web", "");
}

#[test]
fn s14_a_threshold_of_one_kills_at_once() {
    deaf()
        .liveness(goes("F").failures(1))
        .lives(5)
        .struck("web", "SIGTERM@0");
}

#[test]
fn s15_a_slow_starter_is_started_at_the_beat_after_and_never_asked_again() {
    web()
        .startup(healthy_from(155).failures(30))
        .lives(400)
        .started("web", "no@0 yes@160")
        .starts(
            "web/startup",
            "0 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160",
        );
}

#[test]
fn s16_a_startup_probe_that_gives_up_kills_and_nothing_else_was_asked() {
    deaf()
        .startup(goes("F"))
        .liveness(goes("S"))
        .readiness(goes("S"))
        .lives(25)
        .struck("web", "SIGTERM@20")
        .says("killing web: Probe(Startup, true)", "20")
        .starts("web/liveness", "")
        .starts("web/readiness", "");
}

#[test]
fn s17_a_container_that_is_being_killed_is_not_asked_whether_it_lives() {
    Pod::new()
        .main("web", obeys(25))
        .liveness(goes("F"))
        .readiness(goes("S"))
        .lives(44)
        .starts("web/liveness", "0 10 20")
        .starts("web/readiness", "0 10 20 30 40");
}

#[test]
fn s18_the_next_instance_has_all_its_failures_before_it() {
    let told = web().liveness(goes("FFFFFSFFF")).lives(95);
    told.starts("web", "0 20 80")
        .struck("web", "SIGTERM@20 SIGTERM@70");
}

#[test]
fn s19_a_restart_begins_everything_anew() {
    Pod::new()
        .main("web", [exits(s(25), 1), runs()])
        .startup(goes("SFS"))
        .liveness(goes("S").delay(10))
        .lives(58)
        .started("web", "yes@0 no@25 yes@35")
        .ready("web", "yes@0 no@25 yes@35")
        .starts("web/liveness", "10 20 45 55");
}

#[test]
fn s20_an_attempt_that_cannot_be_carried_out_counts_for_nothing() {
    let told = web().readiness(goes("S???S")).lives(25);
    told.ready("web", "yes@0")
        .starts("web/readiness", "0 10 10 10 20")
        .says("web Readiness Unknown BodyCut", "10");
}

#[test]
fn s21_such_an_attempt_neither_breaks_a_row_nor_lengthens_it() {
    let told = deaf().liveness(goes("F???F???F")).lives(45);
    told.starts("web/liveness", "0 10 10 10 20 30 30 30 40")
        .struck("web", "SIGTERM@40");
}

#[test]
fn s22_an_attempt_that_erred_is_made_again_at_once() {
    let told = web().readiness(goes("?S")).lives(15);
    told.starts("web/readiness", "0 0 10").ready("web", "yes@0");
}

#[test]
fn s22_so_is_a_program_that_could_not_be_started() {
    web()
        .readiness(execs("?S"))
        .lives(15)
        .starts("web/readiness", "0 0 10")
        .ready("web", "yes@0");
}

#[test]
fn s23_a_plain_failure_is_not_made_again() {
    web()
        .liveness(goes("FS"))
        .lives(15)
        .starts("web/liveness", "0 10");
}

#[test]
fn s24_a_port_that_is_not_there_never_kills() {
    web()
        .liveness(unresolvable())
        .lives(1000)
        .struck("web", "")
        .starts("web", "0");
}

#[test]
fn s25_the_startup_probes_success_asks_for_readiness_at_once_and_moves_the_beat() {
    web()
        .startup(goes("FS").period(7))
        .readiness(goes("F").period(60))
        .lives(70)
        .starts("web/readiness", "7 67");
}

#[test]
fn s26_but_not_before_its_delay_is_over() {
    web()
        .startup(goes("FS").period(7))
        .readiness(goes("F").period(60).delay(30))
        .lives(59)
        .starts("web/readiness", "");
}

#[test]
fn s27_a_slow_attempt_is_followed_at_once_by_one_and_never_overlapped() {
    web()
        .liveness(goes("S").timeout(15).taking(12))
        .lives(40)
        .starts("web/liveness", "0 12 24 36");
}

#[test]
fn s28_a_slow_probe_does_not_hold_another() {
    web()
        .liveness(goes("S").timeout(10).taking(5))
        .readiness(goes("S").period(3))
        .lives(10)
        .starts("web/readiness", "0 3 6 9");
}

#[test]
fn s29_a_stop_ends_liveness_and_startup_but_not_readiness() {
    deaf()
        .liveness(goes("S"))
        .readiness(goes("SSFFF"))
        .at(15)
        .signal("TERM")
        .lives(44)
        .starts("web/liveness", "0 10")
        .starts("web/readiness", "0 10 20 30 40")
        .ready("web", "yes@0 no@40");
    let told = deaf()
        .startup(goes("F").failures(9))
        .at(15)
        .signal("TERM")
        .lives(44);
    told.starts("web/startup", "0 10");
}

#[test]
fn s30_what_has_exited_is_neither_started_nor_ready() {
    let told = Pod::new()
        .policy(Never)
        .main("web", exits(s(5), 0))
        .main("other", runs())
        .lives(9);
    told.ready("web", "yes@0 no@5").started("web", "yes@0 no@5");
}

#[test]
fn s31_a_failed_liveness_leaves_readiness_alone() {
    Pod::new()
        .policy(Never)
        .main("web", obeys(25))
        .liveness(goes("F"))
        .readiness(goes("S"))
        .main("other", runs())
        .lives(60)
        .ready("web", "yes@0 no@45");
}

#[test]
fn s35_failures_of_an_instance_that_crashed_are_not_held_against_the_next() {
    let told = Pod::new()
        .main("web", [exits(s(15), 1), runs().unmoved()])
        .liveness(goes("F"))
        .lives(40);
    told.starts("web/liveness", "0 10 15 25 35")
        .struck("web", "SIGTERM@35");
}

#[test]
fn s36_successes_of_an_instance_that_crashed_do_not_count_for_the_next() {
    let web = Pod::new().main("web", [exits(s(25), 1), runs()]);
    let told = web.readiness(goes("S").successes(3)).lives(60);
    told.ready("web", "no@0 yes@20 no@25 yes@45");
}

#[test]
fn s40_an_exec_probe_succeeds_with_code_0_and_fails_with_any_other() {
    let told = web().liveness(execs("S").failures(1)).lives(25);
    told.starts("web/liveness", "0 10 20").struck("web", "");
    for fails in ["F", "K"] {
        let told = deaf().liveness(execs(fails).failures(1)).lives(1);
        told.struck("web", "SIGTERM@0");
    }
}

#[test]
fn s41_an_exec_probe_is_killed_with_its_tree_at_its_timeout_and_has_failed() {
    let told = deaf().liveness(execs("-").timeout(3).failures(2)).lives(14);
    told.starts("web/liveness", "0 10")
        .struck("web/liveness", "SIGKILL@3 SIGKILL@13")
        .struck("web", "SIGTERM@13");
}

#[test]
fn s42_a_probe_that_cannot_be_run_never_kills() {
    let told = web().liveness(execs("?").failures(1)).lives(25);
    told.starts("web/liveness", "0 0 0 10 10 10 20 20 20")
        .struck("web", "");
}

#[test]
fn an_answer_that_never_comes_is_a_failure() {
    let told = deaf().liveness(goes("-").timeout(3).failures(1)).lives(9);
    told.starts("web/liveness", "0")
        .says("killing web: Probe(Liveness, true)", "3");
}

#[test]
fn a_helper_that_is_stuck_leaves_nothing_known() {
    let told = deaf().liveness(goes("!").timeout(3).failures(1)).lives(15);
    told.starts("web/liveness", "0 4 8 12").struck("web", "");
}

#[test]
fn a_helper_that_is_lost_takes_no_healthy_container_with_it() {
    let web = deaf().liveness(goes("-").timeout(9).failures(1).period(20));
    web.at(5).helper_dies().lives(8).struck("web", "");
}
