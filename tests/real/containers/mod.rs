//! In real containers: what all of the runtimes need, and what is swept up in the end.
//!
//! The suite's own ground is mounted into each container at its own path, so that scripts, ear and executables have the
//! same names inside and outside.

mod docker;
pub mod dockerd;
mod oci;
mod podman;

use crate::harness::{Case, Outcome, ground, inits, patience, until};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The stories of the container runtimes.
pub fn cases() -> Vec<Case> {
    let mut all = oci::cases();
    all.extend(docker::cases());
    all.extend(podman::cases());
    all
}

/// A root file system of busybox and monopod, as an image would have it.
pub fn make_root(dir: &Path) -> Outcome {
    let words = |why: std::io::Error| format!("making {}: {why}", dir.display());
    for name in ["bin", "dev", "etc", "proc", "sys", "tmp", "run"] {
        std::fs::create_dir_all(dir.join(name)).map_err(words)?;
    }
    // The place that the ground is mounted at: a read-only root cannot be given one later.
    let below = ground().strip_prefix("/").unwrap_or(ground());
    std::fs::create_dir_all(dir.join(below)).map_err(words)?;
    let busybox = inits::which("busybox").ok_or("no busybox")?;
    std::fs::copy(busybox, dir.join("bin/busybox")).map_err(words)?;
    std::fs::copy(inits::monopod(), dir.join("monopod")).map_err(words)?;
    for applet in ["sh", "sleep", "true", "cat"] {
        std::os::unix::fs::symlink("busybox", dir.join("bin").join(applet)).map_err(words)?;
    }
    Ok(())
}

/// Runs a command to its end and hands out what it printed; it must succeed.
pub fn run(command: &mut Command) -> Outcome<String> {
    let output = output(command)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{command:?} failed: {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        )),
    }
}

/// Runs a command to its end.
pub fn output(command: &mut Command) -> Outcome<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{command:?}: {why}"))
}

/// The exit code of a command that was started, which must end in time.
pub fn code(child: &mut Child) -> Outcome<i32> {
    let status = until("the runtime's command has ended", patience(), || {
        child.try_wait().map_err(|why| why.to_string())
    })?;
    status
        .code()
        .ok_or_else(|| format!("it ended with {status}"))
}

/// Ends what the suite has started and takes away what it has mounted.
pub fn clean_up() {
    dockerd::stop();
    for mount in mounts_below(ground()) {
        if let Ok(name) = std::ffi::CString::new(mount.as_os_str().as_encoded_bytes()) {
            // SAFETY: a C string that lives through the call.
            unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) };
        }
    }
}

/// Mount points below a directory, the deepest first.
fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<PathBuf> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|mount| mount.starts_with(dir))
        .collect();
    mounts.sort();
    mounts.reverse();
    mounts
}

/// How long a runtime may take that unpacks, mounts and forks for a living.
pub const SLOW: Duration = Duration::from_secs(60);
