//! Any words, variables and files as a command line. The input's lines: words, up to one that is `--env`; then
//! variables, up to one that is `--file`; then the text of every file.
//!
//! `cargo +nightly fuzz run cli`

#![no_main]

use libfuzzer_sys::fuzz_target;
use monopod::cli::{Invocation, Surroundings, parse};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

fuzz_target!(|input: &[u8]| {
    let cut = |input: &[u8], at: &[u8]| {
        let place = input.windows(at.len()).position(|window| window == at);
        match place {
            Some(place) => (input[..place].to_vec(), input[place + at.len()..].to_vec()),
            None => (input.to_vec(), Vec::new()),
        }
    };
    let (rest, file) = cut(input, b"\n--file\n");
    let (words, variables) = cut(&rest, b"\n--env\n");
    let words = words.split(|byte| *byte == b'\n');
    let all: Vec<CString> = variables
        .split(|byte| *byte == b'\n')
        .filter(|variable| variable.contains(&b'='))
        .filter_map(|variable| CString::new(variable).ok())
        .collect();
    let invocation = parse(&Surroundings {
        argv: words
            .map(|word| OsString::from_vec(word.iter().copied().filter(|byte| *byte != 0).collect()))
            .collect(),
        env: &|name| {
            let start = format!("{name}=");
            let found = all.iter().find(|entry| entry.to_bytes().starts_with(start.as_bytes()))?;
            Some(OsString::from_vec(found.to_bytes()[start.len()..].to_vec()))
        },
        all_env: &|| all.clone(),
        read_file: &|_| Ok(file.clone()),
        is_pid_1: input.len() % 2 == 0,
        uid: 0,
        pid: 7,
    });
    match invocation {
        Invocation::Run { plan, .. } => assert!(plan.programs.iter().all(|program| !program.argv.is_empty())),
        Invocation::Print { text, .. } => assert!(!text.is_empty()),
        _ => {}
    }
});
