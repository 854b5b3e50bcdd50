//! Which PodSpec of a text is meant: a Pod's, a bare one, or the pod template of whatever makes pods.
//!
//! Of a workload only its template is looked at: how many of it there are to be is nothing to a single container.

use super::Around;
use super::fates;
use super::fault::{Findings, quoted};
use super::names;
use super::spot::Spot;
use super::tree::{Node, Value};
use std::rc::Rc;

/// What makes pods: its kind, its API, the way to its template, and the restart policies that it allows.
struct Maker {
    kind: &'static str,
    api: &'static str,
    way: &'static [&'static str],
    policies: &'static [&'static str],
}

/// The API of what runs to an end.
const BATCH: &str = "batch/v1";

const ANY: &[&str] = &["Always", "OnFailure", "Never"];
const FOREVER: &[&str] = &["Always"];
const TO_AN_END: &[&str] = &["OnFailure", "Never"];

const fn maker(
    kind: &'static str,
    api: &'static str,
    way: &'static [&'static str],
    policies: &'static [&'static str],
) -> Maker {
    Maker {
        kind,
        api,
        way,
        policies,
    }
}

static MAKERS: [Maker; 9] = [
    maker("Pod", "v1", &[], ANY),
    maker("PodTemplate", "v1", &["template"], ANY),
    maker(
        "ReplicationController",
        "v1",
        &["spec", "template"],
        FOREVER,
    ),
    maker("Deployment", "apps/v1", &["spec", "template"], FOREVER),
    maker("StatefulSet", "apps/v1", &["spec", "template"], FOREVER),
    maker("DaemonSet", "apps/v1", &["spec", "template"], FOREVER),
    maker("ReplicaSet", "apps/v1", &["spec", "template"], FOREVER),
    maker("Job", BATCH, &["spec", "template"], TO_AN_END),
    maker(
        "CronJob",
        BATCH,
        &["spec", "jobTemplate", "spec", "template"],
        TO_AN_END,
    ),
];

/// A document that has a pod in it.
struct Candidate<'t> {
    root: Spot<'t>,
    /// None: it is a bare PodSpec.
    maker: Option<&'static Maker>,
    name: Option<&'t str>,
}

/// The pod that is meant.
pub(super) struct Chosen<'t> {
    pub spec: Spot<'t>,
    /// The pod's own, not those of whatever makes it. A bare PodSpec has none.
    pub metadata: Option<Spot<'t>>,
    /// That its object goes by.
    pub name: Option<String>,
}

/// The chosen pod.
pub(super) fn choose<'t>(
    documents: &'t [Rc<Node>],
    around: &Around,
    findings: &'t Findings,
) -> Option<Chosen<'t>> {
    let mut candidates = Vec::new();
    let mut others = Vec::new();
    for document in documents {
        gather(Spot::root(document, findings), &mut candidates, &mut others);
    }
    if candidates.is_empty() && !findings.is_clean() {
        return None;
    }
    match pick(candidates, &others, around.wanted) {
        Ok(chosen) => chosen.spec(),
        Err(why) => {
            findings.fault(None, "", why);
            None
        }
    }
}

/// The candidate of the wanted name, or the only one.
fn pick<'t>(
    mut candidates: Vec<Candidate<'t>>,
    others: &[String],
    wanted: Option<&str>,
) -> Result<Candidate<'t>, String> {
    let all = some_of(candidates.iter().map(Candidate::described));
    if candidates.is_empty() {
        let makers = some_of(MAKERS[1..].iter().map(|maker| maker.kind.to_owned()));
        let only = match others {
            [] => String::new(),
            others => format!(", only {}", some_of(others.iter().cloned())),
        };
        return Err(format!(
            "there is no pod in it{only}; monopod runs a Pod, a PodSpec, or the template of a {makers}"
        ));
    }
    if let Some(wanted) = wanted {
        candidates.retain(|candidate| candidate.name == Some(wanted));
    }
    match (candidates.len(), wanted) {
        (1, _) => Ok(candidates.swap_remove(0)),
        (_, None) => Err(format!(
            "there are several pods in it; choose one by --pod: {all}"
        )),
        (0, Some(wanted)) => Err(format!(
            "no pod is named {}; there is {all}",
            quoted(wanted)
        )),
        (n, Some(wanted)) => Err(format!("{n} pods are named {}", quoted(wanted))),
    }
}

/// The first ten in words: a file may have thousands.
fn some_of(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let more = items.len().saturating_sub(10);
    items.truncate(10);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    items.join(", ") + &more
}

fn gather<'t>(root: Spot<'t>, candidates: &mut Vec<Candidate<'t>>, others: &mut Vec<String>) {
    if !root.is_map() {
        root.fault("a document is a map; this is no manifest");
        return;
    }
    let name = root
        .inside("metadata")
        .and_then(|metadata| metadata.inside("name"));
    let name = name.filter(Spot::is_text).and_then(|name| name.text());
    let Some(kind_spot) = root.inside("kind") else {
        match (root.inside("containers"), root.inside("spec")) {
            (None, Some(_)) => root.fault("kind is missing; write for example kind: Pod"),
            (None, None) => {
                root.fault("has neither a kind nor containers, so it is no Pod and no PodSpec")
            }
            _ => candidates.push(Candidate {
                root,
                maker: None,
                name,
            }),
        }
        return;
    };
    let Some(kind) = kind_spot.text() else { return };
    if kind == "List" || kind == "PodList" {
        let items = root
            .inside("items")
            .map(|items| items.list())
            .unwrap_or_default();
        items
            .into_iter()
            .for_each(|item| gather(item, candidates, others));
        return;
    }
    let Some(maker) = MAKERS.iter().find(|maker| maker.kind == kind) else {
        match MAKERS
            .iter()
            .find(|maker| maker.kind.eq_ignore_ascii_case(kind))
        {
            Some(meant) => {
                kind_spot.fault(format!(
                    "found {}; did you mean {}?",
                    quoted(kind),
                    meant.kind
                ));
            }
            None => others.push(quoted(kind)),
        }
        return;
    };
    match root.inside("apiVersion") {
        None => root.fault(format!("apiVersion is missing; a {kind} has {}", maker.api)),
        Some(spot) => match spot.text() {
            Some(api) if api != maker.api => {
                spot.fault(format!("found {}; a {kind} has {}", quoted(api), maker.api));
            }
            _ => {}
        },
    }
    candidates.push(Candidate {
        root,
        maker: Some(maker),
        name,
    });
}

impl<'t> Candidate<'t> {
    fn described(&self) -> String {
        let kind = self.maker.map_or("PodSpec", |maker| maker.kind);
        match self.name {
            Some(name) => format!("{} ({kind}, line {})", quoted(name), self.root.line()),
            None => format!("a {kind} without a name (line {})", self.root.line()),
        }
    }

    /// The way down to the PodSpec.
    fn spec(self) -> Option<Chosen<'t>> {
        let Some(maker) = self.maker else {
            return Some(Chosen {
                spec: self.root,
                metadata: None,
                name: None,
            });
        };
        let mut holder = self.root.clone();
        for step in maker.way {
            match holder.inside(step) {
                Some(inner) => {
                    if *step == "template" && maker.api == BATCH {
                        tell_what_a_job_says(&holder);
                    }
                    holder = inner;
                }
                None => {
                    holder.fault(format!("{step} is missing"));
                    return None;
                }
            }
        }
        let kind = if maker.way.is_empty() {
            &fates::POD
        } else {
            &fates::TEMPLATE
        };
        let object = holder.object(kind);
        for metadata in [
            self.root.inside("metadata"),
            object.get("metadata").cloned(),
        ]
        .into_iter()
        .flatten()
        {
            check_metadata(&metadata);
        }
        let spec = object.required("spec")?.clone();
        check_policy(&spec, maker);
        Some(Chosen {
            spec,
            metadata: object.get("metadata").cloned(),
            name: self.name.map(str::to_owned),
        })
    }
}

/// Two fields of a Job's own spec have namesakes or counterparts in its pod, and are easily taken for them.
fn tell_what_a_job_says(job: &Spot) {
    for (field, instead) in [
        (
            "activeDeadlineSeconds",
            "for the pod to end by then, say it in the template's spec",
        ),
        (
            "backoffLimit",
            "the template's restartPolicy decides what is tried again, and OnFailure has no limit",
        ),
    ] {
        if let Some(spot) = job.inside(field) {
            let path = spot.path();
            job.findings.warn(format!(
                "{path} is the job's own and not followed, for only the template is; {instead}"
            ));
        }
    }
}

fn check_metadata(metadata: &Spot) {
    let metadata = metadata.object(&fates::METADATA);
    if let Some(spot) = metadata.get("name")
        && let Some(name) = spot.text()
        && let Err(rule) = names::subdomain(name)
    {
        spot.fault(format!("found {}; {rule}", quoted(name)));
    }
    for field in ["labels", "annotations"] {
        metadata.get(field).map(Spot::texts);
    }
}

/// A Deployment's pods are restarted for ever, a Job's are not; the API server has no other.
fn check_policy(spec: &Spot, maker: &Maker) {
    let Some(spot) = spec.inside("restartPolicy") else {
        if !maker.policies.contains(&"Always") {
            let allowed = maker.policies.join(" or ");
            spec.fault(format!(
                "restartPolicy is missing; a {} needs {allowed}",
                maker.kind
            ));
        }
        return;
    };
    if spot.is_text()
        && let Some(policy) = spot.text()
        && ANY.contains(&policy)
        && !maker.policies.contains(&policy)
    {
        spot.fault(format!(
            "found {policy}; a {} allows {}",
            maker.kind,
            maker.policies.join(" and ")
        ));
    }
}

impl Spot<'_> {
    fn is_map(&self) -> bool {
        matches!(self.value(), Value::Map(_))
    }
}
