//! Machines with a bug planted in them, to see that the laws would notice: a check that cannot fail checks nothing.
//!
//! Each wraps the real machine and spoils what goes in or what comes out, in a way that somebody might really write.

use crate::plans;
use crate::seeds::{Wishes, live};
use monopod::machine::{Action, ContainerState, Fact, Machine, PodStatus, StandingOrder};
use monopod::plan::{Conduct, ExitCode, Plan, ProgramId, Signal};
use monopod::time::Time;

/// A bug must be found within this many seeds. The slowest of them needs a few dozen; a seed is a few milliseconds.
const SEEDS: u64 = 2000;

/// Within [`SEEDS`] seeds, a machine that was spoilt so breaks the law of this name.
#[track_caller]
pub fn is_caught(law: &str, plant: impl Fn(Box<dyn Machine>, &Plan) -> Box<dyn Machine>) {
    let mut others = Vec::new();
    for seed in 0..SEEDS {
        let life = live(
            seed,
            Wishes {
                shuffle: Some(seed),
                ..Wishes::default()
            },
            |plan| plant(plans::machine(plan), plan),
        );
        match life.verdict {
            Err(broken) if broken.contains(law) => {
                println!("caught by seed {seed}: {broken}");
                return;
            }
            Err(broken) => others.push(broken),
            Ok(()) => {}
        }
    }
    panic!("{SEEDS} seeds never broke {law:?}, but {others:#?}");
}

/// The real machine and what spoils it.
pub struct Spoilt<S> {
    /// The real machine.
    pub machine: Box<dyn Machine>,
    main: Option<ProgramId>,
    /// What the bug keeps in mind.
    pub state: S,
    /// What a step is instead.
    pub step: fn(&mut Spoilt<S>, Time, &[Fact]) -> Vec<Action>,
    deadline: fn(&Spoilt<S>) -> Option<Time>,
    standing_order: fn(&Spoilt<S>) -> Option<StandingOrder>,
}

impl<S: 'static> Spoilt<S> {
    /// A machine that is not spoilt yet.
    pub fn new(machine: Box<dyn Machine>, plan: &Plan, state: S) -> Spoilt<S> {
        let main = match &plan.conduct {
            Conduct::Pod(pod) => pod.containers.last().map(|container| container.program),
            Conduct::Passthrough(conduct) => conduct.main,
        };
        Spoilt {
            machine,
            main,
            state,
            step: |spoilt, now, facts| spoilt.machine.step(now, facts),
            deadline: |spoilt| spoilt.machine.deadline(),
            standing_order: |spoilt| spoilt.machine.standing_order(),
        }
    }
}

impl<S> Machine for Spoilt<S> {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        actions.extend((self.step)(self, now, facts));
    }

    fn deadline(&self) -> Option<Time> {
        (self.deadline)(self)
    }

    fn standing_order(&self) -> Option<StandingOrder> {
        (self.standing_order)(self)
    }

    fn status(&self) -> PodStatus {
        self.machine.status()
    }
}

/// The real machine, shown otherwise.
struct Shown {
    machine: Box<dyn Machine>,
    now: Time,
    look: fn(Time, &mut PodStatus),
}

impl Machine for Shown {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        self.now = now;
        self.machine.step_into(now, facts, actions);
    }

    fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }

    fn status(&self) -> PodStatus {
        let mut status = self.machine.status();
        (self.look)(self.now, &mut status);
        status
    }
}

/// Within [`SEEDS`] seeds, the real machine that is shown so breaks the law of this name.
#[track_caller]
pub fn a_look_is_caught(law: &str, look: fn(Time, &mut PodStatus)) {
    is_caught(law, |machine, _| {
        let now = Time::START;
        Box::new(Shown { machine, now, look })
    });
}

#[test]
fn facts_that_are_acted_on_one_by_one_are_caught() {
    // The turn in which the last init step succeeds and SIGTERM arrives: the command is started although a stop was heard.
    is_caught(
        "nothing but the hook starts once a stop was heard",
        |machine, plan| {
            let mut spoilt = Spoilt::new(machine, plan, ());
            spoilt.step = |spoilt, now, facts| {
                let one_by_one = facts.iter().filter(|fact| **fact != Fact::Emptied);
                let mut actions: Vec<Action> = one_by_one
                    .flat_map(|fact| spoilt.machine.step(now, &[*fact]))
                    .collect();
                let emptied = facts.contains(&Fact::Emptied) && actions.is_empty();
                actions.extend(
                    spoilt
                        .machine
                        .step(now, if emptied { &[Fact::Emptied] } else { &[] }),
                );
                actions
            };
            Box::new(spoilt)
        },
    );
}

#[test]
fn a_forgotten_sigkill_is_caught() {
    is_caught("SIGKILL when the grace is over", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, ());
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            actions.retain(|action| *action != Action::StrikeAll(Signal::KILL));
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_lost_exit_code_is_caught() {
    // Whoever is collected last in the turn of the command's end lends monopod its code.
    is_caught("the exit code is the right one", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, None::<ExitCode>);
        spoilt.step = |spoilt, now, facts| {
            let ends: Vec<ExitCode> = facts
                .iter()
                .filter_map(|fact| match fact {
                    Fact::Ended(_, ending) | Fact::OrphanReaped { ending, .. } => {
                        Some(ending.code())
                    }
                    _ => None,
                })
                .collect();
            spoilt.state = ends.last().copied().filter(|_| ends.len() > 1);
            let mut actions = spoilt.machine.step(now, facts);
            for action in &mut actions {
                if let (Action::Leave(code), Some(last)) = (action, spoilt.state) {
                    *code = last;
                }
            }
            actions
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_stale_standing_order_is_caught() {
    // Nobody takes it back when its run ends or a stop begins.
    is_caught("a standing order is what the step says", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, None::<StandingOrder>);
        spoilt.step = |spoilt, now, facts| {
            let actions = spoilt.machine.step(now, facts);
            spoilt.state = spoilt.machine.standing_order().or(spoilt.state);
            actions
        };
        spoilt.standing_order = |spoilt| spoilt.state;
        Box::new(spoilt)
    });
}

#[test]
fn a_stale_deadline_is_caught() {
    // The end of the drain is waited for although the command has ended meanwhile.
    is_caught("[deadline]", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, None::<Time>);
        spoilt.step = |spoilt, now, facts| {
            spoilt.state = (spoilt.deadline)(spoilt).filter(|at| *at > now);
            spoilt.machine.step(now, facts)
        };
        spoilt.deadline = |spoilt| {
            spoilt
                .machine
                .deadline()
                .into_iter()
                .chain(spoilt.state)
                .min()
        };
        Box::new(spoilt)
    });
}

#[test]
fn a_signal_that_is_swallowed_because_another_of_its_kind_came_is_caught() {
    is_caught(
        "every signal is handed on once and in order",
        |machine, plan| {
            let mut spoilt = Spoilt::new(machine, plan, ());
            spoilt.step = |spoilt, now, facts| {
                let mut facts = facts.to_vec();
                facts.dedup_by(|a, b| a == b && matches!(a, Fact::Signalled(..)));
                spoilt.machine.step(now, &facts)
            };
            Box::new(spoilt)
        },
    );
}

#[test]
fn readiness_that_lasts_through_the_drain_is_caught() {
    a_look_is_caught(
        "ready while it runs and nobody asked it to stop",
        |_, status| status.stopping_since = None,
    );
}

#[test]
fn a_step_that_is_called_done_while_it_runs_is_caught() {
    a_look_is_caught("an init step is ready when it is done", |_, status| {
        for container in &mut status.containers {
            container.ready |= matches!(container.state, ContainerState::Running(_));
        }
    });
}

#[test]
fn a_start_that_is_forgotten_with_the_end_is_caught() {
    a_look_is_caught("has ever run", |_, status| {
        for container in &mut status.containers {
            container.last_start = container.last_start.filter(|_| container.started);
        }
    });
}

#[test]
fn a_command_that_is_started_twice_is_caught() {
    is_caught("law 5: one live run of a program", |machine, plan| {
        let mut spoilt = Spoilt::new(machine, plan, ());
        spoilt.step = |spoilt, now, facts| {
            let mut actions = spoilt.machine.step(now, facts);
            let main = spoilt.main;
            let again = actions.iter().find_map(|action| match action {
                Action::Start(run, program) if Some(*program) == main => Some(*run),
                _ => None,
            });
            actions.extend(
                again
                    .zip(main)
                    .map(|(run, main)| Action::Start(monopod::machine::RunId(run.0 + 1000), main)),
            );
            actions
        };
        Box::new(spoilt)
    });
}
