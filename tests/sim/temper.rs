//! How a pretend process behaves. A temper is decided when the process is born and never changes, so a world's
//! processes cannot react to how the machine happens to be written.

use monopod::machine::{Answer, Cause, Ending, Outcome, Stage, Unstartable};
use monopod::plan::{ExitCode, Signal};
use std::time::Duration;

/// The character of one process.
#[derive(Clone, Debug)]
pub struct Temper {
    /// What becomes of the exec.
    pub launch: Launch,
    /// When it ends of its own accord, counted from its exec, and how.
    pub ends: Option<(Duration, Ending)>,
    /// What it does about signals; the first entry for a signal counts.
    pub manners: Vec<(Signal, Reaction)>,
    /// What it does about signals that it has no entry for.
    pub otherwise: Reaction,
    /// How long the kernel takes to get rid of it after SIGKILL; `None`: it waits in the kernel for ever.
    pub dies_within: Option<Duration>,
    /// Whether somebody stops it (SIGSTOP) right after its exec.
    pub frozen: bool,
    /// Whom it forks.
    pub offspring: Vec<Offspring>,
}

/// What becomes of the exec.
#[derive(Clone, Copy, Debug)]
pub enum Launch {
    /// It succeeds this long after the fork.
    Succeeds(Duration),
    /// It fails this long after the fork.
    Fails(Duration, Unstartable),
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug)]
pub enum Reaction {
    /// What the kernel does when nobody else does: end, stop, continue or nothing, by the signal.
    Default,
    /// Nothing.
    Ignores,
    /// It ends after this long, so.
    Ends(Duration, Ending),
}

/// A process forked by a process.
#[derive(Clone, Debug)]
pub struct Offspring {
    /// How long after its parent's exec it is born.
    pub after: Duration,
    /// Whether it leaves its parent's process group.
    pub escapes: bool,
    /// Whether its parent never collects it, because a middleman in between has ended (the double fork of a daemon).
    pub daemon: bool,
    /// Its own character; its `launch` means nothing.
    pub temper: Temper,
}

/// What becomes of one asking over the network.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How long whoever is asked takes; `None`: for ever, or until the helper gives up.
    pub after: Option<Duration>,
    /// What is answered then.
    pub answer: Answer,
    /// Whether the helper is stuck and never tells.
    pub lost: bool,
}

impl Reply {
    /// This verdict, after so long.
    pub fn new(outcome: Outcome, after: Option<Duration>) -> Reply {
        let cause = match outcome {
            Outcome::Success => Cause::None,
            Outcome::Warning => Cause::Redirect(302),
            Outcome::Failure => Cause::HttpStatus(503),
            Outcome::Unknown => Cause::BodyCut,
        };
        let answer = Answer { outcome, cause };
        Reply {
            after,
            answer,
            lost: false,
        }
    }
}

/// Runs until a signal ends it, as programs do that know nothing of signals.
pub fn runs() -> Temper {
    Temper {
        launch: Launch::Succeeds(Duration::ZERO),
        ends: None,
        manners: Vec::new(),
        otherwise: Reaction::Default,
        dies_within: Some(Duration::ZERO),
        frozen: false,
        offspring: Vec::new(),
    }
}

/// Ends by itself after this long with this code.
pub fn exits(after: Duration, code: u8) -> Temper {
    Temper {
        ends: Some((after, Ending::Exited(ExitCode(code)))),
        ..runs()
    }
}

/// Cannot be started: exec says so at once.
pub fn cannot_start(stage: Stage, errno: i32) -> Temper {
    Temper {
        launch: Launch::Fails(Duration::ZERO, Unstartable { stage, errno }),
        ..runs()
    }
}

impl Temper {
    /// Exits with `code` that long after this signal.
    pub fn on(mut self, signal: Signal, after: Duration, code: u8) -> Temper {
        self.manners.push((
            signal,
            Reaction::Ends(after, Ending::Exited(ExitCode(code))),
        ));
        self
    }

    /// Does nothing about any signal that it has no entry for.
    pub fn unmoved(mut self) -> Temper {
        self.otherwise = Reaction::Ignores;
        self
    }

    /// Waits in the kernel for ever, so that not even SIGKILL ends it.
    pub fn undying(mut self) -> Temper {
        self.dies_within = None;
        self
    }

    /// The kernel takes this long to get rid of it after SIGKILL.
    pub fn dying(mut self, within: Duration) -> Temper {
        self.dies_within = Some(within);
        self
    }

    /// Is stopped by somebody right after its exec.
    pub fn frozen(mut self) -> Temper {
        self.frozen = true;
        self
    }

    /// Its exec takes this long.
    pub fn execs_after(mut self, after: Duration) -> Temper {
        self.launch = match self.launch {
            Launch::Succeeds(_) => Launch::Succeeds(after),
            Launch::Fails(_, why) => Launch::Fails(after, why),
        };
        self
    }

    /// Leaves a child in its group, forked right at its start.
    pub fn forking(mut self, temper: Temper) -> Temper {
        self.offspring.push(Offspring {
            after: Duration::ZERO,
            escapes: false,
            daemon: false,
            temper,
        });
        self
    }

    /// Leaves a daemon: out of its group and never collected by it.
    pub fn daemonising(mut self, temper: Temper) -> Temper {
        self.offspring.push(Offspring {
            after: Duration::ZERO,
            escapes: true,
            daemon: true,
            temper,
        });
        self
    }

    /// What it does about this signal, SIGKILL and SIGSTOP being the kernel's business.
    pub fn reaction(&self, signal: Signal) -> Reaction {
        self.manners
            .iter()
            .find(|(known, _)| *known == signal)
            .map_or(self.otherwise, |(_, reaction)| *reaction)
    }
}
