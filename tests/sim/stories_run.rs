//! The command: its start, its signals, its end, and what is left after it.

use crate::kernel::Event;
use crate::story::{Story, ms, s, signal};
use crate::temper::{cannot_start, exits, runs};
use monopod::machine::Stage;
use monopod::plan::ExitCode;

#[test]
fn the_commands_code_is_the_containers_and_comes_at_once() {
    Story::pod().web(exits(s(7), 3)).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        7s < web exited 3
        7s < nothing is left
        7s > say: web exited 3
        7s > leave with 3
        7s = not ready
        ",
    );
}

#[test]
fn s119_a_command_that_dies_of_a_signal_says_128_and_its_number() {
    Story::pod().web(runs()).hears(s(7), ["RTMIN+3"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        7s < SIGRTMIN+3
        7s > SIGRTMIN+3 to web
        7s < web died of SIGRTMIN+3
        7s < nothing is left
        7s > say: web died of SIGRTMIN+3
        7s > leave with 165
        7s = not ready
        ",
    );
}

#[test]
fn a_code_is_changed_as_asked() {
    Story::pod().web(exits(s(7), 143)).remap(143, 0).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        7s < web exited 143
        7s < nothing is left
        7s > say: web exited 143
        7s > leave with 0
        7s = not ready
        ",
    );
}

#[test]
fn a_command_that_is_not_there_says_127() {
    Story::pod()
        .web(cannot_start(Stage::Exec, libc::ENOENT))
        .goes(
            "
        0s > start web
        0s < web cannot start: Exec says 2
        0s < nothing is left
        0s > say: web cannot start: Exec says 2
        0s > leave with 127
        ",
        );
}

#[test]
fn a_command_that_cannot_be_run_says_126() {
    Story::pod()
        .web(cannot_start(Stage::Exec, libc::EACCES))
        .goes(
            "
        0s > start web
        0s < web cannot start: Exec says 13
        0s < nothing is left
        0s > say: web cannot start: Exec says 13
        0s > leave with 126
        ",
        );
}

#[test]
fn a_fork_that_is_refused_says_126() {
    Story::pod()
        .web(cannot_start(Stage::Fork, libc::EAGAIN))
        .goes(
            "
        0s > start web
        0s < web cannot start: Fork says 11
        0s < nothing is left
        0s > say: web cannot start: Fork says 11
        0s > leave with 126
        ",
        );
}

#[test]
fn it_is_ready_when_its_exec_succeeded_and_not_before() {
    Story::pod().web(exits(s(1), 0).execs_after(ms(700))).goes(
        "
        0s > start web
        0.7s < web started
        0.7s > say: web runs
        0.7s = started
        0.7s = ready
        1.7s < web exited 0
        1.7s < nothing is left
        1.7s > say: web exited 0
        1.7s > leave with 0
        1.7s = not ready
        ",
    );
}

#[test]
fn signals_reach_the_command_in_order_and_none_is_merged() {
    Story::pod()
        .web(exits(s(9), 0).unmoved())
        .hears(s(1), ["USR1", "RTMIN+30", "USR1", "HUP", "USR1"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            1s < SIGUSR1
            1s < SIGRTMIN+30
            1s < SIGUSR1
            1s < SIGHUP
            1s < SIGUSR1
            1s > SIGUSR1 to web
            1s > SIGRTMIN+30 to web
            1s > SIGUSR1 to web
            1s > SIGHUP to web
            1s > SIGUSR1 to web
            9s < web exited 0
            9s < nothing is left
            9s > say: web exited 0
            9s > leave with 0
            9s = not ready
            ",
        );
}

#[test]
fn the_terminals_scolding_is_not_for_the_command() {
    Story::pod()
        .web(exits(s(9), 0).unmoved())
        .hears_from_kernel(s(1), "TTOU")
        .hears_from_kernel(s(2), "WINCH")
        .hears(s(3), ["TTOU"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            1s < SIGTTOU from the kernel
            2s < SIGWINCH from the kernel
            2s > SIGWINCH to web
            3s < SIGTTOU
            3s > SIGTTOU to web
            9s < web exited 0
            9s < nothing is left
            9s > say: web exited 0
            9s > leave with 0
            9s = not ready
            ",
        );
}

#[test]
fn a_signal_between_fork_and_exec_is_not_lost() {
    Story::pod()
        .web(
            exits(s(9), 0)
                .on(signal("HUP"), s(0), 5)
                .execs_after(ms(300)),
        )
        .hears(ms(100), ["HUP"])
        .goes(
            "
            0s > start web
            0.1s < SIGHUP
            0.1s > SIGHUP to web
            0.3s < web started
            0.3s < web exited 5
            0.3s < nothing is left
            0.3s > say: web runs
            0.3s > say: web exited 5
            0.3s > leave with 5
            ",
        );
}

#[test]
fn a_signal_in_the_very_turn_of_the_end_finds_nobody() {
    Story::pod().web(exits(s(9), 0)).hears(s(9), ["HUP"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        9s < SIGHUP
        9s < web exited 0
        9s < nothing is left
        9s > say: web exited 0
        9s > say: SIGHUP dropped
        9s > leave with 0
        9s = not ready
        ",
    );
}

#[test]
fn orphans_are_told_of() {
    Story::pod()
        .web(exits(s(9), 0).daemonising(exits(s(3), 1)))
        .goes_once_ready(
            "
        3s < an orphan exited 1
        3s > say: an orphan exited 1
        9s < web exited 0
        9s < nothing is left
        9s > say: web exited 0
        9s > leave with 0
        9s = not ready
        ",
        );
}

#[test]
fn s87_a_command_that_ends_by_itself_has_no_pre_stop_hook() {
    Story::pod().web(exits(s(9), 0)).hook(exits(s(1), 0)).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        9s < web exited 0
        9s < nothing is left
        9s > say: web exited 0
        9s > leave with 0
        9s = not ready
        ",
    );
}

#[test]
fn stragglers_get_sigterm_and_the_last_one_out_ends_it() {
    let worker = |after| runs().on(signal("TERM"), after, 0);
    Story::pod()
        .web(
            exits(s(9), 4)
                .forking(worker(s(1)))
                .daemonising(worker(s(3))),
        )
        .goes_once_ready(
            "
        9s < web exited 4
        9s > say: web exited 4
        9s > say: stragglers get 30s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        10s < an orphan exited 0
        10s > say: an orphan exited 0
        12s < an orphan exited 0
        12s < nothing is left
        12s > say: an orphan exited 0
        12s > leave with 4
        ",
        );
}

#[test]
fn stragglers_that_ignore_it_are_killed_at_the_end_of_the_grace() {
    Story::pod()
        .web(exits(s(9), 4).daemonising(runs().unmoved()))
        .grace(s(20))
        .goes_once_ready(
            "
        9s < web exited 4
        9s > say: web exited 4
        9s > say: stragglers get 20s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        29s > say: grace is over
        29s > SIGKILL to all
        29s < an orphan died of SIGKILL
        29s < nothing is left
        29s > say: an orphan died of SIGKILL
        29s > leave with 4
        ",
        );
}

#[test]
fn s102_stragglers_have_two_seconds_even_without_any_grace() {
    Story::pod()
        .web(exits(s(9), 0).daemonising(runs().unmoved()))
        .grace(s(0))
        .goes_once_ready(
            "
        9s < web exited 0
        9s > say: web exited 0
        9s > say: stragglers get 2s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        11s > say: grace is over
        11s > SIGKILL to all
        11s < an orphan died of SIGKILL
        11s < nothing is left
        11s > say: an orphan died of SIGKILL
        11s > leave with 0
        ",
        );
}

#[test]
fn a_stopped_straggler_is_woken_to_hear_its_sigterm() {
    Story::pod()
        .web(exits(s(9), 0).forking(runs().frozen()))
        .goes_once_ready(
            "
        9s < web exited 0
        9s > say: web exited 0
        9s > say: stragglers get 30s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        9s < an orphan died of SIGTERM
        9s < nothing is left
        9s > say: an orphan died of SIGTERM
        9s > leave with 0
        ",
        );
}

#[test]
fn a_straggler_that_ends_at_the_last_moment_is_not_killed() {
    let last_moment = runs().on(signal("TERM"), s(20), 0);
    Story::pod()
        .web(exits(s(9), 0).daemonising(last_moment))
        .grace(s(20))
        .goes_once_ready(
            "
        9s < web exited 0
        9s > say: web exited 0
        9s > say: stragglers get 20s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        29s < an orphan exited 0
        29s < nothing is left
        29s > say: an orphan exited 0
        29s > leave with 0
        ",
        );
}

#[test]
fn what_outlives_sigkill_is_left_behind_after_a_second() {
    Story::pod()
        .web(exits(s(9), 4).daemonising(runs().unmoved().undying()))
        .grace(s(5))
        .goes_once_ready(
            "
        9s < web exited 4
        9s > say: web exited 4
        9s > say: stragglers get 5s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        14s > say: grace is over
        14s > SIGKILL to all
        14.05s > SIGKILL to all
        14.1s > SIGKILL to all
        14.15s > SIGKILL to all
        14.2s > SIGKILL to all
        14.25s > SIGKILL to all
        14.3s > SIGKILL to all
        14.35s > SIGKILL to all
        14.4s > SIGKILL to all
        14.45s > SIGKILL to all
        14.5s > SIGKILL to all
        14.55s > SIGKILL to all
        14.6s > SIGKILL to all
        14.65s > SIGKILL to all
        14.7s > SIGKILL to all
        14.75s > SIGKILL to all
        14.8s > SIGKILL to all
        14.85s > SIGKILL to all
        14.9s > SIGKILL to all
        14.95s > SIGKILL to all
        15s > say: something is left behind
        15s > leave with 4
        ",
        );
}

#[test]
fn signals_while_clearing_away_find_nobody() {
    let straggler = runs().on(signal("TERM"), s(5), 0);
    Story::pod()
        .web(exits(s(9), 4).daemonising(straggler))
        .hears(s(10), ["TERM", "HUP"])
        .goes_once_ready(
            "
        9s < web exited 4
        9s > say: web exited 4
        9s > say: stragglers get 30s
        9s > SIGTERM to all
        9s > SIGCONT to all
        9s = not ready
        10s < SIGTERM
        10s < SIGHUP
        10s > say: SIGTERM dropped
        10s > say: SIGHUP dropped
        14s < an orphan exited 0
        14s < nothing is left
        14s > say: an orphan exited 0
        14s > leave with 4
        ",
        );
}

#[test]
fn a_bug_in_the_core_becomes_an_orderly_stop() {
    Story::pod()
        .web(runs().on(signal("TERM"), s(3), 0).forking(runs().unmoved()))
        .event(s(5), Event::Panic(s(10), ExitCode::BUG))
        .hears(s(6), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            5s > say: stragglers get 10s
            5s > SIGTERM to all
            5s > SIGCONT to all
            5s = not started
            5s = not ready
            6s < SIGTERM
            8s < web exited 0
            15s > say: grace is over
            15s > SIGKILL to all
            15s < an orphan died of SIGKILL
            15s < nothing is left
            15s > leave with 70
            ",
        );
}

#[test]
fn a_bug_in_the_core_when_nothing_runs_ends_at_once() {
    Story::pod()
        .event(s(0), Event::Panic(s(10), ExitCode::BUG))
        .goes(
            "
        0s > leave with 70
        ",
        );
}

#[test]
fn after_a_bug_in_the_core_there_are_two_seconds_even_without_any_grace() {
    Story::pod()
        .web(runs().unmoved())
        .event(s(5), Event::Panic(s(0), ExitCode::BUG))
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            5s > say: stragglers get 2s
            5s > SIGTERM to all
            5s > SIGCONT to all
            5s = not started
            5s = not ready
            7s > say: grace is over
            7s > SIGKILL to all
            7s < web died of SIGKILL
            7s < nothing is left
            7s > leave with 70
            ",
        );
}
