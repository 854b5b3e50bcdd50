//! Becoming somebody else between fork and exec: groups, group, user, capabilities, no new privileges.
//!
//! In this order, because each step may need a right that a later one gives up. Capabilities outlive the change of user
//! only by a wish (`PR_SET_KEEPCAPS`), and the exec of a uid that is not 0 only if they are *ambient*; what is dropped
//! leaves the bounding set too, or a setuid program would bring it back.
//!
//! A monopod that is not root can be given a manifest that is made for its own uid: what it is already, it need not
//! become; what it does not have, it need not drop.
//!
//! What surprised us: in a real pod an added capability does nothing for a uid that is not 0, because container runtimes
//! raise no ambient ones. Whoever writes it down expects it to work, so here it does.

use crate::plan::Identity;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setgroups, setresgid, setresuid};

/// `_LINUX_CAPABILITY_VERSION_3` of capset(2): two words of 32 capabilities a set.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// A set of capabilities by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capabilities(u64);

impl Capabilities {
    fn of(numbers: &[u8]) -> Capabilities {
        let bits = numbers.iter().filter(|number| **number < 64);
        Capabilities(bits.fold(0, |set, number| set | 1 << number))
    }

    fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    fn with(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    fn holds(self, number: u8) -> bool {
        number < 64 && self.0 & 1 << number != 0
    }
}

/// The sets of a process that decide what its program will have.
#[derive(Clone, Copy, Debug)]
struct Sets {
    permitted: Capabilities,
    inheritable: Capabilities,
}

/// In the child: becomes `identity`.
pub fn assume(identity: &Identity) -> Result<(), Errno> {
    let changes_user = identity.uid.is_some_and(|uid| uid != geteuid().as_raw());
    if identity.uid.is_some() || identity.gid.is_some() || !identity.groups.is_empty() {
        become_groups(identity)?;
    }
    let capabilities =
        !identity.drop_capabilities.is_empty() || !identity.add_capabilities.is_empty();
    let before = match capabilities || changes_user {
        true => Some(held()?),
        false => None,
    };
    if let Some(before) = before {
        check_added(identity, before.permitted)?;
        bound(identity, before.permitted)?;
        if !identity.add_capabilities.is_empty() {
            prctl::set_keepcaps(true)?;
        }
    }
    if let Some(uid) = identity.uid {
        let uid = Uid::from_raw(uid);
        setresuid(uid, uid, uid)?;
    }
    if let Some(before) = before {
        let added = Capabilities::of(&identity.add_capabilities);
        let dropped = Capabilities::of(&identity.drop_capabilities).without(added);
        let left = match changes_user && !geteuid().is_root() {
            true => Sets {
                permitted: added,
                inheritable: added,
            },
            false => Sets {
                permitted: before.permitted.without(dropped),
                inheritable: before.inheritable.without(dropped).with(added),
            },
        };
        hold(left, added)?;
    }
    if identity.no_new_privileges {
        prctl::set_no_new_privs()?;
    }
    Ok(())
}

/// No group stays that was not asked for. Without the right to change them, those that are there will do if there is
/// none too few.
fn become_groups(identity: &Identity) -> Result<(), Errno> {
    let wanted: Vec<Gid> = identity
        .groups
        .iter()
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    let keeps = identity.uid.is_none() && identity.gid.is_none();
    let present = getgroups()?;
    let all = match keeps {
        true => [present.clone(), wanted.clone()].concat(),
        false => wanted.clone(),
    };
    match setgroups(&all) {
        Err(Errno::EPERM) => {
            let has = |gid: &Gid| present.contains(gid) || *gid == getegid();
            wanted.iter().all(has).then_some(()).ok_or(Errno::EPERM)?;
        }
        outcome => outcome?,
    }
    if let Some(gid) = identity.gid {
        let gid = Gid::from_raw(gid);
        setresgid(gid, gid, gid)?;
    }
    Ok(())
}

/// What is not ours cannot be given.
fn check_added(identity: &Identity, before: Capabilities) -> Result<(), Errno> {
    let mut added = identity.add_capabilities.iter();
    let has_all = added.all(|number| before.holds(*number));
    has_all.then_some(()).ok_or(Errno::EPERM)
}

/// Takes what is dropped out of the bounding set. Where that is refused, it matters only if there is something to lose.
fn bound(identity: &Identity, before: Capabilities) -> Result<(), Errno> {
    let added = Capabilities::of(&identity.add_capabilities);
    let dropped = identity.drop_capabilities.iter().copied();
    for number in dropped.filter(|number| !added.holds(*number)) {
        // SAFETY: plain numbers.
        let outcome = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number)) };
        match Errno::result(outcome) {
            // A number that this kernel does not know (EINVAL) is a right that nobody has.
            Ok(_) | Err(Errno::EINVAL) => {}
            Err(_) if !before.holds(number) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn header() -> Header {
    Header {
        version: VERSION,
        pid: 0,
    }
}

/// What this process has.
fn held() -> Result<Sets, Errno> {
    let mut header = header();
    let mut halves = [Half::default(); 2];
    // SAFETY: both are the kernel's own layout and outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut halves) })?;
    let join = |word: fn(Half) -> u32| {
        let [low, high] = halves.map(|half| u64::from(word(half)));
        Capabilities(high << 32 | low)
    };
    Ok(Sets {
        permitted: join(|half| half.permitted),
        inheritable: join(|half| half.inheritable),
    })
}

/// Keeps `left` and no more, and `added` through the exec too, which for uid 0 the bounding set decides alone. What is no
/// longer inheritable is no longer ambient (capabilities(7)).
fn hold(left: Sets, added: Capabilities) -> Result<(), Errno> {
    let half = |shift: u32| Half {
        effective: (left.permitted.0 >> shift) as u32,
        permitted: (left.permitted.0 >> shift) as u32,
        inheritable: (left.inheritable.0 >> shift) as u32,
    };
    let mut header = header();
    let halves = [half(0), half(32)];
    // SAFETY: as above; the second is only read.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const halves) })?;
    if geteuid().is_root() {
        return Ok(());
    }
    for number in (0..64).filter(|number| added.holds(*number)) {
        raise_ambient(number)?;
    }
    Ok(())
}

fn raise_ambient(number: u8) -> Result<(), Errno> {
    let (number, unused) = (libc::c_ulong::from(number), 0 as libc::c_ulong);
    let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
    // SAFETY: plain numbers.
    let outcome = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number, unused, unused) };
    Errno::result(outcome).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_set_are_in_no_set() {
        let set = Capabilities::of(&[0, 10, 63, 64, 255]);
        assert!(set.holds(0) && set.holds(10) && set.holds(63));
        assert!(!set.holds(64) && !set.holds(255) && !set.holds(1));
        assert_eq!(set.without(set), Capabilities(0));
    }

    #[test]
    fn who_is_to_become_nobody_else_needs_no_right() {
        // In this very process: that it changes nothing is what is claimed.
        assert_eq!(assume(&Identity::default()), Ok(()));
    }
}
