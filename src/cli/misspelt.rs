//! What somebody has most likely written wrongly, and what was meant: subcommands and variables. Flags are looked after
//! where they are read.
//!
//! Neither is a fault. A word that is no subcommand is a program's name, and an image's environment may hold anybody's
//! variables; so a guess is only told where there is a known name close by, and nobody acts on it.

use super::{Surroundings, control, flags};
use crate::spelling;
use std::ffi::OsString;

/// What all our variables begin with.
const PREFIX: &str = "MONOPOD_";

/// To be told if there was no program of this name, the first word of the command line.
pub(super) fn subcommand(words: &[OsString]) -> Option<String> {
    let typed = words.first()?.to_str()?;
    if typed.starts_with('-') {
        return None;
    }
    let meant = spelling::nearest(typed, control::subcommands())?;
    Some(format!("did you mean monopod {meant}?"))
}

/// A line for each variable that is almost one of ours.
pub(super) fn variables(surroundings: &Surroundings) -> Vec<String> {
    let tables = [&flags::RUN[..], &flags::PROBE[..], &flags::ASK[..]];
    let flags = tables.into_iter().flatten();
    let known = flags.filter_map(|flag| flag.variable);
    let names = (surroundings.all_env)().into_iter().filter_map(|entry| {
        let (name, _) = entry.to_str().ok()?.split_once('=')?;
        let is_unknown = name.starts_with(PREFIX) && !known.clone().any(|known| known == name);
        (is_unknown && !is_service_link(name, surroundings)).then(|| name.to_owned())
    });
    let told = names.filter_map(|name| {
        let meant = meant_by(&name[PREFIX.len()..], known.clone())?;
        let name = name.escape_debug();
        Some(format!(
            "{name} is no variable of monopod's; did you mean {meant}?"
        ))
    });
    told.collect()
}

/// The known variable whose name, behind the prefix, is close by; or is the beginning of this one, as GRACE of GRACE_PERIOD.
fn meant_by<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let known: Vec<&str> = known.filter_map(|it| it.strip_prefix(PREFIX)).collect();
    let begins = |known: &&str| {
        let after = name.strip_prefix(*known);
        after.is_some_and(|after| after.starts_with('_'))
    };
    let near = spelling::nearest(name, known.iter().copied());
    let meant = near.or_else(|| known.iter().copied().find(begins))?;
    Some(format!("{PREFIX}{meant}"))
}

/// A Service named monopod gives every container of its namespace a MONOPOD_PORT, which is almost MONOPOD_POD.
fn is_service_link(name: &str, surroundings: &Surroundings) -> bool {
    let service = name.strip_suffix("_PORT");
    service.is_some_and(|it| (surroundings.env)(&format!("{it}_SERVICE_HOST")).is_some())
}
