//! The inherited mark: a variable in the environment of every process that came of an entry of a manifest.
//!
//! `MONOPOD_RUN=TOKEN.CONTAINER.RUN`: which monopod (64 random bits, for two may share a /proc), for which container, and
//! which run. A process keeps it through fork, setsid and exec, so it tells whose a process is that has left its parents,
//! its group and its session; `tree` looks for it. A monopod that is itself an entry of another's manifest puts its own
//! behind the other's and a `/`.
//!
//! It is a label, no lock: whoever clears its environment (`env -i`, `su -`, cron) or writes over it (setproctitle: nginx,
//! postgres) has taken it off, and is found by parentage only.

use crate::machine::RunId;
use crate::plan::ContainerId;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

/// The name of the variable.
pub const VARIABLE: &str = "MONOPOD_RUN";

/// A longer inherited value is none of ours and not carried on.
const LONGEST_INHERITED_BYTES: usize = 512;

/// Whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The run that it came of.
    pub run: RunId,
    /// The container that it was run for.
    pub container: Option<ContainerId>,
}

/// Gives out marks and knows them again.
#[derive(Debug)]
pub struct Marks {
    token: String,
    inherited: Vec<u8>,
}

impl Marks {
    /// Marks that no other monopod gives.
    pub fn new() -> Marks {
        let inherited = std::env::var_os(VARIABLE).filter(|v| v.len() <= LONGEST_INHERITED_BYTES);
        Marks {
            token: format!("{:016x}", random()),
            inherited: inherited.map_or_else(Vec::new, |value| value.as_bytes().to_vec()),
        }
    }

    /// The variable for a process of `owner`.
    pub fn variable(&self, owner: Owner) -> CString {
        let mut variable = format!("{VARIABLE}=").into_bytes();
        if !self.inherited.is_empty() {
            variable.extend(&self.inherited);
            variable.push(b'/');
        }
        let container = owner.container.map_or(String::new(), |id| id.0.to_string());
        variable.extend(format!("{}.{container}.{}", self.token, owner.run.0).bytes());
        CString::new(variable).expect("what was a variable of ours holds no null byte")
    }

    /// Whose process it is that has this environment, if it has a mark of ours.
    pub fn owner(&self, environment: &[u8]) -> Option<Owner> {
        let variables = environment.split(|byte| *byte == 0);
        let values = variables.filter_map(|variable| {
            let value = variable.strip_prefix(VARIABLE.as_bytes())?;
            std::str::from_utf8(value.strip_prefix(b"=")?).ok()
        });
        let mut marks = values.flat_map(|value| value.split('/'));
        marks.find_map(|mark| self.read(mark))
    }

    fn read(&self, mark: &str) -> Option<Owner> {
        let mut parts = mark.strip_prefix(&self.token)?.split('.').skip(1);
        let container = match parts.next()? {
            "" => None,
            number => Some(ContainerId(number.parse().ok()?)),
        };
        let run = RunId(parts.next()?.parse().ok()?);
        Some(Owner { run, container })
    }
}

/// 64 bits that differ from one monopod to the next. Not a secret: whoever may read an environment may read the token.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the buffer is ours and as long as we say. Does not wait for a machine that has not gathered entropy yet.
    let got =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if got == bytes.len() as isize {
        return u64::from_ne_bytes(bytes);
    }
    // So early there is hardly a second monopod: its pid and where its stack happens to lie must do.
    u64::from(std::process::id()) << 32 ^ bytes.as_ptr() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(run: u32, container: Option<usize>) -> Owner {
        Owner {
            run: RunId(run),
            container: container.map(ContainerId),
        }
    }

    #[test]
    fn a_mark_is_known_again_among_other_variables() {
        let marks = Marks::new();
        for whose in [owner(7, Some(3)), owner(u32::MAX, None)] {
            let mut environment = b"A=MONOPOD_RUN=1.2.3\0".to_vec();
            environment.extend(marks.variable(whose).as_bytes_with_nul());
            environment.extend(b"B=2\0");
            assert_eq!(marks.owner(&environment), Some(whose));
        }
    }

    #[test]
    fn what_is_not_ours_is_nobodys() {
        let (ours, others) = (Marks::new(), Marks::new());
        let foreign = others.variable(owner(1, Some(1)));
        assert_eq!(ours.owner(foreign.as_bytes()), None);
        for nonsense in [
            "",
            "MONOPOD_RUN",
            "MONOPOD_RUN=",
            "MONOPOD_RUN=.1.2",
            "MONOPOD_RUN=\u{e9}",
        ] {
            assert_eq!(ours.owner(nonsense.as_bytes()), None, "{nonsense}");
        }
        let cut = format!("MONOPOD_RUN={}.1", ours.token);
        assert_eq!(ours.owner(cut.as_bytes()), None);
    }

    #[test]
    fn a_monopod_within_a_monopod_keeps_the_outer_mark() {
        let outer = Marks::new();
        let inner = Marks {
            inherited: outer.variable(owner(5, Some(0))).as_bytes()[VARIABLE.len() + 1..].to_vec(),
            ..Marks::new()
        };
        let both = inner.variable(owner(9, Some(2)));
        assert_eq!(outer.owner(both.as_bytes()), Some(owner(5, Some(0))));
        assert_eq!(inner.owner(both.as_bytes()), Some(owner(9, Some(2))));
    }
}
