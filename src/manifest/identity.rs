//! securityContext, of the pod and of a container, to who a program runs as.
//!
//! Users and groups are numbers: there need not be an /etc/passwd, and its groups are not looked up. What only a
//! runtime can do (seccomp, SELinux, a read-only root) is left to the outer container, or cannot be had.

use super::Around;
use super::fates;
use super::fault::quoted;
use super::names;
use super::spot::{Object, Spot};
use crate::plan::Identity;
use crate::spelling;

/// The API's largest uid and gid.
const LARGEST_ID: i64 = i32::MAX as i64;

/// What the pod says for all its containers.
#[derive(Clone, Default)]
pub(super) struct PodIdentity {
    uid: Option<u32>,
    gid: Option<u32>,
    non_root: Option<bool>,
    groups: Vec<u32>,
}

/// Reads the pod's securityContext.
pub(super) fn of_pod(spec: &Object) -> PodIdentity {
    let Some(context) = spec.get("securityContext") else {
        return PodIdentity::default();
    };
    let context = context.object(&fates::POD_SECURITY_CONTEXT);
    let supplemental = context.list("supplementalGroups");
    let mut groups: Vec<u32> = supplemental.iter().filter_map(id).collect();
    if let Some(group) = context.get("fsGroup").and_then(id)
        && !groups.contains(&group)
    {
        groups.push(group);
    }
    PodIdentity {
        uid: context.get("runAsUser").and_then(id),
        gid: context.get("runAsGroup").and_then(id),
        non_root: context.flag("runAsNonRoot"),
        groups,
    }
}

fn id(spot: &Spot) -> Option<u32> {
    u32::try_from(spot.number(0..=LARGEST_ID)?).ok()
}

/// Reads a container's securityContext, which comes before the pod's.
pub(super) fn of_container(container: &Object, pod: &PodIdentity, around: &Around) -> Identity {
    let mut identity = Identity {
        uid: pod.uid,
        gid: pod.gid,
        groups: pod.groups.clone(),
        ..Identity::default()
    };
    let mut non_root = pod.non_root;
    let mut where_said = container.spot.clone();
    if let Some(spot) = container.get("securityContext") {
        where_said = spot.clone();
        let context = spot.object(&fates::SECURITY_CONTEXT);
        identity.uid = context.get("runAsUser").and_then(id).or(identity.uid);
        identity.gid = context.get("runAsGroup").and_then(id).or(identity.gid);
        non_root = context.flag("runAsNonRoot").or(non_root);
        identity.no_new_privileges = context.flag("allowPrivilegeEscalation") == Some(false);
        let adds_admin = capabilities(&context, &mut identity);
        // The value of a field that is left to the outer container is looked at for this rule only.
        let is_privileged = spot.inside("privileged").and_then(|spot| spot.flag()) == Some(true);
        if identity.no_new_privileges && (adds_admin || is_privileged) {
            let what = if is_privileged {
                "privileged"
            } else {
                "the capability SYS_ADMIN"
            };
            spot.fault(format!(
                "allowPrivilegeEscalation: false and {what} exclude each other"
            ));
        }
    }
    let uid = identity.uid.unwrap_or(around.uid);
    if non_root == Some(true) && identity.uid.is_none() && !around.is_run {
        where_said.findings.note(format!(
            "{}: runAsNonRoot is true without a runAsUser, so monopod itself must not be root at run time",
            where_said.path()
        ));
    } else if non_root == Some(true) && uid == 0 {
        let whose = match identity.uid {
            Some(_) => "runAsUser is 0",
            None => "it would run as monopod itself, which is root; give runAsUser",
        };
        where_said.fault(format!("runAsNonRoot is true, but {whose}"));
    }
    identity
}

/// As container runtimes do it: ALL first, then what is named is added, then what is named is dropped. Returns whether
/// SYS_ADMIN is added.
fn capabilities(context: &Object, identity: &mut Identity) -> bool {
    let Some(spot) = context.get("capabilities") else {
        return false;
    };
    let lists = spot.object(&fates::CAPABILITIES);
    let (adds_all, mut added) = named(&lists.list("add"));
    let (drops_all, mut dropped) = named(&lists.list("drop"));
    added.retain(|number| !dropped.contains(number));
    if adds_all && !drops_all {
        added = names::all_capabilities()
            .filter(|number| !dropped.contains(number))
            .collect();
    }
    if drops_all {
        dropped = names::all_capabilities()
            .filter(|number| !added.contains(number))
            .collect();
    }
    let adds_admin = names::capability("SYS_ADMIN").is_some_and(|admin| added.contains(&admin));
    identity.add_capabilities = added;
    identity.drop_capabilities = dropped;
    adds_admin
}

fn named(items: &[Spot]) -> (bool, Vec<u8>) {
    let mut all = false;
    let mut numbers = Vec::new();
    for item in items {
        match item.text() {
            None => {}
            Some("ALL") => all = true,
            Some(name) => match names::capability(name) {
                Some(number) if numbers.contains(&number) => {}
                Some(number) => numbers.push(number),
                None if item.findings.is_full() => item.fault("is no capability"),
                None => item.fault(unknown(name)),
            },
        }
    }
    (all, numbers)
}

fn unknown(name: &str) -> String {
    let bare = name.strip_prefix("CAP_").unwrap_or(name);
    match spelling::nearest(bare, names::capabilities().chain(["ALL"])) {
        Some(meant) => format!("found {}; did you mean {meant}?", quoted(name)),
        None => format!(
            "{} is no capability; write for example NET_BIND_SERVICE, or ALL",
            quoted(name)
        ),
    }
}
