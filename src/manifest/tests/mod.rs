//! Stories of manifests. Each says what was written, and what was understood or refused.

mod annotations;
mod bounds;
mod documents;
mod environment;
mod faults;
mod hostile;
mod pods;
mod users;
mod yaml;

use super::{Around, Faults, Understood, read};
use crate::plan::{Container, Program};
use std::ffi::CString;

/// What a manifest is read amid, in a story.
#[derive(Default)]
struct World {
    variables: Vec<(&'static str, &'static str)>,
    command: Vec<&'static str>,
    uid: u32,
    is_check: bool,
    wanted: Option<&'static str>,
}

impl World {
    fn read(&self, text: impl AsRef<[u8]>) -> Result<Understood, Faults> {
        let word = |word: &&str| CString::new(*word).expect("no NUL in a story");
        let command: Vec<CString> = self.command.iter().map(word).collect();
        read(
            text.as_ref(),
            &Around {
                variable: &|name| {
                    let found = self
                        .variables
                        .iter()
                        .find(|(known, _)| known.as_bytes() == name);
                    found.map(|(_, value)| value.as_bytes().to_vec())
                },
                base: None,
                uid: self.uid,
                command: &command,
                is_run: !self.is_check,
                wanted: self.wanted,
            },
        )
    }

    #[track_caller]
    fn understood(&self, text: &str) -> Understood {
        self.read(text)
            .unwrap_or_else(|faults| panic!("{}", faults.lines("x").join("\n")))
    }

    #[track_caller]
    fn faults(&self, text: impl AsRef<[u8]>) -> Vec<String> {
        match self.read(text) {
            Ok(understood) => panic!("understood as {understood:?}"),
            Err(faults) => faults.lines("x"),
        }
    }
}

#[track_caller]
fn understood(text: &str) -> Understood {
    World::default().understood(text)
}

#[track_caller]
fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    World::default().faults(text)
}

/// A PodSpec of one container, with these fields beside its name and command. They are indented as if they stood at
/// the beginning of a line.
fn one(fields: &str) -> String {
    let mut text = "containers:\n- name: web\n  command: [web]\n".to_owned();
    for line in fields.lines() {
        text += &format!("  {line}\n");
    }
    text
}

/// The only fault of a container with these fields, without its place and the way to the container.
#[track_caller]
fn only_fault(fields: &str) -> String {
    let faults = faults(one(fields));
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let fault = faults[0].split_once(' ').expect("a place, then words").1;
    fault
        .trim_start_matches("containers[0]")
        .trim_start_matches(['.', ':', ' '])
        .to_owned()
}

fn words(program: &Program) -> Vec<&str> {
    program
        .argv
        .iter()
        .map(|word| word.to_str().expect("stories are in UTF-8"))
        .collect()
}

impl Understood {
    fn container(&self, name: &str) -> &Container {
        let found = self
            .pod
            .containers
            .iter()
            .find(|container| container.name == name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn program(&self, name: &str) -> &Program {
        &self.programs[self.container(name).program.0]
    }
}
