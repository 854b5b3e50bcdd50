//! The log: env_logger's filter and front, our line, and a writer that never waits.

use super::standard::Stderr;
use crate::cli::{LogSettings, Voice};
use env_logger::Target;
use log::{Level, Record};
use std::io::{self, Write};
use std::time::SystemTime;

/// Opens the log. Called once; a second call is ignored.
pub fn open(settings: &LogSettings) {
    let voice = settings.voice;
    let pid = std::process::id();
    let opened = env_logger::Builder::new()
        .filter_level(settings.level)
        .format(move |out, record| line(out, record, voice, pid))
        .target(Target::Pipe(Box::new(Stderr::default())))
        .try_init();
    if opened.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            log::error!("this is a bug in monopod: {panic}")
        }));
    }
}

fn line(out: &mut impl Write, record: &Record, voice: Voice, pid: u32) -> io::Result<()> {
    let level = record.level();
    // A name may hold anything, a line break and a forged line behind it too.
    let words = record.args().to_string().replace(char::is_control, "?");
    match voice {
        Voice::Text => writeln!(
            out,
            "monopod: {}: {words}",
            level.as_str().to_ascii_lowercase()
        ),
        Voice::Tini => writeln!(
            out,
            "[{:5} tini ({pid})] {words}",
            if level == Level::Error {
                "FATAL"
            } else {
                level.as_str()
            }
        ),
        Voice::DumbInit => writeln!(out, "[dumb-init] {words}"),
        Voice::Catatonit => writeln!(out, "{} (catatonit:{pid}): {words}", level.as_str()),
        Voice::Json => {
            let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
            let level = level.as_str().to_ascii_lowercase();
            let line = serde_json::json!({"time": time, "level": level, "msg": words});
            writeln!(out, "{line}")
        }
    }
}
