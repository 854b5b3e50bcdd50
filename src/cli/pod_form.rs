//! The own form with a manifest: `monopod [flags] -f FILE [-- COMMAND...]`. The manifest says what to run, the flags say
//! how monopod itself behaves; where both speak, the flag wins.
//!
//! Faults of the command line are told before the manifest is looked at: which manifest is meant may be one of them.

use super::flags;
use super::gather::Gathered;
use super::native::{self, Purpose, Refusal, Understood};
use super::{LogSettings, Surroundings, outputs, probe_flag, values};
use crate::manifest::{self, Around};
use crate::plan::{
    Conduct, Container, ContainerId, Environment, ExitCode, Outputs, Plan, Pod, Role,
};
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Flags and a manifest to a plan; or the faults to print, those of the manifest with their own exit code.
pub(super) fn understand(
    mut said: Gathered,
    file: &OsStr,
    log: LogSettings,
    surroundings: &Surroundings,
    purpose: Purpose,
) -> Result<Understood, Refusal> {
    for flag in [&flags::INIT, &flags::INIT_RETRIES] {
        if said.last(flag, |_| Ok(())).is_some() {
            let fault = format!(
                "--{} is for a command alone; a manifest has initContainers",
                flag.name
            );
            said.faults.push(fault);
        }
    }
    let environment = native::environment(&mut said, surroundings);
    let wanted = said.last(&flags::POD, name);
    let command: Vec<CString> = said
        .words
        .iter()
        .map(|word| values::c_string(word.as_bytes()))
        .collect();
    let wishes = probe_flag::wishes(&mut said, &[&flags::POST_START, &flags::PRE_STOP]);
    let remap_exit = native::remap_exit(&mut said);
    let stop_signal = said.last(&flags::STOP_SIGNAL, values::stop_signal);
    let stop_on = native::stop_on(&mut said);
    let health = said.last(&flags::HEALTH, values::address);
    let serving = native::serving(&mut said, true);
    let output = outputs::wishes(&mut said);
    // Looked at for their form only; what they override is not known yet.
    let exit_code_from = said.last(&flags::EXIT_CODE_FROM, name);
    native::stop_times(&mut said, std::time::Duration::MAX);
    if !said.faults.is_empty() {
        return Err(Refusal::usage(said.faults));
    }
    let mut understood = read(
        file,
        &environment,
        wanted.as_deref(),
        &command,
        surroundings,
        purpose,
    )?;
    let pod = &mut understood.pod;
    pod.name = understood.name.clone();
    let dressed = wishes.dress(
        &mut pod.containers,
        &mut understood.programs,
        &mut understood.checks,
    );
    said.faults.extend(dressed.err());
    (pod.grace, pod.drain) = native::stop_times(&mut said, pod.grace);
    pod.remap_exit = remap_exit;
    pod.stop_on = stop_on;
    if let Some(signal) = stop_signal {
        pod.containers
            .iter_mut()
            .for_each(|c| c.stop_signal = Some(signal));
    }
    if let Some(name) = exit_code_from {
        match main_named(pod, &name) {
            Ok(id) => pod.exit_code_from = Some(id),
            Err(fault) => said.faults.push(fault),
        }
    }
    let outputs = output
        .for_pod(pod, &understood.outputs)
        .unwrap_or_else(|faults| {
            said.faults.extend(faults);
            Outputs::default()
        });
    if !said.faults.is_empty() {
        return Err(Refusal::usage(said.faults));
    }
    understood.warnings.extend(unheard(pod, &outputs));
    Ok(Understood {
        plan: Plan {
            programs: understood.programs,
            checks: understood.checks,
            outputs,
            conduct: Conduct::Pod(understood.pod),
            health,
            serving,
            subreaper: true,
            parent_death_signal: None,
            // Restarts and hooks need the working directory for as long as the pod lives.
            let_go: false,
        },
        log,
        warnings: [said.warnings(), understood.warnings].concat(),
        notes: understood.notes,
        pod: understood.name,
    })
}

/// Containers whose output is to stand in for their message, and does not come by here.
fn unheard(pod: &Pod, outputs: &Outputs) -> Option<String> {
    let is_unheard = |it: &&Container| {
        let message = it.termination_message.as_ref();
        message.is_some_and(|message| message.or_output) && outputs.of(it.program).is_none()
    };
    let names = pod.containers.iter().filter(is_unheard);
    let names: Vec<&str> = names.map(|container| container.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "terminationMessagePolicy FallbackToLogsOnError of {} means nothing while output is not relayed (--output)",
            names.join(", ")
        )
    })
}

/// A manifest's name where a command belongs, without `--` before it: nobody means to run it. Decided by the name
/// alone, for nothing is looked up here.
pub(super) fn forgotten_flag(words: &[OsString], said: &mut Gathered) -> Option<String> {
    let [word] = &said.words[..] else {
        return None;
    };
    let is_program = words
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|before| before == "--");
    let name = word.to_string_lossy();
    let is_manifest = [".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending));
    if is_program || !is_manifest {
        return None;
    }
    let name = name.escape_debug().to_string();
    let has_manifest = said.last(&flags::FILE, |_| Ok(())).is_some();
    (!has_manifest).then(|| {
        format!(
            "{name} has the name of a manifest; did you mean -f {name}? A program of that name is run by -- {name}"
        )
    })
}

/// Flags that mean nothing to a command alone.
pub(super) fn refuse_its_flags(said: &mut Gathered) {
    for flag in [&flags::POD, &flags::EXIT_CODE_FROM] {
        if said.has(flag) {
            let fault = format!(
                "--{} is for a manifest, and there is none; give -f FILE",
                flag.name
            );
            said.faults.push(fault);
        }
    }
}

fn name(value: &OsStr) -> Result<String, String> {
    let name = value.to_str().filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| format!("{} is not a name", values::quoted(value)))
}

fn read(
    file: &OsStr,
    environment: &Environment,
    wanted: Option<&str>,
    command: &[CString],
    surroundings: &Surroundings,
    purpose: Purpose,
) -> Result<manifest::Understood, Refusal> {
    let source = match file.as_bytes() {
        b"-" => "standard input".to_owned(),
        _ => file.to_string_lossy().escape_debug().to_string(),
    };
    let text = (surroundings.read_file)(Path::new(file)).map_err(|error| {
        refusal(vec![format!(
            "cannot read {source}: {}",
            values::errno_words(&error)
        )])
    })?;
    let own = match &environment.base {
        Some(base) => base.to_vec(),
        None => (surroundings.all_env)(),
    };
    let variables: HashMap<&[u8], &[u8]> = own.iter().filter_map(|entry| cut(entry)).collect();
    let around = Around {
        variable: &|name| variables.get(name).map(|value| value.to_vec()),
        base: environment.base.clone(),
        uid: surroundings.uid,
        command,
        is_run: purpose == Purpose::Run,
        wanted,
    };
    manifest::read(&text, &around).map_err(|faults| refusal(faults.lines(&source)))
}

fn cut(entry: &CString) -> Option<(&[u8], &[u8])> {
    let entry = entry.to_bytes();
    let at = entry.iter().position(|byte| *byte == b'=')?;
    Some((&entry[..at], &entry[at + 1..]))
}

fn refusal(faults: Vec<String>) -> Refusal {
    Refusal {
        code: ExitCode::CONFIG,
        faults,
    }
}

fn main_named(pod: &Pod, name: &str) -> Result<ContainerId, String> {
    let is_main = |container: &Container| container.role == Role::Main;
    let found = pod
        .containers()
        .find(|(_, container)| is_main(container) && container.name == name);
    found.map(|(id, _)| id).ok_or_else(|| {
        let names: Vec<&str> = pod
            .containers
            .iter()
            .filter(|container| is_main(container))
            .map(|container| container.name.as_str())
            .collect();
        format!(
            "--exit-code-from: no main container is named {name:?}; there is {}",
            names.join(", ")
        )
    })
}
