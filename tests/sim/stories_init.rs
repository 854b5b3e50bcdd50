//! Init steps: strictly in order, each to success, with the rests of the kubelet between the tries.

use crate::plans::Retries;
use crate::story::{Story, s, signal};
use crate::temper::{cannot_start, exits, runs};
use monopod::machine::Stage;

#[test]
fn s149_steps_run_one_at_a_time_and_the_command_comes_last() {
    Story::pod()
        .step("wait-db", [exits(s(4), 0)])
        .step("migrate", [exits(s(6), 0)])
        .web(exits(s(90), 0))
        .goes(
            "
            0s > start wait-db
            0s < wait-db started
            0s > say: wait-db runs
            4s < wait-db exited 0
            4s < nothing is left
            4s > say: wait-db is done
            4s > start migrate
            4s < migrate started
            4s > say: migrate runs
            10s < migrate exited 0
            10s < nothing is left
            10s > say: migrate is done
            10s > start web
            10s < web started
            10s > say: web runs
            10s = started
            10s = ready
            100s < web exited 0
            100s < nothing is left
            100s > say: web exited 0
            100s > leave with 0
            100s = not ready
            ",
        );
}

#[test]
fn s151_a_failed_step_ends_everything_with_its_own_code() {
    Story::pod()
        .step("migrate", [exits(s(2), 3)])
        .step("seed", [exits(s(1), 0)])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            2s < migrate exited 3
            2s < nothing is left
            2s > say: migrate exited 3
            2s > say: migrate failed, it exited 3
            2s > leave with 3
            ",
        );
}

#[test]
fn s134_a_step_that_keeps_failing_rests_as_the_kubelet_rests() {
    Story::pod()
        .step("migrate", [exits(s(1), 1)])
        .retries(Retries::Unlimited)
        .until(s(918))
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
            12s > start migrate
            12s < migrate started
            12s > say: migrate runs
            13s < migrate exited 1
            13s < nothing is left
            13s > say: migrate exited 1
            13s > say: migrate rests 20s
            33s > start migrate
            33s < migrate started
            33s > say: migrate runs
            34s < migrate exited 1
            34s < nothing is left
            34s > say: migrate exited 1
            34s > say: migrate rests 40s
            74s > start migrate
            74s < migrate started
            74s > say: migrate runs
            75s < migrate exited 1
            75s < nothing is left
            75s > say: migrate exited 1
            75s > say: migrate rests 80s
            155s > start migrate
            155s < migrate started
            155s > say: migrate runs
            156s < migrate exited 1
            156s < nothing is left
            156s > say: migrate exited 1
            156s > say: migrate rests 160s
            316s > start migrate
            316s < migrate started
            316s > say: migrate runs
            317s < migrate exited 1
            317s < nothing is left
            317s > say: migrate exited 1
            317s > say: migrate rests 300s
            617s > start migrate
            617s < migrate started
            617s > say: migrate runs
            618s < migrate exited 1
            618s < nothing is left
            618s > say: migrate exited 1
            618s > say: migrate rests 300s
            918s > start migrate
            918s < migrate started
            918s > say: migrate runs
            and so on
            ",
        );
}

#[test]
fn s136_a_run_of_more_than_ten_minutes_is_forgiven_what_came_before() {
    Story::pod()
        .step(
            "migrate",
            [
                exits(s(1), 1),
                exits(s(1), 1),
                exits(s(601), 1),
                exits(s(1), 1),
                exits(s(1), 0),
            ],
        )
        .retries(Retries::Unlimited)
        .web(exits(s(1), 0))
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
            12s > start migrate
            12s < migrate started
            12s > say: migrate runs
            613s < migrate exited 1
            613s < nothing is left
            613s > say: migrate exited 1
            613s > say: migrate rests 0s
            613s > start migrate
            613s < migrate started
            613s > say: migrate runs
            614s < migrate exited 1
            614s < nothing is left
            614s > say: migrate exited 1
            614s > say: migrate rests 10s
            624s > start migrate
            624s < migrate started
            624s > say: migrate runs
            625s < migrate exited 0
            625s < nothing is left
            625s > say: migrate is done
            625s > start web
            625s < web started
            625s > say: web runs
            625s = started
            625s = ready
            626s < web exited 0
            626s < nothing is left
            626s > say: web exited 0
            626s > leave with 0
            626s = not ready
            ",
        );
}

#[test]
fn s137_a_run_of_exactly_ten_minutes_is_not_forgiven() {
    Story::pod()
        .step(
            "migrate",
            [exits(s(1), 1), exits(s(1), 1), exits(s(600), 1)],
        )
        .retries(Retries::AtMost(3))
        .until(s(640))
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
            12s > start migrate
            12s < migrate started
            12s > say: migrate runs
            612s < migrate exited 1
            612s < nothing is left
            612s > say: migrate exited 1
            612s > say: migrate rests 20s
            632s > start migrate
            632s < migrate started
            632s > say: migrate runs
            and so on
            ",
        );
}

#[test]
fn retries_that_are_used_up_end_in_the_last_code() {
    Story::pod()
        .step("migrate", [exits(s(1), 4), exits(s(1), 5)])
        .retries(Retries::AtMost(1))
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            1s < migrate exited 4
            1s < nothing is left
            1s > say: migrate exited 4
            1s > say: migrate rests 0s
            1s > start migrate
            1s < migrate started
            1s > say: migrate runs
            2s < migrate exited 5
            2s < nothing is left
            2s > say: migrate exited 5
            2s > say: migrate failed, it exited 5
            2s > leave with 5
            ",
        );
}

#[test]
fn every_step_has_its_own_retries_and_its_own_rests() {
    Story::pod()
        .step("wait-db", [exits(s(1), 1), exits(s(1), 0)])
        .step("migrate", [exits(s(1), 1), exits(s(1), 0)])
        .retries(Retries::AtMost(1))
        .web(exits(s(1), 0))
        .goes(
            "
            0s > start wait-db
            0s < wait-db started
            0s > say: wait-db runs
            1s < wait-db exited 1
            1s < nothing is left
            1s > say: wait-db exited 1
            1s > say: wait-db rests 0s
            1s > start wait-db
            1s < wait-db started
            1s > say: wait-db runs
            2s < wait-db exited 0
            2s < nothing is left
            2s > say: wait-db is done
            2s > start migrate
            2s < migrate started
            2s > say: migrate runs
            3s < migrate exited 1
            3s < nothing is left
            3s > say: migrate exited 1
            3s > say: migrate rests 0s
            3s > start migrate
            3s < migrate started
            3s > say: migrate runs
            4s < migrate exited 0
            4s < nothing is left
            4s > say: migrate is done
            4s > start web
            4s < web started
            4s > say: web runs
            4s = started
            4s = ready
            5s < web exited 0
            5s < nothing is left
            5s > say: web exited 0
            5s > leave with 0
            5s = not ready
            ",
        );
}

#[test]
fn s157_a_step_that_is_not_there_is_tried_again_and_ends_in_127() {
    Story::pod()
        .step("migrate", [cannot_start(Stage::Exec, libc::ENOENT)])
        .retries(Retries::AtMost(2))
        .goes(
            "
            0s > start migrate
            0s < migrate cannot start: Exec says 2
            0s < nothing is left
            0s > say: migrate cannot start: Exec says 2
            0s > say: migrate rests 0s
            0s > start migrate
            0s < migrate cannot start: Exec says 2
            0s < nothing is left
            0s > say: migrate cannot start: Exec says 2
            0s > say: migrate rests 10s
            10s > start migrate
            10s < migrate cannot start: Exec says 2
            10s < nothing is left
            10s > say: migrate cannot start: Exec says 2
            10s > leave with 127
            ",
        );
}

#[test]
fn a_failed_step_leaves_nothing_behind() {
    Story::pod()
        .step(
            "migrate",
            [exits(s(2), 3).daemonising(runs().on(signal("TERM"), s(1), 0))],
        )
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            2s < migrate exited 3
            2s > say: migrate exited 3
            2s > say: migrate failed, it exited 3
            2s > say: stragglers get 30s
            2s > SIGTERM to all
            2s > SIGCONT to all
            3s < an orphan exited 0
            3s < nothing is left
            3s > say: an orphan exited 0
            3s > leave with 3
            ",
        );
}

#[test]
fn the_daemon_of_a_step_lives_beside_the_command() {
    Story::pod()
        .step("start-sshd", [exits(s(1), 0).daemonising(runs())])
        .web(exits(s(10), 0))
        .goes(
            "
            0s > start start-sshd
            0s < start-sshd started
            0s > say: start-sshd runs
            1s < start-sshd exited 0
            1s > say: start-sshd is done
            1s > start web
            1s < web started
            1s > say: web runs
            1s = started
            1s = ready
            11s < web exited 0
            11s > say: web exited 0
            11s > say: stragglers get 30s
            11s > SIGTERM to all
            11s > SIGCONT to all
            11s = not ready
            11s < an orphan died of SIGTERM
            11s < nothing is left
            11s > say: an orphan died of SIGTERM
            11s > leave with 0
            ",
        );
}

#[test]
fn other_signals_go_to_the_step_that_runs_and_nowhere_while_it_rests() {
    Story::pod()
        .step(
            "migrate",
            [
                exits(s(2), 1).unmoved(),
                exits(s(2), 1).unmoved(),
                exits(s(1), 0),
            ],
        )
        .retries(Retries::Unlimited)
        .web(exits(s(1), 0))
        .hears(s(1), ["HUP", "RTMIN+3", "HUP"])
        .hears(s(5), ["USR1"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            1s < SIGHUP
            1s < SIGRTMIN+3
            1s < SIGHUP
            1s > SIGHUP to migrate
            1s > SIGRTMIN+3 to migrate
            1s > SIGHUP to migrate
            2s < migrate exited 1
            2s < nothing is left
            2s > say: migrate exited 1
            2s > say: migrate rests 0s
            2s > start migrate
            2s < migrate started
            2s > say: migrate runs
            4s < migrate exited 1
            4s < nothing is left
            4s > say: migrate exited 1
            4s > say: migrate rests 10s
            5s < SIGUSR1
            5s > say: SIGUSR1 dropped
            14s > start migrate
            14s < migrate started
            14s > say: migrate runs
            15s < migrate exited 0
            15s < nothing is left
            15s > say: migrate is done
            15s > start web
            15s < web started
            15s > say: web runs
            15s = started
            15s = ready
            16s < web exited 0
            16s < nothing is left
            16s > say: web exited 0
            16s > leave with 0
            16s = not ready
            ",
        );
}

#[test]
fn the_code_of_a_failed_step_is_changed_as_asked() {
    Story::pod()
        .step("migrate", [exits(s(2), 3)])
        .remap(3, 0)
        .goes(
            "
        0s > start migrate
        0s < migrate started
        0s > say: migrate runs
        2s < migrate exited 3
        2s < nothing is left
        2s > say: migrate exited 3
        2s > say: migrate failed, it exited 3
        2s > leave with 0
        ",
        );
}

#[test]
fn what_a_failed_step_leaves_behind_has_two_seconds_even_without_any_grace() {
    Story::pod()
        .step("migrate", [exits(s(2), 3).daemonising(runs().unmoved())])
        .grace(s(0))
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            2s < migrate exited 3
            2s > say: migrate exited 3
            2s > say: migrate failed, it exited 3
            2s > say: stragglers get 2s
            2s > SIGTERM to all
            2s > SIGCONT to all
            4s > say: grace is over
            4s > SIGKILL to all
            4s < an orphan died of SIGKILL
            4s < nothing is left
            4s > say: an orphan died of SIGKILL
            4s > leave with 3
            ",
        );
}

#[test]
fn a_signal_in_the_turn_in_which_the_command_starts_goes_to_it() {
    Story::pod()
        .step("migrate", [exits(s(4), 0)])
        .web(exits(s(9), 0))
        .hears(s(4), ["HUP"])
        .goes(
            "
            0s > start migrate
            0s < migrate started
            0s > say: migrate runs
            4s < SIGHUP
            4s < migrate exited 0
            4s < nothing is left
            4s > say: migrate is done
            4s > start web
            4s > SIGHUP to web
            4s < web started
            4s < web died of SIGHUP
            4s < nothing is left
            4s > say: web runs
            4s > say: web died of SIGHUP
            4s > leave with 129
            ",
        );
}
