//! More that is due than one turn starts: it is started in the turns that come right after, a nanosecond later on the
//! pretend clock, and whatever is heard in between is heard in time.

use crate::pod::{Pod, exec};
use crate::script::execs;
use crate::story::s;
use crate::temper::{Temper, exits, runs};
use monopod::plan::RestartPolicy::Never;

const CROWD: usize = 40;

/// A crowd of main containers, each made by `each` of what it was so far.
fn crowd<const N: usize>(pod: Pod, plays: [Temper; N], each: impl Fn(Pod) -> Pod) -> Pod {
    (0..CROWD).fold(pod, |pod, place| {
        each(pod.main(&format!("c{place}"), plays.clone()))
    })
}

#[test]
fn a_crowd_starts_in_order_and_in_turns() {
    crowd(Pod::new(), [runs()], |pod| pod)
        .lives(10)
        .starts("c0", "0")
        .starts("c15", "0")
        .starts("c16", "0.000000001")
        .starts("c31", "0.000000001")
        .starts("c32", "0.000000002")
        .starts("c39", "0.000000002")
        .phase("Pending@0 Running@0.000000002");
}

#[test]
fn a_crowd_that_ends_at_once_is_started_again_in_order_and_in_turns() {
    let plays = [exits(s(5), 0), runs()];
    crowd(Pod::new(), plays, |pod| pod)
        .lives(10)
        .starts("c15", "0 5")
        .starts("c16", "0.000000001 5.000000001")
        .starts("c39", "0.000000002 5.000000002");
}

#[test]
fn a_stop_that_overtakes_a_crowd_starts_nobody_more_and_reaches_those_that_run() {
    crowd(Pod::new(), [runs()], |pod| pod)
        .at_nanos(1)
        .signal("TERM")
        .lives(10)
        .starts("c15", "0")
        .struck("c15", "SIGTERM@0.000000001")
        .starts("c16", "")
        .struck("c16", "")
        .leaves("143@0.000000001");
}

#[test]
fn a_signal_in_between_is_handed_to_those_that_run() {
    crowd(Pod::new(), [runs().unmoved()], |pod| pod)
        .at_nanos(1)
        .signal("HUP")
        .lives(10)
        .struck("c0", "SIGHUP@0.000000001")
        .struck("c15", "SIGHUP@0.000000001")
        .struck("c32", "");
}

#[test]
fn the_probes_of_a_crowd_go_round_and_none_is_left_out() {
    crowd(Pod::new(), [runs()], |pod| {
        pod.readiness(execs("S").period(5))
    })
    .lives(7)
    .starts("c0/readiness", "0 5")
    .starts("c20/readiness", "0.000000001 5.000000001")
    .starts("c39/readiness", "0.000000002 5.000000002")
    .condition("Ready", "False/ContainersNotReady@0 True@0.000000002");
}

#[test]
fn the_hooks_of_a_crowd_are_called_in_turns_and_their_containers_signalled_after_them() {
    crowd(Pod::new(), [runs()], |pod| {
        pod.pre_stop(exec(exits(s(1), 0)))
    })
    .at(5)
    .signal("TERM")
    .lives(10)
    .starts("c39/preStop", "5.000000002")
    .struck("c39", "SIGTERM@6.000000002")
    .leaves("143@6.000000002");
}

#[test]
fn without_any_grace_a_hook_that_waits_for_its_turn_is_passed_over() {
    crowd(Pod::new().policy(Never).grace(0), [runs()], |pod| {
        pod.pre_stop(exec(exits(s(1), 0)))
    })
    .at(5)
    .signal("TERM")
    .lives(10)
    .starts("c0/preStop", "")
    .struck("c39", "SIGTERM@5")
    .leaves("143@5");
}
