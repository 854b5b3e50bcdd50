//! What is relayed though nobody asked for it.

use super::*;
use crate::plan::{
    Conduct, Environment, ExitMap, Identity, Mask, Passthrough, Placement, Program, Serving, Stdin,
    Target,
};

fn plan(uids: &[Option<u32>]) -> Plan {
    let program = |uid: &Option<u32>| Program {
        name: format!("{uid:?}"),
        argv: Vec::new(),
        placement: Placement::Group,
        foreground: false,
        mask: Mask::Empty,
        stdin: Stdin::Empty,
        environment: Environment::inherited(),
        working_dir: None,
        identity: Identity {
            uid: *uid,
            ..Identity::default()
        },
        kept_output: false,
    };
    Plan {
        programs: uids.iter().map(program).collect(),
        checks: Vec::new(),
        outputs: Outputs::default(),
        conduct: Conduct::Passthrough(Passthrough {
            main: None,
            target: Target::Process,
            rewrites: Vec::new(),
            suspend_self: false,
            farewell: false,
            warn_on_reap: false,
            remap_exit: ExitMap::default(),
        }),
        health: None,
        serving: Serving::default(),
        subreaper: true,
        parent_death_signal: None,
        let_go: true,
    }
}

#[test]
fn who_is_another_uid_before_a_socket_is_relayed_as_it_is() {
    let mut plan = plan(&[None, Some(0), Some(1000), Some(1000)]);
    plan.programs[3].kept_output = true;
    let relayed = |is_socket| with_others_on_sockets(&plan, is_socket, 0).relayed;
    assert!(relayed(false).is_empty());
    let only = relayed(true);
    assert_eq!(only.len(), 1);
    assert_eq!((only[0].0, only[0].1.format), (ProgramId(2), Format::Raw));
}

#[test]
fn nothing_to_relay_is_no_relay() {
    let opened = Relay::open(&plan(&[None]), [false; 2]);
    assert!(matches!(opened, Ok(None)));
}
