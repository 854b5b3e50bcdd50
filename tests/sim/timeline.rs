//! A life as text, one line per fact, action and change that can be seen, so that a story is compared as it is read.
//!
//! `<` came from the world, `>` was ordered by the machine, `=` is what can be seen from outside. `Emptied` is told in
//! every turn for which it is true; it is only worth a line when something was there before.
//!
//! The words here are the tests' own: `report::words` may be rewritten without touching a single story.

use crate::endpoints::Endpoints;
use monopod::machine::{
    Action, AskId, Ending, Fact, Happening, PodStatus, RunId, Sender, Unstartable,
};
use monopod::plan::{CheckId, Conduct, ContainerId, ExitCode, Plan, ProgramId, Role, Target};
use monopod::time::Time;
use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

/// The text so far.
pub struct Timeline {
    names: Vec<String>,
    /// The containers by name, and whether they are init containers.
    containers: Vec<(String, bool)>,
    runs: HashMap<RunId, ProgramId>,
    asks: HashMap<AskId, CheckId>,
    lines: String,
    endpoints: Endpoints,
    empty: bool,
}

impl Timeline {
    /// An empty page.
    pub fn new(plan: &Plan) -> Timeline {
        let containers = match &plan.conduct {
            Conduct::Pod(pod) => pod.containers.iter(),
            Conduct::Passthrough(_) => [].iter(),
        };
        Timeline {
            names: plan.programs.iter().map(|p| p.name.clone()).collect(),
            containers: containers
                .map(|container| (container.name.clone(), container.role == Role::Init))
                .collect(),
            runs: HashMap::new(),
            asks: HashMap::new(),
            lines: String::new(),
            endpoints: Endpoints::new(&plan.conduct),
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
                Fact::Answered(ask, answer) => {
                    let check = self.asks.get(&ask).map_or(usize::MAX, |check| check.0);
                    format!("check {check} is answered {:?}", answer.outcome)
                }
                Fact::Commanded(command) => format!("{command:?} is commanded"),
            };
            self.line(now, "<", &words);
        }
        self.empty = emptied;
    }

    /// What the machine did in a turn.
    pub fn actions(&mut self, now: Time, actions: &[Action], status: &PodStatus) {
        for action in actions {
            let words = match action {
                Action::Start(run, program) => {
                    self.runs.insert(*run, *program);
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
                Action::Ask(ask, check) => {
                    self.asks.insert(*ask, *check);
                    format!("ask check {}", check.0)
                }
                Action::StrikeAll(signal) => format!("{signal} to all"),
                Action::StartHelper => "start the helper".into(),
                Action::SuspendSelf => "suspend monopod".into(),
                // Seen below, in `=`.
                Action::Say(
                    Happening::Readiness(..) | Happening::StartedUp(_) | Happening::Initialized,
                ) => continue,
                Action::Say(happening) => format!("say: {}", self.happening(*happening)),
                Action::Leave(ExitCode(code)) => format!("leave with {code}"),
            };
            self.line(now, ">", &words);
        }
        let (was_started, was_ready) = (self.endpoints.startupz, self.endpoints.readyz);
        self.endpoints.look(actions, status);
        let (started, ready) = (self.endpoints.startupz, self.endpoints.readyz);
        if started != was_started {
            self.line(now, "=", if started { "started" } else { "not started" });
        }
        if ready != was_ready {
            self.line(now, "=", if ready { "ready" } else { "not ready" });
        }
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
        let known = self.runs.get(&run);
        known.map_or("somebody", |program| self.program(*program))
    }

    fn container(&self, container: ContainerId) -> &str {
        &self.containers[container.0].0
    }

    fn pod_happening(&self, happening: Happening) -> String {
        let name = |container| self.container(container);
        match happening {
            Happening::ContainerStarted(c) => format!("{} runs", name(c)),
            Happening::ContainerUnstartable(c, why) => format!("{} {}", name(c), unstartable(why)),
            Happening::ContainerEnded(c, ending, false) => {
                match self.containers[c.0].1 && ending.is_success() {
                    true => format!("{} is done", name(c)),
                    false => format!("{} {}", name(c), ended(ending)),
                }
            }
            Happening::ContainerEnded(c, ending, true) => {
                format!("{} {} as asked", name(c), ended(ending))
            }
            Happening::BackingOff(c, rest) => format!("{} rests {}", name(c), span(rest)),
            Happening::InitFailed(c, ending) => format!("{} failed, it {}", name(c), ended(ending)),
            Happening::Killing(c, cause) => format!("killing {}: {cause:?}", name(c)),
            Happening::Unhealthy(c, kind, outcome, cause) => {
                format!("{} {kind:?} {outcome:?} {cause:?}", name(c))
            }
            Happening::ProbeWarning(c, kind, _) => format!("{} {kind:?} warns", name(c)),
            Happening::HookFailed(c, kind, cause) => {
                format!("{} {kind:?} failed: {cause:?}", name(c))
            }
            Happening::HookOverran(c) => format!("{} PreStop overran", name(c)),
            Happening::HookFellBack(c, kind) => format!("{} {kind:?} fell back", name(c)),
            Happening::Readiness(c, true) => format!("{} is ready", name(c)),
            Happening::Readiness(c, false) => format!("{} is not ready", name(c)),
            Happening::StartedUp(c) => format!("{} is started", name(c)),
            Happening::ExceededGrace(c) => format!("{} exceeded its grace", name(c)),
            Happening::RestartingAll(c) => format!("{} restarts all", name(c)),
            other => format!("{other:?}"),
        }
    }

    fn happening(&self, happening: Happening) -> String {
        let name = |program| self.program(program);
        match happening {
            Happening::Started(p) => format!("{} runs", name(p)),
            Happening::CannotStart(p, why) => format!("{} {}", name(p), unstartable(why)),
            Happening::Ended(p, ending, false) => format!("{} {}", name(p), ended(ending)),
            Happening::Ended(p, ending, true) => format!("{} {} as asked", name(p), ended(ending)),
            Happening::StopAsked(signal) => format!("stop asked by {signal}"),
            Happening::Draining(time) => format!("draining {}", span(time)),
            Happening::Stragglers(time) => format!("stragglers get {}", span(time)),
            Happening::GraceOver => "grace is over".into(),
            Happening::LeftBehind => "something is left behind".into(),
            Happening::SignalDropped(signal) => format!("{signal} dropped"),
            Happening::OrphanReaped(_, ending, _) => format!("an orphan {}", ended(ending)),
            Happening::HelperLost => "the helper is lost".into(),
            Happening::HelperRefused(_) => "the helper is refused".into(),
            other => self.pod_happening(other),
        }
    }
}

/// `exited 0`, `died of SIGKILL`.
pub fn ended(ending: Ending) -> String {
    match ending {
        Ending::Exited(ExitCode(code)) => format!("exited {code}"),
        Ending::Killed(signal) => format!("died of {signal}"),
        Ending::OutOfMemory => "died for want of memory".to_owned(),
    }
}

fn unstartable(why: Unstartable) -> String {
    format!("cannot start: {:?} says {}", why.stage, why.errno)
}

/// `90s`, `0.005s`.
fn span(span: Duration) -> String {
    format!("{}s", seconds(span))
}

/// `90`, `0.005`.
pub fn seconds(span: Duration) -> String {
    let text = format!("{:.9}", span.as_secs_f64());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
