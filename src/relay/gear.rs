//! What one stream's turns are done with: a lane's words and buffers in memory that outlives a relay, and its own two pipes.
//!
//! Each of the two streams has one. There are more only while somebody holds up relays (see `quarantine`): a relay that is
//! held in a call may still move bytes within its gear when it is let go, so nobody else may use that one meanwhile.
//!
//! Only a relay writes here. The core believes nothing that it reads here; it shows numbers to people.

use super::pages::{FRESH_AT, INPUT_BYTES, OUTPUT_BYTES, SECRET_BYTES};
use super::pipe::Pipe;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::mem::size_of;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// The progress of a turn. What each word means, and when, is `lane`'s.
#[derive(Debug, Default)]
#[repr(C)]
pub struct LaneWords {
    pub phase: AtomicU64,
    pub source: AtomicU64,
    pub staged: AtomicU64,
    pub taken_after: AtomicU64,
    /// The furthest end that was known before the source was asked, and 1; 0 is none.
    pub known_end: AtomicU64,
    pub carried: AtomicU64,
    pub input: AtomicU64,
    pub cursor: AtomicU64,
    pub cursor_after: AtomicU64,
    pub split_after: AtomicU64,
    pub output: AtomicU64,
    pub base: AtomicU64,
    pub base_after: AtomicU64,
    pub place_before: AtomicU64,
    /// Bytes in the way out, as far as was seen: for the core, which must not ask the pipe.
    pub in_way_out: AtomicU64,
    /// Bytes that nobody wanted: the reader is gone, or the disk is full.
    pub lost: AtomicU64,
}

/// The buffers of one lane.
pub struct Buffers<'a> {
    pub input: &'a mut [u8],
    pub output: &'a mut [u8],
}

/// One.
#[derive(Debug)]
pub struct Gear {
    /// 0 for standard output, 1 for standard error.
    pub lane: usize,
    pub staging: Pipe,
    pub way_out: Pipe,
    /// The mapping: a page of words, then the buffers.
    start: NonNull<u8>,
}

const BUFFERS_AT: usize = 4096;
const BYTES: usize = BUFFERS_AT + FRESH_AT + INPUT_BYTES + OUTPUT_BYTES;
const _: () = assert!(size_of::<LaneWords>() <= BUFFERS_AT);

/// A shared mapping of so many zeroes. Nothing of it costs memory before it is touched.
pub fn map(bytes: usize) -> Result<NonNull<u8>, Errno> {
    // SAFETY: a new mapping, wherever the kernel likes.
    let start: *mut libc::c_void = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    match NonNull::new(start.cast::<u8>()) {
        Some(mapped) if start != libc::MAP_FAILED => Ok(mapped),
        _ => Err(Errno::last()),
    }
}

impl Gear {
    /// One for this lane.
    pub fn new(lane: usize) -> Result<Gear, Errno> {
        Ok(Gear {
            lane,
            staging: Pipe::new(OFlag::O_NONBLOCK, INPUT_BYTES)?,
            way_out: Pipe::new(OFlag::O_NONBLOCK, OUTPUT_BYTES)?,
            start: map(BYTES)?,
        })
    }

    /// How far the turn is.
    pub fn words(&self) -> &LaneWords {
        // SAFETY: the mapping begins with it, page-aligned and zeroed, which is a value of atomics; it lives as long as
        // this does, and all access to it is atomic.
        unsafe { self.start.cast().as_ref() }
    }

    /// The buffers.
    ///
    /// # Safety
    ///
    /// Called once in a process, and only in a relay, while no other relay uses this gear.
    pub unsafe fn buffers(&self) -> Buffers<'_> {
        // SAFETY: within the mapping; that nobody else has these bytes is the caller's promise.
        unsafe {
            let input = self.start.add(BUFFERS_AT).as_ptr();
            let output = input.add(FRESH_AT + INPUT_BYTES);
            Buffers {
                input: std::slice::from_raw_parts_mut(input, FRESH_AT + INPUT_BYTES),
                output: std::slice::from_raw_parts_mut(output, OUTPUT_BYTES),
            }
        }
    }

    /// In a child of the core: what stands in the input before `end`; `None` if no secret has room there.
    pub fn input_before(&self, end: usize) -> Option<[u8; SECRET_BYTES]> {
        if !(SECRET_BYTES..=FRESH_AT + INPUT_BYTES).contains(&end) {
            return None;
        }
        let mut bytes = [0; SECRET_BYTES];
        // SAFETY: within the mapping by the check above. A relay may be writing there; bytes torn in half are no secret.
        unsafe {
            let place = self.start.add(BUFFERS_AT + end - SECRET_BYTES).as_ptr();
            std::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), SECRET_BYTES);
        }
        Some(bytes)
    }

    /// All of its descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        let pipes = [&self.staging, &self.way_out].into_iter();
        pipes.flat_map(|pipe| [pipe.out.as_raw_fd(), pipe.into.as_raw_fd()])
    }
}

impl Drop for Gear {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, and nothing borrowed from it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), BYTES) };
    }
}
