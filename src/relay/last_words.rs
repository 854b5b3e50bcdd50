//! The core's side of a program's last words: what stands in for an empty termination message after a failure
//! (FallbackToLogsOnError, S123), where output is relayed.
//!
//! A relay may be a moment behind the program, or as far behind as its reader lets it be. So they are asked for at the end
//! of the program, and again whenever there was something to hear.

use super::{Origin, Pages, Relay};
use crate::plan::{Conduct, Plan, ProgramId};
use std::sync::atomic::Ordering;

/// The kubelet's limits (S123).
const LINES: usize = 80;
const BYTES: u64 = 2048;

/// A program whose end of output is remembered.
#[derive(Debug)]
pub struct Instance {
    program: ProgramId,
    /// Its first source; the second follows.
    source: usize,
    /// Bytes of both that were written when the instance before it ended.
    begun: u64,
}

impl Relay {
    /// Before there is a relay.
    pub(super) fn want_last_words(&mut self, plan: &Plan) {
        let Conduct::Pod(pod) = &plan.conduct else {
            return;
        };
        let asks = |it: &&crate::plan::Container| {
            it.termination_message
                .as_ref()
                .is_some_and(|it| it.or_output)
        };
        for container in pod.containers.iter().filter(asks) {
            let program = container.program;
            let is_its = |source: &super::Source| matches!(source.origin, Origin::Program(of) if of == program);
            let Some(source) = self.sources.iter().position(is_its) else {
                continue;
            };
            for number in [source, source + 1] {
                self.pages
                    .source(number)
                    .tail
                    .wanted
                    .store(1, Ordering::Release);
            }
            self.instances.push(Instance {
                program,
                source,
                begun: 0,
            });
        }
    }

    /// An instance of a program ended, of which no mark tells yet.
    pub(super) fn instance_ended(&mut self, program: ProgramId) {
        let mut instances = self.instances.iter_mut();
        if let Some(instance) = instances.find(|it| it.program == program)
            && let Some(ended) = ends(&self.pages, instance.source)
        {
            instance.begun = ended.iter().sum();
        }
    }

    /// What the last instance of this program said in the end, at most 80 lines and 2048 bytes; `None` if nothing is
    /// remembered of it, or not all of it was read yet.
    pub fn last_words(&self, program: ProgramId) -> Option<String> {
        let mut instances = self.instances.iter();
        let instance = instances.find(|it| it.program == program)?;
        let both = ends(&self.pages, instance.source)?;
        let mut newer = 0;
        for (stream, ended) in both.into_iter().enumerate() {
            let words = self.pages.source(instance.source + stream);
            let seen = words.tail.seen.load(Ordering::Acquire);
            // Where the end lies may have been a guess; the relay knows when it is behind it.
            if seen < ended && words.marks.next().is_some() {
                return None;
            }
            newer += seen.saturating_sub(ended);
        }
        let written = both.iter().sum::<u64>();
        let own = written.saturating_sub(instance.begun).min(BYTES);
        let bytes = self.pages.remembered(instance.source, newer, own);
        Some(last_lines(&String::from_utf8_lossy(&bytes)).to_owned())
    }
}

/// What was written to each of two sources when their program last ended; `None` if nobody has counted it yet.
fn ends(pages: &Pages, source: usize) -> Option<[u64; 2]> {
    let last = |number| pages.source(number).marks.last();
    Some([last(source)?, last(source + 1)?])
}

fn last_lines(text: &str) -> &str {
    let ends = text.trim_end_matches('\n').rmatch_indices('\n');
    let cut = ends.map(|(place, _)| place + 1).nth(LINES - 1);
    &text[cut.unwrap_or(0)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s123_at_most_eighty_lines() {
        assert_eq!(last_lines("one\ntwo"), "one\ntwo");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        let kept = last_lines(&many);
        assert_eq!(kept.lines().count(), LINES);
        assert!(kept.starts_with("20\n") && kept.ends_with("99\n"));
    }
}
