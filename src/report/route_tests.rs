//! Paths, methods and commands.

use super::*;
use crate::plan::Signal;
use crate::report::samples::{self, MIGRATE, WEB};

fn asked(method: &str, target: &str, takes_commands: bool) -> Result<Route, Page> {
    understand(
        &method.parse().unwrap(),
        target,
        &samples::frame(),
        takes_commands,
    )
}

#[test]
fn get_and_head_and_the_paths_that_there_are() {
    for path in [
        "",
        "*",
        "//livez",
        "/Livez",
        "livez",
        "/nothing",
        "/status/",
        "/command/stop",
        "/../livez",
    ] {
        assert_eq!(asked("GET", path, false).unwrap_err().code, 404, "{path}");
        assert_eq!(
            asked("DELETE", path, false).unwrap_err().code,
            404,
            "{path}"
        );
    }
    for path in [
        "/",
        "/livez",
        "/readyz/web",
        "/status",
        "/events",
        "/metrics",
        "/timeline",
    ] {
        assert!(asked("GET", path, false).is_ok(), "{path}");
        assert!(asked("HEAD", path, false).is_ok(), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            let refused = asked(method, path, true).unwrap_err();
            assert_eq!(
                (refused.code, refused.allow),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn commands_are_understood_only_where_they_may_be_given_and_only_by_post() {
    let stop = Route::Command(Command::Stop);
    assert_eq!(asked("POST", "/command/stop", true).unwrap(), stop);
    assert_eq!(asked("POST", "/command/stop", false).unwrap_err().code, 404);
    let refused = asked("GET", "/command/stop", true).unwrap_err();
    assert_eq!((refused.code, refused.allow), (405, Some("POST")));
    for (target, command) in [
        ("restart?container=web", Command::Restart(WEB)),
        ("restart?container=w%65b", Command::Restart(WEB)),
        (
            "signal?container=web&signal=HUP",
            Command::Signal(WEB, Signal::HUP),
        ),
        (
            "gate?type=example.com/traffic&status=False",
            Command::SetGate(GateId(0), false),
        ),
    ] {
        let route = asked("POST", &format!("/command/{target}"), true).unwrap();
        assert_eq!(route, Route::Command(command), "{target}");
    }
}

#[test]
fn a_command_that_makes_no_sense_is_told_what_would() {
    for (target, code, why) in [
        ("restart", 400, "container= is missing"),
        (
            "restart?container=wbe",
            404,
            "there are: migrate, seed, logger, web, worker",
        ),
        ("signal?container=web&signal=HOP", 400, "is not a signal"),
        (
            "gate?type=x&status=True",
            404,
            "there are: example.com/traffic",
        ),
        (
            "gate?type=example.com/traffic&status=true",
            400,
            "neither True nor False",
        ),
        (
            "explode",
            404,
            "the commands are stop, restart, signal and gate",
        ),
    ] {
        let refused = asked("POST", &format!("/command/{target}"), true).unwrap_err();
        assert_eq!(refused.code, code, "{target}");
        assert!(refused.body.contains(why), "{target}: {}", refused.body);
    }
}

#[test]
fn events_are_told_from_a_revision_on() {
    assert_eq!(
        asked("GET", "/events?since=7", false).unwrap(),
        Route::Events(7)
    );
    assert_eq!(
        asked("GET", "/events?since=x", false).unwrap_err().code,
        400
    );
}

#[test]
fn every_page_but_the_healths_needs_a_core_that_answers() {
    let frame = samples::frame();
    for path in ["/", "/status", "/events", "/metrics", "/timeline"] {
        let page = asked("GET", path, false)
            .unwrap()
            .page(&frame, None, &Gauges::default);
        assert_eq!(
            (page.code, page.body.as_str()),
            (503, "the core did not answer in time\n"),
            "{path}"
        );
    }
}

#[test]
fn no_page_shows_what_may_be_secret() {
    let (frame, view) = (samples::frame(), samples::crashing());
    for path in [
        "/",
        "/status",
        "/events",
        "/metrics",
        "/timeline",
        "/readyz?verbose",
        "/livez/web",
    ] {
        let page = asked("GET", path, false)
            .unwrap()
            .page(&frame, Some(&view), &Gauges::default);
        assert!(!page.body.contains("hunter2"), "{path}");
    }
}

#[test]
fn a_path_is_decoded_as_a_path_and_a_value_as_a_form() {
    assert_eq!(decoded("a%20b+c%2"), "a b+c%2");
    assert_eq!(form_decoded("a+b%2Bc"), "a b+c");
}

#[test]
fn a_command_that_comes_to_nothing_is_refused_with_a_reason() {
    let (frame, mut view) = (samples::frame(), samples::serving());
    let told = |view: &View, command| {
        let page = objection(&frame, view, command)?;
        assert_eq!(page.code, 409);
        Some(page.body)
    };
    let term = |id| Command::Signal(id, Signal::TERM);
    let ended = told(&view, term(MIGRATE)).unwrap();
    assert!(ended.contains("migrate has ended"), "{ended}");
    let init = told(&view, Command::Restart(MIGRATE)).unwrap();
    assert!(init.contains("is an init container"), "{init}");
    assert_eq!(told(&view, term(WEB)), None);
    assert_eq!(told(&view, Command::Restart(WEB)), None);
    assert!(told(&samples::crashing(), term(WEB)).is_some());
    assert_eq!(told(&samples::crashing(), Command::Restart(WEB)), None);
    view.status.stopping_since = Some(samples::at(59));
    assert!(told(&view, Command::Restart(WEB)).is_some());
    assert_eq!(told(&view, term(WEB)), None);
}
