//! The core's part in network checks: what a machine wants asked is asked, and every ask that is not lost with a helper is
//! answered once, whether or not there is a helper.
//!
//! This executable leads a life itself, through the library, with a machine that does nothing but ask.

use libtest_mimic::{Arguments, Failed, Trial};
use monopod::cli::{LogSettings, Voice};
use monopod::linux::{self, Inbox};
use monopod::machine::{Action, AskId, Cause, Fact, Machine, Outcome, PodStatus};
use monopod::plan::{
    Asker, Check, CheckId, Conduct, ExitCode as Code, NetworkQuestion, Passthrough, Plan,
};
use monopod::time::Time;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, ExitCode};
use std::time::Duration;

const VERB: &str = "__live";

/// More than a helper has under way at a time, and more messages than the line could hold.
const CHECKS: u32 = 700;

/// Says that the life went otherwise than it should; what happened stands on standard error.
const WRONG: Code = Code(9);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(VERB) {
        return live();
    }
    let name = "asks_are_answered_with_a_helper_and_without_and_lost_with_it";
    let trial = Trial::test(name, || {
        let output = Command::new(std::env::current_exe()?).arg(VERB).output()?;
        match output.status.code() {
            Some(0) => Ok(()),
            code => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(Failed::from(format!("{code:?}: {said}")))
            }
        }
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

/// Where the life is.
#[derive(Debug)]
enum Chapter {
    Beginning,
    /// Without a helper every ask is answered in the same turn.
    Without,
    /// With one, by it. These are still to come.
    With(BTreeSet<AskId>),
    /// It was killed over a question that nobody answers.
    Killed,
    /// And now there is none again.
    After,
}

struct Asking {
    chapter: Chapter,
}

impl Asking {
    fn turn(&mut self, facts: &[Fact]) -> Option<Vec<Action>> {
        let away = |ask| {
            facts.iter().any(|fact| {
                matches!(fact, Fact::Answered(same, answer) if *same == ask
                    && (answer.outcome, answer.cause) == (Outcome::Unknown, Cause::NoHelper))
            })
        };
        match &mut self.chapter {
            Chapter::Beginning => {
                self.chapter = Chapter::Without;
                Some(vec![Action::Ask(AskId(0), CheckId(0))])
            }
            Chapter::Without => away(AskId(0)).then(|| {
                let asks = 1..=CHECKS;
                self.chapter = Chapter::With(asks.clone().map(AskId).collect());
                let asks = asks.map(|ask| Action::Ask(AskId(ask), CheckId(ask as usize)));
                std::iter::once(Action::StartHelper).chain(asks).collect()
            }),
            Chapter::With(open) => {
                for fact in facts {
                    match fact {
                        Fact::Answered(ask, answer) => {
                            let refused = Cause::Connection(libc::ECONNREFUSED);
                            if (answer.outcome, answer.cause) != (Outcome::Failure, refused)
                                || !open.remove(ask)
                            {
                                return None;
                            }
                        }
                        Fact::Emptied => {}
                        _ => return None,
                    }
                }
                if !open.is_empty() {
                    return Some(Vec::new());
                }
                self.chapter = Chapter::Killed;
                kill_helper();
                Some(vec![Action::Ask(AskId(9000), CheckId(0))])
            }
            Chapter::Killed if facts.contains(&Fact::HelperLost) => {
                self.chapter = Chapter::After;
                Some(vec![Action::Ask(AskId(9001), CheckId(1))])
            }
            Chapter::Killed => Some(Vec::new()),
            Chapter::After => away(AskId(9001)).then(|| vec![Action::Leave(Code(0))]),
        }
    }
}

impl Machine for Asking {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        let is_late = now.since(Time::START) > Duration::from_secs(20);
        let turn = self.turn(facts).filter(|_| !is_late);
        actions.extend(turn.unwrap_or_else(|| {
            log::error!("late: {is_late}; in {:?} came {facts:?}", self.chapter);
            vec![Action::Leave(WRONG)]
        }));
    }

    fn deadline(&self) -> Option<Time> {
        Some(Time::START.after(Duration::from_secs(21)))
    }

    fn status(&self) -> PodStatus {
        PodStatus::default()
    }
}

/// The only child there is.
fn kill_helper() {
    let own = format!("PPid:\t{}\n", std::process::id());
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if status.contains(&own)
            && let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        {
            // SAFETY: plain numbers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

fn live() -> ExitCode {
    let mask = linux::block_all();
    linux::open_log(&LogSettings {
        voice: Voice::Text,
        level: log::LevelFilter::Warn,
    });
    let (Ok(silent), Ok(deserted)) = (
        TcpListener::bind("127.0.0.1:0"),
        TcpListener::bind("127.0.0.1:0"),
    ) else {
        return ExitCode::FAILURE;
    };
    let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
    let check = |port| Check {
        question: NetworkQuestion::Grpc {
            host: "127.0.0.1".into(),
            port,
            service: String::new(),
            tls: false,
        },
        timeout: None,
        asker: Asker::Probe,
    };
    let mut checks = vec![check(port(&silent))];
    checks.extend(vec![check(port(&deserted)); CHECKS as usize]);
    drop(deserted);
    let plan = Plan {
        subreaper: false,
        checks,
        ..Plan::bare(Vec::new(), Conduct::Passthrough(Passthrough::bare(None)))
    };
    let machine = Box::new(Asking {
        chapter: Chapter::Beginning,
    });
    match Inbox::new(mask) {
        Ok(inbox) => {
            let code = linux::run(&plan, machine, &inbox, None, None);
            ExitCode::from(code.expect("no output is relayed").0)
        }
        Err(_) => ExitCode::FAILURE,
    }
}
