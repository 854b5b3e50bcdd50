//! The own form: `monopod [flags] [--] COMMAND...`.
//!
//! Every flag fills in one place of the plan and nothing else; what is wrong is collected and told at once. The
//! subcommands (`probe`, `check`, `status`, ...) are such only as the very first word, so `monopod -- probe` runs a program of that
//! name.

use super::flags;
use super::gather::{Flags, Gathered, gather};
use super::values::Retries;
use super::{
    Invocation, LogSettings, Surroundings, VERSION, Voice, again, check, control, env_file,
    misspelt, outputs, pod_form, probe, probe_flag, values,
};
use crate::plan::{
    Conduct, Container, Control, Environment, ExitCode, ExitMap, Hook, Placement, Plan, Pod,
    Program, ProgramId, Restart, RestartPolicy, Role, Serving, Signal, Stdin,
};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::time::Duration;

/// The kubelet's terminationGracePeriodSeconds when a Pod does not say.
const GRACE: Duration = Duration::from_secs(30);

/// Reads the own form.
pub(super) fn parse(words: &[OsString], surroundings: &Surroundings) -> Invocation {
    match words {
        [first, rest @ ..] if first == "probe" => return probe::parse(rest, surroundings),
        [first, rest @ ..] if first == "check" => return check::parse(rest, surroundings),
        [first, rest @ ..] if control::is_verb(first) => {
            return control::parse(first, rest, surroundings);
        }
        _ => {}
    }
    let mut said = gather(words, &flags::RUN, Flags::First, surroundings.env);
    let forgotten = pod_form::forgotten_flag(words, &mut said);
    said.faults.extend(forgotten);
    match said.asked {
        Some(asked) if asked.name == flags::VERSION.name => print(format!("monopod {VERSION}\n")),
        Some(_) => print(help()),
        None => match understand(said, surroundings, Purpose::Run) {
            Ok(understood) => Invocation::Run {
                plan: understood.plan,
                log: understood.log,
                warnings: understood.warnings,
                notes: understood.notes,
                hint: misspelt::subcommand(words),
            },
            Err(refusal) => refusal.told(),
        },
    }
}

/// What a command line is understood for: a check may be made on another machine, as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    Check,
}

/// What a command line of the own form comes to, to be run or to be shown.
pub(super) struct Understood {
    pub plan: Plan,
    pub log: LogSettings,
    pub warnings: Vec<String>,
    pub notes: Vec<String>,
    /// The name of the manifest's pod.
    pub pod: Option<String>,
}

/// A command alone, or a manifest; or the faults to print. Variables that are nearly ours may be why there are any.
pub(super) fn understand(
    said: Gathered,
    surroundings: &Surroundings,
    purpose: Purpose,
) -> Result<Understood, Refusal> {
    let misspelt = misspelt::variables(surroundings);
    match understand_all(said, surroundings, purpose) {
        Ok(mut understood) => {
            understood.warnings.extend(misspelt);
            Ok(understood)
        }
        Err(mut refusal) => {
            refusal.faults.extend(misspelt);
            Err(refusal)
        }
    }
}

fn understand_all(
    mut said: Gathered,
    surroundings: &Surroundings,
    purpose: Purpose,
) -> Result<Understood, Refusal> {
    if said.has(&flags::AS) {
        said.faults
            .push("--as must be the first word after monopod".to_owned());
    }
    let log = log_settings(&mut said);
    if purpose == Purpose::Run
        && let Some(fault) = again::refusal(&said, surroundings)
    {
        return Err(Refusal {
            code: ExitCode::FAILURE,
            faults: vec![fault],
        });
    }
    if let Some(file) = said.last(&flags::FILE, |file| Ok(file.to_owned())) {
        return pod_form::understand(said, &file, log, surroundings, purpose);
    }
    if said.words.is_empty() {
        said.faults.push(
            "no command to run; write monopod [flags] -- COMMAND... or monopod -f MANIFEST, and see monopod --help"
                .to_owned(),
        );
    }
    pod_form::refuse_its_flags(&mut said);
    let plan = plan(&mut said, surroundings);
    if !said.faults.is_empty() {
        return Err(Refusal::usage(said.faults));
    }
    Ok(Understood {
        plan,
        log,
        warnings: said.warnings(),
        notes: Vec::new(),
        pod: None,
    })
}

/// Why nothing is run.
pub(super) struct Refusal {
    pub code: ExitCode,
    pub faults: Vec<String>,
}

impl Refusal {
    /// The command line is wrong.
    pub fn usage(faults: Vec<String>) -> Refusal {
        Refusal {
            code: ExitCode::USAGE,
            faults,
        }
    }

    /// A line each. Always as text: whether JSON was asked for may be one of the faults.
    pub fn told(self) -> Invocation {
        Invocation::Print {
            text: self
                .faults
                .iter()
                .map(|fault| format!("monopod: error: {fault}\n"))
                .collect(),
            to_stdout: false,
            code: self.code,
        }
    }
}

/// Faults of the own form's command line.
pub(super) fn usage_error(faults: &[String]) -> Invocation {
    Refusal::usage(faults.to_vec()).told()
}

/// A text that was asked for.
pub(super) fn print(text: String) -> Invocation {
    Invocation::Print {
        text,
        to_stdout: true,
        code: ExitCode::SUCCESS,
    }
}

fn help() -> String {
    format!(
        "monopod {VERSION}: the Kubernetes pod life cycle in one container

Usage: monopod [flags] [--] COMMAND...
       monopod [flags] -f MANIFEST [-- COMMAND...]
       monopod check [flags] [-o json] -f MANIFEST [-- COMMAND...]
       monopod probe live|ready|startup [flags]
       monopod --as NAME [that program's options] COMMAND...

To a running monopod, as the very first word:
{}
Flags end at the first word that is none. A flag beats its variable, and the last of several beats the others unless
they add up; a variable for one that adds up holds one value a line.

{}
DUR is 30s, 1m 30s, 500ms or a number of seconds. CMD is split into words as a shell would, and run without one.
PROBE is http://HOST:PORT/PATH, https://..., tcp://HOST:PORT, grpc://HOST:PORT/SERVICE, :PORT/PATH or exec:CMD, with
,delay=0 ,period=10 ,timeout=1 ,failures=3 ,successes=1 behind it, in seconds and times.
ADDR:PORT is :9110 or 9110 (every address), 127.0.0.1:9110, [::1]:9110 or localhost:9110.
To run a program named probe, check, status or the like, write monopod -- probe.
",
        control::usage(),
        flags::describe(&flags::RUN)
    )
}

fn log_settings(said: &mut Gathered) -> LogSettings {
    LogSettings {
        voice: said
            .last(&flags::LOG_FORMAT, values::log_format)
            .unwrap_or(Voice::Text),
        level: said
            .last(&flags::LOG_LEVEL, values::log_level)
            .unwrap_or(log::LevelFilter::Warn),
    }
}

/// The plan as far as it can be made out; worth something only if no fault was found.
fn plan(said: &mut Gathered, surroundings: &Surroundings) -> Plan {
    let environment = environment(said, surroundings);
    let mut programs = Vec::new();
    let mut add = |program: Program| {
        programs.push(program);
        ProgramId(programs.len() - 1)
    };
    let mut containers: Vec<Container> = said
        .every(&flags::INIT, values::command)
        .into_iter()
        .enumerate()
        .map(|(i, argv)| {
            let name = format!("init step {} ({})", i + 1, values::program_name(&argv));
            let program = add(program(name.clone(), argv, Stdin::Empty, &environment));
            container(name, Role::Init, program)
        })
        .collect();
    let retries = said.last(&flags::INIT_RETRIES, values::retries);
    let stop_signal = said.last(&flags::STOP_SIGNAL, values::stop_signal);
    for step in &mut containers {
        step.restart = restart(retries.unwrap_or(Retries::AtMost(0)));
        step.stop_signal = stop_signal;
    }
    let command = std::mem::take(&mut said.words);
    let argv: Vec<CString> = command
        .iter()
        .map(|word| values::c_string(word.as_bytes()))
        .collect();
    let name = values::program_name(&argv);
    let main = add(program(name.clone(), argv, Stdin::Inherited, &environment));
    let pre_stop = said.last(&flags::PRE_STOP, values::command).map(|argv| {
        let name = format!("pre-stop hook ({})", values::program_name(&argv));
        add(program(name, argv, Stdin::Empty, &environment))
    });
    containers.push(Container {
        pre_stop: pre_stop.map(Hook::Exec),
        stop_signal,
        ..container(name, Role::Main, main)
    });
    let wishes = probe_flag::wishes(said, &[&flags::POST_START]);
    let is_bare = wishes.first().is_none();
    let mut checks = Vec::new();
    let dressed = wishes.dress(&mut containers, &mut programs, &mut checks);
    said.faults.extend(dressed.err());
    let outputs = outputs::wishes(said).for_command(&programs, main);
    let stop_on = stop_on(said);
    let (grace, drain) = stop_times(said, GRACE);
    let remap_exit = remap_exit(said);
    let health = said.last(&flags::HEALTH, values::address);
    let serving = serving(said, false);
    // What asks, is told or is restarted later needs the working directory and the descriptors long after the start.
    let let_go = pre_stop.is_none() && is_bare && serving.control.is_none();
    let pod = Pod {
        stop_on,
        drain,
        remap_exit,
        ..Pod::bare(containers, grace)
    };
    Plan {
        checks,
        outputs,
        health,
        serving,
        let_go,
        ..Plan::bare(programs, Conduct::Pod(pod))
    }
}

/// One run of a program, as flags alone can say it. What its process leaves behind lives on beside the command.
fn container(name: String, role: Role, program: ProgramId) -> Container {
    Container {
        kills_its_tree: false,
        ..Container::bare(name, role, program, RestartPolicy::Never)
    }
}

fn restart(retries: Retries) -> Restart {
    let (policy, at_most) = match retries {
        Retries::AtMost(0) => (RestartPolicy::Never, None),
        Retries::AtMost(most) => (RestartPolicy::OnFailure, Some(most)),
        Retries::Unlimited => (RestartPolicy::OnFailure, None),
    };
    Restart {
        policy,
        rules: Vec::new(),
        at_most,
    }
}

fn program(name: String, argv: Vec<CString>, stdin: Stdin, environment: &Environment) -> Program {
    Program {
        placement: Placement::Group,
        foreground: true,
        stdin,
        environment: environment.clone(),
        ..Program::bare(name, argv)
    }
}

/// A command alone has a control socket only where it is asked for: it would cost a process, and whoever may be restarted
/// pins the working directory. With a manifest it is there `by_default`; an image
/// without a writable place for it is a normal thing.
pub(super) fn serving(said: &mut Gathered, by_default: bool) -> Serving {
    let control = match said.last(&flags::CONTROL, values::control_path) {
        Some(asked) => asked.map(|path| Control { path, missed: true }),
        None => by_default.then(|| Control {
            path: flags::CONTROL_PATH.into(),
            missed: false,
        }),
    };
    Serving {
        control,
        crash_loops: said.last(&flags::LIVEZ_INCLUDES, values::livez_includes),
    }
}

/// What asks for the stop.
pub(super) fn stop_on(said: &mut Gathered) -> Vec<Signal> {
    said.last(&flags::STOP_ON, values::stop_on)
        .unwrap_or_else(|| Signal::ASKING.to_vec())
}

/// Grace and drain; `grace` is what holds if no flag says another.
pub(super) fn stop_times(said: &mut Gathered, grace: Duration) -> (Duration, Duration) {
    let faults = said.faults.len();
    let grace = said.last(&flags::GRACE, values::duration).unwrap_or(grace);
    let drain = said
        .last(&flags::DRAIN, values::duration)
        .unwrap_or(Duration::ZERO);
    if drain > grace && said.faults.len() == faults {
        said.faults.push(format!(
            "--drain {} is longer than the grace {}, of which it is a part",
            values::span(drain),
            values::span(grace)
        ));
    }
    (grace, drain)
}

/// `--remap-exit`, all of them.
pub(super) fn remap_exit(said: &mut Gathered) -> ExitMap {
    let mut map = ExitMap::default();
    for (from, to) in said.every(&flags::REMAP_EXIT, values::exit_pair) {
        map.insert(from, to);
    }
    map
}

/// What all that is run inherits.
pub(super) fn environment(said: &mut Gathered, surroundings: &Surroundings) -> Environment {
    let files = said.every(&flags::ENV_FILE, |file| {
        (surroundings.read_file)(file.as_ref())
            .map(|bytes| (file.to_owned(), bytes))
            .map_err(|error| {
                format!(
                    "cannot read {}: {}",
                    values::quoted(file),
                    values::errno_words(&error)
                )
            })
    });
    if files.is_empty() {
        return Environment::inherited();
    }
    let own = (surroundings.all_env)();
    let mut merged = own.clone();
    for (file, bytes) in &files {
        let (lines, faults) = env_file::parse(bytes, &own);
        env_file::merge(&mut merged, lines);
        said.faults.extend(env_file::tell(file, &faults));
    }
    Environment::exactly(Rc::new(merged))
}
