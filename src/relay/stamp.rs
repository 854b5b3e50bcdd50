//! The time that lines carry: the wall's, RFC 3339 with nanoseconds, as container runtimes write it.
//!
//! Lines that were taken together carry one time: that of the moment in which they were taken.

use std::io::Write;
use std::time::SystemTime;

/// `2026-11-25T15:47:21.123456789Z` is 30 bytes.
const LENGTH: usize = 30;

/// A time in words, kept until it is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    at: Option<SystemTime>,
    words: [u8; LENGTH],
}

impl Default for Stamp {
    fn default() -> Stamp {
        Stamp {
            at: None,
            words: [b'0'; LENGTH],
        }
    }
}

impl Stamp {
    /// From now on it is another time.
    pub fn renew(&mut self) {
        self.at = None;
    }

    /// The time in words.
    pub fn now(&mut self) -> &[u8] {
        if self.at.is_none() {
            let now = SystemTime::now();
            self.at = Some(now);
            // A year of five digits does not fit, and then it stays what it was.
            let _ = write!(
                &mut self.words[..],
                "{}",
                humantime::format_rfc3339_nanos(now)
            );
        }
        &self.words
    }
}
