//! Signals as numbers, with their names.
//!
//! A number, not nix's `Signal`: that type has no real-time signals, so a process killed by one could be neither
//! described nor forwarded. Numbers 32 and 33 belong to the C library's threads and can be neither caught nor sent on.

use std::fmt;

/// A signal by its number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

const NAMES: [(&str, i32); 31] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The kernel's first and last real-time signal that programs can name. glibc says 34 and musl 35; both are taken as
/// RTMIN+0 = 34, which is what container runtimes and `docker kill` use.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// What asks for a stop unless somebody says otherwise: `docker stop`'s and the kubelet's, and Ctrl-C's.
    pub const ASKING: [Signal; 2] = [Signal::TERM, Signal::INT];

    /// SIGHUP.
    pub const HUP: Signal = Signal(1);
    /// SIGINT.
    pub const INT: Signal = Signal(2);
    /// SIGKILL.
    pub const KILL: Signal = Signal(9);
    /// SIGTERM.
    pub const TERM: Signal = Signal(15);
    /// SIGCHLD.
    pub const CHLD: Signal = Signal(17);
    /// SIGCONT.
    pub const CONT: Signal = Signal(18);
    /// SIGSTOP.
    pub const STOP: Signal = Signal(19);
    /// SIGTSTP.
    pub const TSTP: Signal = Signal(20);
    /// SIGTTIN.
    pub const TTIN: Signal = Signal(21);
    /// SIGTTOU.
    pub const TTOU: Signal = Signal(22);

    /// The signal of this number, if the kernel has one.
    pub fn new(number: i32) -> Option<Signal> {
        u8::try_from(number)
            .ok()
            .filter(|n| (1..=RTMAX).contains(n))
            .map(Signal)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// Reads `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse::<i32>() {
            return Signal::new(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let alias = match name {
            "POLL" => "IO",
            "IOT" => "ABRT",
            "CLD" => "CHLD",
            other => other,
        };
        if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == alias) {
            return Signal::new(*number);
        }
        let real_time = |rest: &str, sign: char| match rest {
            "" => Some(0),
            _ => rest
                .strip_prefix(sign)?
                .parse::<u8>()
                .ok()
                .filter(|n| *n <= RTMAX - RTMIN),
        };
        if let Some(rest) = name.strip_prefix("RTMIN") {
            return Some(Signal(RTMIN + real_time(rest, '+')?));
        }
        Some(Signal(RTMAX - real_time(name.strip_prefix("RTMAX")?, '-')?))
    }

    /// Every signal that a process can catch and that monopod forwards: all but KILL and STOP (nobody can catch
    /// them), CHLD (it is news about our own children) and 32 and 33 (the C library's).
    pub fn forwardable() -> impl Iterator<Item = Signal> {
        (1..=RTMAX).map(Signal).filter(|signal| {
            !matches!(*signal, Signal::KILL | Signal::STOP | Signal::CHLD)
                && !(32..RTMIN).contains(&signal.0)
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.number()) {
            Some((name, _)) => write!(out, "SIG{name}"),
            None if self.0 >= RTMIN => write!(out, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(out, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printed_name_is_read_back() {
        for signal in Signal::forwardable() {
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
        }
    }

    #[test]
    fn the_usual_spellings_are_one_signal() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("RTMIN+3").map(Signal::number), Some(37));
        assert_eq!(Signal::parse("SIGRTMAX-1").map(Signal::number), Some(63));
    }

    #[test]
    fn nonsense_is_no_signal() {
        for text in [
            "",
            "SIG",
            "0",
            "65",
            "-1",
            "TERMINATE",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX-99",
        ] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }
}
