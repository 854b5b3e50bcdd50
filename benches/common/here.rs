//! What is to be found on this machine.

use std::net::TcpListener;
use std::path::PathBuf;

/// The file of this program, if it is installed.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// An address of loopback at which nobody listens now.
pub fn free_address() -> Result<String, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.to_string())
        .map_err(|error| format!("cannot find a free port: {error}"))
}
