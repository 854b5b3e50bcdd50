//! The end of what a program wrote, for its termination message: so many of its last bytes as passed, both streams in the
//! order in which they were read. Two neighbours among the sources, which are a program's, have one tail.
//!
//! It is beside the way of the bytes: nothing that a relay goes on with is read from here, so whatever a SIGKILL does to it, no line is
//! lost or doubled. It may tear the tail, which is for people.

use super::Pages;
use std::sync::atomic::{AtomicU64, Ordering};

/// A page. Twice what is wanted, so that what the next instance says at once does not push it out.
pub const TAIL_BYTES: usize = 4096;

/// In each source.
#[derive(Debug, Default)]
#[repr(C)]
pub struct TailWords {
    /// 1 if it is wanted. Written by the core before there is a relay.
    pub wanted: AtomicU64,
    /// So many bytes of the source have come to the tail.
    pub seen: AtomicU64,
    /// In the first of two neighbours: so many bytes have come to it from both.
    end: AtomicU64,
}

impl Pages {
    /// In a relay: these bytes came, after which `taken` have come from the source. The same again is passed over.
    pub fn remember(&self, number: usize, taken: u64, bytes: &[u8]) {
        let words = &self.source(number).tail;
        if words.wanted.load(Ordering::Acquire) == 0 || words.seen.load(Ordering::Acquire) == taken
        {
            return;
        }
        let end = &self.source(number & !1).tail.end;
        let (cut, last) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES));
        let from = end.load(Ordering::Acquire).wrapping_add(cut.len() as u64);
        let place = from as usize % TAIL_BYTES;
        let (to_the_edge, beyond) = last.split_at(last.len().min(TAIL_BYTES - place));
        for (place, part) in [(place, to_the_edge), (0, beyond)] {
            // SAFETY: within the ring, for neither part goes beyond its edge; the slice is not in this part of the mapping.
            unsafe {
                self.tail(number)
                    .add(place)
                    .copy_from_nonoverlapping(part.as_ptr(), part.len())
            };
        }
        end.store(from.wrapping_add(last.len() as u64), Ordering::Release);
        words.seen.store(taken, Ordering::Release);
    }

    /// In the core: the last `most` bytes but the `newer` ones behind them. A relay may be writing there; it is text for people.
    pub fn remembered(&self, number: usize, newer: u64, most: u64) -> Vec<u8> {
        let end = self.source(number & !1).tail.end.load(Ordering::Acquire);
        let to = end.saturating_sub(newer);
        let length = most.min((TAIL_BYTES as u64).saturating_sub(newer)).min(to);
        let byte = |place: u64| {
            // SAFETY: within the ring.
            unsafe {
                self.tail(number)
                    .add(place as usize % TAIL_BYTES)
                    .read_volatile()
            }
        };
        (to - length..to).map(byte).collect()
    }

    fn tail(&self, number: usize) -> *mut u8 {
        assert!(number < self.sources, "sources are numbered by their place");
        let offset = Pages::tails_at(self.sources) + number / 2 * TAIL_BYTES;
        // SAFETY: within the mapping by the assertion.
        unsafe { self.start.add(offset).as_ptr() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pages: &Pages, newer: u64, most: u64) -> String {
        String::from_utf8(pages.remembered(3, newer, most)).expect("text")
    }

    #[test]
    fn the_last_bytes_of_both_streams_stay_and_what_came_behind_is_left_out() {
        let pages = Pages::new(5).expect("memory");
        pages.remember(2, 3, b"not wanted");
        assert_eq!(text(&pages, 0, 9), "");
        for number in [2, 3] {
            pages.source(number).tail.wanted.store(1, Ordering::Release);
        }
        pages.remember(2, 4, b"out ");
        pages.remember(3, 4, b"err ");
        pages.remember(3, 4, b"the same again");
        pages.remember(2, 7, b"new");
        assert_eq!(text(&pages, 0, 100), "out err new");
        assert_eq!(text(&pages, 3, 4), "err ");
        assert_eq!(text(&pages, u64::MAX, u64::MAX), "");
    }

    #[test]
    fn more_than_the_ring_holds_leaves_its_end() {
        let pages = Pages::new(2).expect("memory");
        pages.source(1).tail.wanted.store(1, Ordering::Release);
        let much = (0..3 * TAIL_BYTES + 100).map(|n| b'a' + (n % 26) as u8);
        let much: Vec<u8> = much.collect();
        pages.remember(1, 5, &much[..TAIL_BYTES - 7]);
        pages.remember(1, 9, &much[TAIL_BYTES - 7..]);
        let kept = pages.remembered(1, 10, 2048);
        assert_eq!(kept, much[much.len() - 10 - 2048..much.len() - 10]);
        assert_eq!(pages.remembered(1, 0, u64::MAX).len(), TAIL_BYTES);
    }
}
