//! What is known of one container: its instances, when it is to be started again, how its stop stands.
//!
//! Filled from facts and actions alone. The numbers are kubelet-semantics' (A.5, D.2, E.3).

use super::probe::Worker;
use monopod::machine::{AskId, Ending, RunId};
use monopod::plan::{Container, ExitCode, Hook, ProbeKind, RestartPolicy, Role, RuleAction};
use monopod::time::Time;
use std::time::Duration;

/// What the kubelet grants after the stop signal, however little of the grace is left (S102, S103).
pub const FLOOR: Duration = Duration::from_secs(2);
/// The kubelet's rests between an end and the next start (S135); the last one repeats.
const RESTS: [u64; 7] = [0, 10, 20, 40, 80, 160, 300];
/// A longer run than this is forgiven what came before it (S136, S137).
const FORGIVEN: Duration = Duration::from_secs(600);

/// The books about one container.
pub struct Book {
    /// What was asked for.
    pub plan: Container,
    /// Instances so far.
    pub starts: u32,
    /// The instance that lives, or the last one.
    pub instance: Option<Instance>,
    /// What comes next.
    pub next: Next,
    /// Whether it was `started` at some time since everything was begun.
    pub ever_started: bool,
    /// The same, however a tie is seen.
    pub surely_started: bool,
    /// Whether it was shown running or terminated at some time (F.2).
    pub ever_up: bool,
    /// Its back-off holds its first start in a pod that begins anew until then.
    pub not_before: Time,
    /// The same, when it is over for certain.
    pub not_after: Time,
    /// Whether an instance is to come whatever the policy says, because somebody asked for a restart.
    pub commanded: bool,
    /// Its probes.
    pub workers: Vec<Worker>,
    /// Whether it was forgiven is not known.
    pub unsure: bool,
    rests: usize,
    failures: u32,
}

/// What comes next for a container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Its first start, when its turn has come.
    First,
    /// Its instance lives.
    Live,
    /// It is started again: not before the first time, not after the second; and the rest that is.
    Again(Time, Time, Duration),
    /// Nothing: it is over, and ended so; nothing if it never began.
    Done(Option<Ending>),
}

/// One instance.
pub struct Instance {
    /// Its own process.
    pub run: RunId,
    /// When its start was ordered.
    pub ordered: Time,
    /// When its program ran.
    pub ran: Option<Time>,
    /// How it ended, or that it never ran.
    pub over: Option<(Time, Ending)>,
    /// Its postStart hook.
    pub post: HookState,
    /// Its preStop hook.
    pub pre: HookState,
    /// How many helpers were lost over its hooks' questions.
    pub helpers_lost: [u32; 2],
    /// It is being stopped while the pod goes on.
    pub kill: Option<Kill>,
    /// Another reason that came later.
    pub joined: Option<Kill>,
    /// When the stop signal was sent.
    pub signalled: Option<Time>,
    /// When SIGKILL was sent.
    pub killed: Option<Time>,
    /// Its startup probe has succeeded, or it has none.
    pub startup_passed: bool,
}

/// Where a hook stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HookState {
    /// There is none, or its time has not come.
    Before,
    /// At work.
    Live(Work),
    /// Over, and whether it went well.
    Over(bool),
}

/// What is at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// A program.
    Run(RunId),
    /// A question.
    Ask(AskId),
    /// Time that passes.
    Until(Time),
}

/// Why and since when an instance is being stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kill {
    /// Since when.
    pub at: Time,
    /// How long it has.
    pub grace: Duration,
    /// Whose doing it is.
    pub by: By,
}

/// Whose doing a kill is, as far as that decides what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A probe's, which is followed by a start unless the policy is Never (S160).
    Probe,
    /// Another container's rule: everything is started anew.
    Rule,
    /// A hook's, or somebody's who asked for it.
    Other,
}

impl Kill {
    /// When the grace is over.
    pub fn over_at(&self) -> Time {
        self.at.after(self.grace)
    }
}

impl Instance {
    /// Whether its process is there, or about to be.
    pub fn is_live(&self) -> bool {
        self.over.is_none()
    }

    /// Whether its own stop has begun: a drain is over that may have come before it.
    pub fn is_being_stopped(&self) -> bool {
        self.pre != HookState::Before || self.signalled.is_some()
    }

    /// Running as the status says it: its process runs and its postStart hook is done (S70).
    pub fn is_running(&self) -> bool {
        self.is_live() && self.ran.is_some() && self.post == HookState::Over(true)
    }
}

impl Book {
    /// Nothing has happened yet.
    pub fn new(plan: &Container) -> Book {
        let workers = [
            (ProbeKind::Startup, &plan.startup_probe),
            (ProbeKind::Liveness, &plan.liveness_probe),
            (ProbeKind::Readiness, &plan.readiness_probe),
        ];
        Book {
            plan: plan.clone(),
            starts: 0,
            instance: None,
            next: Next::First,
            ever_started: false,
            surely_started: false,
            ever_up: false,
            not_before: Time::START,
            not_after: Time::START,
            commanded: false,
            workers: workers
                .into_iter()
                .filter_map(|(kind, probe)| Some(Worker::new(kind, probe.as_ref()?)))
                .collect(),
            unsure: false,
            rests: 0,
            failures: 0,
        }
    }

    /// The instance that lives.
    pub fn live(&self) -> Option<&Instance> {
        self.instance.as_ref().filter(|instance| instance.is_live())
    }

    /// The instance that lives.
    pub fn live_mut(&mut self) -> Option<&mut Instance> {
        self.instance.as_mut().filter(|instance| instance.is_live())
    }

    /// The `started` flag (F.1).
    pub fn is_started(&self) -> bool {
        self.live()
            .is_some_and(|instance| instance.is_running() && instance.startup_passed)
    }

    /// The `ready` flag (F.1).
    pub fn is_ready(&self) -> bool {
        if self.plan.role == Role::Init {
            return matches!(self.next, Next::Done(Some(ending)) if ending.is_success());
        }
        let readiness = self.workers.iter().find(|w| w.kind == ProbeKind::Readiness);
        self.is_started() && readiness.is_none_or(|worker| worker.published == Some(true))
    }

    /// Its program was started as this run.
    pub fn begin(&mut self, now: Time, run: RunId) {
        if let (true, Some((over, _))) = (self.unsure, self.instance.as_ref().and_then(|i| i.over))
        {
            self.learn_rests(now.since(over));
        }
        self.starts += 1;
        self.next = Next::Live;
        self.commanded = false;
        self.instance = Some(Instance {
            run,
            ordered: now,
            ran: None,
            over: None,
            post: HookState::Before,
            pre: HookState::Before,
            helpers_lost: [0; 2],
            kill: None,
            joined: None,
            signalled: None,
            killed: None,
            startup_passed: self.plan.startup_probe.is_none(),
        });
        for worker in &mut self.workers {
            worker.reset();
        }
    }

    /// Its program runs.
    pub fn ran(&mut self, now: Time) {
        let post = match &self.plan.post_start {
            None => HookState::Over(true),
            Some(Hook::Sleep(span)) => HookState::Live(Work::Until(now.after(*span))),
            Some(Hook::Fails) => HookState::Over(false),
            Some(Hook::Exec(_) | Hook::Ask(_)) => HookState::Before,
        };
        if let Some(instance) = self.live_mut() {
            instance.ran = Some(now);
            instance.post = post;
        }
    }

    /// Its instance is over. Gives back whether a rule asks for a new start of everything.
    pub fn over(&mut self, now: Time, ending: Ending, code: ExitCode, stopping: bool) -> bool {
        if self.live().is_none() {
            return false;
        }
        for worker in &mut self.workers {
            worker.abandon();
        }
        let instance = self.instance.as_mut().expect("it lives");
        instance.over = Some((now, ending));
        self.ever_up = true;
        let (ordered, kill) = (instance.ordered, instance.kill);
        if stopping {
            self.next = Next::Done(Some(ending));
            return false;
        }
        // Rules make failures of init containers retryable; a success is a success (E.4).
        if self.plan.role == Role::Init && ending.is_success() && !self.commanded {
            self.next = Next::Done(Some(ending));
            return false;
        }
        // Of a probe's kill it is said before there is a code that it is followed by a start, unless with Never (E.2).
        let decided = kill.is_some_and(|kill| kill.by == By::Probe)
            && self.plan.restart.policy != RestartPolicy::Never;
        let rules = if decided || self.commanded {
            &[][..]
        } else {
            &self.plan.restart.rules
        };
        let rule = rules.iter().find(|rule| rule.matches(code));
        let by_policy = match self.plan.restart.policy {
            RestartPolicy::Always => self.plan.role != Role::Init || !ending.is_success(),
            RestartPolicy::OnFailure => {
                !ending.is_success() || kill.is_some_and(|kill| kill.by == By::Probe)
            }
            RestartPolicy::Never => false,
        };
        let again = match rule.map(|rule| rule.action) {
            Some(RuleAction::RestartAllContainers) => {
                if let Next::Again(from, until, _) = self.again(now, ordered) {
                    (self.not_before, self.not_after) = (from, until);
                }
                self.next = Next::Done(Some(ending));
                return true;
            }
            Some(RuleAction::Restart) => true,
            None => by_policy,
        };
        self.failures = if ending.is_success() {
            0
        } else {
            self.failures + 1
        };
        let spent = self
            .plan
            .restart
            .at_most
            .is_some_and(|most| self.failures > most);
        self.next = match (again && !spent) || self.commanded {
            true => self.again(now, ordered),
            false => Next::Done(Some(ending)),
        };
        false
    }

    fn again(&mut self, now: Time, ordered: Time) -> Next {
        // Somebody who asked for a restart need not be made to wait.
        if self.commanded {
            return self.forgive(now);
        }
        if now.since(ordered) > FORGIVEN {
            self.rests = 0;
        }
        let rest = Duration::from_secs(RESTS[self.rests.min(RESTS.len() - 1)]);
        self.rests += 1;
        if self.unsure {
            let longest = Duration::from_secs(RESTS[RESTS.len() - 1]);
            return Next::Again(now, now.after(longest), rest);
        }
        Next::Again(now.after(rest), now.after(rest), rest)
    }

    /// How long it was made to wait tells whether it had been forgiven, unless it was forgiven just now.
    fn learn_rests(&mut self, waited: Duration) {
        if let Next::Again(from, until, _) = self.next
            && from < until
        {
            let place = RESTS
                .iter()
                .rposition(|rest| waited >= Duration::from_secs(*rest));
            self.rests = place.unwrap_or(0) + 1;
            self.unsure = false;
        }
    }

    /// It is to be started now, as if it had never failed.
    pub fn forgive(&mut self, now: Time) -> Next {
        self.rests = 0;
        Next::Again(now, now, Duration::ZERO)
    }

    /// Nothing is started any more; how it ended last is how it ended.
    pub fn rest_in_peace(&mut self) {
        if matches!(self.next, Next::First | Next::Again(..)) {
            let last = self.instance.as_ref().and_then(|instance| instance.over);
            self.next = Next::Done(last.map(|(_, ending)| ending));
        }
    }

    /// Everything begins anew.
    pub fn start_anew(&mut self) {
        if let Next::Again(from, until, _) = self.next {
            (self.not_before, self.not_after) = (from, until);
        }
        self.next = Next::First;
        (self.ever_started, self.surely_started) = (false, false);
    }
}
