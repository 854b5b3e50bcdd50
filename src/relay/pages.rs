//! The memory that outlives a relay: shared by the core and every relay that it forks, one after the other.
//!
//! A relay keeps nothing of value anywhere else. Its progress is in words that are stored one at a time, each so that a
//! SIGKILL before or after it leaves a state from which the next relay goes on (see [`lane`](super::lane)). A carry is
//! filled before the word that says so is stored. What a turn needs is in its [`gear`](super::gear).
//!
//! Only a relay writes here, but for what the core writes: that programs ended, and that it is time to come to an end; and
//! what a child of the core writes before it becomes a program again: where it ended. The core believes nothing that it
//! reads here; it shows numbers to people. But it asks nobody else: see [`pipe`](super::pipe) for why it must not ask the
//! pipes.

mod marks;
mod tail;

pub use marks::Marks;
pub use tail::{TAIL_BYTES, TailWords};

use super::gear::map;
use nix::errno::Errno;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is taken from a source at once, at most; also the size that the relay's own pipes are asked to have.
pub const INPUT_BYTES: usize = 256 * 1024;
/// The beginning of a line that waits for its end: less than [`LONGEST_LINE_BYTES`](crate::plan::LONGEST_LINE_BYTES)
/// and a byte.
pub const CARRY_BYTES: usize = crate::plan::LONGEST_LINE_BYTES + 64;
/// Where in the input what was just read begins; the carry ends there. On a page's beginning, for the kernel copies to
/// an odd address at half the speed.
pub const FRESH_AT: usize = up_to_a_page(CARRY_BYTES);
/// See [`Board::secret`].
pub const SECRET_BYTES: usize = 16;
/// Dressed lines on their way out, and what the pipes on that way are asked to hold. Twice the input: a batch whose lines
/// have grown goes out in one go, where a rest of it would cost a turn of its own (6 % of a relayed line).
pub const OUTPUT_BYTES: usize = 512 * 1024;

/// The progress of one source.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SourceWords {
    /// Bytes taken out of it since the start.
    pub taken: AtomicU64,
    /// Bytes that had been written to it when it was last looked at: for the core, which must not ask the pipe.
    pub written: AtomicU64,
    /// 1 once a read gave less than there was: packets (O_DIRECT), or somebody else reads.
    pub in_pieces: AtomicU64,
    /// Where lines end without a line break, see [`Marks`].
    pub marks: Marks,
    /// Bytes in its carry.
    pub carried: AtomicU64,
    /// 1 if the carry goes on with a line of which pieces are out.
    pub split: AtomicU64,
    /// For a followed path: which of the two is the file in hand. The other is where the next one is written down.
    pub slot: AtomicU64,
    pub files: [FileWords; 2],
    /// Of what passes, and how far it is remembered, see `tail`.
    pub tail: TailWords,
}

/// A file that is followed.
#[derive(Debug, Default)]
#[repr(C)]
pub struct FileWords {
    pub device: AtomicU64,
    pub inode: AtomicU64,
    /// What `taken` was at its beginning, so that their difference is the offset.
    pub base: AtomicU64,
}

/// What concerns all.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Board {
    /// 1 once the core wants to leave. Written by the core.
    pub drain: AtomicU64,
    /// 1 once what was there by then is out.
    pub drained: AtomicU64,
    /// The number and 1 of the source of whose pipe a relay asks something just now; 0 is none. See `touch`.
    pub touched: AtomicU64,
    /// Of each stream, 1 if what came out last was the beginning of a line that was then given up.
    pub torn: [AtomicU64; 2],
    /// Sixteen bytes that no writer can guess, see `lane`.
    pub secret: [AtomicU64; 2],
}

/// The mapping.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    sources: usize,
}

const fn up_to_a_page(bytes: usize) -> usize {
    bytes.next_multiple_of(4096)
}

impl Pages {
    /// For so many sources. Nothing of it costs memory before it is touched.
    pub fn new(sources: usize) -> Result<Pages, Errno> {
        let start = map(Pages::length(sources))?;
        Ok(Pages { start, sources })
    }

    fn words_length(sources: usize) -> usize {
        up_to_a_page(size_of::<Board>() + sources * size_of::<SourceWords>())
    }

    fn length(sources: usize) -> usize {
        Pages::tails_at(sources) + sources.div_ceil(2) * TAIL_BYTES
    }

    fn tails_at(sources: usize) -> usize {
        Pages::words_length(sources) + sources * up_to_a_page(CARRY_BYTES)
    }

    /// What concerns all.
    pub fn board(&self) -> &Board {
        // SAFETY: the mapping begins with it, page-aligned and zeroed, which is a value of atomics; it lives as long as
        // this process, and all access to it is atomic.
        unsafe { self.start.cast().as_ref() }
    }

    /// The progress of a source.
    pub fn source(&self, number: usize) -> &SourceWords {
        assert!(number < self.sources, "sources are numbered by their place");
        let offset = size_of::<Board>() + number * size_of::<SourceWords>();
        // SAFETY: as above; within the words by the assertion, and aligned because both sizes are multiples of 8.
        unsafe { self.start.add(offset).cast().as_ref() }
    }

    /// The secret as bytes.
    pub fn secret(&self) -> [u8; SECRET_BYTES] {
        let mut bytes = [0; SECRET_BYTES];
        for (half, word) in bytes.chunks_mut(8).zip(&self.board().secret) {
            half.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
        }
        bytes
    }

    /// Chooses the secret. Where the kernel has no random bytes to give, it stays zeroes.
    pub fn choose_secret(&self) {
        let mut bytes = [0_u8; SECRET_BYTES];
        // SAFETY: the buffer is that long.
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
        for (half, word) in bytes.as_chunks::<8>().0.iter().zip(&self.board().secret) {
            word.store(u64::from_ne_bytes(*half), Ordering::Release);
        }
    }

    /// Copies the carry of a source into `to`.
    pub fn read_carry(&self, number: usize, to: &mut [u8]) {
        assert!(to.len() <= CARRY_BYTES, "no carry is longer");
        // SAFETY: both are that long; the slice is not in this part of the mapping.
        unsafe { std::ptr::copy_nonoverlapping(self.carry(number), to.as_mut_ptr(), to.len()) };
    }

    /// Copies `from` into the carry of a source.
    pub fn write_carry(&self, number: usize, from: &[u8]) {
        assert!(from.len() <= CARRY_BYTES, "no carry is longer");
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.carry(number), from.len()) };
    }

    fn carry(&self, number: usize) -> *mut u8 {
        assert!(number < self.sources, "sources are numbered by their place");
        let offset = Pages::words_length(self.sources) + number * up_to_a_page(CARRY_BYTES);
        // SAFETY: within the mapping by the assertion.
        unsafe { self.start.add(offset).as_ptr() }
    }

    /// For how many sources this is.
    pub fn sources(&self) -> usize {
        self.sources
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, and nothing borrowed from it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), Pages::length(self.sources)) };
    }
}
