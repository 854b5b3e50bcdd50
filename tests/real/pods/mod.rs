//! Pod manifests, really: the scenarios of which the examples are made, each with its own example as the manifest, and what only
//! a manifest can get wrong.
//!
//! An example runs as it stands or with figures scaled down by [`pod::Edit`]; orders and counts are never touched. An edit
//! that finds nothing fails its story, so no example changes behind its story's back.

mod faults;
mod gates;
mod load;
mod many;
mod ordering;
mod output;
mod phases;
pub mod pod;
mod probing;
mod reasons;
mod restarting;
mod root;
mod status;
mod stopping;
mod trees;

use crate::harness::Case;

/// The stories of this room.
pub fn cases() -> Vec<Case> {
    [
        ordering::cases(),
        probing::cases(),
        gates::cases(),
        output::cases(),
        restarting::cases(),
        reasons::cases(),
        stopping::cases(),
        phases::cases(),
        trees::cases(),
        many::cases(),
        load::cases(),
        faults::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
