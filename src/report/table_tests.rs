//! Tables, as kubectl prints them.

use super::*;
use crate::report::journal::{Journal, Reason};
use crate::report::samples::{self, WEB, at};
use crate::report::view::View;
use crate::report::{events, podstatus};
use std::time::Duration;

fn now() -> SystemTime {
    samples::frame().start + Duration::from_secs(60)
}

fn shown(view: &View, wide: bool) -> String {
    pod(&podstatus::pod(&samples::frame(), view), wide, now())
}

fn word(view: &View) -> String {
    pod_row(&podstatus::pod(&samples::frame(), view), now())[2].clone()
}

#[test]
fn a_pod_in_trouble() {
    assert_eq!(
        shown(&samples::crashing(), false),
        "\
NAME   READY   STATUS             RESTARTS      AGE
shop   2/3     CrashLoopBackOff   3 (10s ago)   60s

CONTAINER   KIND      READY   STATUS             RESTARTS      AGE
migrate     init      true    Completed          0             60s
seed        init      true    Completed          0             58s
logger      sidecar   true    Running            0             56s
web         main      false   CrashLoopBackOff   3 (10s ago)
worker      main      true    Running            0             55s
"
    );
}

#[test]
fn more_columns_if_they_are_asked_for() {
    let text = shown(&samples::crashing(), true);
    let web = text.lines().find(|line| line.starts_with("web")).unwrap();
    assert!(
        web.ends_with("Error (1)       startup,liveness,readiness   program-3"),
        "{web:?}"
    );
    let gates = |view: &View| {
        let text = shown(view, true);
        let lines: Vec<&str> = text.lines().take(2).collect();
        assert!(lines[0].ends_with("READINESS GATES"), "{text}");
        lines[1].split_whitespace().last().map(str::to_owned)
    };
    let mut view = samples::serving();
    view.status.gates = vec![Some(true)];
    assert_eq!(gates(&view).as_deref(), Some("1/1"));
    view.status.gates = vec![None];
    assert_eq!(gates(&view).as_deref(), Some("0/1"));
}

#[test]
fn the_status_is_kubectls() {
    assert_eq!(word(&samples::serving()), "Running");
    assert_eq!(word(&samples::initializing()), "Init:0/3");
    let mut view = samples::initializing();
    view.status.containers[0] = samples::over(samples::ended(0, 0, 1));
    view.status.containers[1] = samples::over(samples::ended(1, 0, 1));
    assert_eq!(word(&view), "Init:Error");
    view.status.containers[1] = samples::crashing().status.containers[WEB.0];
    assert_eq!(word(&view), "Init:CrashLoopBackOff");
    let mut view = samples::serving();
    view.status.stopping_since = Some(at(59));
    assert_eq!(word(&view), "Terminating");
    let mut view = samples::serving();
    view.status.phase = crate::machine::Phase::Succeeded;
    view.status.containers[3] = samples::over(samples::ended(0, 5, 9));
    view.status.containers[4] = samples::over(samples::ended(0, 5, 9));
    assert_eq!(word(&view), "Completed");
}

#[test]
fn events_tell_how_often_and_about_whom() {
    let mut journal = Journal::default();
    journal.record(
        at(5),
        Some(WEB),
        Reason::Started,
        "Started container web".into(),
    );
    for second in [10, 30, 50] {
        journal.record(at(second), Some(WEB), Reason::Unhealthy, "no\nno".into());
    }
    let mut view = samples::serving();
    view.events = journal.since(0).cloned().collect();
    assert_eq!(
        events(&events::list(&samples::frame(), &view, 0), true, now()),
        "\
LAST SEEN           TYPE      REASON      OBJECT          MESSAGE
55s                 Normal    Started     container/web   Started container web
10s (x3 over 50s)   Warning   Unhealthy   container/web   no no
"
    );
}

#[test]
fn a_document_of_nobody_we_know_is_an_empty_table_and_no_panic() {
    for document in [
        Value::Null,
        Value::from(7),
        serde_json::json!({"spec": {"containers": [1, {}]}}),
    ] {
        pod(&document, true, now());
        events(&document, true, now());
    }
}

#[test]
fn a_terminal_is_not_commanded() {
    assert_eq!(text(&Value::from("a\x1b[2J")), "?");
}
