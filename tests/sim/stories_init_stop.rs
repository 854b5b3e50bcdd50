//! A stop that is asked for before the command runs: no step begins any more, and the code tells who asked.

use crate::plans::Retries;
use crate::story::{Story, ms, s, signal};
use crate::temper::{exits, runs};

#[test]
fn a_stop_stops_the_step_and_no_other_begins_though_it_then_succeeds() {
    Story::pod()
        .step("migrate", [runs().on(signal("TERM"), s(2), 0)])
        .step("seed", [exits(s(1), 0)])
        .hears(s(5), ["TERM"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            5s < SIGTERM
            5s > say: stop asked by SIGTERM
            5s > say: killing migrate: Stop
            5s > SIGTERM to migrate
            7s < migrate exited 0
            7s < nothing is left
            7s > say: migrate exited 0 as asked
            7s > leave with 143
            ",
        );
}

#[test]
fn a_step_is_stopped_with_the_stop_signal_and_the_code_tells_who_asked() {
    Story::pod()
        .step("migrate", [runs().on(signal("QUIT"), s(2), 1)])
        .stop_signal("QUIT")
        .hears(s(5), ["INT"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            5s < SIGINT
            5s > say: stop asked by SIGINT
            5s > say: killing migrate: Stop
            5s > SIGQUIT to migrate
            7s < migrate exited 1
            7s < nothing is left
            7s > say: migrate exited 1 as asked
            7s > leave with 130
            ",
        );
}

#[test]
fn a_step_that_ignores_the_stop_is_killed_at_the_end_of_the_grace() {
    Story::pod()
        .step("migrate", [runs().unmoved()])
        .grace(s(10))
        .hears(s(5), ["TERM"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            5s < SIGTERM
            5s > say: stop asked by SIGTERM
            5s > say: killing migrate: Stop
            5s > SIGTERM to migrate
            15s > say: migrate exceeded its grace
            15s > say: grace is over
            15s > SIGKILL to all
            15s < migrate died of SIGKILL
            15s < nothing is left
            15s > say: migrate died of SIGKILL as asked
            15s > leave with 143
            ",
        );
}

#[test]
fn what_a_stopped_step_leaves_behind_has_the_rest_of_the_grace() {
    Story::pod()
        .step("migrate", [runs().daemonising(runs().unmoved())])
        .grace(s(10))
        .hears(s(5), ["TERM"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            5s < SIGTERM
            5s > say: stop asked by SIGTERM
            5s > say: killing migrate: Stop
            5s > SIGTERM to migrate
            5s < migrate died of SIGTERM
            5s > say: migrate died of SIGTERM as asked
            5s > say: stragglers get 10s
            5s > SIGTERM to all
            5s > SIGCONT to all
            15s > say: grace is over
            15s > SIGKILL to all
            15s < an orphan died of SIGKILL
            15s < nothing is left
            15s > say: an orphan died of SIGKILL
            15s > leave with 143
            ",
        );
}

#[test]
fn a_stop_while_a_step_rests_is_over_at_once() {
    Story::pod()
        .step("migrate", [exits(s(1), 1)])
        .retries(Retries::Unlimited)
        .hears(s(5), ["TERM"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            1s < migrate exited 1
            1s < nothing is left
            1s > say: migrate exited 1
            1s > say: migrate rests 0s
            1s > start migrate
            1s < migrate started
            1s > say: migrate runs
            2s < migrate exited 1
            2s < nothing is left
            2s > say: migrate exited 1
            2s > say: migrate rests 10s
            5s < SIGTERM
            5s > say: stop asked by SIGTERM
            5s > leave with 143
            ",
        );
}

#[test]
fn a_stop_before_anything_was_started_is_over_at_once() {
    Story::pod()
        .step("migrate", [exits(s(1), 0)])
        .hears(s(0), ["TERM"])
        .goes(
            "
        0s < SIGTERM
        0s > say: stop asked by SIGTERM
        0s > leave with 143
        ",
        );
}

#[test]
fn a_stop_in_the_very_turn_of_the_last_success_keeps_the_command_from_starting() {
    Story::pod()
        .step("migrate", [exits(s(5), 0)])
        .hears(s(5), ["TERM"])
        .goes(
            "
        0s > start migrate
        0s < migrate started
        0s > say: migrate runs
        5s < SIGTERM
        5s < migrate exited 0
        5s < nothing is left
        5s > say: stop asked by SIGTERM
        5s > say: migrate exited 0 as asked
        5s > leave with 143
        ",
        );
}

#[test]
fn a_stop_in_the_very_turn_of_the_last_failure_is_a_stop() {
    Story::pod()
        .step("migrate", [exits(s(5), 1)])
        .hears(s(5), ["TERM"])
        .goes(
            "
        0s > start migrate
        0s < migrate started
        0s > say: migrate runs
        5s < SIGTERM
        5s < migrate exited 1
        5s < nothing is left
        5s > say: stop asked by SIGTERM
        5s > say: migrate exited 1 as asked
        5s > leave with 143
        ",
        );
}

#[test]
fn a_stop_in_the_very_turn_in_which_a_rest_is_over_starts_nothing() {
    Story::pod()
        .step("migrate", [exits(s(1), 1), exits(s(1), 1), exits(s(1), 0)])
        .retries(Retries::Unlimited)
        .hears(s(12), ["TERM"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            1s < migrate exited 1
            1s < nothing is left
            1s > say: migrate exited 1
            1s > say: migrate rests 0s
            1s > start migrate
            1s < migrate started
            1s > say: migrate runs
            2s < migrate exited 1
            2s < nothing is left
            2s > say: migrate exited 1
            2s > say: migrate rests 10s
            12s < SIGTERM
            12s > say: stop asked by SIGTERM
            12s > leave with 143
            ",
        );
}

#[test]
fn a_stop_between_fork_and_exec_waits_for_the_exec() {
    Story::pod()
        .step("migrate", [runs().execs_after(ms(300))])
        .hears(ms(100), ["TERM"])
        .goes(
            "
        0s > start migrate
        0.1s < SIGTERM
        0.1s > say: stop asked by SIGTERM
        0.1s > say: killing migrate: Stop
        0.1s > SIGTERM to migrate
        0.3s < migrate started
        0.3s < migrate died of SIGTERM
        0.3s < nothing is left
        0.3s > say: migrate runs
        0.3s > say: migrate died of SIGTERM as asked
        0.3s > leave with 143
        ",
        );
}

#[test]
fn a_second_ask_is_handed_on_to_the_step() {
    Story::pod()
        .step("migrate", [runs().on(signal("INT"), s(0), 9).unmoved()])
        .hears(s(5), ["TERM"])
        .hears(s(6), ["INT"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            5s < SIGTERM
            5s > say: stop asked by SIGTERM
            5s > say: killing migrate: Stop
            5s > SIGTERM to migrate
            6s < SIGINT
            6s > SIGINT to migrate
            6s < migrate exited 9
            6s < nothing is left
            6s > say: migrate exited 9 as asked
            6s > leave with 143
            ",
        );
}
