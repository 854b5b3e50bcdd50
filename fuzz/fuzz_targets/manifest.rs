//! Any bytes as a manifest: an answer, and nothing but an answer.
//!
//! `cargo +nightly fuzz run manifest`; the examples are a good corpus to begin with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use monopod::manifest::{Around, read};
use std::ffi::CString;

fuzz_target!(|text: &[u8]| {
    let command = [CString::from(c"nginx"), CString::from(c"-g")];
    for (uid, command, wanted) in [(0, &command[..], None), (1000, &[][..], Some("web"))] {
        let around = Around {
            variable: &|name| (name == b"HOME").then(|| b"/root".to_vec()),
            base: None,
            uid,
            command,
            is_run: uid == 0,
            wanted,
        };
        match read(text, &around) {
            Ok(understood) => {
                let pod = &understood.pod;
                assert!(!pod.containers.is_empty());
                for container in &pod.containers {
                    let program = &understood.programs[container.program.0];
                    assert!(!program.argv.is_empty());
                    let message = container.termination_message.as_ref();
                    let path = message.and_then(|message| message.path.as_ref());
                    assert!(path.is_none_or(|path| path.is_absolute()));
                }
            }
            Err(faults) => {
                assert!(!faults.told.is_empty());
                let lines = faults.lines("x");
                assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
            }
        }
    }
});
