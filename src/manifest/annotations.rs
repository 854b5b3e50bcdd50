//! monopod's own annotations: where a pod says what the PodSpec has no field for. `monopod/output` is for all of its
//! containers, `monopod/output.NAME` for one, and beats the other.
//!
//! They are those of the pod itself: a Deployment's own are about the Deployment, and its template's count. Annotations of
//! others are not looked at; but one that begins with `monopod/` and is none of ours was meant for us, and is a fault.

use super::fault::quoted;
use super::spot::Spot;
use crate::plan::{Container, Output};
use crate::spelling;

const OURS: &str = "monopod/";
const OUTPUT: &str = "output";

/// How output is to go, as far as annotations say it.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// For the whole pod.
    pub all: Option<Output>,
    /// For single containers, by their names.
    pub each: Vec<(String, Output)>,
}

impl Outputs {
    /// For this container.
    pub fn of(&self, container: &str) -> Option<Output> {
        let mut each = self.each.iter();
        let own = each.find(|(name, _)| name == container);
        own.map(|(_, output)| *output).or(self.all)
    }
}

/// Reads the annotations in a pod's metadata.
pub(super) fn outputs(metadata: &Spot, containers: &[Container]) -> Outputs {
    let mut outputs = Outputs::default();
    let annotations = metadata.inside("annotations");
    let entries = annotations.map(|spot| spot.entries()).unwrap_or_default();
    for (key, spot) in entries {
        let Some(ours) = key.strip_prefix(OURS) else {
            continue;
        };
        match ours.split_once('.') {
            None if ours == OUTPUT => outputs.all = output(&spot),
            Some((OUTPUT, name)) => {
                let is_there = is_named(&spot, name, containers);
                let output = output(&spot);
                outputs.each.extend(
                    output
                        .filter(|_| is_there)
                        .map(|output| (name.to_owned(), output)),
                );
            }
            _ => spot.fault(unknown(ours)),
        }
    }
    outputs
}

fn output(spot: &Spot) -> Option<Output> {
    let text = spot.text()?;
    match Output::parse(text) {
        Ok(output) => Some(output),
        Err(advice) => {
            spot.fault(format!("found {}; {advice}", quoted(text)));
            None
        }
    }
}

fn is_named(spot: &Spot, name: &str, containers: &[Container]) -> bool {
    let names = containers.iter().map(|container| container.name.as_str());
    let is_there = names.clone().any(|known| known == name);
    if !is_there {
        let advice = match spelling::nearest(name, names.clone()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("there is {}", names.collect::<Vec<_>>().join(", ")),
        };
        spot.fault(format!("no container is named {}; {advice}", quoted(name)));
    }
    is_there
}

fn unknown(ours: &str) -> String {
    let word = ours.split('.').next().unwrap_or_default();
    let advice = match spelling::nearest(word, [OUTPUT]) {
        Some(_) => format!("did you mean {OURS}{OUTPUT}{}?", &ours[word.len()..]),
        None => format!("it knows {OURS}{OUTPUT} and {OURS}{OUTPUT}.CONTAINER"),
    };
    format!(
        "{} is no annotation of monopod's; {advice}",
        quoted(&format!("{OURS}{ours}"))
    )
}
