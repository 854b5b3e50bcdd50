//! The flags of the own form: the one table. The parser, the help texts and the variables are made from it, and a test
//! compares the README with it.
//!
//! A flag that takes a value has a variable; one that takes none (`--help`) asks for a text and has none.

use crate::spelling;
use std::fmt::Write;

/// A flag of the own form.
#[derive(Debug)]
pub struct Flag {
    /// The name behind the two dashes.
    pub name: &'static str,
    /// The letter behind one dash, if there is one.
    pub short: Option<char>,
    /// What the value is called in texts; a flag without it takes no value.
    pub placeholder: Option<&'static str>,
    /// One line on what it is for, its default included.
    pub help: &'static str,
    /// The variable that is read when the flag is not given.
    pub variable: Option<&'static str>,
    /// Whether it may be given several times, each adding to the last. In the variable: one value a line.
    /// The others may be repeated as well, and the last one counts.
    pub repeatable: bool,
}

const fn takes(
    name: &'static str,
    placeholder: &'static str,
    variable: &'static str,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        short: None,
        placeholder: Some(placeholder),
        help,
        variable: Some(variable),
        repeatable: false,
    }
}

const fn repeatable(flag: Flag) -> Flag {
    Flag {
        repeatable: true,
        ..flag
    }
}

const fn asks(name: &'static str, short: char, help: &'static str) -> Flag {
    Flag {
        name,
        short: Some(short),
        placeholder: None,
        help,
        variable: None,
        repeatable: false,
    }
}

/// `-f FILE`, `--file FILE`. Its variable has a name that says more in an image's list of variables.
pub static FILE: Flag = Flag {
    short: Some('f'),
    ..takes(
        "file",
        "FILE",
        "MONOPOD_MANIFEST",
        "lead the life of the Pod in FILE, YAML or JSON; - is standard input",
    )
};
/// `--pod NAME`
pub static POD: Flag = takes(
    "pod",
    "NAME",
    "MONOPOD_POD",
    "of several pods in the manifest, the one of this name",
);
/// `--exit-code-from NAME`
pub static EXIT_CODE_FROM: Flag = takes(
    "exit-code-from",
    "NAME",
    "MONOPOD_EXIT_CODE_FROM",
    "leave with this container's code (the first that is not 0)",
);
/// `--startup-probe PROBE`
pub static STARTUP_PROBE: Flag = takes(
    "startup-probe",
    "PROBE",
    "MONOPOD_STARTUP_PROBE",
    "hold the other probes back until PROBE succeeds; its failure kills",
);
/// `--liveness-probe PROBE`
pub static LIVENESS_PROBE: Flag = takes(
    "liveness-probe",
    "PROBE",
    "MONOPOD_LIVENESS_PROBE",
    "kill the command when PROBE fails",
);
/// `--readiness-probe PROBE`
pub static READINESS_PROBE: Flag = takes(
    "readiness-probe",
    "PROBE",
    "MONOPOD_READINESS_PROBE",
    "ready only while PROBE succeeds",
);
/// `--post-start CMD`
pub static POST_START: Flag = takes(
    "post-start",
    "CMD",
    "MONOPOD_POST_START",
    "run CMD right after the command was started; its failure kills",
);
/// `-o FORMAT`, `--format FORMAT` of `monopod check`.
pub static FORMAT: Flag = Flag {
    short: Some('o'),
    variable: None,
    ..takes("format", "FORMAT", "", "text or json (text)")
};
/// `--init CMD`
pub static INIT: Flag = repeatable(takes(
    "init",
    "CMD",
    "MONOPOD_INIT",
    "run CMD to success before the command; repeat it for further steps",
));
/// `--init-retries N`
pub static INIT_RETRIES: Flag = takes(
    "init-retries",
    "N",
    "MONOPOD_INIT_RETRIES",
    "try a failed init step again N times, or \"unlimited\" (0)",
);
/// `--env-file FILE`
pub static ENV_FILE: Flag = repeatable(takes(
    "env-file",
    "FILE",
    "MONOPOD_ENV_FILE",
    "add the NAME=value lines of FILE to the environment; later files win",
));
/// `--grace DUR`
pub static GRACE: Flag = takes(
    "grace",
    "DUR",
    "MONOPOD_GRACE",
    "all must be over DUR after a stop was asked for, or 2s after its signal (30s)",
);
/// `--drain DUR`
pub static DRAIN: Flag = takes(
    "drain",
    "DUR",
    "MONOPOD_DRAIN",
    "of the grace, go on serving for DUR, not ready, before the stop (0)",
);
/// `--stop-on SIG[,SIG...]`
pub static STOP_ON: Flag = takes(
    "stop-on",
    "SIG[,SIG]",
    "MONOPOD_STOP_ON",
    "the signals that ask for the stop, the image's STOPSIGNAL too (TERM,INT)",
);
/// `--stop-signal SIG`
pub static STOP_SIGNAL: Flag = takes(
    "stop-signal",
    "SIG",
    "MONOPOD_STOP_SIGNAL",
    "stop the command with SIG instead of the signal that asked",
);
/// `--pre-stop CMD`
pub static PRE_STOP: Flag = takes(
    "pre-stop",
    "CMD",
    "MONOPOD_PRE_STOP",
    "run CMD before the command gets its stop signal",
);
/// `--remap-exit A=B`
pub static REMAP_EXIT: Flag = repeatable(takes(
    "remap-exit",
    "A=B",
    "MONOPOD_REMAP_EXIT",
    "leave with code B where it would be A; repeat it for further codes",
));
/// `--health ADDR:PORT`
pub static HEALTH: Flag = takes(
    "health",
    "ADDR:PORT",
    "MONOPOD_HEALTH",
    "serve /livez, /readyz, /startupz, /status, /metrics here (nowhere)",
);
/// `--control PATH`
pub static CONTROL: Flag = takes(
    "control",
    "PATH",
    "MONOPOD_CONTROL",
    "socket for commands, or none (none; with -f: /run/monopod/control.sock)",
);
/// `--livez-includes WHAT`
pub static LIVEZ_INCLUDES: Flag = takes(
    "livez-includes",
    "WHAT",
    "MONOPOD_LIVEZ_INCLUDES",
    "crash-loops[=N]: fail /livez while one rests after N (5) restarts",
);
/// `--output HOW`
pub static OUTPUT: Flag = takes(
    "output",
    "HOW",
    "MONOPOD_OUTPUT",
    "what becomes of output: inherit, prefix, json or json-merge (inherit)",
);
/// `--output-time YES`
pub static OUTPUT_TIME: Flag = takes(
    "output-time",
    "YES",
    "MONOPOD_OUTPUT_TIME",
    "whether relayed lines carry the time: yes or no (json: yes, prefix: no)",
);
/// `--capture PATH`
pub static CAPTURE: Flag = repeatable(takes(
    "capture",
    "PATH",
    "MONOPOD_CAPTURE",
    "make a FIFO at PATH[=stdout|stderr][:CONTAINER] and relay its lines",
));
/// `--capture-follow PATH`
pub static CAPTURE_FOLLOW: Flag = repeatable(takes(
    "capture-follow",
    "PATH",
    "MONOPOD_CAPTURE_FOLLOW",
    "relay what is appended to the file PATH[=stdout|stderr][:CONTAINER]",
));
/// `--log-level LEVEL`
pub static LOG_LEVEL: Flag = takes(
    "log-level",
    "LEVEL",
    "MONOPOD_LOG_LEVEL",
    "off, error, warn, info, debug or trace (warn)",
);
/// `--log-format FORMAT`
pub static LOG_FORMAT: Flag = takes(
    "log-format",
    "FORMAT",
    "MONOPOD_LOG_FORMAT",
    "text or json (text)",
);
/// `--as NAME`; read before all others, see [`super::parse`].
pub static AS: Flag = takes(
    "as",
    "NAME",
    "MONOPOD_AS",
    "behave as tini, dumb-init, catatonit, ...; only as the first flag",
);
/// `--timeout DUR` of `monopod probe`.
pub static PROBE_TIMEOUT: Flag = takes(
    "timeout",
    "DUR",
    "MONOPOD_PROBE_TIMEOUT",
    "no answer after DUR is a failure (1s)",
);
/// `--health ADDR:PORT` of `monopod probe`: the same variable, so that one setting tells both where to meet.
pub static PROBE_HEALTH: Flag = takes(
    "health",
    "ADDR:PORT",
    "MONOPOD_HEALTH",
    "where the monopod to ask listens",
);
/// Where the control socket is unless somebody says otherwise.
pub const CONTROL_PATH: &str = "/run/monopod/control.sock";
/// `--control PATH` of `monopod status` and its like: the same variable, so that one setting tells both where to meet.
pub static ASK_CONTROL: Flag = takes(
    "control",
    "PATH",
    "MONOPOD_CONTROL",
    "the socket of the monopod to ask (/run/monopod/control.sock)",
);
/// `-o FORMAT` of `monopod status`.
pub static ASK_OUTPUT: Flag = Flag {
    name: "output",
    short: Some('o'),
    placeholder: Some("FORMAT"),
    help: "wide, json or yaml (a table)",
    variable: None,
    repeatable: false,
};
/// `-w` of `monopod status` and `monopod events`.
pub static WATCH: Flag = asks("watch", 'w', "go on and tell what changes");
/// `--help`
pub static HELP: Flag = asks("help", 'h', "print this and leave");
/// `--version`
pub static VERSION: Flag = asks("version", 'V', "print the version and leave");

/// The flags of `monopod [flags] [--] COMMAND...`, in the order of the help text.
pub static RUN: [&Flag; 28] = [
    &FILE,
    &POD,
    &INIT,
    &INIT_RETRIES,
    &ENV_FILE,
    &STARTUP_PROBE,
    &LIVENESS_PROBE,
    &READINESS_PROBE,
    &POST_START,
    &PRE_STOP,
    &GRACE,
    &DRAIN,
    &STOP_ON,
    &STOP_SIGNAL,
    &REMAP_EXIT,
    &EXIT_CODE_FROM,
    &HEALTH,
    &CONTROL,
    &LIVEZ_INCLUDES,
    &OUTPUT,
    &OUTPUT_TIME,
    &CAPTURE,
    &CAPTURE_FOLLOW,
    &LOG_LEVEL,
    &LOG_FORMAT,
    &AS,
    &HELP,
    &VERSION,
];

/// The flags of `monopod check`: those of a run, and its own in place of `--version`.
pub static CHECK: [&Flag; 28] = {
    let mut flags = RUN;
    flags[RUN.len() - 1] = &FORMAT;
    flags
};

/// The flags of `monopod probe`, in the order of the help text.
pub static PROBE: [&Flag; 3] = [&PROBE_HEALTH, &PROBE_TIMEOUT, &HELP];

/// The flags of `monopod status` and its like, in the order of the help text.
pub static ASK: [&Flag; 4] = [&ASK_CONTROL, &ASK_OUTPUT, &WATCH, &HELP];

/// The flags of one grammar.
pub type Table = &'static [&'static Flag];

impl Flag {
    /// As a person writes it: `--grace DUR`, `-h, --help`.
    pub fn usage(&self) -> String {
        let short = self.short.map_or(String::new(), |s| format!("-{s}, "));
        let value = self.placeholder.map_or(String::new(), |p| format!(" {p}"));
        format!("{short}--{}{value}", self.name)
    }
}

/// The lines of a help text for these flags.
pub fn describe(table: Table) -> String {
    let width = table.iter().map(|f| f.usage().len()).max().unwrap_or(0);
    table.iter().fold(String::new(), |mut text, flag| {
        let variable = flag.variable.map_or(String::new(), |v| format!(" [{v}]"));
        let _ = writeln!(text, "  {:width$}  {}{variable}", flag.usage(), flag.help);
        text
    })
}

/// The flag that somebody most likely meant by this name.
pub fn nearest(name: &str, table: Table) -> Option<&'static Flag> {
    let meant = spelling::nearest(name, table.iter().map(|flag| flag.name))?;
    table.iter().find(|flag| flag.name == meant).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_a_run_has_the_variable_of_its_name() {
        for flag in RUN {
            let name = match flag.name {
                "file" => "manifest",
                name => name,
            };
            let expected = flag
                .placeholder
                .map(|_| format!("MONOPOD_{}", name.to_uppercase().replace('-', "_")));
            assert_eq!(flag.variable.map(str::to_owned), expected, "{flag:?}");
        }
    }

    #[test]
    fn no_name_or_letter_is_taken_twice() {
        for table in [&RUN[..], &CHECK[..], &PROBE[..], &ASK[..]] {
            for (i, flag) in table.iter().enumerate() {
                for other in &table[..i] {
                    assert_ne!(flag.name, other.name);
                    assert!(flag.short.is_none() || flag.short != other.short);
                }
            }
        }
    }

    #[test]
    fn the_help_has_every_flag_and_fits_a_wide_terminal() {
        let text = describe(&RUN);
        for flag in RUN {
            assert!(text.contains(&flag.usage()), "{}", flag.name);
            assert!(text.contains(flag.variable.unwrap_or("")));
        }
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        for (typed, meant) in [
            ("graec", Some("grace")),
            ("init-retry", None),
            ("init-retrys", Some("init-retries")),
            ("stop-sig", Some("stop-signal")),
            ("stop_on", Some("stop-on")),
            ("env_file", Some("env-file")),
            ("helth", Some("health")),
            ("hlep", Some("help")),
            ("ass", Some("as")),
            ("x", None),
            ("", None),
            ("publish", None),
        ] {
            assert_eq!(nearest(typed, &RUN).map(|f| f.name), meant, "{typed}");
        }
    }
}
