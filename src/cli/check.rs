//! `monopod check`: the same command line as a run, and the plan as it is understood in place of the run.
//!
//! There is no second parser: what check passes, a run starts.

use super::gather::{Flags, Gathered, gather};
use super::native::{self, Purpose, print, usage_error};
use super::{Invocation, Surroundings, flags, pod_form, values};
use crate::report::plan_words;
use std::ffi::{OsStr, OsString};

/// Reads the words behind `monopod check`.
pub(super) fn parse(words: &[OsString], surroundings: &Surroundings) -> Invocation {
    let mut said: Gathered = gather(words, &flags::CHECK, Flags::First, surroundings.env);
    if said.asked.is_some() {
        return print(help());
    }
    let is_json = said.last(&flags::FORMAT, is_json).unwrap_or(false);
    if said.words.is_empty()
        && said.last(&flags::FILE, |_| Ok(())).is_none()
        && said.faults.is_empty()
    {
        return usage_error(&[
            "check: nothing to check; write monopod check -f MANIFEST".to_owned()
        ]);
    }
    let forgotten = pod_form::forgotten_flag(words, &mut said);
    said.faults.extend(forgotten);
    match native::understand(said, surroundings, Purpose::Check) {
        Err(refusal) => refusal.told(),
        Ok(understood) => {
            let name = understood.pod.as_deref();
            let plan = &understood.plan;
            let notes = [understood.notes, understood.warnings].concat();
            print(match is_json {
                true => plan_words::json(plan, name, &notes),
                false => plan_words::text(plan, name, &notes),
            })
        }
    }
}

fn is_json(value: &OsStr) -> Result<bool, String> {
    match value.to_str() {
        Some("text") => Ok(false),
        Some("json") => Ok(true),
        _ => Err(format!(
            "{} is not a format; write text or json",
            values::quoted(value)
        )),
    }
}

fn help() -> String {
    format!(
        "Usage: monopod check [flags] [-o json] -f MANIFEST [-- COMMAND...]

Prints the plan as a run with the same flags would understand it, and leaves with 0; or all that is wrong, and leaves
with 78 (the manifest) or 64 (the command line). Nothing is started.

{}",
        flags::describe(&flags::CHECK)
    )
}
