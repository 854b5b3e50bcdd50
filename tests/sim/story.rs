//! The language of the stories: this was configured, this happened, so this is how it went, line by line.
//!
//! A story is one life in a punctual world. Its whole timeline is compared, so that a story also says what did *not*
//! happen; and the laws are watching. When a story fails, it prints how it really went, ready to be read and, if it is
//! right, to be pasted.

use crate::plans;
use crate::rng::Rng;
use crate::temper::Temper;
use crate::timeline::Timeline;
use crate::world::{Event, Habits, Outcome, World};
use monopod::machine::Sender;
use monopod::plan::{Conduct, ExitCode, Lifecycle, Passthrough, ProgramId, Retries, Signal};
use monopod::time::Time;
use std::time::Duration;

/// So many seconds.
pub fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The signal of this name.
pub fn signal(name: &str) -> Signal {
    Signal::parse(name).expect("a story names signals that exist")
}

/// A story that is being told.
#[must_use]
pub struct Story {
    names: Vec<&'static str>,
    /// Per program, the temper of each start; the last one stands for all that follow.
    roles: Vec<Vec<Temper>>,
    conduct: Conduct,
    health: bool,
    events: Vec<(Duration, Event)>,
    habits: Habits,
    until: Time,
}

impl Story {
    /// A pod whose command is called `web`, with a grace of 30 s.
    pub fn pod() -> Story {
        Story::of(Conduct::Lifecycle(plans::lifecycle()))
    }

    /// A small init whose command is called `web`.
    pub fn passthrough(conduct: Passthrough) -> Story {
        Story::of(Conduct::Passthrough(conduct))
    }

    fn of(conduct: Conduct) -> Story {
        Story {
            names: vec!["web"],
            roles: vec![vec![crate::temper::runs()]],
            conduct,
            health: false,
            events: Vec::new(),
            habits: Habits::plain(),
            until: Time::from_nanos(u64::MAX),
        }
    }

    fn pod_conduct(&mut self) -> &mut Lifecycle {
        match &mut self.conduct {
            Conduct::Lifecycle(conduct) => conduct,
            Conduct::Pod(_) | Conduct::Passthrough(_) => panic!("a small init has no such thing"),
        }
    }

    fn role<const N: usize>(&mut self, name: &'static str, tempers: [Temper; N]) -> ProgramId {
        self.names.push(name);
        self.roles.push(tempers.to_vec());
        ProgramId(self.names.len() - 1)
    }

    /// How the command behaves.
    pub fn web(mut self, temper: Temper) -> Story {
        self.roles[0] = vec![temper];
        self
    }

    /// An init step, with how it behaves at each of its starts.
    pub fn step<const N: usize>(mut self, name: &'static str, tempers: [Temper; N]) -> Story {
        let program = self.role(name, tempers);
        self.pod_conduct().steps.push(program);
        self
    }

    /// A pre-stop hook called `hook`.
    pub fn hook(mut self, temper: Temper) -> Story {
        let program = self.role("hook", [temper]);
        self.pod_conduct().pre_stop = Some(program);
        self
    }

    /// The grace.
    pub fn grace(mut self, grace: Duration) -> Story {
        self.pod_conduct().grace = grace;
        self
    }

    /// The drain time.
    pub fn drain(mut self, drain: Duration) -> Story {
        self.pod_conduct().drain = drain;
        self
    }

    /// What the command is stopped with.
    pub fn stop_signal(mut self, name: &str) -> Story {
        self.pod_conduct().stop_signal = Some(signal(name));
        self
    }

    /// How often a failed step is tried again.
    pub fn retries(mut self, retries: Retries) -> Story {
        self.pod_conduct().step_retries = retries;
        self
    }

    /// An exit code that becomes another.
    pub fn remap(mut self, from: u8, to: u8) -> Story {
        self.pod_conduct()
            .remap_exit
            .insert(ExitCode(from), ExitCode(to));
        self
    }

    /// There is a health address, and so a helper.
    pub fn health(mut self) -> Story {
        self.health = true;
        self
    }

    /// The kernel refuses every fork of the helper.
    pub fn helper_refused(mut self) -> Story {
        self.habits.refuses_helper = 100;
        self
    }

    /// Somebody outside sends these signals.
    pub fn hears<const N: usize>(self, at: Duration, names: [&str; N]) -> Story {
        names.into_iter().fold(self, |story, name| {
            story.event(at, Event::Signal(signal(name), Sender::Process(0)))
        })
    }

    /// The kernel sends this signal, for a terminal.
    pub fn hears_from_kernel(self, at: Duration, name: &str) -> Story {
        self.event(at, Event::Signal(signal(name), Sender::Kernel))
    }

    /// Something else happens.
    pub fn event(mut self, at: Duration, event: Event) -> Story {
        self.events.push((at, event));
        self
    }

    /// The story breaks off here; without this it goes on until monopod leaves or sleeps for ever.
    pub fn until(mut self, end: Duration) -> Story {
        self.until = Time::START.after(end);
        self
    }

    /// How it went, line by line; indentation does not matter.
    #[track_caller]
    pub fn goes(self, expected: &str) {
        let Story {
            names,
            mut roles,
            conduct,
            health,
            events,
            habits,
            until,
        } = self;
        let plan = plans::plan(&names, conduct, health);
        let cast = Box::new(move |program: ProgramId, nth: u32| {
            let tempers = &mut roles[program.0];
            tempers[(nth as usize).min(tempers.len() - 1)].clone()
        });
        let machine = plans::machine(&plan);
        let mut world = World::new(&plan, machine, cast, habits, Rng::new(0), None);
        world.timeline = Some(Timeline::new(&plan));
        for (at, event) in events {
            world.plan_event(Time::START.after(at), event);
        }
        let outcome = world.live(until);
        let mut text = world
            .timeline
            .take()
            .map_or_else(String::new, |t| t.text().to_owned());
        text.push_str(match &outcome {
            Ok(Outcome::Left) => "",
            Ok(Outcome::Asleep) => "it sleeps\n",
            Ok(Outcome::Unfinished) => "and so on\n",
            Err(_) => "and broke a law\n",
        });
        let told: Vec<&str> = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let went: Vec<&str> = text.lines().collect();
        assert!(
            outcome.is_ok() && told == went,
            "{outcome:?}\nit went:\n\n{}",
            marked(&told, &went)
        );
    }
}

/// How it went, with a mark at the first line that was told otherwise.
fn marked(told: &[&str], went: &[&str]) -> String {
    let same = told
        .iter()
        .zip(went)
        .take_while(|(told, went)| told == went)
        .count();
    let mut text = String::new();
    for (place, line) in went.iter().enumerate() {
        if place == same {
            text.push_str(&format!(
                "--- told was: {}\n",
                told.get(same).unwrap_or(&"the end")
            ));
        }
        text.push_str(&format!("            {line}\n"));
    }
    text
}
