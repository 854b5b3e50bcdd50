//! Whom the stories are about, and where their executables are.
//!
//! The executables of this suite are copied to the suite's own ground: a checkout may lie in a directory that other
//! uids cannot enter, and stories run as other uids.

use super::ground;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// An init that stories are told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::enum_variant_names)] // dumb-init is called so.
pub enum Init {
    /// monopod by its own name.
    Monopod,
    /// The same with endpoints: it sleeps in another system call, and has a helper.
    Serving,
    /// monopod through a link named `tini`.
    AsTini,
    /// monopod through a link named `dumb-init`.
    AsDumbInit,
    /// monopod through a link named `catatonit`.
    AsCatatonit,
    /// krallin/tini, dynamically linked.
    Tini,
    /// krallin/tini, statically linked.
    TiniStatic,
    /// Yelp/dumb-init.
    DumbInit,
    /// openSUSE/catatonit.
    Catatonit,
}

impl Init {
    /// All of them.
    pub const ALL: [Init; 9] = [
        Init::Monopod,
        Init::Serving,
        Init::AsTini,
        Init::AsDumbInit,
        Init::AsCatatonit,
        Init::Tini,
        Init::TiniStatic,
        Init::DumbInit,
        Init::Catatonit,
    ];
    /// monopod in all its forms.
    pub const OURS: [Init; 4] = [
        Init::Monopod,
        Init::AsTini,
        Init::AsDumbInit,
        Init::AsCatatonit,
    ];
    /// Whatever behaves as tini.
    pub const TINIS: [Init; 3] = [Init::AsTini, Init::Tini, Init::TiniStatic];
    /// Whatever behaves as dumb-init.
    pub const DUMB_INITS: [Init; 2] = [Init::AsDumbInit, Init::DumbInit];
    /// Whatever behaves as catatonit.
    pub const CATATONITS: [Init; 2] = [Init::AsCatatonit, Init::Catatonit];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Init::Monopod => "monopod",
            Init::Serving => "monopod --health",
            Init::AsTini => "monopod as tini",
            Init::AsDumbInit => "monopod as dumb-init",
            Init::AsCatatonit => "monopod as catatonit",
            Init::Tini => "tini",
            Init::TiniStatic => "tini-static",
            Init::DumbInit => "dumb-init",
            Init::Catatonit => "catatonit",
        }
    }

    /// Whether it is monopod.
    pub fn is_ours(self) -> bool {
        Init::OURS.contains(&self)
    }

    /// Its executable, if this machine has it.
    pub fn path(self) -> Option<PathBuf> {
        match self {
            Init::Monopod | Init::Serving => Some(monopod().to_path_buf()),
            Init::AsTini => Some(link("tini")),
            Init::AsDumbInit => Some(link("dumb-init")),
            Init::AsCatatonit => Some(link("catatonit")),
            Init::Tini | Init::TiniStatic | Init::DumbInit | Init::Catatonit => which(self.name()),
        }
    }
}

/// Puts all executables in their places.
pub fn prepare() {
    child();
    for name in [
        "tini",
        "tini-static",
        "docker-init",
        "podman-init",
        "dumb-init",
        "catatonit",
    ] {
        link(name);
    }
}

/// monopod under its own name.
pub fn monopod() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| copy(Path::new(env!("CARGO_BIN_EXE_monopod")), "monopod"))
}

/// This very executable, which is also the command that stories run.
pub fn child() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| copy(Path::new("/proc/self/exe"), "child"))
}

/// A link to monopod of this name.
pub fn link(name: &str) -> PathBuf {
    let link = ground().join(name);
    match std::os::unix::fs::symlink(monopod(), &link) {
        Err(why) if why.kind() != std::io::ErrorKind::AlreadyExists => {
            panic!("cannot link {}: {why}", link.display())
        }
        _ => link,
    }
}

fn copy(from: &Path, name: &str) -> PathBuf {
    let to = ground().join(name);
    std::fs::copy(from, &to).unwrap_or_else(|why| panic!("cannot copy {}: {why}", from.display()));
    to
}

/// The first executable of this name in PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}
