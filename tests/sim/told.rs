//! A pod's life that was lived, to be asked what befell whom and when.
//!
//! What is expected is written as `word@seconds`, as in `SIGTERM@60 SIGKILL@90`; seconds alone where there is nothing
//! else to say. Programs and checks are named as in the story: `web`, `web/liveness`, `web/preStop`. A question that is
//! answered otherwise prints the whole timeline.

use crate::kernel::Effect;
use crate::timeline::{ended, seconds};
use crate::world::World;
use monopod::machine::{
    Action, ConditionReason, ContainerState, ContainerStatus, PodStatus, WaitingReason,
};
use monopod::time::Time;
use std::time::Duration;

/// A life that was lived.
pub struct Told {
    programs: Vec<String>,
    checks: Vec<String>,
    containers: Vec<String>,
    effects: Vec<(Time, Effect)>,
    seen: Vec<(Time, PodStatus)>,
    left: Option<(Time, u8)>,
    text: String,
}

/// The conditions by their place in [`PodStatus::conditions`].
const CONDITIONS: [&str; 6] = [
    "PodScheduled",
    "PodReadyToStartContainers",
    "Initialized",
    "ContainersReady",
    "Ready",
    "AllContainersRestarting",
];

impl Told {
    /// What can be told of this world.
    pub fn new(
        mut world: World,
        programs: Vec<String>,
        checks: Vec<String>,
        containers: Vec<String>,
    ) -> Told {
        let diary = world.diary.take().unwrap_or_default();
        let left = diary.iter().find_map(|(at, actions)| match actions.last() {
            Some(Action::Leave(code)) => Some((*at, code.0)),
            _ => None,
        });
        Told {
            programs,
            checks,
            containers,
            effects: world.kernel().effects.take().unwrap_or_default(),
            seen: world.seen.take().unwrap_or_default(),
            left,
            text: world
                .timeline
                .take()
                .map_or_else(String::new, |t| t.text().to_owned()),
        }
    }

    /// The whole timeline.
    pub fn text(&self) -> &str {
        &self.text
    }

    #[track_caller]
    fn compare(&self, what: &str, went: &[String], expected: &str) {
        let told: Vec<&str> = expected.split_whitespace().collect();
        assert!(
            told == went,
            "{what}: told was {expected:?}, it went {:?}\n{}",
            went.join(" "),
            self.text
        );
    }

    fn when(at: Time) -> String {
        seconds(at.since(Time::START))
    }

    fn is(&self, effect: Effect, name: &str) -> bool {
        let known = match effect {
            Effect::Started(program) | Effect::Struck(program, _) | Effect::Ended(program, _) => {
                &self.programs[program.0]
            }
            Effect::Asked(check) => &self.checks[check.0],
        };
        known == name
    }

    fn effects<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (Time, Effect)> + 'a {
        let known = self
            .programs
            .iter()
            .chain(&self.checks)
            .any(|known| known == name);
        assert!(known, "nobody in this story is called {name}");
        self.effects
            .iter()
            .copied()
            .filter(|(_, effect)| self.is(*effect, name))
    }

    /// When it was started or asked.
    #[track_caller]
    pub fn starts(self, name: &str, expected: &str) -> Told {
        let went: Vec<String> = self
            .effects(name)
            .filter(|(_, effect)| matches!(effect, Effect::Started(_) | Effect::Asked(_)))
            .map(|(at, _)| Told::when(at))
            .collect();
        self.compare(&format!("starts of {name}"), &went, expected);
        self
    }

    /// Which signals were sent to its own process, while it lived.
    #[track_caller]
    pub fn struck(self, name: &str, expected: &str) -> Told {
        let went: Vec<String> = self
            .effects(name)
            .filter_map(|(at, effect)| match effect {
                Effect::Struck(_, signal) => Some(format!("{signal}@{}", Told::when(at))),
                _ => None,
            })
            .collect();
        self.compare(&format!("signals to {name}"), &went, expected);
        self
    }

    /// How its instances ended: `0@4`, `SIGKILL@30`.
    #[track_caller]
    pub fn ends(self, name: &str, expected: &str) -> Told {
        let went: Vec<String> = self
            .effects(name)
            .filter_map(|(at, effect)| match effect {
                Effect::Ended(_, ending) => Some(format!("{}@{}", ended(ending), Told::when(at))),
                _ => None,
            })
            .map(|words| words.replace("exited ", "").replace("died of ", ""))
            .collect();
        self.compare(&format!("ends of {name}"), &went, expected);
        self
    }

    /// The code that monopod left with, and the second.
    #[track_caller]
    pub fn leaves(self, expected: &str) -> Told {
        let went: Vec<String> = self
            .left
            .iter()
            .map(|(at, code)| format!("{code}@{}", Told::when(*at)))
            .collect();
        self.compare("the end", &went, expected);
        self
    }

    /// How often a line of the timeline ended in these words.
    #[track_caller]
    pub fn says(self, words: &str, expected: &str) -> Told {
        let said = format!("> say: {words}");
        let lines = self.text.lines().filter(|line| line.ends_with(&said));
        let went: Vec<String> = lines
            .map(|line| line.split("s ").next().unwrap_or_default().to_owned())
            .collect();
        self.compare(&format!("{words:?} said at"), &went, expected);
        self
    }

    fn changes(&self, look: impl Fn(&PodStatus) -> String) -> Vec<String> {
        let mut last = None;
        let mut changes = Vec::new();
        for (at, status) in &self.seen {
            let word = look(status);
            if last.as_ref() != Some(&word) {
                changes.push((*at, word.clone()));
                last = Some(word);
            }
        }
        // What lasted for no time at all was never seen.
        let lasting = |(place, change): (usize, &(Time, String))| {
            let next = changes.get(place + 1);
            next.is_none_or(|next| next.0 > change.0)
                .then(|| change.clone())
        };
        let mut lasting: Vec<(Time, String)> =
            changes.iter().enumerate().filter_map(lasting).collect();
        lasting.dedup_by(|later, earlier| later.1 == earlier.1);
        let words = lasting.iter();
        words
            .map(|(at, word)| format!("{word}@{}", Told::when(*at)))
            .collect()
    }

    fn container<'a>(&self, status: &'a PodStatus, name: &str) -> &'a ContainerStatus {
        let place = self.containers.iter().position(|known| known == name);
        &status.containers[place.expect("a story asks about containers that exist")]
    }

    #[track_caller]
    fn watch(
        self,
        name: &str,
        what: &str,
        expected: &str,
        look: impl Fn(&ContainerStatus) -> String,
    ) -> Told {
        let went = self.changes(|status| look(self.container(status, name)));
        self.compare(&format!("{name} {what}"), &went, expected);
        self
    }

    /// Its `ready` flag: `no@0 yes@10`.
    #[track_caller]
    pub fn ready(self, name: &str, expected: &str) -> Told {
        self.watch(name, "ready", expected, |container| yes(container.ready))
    }

    /// Its `started` flag.
    #[track_caller]
    pub fn started(self, name: &str, expected: &str) -> Told {
        self.watch(
            name,
            "started",
            expected,
            |container| yes(container.started),
        )
    }

    /// Its restartCount: `0@0 1@1`.
    #[track_caller]
    pub fn restarts(self, name: &str, expected: &str) -> Told {
        self.watch(name, "restarts", expected, |container| {
            container.restarts.to_string()
        })
    }

    /// Its state: the reason it waits for, `Running`, or the code it ended with.
    #[track_caller]
    pub fn state(self, name: &str, expected: &str) -> Told {
        self.watch(name, "state", expected, |container| match container.state {
            ContainerState::Waiting(reason) => waiting(reason),
            ContainerState::Running(_) => "Running".into(),
            ContainerState::Terminated(termination) if termination.unstartable.is_some() => {
                "StartError".into()
            }
            ContainerState::Terminated(termination) => termination.ending.code().0.to_string(),
        })
    }

    /// Its lastState: `none`, or the code.
    #[track_caller]
    pub fn last_state(self, name: &str, expected: &str) -> Told {
        self.watch(name, "lastState", expected, |container| {
            match container.last {
                None => "none".into(),
                Some(last) if last.unstartable.is_some() => "StartError".into(),
                Some(last) => last.ending.code().0.to_string(),
            }
        })
    }

    /// The pod's phase.
    #[track_caller]
    pub fn phase(self, expected: &str) -> Told {
        let went = self.changes(|status| format!("{:?}", status.phase));
        self.compare("phase", &went, expected);
        self
    }

    /// A condition: `False/ContainersNotReady@0 True@10`.
    #[track_caller]
    pub fn condition(self, name: &str, expected: &str) -> Told {
        let place = CONDITIONS.iter().position(|known| *known == name);
        let place = place.expect("a story asks about conditions that exist");
        let went = self.changes(|status| {
            let condition = status.conditions[place];
            let holds = if condition.holds { "True" } else { "False" };
            match condition.reason {
                ConditionReason::None => holds.to_owned(),
                reason => format!("{holds}/{reason:?}"),
            }
        });
        self.compare(name, &went, expected);
        self
    }

    /// Since when a condition is as it is, at the end of what was lived.
    #[track_caller]
    pub fn since(self, name: &str, expected: &str) -> Told {
        let place = CONDITIONS.iter().position(|known| *known == name);
        let place = place.expect("a story asks about conditions that exist");
        let last = self
            .seen
            .last()
            .map(|(_, status)| status.conditions[place].since);
        let went: Vec<String> = last.map(Told::when).into_iter().collect();
        self.compare(&format!("{name} since"), &went, expected);
        self
    }
}

fn yes(holds: bool) -> String {
    if holds { "yes".into() } else { "no".into() }
}

fn waiting(reason: WaitingReason) -> String {
    match reason {
        WaitingReason::Initial => "Initial".into(),
        WaitingReason::CrashLoopBackOff(rest) => back_off(rest),
        WaitingReason::RunContainerError => "RunContainerError".into(),
        WaitingReason::PostStartHookError => "PostStartHookError".into(),
    }
}

fn back_off(rest: Duration) -> String {
    format!("CrashLoopBackOff/{}", rest.as_secs())
}
