//! securityContext.

use super::{World, faults, one, understood};

#[test]
fn a_container_says_more_than_its_pod() {
    let text = "
securityContext: {runAsUser: 1000, runAsGroup: 1001, fsGroup: 5, supplementalGroups: [6, 7], runAsNonRoot: true}
containers:
- {name: a, command: [a]}
- name: b
  command: [b]
  securityContext:
    runAsUser: 2000
    allowPrivilegeEscalation: false
    capabilities: {add: [NET_BIND_SERVICE, CHOWN], drop: [ALL]}
  livenessProbe: {exec: {command: [x]}}
";
    let understood = understood(text);
    let a = &understood.program("a").identity;
    assert_eq!((a.uid, a.gid), (Some(1000), Some(1001)));
    assert_eq!(a.groups, [6, 7, 5]);
    assert!(!a.no_new_privileges && a.drop_capabilities.is_empty());
    let b = &understood.program("b").identity;
    assert_eq!(
        (b.uid, b.gid, b.no_new_privileges),
        (Some(2000), Some(1001), true)
    );
    assert_eq!(b.add_capabilities, [10, 0]);
    assert_eq!(b.drop_capabilities.len(), 39);
    assert!(!b.drop_capabilities.contains(&10) && b.drop_capabilities.contains(&40));
    let probe = understood
        .programs
        .iter()
        .find(|program| program.name == "livenessProbe of b");
    assert_eq!(
        &probe.expect("there is one").identity,
        b,
        "its probe runs as it does"
    );
}

#[test]
fn capabilities_add_up_as_in_a_runtime() {
    let caps = |lists: &str| {
        let text = one(&format!("securityContext: {{capabilities: {lists}}}"));
        let identity = understood(&text).program("web").identity.clone();
        (identity.add_capabilities, identity.drop_capabilities)
    };
    assert_eq!(caps("{add: [KILL, KILL], drop: [KILL]}"), (vec![], vec![5]));
    let (added, dropped) = caps("{add: [ALL], drop: [CHOWN]}");
    assert_eq!((added.len(), dropped), (40, vec![0]));
    let (added, dropped) = caps("{add: [ALL], drop: [ALL]}");
    assert_eq!((added.len(), dropped.len()), (0, 41));
}

#[test]
fn nobody_who_must_not_be_root_is_root() {
    let asked = one("securityContext: {runAsNonRoot: true}");
    assert!(faults(&asked)[0].contains(
        "containers[0].securityContext: runAsNonRoot is true, but it would run as monopod"
    ));
    let world = World {
        uid: 1000,
        ..World::default()
    };
    world.understood(&asked);
    let check = World {
        is_check: true,
        ..World::default()
    };
    let notes = check.understood(&asked).notes;
    assert!(
        notes[0].contains("runAsNonRoot is true without a runAsUser"),
        "whoever checks need not be who runs: {notes:?}"
    );
    let zero = one("securityContext: {runAsNonRoot: true, runAsUser: 0}");
    assert!(world.faults(&zero)[0].contains("runAsUser is 0"));
    assert!(check.faults(&zero)[0].contains("runAsUser is 0"));
    let by_pod = format!("securityContext: {{runAsNonRoot: true}}\n{}", one(""));
    assert_eq!(faults(by_pod).len(), 1);
    let taken_back = format!(
        "securityContext: {{runAsNonRoot: true}}\n{}",
        one("securityContext: {runAsNonRoot: false}")
    );
    understood(&taken_back);
}
