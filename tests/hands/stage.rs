//! A life on a stage: a plan made by hand, a machine that follows a script, and the means to watch it from outside.

use libtest_mimic::Failed;
use monopod::cli::{LogSettings, Voice};
use monopod::linux::{self, Inbox};
use monopod::machine::{Action, Fact, Machine, PodStatus};
use monopod::plan::{
    Conduct, Container, Plan, Pod, Program, ProgramId, RestartPolicy, Role, Signal,
};
use monopod::time::Time;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The word that makes this executable lead a life.
pub const VERB: &str = "__live";

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plan and what is done with it.
pub struct Scene {
    pub plan: Plan,
    pub script: Vec<Step>,
}

/// What is done about the facts since the turn of the step before; `None` if it is not yet its turn.
pub type Step = Box<dyn Fn(&[Fact]) -> Option<Vec<Action>>>;

/// By its name, so that the executable finds it again.
pub type Named = (&'static str, fn() -> Scene);

/// At once.
pub fn first(then: Vec<Action>) -> Step {
    Box::new(move |_| Some(then.clone()))
}

/// When such a fact has been heard.
pub fn on(fact: impl Fn(&Fact) -> bool + 'static, then: Vec<Action>) -> Step {
    Box::new(move |facts| facts.iter().any(&fact).then(|| then.clone()))
}

/// When the test says so, by this signal.
pub fn on_signal(name: &'static str, then: Vec<Action>) -> Step {
    let heard =
        move |fact: &Fact| matches!(fact, Fact::Signalled(s, _) if Signal::parse(name) == Some(*s));
    on(heard, then)
}

/// The end of every scene, wherever it stands: on SIGUSR2 all is killed, and when nothing is left it leaves.
fn curtain() -> [Step; 2] {
    [
        on_signal("USR2", vec![Action::StrikeAll(Signal::KILL)]),
        on(
            |fact| *fact == Fact::Emptied,
            vec![Action::Leave(monopod::plan::ExitCode::SUCCESS)],
        ),
    ]
}

/// A shell with this script, as an entry of a manifest.
pub fn program(name: &str, script: &str) -> Program {
    let words = ["sh", "-c", script];
    Program::bare(name, words.map(|word| CString::new(word).unwrap()).to_vec())
}

/// A main container without anything.
pub fn container(name: &str, program: usize) -> Container {
    Container::bare(name, Role::Main, ProgramId(program), RestartPolicy::Never)
}

/// A pod of these.
pub fn plan(programs: Vec<Program>, containers: Vec<Container>) -> Plan {
    let pod = Pod::bare(containers, Duration::from_secs(30));
    Plan::bare(programs, Conduct::Pod(pod))
}

struct Scripted {
    script: VecDeque<Step>,
    heard: Vec<Fact>,
}

impl Machine for Scripted {
    fn step_into(&mut self, _: Time, facts: &[Fact], actions: &mut Vec<Action>) {
        if on_signal("USR2", Vec::new())(facts).is_some() {
            self.script = curtain().into();
        }
        self.heard.extend(facts);
        while let Some(step) = self.script.front()
            && let Some(then) = step(&self.heard)
        {
            self.script.pop_front();
            actions.extend(then);
            self.heard.retain(|fact| facts.contains(fact));
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn status(&self) -> PodStatus {
        PodStatus::default()
    }
}

/// Leads the life of a scene.
pub fn live(scene: Option<Named>) -> ExitCode {
    let mask = linux::block_all();
    linux::open_log(&LogSettings {
        voice: Voice::Text,
        level: log::LevelFilter::Info,
    });
    let Some((_, make)) = scene else {
        return ExitCode::FAILURE;
    };
    let scene = make();
    let machine = Box::new(Scripted {
        script: scene.script.into(),
        heard: Vec::new(),
    });
    match (linux::become_subreaper(), Inbox::new(mask)) {
        (Ok(()), Ok(inbox)) => {
            let code = linux::run(&scene.plan, machine, &inbox, None, None);
            ExitCode::from(code.expect("no output is relayed").0)
        }
        _ => ExitCode::FAILURE,
    }
}

/// A life that is being led.
pub struct Life {
    child: Child,
    /// Differs from one life to the next; in the environment as `U`.
    pub unique: String,
    said: Option<JoinHandle<String>>,
    logged: Option<JoinHandle<String>>,
}

/// What came of it.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub said: String,
    pub logged: String,
}

impl Life {
    /// Begins it, behind these words (`unshare`, say).
    pub fn begin(scene: &str, behind: &[&str]) -> Result<Life, Failed> {
        static LIVES: AtomicU32 = AtomicU32::new(0);
        let life = LIVES.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}{life:02}", std::process::id());
        let own = std::env::current_exe()?;
        let own = own.to_str().ok_or("a path of this test is no text")?;
        let words = [behind, &[own, VERB, scene]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env("U", &unique)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().map(collect);
        let logged = child.stderr.take().map(collect);
        Ok(Life {
            child,
            unique,
            said,
            logged,
        })
    }

    /// The core's pid, which may be the child of an `unshare`.
    pub fn core(&self) -> Result<i32, Failed> {
        let own = self.child.id() as i32;
        let comm = fs::read_to_string(format!("/proc/{own}/comm"))?;
        if comm.trim() != "unshare" {
            return Ok(own);
        }
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        let first = children.split_whitespace().next();
        Ok(first.ok_or("unshare has no child")?.parse()?)
    }

    /// Sends the core a signal.
    pub fn signal(&self, signal: i32) -> Result<(), Failed> {
        // SAFETY: plain numbers; nobody but us collects this process, or its parent.
        match unsafe { libc::kill(self.core()?, signal) } {
            0 => Ok(()),
            _ => Err("the core is gone".into()),
        }
    }

    /// How many processes `sleep 300.KIND…` of this life there are.
    pub fn sleepers(&self, kind: u32) -> usize {
        sleepers(&format!("300.{kind}{}", self.unique)).len()
    }

    /// Waits for as many.
    pub fn await_sleepers(&self, kind: u32, count: usize) -> Result<(), Failed> {
        wait_until(
            || self.sleepers(kind) == count,
            || {
                format!(
                    "{} sleepers of kind {kind} instead of {count}",
                    self.sleepers(kind)
                )
            },
        )
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<End, Failed> {
        let id = self.child.id();
        let mut code = None;
        let begun = Instant::now();
        while code.is_none() {
            code = self.child.try_wait()?;
            if begun.elapsed() > PATIENCE {
                return Err(format!("life {id} does not end").into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        let code = code.and_then(|status| status.code());
        let text = |reader: Option<JoinHandle<String>>| {
            reader
                .and_then(|reader| reader.join().ok())
                .unwrap_or_default()
        };
        Ok(End {
            code,
            said: text(self.said.take()),
            logged: text(self.logged.take()),
        })
    }

    /// Draws the curtain and waits.
    pub fn finish(self) -> Result<End, Failed> {
        self.signal(libc::SIGUSR2)?;
        self.end()
    }
}

impl Drop for Life {
    /// A story that failed leaves nobody behind.
    fn drop(&mut self) {
        if self.said.is_some() {
            let _ = self.core().map(send_kill);
            let _ = self.child.kill();
            let _ = self.child.wait();
            let all: Vec<i32> = (0..10)
                .flat_map(|kind| sleepers(&format!("300.{kind}{}", self.unique)))
                .collect();
            all.into_iter().for_each(send_kill);
        }
    }
}

fn send_kill(pid: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn sleepers(length: &str) -> Vec<i32> {
    let line = format!("sleep\0{length}\0");
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|cmdline| cmdline == line.as_bytes())
    })
    .collect()
}

/// Waits for something to be true.
pub fn wait_until(is: impl Fn() -> bool, otherwise: impl Fn() -> String) -> Result<(), Failed> {
    let begun = Instant::now();
    while !is() {
        if begun.elapsed() > PATIENCE {
            return Err(otherwise().into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// That two things are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(is: T, should: T, end: &End) -> Result<(), Failed> {
    match is == should {
        true => Ok(()),
        false => Err(format!("{is:?} instead of {should:?}: {end:?}").into()),
    }
}

/// That a text holds another.
pub fn holds(text: &str, part: &str) -> Result<(), Failed> {
    match text.contains(part) {
        true => Ok(()),
        false => Err(format!("no {part:?} in {text:?}").into()),
    }
}
