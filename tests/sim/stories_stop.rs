//! The stop: readiness off, the stop signal, and SIGKILL at the end of the grace.

use crate::story::{Story, ms, s, signal};
use crate::temper::{Temper, exits, runs};

/// Takes its leave that long after SIGTERM.
fn obeys(after: u64) -> Temper {
    runs().on(signal("TERM"), s(after), 0).unmoved()
}

#[test]
fn s100_a_command_that_ignores_the_signal_is_killed_when_the_grace_is_over() {
    Story::pod()
        .web(runs().unmoved())
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
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
fn s101_a_command_that_obeys_decides_the_code() {
    Story::pod().web(obeys(3)).hears(s(60), ["TERM"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        63s < web exited 0
        63s < nothing is left
        63s > say: web exited 0 as asked
        63s > leave with 0
        ",
    );
}

#[test]
fn s102_without_any_grace_there_are_still_two_seconds() {
    Story::pod()
        .web(runs().unmoved())
        .grace(s(0))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        62s > say: web exceeded its grace
        62s > say: grace is over
        62s > SIGKILL to all
        62s < web died of SIGKILL
        62s < nothing is left
        62s > say: web died of SIGKILL as asked
        62s > leave with 137
        ",
        );
}

#[test]
fn s109_the_stop_signal_is_the_one_that_was_asked_for() {
    let web = runs().on(signal("QUIT"), s(2), 0).unmoved();
    Story::pod()
        .web(web)
        .stop_signal("QUIT")
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGQUIT to web
        60s = not ready
        62s < web exited 0
        62s < nothing is left
        62s > say: web exited 0 as asked
        62s > leave with 0
        ",
        );
}

#[test]
fn s109_without_a_stop_signal_it_is_the_one_that_asked() {
    Story::pod().web(runs()).hears(s(60), ["INT"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        60s < SIGINT
        60s > say: stop asked by SIGINT
        60s > say: killing web: Stop
        60s > SIGINT to web
        60s = not ready
        60s < web died of SIGINT
        60s < nothing is left
        60s > say: web died of SIGINT as asked
        60s > leave with 130
        ",
    );
}

#[test]
fn an_inherited_stopsignal_is_an_ask_where_the_plan_says_so() {
    Story::pod()
        .web(runs())
        .stop_on(&["TERM", "QUIT"])
        .drain(s(5))
        .hears(s(60), ["QUIT"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGQUIT
            60s > say: stop asked by SIGQUIT
            60s > say: draining 5s
            60s = not ready
            65s > say: killing web: Stop
            65s > SIGQUIT to web
            65s < web died of SIGQUIT
            65s < nothing is left
            65s > say: web died of SIGQUIT as asked
            65s > leave with 131
        ",
        );
}

#[test]
fn s110_the_stop_signal_is_sent_once_and_a_second_ask_is_handed_on_as_it_is() {
    Story::pod()
        .web(runs().on(signal("INT"), s(1), 7).unmoved())
        .stop_signal("QUIT")
        .hears(s(60), ["TERM"])
        .hears(s(61), ["TERM"])
        .hears(s(62), ["INT"])
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
            60s > SIGQUIT to web
            60s = not ready
            61s < SIGTERM
            61s > SIGTERM to web
            62s < SIGINT
            62s > SIGINT to web
            63s < web exited 7
            63s < nothing is left
            63s > say: web exited 7 as asked
            63s > leave with 7
            ",
        );
}

#[test]
fn s111_the_signal_is_for_the_command_and_not_for_its_children() {
    let worker = runs().on(signal("TERM"), s(0), 1);
    Story::pod()
        .web(obeys(5).forking(worker))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        65s < web exited 0
        65s > say: web exited 0 as asked
        65s > say: stragglers get 25s
        65s > SIGTERM to all
        65s > SIGCONT to all
        65s < an orphan exited 1
        65s < nothing is left
        65s > say: an orphan exited 1
        65s > leave with 0
        ",
        );
}

#[test]
fn what_arrived_around_the_ask_leaves_around_the_stop_signal() {
    Story::pod()
        .web(obeys(1))
        .hears(s(60), ["HUP", "TERM", "USR1", "TERM"])
        .goes_once_ready(
            "
        60s < SIGHUP
        60s < SIGTERM
        60s < SIGUSR1
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > SIGHUP to web
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s > SIGUSR1 to web
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
fn a_command_that_ends_at_the_last_moment_is_not_killed() {
    Story::pod().web(obeys(30)).hears(s(60), ["TERM"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        0s = started
        0s = ready
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        90s < web exited 0
        90s < nothing is left
        90s > say: web exited 0 as asked
        90s > leave with 0
        ",
    );
}

#[test]
fn a_stop_in_the_very_turn_of_the_commands_end_changes_no_code() {
    Story::pod()
        .web(exits(s(60), 3))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s < web exited 3
        60s < nothing is left
        60s > say: stop asked by SIGTERM
        60s > say: web exited 3 as asked
        60s > leave with 3
        60s = not ready
        ",
        );
}

#[test]
fn a_stop_between_fork_and_exec_waits_for_the_exec() {
    Story::pod()
        .web(obeys(1).execs_after(ms(300)))
        .hears(ms(100), ["TERM"])
        .goes(
            "
        0s > start web
        0.1s < SIGTERM
        0.1s > say: stop asked by SIGTERM
        0.1s > say: killing web: Stop
        0.1s > SIGTERM to web
        0.3s < web started
        0.3s > say: web runs
        0.3s = started
        1.3s < web exited 0
        1.3s < nothing is left
        1.3s > say: web exited 0 as asked
        1.3s > leave with 0
        ",
        );
}

#[test]
fn stragglers_have_what_the_command_left_of_the_grace() {
    Story::pod()
        .web(obeys(10).daemonising(runs().unmoved()))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        70s < web exited 0
        70s > say: web exited 0 as asked
        70s > say: stragglers get 20s
        70s > SIGTERM to all
        70s > SIGCONT to all
        90s > say: grace is over
        90s > SIGKILL to all
        90s < an orphan died of SIGKILL
        90s < nothing is left
        90s > say: an orphan died of SIGKILL
        90s > leave with 0
        ",
        );
}

#[test]
fn a_frozen_command_is_not_woken_but_killed() {
    Story::pod()
        .web(obeys(1).frozen())
        .grace(s(10))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        70s > say: web exceeded its grace
        70s > say: grace is over
        70s > SIGKILL to all
        70s < web died of SIGKILL
        70s < nothing is left
        70s > say: web died of SIGKILL as asked
        70s > leave with 137
        ",
        );
}

#[test]
fn a_command_that_outlives_sigkill_is_left_behind_as_killed() {
    Story::pod()
        .web(runs().unmoved().undying())
        .grace(s(10))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        70s > say: web exceeded its grace
        70s > say: grace is over
        70s > SIGKILL to all
        70.05s > SIGKILL to all
        70.1s > SIGKILL to all
        70.15s > SIGKILL to all
        70.2s > SIGKILL to all
        70.25s > SIGKILL to all
        70.3s > SIGKILL to all
        70.35s > SIGKILL to all
        70.4s > SIGKILL to all
        70.45s > SIGKILL to all
        70.5s > SIGKILL to all
        70.55s > SIGKILL to all
        70.6s > SIGKILL to all
        70.65s > SIGKILL to all
        70.7s > SIGKILL to all
        70.75s > SIGKILL to all
        70.8s > SIGKILL to all
        70.85s > SIGKILL to all
        70.9s > SIGKILL to all
        70.95s > SIGKILL to all
        71s > say: something is left behind
        71s > leave with 137
        ",
        );
}

#[test]
fn the_code_of_a_killed_command_is_changed_as_asked() {
    Story::pod()
        .web(runs().unmoved())
        .grace(s(10))
        .remap(137, 0)
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        70s > say: web exceeded its grace
        70s > say: grace is over
        70s > SIGKILL to all
        70s < web died of SIGKILL
        70s < nothing is left
        70s > say: web died of SIGKILL as asked
        70s > leave with 0
        ",
        );
}

#[test]
fn a_command_whose_own_end_overtakes_sigkill_decides_the_code() {
    let web = runs().on(signal("TERM"), ms(10_200), 3).dying(ms(500));
    Story::pod()
        .web(web)
        .grace(s(10))
        .hears(s(60), ["TERM"])
        .goes_once_ready(
            "
        60s < SIGTERM
        60s > say: stop asked by SIGTERM
        60s > say: killing web: Stop
        60s > SIGTERM to web
        60s = not ready
        70s > say: web exceeded its grace
        70s > say: grace is over
        70s > SIGKILL to all
        70.05s > SIGKILL to all
        70.1s > SIGKILL to all
        70.15s > SIGKILL to all
        70.2s < web exited 3
        70.2s < nothing is left
        70.2s > say: web exited 3 as asked
        70.2s > leave with 3
        ",
        );
}
