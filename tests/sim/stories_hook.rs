//! What comes between the ask and the stop signal: the drain and the pre-stop hook, in one grace.

use crate::story::{Story, ms, s, signal};
use crate::temper::{Temper, cannot_start, exits, runs};
use monopod::machine::Stage;

/// Takes its leave that long after SIGTERM.
fn obeys(after: u64) -> Temper {
    runs().on(signal("TERM"), s(after), 0).unmoved()
}

#[test]
fn s80_the_hook_comes_before_the_signal_and_its_time_counts() {
    Story::pod()
        .web(runs().unmoved())
        .hook(exits(s(5), 0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        65s < hook exited 0
        65s > SIGTERM to web
        90s > say: web exceeded its grace
        90s > say: grace is over
        90s > SIGKILL to all
        90s < web died of SIGKILL
        90s < nothing is left
        90s > say: web died of SIGKILL as asked
        90s > leave with 137
        ",
        );
}

#[test]
fn s83_a_hook_that_fails_changes_nothing() {
    Story::pod()
        .web(obeys(1))
        .hook(exits(s(3), 1))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        63s < hook exited 1
        63s > say: web PreStop failed: Exit(1)
        63s > SIGTERM to web
        64s < web exited 0
        64s < nothing is left
        64s > say: web exited 0 as asked
        64s > leave with 0
        ",
        );
}

#[test]
fn s84_what_the_hook_took_is_not_rounded() {
    // The kubelet subtracts whole seconds and would kill at 90.9. One grace is one grace.
    Story::pod()
        .web(runs().unmoved())
        .hook(exits(ms(4900), 0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        64.9s < hook exited 0
        64.9s > SIGTERM to web
        90s > say: web exceeded its grace
        90s > say: grace is over
        90s > SIGKILL to all
        90s < web died of SIGKILL
        90s < nothing is left
        90s > say: web died of SIGKILL as asked
        90s > leave with 137
        ",
        );
}

#[test]
fn s85_a_hook_that_never_ends_is_left_to_itself_and_two_seconds_are_granted() {
    Story::pod()
        .web(runs().unmoved())
        .hook(runs().unmoved())
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        90s > say: web PreStop overran
        90s > SIGTERM to web
        92s > say: web exceeded its grace
        92s > say: grace is over
        92s > SIGKILL to all
        92s < web died of SIGKILL
        92s < hook died of SIGKILL
        92s < nothing is left
        92s > say: web died of SIGKILL as asked
        92s > leave with 137
        ",
        );
}

#[test]
fn s103_a_hook_longer_than_the_grace() {
    Story::pod()
        .web(runs().unmoved())
        .hook(exits(s(5), 0))
        .grace(s(1))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        61s > say: web PreStop overran
        61s > SIGTERM to web
        63s > say: web exceeded its grace
        63s > say: grace is over
        63s > SIGKILL to all
        63s < web died of SIGKILL
        63s < hook died of SIGKILL
        63s < nothing is left
        63s > say: web died of SIGKILL as asked
        63s > leave with 137
        ",
        );
}

#[test]
fn s89_without_any_grace_there_is_no_hook() {
    Story::pod()
        .web(obeys(1))
        .hook(exits(s(0), 0))
        .grace(s(0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        61s < web exited 0
        61s < nothing is left
        61s > say: web exited 0 as asked
        61s > leave with 0
        ",
        );
}

#[test]
fn a_hook_that_cannot_be_started_changes_nothing() {
    Story::pod()
        .web(obeys(1))
        .hook(cannot_start(Stage::Exec, libc::ENOENT))
        .hears(s(60), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: killing web: Stop
            60s > start hook
            60s = not ready
            60s < hook cannot start: Exec says 2
            60s > say: hook cannot start: Exec says 2
            60s > say: web PreStop failed: Exec(2)
            60s > SIGTERM to web
            61s < web exited 0
            61s < nothing is left
            61s > say: web exited 0 as asked
            61s > leave with 0
            ",
        );
}

#[test]
fn a_hook_that_ends_at_the_last_moment_did_not_overrun() {
    Story::pod()
        .web(obeys(1))
        .hook(exits(s(30), 0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        90s < hook exited 0
        90s > SIGTERM to web
        91s < web exited 0
        91s < nothing is left
        91s > say: web exited 0 as asked
        91s > leave with 0
        ",
        );
}

#[test]
fn a_command_that_ends_while_its_hook_runs_needs_no_signal() {
    Story::pod()
        .web(exits(s(65), 6))
        .hook(runs())
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > start hook
        60s = not ready
        60s < hook started
        65s < web exited 6
        65s > say: web exited 6 as asked
        65s > say: stragglers get 25s
        65s > SIGTERM to all
        65s > SIGCONT to all
        65s < hook died of SIGTERM
        65s < nothing is left
        65s > leave with 6
        ",
        );
}

#[test]
fn s118_readiness_goes_first_and_the_command_serves_on_while_it_drains() {
    Story::pod()
        .web(obeys(1))
        .drain(s(5))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: draining 5s
        60s = not ready
        65s > say: killing web: Stop
        65s > SIGTERM to web
        66s < web exited 0
        66s < nothing is left
        66s > say: web exited 0 as asked
        66s > leave with 0
        ",
        );
}

#[test]
fn drain_and_hook_and_signal_share_one_grace() {
    Story::pod()
        .web(runs().unmoved())
        .drain(s(5))
        .hook(exits(s(10), 0))
        .grace(s(20))
        .hears(s(60), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: draining 5s
            60s = not ready
            65s > say: killing web: Stop
            65s > start hook
            65s < hook started
            75s < hook exited 0
            75s > SIGTERM to web
            80s > say: web exceeded its grace
            80s > say: grace is over
            80s > SIGKILL to all
            80s < web died of SIGKILL
            80s < nothing is left
            80s > say: web died of SIGKILL as asked
            80s > leave with 137
            ",
        );
}

#[test]
fn a_drain_longer_than_the_grace_ends_with_it_and_leaves_no_time_for_a_hook() {
    Story::pod()
        .web(obeys(1))
        .drain(s(60))
        .hook(exits(s(1), 0))
        .grace(s(20))
        .hears(s(60), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: draining 20s
            60s = not ready
            80s > say: killing web: Stop
            80s > SIGTERM to web
            81s < web exited 0
            81s < nothing is left
            81s > say: web exited 0 as asked
            81s > leave with 0
            ",
        );
}

#[test]
fn a_drain_without_any_grace_is_none() {
    Story::pod()
        .web(obeys(1))
        .drain(s(5))
        .grace(s(0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        61s < web exited 0
        61s < nothing is left
        61s > say: web exited 0 as asked
        61s > leave with 0
        ",
        );
}

#[test]
fn a_command_that_ends_while_it_drains_ends_the_drain() {
    Story::pod()
        .web(exits(s(62), 5))
        .drain(s(10))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: draining 10s
        60s = not ready
        62s < web exited 5
        62s < nothing is left
        62s > say: web exited 5 as asked
        62s > leave with 5
        ",
        );
}

#[test]
fn signals_go_on_being_handed_on_while_it_drains() {
    Story::pod()
        .web(obeys(1))
        .drain(s(5))
        .hears(s(60), ["TERM"])
        .hears(s(62), ["HUP"])
        .hears(s(63), ["INT"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: draining 5s
            60s = not ready
            62s < SIGHUP
            62s > SIGHUP to web
            63s < SIGINT
            63s > SIGINT to web
            65s > say: killing web: Stop
            65s > SIGTERM to web
            66s < web exited 0
            66s < nothing is left
            66s > say: web exited 0 as asked
            66s > leave with 0
            ",
        );
}

#[test]
fn the_two_seconds_of_the_stop_signal_are_not_granted_again_to_stragglers() {
    Story::pod()
        .web(obeys(1).daemonising(runs().unmoved()))
        .hook(runs())
        .hears(s(60), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: killing web: Stop
            60s > start hook
            60s = not ready
            60s < hook started
            90s > say: web PreStop overran
            90s > SIGTERM to web
            91s < web exited 0
            91s > say: web exited 0 as asked
            91s > say: stragglers get 1s
            91s > SIGTERM to all
            91s > SIGCONT to all
            91s < hook died of SIGTERM
            92s > say: grace is over
            92s > SIGKILL to all
            92s < an orphan died of SIGKILL
            92s < nothing is left
            92s > say: an orphan died of SIGKILL
            92s > leave with 0
            ",
        );
}

#[test]
fn stragglers_of_a_command_that_ends_late_in_the_drain_have_two_seconds() {
    Story::pod()
        .web(exits(s(89), 5).daemonising(runs().unmoved()))
        .drain(s(30))
        .hears(s(60), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: draining 30s
            60s = not ready
            89s < web exited 5
            89s > say: web exited 5 as asked
            89s > say: stragglers get 2s
            89s > SIGTERM to all
            89s > SIGCONT to all
            91s > say: grace is over
            91s > SIGKILL to all
            91s < an orphan died of SIGKILL
            91s < nothing is left
            91s > say: an orphan died of SIGKILL
            91s > leave with 5
            ",
        );
}
