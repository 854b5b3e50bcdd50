//! The program: block signals, learn what was asked for, lead the life, leave. The only place that exits.
//!
//! It must never run anything before all signals are blocked: a PID 1 without handlers does not get SIGTERM late, it
//! never gets it.
//!
//! What surprised us: std's own start is not for a PID 1. It sets SIGPIPE to ignored, so that nobody can tell what was
//! inherited, and it aborts when standard input is closed and there is no /dev/null. Hence `no_main`.

#![no_main]

use monopod::cli::{self, Invocation, LogSettings, Surroundings, Voice};
use monopod::lifecycle::Pod;
use monopod::linux::{self, Inbox, Stderr};
use monopod::machine::Machine;
use monopod::net;
use monopod::passthrough::Passthrough;
use monopod::plan::{Conduct, Control, ExitCode, HealthAddress, Plan};
use monopod::walk;
use nix::sys::signal::SigSet;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Called by the C library.
///
/// # Safety
///
/// `argv` holds `argc` strings, as the C library guarantees.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let inherited_mask = linux::block_all();
    linux::fill_holes();
    let words = (0..usize::try_from(argc).unwrap_or(0)).map(|place| {
        // SAFETY: by this function's own condition.
        let word = unsafe { CStr::from_ptr(*argv.add(place)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    });
    let argv: Vec<OsString> = words.collect();
    let code = std::panic::catch_unwind(|| live(argv, inherited_mask)).unwrap_or(ExitCode::BUG);
    c_int::from(code.0)
}

fn live(argv: Vec<OsString>, inherited_mask: SigSet) -> ExitCode {
    let pid = nix::unistd::getpid().as_raw();
    let surroundings = Surroundings {
        argv,
        env: &|name| std::env::var_os(name),
        all_env: &all_variables,
        read_file: &read_file,
        is_pid_1: pid == 1,
        uid: nix::unistd::geteuid().as_raw(),
        pid,
    };
    match cli::parse(&surroundings) {
        Invocation::Print {
            text,
            to_stdout,
            code,
        } => {
            linux::unblock(&inherited_mask);
            print(&text, to_stdout);
            code
        }
        Invocation::Probe(request) => {
            linux::unblock(&inherited_mask);
            probe(&request)
        }
        Invocation::Control(request) => {
            linux::unblock(&inherited_mask);
            open_client_log();
            match net::client::run(&request, &mut |text| print(text, true)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    log::error!("{why}");
                    ExitCode::FAILURE
                }
            }
        }
        Invocation::Run {
            plan,
            log,
            warnings,
            notes,
            hint,
        } => {
            linux::open_log(&log);
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            notes.iter().for_each(|note| log::info!("{note}"));
            let code = run(plan, inherited_mask).unwrap_or_else(|fault| {
                log::error!("{fault}");
                ExitCode::FAILURE
            });
            if code == ExitCode::NOT_FOUND
                && let Some(hint) = hint
            {
                log::error!("{hint}");
            }
            linux::finish_log();
            code
        }
    }
}

/// Everything that may still be refused comes before the first process; then the life begins.
fn run(mut plan: Plan, inherited_mask: SigSet) -> Result<ExitCode, String> {
    let inbox = Inbox::new(inherited_mask)
        .map_err(|errno| format!("cannot hear signals: {}", errno.desc()))?;
    let listener: Option<OwnedFd> = match plan.health {
        None => None,
        Some(at) => Some(net::listen::listen(at).map_err(|why| cannot_listen(at, &why))?),
    };
    let control = plan.serving.control.as_ref().and_then(open_control);
    if control.is_none() {
        // Or a helper would be forked for nobody.
        plan.serving.control = None;
    }
    let plan = &plan;
    if let Some(signal) = plan.parent_death_signal {
        linux::set_parent_death_signal(signal)
            .map_err(|e| format!("cannot ask for {signal}: {}", e.desc()))?;
    }
    if plan.subreaper
        && let Err(errno) = linux::become_subreaper()
    {
        log::warn!("cannot adopt orphans: {}", errno.desc());
    }
    let machine: Box<dyn Machine> = match &plan.conduct {
        Conduct::Pod(pod) => Box::new(Pod::new(plan, pod)),
        Conduct::Passthrough(conduct) => Box::new(Passthrough::new(plan, conduct)),
    };
    linux::run(plan, machine, &inbox, listener, control).map_err(|faults| faults.join("; "))
}

fn cannot_listen(at: HealthAddress, why: &io::Error) -> String {
    let hint = match why.kind() {
        io::ErrorKind::AddrInUse => " (is another monopod running here?)",
        _ => "",
    };
    format!("cannot listen on {at}: {}{hint}", net::control::words(why))
}

/// A container is not kept from running because nobody can look into it.
fn open_control(control: &Control) -> Option<net::control::Control> {
    let path = control.path.display();
    match net::control::listen(&control.path) {
        Ok(opened) => Some(opened),
        Err(why) => {
            let level = match control.missed {
                true => log::Level::Warn,
                false => log::Level::Info,
            };
            let why = net::control::words(&why);
            log::log!(
                level,
                "no control socket at {path}: {why}; give --control a path in a writable place, or none"
            );
            None
        }
    }
}

fn open_client_log() {
    linux::open_log(&LogSettings {
        voice: Voice::Text,
        level: log::LevelFilter::Warn,
    });
}

fn probe(request: &cli::ProbeRequest) -> ExitCode {
    open_client_log();
    match net::probe::probe(request.at, &request.path, request.timeout) {
        Ok(probed) if probed.code == 200 => {
            print(&format!("{}\n", probed.body.trim_end()), true);
            ExitCode::SUCCESS
        }
        Ok(probed) => {
            print(&format!("{}\n", probed.body.trim_end()), true);
            ExitCode::FAILURE
        }
        Err(why) => {
            log::error!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// More than this is no environment: the kernel takes 2 MiB of arguments and variables together at most (execve(2)).
const LARGEST_FILE_BYTES: u64 = 1 << 20;

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match path.as_os_str() == "-" {
        true => linux::read_stdin(LARGEST_FILE_BYTES),
        false => read_regular_file(path),
    }
}

/// Regular files and devices only: PID 1 does not hear SIGTERM yet, so it must not wait for a writer, and half of what
/// comes through a pipe is worse than a fault.
fn read_regular_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let look = libc::O_PATH;
    let found = File::options().read(true).custom_flags(look).open(path)?;
    let kind = found.metadata()?.file_type();
    if kind.is_fifo() || kind.is_socket() {
        return Err(io::Error::other(
            "it is a pipe, and only files are read; write it to a file first",
        ));
    }
    let file = match Path::new("/proc/self/fd").exists() {
        true => walk::open_again(&found, File::options().read(true))?,
        false => File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?,
    };
    file.take(LARGEST_FILE_BYTES + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(content)
}

/// Faults go to standard error as log lines do, at once or not at all: who reads it may have stopped, and a PID 1 that
/// waits cannot be told to stop.
fn print(text: &str, to_stdout: bool) {
    // A reader that went away is nobody who could be told.
    let _ = match to_stdout {
        true => io::stdout()
            .write_all(text.as_bytes())
            .and_then(|()| io::stdout().flush()),
        false => text
            .split_inclusive('\n')
            .try_for_each(|line| Stderr::default().write_all(line.as_bytes())),
    };
}

fn all_variables() -> Vec<CString> {
    let joined = std::env::vars_os().map(|(name, value)| {
        let mut variable = name.into_vec();
        variable.push(b'=');
        variable.extend(value.into_vec());
        CString::new(variable)
    });
    joined.filter_map(Result::ok).collect()
}
