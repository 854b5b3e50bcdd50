//! What every story stands on: cases, subjects, deadlines.
//!
//! Nothing here may sleep to let things settle. Every wait is for a condition and has a deadline, and the deadline is
//! generous ([`patience`]) because it is there to end a hang, not to measure; what is measured runs [`Pace::Alone`].

pub mod ear;
mod entry;
pub mod inits;
pub mod launch;
pub mod needs;
pub mod proc;
pub mod run;

use inits::Init;
use launch::Launch;
use needs::Need;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How a story ended: well, or with words for a person.
pub type Outcome<T = ()> = Result<T, String>;

/// After this long a condition will not come true any more. The slowest honest case took 3 s on a machine whose two
/// cores were compiling.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a peer of which it is known that it will fail: no need to look long.
const PATIENCE_WITH_THE_KNOWN: Duration = Duration::from_secs(3);

thread_local! {
    static HOPELESS: Cell<bool> = const { Cell::new(false) };
}

/// How long this trial waits for a condition.
pub fn patience() -> Duration {
    match HOPELESS.get() {
        true => PATIENCE_WITH_THE_KNOWN,
        false => PATIENCE,
    }
}

/// Says whether this thread's trial is known to fail.
pub fn expect_failure(known: bool) {
    HOPELESS.set(known);
}

/// Returns an error made of the words unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

/// Whether a case shares the machine with others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It waits for conditions only, so it does not mind who else runs.
    Together,
    /// It measures time or takes the whole machine, so nothing else runs meanwhile.
    Alone,
}

/// One story, told about each of its subjects.
pub struct Case {
    /// The story as a sentence; the name of the trial and the row of the table.
    pub story: &'static str,
    /// Who must live up to it.
    pub subjects: Vec<Init>,
    /// What the machine must offer.
    pub needs: Vec<Need>,
    /// Whether it shares the machine.
    pub pace: Pace,
    /// Whether it is a row of the table that compares the inits.
    pub compared: bool,
    /// The story itself.
    pub run: fn(&Scene) -> Outcome,
}

impl Case {
    /// A story that all inits claim, a row of the table.
    pub fn of_all(story: &'static str, run: fn(&Scene) -> Outcome) -> Case {
        Case {
            story,
            subjects: Init::ALL.to_vec(),
            needs: vec![Need::Root],
            pace: Pace::Together,
            compared: true,
            run,
        }
    }

    /// A story of these only.
    pub fn of(subjects: &[Init], story: &'static str, run: fn(&Scene) -> Outcome) -> Case {
        Case {
            subjects: subjects.to_vec(),
            compared: false,
            ..Case::of_all(story, run)
        }
    }

    /// A story of the own form only.
    pub fn own(story: &'static str, run: fn(&Scene) -> Outcome) -> Case {
        Case::of(&[Init::Monopod], story, run)
    }

    /// The same, with the machine to itself.
    pub fn alone(self) -> Case {
        Case {
            pace: Pace::Alone,
            ..self
        }
    }

    /// The same, without these subjects: they document another behaviour, or make no claim.
    pub fn but(mut self, others: &[Init]) -> Case {
        self.subjects.retain(|init| !others.contains(init));
        self
    }

    /// The same, on a machine that also offers this.
    pub fn needing(mut self, need: Need) -> Case {
        self.needs.push(need);
        self
    }
}

/// The place where one story is told about one init: its own directory, and what its inits said.
pub struct Scene {
    /// Whom it is about.
    pub init: Init,
    /// A directory of its own, open to every uid.
    pub dir: PathBuf,
    said: Mutex<Vec<std::fs::File>>,
}

impl Scene {
    /// An empty place.
    pub fn new(init: Init) -> Outcome<Scene> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = ground().join(format!("scene-{number}"));
        make_open_dir(&dir)?;
        Ok(Scene {
            init,
            dir,
            said: Mutex::new(Vec::new()),
        })
    }

    /// A launch of this story's init with these flags before a command that is a [script](crate::child).
    pub fn launch(&self, flags: &[&str], script: &str) -> Launch<'_> {
        Launch::script(self, self.init, flags, script)
    }

    /// A launch of this story's init with any command.
    pub fn launch_command(&self, flags: &[&str], command: &[&str]) -> Launch<'_> {
        Launch::command(self, self.init, flags, command)
    }

    /// Where this story's commands speak to.
    pub fn ear_path(&self) -> PathBuf {
        self.dir.join("ear")
    }

    /// The words of a script as a command line of its own, for steps and hooks.
    pub fn script_line(&self, script: &str) -> String {
        format!(
            "{} __child {} {script}",
            inits::child().display(),
            self.ear_path().display()
        )
    }

    /// Keeps what an init says on its stderr, for the report of a failure.
    pub fn remember(&self, stderr: std::fs::File) {
        if let Ok(mut said) = self.said.lock() {
            // Some stories start hundreds; only the last ones can be the cause.
            if said.len() == 4 {
                said.remove(0);
            }
            said.push(stderr);
        }
    }

    /// What this story's inits said on their stderr.
    pub fn said(&self) -> String {
        let Ok(said) = self.said.lock() else {
            return String::new();
        };
        said.iter().map(run::contents).collect::<Vec<_>>().join("")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A leftover goes with the ground at the latest.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The directory of this run of the suite: executables and scenes.
pub fn ground() -> &'static Path {
    static GROUND: OnceLock<PathBuf> = OnceLock::new();
    GROUND.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("monopod-real-{}", std::process::id()));
        make_open_dir(&dir).unwrap_or_else(|why| panic!("the suite has no ground: {why}"));
        dir
    })
}

fn make_open_dir(dir: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777)))
        .map_err(|why| format!("cannot make {}: {why}", dir.display()))
}

/// Waits until `look` sees something, looking again every millisecond.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if started.elapsed() > patience {
            return Err(format!("waited {patience:?} in vain until {what}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The error of the last system call, with who made it.
pub fn os_error(what: &str) -> String {
    format!("{what}: {}", std::io::Error::last_os_error())
}

/// Numbers that differ from run to run, for delays only (xorshift; the seed is the clock and printed nowhere because no
/// outcome may depend on it).
pub fn dice() -> impl FnMut(u64) -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let mut state = u64::from(now.subsec_nanos()) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides.max(1)
    }
}
