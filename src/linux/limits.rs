//! Room for descriptors: as many as a plan may need at one moment, and no other limit for its programs.
//!
//! An idle container needs none. A start needs one until the exec is heard of, a program whose output is kept two more
//! while it runs; one whose output is relayed has four for as long as we live. A thousand starts at once do not fit into the usual soft limit of 1,024. So ours is raised to the hard
//! one where it might not do, and each child gets back what we were started with. If even that is not enough, a start waits
//! for another to come to its exec (`postponed`); where none is under way it is refused with EMFILE as with any other lack,
//! and the machine tries again.

use crate::plan::{Plan, Program, ProgramId};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// For what was inherited and what is our own.
const BESIDE_THE_PROGRAMS: u64 = 64;

/// One for the exec; two for what is kept; both ends of two pipes where output is relayed, or may have to be for another uid.
fn needed(plan: &Plan, id: ProgramId, program: &Program) -> u64 {
    let may_be_relayed = plan.outputs.of(id).is_some() || program.identity.uid.is_some();
    match (program.kept_output, may_be_relayed) {
        (true, _) => 3,
        (false, true) => 5,
        (false, false) => 1,
    }
}

/// The limit on descriptors.
#[derive(Debug)]
pub struct Limits {
    /// Soft and hard, as we were started; if they were changed.
    inherited: Option<(rlim_t, rlim_t)>,
}

impl Limits {
    /// Makes room for `plan`, if there is a doubt.
    pub fn make_room(plan: &Plan) -> Limits {
        let numbered = plan.programs.iter().enumerate();
        let programs: u64 = numbered
            .map(|(place, program)| needed(plan, ProgramId(place), program))
            .sum();
        // A file that is followed needs its folder, too.
        let captures = 2 * plan.outputs.captures.len() as u64;
        let needed = programs + captures + BESIDE_THE_PROGRAMS;
        let inherited = getrlimit(Resource::RLIMIT_NOFILE).ok();
        let inherited = inherited.filter(|(soft, hard)| {
            *soft < needed.min(*hard) && setrlimit(Resource::RLIMIT_NOFILE, *hard, *hard).is_ok()
        });
        Limits { inherited }
    }

    /// In a child.
    pub fn restore(&self) {
        if let Some((soft, hard)) = self.inherited {
            // Lowering is always granted.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}
