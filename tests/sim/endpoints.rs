//! What `/startupz` and `/readyz` answer, worked out from what they are made of: the status after a turn, and who was
//! ever told to have started up.
//!
//! The pages themselves are `report::health`'s. This is the same judgement once more, in a few lines and without words,
//! so that every turn of every life can be looked at.

use monopod::machine::{Action, ContainerStatus, Happening, PodStatus};
use monopod::plan::{Conduct, Role};

/// The places of conditions in [`PodStatus::conditions`].
const INITIALIZED: usize = 2;
/// The same.
pub const READY: usize = 4;

/// The endpoints, as they answered after the last turn.
pub struct Endpoints {
    containers: Vec<Seen>,
    /// `/startupz`.
    pub startupz: bool,
    /// `/readyz`.
    pub readyz: bool,
}

struct Seen {
    role: Role,
    /// Was said to have started up. Stays true.
    started_up: bool,
}

impl Endpoints {
    /// Before the first turn. What is no pod never starts up and is never ready.
    pub fn new(conduct: &Conduct) -> Endpoints {
        let containers = match conduct {
            Conduct::Pod(pod) => pod.containers.iter(),
            Conduct::Passthrough(_) => [].iter(),
        };
        let seen = |container: &monopod::plan::Container| Seen {
            role: container.role,
            started_up: false,
        };
        Endpoints {
            containers: containers.map(seen).collect(),
            startupz: false,
            readyz: false,
        }
    }

    /// Looks at what was done and is shown in a turn.
    pub fn look(&mut self, actions: &[Action], status: &PodStatus) {
        for action in actions {
            if let Action::Say(Happening::StartedUp(id)) = action {
                self.containers[id.0].started_up = true;
            }
        }
        let shown = || self.containers.iter().zip(&status.containers);
        let is_up = |(seen, shown): (&Seen, &ContainerStatus)| seen.started_up || shown.started;
        let initialized = status.conditions[INITIALIZED].holds;
        let mut mains = shown().filter(|(seen, _)| seen.role == Role::Main);
        let serving = || shown().filter(|(seen, _)| seen.role != Role::Init);
        self.startupz = (initialized || mains.any(is_up)) && serving().all(is_up);
        let gates = status.gates.iter().all(|gate| *gate == Some(true));
        let ready = serving().all(|(_, shown)| shown.ready);
        self.readyz = initialized && ready && gates && status.stopping_since.is_none();
    }
}
