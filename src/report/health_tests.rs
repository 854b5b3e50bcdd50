//! The health endpoints say what the API server would, with our status and the reasons (kubelet-semantics G.1, H.7).

use crate::machine::{ContainerState, WaitingReason};
use crate::report::route::understand;
use crate::report::samples::{self, LOGGER, WEB, at};
use crate::report::view::{Frame, View};
use std::time::Duration;
use tiny_http::Method;

fn ask(frame: &Frame, target: &str, view: Option<&View>) -> (u16, String) {
    let route = understand(&Method::Get, target, frame, false);
    let page = match route {
        Ok(route) => route.page(frame, view, &Default::default),
        Err(page) => page,
    };
    (page.code, page.body)
}

fn get(target: &str, view: &View) -> (u16, String) {
    ask(&samples::frame(), target, Some(view))
}

/// Web is not ready, all others serve.
fn web_unready() -> View {
    let mut view = samples::serving();
    view.status.containers[WEB.0].ready = false;
    view
}

#[test]
fn s190_all_is_well_and_said_in_two_bytes() {
    for path in ["/livez", "/healthz", "/startupz", "/readyz"] {
        assert_eq!(get(path, &samples::serving()), (200, "ok".into()), "{path}");
    }
}

#[test]
fn s191_verbose_lists_every_check_in_the_order_of_registration() {
    assert_eq!(
        get("/livez?verbose", &samples::serving()),
        (200, "[+]core ok\nlivez check passed\n".into())
    );
    assert_eq!(
        get("/readyz?verbose", &samples::serving()).1,
        "[+]core ok\n[+]init ok\n[+]logger ok\n[+]web ok\n[+]worker ok\n[+]example.com/traffic ok\n\
         [+]shutdown ok\nreadyz check passed\n"
    );
    assert_eq!(
        get("/startupz?verbose", &samples::serving()).1,
        "[+]core ok\n[+]init ok\n[+]logger ok\n[+]web ok\n[+]worker ok\nstartupz check passed\n"
    );
}

#[test]
fn s192_a_failure_is_verbose_by_itself_and_its_reason_is_told() {
    assert_eq!(
        get("/readyz", &web_unready()),
        (
            503,
            "[+]core ok\n[+]init ok\n[+]logger ok\n[-]web failed: its readiness probe has not succeeded\n\
             [+]worker ok\n[+]example.com/traffic ok\n[+]shutdown ok\nreadyz check failed\n"
                .into()
        )
    );
}

#[test]
fn s193_what_is_excluded_does_not_count() {
    assert_eq!(
        get("/readyz?exclude=web", &web_unready()),
        (200, "ok".into())
    );
}

#[test]
fn s194_what_is_excluded_is_listed_as_such() {
    let body = get("/readyz?verbose&exclude=web", &web_unready()).1;
    assert!(body.contains("\n[+]web excluded: ok\n"), "{body}");
    assert!(body.ends_with("readyz check passed\n"), "{body}");
}

#[test]
fn s195_an_unknown_exclusion_is_a_warning_before_the_last_line() {
    let (code, body) = get("/livez?verbose&exclude=zz&exclude=aa", &samples::serving());
    assert_eq!(
        (code, body.as_str()),
        (
            200,
            "[+]core ok\nwarn: some health checks cannot be excluded: no matches for \"aa\",\"zz\"\nlivez check passed\n"
        )
    );
}

#[test]
fn s196_exclusions_are_not_split_at_commas() {
    assert_eq!(get("/readyz?exclude=core,web", &web_unready()).0, 503);
    assert_eq!(
        get("/readyz?exclude=core&exclude=web", &web_unready()).0,
        200
    );
}

#[test]
fn s197_verbose_counts_by_its_presence() {
    let body = get("/livez?a=b&verbose=false", &samples::serving()).1;
    assert_eq!(body, "[+]core ok\nlivez check passed\n");
    assert_eq!(
        get("/livez?verbosely&x=verbose", &samples::serving()).1,
        "ok"
    );
}

#[test]
fn s198_one_check_alone_fails_with_its_reason() {
    assert_eq!(
        get("/readyz/web?exclude=web", &web_unready()),
        (
            503,
            "service unavailable: its readiness probe has not succeeded\n".into()
        )
    );
    assert_eq!(
        get("/readyz/logger?verbose", &web_unready()),
        (200, "ok".into())
    );
    assert_eq!(get("/livez/core", &web_unready()), (200, "ok".into()));
    assert_eq!(get("/readyz/example.com/traffic", &web_unready()).0, 200);
    // An init container's own readiness is that it succeeded (S182).
    assert_eq!(get("/readyz/migrate", &samples::serving()).0, 200);
    assert_eq!(get("/readyz/migrate", &samples::initializing()).0, 503);
}

#[test]
fn s199_an_unknown_check_is_not_found() {
    for target in ["/livez/zz", "/livez/", "/readyz/shutdown/", "/livez/init"] {
        assert_eq!(get(target, &samples::serving()).0, 404, "{target}");
    }
}

#[test]
fn s200_a_stop_takes_readiness_and_nothing_else() {
    let mut view = samples::serving();
    view.status.stopping_since = Some(at(59));
    assert_eq!(get("/livez", &view).0, 200);
    assert_eq!(get("/startupz", &view).0, 200);
    let (code, body) = get("/readyz", &view);
    assert_eq!(code, 503);
    assert!(
        body.contains("\n[-]shutdown failed: the pod is stopping\n"),
        "{body}"
    );
    assert!(body.ends_with("readyz check failed\n"));
}

#[test]
fn in_the_middle_of_init_it_is_alive_but_neither_started_nor_ready() {
    let view = samples::initializing();
    assert_eq!(get("/livez", &view).0, 200);
    let (code, body) = get("/startupz", &view);
    assert_eq!(code, 503);
    assert!(
        body.contains("\n[-]init failed: 0 of 3 init steps done; migrate: runs\n"),
        "{body}"
    );
    assert!(
        body.contains("\n[-]web failed: PodInitializing\n"),
        "{body}"
    );
    assert_eq!(get("/readyz", &view).0, 503);
}

#[test]
fn startup_is_sticky_and_readiness_is_not() {
    let mut view = samples::crashing();
    view.status.containers[LOGGER.0] = samples::waiting();
    assert_eq!(get("/startupz", &view).0, 200);
    assert_eq!(get("/readyz", &view).0, 503);
    // Also when everything is started anew and nothing is initialized any more (KEP-5532).
    view.status.conditions[2] = samples::initializing().status.conditions[2];
    assert_eq!(get("/startupz", &view).0, 200);
}

#[test]
fn crash_loops_are_a_containers_own_business_unless_they_are_included() {
    let view = samples::crashing();
    let mut frame = samples::frame();
    assert_eq!(ask(&frame, "/livez", Some(&view)).0, 200);
    assert_eq!(ask(&frame, "/livez/web", Some(&view)).0, 503);
    frame.crash_loops = Some(4);
    assert_eq!(
        ask(&frame, "/livez?verbose", Some(&view)).1,
        "[+]core ok\n[+]crash-loops ok\nlivez check passed\n"
    );
    frame.crash_loops = Some(3);
    let (code, body) = ask(&frame, "/livez", Some(&view));
    assert_eq!(code, 503);
    assert!(
        body.contains("[-]crash-loops failed: web crashes again and again (3 restarts)\n"),
        "{body}"
    );
    // Resting it is hopeless; while it tries again it is not.
    let mut view = view;
    view.status.containers[WEB.0].state = ContainerState::Running(at(59));
    assert_eq!(ask(&frame, "/livez", Some(&view)).0, 200);
}

#[test]
fn a_container_says_why_it_is_not_ready() {
    let why = |state| {
        let mut view = web_unready();
        view.status.containers[WEB.0].state = state;
        view.status.containers[WEB.0].started = false;
        get("/readyz/web", &view).1
    };
    let backoff = WaitingReason::CrashLoopBackOff(Duration::from_secs(160));
    for (state, reason) in [
        (
            ContainerState::Waiting(backoff),
            "CrashLoopBackOff: back-off 2m40s restarting failed container=web pod=shop",
        ),
        (
            ContainerState::Waiting(WaitingReason::Initial),
            "PodInitializing",
        ),
        (ContainerState::Running(at(1)), "it has not started up yet"),
        (
            ContainerState::Terminated(samples::ended(3, 1, 2)),
            "it ended with exit code 3",
        ),
    ] {
        assert_eq!(why(state), format!("service unavailable: {reason}\n"));
    }
}

#[test]
fn a_gate_that_is_not_open_is_told_by_its_name() {
    let mut view = samples::serving();
    for (set, reason) in [(Some(false), "is False"), (None, "was never set")] {
        view.status.gates = vec![set];
        let body = get("/readyz", &view).1;
        let line = format!(
            "[-]example.com/traffic failed: readiness gate \"example.com/traffic\" {reason}\n"
        );
        assert!(body.contains(&line), "{body}");
    }
}

#[test]
fn a_core_that_does_not_answer_fails_everywhere_and_nothing_else_is_claimed() {
    let frame = samples::frame();
    for word in ["livez", "healthz", "startupz", "readyz"] {
        assert_eq!(
            ask(&frame, &format!("/{word}"), None),
            (
                503,
                format!("[-]core failed: its loop did not answer in time\n{word} check failed\n")
            )
        );
    }
    assert_eq!(ask(&frame, "/readyz?exclude=core", None).0, 503);
    assert_eq!(ask(&frame, "/readyz/web", None).0, 503);
}

#[test]
fn a_container_with_the_name_of_one_of_our_checks_does_not_hide_it() {
    let mut frame = samples::frame();
    frame.pod.containers[WEB.0].name = "shutdown".into();
    let body = ask(&frame, "/readyz?verbose", Some(&samples::serving())).1;
    assert!(
        body.contains("[+]container-shutdown ok\n") && body.contains("[+]shutdown ok\n"),
        "{body}"
    );
}
