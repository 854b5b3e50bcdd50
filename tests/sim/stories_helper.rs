//! The helper: there first of all, and back before a probe gives up.

use crate::kernel::Event;
use crate::story::{Story, ms, s};
use crate::temper::{exits, runs};

#[test]
fn the_helper_comes_first_of_all() {
    Story::pod()
        .health()
        .step("migrate", [exits(s(1), 0)])
        .web(exits(s(1), 0))
        .goes(
            "
        0s > start the helper
        0s > start migrate
        0s < migrate started
        0s > say: migrate runs
        1s < migrate exited 0
        1s < nothing is left
        1s > say: migrate is done
        1s > start web
        1s < web started
        1s > say: web runs
        1s = started
        1s = ready
        2s < web exited 0
        2s < nothing is left
        2s > say: web exited 0
        2s > leave with 0
        2s = not ready
        ",
        );
}

#[test]
fn a_sound_helper_that_dies_is_replaced_at_once() {
    Story::pod()
        .health()
        .web(exits(s(90), 0))
        .event(s(60), Event::HelperDies)
        .event(ms(60_100), Event::HelperDies)
        .goes(
            "
            0s > start the helper
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < the helper is gone
            60s > say: the helper is lost
            60s > start the helper
            60.1s < the helper is gone
            60.1s > say: the helper is lost
            60.1s > start the helper
            90s < web exited 0
            90s < nothing is left
            90s > say: web exited 0
            90s > leave with 0
            90s = not ready
            ",
        );
}

#[test]
fn a_helper_that_keeps_dying_young_is_made_to_wait_and_a_sound_life_is_forgiven() {
    let story = Story::pod().health().web(exits(s(90), 0));
    [10, 15, 16, 25, 26, 45, 46, 300, 301]
        .into_iter()
        .fold(story, |story, at| story.event(ms(at), Event::HelperDies))
        .goes(
            "
            0s > start the helper
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            0.01s < the helper is gone
            0.01s > say: the helper is lost
            0.015s > start the helper
            0.016s < the helper is gone
            0.016s > say: the helper is lost
            0.026s > start the helper
            0.045s < the helper is gone
            0.045s > say: the helper is lost
            0.065s > start the helper
            0.3s < the helper is gone
            0.3s > say: the helper is lost
            0.3s > start the helper
            0.301s < the helper is gone
            0.301s > say: the helper is lost
            0.306s > start the helper
            90s < web exited 0
            90s < nothing is left
            90s > say: web exited 0
            90s > leave with 0
            90s = not ready
            ",
        );
}

#[test]
fn a_helper_that_is_refused_is_tried_again_four_times_a_second_at_last() {
    Story::pod().health().helper_refused().until(s(1)).goes(
        "
        0s > start the helper
        0s > start web
        0s < the helper was refused
        0s < web started
        0s > say: the helper is refused
        0s > say: web runs
        0s = started
        0s = ready
        0.005s > start the helper
        0.005s < the helper was refused
        0.005s > say: the helper is refused
        0.015s > start the helper
        0.015s < the helper was refused
        0.015s > say: the helper is refused
        0.035s > start the helper
        0.035s < the helper was refused
        0.035s > say: the helper is refused
        0.075s > start the helper
        0.075s < the helper was refused
        0.075s > say: the helper is refused
        0.155s > start the helper
        0.155s < the helper was refused
        0.155s > say: the helper is refused
        0.315s > start the helper
        0.315s < the helper was refused
        0.315s > say: the helper is refused
        0.565s > start the helper
        0.565s < the helper was refused
        0.565s > say: the helper is refused
        0.815s > start the helper
        0.815s < the helper was refused
        0.815s > say: the helper is refused
        and so on
        ",
    );
}

#[test]
fn the_helper_is_replaced_while_it_drains_and_while_stragglers_go_but_not_while_killing() {
    let web = runs()
        .on(crate::story::signal("TERM"), s(1), 0)
        .forking(runs().unmoved().undying());
    Story::pod()
        .health()
        .web(web)
        .drain(s(5))
        .grace(s(20))
        .hears(s(60), ["TERM"])
        .event(s(62), Event::HelperDies)
        .event(s(70), Event::HelperDies)
        .goes(
            "
            0s > start the helper
            0s > start web
            0s < web started
            0s > say: web runs
            0s = started
            0s = ready
            60s < SIGTERM
            60s > say: stop asked by SIGTERM
            60s > say: draining 5s
            60s = not ready
            62s < the helper is gone
            62s > say: the helper is lost
            62s > start the helper
            65s > say: killing web: Stop
            65s > SIGTERM to web
            66s < web exited 0
            66s > say: web exited 0 as asked
            66s > say: stragglers get 14s
            66s > SIGTERM to all
            66s > SIGCONT to all
            70s < the helper is gone
            70s > say: the helper is lost
            70s > start the helper
            80s > say: grace is over
            80s > SIGKILL to all
            80s < the helper is gone
            80.05s > SIGKILL to all
            80.1s > SIGKILL to all
            80.15s > SIGKILL to all
            80.2s > SIGKILL to all
            80.25s > SIGKILL to all
            80.3s > SIGKILL to all
            80.35s > SIGKILL to all
            80.4s > SIGKILL to all
            80.45s > SIGKILL to all
            80.5s > SIGKILL to all
            80.55s > SIGKILL to all
            80.6s > SIGKILL to all
            80.65s > SIGKILL to all
            80.7s > SIGKILL to all
            80.75s > SIGKILL to all
            80.8s > SIGKILL to all
            80.85s > SIGKILL to all
            80.9s > SIGKILL to all
            80.95s > SIGKILL to all
            81s > say: something is left behind
            81s > leave with 0
            ",
        );
}

#[test]
fn without_a_health_address_there_is_no_helper() {
    Story::pod()
        .web(exits(s(9), 0))
        .event(s(5), Event::HelperDies)
        .goes_once_ready(
            "
        9s < web exited 0
        9s < nothing is left
        9s > say: web exited 0
        9s > leave with 0
        9s = not ready
        ",
        );
}
