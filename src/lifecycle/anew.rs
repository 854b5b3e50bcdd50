//! All containers are started anew because a rule of one of them says so (RestartAllContainers, kubelet-semantics E.6).
//!
//! Whatever lives is stopped without a hook and with the two seconds that are always granted (S158), and when nothing lives
//! any more the order begins with the first init container again. The container whose rule it was rests in its place, as
//! its back-off says.

use super::container::Standing;
use super::crew::Crew;
use super::instance::StopOrder;
use super::order::Order;
use crate::machine::{Happening, KillCause};
use crate::plan::{ContainerId, Signal};
use crate::time::Time;

/// A new start that waits for the end of what was.
#[derive(Debug)]
pub struct Anew;

impl Anew {
    /// Has everybody stopped.
    pub fn begin(now: Time, by: ContainerId, crew: &mut Crew) -> Anew {
        crew.desk.say(Happening::RestartingAll(by));
        crew.with_all(|container, post| {
            let order = StopOrder {
                cause: KillCause::RestartAll,
                stop_by: now,
                signal: Signal::TERM,
                waits: false,
            };
            container.stop(now, order, post);
        });
        Anew
    }

    /// Whether nothing lives any more; then the order has begun again.
    pub fn is_over(&self, crew: &mut Crew, order: &mut Order) -> bool {
        let over = crew
            .seen()
            .iter()
            .all(|seen| seen.standing != Standing::Live);
        if over {
            crew.with_all(|container, post| container.begin_anew(post.plan.role));
            crew.note();
            order.begin_anew();
        }
        over
    }
}
