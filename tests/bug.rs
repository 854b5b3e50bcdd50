//! A bug in the core is an orderly stop with exit code 70, not a dead container.
//!
//! Nothing in the binary can be made to panic from outside (whoever finds a way has found a bug), so this executable
//! leads a life itself, through the library, with a machine that has one: it panics when it hears SIGUSR1.

use libtest_mimic::{Arguments, Failed, Trial};
use monopod::cli::{LogSettings, Voice};
use monopod::lifecycle;
use monopod::linux::{self, Inbox};
use monopod::machine::{Action, Fact, Machine, PodStatus};
use monopod::plan::{
    Conduct, Container, Placement, Plan, Pod, Program, ProgramId, RestartPolicy, Role, Signal,
    Stdin,
};
use monopod::time::Time;
use std::ffi::CString;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const VERB: &str = "__live";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, verb, script] = words.as_slice()
        && verb == VERB
    {
        return live(script);
    }
    let trials = vec![
        Trial::test("a_bug_is_an_orderly_stop_with_code_70", || {
            // The one in the background proves that the stop reaches all, not the command alone.
            let end = meet_the_bug(
                "(trap 'echo and so do I; exit 0' TERM; echo ready; while :; do sleep 0.05; done) &
                 trap 'echo I may finish; exit 3' TERM; echo ready; while :; do sleep 0.05; done",
            )?;
            expect(end.code, Some(70), &end)?;
            expect(end.said.contains("I may finish"), true, &end)?;
            expect(end.said.contains("and so do I"), true, &end)?;
            expect(end.logged.contains("this is a bug in monopod"), true, &end)
        }),
        Trial::test(
            "a_bug_does_not_wait_for_ever_for_what_ignores_sigterm",
            || {
                let end = meet_the_bug(
                    "(trap '' TERM; echo ready; sleep 1000) &
                 trap '' TERM; echo ready; while :; do sleep 0.05; done",
                )?;
                expect(end.code, Some(70), &end)
            },
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[derive(Debug)]
struct End {
    code: Option<i32>,
    said: String,
    logged: String,
}

fn expect<T: PartialEq + std::fmt::Debug>(is: T, should: T, end: &End) -> Result<(), Failed> {
    match is == should {
        true => Ok(()),
        false => Err(format!("{is:?} instead of {should:?}: {end:?}").into()),
    }
}

/// Starts a life with the script as its command, waits for its two "ready", and touches the bug.
fn meet_the_bug(script: &str) -> Result<End, Failed> {
    let mut life = Command::new(std::env::current_exe()?)
        .args([VERB, script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(stdout), Some(mut stderr)) = (life.stdout.take(), life.stderr.take()) else {
        return Err("no pipes".into());
    };
    let mut lines = BufReader::new(stdout);
    let mut said = String::new();
    while said.matches("ready").count() < 2 {
        if lines.read_line(&mut said)? == 0 {
            return Err(format!("it ended too soon: {said}").into());
        }
    }
    // SAFETY: plain numbers; the pid is that of our child, which was not collected.
    unsafe { libc::kill(life.id() as libc::pid_t, libc::SIGUSR1) };
    lines.read_to_string(&mut said)?;
    let mut logged = String::new();
    stderr.read_to_string(&mut logged)?;
    Ok(End {
        code: life.wait()?.code(),
        said,
        logged,
    })
}

struct Buggy(lifecycle::Pod);

impl Machine for Buggy {
    fn step_into(&mut self, now: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        let usr1 = Signal::parse("USR1");
        let touched =
            |fact: &Fact| matches!(fact, Fact::Signalled(signal, _) if Some(*signal) == usr1);
        assert!(!facts.iter().any(touched), "touched");
        self.0.step_into(now, facts, actions);
    }

    fn deadline(&self) -> Option<Time> {
        self.0.deadline()
    }

    fn status(&self) -> PodStatus {
        self.0.status()
    }
}

fn live(script: &str) -> ExitCode {
    let mask = linux::block_all();
    linux::open_log(&LogSettings {
        voice: Voice::Text,
        level: log::LevelFilter::Warn,
    });
    let main = Container {
        kills_its_tree: false,
        ..Container::bare("sh", Role::Main, ProgramId(0), RestartPolicy::Never)
    };
    let pod = Pod::bare(vec![main], Duration::from_secs(2));
    let words = ["sh", "-c", script];
    let argv = words
        .into_iter()
        .filter_map(|word| CString::new(word).ok())
        .collect();
    let program = Program {
        placement: Placement::Group,
        stdin: Stdin::Inherited,
        ..Program::bare("sh", argv)
    };
    let plan = Plan {
        let_go: true,
        ..Plan::bare(vec![program], Conduct::Pod(pod.clone()))
    };
    let machine = Box::new(Buggy(lifecycle::Pod::new(&plan, &pod)));
    match (linux::become_subreaper(), Inbox::new(mask)) {
        (Ok(()), Ok(inbox)) => {
            let code = linux::run(&plan, machine, &inbox, None, None);
            ExitCode::from(code.expect("no output is relayed").0)
        }
        _ => ExitCode::FAILURE,
    }
}
