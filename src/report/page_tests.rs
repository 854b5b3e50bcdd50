//! The page, as far as words can tell. How it looks was looked at.

use super::*;
use crate::machine::{Cause, Happening, Outcome};
use crate::report::chronicle::Chronicle;
use crate::report::samples::{self, WEB, at};

fn trouble() -> View {
    let (plan, mut view) = (samples::plan(), samples::crashing());
    let mut chronicle = Chronicle::new(&samples::pod());
    let failed = Happening::Unhealthy(WEB, ProbeKind::Liveness, Outcome::Failure, Cause::Exit(1));
    chronicle.note(at(50), &failed, &plan, Some("<script>alert(1)</script>"));
    view.events = chronicle.journal().since(0).cloned().collect();
    view
}

#[test]
fn it_tells_what_is_wrong() {
    let page = html(&samples::frame(), &trouble());
    for words in [
        ">Not ready<",
        "Running · 2/3 ready · up 60s",
        "CrashLoopBackOff",
        "back-off 40s restarting failed container=web pod=shop",
        "3 restarts, the last 10s ago (exit code 1)",
        "startup · liveness · readiness",
        "<svg",
        "Unhealthy",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let page = html(&samples::frame(), &samples::serving());
    assert!(page.contains("readiness <span class=\"good\">✓</span>"));
    assert!(page.contains("class=\"good\">Ready<"));
}

#[test]
fn nothing_comes_from_outside_and_no_stranger_speaks_html() {
    let page = html(&samples::frame(), &trouble());
    assert!(!page.contains("alert(1)</script>"), "{page}");
    let namespace = "http://www.w3.org/2000/svg";
    let page = page.replace(namespace, "");
    for word in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn text_is_escaped() {
    assert_eq!(
        escaped("<a b=\"c\">'&\x1b"),
        "&lt;a b=&quot;c&quot;&gt;&#39;&amp;?"
    );
}
