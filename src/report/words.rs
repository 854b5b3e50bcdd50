//! Each happening as a sentence with a level. All words that monopod says about a life stand here.
//!
//! In drop-in and one-command form it is silent at the default level unless something is wrong; so `warn` is for what a
//! person should act on, `error` for why there is no command.

use super::pod_words::{self, because};
use crate::machine::{Cause, Ending, Happening, Stage, Unstartable};
use crate::plan::{ExitCode, Plan, Program, ProgramId, Signal};
use log::Level;
use nix::errno::Errno;
use std::ffi::CStr;
use std::time::Duration;

/// So much of what a program said fits into a line of the log.
const LONGEST_QUOTE: usize = 1024;

/// Says it to the log, with the words that whoever it happened to has found, if any; quietly if it was said before (`again`).
pub fn say(happening: &Happening, plan: &Plan, said: Option<&str>, again: bool) {
    let level = match again {
        true => Level::Debug,
        false => level(happening, plan),
    };
    if log::log_enabled!(level) {
        let said = said.map(quote).unwrap_or_default();
        log::log!(level, "{}{said}", words(happening, plan));
    }
}

/// Why an attempt of a probe failed, with what it said itself.
pub fn attempt(cause: Cause, output: Option<&str>) -> String {
    let why = because(cause) + &output.map(quote).unwrap_or_default();
    why.trim_start_matches([':', ' ']).to_owned()
}

/// In one line.
fn quote(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let line: String = lines.join("; ").chars().take(LONGEST_QUOTE).collect();
    match line.is_empty() {
        true => line,
        false => format!(": {line}"),
    }
}

/// How loud.
pub fn level(happening: &Happening, plan: &Plan) -> Level {
    match happening {
        Happening::CannotStart(..) => Level::Error,
        Happening::Ended(_, Ending::Killed(signal), false) if is_trouble(*signal) => Level::Warn,
        Happening::GraceOver | Happening::LeftBehind | Happening::HelperRefused(_) => Level::Warn,
        Happening::Started(_)
        | Happening::Ended(..)
        | Happening::StopAsked(_)
        | Happening::Draining(_)
        | Happening::Stragglers(_)
        | Happening::HelperLost => Level::Info,
        Happening::OrphanReaped(_, _, true) => Level::Warn,
        Happening::SignalDropped(_) | Happening::OrphanReaped(..) => Level::Debug,
        of_a_pod => pod_words::level(of_a_pod, plan),
    }
}

/// Whether a death by this signal is news by itself. Ctrl-C, a hangup or `kill` are what somebody wanted; these are the
/// kernel's verdict on the program (the out-of-memory killer's too), or somebody's who had lost patience.
pub(super) fn is_trouble(signal: Signal) -> bool {
    matches!(
        signal.number(),
        libc::SIGKILL
            | libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGABRT
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGSEGV
            | libc::SIGXCPU
            | libc::SIGXFSZ
            | libc::SIGSYS
    )
}

/// What, who, why; and what to do, where that helps.
pub fn words(happening: &Happening, plan: &Plan) -> String {
    let name = |program: &ProgramId| plan.program(*program).name.as_str();
    match happening {
        Happening::Started(program) => format!("{} started", name(program)),
        Happening::CannotStart(program, why) => {
            let why = reason(*why, plan.program(*program));
            format!("cannot start {}: {why}", name(program))
        }
        Happening::Ended(program, end, _) => format!("{} {}", name(program), ending(*end)),
        Happening::StopAsked(signal) => format!("{signal} received: stopping"),
        Happening::Draining(time) => {
            format!("draining: unready from now on, stopping in {}", span(*time))
        }
        Happening::Stragglers(time) => {
            format!("what is left gets SIGTERM and {} to end", span(*time))
        }
        Happening::GraceOver => "the grace is over: SIGKILL to all that is left".to_owned(),
        Happening::LeftBehind => {
            "something is left that SIGKILL did not end: out of reach (another user's, or hidden), or stuck in the kernel; leaving without it"
                .to_owned()
        }
        Happening::SignalDropped(signal) => {
            format!("{signal} received, but nothing runs that could get it")
        }
        Happening::OrphanReaped(pid, end, _) => format!("reaped orphan {pid}, which {}", ending(*end)),
        Happening::HelperLost => "the health helper is gone; starting another".to_owned(),
        Happening::HelperRefused(errno) => {
            let why = no_process(Errno::from_raw(*errno));
            format!("cannot fork the health helper: {why}; trying again")
        }
        of_a_pod => pod_words::words(of_a_pod, plan),
    }
}

pub(super) fn ending(ending: Ending) -> String {
    match ending {
        Ending::Exited(ExitCode(code)) => format!("exited with {code}"),
        Ending::Killed(signal) => format!("was killed by {signal}"),
        Ending::OutOfMemory => {
            "was killed by SIGKILL: out of memory (is the memory limit too low?)".to_owned()
        }
    }
}

pub(super) fn reason(why: Unstartable, program: &Program) -> String {
    let folder = program.working_dir.as_deref().map(CStr::to_string_lossy);
    reason_of(why, &program.file().to_string_lossy(), folder.as_deref())
}

/// The same, where no more is known of the program than its file.
pub(super) fn reason_of(why: Unstartable, file: &str, folder: Option<&str>) -> String {
    let errno = Errno::from_raw(why.errno);
    let said = errno.desc().to_ascii_lowercase();
    match (why.stage, errno) {
        (Stage::Fork, _) => no_process(errno),
        (Stage::WorkingDir, _) => match folder {
            Some(folder) => format!("its working directory {folder}: {said}"),
            None => format!("its working directory: {said}"),
        },
        (Stage::Identity, _) => {
            format!("its user, groups or capabilities: {said} (securityContext)")
        }
        (Stage::Output, _) => format!("its output: {said}"),
        (Stage::Session | Stage::Group | Stage::Stdin, _) => {
            format!("{said} (while preparing the process)")
        }
        (Stage::Interpreter, _) => {
            format!("{file} is there, but the interpreter or dynamic loader that it names is not")
        }
        (Stage::Exec, _) if file.is_empty() => "the command's name is empty".to_owned(),
        (Stage::Exec, Errno::ENOENT) if !file.contains('/') => format!("no {file} in PATH"),
        (Stage::Exec, Errno::EACCES) => {
            format!("{file}: permission denied (is it an executable file?)")
        }
        (Stage::Exec, Errno::ENOEXEC) => {
            format!("{file}: no program of this machine, nor a script with #!")
        }
        (Stage::Exec, _) => format!("{file}: {said}"),
    }
}

pub(super) fn no_process(errno: Errno) -> String {
    match errno {
        Errno::EAGAIN => "no process is to be had (is the pids limit reached?)".to_owned(),
        _ => format!(
            "no process can be made: {}",
            errno.desc().to_ascii_lowercase()
        ),
    }
}

/// To three digits: nobody reads 16s 996ms.
pub(super) fn span(span: Duration) -> String {
    let ms = span.as_millis() as u64;
    let step = match ms {
        0..1_000 => 1,
        1_000..10_000 => 10,
        10_000..100_000 => 100,
        _ => 1_000,
    };
    let rounded = ms.saturating_add(step / 2) / step * step;
    humantime::format_duration(Duration::from_millis(rounded)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Conduct, Passthrough, Program};

    fn plan(file: &str) -> Plan {
        let argv = vec![std::ffi::CString::new(file).unwrap()];
        let conduct = Conduct::Passthrough(Passthrough::bare(Some(ProgramId(0))));
        Plan::bare(vec![Program::bare("web", argv)], conduct)
    }

    fn cannot_start(file: &str, stage: Stage, errno: Errno) -> String {
        let why = Unstartable {
            stage,
            errno: errno as i32,
        };
        words(&Happening::CannotStart(ProgramId(0), why), &plan(file))
    }

    #[test]
    fn a_start_that_fails_says_what_and_why_and_what_to_look_at() {
        assert_eq!(
            cannot_start("wbe", Stage::Exec, Errno::ENOENT),
            "cannot start web: no wbe in PATH"
        );
        assert_eq!(
            cannot_start("/usr/bin/wbe", Stage::Exec, Errno::ENOENT),
            "cannot start web: /usr/bin/wbe: no such file or directory"
        );
        assert_eq!(
            cannot_start("/srv/run", Stage::Exec, Errno::EACCES),
            "cannot start web: /srv/run: permission denied (is it an executable file?)"
        );
        assert_eq!(
            cannot_start("/srv/run", Stage::Interpreter, Errno::ENOENT),
            "cannot start web: /srv/run is there, but the interpreter or dynamic loader that it names is not"
        );
        assert!(
            cannot_start("/srv/run", Stage::Fork, Errno::EAGAIN)
                .contains("is the pids limit reached?")
        );
    }

    #[test]
    fn spans_are_told_to_three_digits() {
        for (ms, told) in [
            (16_996, "17s"),
            (16_250, "16s 300ms"),
            (1_234, "1s 230ms"),
            (999, "999ms"),
            (90_000, "1m 30s"),
            (100_400, "1m 40s"),
            (0, "0s"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), told);
        }
    }

    #[test]
    fn a_death_is_worth_a_warning_if_nobody_asked_for_it_and_ctrl_c_does_not_explain_it() {
        let death = |signal, asked| Happening::Ended(ProgramId(0), Ending::Killed(signal), asked);
        let level = |happening: Happening| level(&happening, &plan("web"));
        assert_eq!(level(death(Signal::KILL, false)), Level::Warn);
        assert_eq!(level(death(Signal::KILL, true)), Level::Info);
        assert_eq!(level(death(Signal::INT, false)), Level::Info);
        assert_eq!(
            words(&death(Signal::KILL, false), &plan("web")),
            "web was killed by SIGKILL"
        );
    }
}
