//! The small inits: what tini, dumb-init and catatonit do, as far as deciding goes.

use crate::plans::passthrough;
use crate::story::{Story, s, signal};
use crate::temper::{cannot_start, exits, runs};
use monopod::machine::Stage;
use monopod::plan::{ExitCode, Passthrough, Signal, Target};

#[test]
fn signals_are_handed_on_and_the_end_is_at_once_whoever_is_left() {
    Story::passthrough(passthrough())
        .web(exits(s(9), 4).unmoved().daemonising(runs()))
        .hears(s(1), ["TERM", "RTMIN+1", "TERM", "INT"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            1s < SIGTERM
            1s < SIGRTMIN+1
            1s < SIGTERM
            1s < SIGINT
            1s > SIGTERM to web
            1s > SIGRTMIN+1 to web
            1s > SIGTERM to web
            1s > SIGINT to web
            9s < web exited 4
            9s > say: web exited 4 as asked
            9s > leave with 4
            ",
        );
}

#[test]
fn the_group_is_struck_when_asked_for() {
    let conduct = Passthrough {
        target: Target::Group,
        ..passthrough()
    };
    Story::passthrough(conduct)
        .web(runs().forking(runs()))
        .hears(s(1), ["TERM"])
        .goes(
            "
        0s > start web
        0s < web started
        0s > say: web runs
        1s < SIGTERM
        1s > SIGTERM to the group of web
        1s < web died of SIGTERM
        1s < an orphan died of SIGTERM
        1s < nothing is left
        1s > say: web died of SIGTERM as asked
        1s > leave with 143
        ",
        );
}

#[test]
fn signals_are_rewritten_by_the_first_rule_and_dropped_by_a_rule_for_nothing() {
    let rewrites = vec![
        (Signal::TERM, Some(signal("QUIT"))),
        (Signal::TERM, Some(signal("USR1"))),
        (signal("WINCH"), None),
    ];
    Story::passthrough(Passthrough {
        rewrites,
        ..passthrough()
    })
    .web(runs().unmoved().on(signal("QUIT"), s(1), 0))
    .hears(s(1), ["WINCH", "QUIT", "TERM"])
    .goes(
        "
            0s > start web
            0s < web started
            0s > say: web runs
            1s < SIGWINCH
            1s < SIGQUIT
            1s < SIGTERM
            1s > SIGQUIT to web
            1s > SIGQUIT to web
            2s < web exited 0
            2s < nothing is left
            2s > say: web exited 0 as asked
            2s > leave with 0
            ",
    );
}

#[test]
fn the_farewell_reaches_the_group_and_is_rewritten_too() {
    let conduct = Passthrough {
        farewell: true,
        rewrites: vec![(Signal::TERM, Some(signal("HUP")))],
        ..passthrough()
    };
    Story::passthrough(conduct)
        .web(exits(s(2), 0).forking(runs()))
        .goes(
            "
        0s > start web
        0s < web started
        0s > say: web runs
        2s < web exited 0
        2s > say: web exited 0 as asked
        2s > SIGHUP to the group of web
        2s > leave with 0
        ",
        );
}

#[test]
fn job_control_stops_the_command_and_then_monopod_until_somebody_continues_it() {
    let conduct = Passthrough {
        suspend_self: true,
        target: Target::Group,
        rewrites: vec![(Signal::TSTP, Some(Signal::STOP))],
        ..passthrough()
    };
    Story::passthrough(conduct)
        .hears_from_kernel(s(1), "TSTP")
        .hears(s(5), ["TERM"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            1s < SIGTSTP from the kernel
            1s > SIGSTOP to the group of web
            1s > suspend monopod
            2s < SIGCONT
            2s > SIGCONT to the group of web
            5s < SIGTERM
            5s > SIGTERM to the group of web
            5s < web died of SIGTERM
            5s < nothing is left
            5s > say: web died of SIGTERM as asked
            5s > leave with 143
            ",
        );
}

#[test]
fn the_terminals_scolding_is_news_for_the_command_only_with_job_control() {
    Story::passthrough(passthrough())
        .web(exits(s(9), 0).unmoved())
        .hears_from_kernel(s(1), "TTIN")
        .hears(s(2), ["TTIN"])
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            1s < SIGTTIN from the kernel
            2s < SIGTTIN
            2s > SIGTTIN to web
            9s < web exited 0
            9s < nothing is left
            9s > say: web exited 0 as asked
            9s > leave with 0
            ",
        );
    let conduct = Passthrough {
        suspend_self: true,
        ..passthrough()
    };
    Story::passthrough(conduct)
        .web(exits(s(9), 0).unmoved())
        .hears_from_kernel(s(1), "TTIN")
        .goes(
            "
            0s > start web
            0s < web started
            0s > say: web runs
            1s < SIGTTIN from the kernel
            1s > SIGTTIN to web
            1s > suspend monopod
            2s < SIGCONT
            2s > SIGCONT to web
            9s < web exited 0
            9s < nothing is left
            9s > say: web exited 0 as asked
            9s > leave with 0
            ",
        );
}

#[test]
fn a_signal_from_before_the_start_is_handed_on() {
    Story::passthrough(passthrough())
        .hears(s(0), ["TERM"])
        .goes(
            "
        0s < SIGTERM
        0s > start web
        0s > SIGTERM to web
        0s < web started
        0s < web died of SIGTERM
        0s < nothing is left
        0s > say: web runs
        0s > say: web died of SIGTERM as asked
        0s > leave with 143
        ",
        );
}

#[test]
fn a_command_that_is_not_there_says_127() {
    Story::passthrough(passthrough())
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
fn a_code_is_changed_as_asked() {
    let mut conduct = passthrough();
    conduct.remap_exit.insert(ExitCode(143), ExitCode(0));
    Story::passthrough(conduct).hears(s(1), ["TERM"]).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        1s < SIGTERM
        1s > SIGTERM to web
        1s < web died of SIGTERM
        1s < nothing is left
        1s > say: web died of SIGTERM as asked
        1s > leave with 0
        ",
    );
}

#[test]
fn orphans_are_told_of_only_when_asked_for() {
    let web = || exits(s(2), 0).daemonising(exits(s(1), 3));
    Story::passthrough(passthrough()).web(web()).goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        1s < an orphan exited 3
        2s < web exited 0
        2s < nothing is left
        2s > say: web exited 0 as asked
        2s > leave with 0
        ",
    );
    Story::passthrough(Passthrough {
        warn_on_reap: true,
        ..passthrough()
    })
    .web(web())
    .goes(
        "
        0s > start web
        0s < web started
        0s > say: web runs
        1s < an orphan exited 3
        1s > say: an orphan exited 3
        2s < web exited 0
        2s < nothing is left
        2s > say: web exited 0 as asked
        2s > leave with 0
        ",
    );
}

#[test]
fn a_pause_waits_for_term_or_int_and_does_nothing_else() {
    let pause = || Passthrough {
        main: None,
        ..passthrough()
    };
    Story::passthrough(pause())
        .hears(s(1), ["HUP", "QUIT"])
        .goes(
            "
        1s < SIGHUP
        1s < SIGQUIT
        1s > say: SIGHUP dropped
        1s > say: SIGQUIT dropped
        it sleeps
        ",
        );
    Story::passthrough(pause())
        .hears(s(1), ["HUP"])
        .hears(s(2), ["TERM"])
        .goes(
            "
        1s < SIGHUP
        1s > say: SIGHUP dropped
        2s < SIGTERM
        2s > leave with 0
        ",
        );
    Story::passthrough(pause()).hears(s(0), ["INT"]).goes(
        "
        0s < SIGINT
        0s > leave with 0
        ",
    );
}
