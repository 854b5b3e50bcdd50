//! What the core, and a child of it, can tell of a lane from its words. It believes none of them further than a number in a message, or a
//! line that is completed early.

use super::super::gear::{Gear, LaneWords};
use super::super::pages::{FRESH_AT, Pages};
use super::super::pipe;
use super::{get, phase};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

/// In a child of the core: bytes of a source that a relay has moved and not yet counted as taken.
pub fn being_taken(pages: &Pages, source: usize, gear: &Gear) -> u64 {
    let words = gear.words();
    let counted = pages.source(source).taken.load(Ordering::Acquire);
    let uncounted = words
        .taken_after
        .load(Ordering::Acquire)
        .saturating_sub(counted);
    match words.phase.load(Ordering::Acquire) {
        phase::TAKING if get(&words.source) == source => {
            pipe::held(gear.staging.out.as_raw_fd()) as u64
        }
        phase::READING_MUCH if get(&words.source) == source => {
            let end = FRESH_AT + get(&words.staged);
            match gear.input_before(end) == Some(pages.secret()) {
                true => 0,
                false => uncounted,
            }
        }
        phase::READING if get(&words.source) == source => uncounted,
        _ => 0,
    }
}

/// In the core: whether a turn for this source has yet to get its bytes, or is just getting them.
pub fn is_taking(words: &LaneWords, source: usize) -> bool {
    let phase = words.phase.load(Ordering::Acquire);
    matches!(phase, phase::TAKING | phase::READING_MUCH) && get(&words.source) == source
}

/// In the core: bytes that a lane has in hand; dressed ones in their dress.
pub fn in_hand(words: &LaneWords) -> usize {
    let input = get(&words.input);
    let left_of_batch = |done: usize| {
        let undressed = input.saturating_sub(get(&words.cursor_after));
        undressed + get(&words.output).saturating_sub(done)
    };
    match words.phase.load(Ordering::Acquire) {
        phase::DRESSING | phase::STOWING => input.saturating_sub(get(&words.cursor)),
        phase::WRITING | phase::STRAIGHT => left_of_batch(get(&words.base)),
        phase::FLUSHING => {
            left_of_batch(get(&words.base_after).saturating_sub(get(&words.in_way_out)))
        }
        // Still in the source or in `staging`, where they are counted as not taken.
        _ => 0,
    }
}
