//! The picture, as far as words can tell.

use super::*;
use crate::plan::{ExitCode, Signal};
use crate::report::samples::{self, WEB, at};

fn mark(second: u64, what: Milestone) -> Mark {
    let about = Some(WEB);
    Mark {
        at: at(second),
        about,
        what,
    }
}

fn life() -> View {
    let mut view = samples::crashing();
    view.marks = vec![
        mark(5, Milestone::Started),
        mark(9, Milestone::Ready),
        mark(20, Milestone::Unready),
        mark(22, Milestone::Ended(Ending::Killed(Signal::KILL))),
        mark(40, Milestone::Started),
        mark(50, Milestone::Ended(Ending::Exited(ExitCode(1)))),
    ];
    view
}

#[test]
fn instances_are_bars_and_none_is_drawn_twice() {
    let bars = bars(WEB, &samples::frame(), &life());
    let seen: Vec<_> = bars
        .iter()
        .map(|bar| {
            (
                bar.from,
                bar.to,
                bar.ready.clone(),
                bar.ending.map(|end| end.code().0),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (at(5), at(22), vec![(at(9), at(20))], Some(137)),
            (at(40), at(50), vec![], Some(1)),
        ]
    );
}

#[test]
fn what_was_never_marked_is_drawn_from_the_status() {
    let (frame, view) = (samples::frame(), samples::serving());
    let bars = bars(WEB, &frame, &view);
    assert_eq!(bars.len(), 1);
    assert_eq!((bars[0].from, bars[0].to), (at(5), at(60)));
    assert_eq!(bars[0].ready, [(at(5), at(60))]);
}

#[test]
fn places_grow_with_time_and_fill_the_picture() {
    let view = life();
    let bars = vec![bars(WEB, &samples::frame(), &view)];
    let scale = Scale::new(&bars, &view.marks, at(60));
    assert_eq!(scale.place(Time::START), 0.0);
    assert_eq!(scale.place(at(60)), 100.0);
    for second in 0..60 {
        assert!(scale.place(at(second)) < scale.place(at(second + 1)));
        let there = scale.time(scale.place(at(second)), at(60));
        assert!(there.since(at(second)).as_millis() < 2 && at(second).since(there).as_millis() < 2);
    }
    // A start of a few seconds is to be seen in a life of a month.
    let month = 30 * 86_400;
    let scale = Scale::new(&[vec![], vec![open_bar(at(5))]], &[], at(month));
    assert!(scale.place(at(5)) > 20.0);
}

#[test]
fn a_life_of_no_time_at_all_is_a_picture_too() {
    let mut view = samples::initializing();
    view.now.0 = Time::START;
    assert!(svg(&samples::frame(), &view).ends_with("</svg>"));
    assert!(!svg(&samples::frame(), &view).contains("NaN"));
}

#[test]
fn every_element_is_closed_and_no_name_opens_one() {
    let mut frame = samples::frame();
    frame.pod.containers[0].name = "<script>&'\"".into();
    frame.pod.name = Some("</title><x>".into());
    let picture = file(&frame, &life());
    let mut open = Vec::new();
    for tag in picture.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        match tag.as_bytes() {
            [b'?', ..] | [.., b'/'] => {}
            [b'/', ..] => assert_eq!(Some(&tag[1..]), open.pop()),
            _ => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(
        picture.contains("&lt;script&gt;&amp;&#39;&quot;"),
        "{picture}"
    );
}

#[test]
fn ages_are_kubectls() {
    for (seconds, text) in [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (303, "5m3s"),
        (2820, "47m"),
        (11_520, "3h12m"),
        (100_000, "27h"),
        (190_000, "2d4h"),
        (1_000_000, "11d"),
    ] {
        assert_eq!(span(seconds), text);
    }
}
