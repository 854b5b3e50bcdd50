//! The text of a manifest, and what surrounds it, to a plan: or to everything that is wrong with it.
//!
//! Pure, as all of deciding is: the text is handed in, so are the variables and the uid. Every field of the API has a
//! fate ([`fates`]): honoured, left to the outer container, or refused. Nothing is half understood: a plan comes out of
//! a manifest without a fault, or no plan at all.
//!
//! The road: [`tree`] (text to values with places), [`document`] (which pod is meant), then the decoders, which make
//! pieces of the plan directly out of values ([`spot`]) and write down what is wrong ([`fault`]). There are no types
//! in between: serde would stop at the first fault, and know no place for it.
//!
//! What surprised us: defaulting comes before validation in the API server, so an explicit `periodSeconds: 0` is 10
//! and no fault (S32), while the zero of a probe's grace is one (S33).

mod annotations;
mod asking;
mod budget;
mod container;
mod document;
mod environment;
pub mod fates;
mod fault;
mod identity;
mod names;
mod pod;
mod scalar;
mod spot;
mod tree;

use crate::plan::{Check, CheckId, Pod, Program, ProgramId};
use fault::Findings;
use spot::Spot;
use std::ffi::CString;
use std::rc::Rc;
use std::time::Duration;

pub use annotations::Outputs;
pub use fault::{Fault, Faults, Position};

/// What a manifest is read amid.
pub struct Around<'a> {
    /// A variable of the environment that containers inherit.
    pub variable: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
    /// That environment, if it is not monopod's own untouched.
    pub base: Option<Rc<Vec<CString>>>,
    /// The uid of monopod itself, as which a container runs that says no other.
    pub uid: u32,
    /// The outer container's command, for the one entry that has none; empty if it was not given.
    pub command: &'a [CString],
    /// Whether it is to be run here and now. If not, what only the outer container's environment and uid can tell is a
    /// note and no fault.
    pub is_run: bool,
    /// The pod to choose, if the text has several.
    pub wanted: Option<&'a str>,
}

/// A manifest that is understood.
#[derive(Clone, Debug)]
pub struct Understood {
    /// The name of the Pod, or of what its template was taken from.
    pub name: Option<String>,
    /// What to lead a life by.
    pub pod: Pod,
    /// The plan's programs.
    pub programs: Vec<Program>,
    /// The plan's checks.
    pub checks: Vec<Check>,
    /// How output is to go, as far as the pod's annotations say it.
    pub outputs: Outputs,
    /// What was passed over, and what only the run will tell; for whoever wants to know.
    pub notes: Vec<String>,
    /// To be said before anything starts: what is allowed but hardly meant.
    pub warnings: Vec<String>,
}

/// Reads a manifest. Total: any bytes have an answer, in a bounded time.
pub fn read(text: &[u8], around: &Around) -> Result<Understood, Faults> {
    let findings = Findings::default();
    let documents = tree::documents(text, &findings);
    let mut making = Making::default();
    let made = document::choose(&documents, around, &findings).map(|chosen| {
        let pod = pod::pod(&chosen.spec, around, &mut making);
        let metadata = chosen.metadata.iter();
        let outputs = metadata
            .map(|it| annotations::outputs(it, &pod.containers))
            .next();
        (pod, chosen.name, outputs.unwrap_or_default())
    });
    let ((pod, name, outputs), told) = findings.settle(made)?;
    let mut notes = told.notes;
    let passed = told
        .passed
        .into_iter()
        .filter(|(_, is_usual)| !(around.is_run && *is_usual));
    let passed: Vec<String> = passed.map(|(field, _)| field).collect();
    if !passed.is_empty() {
        let line = format!("left to the outer container: {}", passed.join(", "));
        notes.insert(0, line);
    }
    Ok(Understood {
        name,
        pod,
        programs: making.programs,
        checks: making.checks,
        outputs,
        notes,
        warnings: told.warnings,
    })
}

/// The parts of the plan that are numbered, as they come.
#[derive(Default)]
struct Making {
    programs: Vec<Program>,
    checks: Vec<Check>,
    /// Who reads monopod's standard input.
    reader: Option<String>,
}

impl Making {
    fn add(&mut self, program: Program) -> ProgramId {
        self.programs.push(program);
        ProgramId(self.programs.len() - 1)
    }

    fn ask(&mut self, check: Check) -> CheckId {
        self.checks.push(check);
        CheckId(self.checks.len() - 1)
    }

    /// Whether this container is the one that reads standard input: there is one only, and the first gets it.
    fn takes_stdin(&mut self, name: &str, spot: &Spot) -> bool {
        match &self.reader {
            None => {
                self.reader = Some(name.to_owned());
                true
            }
            Some(reader) => {
                let what = format!(
                    "{name}: its standard input is empty, for {reader} reads the only one there is"
                );
                spot.findings.warn(what);
                false
            }
        }
    }
}

/// Seconds of the API, where any number from 0 is allowed. More than a hundred years are taken for a hundred.
fn seconds(number: i64) -> Duration {
    const CENTURY: u64 = 100 * 366 * 24 * 3600;
    Duration::from_secs(u64::try_from(number).unwrap_or(0).min(CENTURY))
}

#[cfg(test)]
mod tests;
