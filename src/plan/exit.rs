//! Exit codes and how they are changed on the way out.

use super::Signal;

/// What a process leaves behind for `wait`: 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: ExitCode = ExitCode(0);
    /// Something monopod needed was refused (a port, most often).
    pub const FAILURE: ExitCode = ExitCode(1);
    /// The command line was wrong (EX_USAGE of sysexits.h).
    pub const USAGE: ExitCode = ExitCode(64);
    /// A bug in monopod itself (EX_SOFTWARE of sysexits.h).
    pub const BUG: ExitCode = ExitCode(70);
    /// The manifest was wrong (EX_CONFIG of sysexits.h).
    pub const CONFIG: ExitCode = ExitCode(78);
    /// The command is there but cannot be run, as a shell says it.
    pub const CANNOT_EXECUTE: ExitCode = ExitCode(126);
    /// The command is not there, as a shell says it.
    pub const NOT_FOUND: ExitCode = ExitCode(127);

    /// 128 + the signal's number, as a shell and the kubelet say it.
    pub fn by_signal(signal: Signal) -> ExitCode {
        ExitCode(128 + signal.number() as u8)
    }
}

/// Exit codes replaced by others; all others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitMap(Vec<(ExitCode, ExitCode)>);

impl ExitMap {
    /// From now on `from` becomes `to`. A later rule for the same code replaces an earlier one.
    pub fn insert(&mut self, from: ExitCode, to: ExitCode) {
        self.0.retain(|(known, _)| *known != from);
        self.0.push((from, to));
    }

    /// What to leave with. Applied once: 1=2 and 2=3 make of 1 a 2.
    pub fn apply(&self, code: ExitCode) -> ExitCode {
        self.0
            .iter()
            .find(|(from, _)| *from == code)
            .map_or(code, |(_, to)| *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_mapped_once_and_the_last_rule_holds() {
        let mut map = ExitMap::default();
        map.insert(ExitCode(143), ExitCode(1));
        map.insert(ExitCode(1), ExitCode(2));
        map.insert(ExitCode(143), ExitCode(0));
        assert_eq!(map.apply(ExitCode(143)), ExitCode(0));
        assert_eq!(map.apply(ExitCode(1)), ExitCode(2));
        assert_eq!(map.apply(ExitCode(7)), ExitCode(7));
    }
}
