//! The language of the stories: this was configured, this happened, so this is how it went, line by line.
//!
//! A story is one life in a punctual world. Its whole timeline is compared, so that a story also says what did *not*
//! happen; and the laws are watching. When a story fails, it prints how it really went, ready to be read and, if it is
//! right, to be pasted.

use crate::kernel::{Event, Habits, Kernel};
use crate::laws::Laws;
use crate::plans::{self, OneCommand, Retries};
use crate::rng::Rng;
use crate::temper::{Reply, Temper};
use crate::timeline::Timeline;
use crate::world::{Outcome, World};
use monopod::machine::{Outcome as Verdict, Sender};
use monopod::plan::{Conduct, ExitCode, Passthrough, ProgramId, Signal};
use monopod::time::Time;
use std::time::Duration;

/// How nearly every story of one command begins.
const ONCE_READY: &str = "
    0s > start web
    0s < web started
    0s > say: web runs
    0s = started
    0s = ready
";

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
    form: Form,
    health: bool,
    events: Vec<(Duration, Event)>,
    habits: Habits,
    until: Time,
}

enum Form {
    OneCommand(OneCommand),
    Passthrough(Passthrough),
}

impl Story {
    /// A pod of one command, which is called `web`, with a grace of 30 s.
    pub fn pod() -> Story {
        Story::of(Form::OneCommand(OneCommand::new()))
    }

    /// A small init whose command is called `web`.
    pub fn passthrough(conduct: Passthrough) -> Story {
        Story::of(Form::Passthrough(conduct))
    }

    fn of(form: Form) -> Story {
        Story {
            names: vec!["web"],
            roles: vec![vec![crate::temper::runs()]],
            form,
            health: false,
            events: Vec::new(),
            habits: Habits::plain(),
            until: Time::from_nanos(u64::MAX),
        }
    }

    fn command(&mut self) -> &mut OneCommand {
        match &mut self.form {
            Form::OneCommand(command) => command,
            Form::Passthrough(_) => panic!("a small init has no such thing"),
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
        self.command().steps.push(program);
        self
    }

    /// A pre-stop hook called `hook`.
    pub fn hook(mut self, temper: Temper) -> Story {
        let program = self.role("hook", [temper]);
        self.command().pre_stop = Some(program);
        self
    }

    /// The grace.
    pub fn grace(mut self, grace: Duration) -> Story {
        self.command().grace = grace;
        self
    }

    /// The drain time.
    pub fn drain(mut self, drain: Duration) -> Story {
        self.command().drain = drain;
        self
    }

    /// What asks for the stop.
    pub fn stop_on(mut self, names: &[&str]) -> Story {
        self.command().stop_on = names.iter().map(|name| signal(name)).collect();
        self
    }

    /// What the command is stopped with.
    pub fn stop_signal(mut self, name: &str) -> Story {
        self.command().stop_signal = Some(signal(name));
        self
    }

    /// How often a failed step is tried again.
    pub fn retries(mut self, retries: Retries) -> Story {
        self.command().step_retries = retries;
        self
    }

    /// An exit code that becomes another.
    pub fn remap(mut self, from: u8, to: u8) -> Story {
        self.command()
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

    /// How it went after web, the only container, was ready at once.
    #[track_caller]
    pub fn goes_once_ready(self, expected: &str) {
        self.goes(&format!("{ONCE_READY}{expected}"));
    }

    /// How it went, line by line; indentation does not matter.
    #[track_caller]
    pub fn goes(self, expected: &str) {
        let Story {
            names,
            mut roles,
            form,
            health,
            events,
            habits,
            until,
        } = self;
        let (conduct, command) = match form {
            Form::OneCommand(command) => (Conduct::Pod(command.pod(&names)), Some(command)),
            Form::Passthrough(conduct) => (Conduct::Passthrough(conduct), None),
        };
        let plan = plans::plan(&names, &[], conduct, health);
        let cast = Box::new(move |program: ProgramId, nth: u32| {
            let tempers = &mut roles[program.0];
            tempers[(nth as usize).min(tempers.len() - 1)].clone()
        });
        let nobody = Box::new(|_, _, _| Reply::new(Verdict::Unknown, None));
        let kernel = Kernel::new(&plan, cast, nobody, habits, Rng::new(0));
        let laws = Laws::new(&plan, command.as_ref());
        let mut world = World::new(plans::machine(&plan), kernel, laws, None);
        world.timeline = Some(Timeline::new(&plan));
        for (at, event) in events {
            world.kernel().plan_event(Time::START.after(at), event);
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
