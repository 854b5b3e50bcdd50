//! Whether whoever died of SIGKILL was a victim of the out-of-memory killer: the one that the kernel itself sends.
//!
//! The kernel does not say so to a parent. It counts its victims in each cgroup, before it kills; so if the count of our own has
//! risen since we last looked, and somebody has died of SIGKILL, that is taken for the reason. It is looked at only then,
//! and once at the beginning of a life that somebody may look at; where it cannot be read nothing is known.
//!
//! What surprised us: that one look costs 0.15 ms, a fifth of a start. So it comes after the command's.
//!
//! What this cannot tell: which of several it was. A victim that was nobody's child of ours is not noticed, so whoever is
//! killed next by hand is taken for one; containerd, which takes any victim in a container for its end, errs on the
//! same side. Whether monopod sent the SIGKILL itself is the machine's to know.

use crate::machine::{Ending, Fact};
use crate::net::cgroup;
use crate::plan::Signal;

/// How many victims are known of.
#[derive(Debug, Default)]
pub enum Victims {
    /// Not looked yet.
    #[default]
    Unknown,
    /// So many; nothing where it cannot be told.
    Counted(Option<u64>),
}

impl Victims {
    /// Those who were there before us are none of ours. Looks once; to be called when the first programs run already.
    pub fn begin(&mut self) {
        if matches!(self, Victims::Unknown) {
            *self = Victims::Counted(cgroup::oom_kills());
        }
    }

    /// Looks, if any of these facts says that somebody died of SIGKILL, and sets right how.
    pub fn find_among(&mut self, facts: &mut [Fact]) {
        self.find(facts, cgroup::oom_kills);
    }

    fn find(&mut self, facts: &mut [Fact], count: impl FnOnce() -> Option<u64>) {
        let Victims::Counted(Some(known)) = self else {
            return;
        };
        let mut killed = facts.iter_mut().filter_map(killed).peekable();
        if killed.peek().is_none() {
            return;
        }
        let counted = count().unwrap_or(*known);
        if counted > *known {
            killed.for_each(|ending| *ending = Ending::OutOfMemory);
        }
        *known = counted;
    }
}

/// The ending by SIGKILL that this fact tells of.
fn killed(fact: &mut Fact) -> Option<&mut Ending> {
    match fact {
        Fact::Ended(_, ending) | Fact::OrphanReaped { ending, .. } => {
            (*ending == Ending::Killed(Signal::KILL)).then_some(ending)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::RunId;
    use crate::plan::ExitCode;

    const KILLED: Ending = Ending::Killed(Signal::KILL);

    /// How they are said to have ended, where the count is now so high.
    fn found<const N: usize>(
        victims: &mut Victims,
        count: Option<u64>,
        endings: [Ending; N],
    ) -> [Ending; N] {
        let mut facts = endings.map(|ending| Fact::Ended(RunId(1), ending));
        victims.find(&mut facts, || count);
        facts.map(|fact| match fact {
            Fact::Ended(_, ending) => ending,
            _ => unreachable!("it was one"),
        })
    }

    #[test]
    fn who_dies_of_sigkill_when_the_count_has_risen_is_a_victim() {
        let mut victims = Victims::Counted(Some(3));
        let failed = Ending::Exited(ExitCode(1));
        assert_eq!(
            found(&mut victims, Some(5), [failed, KILLED, KILLED]),
            [failed, Ending::OutOfMemory, Ending::OutOfMemory]
        );
        assert_eq!(found(&mut victims, Some(5), [KILLED]), [KILLED]);
        assert_eq!(
            found(&mut victims, Some(6), [KILLED]),
            [Ending::OutOfMemory]
        );
    }

    #[test]
    fn an_orphan_that_was_the_victim_explains_the_count() {
        let mut victims = Victims::Counted(Some(0));
        let orphan = |ending| Fact::OrphanReaped { pid: 9, ending };
        let mut facts = [orphan(KILLED)];
        victims.find(&mut facts, || Some(1));
        assert_eq!(facts, [orphan(Ending::OutOfMemory)]);
        assert_eq!(found(&mut victims, Some(1), [KILLED]), [KILLED]);
    }

    #[test]
    fn nobody_looks_where_nobody_was_killed_or_nothing_can_be_told() {
        let never = || unreachable!("nobody was killed");
        let ended = Fact::Ended(RunId(1), Ending::Killed(Signal::TERM));
        Victims::Counted(Some(0)).find(&mut [ended, Fact::Emptied], never);
        assert_eq!(
            found(&mut Victims::Counted(None), Some(1), [KILLED]),
            [KILLED]
        );
        assert_eq!(found(&mut Victims::Unknown, Some(1), [KILLED]), [KILLED]);
        let mut victims = Victims::Counted(Some(1));
        assert_eq!(found(&mut victims, None, [KILLED]), [KILLED]);
        assert_eq!(
            found(&mut victims, Some(2), [KILLED]),
            [Ending::OutOfMemory]
        );
    }
}
