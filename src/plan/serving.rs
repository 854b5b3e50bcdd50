//! What is served besides the health port, and how: the control socket, and what `/livez` is to include.

use std::path::PathBuf;

/// What else is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// Where people of the container may look and command, if anywhere.
    pub control: Option<Control>,
    /// `/livez` fails while a container rests from this many restarts or more; without it, crash loops are its own
    /// business and not that of whoever runs monopod.
    pub crash_loops: Option<u32>,
}

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// A Unix socket in the file system.
    pub path: PathBuf,
    /// Whether it was asked for. If it cannot be had then, that is a warning.
    pub missed: bool,
}
