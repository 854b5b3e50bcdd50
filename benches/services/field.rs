//! Who competes, and the files that tell each what to run. They are made once: what s6 keeps beside its services (two
//! FIFOs and a status for each) is there from the uncounted round on, which favours s6.

use std::ffi::c_int;
use std::fmt::Write;
use std::fs::{File, create_dir_all, remove_dir_all, set_permissions, write};
use std::io::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::here::on_path;
use crate::common::namespace::namespace_flags;

/// monopod as it is with any manifest: its helper serves the control socket.
pub const MONOPOD: &str = "monopod -f, 1000";
/// The same with as many as supervisord has.
pub const MONOPOD_FEW: &str = "monopod -f, 100";
/// s6-svscan and its supervisors.
pub const S6: &str = "s6-svscan, 1000";
/// supervisord.
pub const SUPERVISORD: &str = "supervisord, 100";

/// How many services are many.
pub const MANY: usize = 1000;
const FEW: usize = 100;

/// One supervisor and what it is to run.
pub struct Contestant {
    pub name: &'static str,
    pub services: usize,
    pub program: PathBuf,
    /// argv[0] first.
    pub words: Vec<String>,
}

/// All who are here.
pub struct Field {
    pub contestants: Vec<Contestant>,
    absent: Vec<&'static str>,
    /// A PID namespace and a /proc that shows it.
    pub flags: c_int,
    pub room: PathBuf,
}

impl Field {
    /// Looks for the peers on PATH and writes manifests, scan directory and configuration.
    pub fn assemble() -> Result<Field, String> {
        let flags = namespace_flags()? | libc::CLONE_NEWNS;
        if flags & libc::CLONE_NEWUSER != 0 {
            return Err("run as root: nobody else sees the descriptors of monopod's helper".into());
        }
        let name = format!("services-{}", std::process::id());
        let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut field = Field {
            contestants: Vec::new(),
            absent: Vec::new(),
            flags,
            room,
        };
        let no_room = |error| format!("cannot prepare {}: {error}", field.room.display());
        create_dir_all(&field.room).map_err(no_room)?;
        let contestants = [
            monopod(&field.room, MONOPOD, MANY).map_err(no_room)?,
            s6(&field.room).map_err(no_room)?,
            monopod(&field.room, MONOPOD_FEW, FEW).map_err(no_room)?,
            supervisord(&field.room).map_err(no_room)?,
        ];
        for contestant in contestants {
            match contestant.program.is_file() {
                true => field.contestants.push(contestant),
                false => field.absent.push(contestant.name),
            }
        }
        Ok(field)
    }

    /// What is missing here, loudly; or nothing.
    pub fn absences(&self) -> String {
        let mut text = String::new();
        for name in &self.absent {
            let _ = writeln!(
                text,
                "!! {name}: NOT INSTALLED, no comparison with it (Debian packages s6, supervisor)"
            );
        }
        text
    }

    /// The index of the contestant of this name, if it is here.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.contestants.iter().position(|one| one.name == name)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // It lies in the target directory; what cannot be removed does no harm there.
        let _ = remove_dir_all(&self.room);
    }
}

/// Where `name` is, or nowhere.
fn installed(name: &str) -> PathBuf {
    on_path(name).unwrap_or_default()
}

fn words(words: &[&dyn std::fmt::Display]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn monopod(room: &Path, name: &'static str, services: usize) -> Result<Contestant, Error> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_monopod"));
    // Until it is on the disk each page of it that a process maps would count as dirty memory of that process.
    File::open(&program)?.sync_all()?;
    let mut text = String::from("containers:\n");
    for number in 0..services {
        let _ = writeln!(text, "- name: s{number}\n  command: [sleep, '100000']");
    }
    let manifest = room.join(format!("{services}.yaml"));
    write(&manifest, text)?;
    let socket = room.join(format!("{services}.sock"));
    Ok(Contestant {
        name,
        services,
        program,
        words: words(&[
            &"monopod",
            &"-f",
            &manifest.display(),
            &"--control",
            &socket.display(),
            // The code of a sleep that obeyed. The peers leave with 0 after any stop.
            &"--remap-exit",
            &"143=0",
        ]),
    })
}

fn s6(room: &Path) -> Result<Contestant, Error> {
    let scan = room.join("scan");
    for number in 0..MANY {
        let service = scan.join(format!("s{number}"));
        create_dir_all(&service)?;
        let run = service.join("run");
        write(&run, "#!/bin/sh\nexec sleep 100000\n")?;
        set_permissions(&run, PermissionsExt::from_mode(0o755))?;
    }
    Ok(Contestant {
        name: S6,
        services: MANY,
        program: installed("s6-svscan"),
        words: words(&[&"s6-svscan", &"-c", &MANY, &scan.display()]),
    })
}

/// With the socket for its supervisorctl, as Debian's configuration has it, and without the two log files that each
/// program has by default.
fn supervisord(room: &Path) -> Result<Contestant, Error> {
    let place = room.display();
    let mut text = format!(
        "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={place}/supervisord.pid\n\
         [unix_http_server]\nfile={place}/supervisord.sock\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    );
    for number in 0..FEW {
        let _ = writeln!(
            text,
            "[program:s{number}]\ncommand=sleep 100000\nstdout_logfile=NONE\nstderr_logfile=NONE"
        );
    }
    let configuration = room.join("supervisord.conf");
    write(&configuration, text)?;
    Ok(Contestant {
        name: SUPERVISORD,
        services: FEW,
        program: installed("supervisord"),
        words: words(&[&"supervisord", &"-c", &configuration.display()]),
    })
}
