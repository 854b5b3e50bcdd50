//! The statements of kubelet-semantics H.1 that concern one instance, against its probes alone: a script says what becomes
//! of every ask, and what was asked when is compared. Restarts and kills are told in `tests/sim`.

use super::*;
use crate::machine::{Action, Cause, Outcome};
use crate::plan::{CheckId, Handler, ProgramId, RestartPolicy, Role};
use std::collections::BTreeMap;
use std::time::Duration;

fn probe(check: usize) -> Probe {
    Probe::bare(Handler::Ask(CheckId(check)))
}

fn container() -> Container {
    Container::bare("web", Role::Main, ProgramId(0), RestartPolicy::Always)
}

const KINDS: [ProbeKind; 3] = [
    ProbeKind::Startup,
    ProbeKind::Liveness,
    ProbeKind::Readiness,
];

/// One instance, running since 0 s, on a pretend clock.
struct Bench {
    plan: Container,
    scripts: BTreeMap<ProbeKind, Script>,
    /// What was asked when, in milliseconds.
    asked: Vec<(ProbeKind, u64)>,
    /// What changed when, in milliseconds: started, ready, live.
    seen: Vec<(u64, bool, bool, bool)>,
    condemned: Option<(u64, ProbeKind)>,
}

/// A letter an ask: S, F, W(arning) or E(rror); the last goes on for ever.
struct Script {
    letters: Vec<u8>,
    taking: Duration,
    asked: usize,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            plan: container(),
            scripts: BTreeMap::new(),
            asked: Vec::new(),
            seen: Vec::new(),
            condemned: None,
        }
    }

    fn with(mut self, kind: ProbeKind, script: &str, change: impl FnOnce(&mut Probe)) -> Bench {
        let place = KINDS.iter().position(|known| *known == kind).unwrap();
        let mut probe = probe(place);
        change(&mut probe);
        match kind {
            ProbeKind::Startup => self.plan.startup_probe = Some(probe),
            ProbeKind::Liveness => self.plan.liveness_probe = Some(probe),
            ProbeKind::Readiness => self.plan.readiness_probe = Some(probe),
        }
        let script = Script {
            letters: script.bytes().collect(),
            taking: Duration::ZERO,
            asked: 0,
        };
        self.scripts.insert(kind, script);
        self
    }

    fn startup(self, script: &str, change: impl FnOnce(&mut Probe)) -> Bench {
        self.with(ProbeKind::Startup, script, change)
    }

    fn liveness(self, script: &str, change: impl FnOnce(&mut Probe)) -> Bench {
        self.with(ProbeKind::Liveness, script, change)
    }

    fn readiness(self, script: &str, change: impl FnOnce(&mut Probe)) -> Bench {
        self.with(ProbeKind::Readiness, script, change)
    }

    fn taking(mut self, kind: ProbeKind, milliseconds: u64) -> Bench {
        let script = self.scripts.get_mut(&kind).unwrap();
        script.taking = Duration::from_millis(milliseconds);
        self
    }

    /// Lives so many seconds, or until it is to be killed.
    fn lives(mut self, seconds: u64) -> Bench {
        let id = ContainerId(0);
        let mut desk = Desk::default();
        desk.set_helper_is_up(true);
        let mut leftovers = Leftovers::default();
        let mut probes = Probes::new(&self.plan);
        let mut answers: BTreeMap<(Time, AskId), Answer> = BTreeMap::new();
        let (mut now, end) = (Time::START, at(seconds * 1000));
        while now <= end {
            let mut post = Post {
                id,
                plan: &self.plan,
                desk: &mut desk,
            };
            while let Some(entry) = answers.first_entry().filter(|entry| entry.key().0 <= now) {
                let (_, ask) = *entry.key();
                probes.answer(&mut post, ask, entry.remove());
            }
            probes.lapse(now, &mut post, &mut leftovers);
            probes.settle(now, Time::START, &mut post, &leftovers);
            for action in std::mem::take(desk.actions()) {
                if let Action::Ask(ask, check) = action {
                    let kind = KINDS[check.0];
                    self.asked.push((kind, ms(now)));
                    let script = self.scripts.get_mut(&kind).unwrap();
                    answers.insert((now.after(script.taking), ask), script.next());
                }
            }
            let seen = (ms(now), probes.started(), probes.ready(), probes.live());
            if self
                .seen
                .last()
                .is_none_or(|last| (last.1, last.2, last.3) != (seen.1, seen.2, seen.3))
            {
                self.seen.push(seen);
            }
            if let Some(kind) = probes.condemns() {
                self.condemned = Some((ms(now), kind));
                break;
            }
            let deadline = probes.deadline();
            assert!(
                deadline.is_none_or(|at| at > now),
                "deadlines lie in the future"
            );
            let next = answers.keys().next().map(|(at, _)| *at);
            let Some(next) = next.into_iter().chain(deadline).min() else {
                break;
            };
            now = next;
        }
        self
    }

    fn asked(&self, kind: ProbeKind) -> Vec<u64> {
        let of_kind = self.asked.iter().filter(|(known, _)| *known == kind);
        of_kind.map(|(_, at)| at / 1000).collect()
    }

    /// When it became ready, and when unready again, in seconds.
    fn readiness_changes(&self) -> Vec<(u64, bool)> {
        let mut changes = vec![];
        for (at, _, ready, _) in &self.seen {
            if changes.last().map_or(*ready, |(_, was)| was != ready) {
                changes.push((at / 1000, *ready));
            }
        }
        changes
    }

    fn condemned(&self) -> Option<(u64, ProbeKind)> {
        self.condemned.map(|(at, kind)| (at / 1000, kind))
    }
}

impl Script {
    fn next(&mut self) -> Answer {
        let letter = self.letters[self.asked.min(self.letters.len() - 1)];
        self.asked += 1;
        let outcome = match letter {
            b'S' => Outcome::Success,
            b'W' => Outcome::Warning,
            b'F' => Outcome::Failure,
            _ => Outcome::Unknown,
        };
        let cause = Cause::None;
        Answer { outcome, cause }
    }
}

fn at(milliseconds: u64) -> Time {
    Time::START.after(Duration::from_millis(milliseconds))
}

fn ms(time: Time) -> u64 {
    time.as_nanos() / 1_000_000
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

use ProbeKind::{Liveness, Readiness, Startup};

#[test]
fn s1_s9_it_is_live_until_the_third_failure_in_a_row() {
    let bench = Bench::new().liveness("F", |_| {}).lives(100);
    assert_eq!(bench.asked(Liveness), [0, 10, 20]);
    assert_eq!(bench.condemned(), Some((20, Liveness)));
    assert!(
        bench
            .seen
            .iter()
            .all(|(at, .., live)| *live == (*at < 20_000))
    );
}

#[test]
fn s2_s11_it_is_ready_only_after_successes_in_a_row() {
    let bench = Bench::new()
        .readiness("FSFSS", |probe| probe.success_threshold = 2)
        .lives(60);
    assert_eq!(bench.readiness_changes(), [(40, true)]);
}

#[test]
fn s3_without_probes_it_is_started_and_ready_at_once() {
    assert_eq!(Bench::new().lives(60).seen, [(0, true, true, true)]);
}

#[test]
fn s4_with_a_startup_probe_alone_both_come_with_its_success() {
    let bench = Bench::new().startup("FFS", |_| {}).lives(60);
    assert_eq!(
        bench.seen,
        [(0, false, false, true), (20_000, true, true, true)]
    );
}

#[test]
fn s5_s16_nothing_else_is_asked_before_it_has_started_up() {
    let bench = Bench::new()
        .startup("F", |_| {})
        .liveness("S", |_| {})
        .readiness("S", |_| {})
        .lives(60);
    assert_eq!(bench.condemned(), Some((20, Startup)));
    assert_eq!(
        (bench.asked(Liveness), bench.asked(Readiness)),
        (vec![], vec![])
    );
}

#[test]
fn s6_s7_the_first_ask_is_at_the_first_tick_after_the_delay() {
    for (delay, first) in [(0, 0), (5, 10), (10, 10), (11, 20), (30, 30)] {
        let bench = Bench::new()
            .liveness("S", |probe| probe.initial_delay = s(delay))
            .lives(35);
        assert_eq!(bench.asked(Liveness)[0], first, "delay {delay}");
    }
}

#[test]
fn s8_the_delay_counts_from_the_start_and_liveness_waits_for_its_next_tick() {
    let bench = Bench::new()
        .startup("FFFFFFS", |probe| probe.failure_threshold = 30)
        .liveness("S", |probe| probe.initial_delay = s(30))
        .lives(95);
    assert_eq!(bench.asked(Liveness), [70, 80, 90]);
}

#[test]
fn s10_s21_a_success_begins_the_count_anew_and_an_error_does_not() {
    let bench = Bench::new().liveness("FFSFFS", |_| {}).lives(200);
    assert_eq!(bench.condemned(), None);
    let bench = Bench::new().liveness("FFSFFF", |_| {}).lives(200);
    assert_eq!(bench.condemned(), Some((50, Liveness)));
    let bench = Bench::new().liveness("FEEEFEEEF", |_| {}).lives(200);
    assert_eq!(bench.condemned(), Some((40, Liveness)));
}

#[test]
fn s12_s13_readiness_is_lost_at_the_threshold_and_found_again() {
    let bench = Bench::new().readiness("SFFSFFFS", |_| {}).lives(75);
    assert_eq!(
        bench.readiness_changes(),
        [(0, true), (60, false), (70, true)]
    );
    assert_eq!(bench.condemned(), None);
}

#[test]
fn s14_a_threshold_of_one_kills_at_once() {
    let bench = Bench::new()
        .liveness("SF", |probe| probe.failure_threshold = 1)
        .lives(60);
    assert_eq!(bench.condemned(), Some((10, Liveness)));
}

#[test]
fn s15_a_startup_probe_is_asked_until_its_success_and_never_again() {
    let script = "F".repeat(16) + "S";
    let bench = Bench::new()
        .startup(&script, |probe| probe.failure_threshold = 30)
        .lives(1000);
    assert_eq!(bench.asked(Startup).last(), Some(&160));
    assert_eq!(bench.seen.last(), Some(&(160_000, true, true, true)));
}

#[test]
fn s20_s22_s23_an_error_is_tried_three_times_a_failure_once() {
    let bench = Bench::new().readiness("SEEEESF", |_| {}).lives(35);
    assert_eq!(bench.asked(Readiness), [0, 10, 10, 10, 20, 20, 30]);
    assert_eq!(bench.readiness_changes(), [(0, true)]);
}

#[test]
fn s24_a_port_that_is_not_there_kills_nobody() {
    let bench = Bench::new()
        .liveness("F", |probe| probe.handler = Handler::Unresolvable)
        .lives(600);
    assert_eq!(bench.condemned(), None);
    assert!(bench.asked(Liveness).is_empty());
}

#[test]
fn s25_readiness_is_asked_at_the_startup_success_and_a_period_later() {
    let bench = Bench::new()
        .startup("FFFFFFFS", |probe| {
            (probe.period, probe.failure_threshold) = (s(1), 30);
        })
        .readiness("F", |probe| probe.period = s(60))
        .lives(130);
    assert_eq!(bench.asked(Readiness), [7, 67, 127]);
}

#[test]
fn s26_but_not_before_its_delay_is_over() {
    let bench = Bench::new()
        .startup("FFFFFFFS", |probe| {
            (probe.period, probe.failure_threshold) = (s(1), 30);
        })
        .readiness("F", |probe| {
            (probe.period, probe.initial_delay) = (s(60), s(30));
        })
        .lives(130);
    assert_eq!(bench.asked(Readiness), [67, 127]);
}

#[test]
fn s27_attempts_never_overlap_and_one_missed_tick_is_made_up() {
    let bench = Bench::new()
        .liveness("S", |probe| probe.timeout = s(15))
        .taking(Liveness, 12_000)
        .lives(50);
    assert_eq!(bench.asked(Liveness), [0, 12, 24, 36, 48]);
    let bench = Bench::new()
        .liveness("S", |probe| probe.timeout = s(60))
        .taking(Liveness, 35_000)
        .lives(75);
    assert_eq!(bench.asked(Liveness), [0, 35, 70]);
}

#[test]
fn s28_a_slow_probe_does_not_delay_another() {
    let bench = Bench::new()
        .liveness("S", |probe| probe.timeout = s(15))
        .taking(Liveness, 12_000)
        .readiness("S", |_| {})
        .lives(35);
    assert_eq!(bench.asked(Readiness), [0, 10, 20, 30]);
}

#[test]
fn a_warning_is_a_success() {
    assert_eq!(
        Bench::new()
            .readiness("W", |_| {})
            .lives(5)
            .readiness_changes(),
        [(0, true)]
    );
}

#[test]
fn a_helper_that_says_nothing_counts_for_nothing_and_is_asked_again() {
    let bench = Bench::new()
        .liveness("F", |_| {})
        .taking(Liveness, 3_600_000)
        .lives(15);
    // Given up a second after the timeout, three times in a row; then the next tick.
    assert_eq!(bench.asked(Liveness), [0, 2, 4, 10, 12, 14]);
}
