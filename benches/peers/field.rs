//! Who competes, and how each is called.

use std::ffi::c_int;
use std::fs::{File, create_dir_all, remove_dir_all};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::here::{free_address, on_path};
use crate::common::namespace::namespace_flags;
use crate::common::rounds;
pub use crate::common::rounds::Series;
use crate::program;
use crate::world::World;

/// The drop-in name that is measured; the others share its path through the program.
pub const DROP_IN: &str = "monopod as tini";
/// The own form.
pub const OWN: &str = "monopod --";
/// The own form with endpoints.
pub const WITH_HEALTH: &str = "monopod --health";

const PEERS: [&str; 4] = ["tini", "tini-static", "dumb-init", "catatonit"];

/// One way to start one init.
pub struct Contestant {
    pub name: String,
    program: PathBuf,
    /// What stands before the command, argv[0] first.
    words: Vec<String>,
}

impl Contestant {
    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.program).map_or(0, |file| file.len())
    }
}

/// All who are here.
pub struct Field {
    pub contestants: Vec<Contestant>,
    pub peers: Vec<usize>,
    absent: Vec<&'static str>,
    /// Where `--health` listens. Only one contestant listens, and only one copy of it lives at a time.
    pub health: String,
    /// The command of the start measurement, with its words.
    first_instruction: Vec<String>,
    by_hand: bool,
    flags: c_int,
    room: PathBuf,
}

impl Field {
    /// Looks for the peers on PATH and makes the links and the program that are needed. `others` are other builds of
    /// monopod, which compete in the own form.
    pub fn assemble(others: &[String]) -> Result<Field, String> {
        let flags = namespace_flags()?;
        let room =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{}", std::process::id()));
        let no_room = |error| format!("cannot prepare {}: {error}", room.display());
        create_dir_all(&room).map_err(no_room)?;
        let installed = |built: &Path, name: &str| install(built, &room.join(name));
        let built = Path::new(env!("CARGO_BIN_EXE_monopod"));
        let monopod = installed(built, "monopod").map_err(no_room)?;
        let link = room.join("tini");
        symlink(&monopod, &link).map_err(no_room)?;
        let program = room.join("first-instruction");
        let by_hand = program::write(&program).map_err(no_room)?;
        let first_instruction = if by_hand {
            vec![program.display().to_string()]
        } else {
            command("clock", &[])
        };
        let health = free_address()?;

        let contestant = |name: &str, program: &Path, words: &[&str]| Contestant {
            name: name.to_owned(),
            program: program.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let mut contestants = vec![
            contestant(DROP_IN, &link, &["tini", "--"]),
            contestant(OWN, &monopod, &["monopod", "--"]),
            contestant(
                WITH_HEALTH,
                &monopod,
                &["monopod", "--health", &health, "--"],
            ),
        ];
        for (place, other) in others.iter().enumerate() {
            let copy = installed(Path::new(other), &format!("other-{place}"))
                .map_err(|error| format!("cannot copy {other}: {error}"))?;
            contestants.push(contestant(other, &copy, &["monopod", "--"]));
        }
        let (mut peers, mut absent) = (Vec::new(), Vec::new());
        for peer in PEERS {
            match on_path(peer) {
                Some(program) => {
                    peers.push(contestants.len());
                    contestants.push(contestant(peer, &program, &[peer, "--"]));
                }
                None => absent.push(peer),
            }
        }
        Ok(Field {
            contestants,
            peers,
            absent,
            health,
            first_instruction,
            by_hand,
            flags,
            room,
        })
    }

    /// What is missing here, loudly; or nothing.
    pub fn absences(&self) -> String {
        let mut text = String::new();
        for peer in &self.absent {
            text.push_str(&format!(
                "!! {peer} IS NOT INSTALLED: no comparison with it\n"
            ));
        }
        if self.flags & libc::CLONE_NEWUSER != 0 {
            text.push_str(
                "!! NOT ROOT: every init also got a user namespace, with no uid of its own in it\n",
            );
        }
        if !self.by_hand {
            text.push_str("!! NO MACHINE CODE FOR THIS ARCHITECTURE: the start of a whole program is in every start time\n");
        }
        text
    }

    /// The index of the contestant of this name, if it is here.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.contestants.iter().position(|one| one.name == name)
    }

    /// Starts a contestant with this binary as its command, playing `verb`.
    pub fn launch(&self, index: usize, verb: &str, words: &[String]) -> Result<World, String> {
        self.launch_with(index, &command(verb, words))
    }

    /// Starts a contestant with the program that tells when its first instruction ran.
    pub fn launch_first_instruction(&self, index: usize) -> Result<World, String> {
        self.launch_with(index, &self.first_instruction)
    }

    fn launch_with(&self, index: usize, command: &[String]) -> Result<World, String> {
        let one = &self.contestants[index];
        let words: Vec<String> = one.words.iter().chain(command).cloned().collect();
        World::launch(self.flags, &one.program, &words)
    }

    /// [`rounds::rounds`] of everybody.
    pub fn rounds<T>(
        &self,
        wanted: usize,
        budget: Duration,
        turn: impl FnMut(usize) -> Result<T, String>,
    ) -> Vec<Result<Vec<T>, String>> {
        rounds::rounds(self.contestants.len(), wanted, budget, turn)
    }
}

/// Copies a build as a package manager would, for the peers came here that way: what a linker has written lies in the
/// page cache page by page, and starts 4 % slower than the same file written in one go. And it has to be on the disk,
/// or each page of it that a process maps would count as dirty memory of that process.
fn install(built: &Path, to: &Path) -> std::io::Result<PathBuf> {
    std::fs::copy(built, to)?;
    File::open(to)?.sync_all()?;
    Ok(to.to_owned())
}

impl Drop for Field {
    fn drop(&mut self) {
        // It lies in the target directory; what cannot be removed does no harm there.
        let _ = remove_dir_all(&self.room);
    }
}

/// This binary as a command.
fn command(verb: &str, words: &[String]) -> Vec<String> {
    let me = std::env::current_exe().unwrap_or_default();
    let mut command = vec![me.display().to_string(), format!("child:{verb}")];
    command.extend_from_slice(words);
    command
}
