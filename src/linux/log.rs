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
    let stderr = Stderr::telling(move |lost| lines_lost(lost, voice, pid));
    let opened = env_logger::Builder::new()
        .filter_level(settings.level)
        .format(move |out, record| line(out, record, voice, pid))
        .target(Target::Pipe(Box::new(stderr)))
        .try_init();
    if opened.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            log::error!("this is a bug in monopod: {panic}")
        }));
    }
}

/// What is said when lines were lost, as the log itself would say it.
fn lines_lost(count: u64, voice: Voice, pid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = line(
        &mut out,
        &Record::builder()
            .level(Level::Warn)
            .args(format_args!(
                "nobody read here, and {count} log lines were lost"
            ))
            .build(),
        voice,
        pid,
    );
    out
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
            let time = humantime::format_rfc3339_millis(SystemTime::now());
            let level = level.as_str().to_ascii_lowercase();
            let words = serde_json::Value::from(words);
            writeln!(
                out,
                r#"{{"level":"{level}","msg":{words},"time":"{time}"}}"#
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_lines_were_lost_is_said_in_the_voice_of_the_log() {
        let said = |voice| String::from_utf8(lines_lost(3, voice, 7)).unwrap();
        let words = "nobody read here, and 3 log lines were lost";
        assert_eq!(said(Voice::Text), format!("monopod: warn: {words}\n"));
        assert_eq!(said(Voice::Tini), format!("[WARN  tini (7)] {words}\n"));
        assert_eq!(said(Voice::DumbInit), format!("[dumb-init] {words}\n"));
        assert_eq!(
            said(Voice::Catatonit),
            format!("WARN (catatonit:7): {words}\n")
        );
        let json: serde_json::Value = serde_json::from_str(&said(Voice::Json)).unwrap();
        assert_eq!(
            (&json["level"], &json["msg"]),
            (&"warn".into(), &words.into())
        );
    }
}
