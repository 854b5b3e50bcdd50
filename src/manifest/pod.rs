//! A PodSpec to [`plan::Pod`](crate::plan::Pod): what the pod says for all, its containers, and what must be right
//! between them.

use super::container::{PodSays, RESTART_POLICIES, container};
use super::fates;
use super::fault::quoted;
use super::identity;
use super::names;
use super::spot::{Object, Spot};
use super::{Around, Making, seconds};
use crate::plan::{Container, ExitMap, Pod, RestartPolicy, Signal, TerminationMessage};
use litemap::LiteMap;
use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

/// The API's default of terminationGracePeriodSeconds.
const GRACE_SECONDS: i64 = 30;

/// More containers than this are no pod: each would be a process. It favours whoever has to hold what was read.
const MOST_CONTAINERS: usize = 5_000;

/// Reads a PodSpec.
pub(super) fn pod(spec: &Spot, around: &Around, making: &mut Making) -> Pod {
    let spec = spec.object(&fates::POD_SPEC);
    let restart = spec
        .get("restartPolicy")
        .and_then(|spot| spot.one_of(&RESTART_POLICIES));
    let grace = spec.number("terminationGracePeriodSeconds", 0..=i64::MAX);
    let says = PodSays {
        restart: restart.unwrap_or(RestartPolicy::Always),
        grace_seconds: grace.unwrap_or(GRACE_SECONDS),
        identity: identity::of_pod(&spec),
        has_os: has_os(&spec),
    };
    let containers = containers(&spec, &says, around, making);
    Pod {
        name: None,
        containers,
        stop_on: Signal::ASKING.to_vec(),
        grace: seconds(says.grace_seconds),
        drain: Duration::ZERO,
        active_deadline: spec
            .number("activeDeadlineSeconds", 1..=i32::MAX.into())
            .map(seconds),
        readiness_gates: readiness_gates(&spec),
        exit_code_from: None,
        remap_exit: ExitMap::default(),
    }
}

fn has_os(spec: &Object) -> bool {
    let Some(os) = spec.get("os") else {
        return false;
    };
    let name = os.object(&fates::POD_OS).required("name").cloned();
    if let Some(spot) = &name
        && let Some(os @ ("windows" | "Windows")) = spot.text()
    {
        spot.fault(format!("found {}; this is linux", quoted(os)));
    } else if let Some(spot) = &name {
        spot.one_of(&[("linux", ())]);
    }
    name.is_some()
}

/// Init containers and sidecars in their order, then the main containers in theirs.
fn containers(
    spec: &Object,
    says: &PodSays,
    around: &Around,
    making: &mut Making,
) -> Vec<Container> {
    let (mut steps, mut mains) = (spec.list("initContainers"), spec.list("containers"));
    match spec.required("containers") {
        Some(spot) if mains.is_empty() => spot.fault("is empty; a pod has at least one container"),
        _ => {}
    }
    for (field, entries) in [("initContainers", &mut steps), ("containers", &mut mains)] {
        if entries.len() > MOST_CONTAINERS
            && let Some(spot) = spec.get(field)
        {
            let has = entries.len();
            spot.fault(format!("has {has} entries; {MOST_CONTAINERS} are allowed"));
            entries.truncate(MOST_CONTAINERS);
        }
    }
    let taker = who_takes_the_command(&steps, &mains, spec, around);
    let mut made: Vec<Container> = Vec::new();
    let mut names: HashSet<&str> = HashSet::new();
    let entries = steps
        .iter()
        .map(|spot| (spot, true))
        .chain(mains.iter().map(|spot| (spot, false)));
    for (place, (spot, is_init)) in entries.enumerate() {
        let given = match taker == Some(place) {
            true => around.command,
            false => &[],
        };
        made.extend(container(spot, is_init, given, says, around, making));
        if let Some(name_spot) = spot.inside("name").filter(Spot::is_text)
            && let Some(name) = name_spot.text()
            && !names.insert(name)
        {
            name_spot.fault(format!("another container is named {} too", quoted(name)));
        }
    }
    keep_messages_apart(&mut made, spec);
    made
}

/// The one entry that says no command takes the outer container's. Its place among all entries.
fn who_takes_the_command(
    steps: &[Spot],
    mains: &[Spot],
    spec: &Object,
    around: &Around,
) -> Option<usize> {
    let lacks = |spot: &&Spot| !spot.has_items("command");
    let is_news = |spot: &&Spot| !spot.misspells("command", &fates::CONTAINER);
    for step in steps.iter().filter(lacks).filter(is_news) {
        step.fault("command is missing: there is no image here to take one from");
    }
    let lacking: Vec<&Spot> = mains.iter().filter(lacks).collect();
    match (&lacking[..], around.command.is_empty()) {
        ([], true) => None,
        ([], false) => {
            let what =
                "every container has a command, so the words behind the flags would not be run";
            spec.spot.fault(what);
            None
        }
        ([_], false) => {
            let place = mains.iter().position(|spot| lacks(&spot))?;
            Some(steps.len() + place)
        }
        (several, false) => {
            for spot in several.iter().copied().filter(is_news) {
                spot.fault(format!(
                    "command is missing, here and in {} more; the command behind -- can stand in for one only",
                    several.len() - 1
                ));
            }
            None
        }
        (several, true) => {
            for spot in several.iter().copied().filter(is_news) {
                spot.fault(
                    "command is missing: there is no image here to take one from; say it here, or give the outer \
                     container's command behind --",
                );
            }
            None
        }
    }
}

/// A termination message is a container's if no other entry writes to the same path.
fn keep_messages_apart(containers: &mut [Container], spec: &Object) {
    let path_of = |container: &Container| container.termination_message.clone()?.path;
    let mut writers: LiteMap<OsString, u32> = LiteMap::new();
    for path in containers.iter().filter_map(path_of) {
        *writers.entry(path.into_os_string()).or_default() += 1;
    }
    for container in containers {
        let Some(path) =
            path_of(container).filter(|path| writers.get(path.as_os_str()) != Some(&1))
        else {
            continue;
        };
        if path.as_os_str() != super::container::TERMINATION_LOG {
            spec.spot.findings.warn(format!(
                "{}: other containers have the same terminationMessagePath {}, so nobody's message is read from it",
                container.name,
                quoted(&path.to_string_lossy())
            ));
        }
        container.termination_message = container
            .termination_message
            .take()
            .filter(|message| message.or_output)
            .map(|message| TerminationMessage {
                path: None,
                ..message
            });
    }
}

fn readiness_gates(spec: &Object) -> Vec<String> {
    let mut gates: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    for gate in spec.list("readinessGates") {
        let gate = gate.object(&fates::READINESS_GATE);
        let Some(spot) = gate.required("conditionType") else {
            continue;
        };
        let Some(name) = spot.text() else { continue };
        if let Err(rule) = names::qualified(name) {
            spot.fault(format!("found {}; {rule}", quoted(name)));
        } else if known.insert(name) {
            gates.push(name.to_owned());
        }
    }
    gates
}
