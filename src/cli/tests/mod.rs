//! Stories of command lines. Each says what was typed and set, and what was understood.

mod again;
mod catatonit;
mod control;
mod dumb_init;
mod faults;
mod misspelt;
mod native;
mod output;
mod pod_form;
mod probe;
mod probe_flag;
mod tini;
mod values;

use super::{Invocation, LogSettings, ProbeRequest, Surroundings, parse};
use crate::plan::{Conduct, Container, ExitCode, Passthrough, Plan, Pod, Program, Role};
use std::ffi::{CString, OsString};
use std::io;
use std::path::Path;

/// A pretend container: its variables, its files, and whether we are PID 1 there.
struct World {
    variables: Vec<(&'static str, &'static str)>,
    files: Vec<(&'static str, &'static [u8])>,
    is_pid_1: bool,
}

/// What a command line came to when it was to be run.
#[derive(Debug)]
struct Run {
    plan: Plan,
    log: LogSettings,
    warnings: Vec<String>,
    notes: Vec<String>,
    hint: Option<String>,
}

const EMPTY: World = World {
    variables: Vec::new(),
    files: Vec::new(),
    is_pid_1: true,
};

fn with(variables: &[(&'static str, &'static str)]) -> World {
    World {
        variables: variables.to_vec(),
        ..EMPTY
    }
}

impl World {
    fn ask(&self, argv: &[&str]) -> Invocation {
        parse(&Surroundings {
            argv: argv.iter().map(OsString::from).collect(),
            env: &|name| {
                let found = self.variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            },
            all_env: &|| {
                let entry = |(name, value)| CString::new(format!("{name}={value}"));
                self.variables
                    .iter()
                    .map(|(name, value)| entry((*name, *value)).expect("no NUL in a story"))
                    .collect()
            },
            read_file: &|path| {
                let found = self
                    .files
                    .iter()
                    .find(|(known, _)| Path::new(known) == path);
                found
                    .map(|(_, bytes)| bytes.to_vec())
                    .ok_or_else(|| io::Error::from_raw_os_error(self.without(path)))
            },
            is_pid_1: self.is_pid_1,
            uid: 0,
            pid: 7,
        })
    }

    #[track_caller]
    fn run(&self, argv: &[&str]) -> Run {
        match self.ask(argv) {
            Invocation::Run {
                plan,
                log,
                warnings,
                notes,
                hint,
            } => Run {
                plan,
                log,
                warnings,
                notes,
                hint,
            },
            other => panic!("{argv:?} came to {other:?}"),
        }
    }

    /// The text, with its code; whether it was for standard output is checked.
    #[track_caller]
    fn printed(&self, to: Stream, argv: &[&str]) -> (String, ExitCode) {
        match self.ask(argv) {
            Invocation::Print {
                text,
                to_stdout,
                code,
            } if to_stdout == (to == Stream::Stdout) => (text, code),
            other => panic!("{argv:?} came to {other:?}"),
        }
    }

    #[track_caller]
    fn probe(&self, argv: &[&str]) -> ProbeRequest {
        match self.ask(argv) {
            Invocation::Probe(request) => request,
            other => panic!("{argv:?} came to {other:?}"),
        }
    }

    /// Why a file cannot be read. Of a PID 1 that can be seen, another uid may not read the variables.
    fn without(&self, path: &Path) -> i32 {
        let is_seen = self
            .files
            .iter()
            .any(|(known, _)| known.starts_with("/proc/1/"));
        match is_seen && path == Path::new("/proc/1/environ") {
            true => libc::EACCES,
            false => libc::ENOENT,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Run {
    fn pod(&self) -> &Pod {
        match &self.plan.conduct {
            Conduct::Pod(pod) => pod,
            other => panic!("{other:?}"),
        }
    }

    /// The init steps.
    fn steps(&self) -> Vec<&Container> {
        let containers = self.pod().containers.iter();
        containers
            .filter(|container| container.role == Role::Init)
            .collect()
    }

    /// The command's container, which comes last.
    fn main(&self) -> &Container {
        self.pod().containers.last().expect("there is a command")
    }

    fn passthrough(&self) -> &Passthrough {
        match &self.plan.conduct {
            Conduct::Passthrough(passthrough) => passthrough,
            other => panic!("{other:?}"),
        }
    }

    /// The command that is run, as words.
    fn command(&self) -> Vec<&str> {
        let main = match &self.plan.conduct {
            Conduct::Pod(_) => self.main().program,
            Conduct::Passthrough(passthrough) => passthrough.main.expect("there is a command"),
        };
        words(self.plan.program(main))
    }
}

fn words(program: &Program) -> Vec<&str> {
    words_of(&program.argv)
}

fn words_of(argv: &[CString]) -> Vec<&str> {
    argv.iter()
        .map(|word| word.to_str().expect("stories are in UTF-8"))
        .collect()
}

/// Which grammar was chosen, told by the voice of the plan.
#[track_caller]
fn voice(world: &World, argv: &[&str]) -> super::Voice {
    world.run(argv).log.voice
}

#[test]
fn the_name_it_is_called_by_chooses_the_grammar() {
    use super::Voice::*;
    for (name, expected) in [
        ("tini", Tini),
        ("/sbin/tini", Tini),
        ("/usr/bin/tini-static", Tini),
        ("/sbin/docker-init", Tini),
        ("docker-init", Tini),
        ("/dev/init/podman-init", Catatonit),
        ("catatonit", Catatonit),
        ("/usr/bin/dumb-init", DumbInit),
        ("monopod", Text),
        ("/monopod", Text),
        ("./init", Text),
        ("tini2", Text),
        ("/tini/monopod", Text),
        ("", Text),
    ] {
        assert_eq!(voice(&EMPTY, &[name, "--", "true"]), expected, "{name}");
    }
}

#[test]
fn as_chooses_the_grammar_as_the_first_word_and_the_variable_does_without_it() {
    use super::Voice::*;
    let tini = with(&[("MONOPOD_AS", "tini")]);
    let nobody = with(&[("MONOPOD_AS", "")]);
    for (world, argv, expected) in [
        (&EMPTY, &["monopod", "--as", "tini", "true"][..], Tini),
        (&EMPTY, &["monopod", "--as=dumb-init", "true"], DumbInit),
        (
            &EMPTY,
            &["monopod", "--as", "podman-init", "true"],
            Catatonit,
        ),
        (&EMPTY, &["monopod", "--", "--as", "tini"], Text),
        (&tini, &["monopod", "true"], Tini),
        (&tini, &["monopod", "--as", "catatonit", "true"], Catatonit),
        (&tini, &["/sbin/dumb-init", "true"], DumbInit),
        (&nobody, &["monopod", "true"], Text),
    ] {
        assert_eq!(voice(world, argv), expected, "{argv:?}");
    }
}

#[test]
fn an_unknown_role_is_refused_with_those_that_there_are() {
    for (world, argv) in [
        (EMPTY, &["monopod", "--as", "tiny", "true"][..]),
        (EMPTY, &["monopod", "--as=", "true"]),
        (EMPTY, &["monopod", "--as"]),
        (with(&[("MONOPOD_AS", "tiny")]), &["monopod", "true"]),
    ] {
        let (text, code) = world.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::USAGE, "{argv:?}");
        assert!(
            text.contains("tini, tini-static, docker-init, podman-init, catatonit, dumb-init"),
            "{text}"
        );
    }
}

#[test]
fn no_words_at_all_is_a_usage_error_and_no_crash() {
    assert_eq!(EMPTY.printed(Stream::Stderr, &[]).1, ExitCode::USAGE);
}

#[test]
fn a_drop_in_name_reads_no_variable_of_ours() {
    let world = with(&[
        ("MONOPOD_HEALTH", ":9110"),
        ("MONOPOD_INIT", "migrate"),
        ("MONOPOD_GRACE", "nonsense"),
        ("MONOPOD_LOG_LEVEL", "trace"),
        ("MONOPOD_ENV_FILE", "/missing"),
    ]);
    for name in super::DROP_INS.map(|(name, _)| name) {
        let run = world.run(&[name, "true"]);
        assert_eq!(run.plan.health, None);
        assert_eq!(run.plan.programs.len(), 1);
        assert!(run.log.level <= log::LevelFilter::Warn);
        let environment = &run.plan.programs[0].environment;
        assert!(environment.base.is_none() && environment.extra.is_empty());
    }
}
