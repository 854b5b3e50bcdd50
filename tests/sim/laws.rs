//! Looks over the machine's shoulder after every step and knows what may never happen.
//!
//! Here are the laws that every machine keeps (`machine`'s own, by number, and [`Ending`] for how a life ends); those
//! of one conduct are in `laws_command`, `laws_pod` and `laws_passthrough`. The laws keep their own books, from facts and
//! actions alone, and were written from the kubelet's semantics, not from the machines.
//!
//! What surprised us: "the right thing happens in the first turn after it was due" proves nothing about deadlines, for
//! a machine that asks to be woken too late has no turn before. So [`deadline`] compares what the machine asks for with
//! what the laws know to be due, both ways: too late is a hang, too early is a wake-up for nothing.

use crate::happenings::happening_number;
use crate::laws_command::CommandLaws;
use crate::laws_passthrough::PassthroughLaws;
use crate::laws_pod::PodLaws;
use crate::plans::OneCommand;
use monopod::machine::{Action, Fact, PodStatus, RunId, Sender, StandingOrder};
use monopod::plan::{Conduct, ExitCode, Plan, ProgramId, Signal, Target};
use monopod::time::Time;
use std::collections::HashMap;
use std::time::Duration;

/// What a law says: nothing, or how it was broken, its name first.
pub type Verdict = Result<(), String>;

/// After SIGKILL monopod waits about a second for what the kernel does not let go.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// The law of this name holds, or is broken so.
pub fn law(holds: bool, name: &str, words: impl FnOnce() -> String) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(format!("[{name}] {}", words())),
    }
}

/// One step of a machine.
pub struct Turn<'a> {
    /// When.
    pub now: Time,
    /// What it heard.
    pub facts: &'a [Fact],
    /// What it did.
    pub actions: &'a [Action],
    /// What it had said before about signals to come, if nothing was due.
    pub standing: Option<StandingOrder>,
    /// When it wants to be woken next.
    pub deadline: Option<Time>,
    /// What can be seen of it.
    pub status: PodStatus,
}

impl Turn<'_> {
    /// Whether nothing is left.
    pub fn emptied(&self) -> bool {
        self.facts.contains(&Fact::Emptied)
    }

    /// What was started.
    pub fn starts(&self) -> impl Iterator<Item = (RunId, ProgramId)> {
        self.actions.iter().filter_map(|action| match action {
            Action::Start(run, program) => Some((*run, *program)),
            _ => None,
        })
    }

    /// What was struck, one by one.
    pub fn strikes(&self) -> impl Iterator<Item = (RunId, Target, Signal)> {
        self.actions.iter().filter_map(|action| match action {
            Action::Strike(run, target, signal) => Some((*run, *target, *signal)),
            _ => None,
        })
    }

    /// What all were struck with.
    pub fn strikes_on_all(&self) -> impl Iterator<Item = Signal> {
        self.actions.iter().filter_map(|action| match action {
            Action::StrikeAll(signal) => Some(*signal),
            _ => None,
        })
    }

    /// The code it left with.
    pub fn left(&self) -> Option<ExitCode> {
        self.actions.iter().find_map(|action| match action {
            Action::Leave(code) => Some(*code),
            _ => None,
        })
    }

    /// How often something of this kind was said.
    pub fn said(&self, kind: impl Fn(&monopod::machine::Happening) -> bool) -> usize {
        let said = |action: &&Action| matches!(action, Action::Say(words) if kind(words));
        self.actions.iter().filter(said).count()
    }
}

/// A signal that is all that happened in a turn in which nothing was due goes where the standing order had sent it already.
fn standing_order(turn: &Turn) -> Verdict {
    let (Some(order), [Fact::Signalled(signal, Sender::Process(_))]) = (turn.standing, turn.facts)
    else {
        return Ok(());
    };
    let is_kept = turn.strikes().eq([(order.run, order.target, *signal)]);
    law(
        is_kept || !order.signals.contains(*signal),
        "a standing order is what the step says",
        || format!("{order:?}, then {:?}", turn.actions),
    )
}

/// The deadline is exactly what the laws know to be due next.
pub fn deadline(turn: &Turn, due: Option<Time>) -> Verdict {
    law(turn.deadline == due, "deadline", || {
        format!("wants to be woken at {:?}, due is {due:?}", turn.deadline)
    })
}

/// All laws for one life.
pub struct Laws {
    runs: HashMap<RunId, Run>,
    /// The runs that are not over, by their program.
    live: HashMap<ProgramId, RunId>,
    conduct: ConductLaws,
    left: bool,
    said: u64,
}

struct Run {
    program: ProgramId,
    /// When its end was told.
    over: Option<Time>,
}

enum ConductLaws {
    Command(Box<CommandLaws>),
    Pod(Box<PodLaws>),
    Passthrough(Box<PassthroughLaws>),
    Aftermath(Ending),
}

impl Laws {
    /// The laws for a machine that follows this plan, which may be that of one command.
    pub fn new(plan: &Plan, command: Option<&OneCommand>) -> Laws {
        let conduct = match (&plan.conduct, command) {
            (Conduct::Pod(_), Some(command)) => {
                ConductLaws::Command(Box::new(CommandLaws::new(plan, command)))
            }
            (Conduct::Pod(pod), None) => ConductLaws::Pod(Box::new(PodLaws::new(plan, pod))),
            (Conduct::Passthrough(conduct), _) => {
                ConductLaws::Passthrough(Box::new(PassthroughLaws::new(conduct)))
            }
        };
        Laws {
            runs: HashMap::new(),
            live: HashMap::new(),
            conduct,
            left: false,
            said: 0,
        }
    }

    /// Another machine has taken over: all that is left gets SIGTERM and `grace`, then it leaves with `code`.
    pub fn panicked(&mut self, now: Time, grace: Duration, code: ExitCode) {
        let mut ending = Ending::default();
        ending.begin(now.after(grace.max(Duration::from_secs(2))), code);
        self.conduct = ConductLaws::Aftermath(ending);
    }

    /// Whether the last word was said.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// Which happenings were said, as bits by [`happening_number`].
    pub fn said(&self) -> u64 {
        self.said
    }

    /// Looks at one step.
    pub fn check(&mut self, turn: &Turn) -> Verdict {
        for fact in turn.facts {
            if let Fact::Ended(run, _) | Fact::Unstartable(run, _) = fact
                && let Some(run) = self.runs.get_mut(run)
            {
                run.over = Some(turn.now);
                self.live.remove(&run.program);
            }
        }
        for (place, action) in turn.actions.iter().enumerate() {
            self.check_action(turn, action)?;
            let last = place + 1 == turn.actions.len();
            law(!self.left || last, "nothing after Leave", || {
                format!("{:?}", turn.actions)
            })?;
        }
        standing_order(turn)?;
        law(
            turn.deadline.is_none_or(|at| at > turn.now),
            "law 3: deadlines lie in the future",
            || format!("deadline {:?} at {:?}", turn.deadline, turn.now),
        )?;
        match &mut self.conduct {
            ConductLaws::Command(laws) => laws.check(turn),
            ConductLaws::Pod(laws) => laws.check(turn),
            ConductLaws::Passthrough(laws) => laws.check(turn),
            ConductLaws::Aftermath(ending) => {
                law(
                    turn.starts().next().is_none(),
                    "a machine in trouble starts nothing",
                    || format!("{:?}", turn.actions),
                )?;
                law(
                    turn.status.stopping_since.is_some(),
                    "a machine in trouble says that it stops",
                    || format!("{:?}", turn.status),
                )?;
                ending.check(turn)?;
                match self.left {
                    true => Ok(()),
                    false => ending.check_deadline(turn, None),
                }
            }
        }
    }

    fn check_action(&mut self, turn: &Turn, action: &Action) -> Verdict {
        match action {
            Action::Start(id, program) => {
                let run = Run {
                    program: *program,
                    over: None,
                };
                let known = self.runs.insert(*id, run).is_some();
                law(!known, "a run is minted once", || format!("{id:?} again"))?;
                let alone = self.live.insert(*program, *id).is_none();
                law(alone, "law 5: one live run of a program", || {
                    format!("{program:?} runs already")
                })?;
            }
            Action::Strike(id, target, _) => {
                let run = self.runs.get(id);
                let reachable = run.is_some_and(|run| match run.over {
                    None => true,
                    Some(at) => at == turn.now && *target != Target::Process,
                });
                law(reachable, "a strike has somebody to hit", || {
                    format!("{action:?}")
                })?;
            }
            Action::Say(happening) => self.said |= 1u64 << happening_number(*happening),
            Action::Leave(_) => self.left = true,
            Action::StrikeAll(_) | Action::Ask(..) | Action::StartHelper | Action::SuspendSelf => {}
        }
        Ok(())
    }

    /// The world is asleep: no event to come, no deadline. Is that all right?
    pub fn asleep_for_ever(&self) -> Verdict {
        let owed = match &self.conduct {
            ConductLaws::Command(laws) => laws.owes_a_leave(),
            ConductLaws::Pod(laws) => laws.owes_a_leave(),
            ConductLaws::Passthrough(_) => false,
            ConductLaws::Aftermath(_) => true,
        };
        law(!owed, "a stop comes to an end", || {
            "it sleeps for ever instead".into()
        })
    }
}

/// How every life ends that does not end at once: all that is left gets SIGTERM, at the end of the grace SIGKILL, and
/// a last moment; and it leaves in the turn in which nothing is left, with the right code.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// When SIGKILL is due.
    pub kill_at: Option<Time>,
    /// When it is overdue, if that is later.
    kill_until: Option<Time>,
    /// When SIGKILL was sent first.
    pub killed_at: Option<Time>,
    /// The codes that are right, once it is known that nothing but the sweep is left to do; any, if there are none.
    code: Option<Vec<ExitCode>>,
    asked: bool,
}

impl Ending {
    /// From now on there is only the sweep.
    pub fn begin(&mut self, kill_at: Time, code: ExitCode) {
        self.kill_at = Some(kill_at);
        self.code = Some(vec![code]);
    }

    /// The same, where the moment of SIGKILL and the code are not quite certain.
    pub fn begin_within(&mut self, from: Time, until: Time, codes: Vec<ExitCode>) {
        self.expect_kill(Some(from), Some(until));
        self.code = Some(codes);
    }

    /// SIGKILL to all may be sent from the first time on, and must have been sent at the second.
    pub fn expect_kill(&mut self, from: Option<Time>, until: Option<Time>) {
        self.kill_at = from;
        self.kill_until = until;
    }

    /// Only the codes are news; what is left is being killed already.
    pub fn learn_codes(&mut self, codes: Vec<ExitCode>) {
        self.code = Some(codes);
    }

    /// Only the code is news; what is left is being killed already.
    pub fn learn_code(&mut self, code: ExitCode) {
        self.code = Some(vec![code]);
    }

    /// When SIGKILL to all is due at the latest.
    pub fn due(&self) -> Option<Time> {
        self.kill_until.or(self.kill_at)
    }

    /// Whether there is only the sweep.
    pub fn has_begun(&self) -> bool {
        self.code.is_some()
    }

    /// Looks at one step.
    pub fn check(&mut self, turn: &Turn) -> Verdict {
        let emptied = turn.emptied();
        let is_due =
            |at: Option<Time>| at.is_some_and(|at| at <= turn.now) && self.killed_at.is_none();
        let (may, due) = (
            is_due(self.kill_at),
            is_due(self.kill_until.or(self.kill_at)),
        );
        let struck: Vec<Signal> = turn.strikes_on_all().collect();
        let killed = struck.contains(&Signal::KILL);
        law(
            !killed || self.kill_at.is_some_and(|at| at <= turn.now),
            "no SIGKILL before the grace is over",
            || format!("SIGKILL at {:?}, due {:?}", turn.now, self.kill_at),
        )?;
        law(
            !due || killed || turn.left().is_some(),
            "SIGKILL when the grace is over",
            || {
                let (from, until) = (self.kill_at, self.kill_until);
                format!("due {from:?} to {until:?}: {turn:?}")
            },
        )?;
        let asks = self.has_begun()
            && !self.asked
            && !(may && killed)
            && self.killed_at.is_none()
            && !emptied;
        let expected: &[Signal] = if asks {
            &[Signal::TERM, Signal::CONT]
        } else {
            &[]
        };
        law(
            killed || struck == expected,
            "stragglers are asked once, then killed",
            || format!("all were struck with {struck:?} instead of {expected:?}"),
        )?;
        self.asked |= self.has_begun();
        if killed {
            self.killed_at = self.killed_at.or(Some(turn.now));
        }
        self.check_leave(turn, emptied)
    }

    fn check_leave(&self, turn: &Turn, emptied: bool) -> Verdict {
        let killed_for = self.killed_at.map(|at| turn.now.since(at));
        let must = self.code.as_ref().filter(|_| emptied);
        match turn.left() {
            Some(left) => {
                let given_up = killed_for.is_some_and(|span| span >= PATIENCE.0);
                law(
                    must.is_some() || given_up,
                    "no Leave while something is left",
                    || format!("{turn:?}"),
                )?;
                let right = self
                    .code
                    .as_ref()
                    .is_none_or(|codes| codes.is_empty() || codes.contains(&left));
                law(right, "the exit code is the right one", || {
                    format!("{left:?}, not {:?}", self.code)
                })
            }
            None => {
                law(must.is_none(), "Leave when nothing is left", || {
                    format!("{:?}", turn.actions)
                })?;
                let patient = killed_for.is_none_or(|span| span < PATIENCE.1);
                law(patient, "Leave though something survived SIGKILL", || {
                    format!("{killed_for:?} later")
                })
            }
        }
    }

    /// The deadline, while this ending is under way; `also` is due as well.
    pub fn check_deadline(&self, turn: &Turn, also: Option<Time>) -> Verdict {
        match self.killed_at {
            None => {
                let due = self.kill_until.or(self.kill_at);
                deadline(turn, due.into_iter().chain(also).min())
            }
            Some(killed_at) => {
                let latest = killed_at.after(PATIENCE.1).max(turn.now.after(PATIENCE.1));
                law(
                    turn.deadline.is_some_and(|at| at <= latest),
                    "deadline",
                    || format!("{:?} while killing since {killed_at:?}", turn.deadline),
                )
            }
        }
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:?}: {:?} gave {:?}",
            self.now, self.facts, self.actions
        )
    }
}
