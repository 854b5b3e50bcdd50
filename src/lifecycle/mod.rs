//! The life of one command as a kubelet would lead it: init steps, the command, the stop, the sweep.
//!
//! Hear, lapse, settle: [`Pod`] hands each fact to its owner, lets deadlines lapse, and settles once. It does no I/O,
//! reads no clock and cannot fail. An `if` about policy that grows here wants a file of its own.
//!
//! What surprised us: an init step that exits 0 after it was asked to stop must not let the command start, and a stop
//! that comes before anything was started has nothing to wait for.

mod aftermath;
mod attendant;
mod backoff;
mod steps;
mod stopping;
mod sweep;

pub use aftermath::Aftermath;
pub use stopping::FLOOR;

use crate::machine::{
    self, Action, Condition, ContainerState, ContainerStatus, Ending, Fact, Happening, Machine,
    PodStatus, RunId, RunIds, Sender, Status, Termination, WaitingReason,
};
use crate::plan::{ExitCode, Lifecycle, Plan, ProgramId, Signal, Target};
use crate::time::Time;
use attendant::Attendant;
use steps::{StepEnd, Steps};
use stopping::Stop;
use sweep::Sweep;

/// The machine for one command with its init steps.
#[derive(Debug)]
pub struct Pod {
    conduct: Lifecycle,
    ids: RunIds,
    steps: Steps,
    phase: Phase,
    attendant: Attendant,
    started: bool,
    signals: Signals,
}

#[derive(Debug)]
enum Phase {
    /// Init steps, then the command; nobody has asked for a stop.
    Init,
    /// A stop was asked for before the command was started. `send` is taken when it was sent.
    StoppingInit {
        code: ExitCode,
        send: Option<Signal>,
        kill_at: Time,
    },
    /// The command runs.
    Running { main: RunId },
    /// The command runs and is being stopped.
    Stopping { main: RunId, stop: Stop },
    /// The command is over, or its grace is; in the second case its end still decides the code.
    Sweeping { main: Option<RunId>, sweep: Sweep },
}

/// The signals of one turn that are handed on. Those that came before the one that asked for the stop go out before
/// the stop signal does, the others after it: what arrived in an order leaves in that order.
#[derive(Debug, Default)]
struct Signals {
    before_ask: Vec<Signal>,
    after_ask: Vec<Signal>,
    asked: bool,
}

impl Signals {
    fn hand_on(&mut self, signal: Signal) {
        if self.asked {
            self.after_ask.push(signal)
        } else {
            self.before_ask.push(signal)
        }
    }
}

impl Pod {
    /// A life that has not begun.
    pub fn new(plan: &Plan, conduct: &Lifecycle) -> Pod {
        Pod {
            conduct: conduct.clone(),
            ids: RunIds::default(),
            steps: Steps::new(conduct.steps.clone(), conduct.step_retries),
            phase: Phase::Init,
            attendant: Attendant::new(plan.is_served()),
            started: false,
            signals: Signals::default(),
        }
    }

    fn hear(&mut self, now: Time, fact: Fact, actions: &mut Vec<Action>) {
        match fact {
            Fact::Started(run) => {
                if let Some(program) = self.program_of(run) {
                    actions.push(Action::Say(Happening::Started(program)));
                }
                self.started |= self.main() == Some(run);
            }
            Fact::Unstartable(run, why) => {
                if let Some(program) = self.program_of(run) {
                    actions.push(Action::Say(Happening::CannotStart(program, why)));
                }
                self.hear_over(now, run, Ending::Exited(why.code()), false, actions);
            }
            Fact::Ended(run, ending) => {
                if self.main() == Some(run) {
                    let asked = !matches!(self.phase, Phase::Running { .. });
                    let program = self.conduct.main;
                    actions.push(Action::Say(Happening::Ended(program, ending, asked)));
                }
                self.hear_over(now, run, ending, true, actions);
            }
            Fact::OrphanReaped { pid, ending } => {
                actions.push(Action::Say(Happening::OrphanReaped(pid, ending, false)));
            }
            Fact::Signalled(signal, sender) => self.hear_signal(now, signal, sender, actions),
            // SIGKILL to all was meant for the helper too.
            Fact::HelperLost | Fact::HelperUnstartable(_) if self.is_killing() => {}
            Fact::HelperLost | Fact::HelperUnstartable(_) => {
                self.attendant.hear(now, fact, actions);
            }
            // Looked at when the turn settles.
            Fact::Emptied | Fact::Answered(..) | Fact::Commanded(_) => {}
        }
    }

    /// A run is over; or, if not `ran`, never was: then why not was said, and how it ended is no news.
    fn hear_over(
        &mut self,
        now: Time,
        run: RunId,
        ending: Ending,
        ran: bool,
        actions: &mut Vec<Action>,
    ) {
        if self.main() == Some(run) {
            let code = self.conduct.remap_exit.apply(ending.code());
            match &mut self.phase {
                Phase::Sweeping { sweep, main } => {
                    sweep.leave_with(code);
                    *main = None;
                }
                Phase::Stopping { stop, .. } => {
                    let kill_at = stop.kill_at(now);
                    self.sweep(code, kill_at);
                }
                Phase::Init | Phase::StoppingInit { .. } | Phase::Running { .. } => {
                    self.sweep(code, now.after(self.conduct.grace.max(FLOOR)));
                }
            }
        } else if self.steps.live() == Some(run) {
            self.hear_step_over(now, ending, ran, actions);
        } else if let Phase::Stopping { stop, .. } = &mut self.phase
            && let Some(program) = stop.end_hook(run)
            && ran
            && !ending.is_success()
        {
            actions.push(Action::Say(Happening::PreStopFailed(program, ending)));
        }
    }

    fn hear_step_over(&mut self, now: Time, ending: Ending, ran: bool, out: &mut Vec<Action>) {
        let Some(program) = self.steps.current() else {
            return;
        };
        let end = self.steps.end(now, ending);
        let news = match (&self.phase, end) {
            (Phase::Init, StepEnd::Rests(rest)) => {
                Some(Happening::StepRests(program, ran.then_some(ending), rest))
            }
            _ if !ran => None,
            (Phase::Init, StepEnd::Succeeded) => Some(Happening::StepDone(program)),
            (Phase::Init, StepEnd::Failed) => Some(Happening::StepFailed(program, ending)),
            _ => Some(Happening::Ended(program, ending, true)),
        };
        out.extend(news.map(Action::Say));
    }

    fn hear_signal(&mut self, now: Time, signal: Signal, sender: Sender, out: &mut Vec<Action>) {
        // The terminal scolds whoever touches it from the background; that is about us, not about the command.
        if sender == Sender::Kernel && matches!(signal, Signal::TTIN | Signal::TTOU) {
            return;
        }
        let asks = matches!(signal, Signal::TERM | Signal::INT);
        match self.phase {
            Phase::Init if asks => {
                let code = self.conduct.remap_exit.apply(ExitCode::by_signal(signal));
                let send = Some(self.conduct.stop_signal.unwrap_or(signal));
                let kill_at = now.after(self.conduct.grace.max(FLOOR));
                self.phase = Phase::StoppingInit {
                    code,
                    send,
                    kill_at,
                };
            }
            Phase::Running { main } if asks => {
                self.phase = Phase::Stopping {
                    main,
                    stop: Stop::new(now, signal, &self.conduct),
                };
            }
            // Only the first ask is an ask; what comes after it is handed on, not invented on.
            _ => return self.signals.hand_on(signal),
        }
        self.signals.asked = true;
        out.push(Action::Say(Happening::StopAsked(signal)));
    }

    fn lapse(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.attendant.lapse(now);
        match &mut self.phase {
            Phase::Init => self.steps.lapse(now),
            Phase::StoppingInit { code, kill_at, .. } if *kill_at <= now => {
                self.phase = Phase::Sweeping {
                    main: None,
                    sweep: Sweep::kill(*code, now),
                };
            }
            Phase::Stopping { stop, .. } => stop.lapse(now, actions),
            Phase::Sweeping { sweep, .. } => sweep.lapse(now),
            Phase::StoppingInit { .. } | Phase::Running { .. } => {}
        }
    }

    fn settle(&mut self, now: Time, emptied: bool, actions: &mut Vec<Action>) {
        if !self.is_killing() {
            self.attendant.settle(now, actions);
        }
        // Before signals are handed on: what starts in this turn is the one to get them.
        if matches!(self.phase, Phase::Init) {
            self.settle_init(now, actions);
        }
        let signals = std::mem::take(&mut self.signals);
        self.forward(&signals.before_ask, actions);
        match &mut self.phase {
            Phase::StoppingInit {
                code,
                send,
                kill_at,
            } => match self.steps.live() {
                Some(run) => actions.extend(
                    send.take()
                        .map(|signal| Action::Strike(run, Target::Process, signal)),
                ),
                None => {
                    let (code, kill_at) = (*code, *kill_at);
                    self.sweep(code, kill_at);
                }
            },
            Phase::Stopping { main, stop } => {
                stop.settle(now, *main, &self.conduct, &mut self.ids, actions);
                if stop.grace_is_over() {
                    // What the command's own end says will replace this code.
                    let code = self
                        .conduct
                        .remap_exit
                        .apply(ExitCode::by_signal(Signal::KILL));
                    let sweep = Sweep::kill(code, now);
                    self.phase = Phase::Sweeping {
                        main: Some(*main),
                        sweep,
                    };
                }
            }
            Phase::Init | Phase::Running { .. } | Phase::Sweeping { .. } => {}
        }
        self.forward(&signals.after_ask, actions);
        if let Phase::Sweeping { sweep, .. } = &mut self.phase {
            sweep.settle(now, emptied, actions);
        }
    }

    fn settle_init(&mut self, now: Time, actions: &mut Vec<Action>) {
        if let Some(code) = self.steps.failure() {
            let code = self.conduct.remap_exit.apply(code);
            self.sweep(code, now.after(self.conduct.grace.max(FLOOR)));
        } else if self.steps.all_done() {
            let main = self.ids.mint();
            actions.push(Action::Start(main, self.conduct.main));
            self.phase = Phase::Running { main };
        } else if let Some(program) = self.steps.due() {
            let run = self.ids.mint();
            actions.push(Action::Start(run, program));
            self.steps.begin(now, run);
        }
    }

    /// Hands signals to whatever runs.
    fn forward(&self, signals: &[Signal], actions: &mut Vec<Action>) {
        let run = match &self.phase {
            Phase::Init | Phase::StoppingInit { .. } => self.steps.live(),
            Phase::Running { main } | Phase::Stopping { main, .. } => Some(*main),
            Phase::Sweeping { .. } => None,
        };
        actions.extend(signals.iter().map(|signal| match run {
            Some(run) => Action::Strike(run, Target::Process, *signal),
            None => Action::Say(Happening::SignalDropped(*signal)),
        }));
    }

    fn is_killing(&self) -> bool {
        matches!(&self.phase, Phase::Sweeping { sweep, .. } if sweep.is_killing())
    }

    fn sweep(&mut self, code: ExitCode, kill_at: Time) {
        self.phase = Phase::Sweeping {
            main: None,
            sweep: Sweep::new(code, kill_at),
        };
    }

    /// The command's run, while its end is still to come.
    fn main(&self) -> Option<RunId> {
        match &self.phase {
            Phase::Running { main } | Phase::Stopping { main, .. } => Some(*main),
            Phase::Sweeping { main, .. } => *main,
            Phase::Init | Phase::StoppingInit { .. } => None,
        }
    }

    fn program_of(&self, run: RunId) -> Option<ProgramId> {
        if self.main() == Some(run) {
            return Some(self.conduct.main);
        }
        if self.steps.live() == Some(run) {
            return self.steps.current();
        }
        match &self.phase {
            Phase::Stopping { stop, .. } => stop
                .hook()
                .filter(|(hook, _)| *hook == run)
                .map(|(_, program)| program),
            _ => None,
        }
    }
}

impl Machine for Pod {
    fn step(&mut self, now: Time, facts: &[Fact]) -> Vec<Action> {
        let mut actions = Vec::new();
        if matches!(&self.phase, Phase::Sweeping { sweep, .. } if sweep.has_left()) {
            return actions;
        }
        for fact in facts {
            self.hear(now, *fact, &mut actions);
        }
        self.lapse(now, &mut actions);
        self.settle(now, facts.contains(&Fact::Emptied), &mut actions);
        actions
    }

    fn deadline(&self) -> Option<Time> {
        let phase = match &self.phase {
            Phase::Init => self.steps.deadline(),
            Phase::StoppingInit { kill_at, .. } => Some(*kill_at),
            Phase::Running { .. } => None,
            Phase::Stopping { stop, .. } => stop.deadline(),
            Phase::Sweeping { sweep, .. } => sweep.deadline(),
        };
        [phase, self.attendant.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn status(&self) -> Status {
        let (running, stopping) = match &self.phase {
            Phase::Init => (false, false),
            Phase::Running { .. } => (self.started, false),
            Phase::Stopping { .. } => (self.started, true),
            Phase::StoppingInit { .. } | Phase::Sweeping { .. } => (false, true),
        };
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Status {
            steps: count(self.steps.total()),
            steps_done: count(self.steps.done()),
            started: self.started,
            running,
            stopping,
        }
    }

    fn pod_status(&self) -> PodStatus {
        let status = self.status();
        let waits = ContainerStatus {
            state: ContainerState::Waiting(WaitingReason::Initial),
            last: None,
            restarts: 0,
            ready: false,
            started: false,
            live: true,
            last_start: None,
        };
        let ended = |ready| ContainerStatus {
            state: ContainerState::Terminated(Termination {
                ending: Ending::Exited(ExitCode::SUCCESS),
                unstartable: false,
                started_at: Time::START,
                finished_at: Time::START,
            }),
            ready,
            ..waits
        };
        let steps = (0..status.steps).map(|step| match step < status.steps_done {
            true => ended(true),
            false => waits,
        });
        let main = match (status.started, status.running) {
            (false, _) => waits,
            (true, false) => ContainerStatus {
                started: true,
                ..ended(false)
            },
            (true, true) => ContainerStatus {
                state: ContainerState::Running(Time::START),
                ready: true,
                started: true,
                ..waits
            },
        };
        let condition = |holds| Condition {
            holds,
            ..Condition::default()
        };
        let serves = condition(status.started && status.running);
        let initialized = condition(status.steps == status.steps_done);
        PodStatus {
            phase: if status.started {
                machine::Phase::Running
            } else {
                machine::Phase::Pending
            },
            stopping_since: status.stopping.then_some(Time::START),
            conditions: [
                condition(true),
                condition(true),
                initialized,
                serves,
                serves,
            ],
            containers: steps.chain([main]).collect(),
            ..PodStatus::default()
        }
    }
}
