//! Whether a run would lead the pod of this container a second time: `docker exec web /monopod`, in an image whose
//! environment names the manifest.
//!
//! A second life is refused only if PID 1 is a monopod of our name that has the very same manifest, by the very same
//! variable, and by no flag. To another uid PID 1 does not show its variables: then it is taken to have ours, for both are
//! the image's. Without /proc a run it is. Whoever means it writes `-f`, and an entry of a manifest that is a monopod itself
//! has another value in its variable.

use super::gather::{Flags, Gathered, gather};
use super::{Surroundings, base_name, flags};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Why this is not to be run, if it is not.
pub(super) fn refusal(said: &Gathered, surroundings: &Surroundings) -> Option<String> {
    let variable = flags::FILE.variable?;
    let manifest = (surroundings.env)(variable).filter(|file| !file.is_empty() && file != "-")?;
    if surroundings.is_pid_1 || said.has(&flags::FILE) {
        return None;
    }
    let first = strings(surroundings, "/proc/1/cmdline").ok()?;
    let own_name = base_name(surroundings.argv.first()?);
    if first.first().map(|called| base_name(called)) != Some(own_name) {
        return None;
    }
    let its = gather(&first[1..], &flags::RUN, Flags::First, &|_| None);
    let told = [variable.as_bytes(), b"=", manifest.as_bytes()].concat();
    let has_ours = match strings(surroundings, "/proc/1/environ") {
        Ok(its) => its.iter().any(|known| known.as_bytes() == told),
        Err(why) => why.kind() == ErrorKind::PermissionDenied,
    };
    let is_led = has_ours && !its.has(&flags::FILE) && !its.has(&flags::AS);
    let file = manifest.to_string_lossy().escape_debug().to_string();
    is_led.then(|| {
        format!(
            "PID 1 leads the life of {file} already, which {variable} names here too; see monopod status, or write -f {file} \
             to start all of it a second time"
        )
    })
}

/// A file of /proc, which ends each string with a zero.
fn strings(surroundings: &Surroundings, file: &str) -> io::Result<Vec<OsString>> {
    let bytes = (surroundings.read_file)(Path::new(file))?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let strings = bytes.split(|byte| *byte == 0);
    Ok(strings.map(|it| OsString::from_vec(it.to_vec())).collect())
}
