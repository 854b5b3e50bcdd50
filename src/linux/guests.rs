//! Children that were there before us, when a shell with something in the background became monopod.
//!
//! They are not ours to signal or to wait for, but ours to collect. PID 1 has none: all that lives in its namespace is in
//! its care, and ends with it anyway.

use super::family;
use nix::errno::Errno;

/// The guests that are left.
#[derive(Debug)]
pub struct Guests {
    own_pid: i32,
    pids: Vec<i32>,
}

impl Guests {
    /// To be asked before anything is started. Without /proc they cannot be told from what is started later.
    pub fn find(own_pid: i32) -> Guests {
        let any = own_pid != 1 && has_children();
        let pids = any
            .then(|| family::children(own_pid))
            .flatten()
            .unwrap_or_default();
        Guests { own_pid, pids }
    }

    /// Who they are.
    pub fn pids(&self) -> &[i32] {
        &self.pids
    }

    /// `pid` was collected. True if it was a guest.
    pub fn leave(&mut self, pid: i32) -> bool {
        let before = self.pids.len();
        self.pids.retain(|guest| *guest != pid);
        self.pids.len() < before
    }

    /// Whether there are guests, and no other child that is waited for. The helper is no such child.
    pub fn are_alone(&self) -> bool {
        let stranger = |pid: &i32| !self.pids.contains(pid) && is_waited_for(*pid);
        !self.pids.is_empty()
            && family::children(self.own_pid).is_some_and(|children| !children.iter().any(stranger))
    }
}

fn has_children() -> bool {
    look(libc::P_ALL, 0) != Err(Errno::ECHILD)
}

fn is_waited_for(pid: i32) -> bool {
    look(libc::P_PID, pid as libc::id_t) != Err(Errno::ECHILD)
}

/// Looks whether there is such a child, and collects nothing.
fn look(kind: libc::idtype_t, id: libc::id_t) -> Result<(), Errno> {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: info outlives the call.
    Errno::result(unsafe { libc::waitid(kind, id, &mut info, options) }).map(drop)
}
