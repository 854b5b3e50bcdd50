//! What is started and asked in a turn, and what is due later.

use super::book::{Book, HookState, Instance, Next, Work};
use super::probe::{Attempt, Worker};
use super::seats::Seats;
use super::stop::Window;
use super::{PodLaws, Use};
use crate::laws::{Turn, Verdict, law};
use monopod::machine::Action;
use monopod::plan::{Handler, Hook, HookKind, ProbeKind, Role};
use monopod::time::Time;

impl PodLaws {
    /// Starts of containers and hooks; attempts of probes are looked at by [`PodLaws::check_attempts`].
    pub fn check_starts(&mut self, turn: &Turn, was_killing: bool) -> Verdict {
        let at_work: Vec<Use> = self.live.values().copied().collect();
        for (run, program) in turn.starts() {
            let used = self.programs[&program];
            self.runs.insert(run, used);
            self.live.insert(run, used);
            if let Use::Own(place) = used {
                let stopping = self.stop.is_some() || was_killing;
                law(
                    !stopping,
                    "nothing but hooks starts once a stop was heard",
                    || format!("{turn:?}"),
                )?;
                let (may, _) = self.start_due(place, turn.now);
                law(may, "containers start in order and in time", || {
                    let next = self.books[place].next;
                    format!("container {place} is not due: {next:?}\n{turn:?}")
                })?;
                self.books[place].begin(turn.now, run);
            }
        }
        for place in 0..self.books.len() {
            let (_, must) = self.start_due(place, turn.now);
            law(
                !must || self.seats.refuses(),
                "containers start in order and in time",
                || {
                    let next = self.books[place].next;
                    format!("container {place} is due: {next:?}\n{turn:?}")
                },
            )?;
        }
        self.check_hooks(turn, &at_work)
    }

    /// Whether this container may be started now, and whether it must.
    fn start_due(&self, place: usize, now: Time) -> (bool, bool) {
        if self.stop.is_some() || self.anew.is_some() {
            return (false, false);
        }
        let hooked = self.books.iter().any(|book| {
            book.live()
                .is_some_and(|i| i.ran.is_some() && !matches!(i.post, HookState::Over(_)))
        });
        match self.books[place].next {
            Next::Live | Next::Done(_) => (false, false),
            Next::Again(from, until, _) => (from <= now, until <= now && !hooked),
            Next::First if self.books[place].not_before > now => (false, false),
            Next::First => {
                let (may, must) = self.first_start_due(place);
                (may, must && self.books[place].not_after <= now)
            }
        }
    }

    fn first_start_due(&self, place: usize) -> (bool, bool) {
        let (mut may, mut must) = (true, true);
        for book in &self.books[..place] {
            match book.plan.role {
                Role::Init => {
                    let done = matches!(book.next, Next::Done(Some(end)) if end.is_success());
                    may &= done;
                    must &= done;
                }
                Role::Sidecar => {
                    may &= book.ever_started;
                    let killed = book.live().is_some_and(|instance| instance.kill.is_some());
                    let main = self.books[place].plan.role == Role::Main;
                    must &= !killed && (book.is_started() || book.surely_started && main);
                }
                Role::Main => {
                    let hooked = book.plan.post_start.is_some();
                    let settled = |instance: &Instance| {
                        instance.over.is_some() || matches!(instance.post, HookState::Over(_))
                    };
                    let begun = book.instance.as_ref().filter(|_| book.next != Next::First);
                    let free = begun.is_some_and(|instance| !hooked || settled(instance));
                    let killed = begun.is_some_and(|instance| instance.kill.is_some());
                    may &= free || book.ever_up || killed;
                    must &= free && !killed;
                }
            }
        }
        (may, may && must)
    }

    fn check_hooks(&mut self, turn: &Turn, at_work: &[Use]) -> Verdict {
        let helper = self.helper.is_up() || turn.actions.contains(&Action::StartHelper);
        for place in 0..self.books.len() {
            for kind in [HookKind::PostStart, HookKind::PreStop] {
                let work = self.work_begun(turn, Use::Hook(place, kind));
                law(work.len() < 2, "a hook is run once", || format!("{turn:?}"))?;
                // A program whose last run was killed and has not ended yet is waited for, as is the helper.
                let ready = match self.hook_of(place, kind) {
                    Some(Hook::Exec(_)) => !at_work.contains(&Use::Hook(place, kind)),
                    Some(Hook::Ask(_)) => helper,
                    Some(Hook::Sleep(_) | Hook::Fails) | None => true,
                };
                self.check_hook(turn, place, kind, work.first().copied(), ready)?;
            }
        }
        Ok(())
    }

    fn check_hook(
        &mut self,
        turn: &Turn,
        place: usize,
        kind: HookKind,
        work: Option<Work>,
        ready: bool,
    ) -> Verdict {
        let book = &self.books[place];
        let (hook, (may, must)) = match (kind, book.live()) {
            (HookKind::PostStart, Some(instance)) => {
                // Whether a program that is executed only after the stop was heard still gets its hook is left open.
                let late = self.stop.is_some() && instance.ran == Some(turn.now);
                let due = instance
                    .ran
                    .filter(|_| instance.post == HookState::Before || late);
                let free = self.stop.is_none() && instance.kill.is_none();
                (&book.plan.post_start, (due, due.filter(|_| free)))
            }
            (HookKind::PreStop, Some(instance)) => (
                &book.plan.pre_stop,
                self.hook_window(book, instance, turn.now),
            ),
            (_, None) => (&None, (None, None)),
        };
        let (may, must) = (
            may.is_some_and(|at| at <= turn.now),
            must.is_some_and(|at| at <= turn.now),
        );
        law(
            work.is_none() || may,
            "hooks run in their time and not after",
            || format!("{kind:?} of container {place} is not due\n{turn:?}"),
        )?;
        let state = match (hook, work) {
            (_, Some(work)) => HookState::Live(work),
            (Some(Hook::Sleep(span)), None) if must => match span.is_zero() {
                true => HookState::Over(true),
                false => HookState::Live(Work::Until(turn.now.after(*span))),
            },
            (Some(Hook::Fails), None) if must => HookState::Over(false),
            (Some(_), None) if must && !ready => HookState::Before,
            (Some(Hook::Exec(_)), None) if must && self.seats.refuses_call() => HookState::Before,
            _ => {
                return law(!must, "hooks run in their time and not after", || {
                    format!("{kind:?} of container {place} is due\n{turn:?}")
                });
            }
        };
        if let Some(instance) = self.books[place].live_mut() {
            match kind {
                HookKind::PostStart => instance.post = state,
                HookKind::PreStop => instance.pre = state,
            }
        }
        Ok(())
    }

    fn hook_of(&self, place: usize, kind: HookKind) -> Option<Hook> {
        let container = &self.books[place].plan;
        match kind {
            HookKind::PostStart => container.post_start,
            HookKind::PreStop => container.pre_stop,
        }
    }

    /// What was begun for this in this turn.
    fn work_begun(&self, turn: &Turn, wanted: Use) -> Vec<Work> {
        let work = |action: &Action| match action {
            Action::Start(run, program) if self.programs[program] == wanted => {
                Some(Work::Run(*run))
            }
            Action::Ask(ask, check) if self.checks[check] == wanted => Some(Work::Ask(*ask)),
            _ => None,
        };
        turn.actions.iter().filter_map(work).collect()
    }

    /// Attempts of probes: none before its time, none at the same time, none too few.
    pub fn check_attempts(&mut self, turn: &Turn) -> Verdict {
        let helper = self.helper.is_up() || turn.actions.contains(&Action::StartHelper);
        for place in 0..self.books.len() {
            for which in 0..self.books[place].workers.len() {
                let kind = self.books[place].workers[which].kind;
                let begun = self.work_begun(turn, Use::Probe(place, kind));
                self.check_attempt(turn, place, which, &begun, helper)
                    .map_err(|broken| {
                        format!("{broken} ({kind:?} of container {place})\n{turn:?}")
                    })?;
            }
        }
        Ok(())
    }

    fn check_attempt(
        &mut self,
        turn: &Turn,
        place: usize,
        which: usize,
        begun: &[Work],
        helper: bool,
    ) -> Verdict {
        let now = turn.now;
        let gate = self.gate(place, which);
        let worker = &mut self.books[place].workers[which];
        law(
            begun.len() < 2 && (begun.is_empty() || worker.attempt.is_none()),
            "attempts do not overlap",
            || format!("{:?} goes on", worker.attempt),
        )?;
        let asks = matches!(worker.probe.handler, Handler::Ask(_));
        law(
            begun.is_empty() || !asks || helper,
            "nobody is asked while the helper is away",
            String::new,
        )?;
        let Some(gate) = gate else {
            worker.tries = if worker.attempt.is_some() {
                worker.tries
            } else {
                0
            };
            worker.beat = None;
            return law(
                begun.is_empty(),
                "no attempt while a gate is shut",
                String::new,
            );
        };
        if worker.attempt.is_some() {
            return Ok(());
        }
        let opened = worker.beat.is_none();
        if opened {
            worker.nobody_need_ask = !gate.must;
            if worker.kind == ProbeKind::Readiness {
                worker.triggered(now);
            }
        }
        let free = now.max(gate.delayed_until);
        let first = worker.beat_from(gate.base, free);
        let beat = *worker.beat.get_or_insert(first);
        // A beat that falls on the very moment a startup probe opens the gate may be heard or not.
        let missed =
            opened && beat == now && worker.kind != ProbeKind::Startup && gate.just_started;
        let retries = worker.tries > 0;
        let may = gate.delayed_until <= now
            && (retries || beat <= now || worker.kind == ProbeKind::Readiness);
        let triggered = opened && gate.just_started && worker.kind == ProbeKind::Readiness;
        let must = gate.must
            && !worker.nobody_need_ask
            && (retries || (beat <= now && !missed) || triggered && gate.delayed_until <= now);
        let silent = worker.probe.handler == Handler::Unresolvable || (asks && !helper);
        let executes = matches!(worker.probe.handler, Handler::Exec(_));
        let is_left_out = begun.is_empty() && must && !silent && worker.lingering.is_none();
        let held_up = is_left_out && executes && self.seats.refuses_call();
        law(
            begun.is_empty() || may,
            "no attempt before its time",
            || format!("the next beat is {beat:?}"),
        )?;
        law(!is_left_out || held_up, "no attempt is left out", || {
            format!("the beat was {beat:?}")
        })?;
        match begun.first() {
            Some(work) => {
                worker.attempt = Some(Attempt {
                    work: *work,
                    since: now,
                });
                worker.tries += 1;
            }
            // What cannot be carried out at all comes to nothing, three times over.
            None if silent => worker.tries = 0,
            None => {}
        }
        let missed = missed && begun.is_empty() && worker.lingering.is_none() && !held_up;
        let passed = missed || (!begun.is_empty() && !retries) || (silent && beat <= now);
        if passed || (silent && triggered && gate.delayed_until <= now) {
            worker.pass_began(gate.base, now, beat);
        }
        Ok(())
    }

    /// The gates that a beat must find open (B.3); `None`: one is shut.
    fn gate(&self, place: usize, which: usize) -> Option<Gate> {
        let book = &self.books[place];
        let worker = &book.workers[which];
        let instance = book.live().filter(|instance| instance.is_running())?;
        let ran = instance.ran?;
        let started = instance.startup_passed;
        if worker.hold || started == (worker.kind == ProbeKind::Startup) {
            return None;
        }
        let ends = worker.kind != ProbeKind::Readiness;
        let stopping = self.stop.is_some();
        if ends && (instance.kill.is_some() || stopping && book.plan.role != Role::Sidecar) {
            return None;
        }
        Some(Gate {
            base: ran,
            delayed_until: ran.after(worker.probe.initial_delay),
            just_started: instance.startup_passed && book.plan.startup_probe.is_some(),
            must: !(ends && stopping)
                && !((stopping || instance.kill.is_some()) && worker.beat.is_none())
                && instance.killed.is_none()
                && self.anew.is_none(),
        })
    }

    /// When something is due next, as far as the books know.
    pub fn due(&self, now: Time) -> Vec<Time> {
        let mut due: Vec<Time> = Vec::new();
        due.extend(self.seats.refused.then(|| Seats::next(now)));
        for (place, book) in self.books.iter().enumerate() {
            if let Next::Again(_, until, _) = book.next
                && self.stop.is_none()
                && self.anew.is_none()
            {
                due.extend(Some(until).filter(|at| *at > now));
            }
            if book.next == Next::First && self.stop.is_none() {
                due.extend(Some(book.not_after).filter(|at| *at > now && !book.unsure));
            }
            if let Some(instance) = book.live() {
                // Once it was killed, nobody waits for what its probes say.
                if instance.killed.is_none() {
                    due.extend(book.workers.iter().filter_map(Worker::times_out));
                }
                self.due_of_instance(place, book, instance, now, &mut due);
            }
        }
        if self.stop.is_none() {
            due.extend(self.pod.active_deadline.map(|span| Time::START.after(span)));
        }
        due.extend(self.ending.due().filter(|_| self.ending.has_begun()));
        due
    }

    /// Whether somebody may want to wake up at this time although nothing must come of it, as far as the books know.
    pub fn may_be_due(&self, now: Time, at: Time) -> bool {
        let within = |window: Window| {
            window.0.is_some_and(|from| from <= at) && window.1.is_some_and(|until| at <= until)
        };
        let mut workers = self.books.iter().flat_map(|book| &book.workers);
        self.seats.may_have_refused() && at == Seats::next(now)
            || workers.any(|worker| worker.beat == Some(at))
            || self
                .books
                .iter()
                .filter_map(Book::live)
                .any(|instance| within(self.kill_window(instance)))
            || (0..self.books.len()).any(|place| within(self.signal_window(place, now)))
            || self.books.iter().any(|book| matches!(book.next, Next::Again(from, until, _) if from <= at && at <= until))
            || self.books.iter().any(|book| book.not_before <= at && at <= book.not_after)
            || self.stop.as_ref().is_some_and(|stop| stop.drained == at)
            || self.ending.has_begun() && within((self.ending.kill_at, self.ending.due()))
    }

    fn due_of_instance(
        &self,
        place: usize,
        book: &Book,
        instance: &Instance,
        now: Time,
        due: &mut Vec<Time>,
    ) {
        if let HookState::Live(Work::Until(at)) = instance.pre
            && instance.signalled.is_none()
        {
            due.push(at);
        }
        if let HookState::Live(Work::Until(at)) = instance.post
            && instance.kill.is_none()
            && !instance.is_being_stopped()
            && self
                .stop
                .as_ref()
                .is_none_or(|stop| now < self.drained(stop))
        {
            due.push(at);
        }
        due.extend(
            self.hook_window(book, instance, now)
                .1
                .filter(|at| *at > now),
        );
        if instance.signalled.is_none() {
            due.extend(self.signal_window(place, now).1.filter(|at| *at > now));
        }
        if instance.killed.is_none() {
            due.extend(self.kill_window(instance).1);
        }
        for (which, worker) in book.workers.iter().enumerate() {
            let open =
                !worker.nobody_need_ask && self.gate(place, which).is_some_and(|gate| gate.must);
            if open
                && !worker.nobody_need_ask
                && worker.attempt.is_none()
                && worker.lingering.is_none()
            {
                due.extend(worker.beat.filter(|at| *at > now));
            }
        }
    }
}

/// What is known of the gates of a probe when all of them are open.
struct Gate {
    /// Since when its ticker beats.
    base: Time,
    /// Until then initialDelaySeconds hold it.
    delayed_until: Time,
    /// It had to wait for a startup probe.
    just_started: bool,
    /// It is not only allowed.
    must: bool,
}
