//! A life as text, one line per fact, action and change that can be seen, so that a story is compared as it is read.
//!
//! `<` came from the world, `>` was ordered by the machine, `=` is what can be seen from outside. `Emptied` is told in
//! every turn for which it is true; it is only worth a line when something was there before.
//!
//! The words here are the tests' own: `report::words` may be rewritten without touching a single story.

use monopod::machine::{Action, Ending, Fact, Happening, RunId, Sender, Status, Unstartable};
use monopod::plan::{ExitCode, Plan, ProgramId, Target};
use monopod::time::Time;
use std::fmt::Write;
use std::time::Duration;

/// The text so far.
pub struct Timeline {
    names: Vec<String>,
    runs: Vec<(RunId, ProgramId)>,
    lines: String,
    status: Status,
    empty: bool,
}

impl Timeline {
    /// An empty page.
    pub fn new(plan: &Plan) -> Timeline {
        Timeline {
            names: plan.programs.iter().map(|p| p.name.clone()).collect(),
            runs: Vec::new(),
            lines: String::new(),
            status: Status::default(),
            empty: true,
        }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.lines
    }

    /// The facts of a turn.
    pub fn facts(&mut self, now: Time, facts: &[Fact]) {
        let emptied = facts.contains(&Fact::Emptied);
        for fact in facts {
            let words = match *fact {
                Fact::Started(run) => format!("{} started", self.run(run)),
                Fact::Unstartable(run, why) => format!("{} {}", self.run(run), unstartable(why)),
                Fact::Ended(run, ending) => format!("{} {}", self.run(run), ended(ending)),
                Fact::OrphanReaped { ending, .. } => format!("an orphan {}", ended(ending)),
                Fact::Emptied if self.empty => continue,
                Fact::Emptied => "nothing is left".into(),
                Fact::Signalled(signal, Sender::Kernel) => format!("{signal} from the kernel"),
                Fact::Signalled(signal, Sender::Process(_)) => signal.to_string(),
                Fact::HelperLost => "the helper is gone".into(),
                Fact::HelperUnstartable(_) => "the helper was refused".into(),
                Fact::Answered(ask, answer) => format!("{ask:?} is answered {answer:?}"),
                Fact::Commanded(command) => format!("{command:?} is commanded"),
            };
            self.line(now, "<", &words);
        }
        self.empty = emptied;
    }

    /// What the machine did in a turn.
    pub fn actions(&mut self, now: Time, actions: &[Action], status: Status) {
        for action in actions {
            let words = match action {
                Action::Start(run, program) => {
                    self.runs.push((*run, *program));
                    self.empty = false;
                    format!("start {}", self.program(*program))
                }
                Action::Strike(run, Target::Process, signal) => {
                    format!("{signal} to {}", self.run(*run))
                }
                Action::Strike(run, Target::Group, signal) => {
                    format!("{signal} to the group of {}", self.run(*run))
                }
                Action::Strike(run, Target::Tree, signal) => {
                    format!("{signal} to the tree of {}", self.run(*run))
                }
                Action::Ask(ask, check) => format!("{ask:?} asks {check:?}"),
                Action::StrikeAll(signal) => format!("{signal} to all"),
                Action::StartHelper => "start the helper".into(),
                Action::SuspendSelf => "suspend monopod".into(),
                Action::Say(happening) => format!("say: {}", self.happening(*happening)),
                Action::Leave(ExitCode(code)) => format!("leave with {code}"),
            };
            self.line(now, ">", &words);
        }
        let seen = [
            (
                self.status.is_started(),
                status.is_started(),
                "started",
                "not started",
            ),
            (
                self.status.is_ready(),
                status.is_ready(),
                "ready",
                "not ready",
            ),
        ];
        for (before, after, yes, no) in seen {
            if before != after {
                self.line(now, "=", if after { yes } else { no });
            }
        }
        self.status = status;
    }

    fn line(&mut self, now: Time, mark: &str, words: &str) {
        writeln!(
            self.lines,
            "{} {mark} {words}",
            span(now.since(Time::START))
        )
        .expect("a string takes all");
    }

    fn program(&self, program: ProgramId) -> &str {
        &self.names[program.0]
    }

    fn run(&self, run: RunId) -> &str {
        let known = self.runs.iter().find(|(known, _)| *known == run);
        known.map_or("somebody", |(_, program)| self.program(*program))
    }

    fn happening(&self, happening: Happening) -> String {
        let name = |program| self.program(program);
        match happening {
            Happening::Started(p) => format!("{} runs", name(p)),
            Happening::CannotStart(p, why) => format!("{} {}", name(p), unstartable(why)),
            Happening::StepDone(p) => format!("{} is done", name(p)),
            Happening::StepRests(p, _, rest) => format!("{} rests {}", name(p), span(rest)),
            Happening::Ended(p, ending, false) => format!("{} {}", name(p), ended(ending)),
            Happening::Ended(p, ending, true) => format!("{} {} as asked", name(p), ended(ending)),
            Happening::StepFailed(p, ending) => format!("{} failed, it {}", name(p), ended(ending)),
            Happening::StopAsked(signal) => format!("stop asked by {signal}"),
            Happening::Draining(time) => format!("draining {}", span(time)),
            Happening::PreStopFailed(p, ending) => {
                format!("{} failed, it {}", name(p), ended(ending))
            }
            Happening::PreStopOverran(p) => format!("{} overran", name(p)),
            Happening::Stragglers(time) => format!("stragglers get {}", span(time)),
            Happening::GraceOver => "grace is over".into(),
            Happening::LeftBehind => "something is left behind".into(),
            Happening::SignalDropped(signal) => format!("{signal} dropped"),
            Happening::OrphanReaped(_, ending, _) => format!("an orphan {}", ended(ending)),
            Happening::HelperLost => "the helper is lost".into(),
            Happening::HelperRefused(_) => "the helper is refused".into(),
            other => format!("{other:?}"),
        }
    }
}

/// The names of all happenings, by [`happening_number`].
pub const HAPPENINGS: [&str; 17] = [
    "Started",
    "CannotStart",
    "StepDone",
    "StepRests",
    "Ended",
    "StepFailed",
    "StopAsked",
    "Draining",
    "PreStopFailed",
    "PreStopOverran",
    "Stragglers",
    "GraceOver",
    "LeftBehind",
    "SignalDropped",
    "OrphanReaped",
    "HelperLost",
    "HelperRefused",
];

/// The place of a happening in [`HAPPENINGS`]. A new happening does not compile until it is listed here.
pub fn happening_number(happening: Happening) -> u32 {
    match happening {
        Happening::Started(_) => 0,
        Happening::CannotStart(..) => 1,
        Happening::StepDone(_) => 2,
        Happening::StepRests(..) => 3,
        Happening::Ended(..) => 4,
        Happening::StepFailed(..) => 5,
        Happening::StopAsked(_) => 6,
        Happening::Draining(_) => 7,
        Happening::PreStopFailed(..) => 8,
        Happening::PreStopOverran(_) => 9,
        Happening::Stragglers(_) => 10,
        Happening::GraceOver => 11,
        Happening::LeftBehind => 12,
        Happening::SignalDropped(_) => 13,
        Happening::OrphanReaped(..) => 14,
        Happening::HelperLost => 15,
        Happening::HelperRefused(_) => 16,
        // Of pods: not counted yet.
        _ => 31,
    }
}

fn ended(ending: Ending) -> String {
    match ending {
        Ending::Exited(ExitCode(code)) => format!("exited {code}"),
        Ending::Killed(signal) => format!("died of {signal}"),
    }
}

fn unstartable(why: Unstartable) -> String {
    format!("cannot start: {:?} says {}", why.stage, why.errno)
}

/// `90s`, `0.005s`.
fn span(span: Duration) -> String {
    let text = format!("{:.9}", span.as_secs_f64());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}
