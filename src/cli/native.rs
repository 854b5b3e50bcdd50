//! The own form: `monopod [flags] [--] COMMAND...`.
//!
//! Every flag fills in one place of the plan and nothing else; what is wrong is collected and told at once. The
//! subcommand `probe` is one only as the very first word, so `monopod -- probe` runs a program of that name.

use super::flags;
use super::gather::{Flags, Gathered, gather};
use super::{
    Invocation, LogSettings, Surroundings, VERSION, Voice, env_file, outputs, probe, values,
};
use crate::plan::{
    Conduct, Environment, ExitCode, ExitMap, Identity, Lifecycle, Mask, Placement, Plan, Program,
    ProgramId, Retries, Stdin,
};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::time::Duration;

/// The kubelet's terminationGracePeriodSeconds when a Pod does not say.
const GRACE: Duration = Duration::from_secs(30);

/// Reads the own form.
pub(super) fn parse(words: &[OsString], surroundings: &Surroundings) -> Invocation {
    if let [first, rest @ ..] = words
        && first == "probe"
    {
        return probe::parse(rest, surroundings);
    }
    let mut said = gather(words, &flags::RUN, Flags::First, surroundings.env);
    match said.asked {
        Some(asked) if asked.name == flags::VERSION.name => {
            return print(format!("monopod {VERSION}\n"));
        }
        Some(_) => return print(help()),
        None => {}
    }
    if said.has(&flags::AS) {
        said.faults
            .push("--as must be the first word after monopod".to_owned());
    }
    if said.words.is_empty() {
        said.faults.push(
            "no command to run; write monopod [flags] -- COMMAND..., and see monopod --help"
                .to_owned(),
        );
    }
    let log = log_settings(&mut said);
    let plan = plan(&mut said, surroundings);
    if !said.faults.is_empty() {
        return usage_error(&said.faults);
    }
    Invocation::Run {
        plan,
        log,
        warnings: Vec::new(),
    }
}

/// Faults of the own form, a line each. Always as text: whether JSON was asked for may be one of the faults.
pub(super) fn usage_error(faults: &[String]) -> Invocation {
    Invocation::Print {
        text: faults
            .iter()
            .map(|fault| format!("monopod: error: {fault}\n"))
            .collect(),
        to_stdout: false,
        code: ExitCode::USAGE,
    }
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
       monopod probe live|ready|startup [flags]
       monopod --as NAME [that program's options] COMMAND...

Flags end at the first word that is none. A flag beats its variable, and the last of several beats the others unless
they add up; a variable for one that adds up holds one value a line.

{}
DUR is 30s, 1m 30s, 500ms or a number of seconds. CMD is split into words as a shell would, and run without one.
ADDR:PORT is :9110 or 9110 (every address), 127.0.0.1:9110, [::1]:9110 or localhost:9110.
To run a program named probe, write monopod -- probe.
",
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
    let steps = said
        .every(&flags::INIT, values::command)
        .into_iter()
        .enumerate()
        .map(|(i, argv)| {
            let name = format!("init step {} ({})", i + 1, values::program_name(&argv));
            add(program(name, argv, Stdin::Empty, &environment))
        })
        .collect();
    let command = std::mem::take(&mut said.words);
    let argv: Vec<CString> = command
        .iter()
        .map(|word| values::c_string(word.as_bytes()))
        .collect();
    let main = add(program(
        values::program_name(&argv),
        argv,
        Stdin::Inherited,
        &environment,
    ));
    let pre_stop = said.last(&flags::PRE_STOP, values::command).map(|argv| {
        let name = format!("pre-stop hook ({})", values::program_name(&argv));
        add(program(name, argv, Stdin::Empty, &environment))
    });
    let outputs = outputs::read(said, &programs, main);
    let (grace, drain) = stop_times(said);
    let mut remap_exit = ExitMap::default();
    for (from, to) in said.every(&flags::REMAP_EXIT, values::exit_pair) {
        remap_exit.insert(from, to);
    }
    Plan {
        conduct: Conduct::Lifecycle(Lifecycle {
            steps,
            step_retries: said
                .last(&flags::INIT_RETRIES, values::retries)
                .unwrap_or(Retries::AtMost(0)),
            main,
            pre_stop,
            grace,
            drain,
            stop_signal: said.last(&flags::STOP_SIGNAL, values::stop_signal),
            remap_exit,
        }),
        health: said.last(&flags::HEALTH, values::address),
        subreaper: true,
        parent_death_signal: None,
        outputs,
        // A hook needs the working directory and the descriptors long after the command was started.
        let_go: pre_stop.is_none(),
        programs,
        checks: Vec::new(),
    }
}

fn program(name: String, argv: Vec<CString>, stdin: Stdin, environment: &Environment) -> Program {
    Program {
        name,
        argv,
        placement: Placement::Group,
        foreground: true,
        mask: Mask::Empty,
        stdin,
        environment: environment.clone(),
        working_dir: None,
        identity: Identity::default(),
        kept_output: false,
    }
}

fn stop_times(said: &mut Gathered) -> (Duration, Duration) {
    let faults = said.faults.len();
    let grace = said.last(&flags::GRACE, values::duration).unwrap_or(GRACE);
    let drain = said
        .last(&flags::DRAIN, values::duration)
        .unwrap_or(Duration::ZERO);
    if drain > grace && said.faults.len() == faults {
        said.faults.push(format!(
            "--drain {} is longer than --grace {}, of which it is a part",
            values::span(drain),
            values::span(grace)
        ));
    }
    (grace, drain)
}

fn environment(said: &mut Gathered, surroundings: &Surroundings) -> Environment {
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
