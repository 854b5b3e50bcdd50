//! What is relayed though nobody asked for it.

use super::*;
use crate::plan::{Conduct, Identity, Passthrough, Placement, Program};

fn plan(uids: &[Option<u32>]) -> Plan {
    let program = |uid: &Option<u32>| Program {
        placement: Placement::Group,
        identity: Identity {
            uid: *uid,
            ..Identity::default()
        },
        ..Program::bare(format!("{uid:?}"), Vec::new())
    };
    let conduct = Conduct::Passthrough(Passthrough::bare(None));
    Plan::bare(uids.iter().map(program).collect(), conduct)
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
