//! What a bench is asked for, and what it says.

use std::io::{self, Write, stdout};
use std::process::ExitCode;

/// Whether the words behind `cargo bench --bench NAME --` ask for a short run, or why nothing is measured. Without cargo's own
/// `--bench` nothing is: `cargo test --all-targets` runs benches too.
pub fn is_quick(name: &str, words: &[String]) -> Result<bool, String> {
    if let Some(word) = words
        .iter()
        .find(|word| !["--bench", "--quick"].contains(&word.as_str()))
    {
        return Err(format!(
            "{name}: not measured, since {word} is not --quick\n"
        ));
    }
    let has = |word: &str| words.iter().any(|said| said == word);
    match has("--bench") {
        true => Ok(has("--quick")),
        false => Err(format!(
            "{name}: nothing is measured without --bench; use `cargo bench --bench {name}`\n"
        )),
    }
}

/// Says it at once: a bench takes minutes, and somebody watches.
pub fn say(words: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(words.as_bytes())?;
    out.flush()
}

/// The end of a bench that could say what it had to say, or not: then nobody is left to read why.
pub fn ended(told: io::Result<()>) -> ExitCode {
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
