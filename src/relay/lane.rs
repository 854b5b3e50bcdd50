//! One stream's way through the relay, from the pipe of a source to descriptor 1 or 2, in steps of which each may be the
//! last: a relay may be killed between any two instructions, and the next one loses no byte and doubles none.
//!
//! How: bytes are always in exactly one of five places, and which one can be told from outside.
//!
//! ```text
//!  source ──splice──▶ staging ──read──▶ input ──dress──▶ output ──write──▶ way out ──splice──▶ 1 or 2
//!  (pipe)             (pipe)           (shared memory)  (shared memory)    (pipe)
//! ```
//!
//! A read or a write of a pipe by a process that is killed leaves open how far it came, for the count that it returns is
//! lost with the process. So nothing is read from a pipe that others fill, and nothing written to one that others empty.
//! `staging` and `way out` are ours alone: the bytes they hold are counted (FIONREAD) before and after, and the difference
//! is how far the lost call came. Between pipes bytes are moved by splice, which loses and copies nothing. Dressing is a
//! pure function of what is in shared memory, done again if need be.
//!
//! Where a source holds much, it is read without `staging`, which costs its writer the reuse of its pages. That so many
//! bytes are there is asked first, and nobody else takes them, so the read gives exactly those, in one go that a SIGKILL
//! does not tear. Whether it took place is told by a secret of 16 random bytes that was put where it was to end.
//!
//! So there is no recovery: [`Lane::advance`] does in each phase what a relay would do that had just been born into it.
//!
//! What surprised us: splice into a file does not lock the place at which all who share its descriptor write on, so it
//! overwrites their lines and they overwrite its own. Files are therefore written to straight from the output, and the place
//! tells how far a lost write came (of one opened for appending, which splice refuses anyway: the size). A device that
//! refuses splice tells nothing: there, one write of less than 4 KiB may be doubled by a SIGKILL.

mod seen;
mod send;
mod take;

pub use seen::{being_taken, in_hand, is_taking};

use super::format::{self, Dress, Place};
use super::gear::{Buffers, Gear, LaneWords};
use super::pages::{FRESH_AT, OUTPUT_BYTES, Pages, SourceWords};
use super::stamp::Stamp;
use super::target::{can_wait, enlarge, file_limit, is_file};
use super::touch::Touch;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the bytes of a turn are.
mod phase {
    /// Nowhere: no turn is under way.
    pub const IDLE: u64 = 0;
    /// In the source, or some of them in `staging`.
    pub const TAKING: u64 = 1;
    /// In `staging` and, so far as they are gone from there, in the input behind the carry.
    pub const READING: u64 = 2;
    /// In the source, or in the input where the secret stood.
    pub const READING_MUCH: u64 = 8;
    /// In the input, from the cursor on.
    pub const DRESSING: u64 = 3;
    /// In the input and dressed in the output; of which `base` bytes are out and more are in the way out.
    pub const WRITING: u64 = 4;
    /// The same, but what is in the way out is moving on.
    pub const FLUSHING: u64 = 5;
    /// As WRITING, past the way out.
    pub const STRAIGHT: u64 = 6;
    /// In the input: the beginning of a line, which goes into the carry.
    pub const STOWING: u64 = 7;
}

/// Why a lane came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The turn is over.
    Done,
    /// Whoever reads behind 1 or 2 must read first.
    Stuck,
    /// Somebody has taken from this process what it needs (prlimit(2)): only another can go on.
    Lamed,
}

/// The lane of one stream.
pub struct Lane<'p> {
    words: &'p LaneWords,
    pages: &'p Pages,
    touch: &'p Touch<'p>,
    buffers: Buffers<'p>,
    staging: RawFd,
    into_staging: RawFd,
    way_out: RawFd,
    into_way_out: RawFd,
    /// Descriptor 1 or 2.
    target: RawFd,
    /// The target is a file, or a device that refuses splice: what is written goes past the way out.
    is_straight: bool,
    /// A write there waits for the reader, and only a signal ends that.
    can_wait: bool,
    /// The phase STRAIGHT was entered by this relay.
    began_straight: bool,
    /// How large a file might become when this relay was born.
    birth_limit: Option<u64>,
    stamp: Stamp,
}

fn get(word: &AtomicU64) -> usize {
    word.load(Ordering::Acquire) as usize
}

fn set(word: &AtomicU64, value: usize) {
    word.store(value as u64, Ordering::Release);
}

impl<'p> Lane<'p> {
    /// The lane with this gear, as the last relay left it.
    ///
    /// # Safety
    ///
    /// Made once in a relay for each gear, while no other relay uses that.
    pub unsafe fn new(pages: &'p Pages, gear: &'p Gear, touch: &'p Touch<'p>) -> Lane<'p> {
        let target = gear.lane as RawFd + 1;
        enlarge(target, OUTPUT_BYTES);
        Lane {
            words: gear.words(),
            pages,
            touch,
            // SAFETY: by this function's own condition.
            buffers: unsafe { gear.buffers() },
            staging: gear.staging.out.as_raw_fd(),
            into_staging: gear.staging.into.as_raw_fd(),
            way_out: gear.way_out.out.as_raw_fd(),
            into_way_out: gear.way_out.into.as_raw_fd(),
            target,
            is_straight: is_file(target),
            can_wait: can_wait(target),
            began_straight: false,
            birth_limit: file_limit(),
            stamp: Stamp::default(),
        }
    }

    /// Whether the bytes of a turn are all ours already: no other turn must come before its lines.
    pub fn is_on_its_way(&self) -> bool {
        !matches!(
            self.phase(),
            phase::IDLE | phase::TAKING | phase::READING_MUCH
        )
    }

    /// Whether no turn is under way.
    pub fn is_idle(&self) -> bool {
        self.phase() == phase::IDLE
    }

    /// Descriptor 1 or 2.
    pub fn target(&self) -> RawFd {
        self.target
    }

    fn phase(&self) -> u64 {
        self.words.phase.load(Ordering::Acquire)
    }

    fn enter(&self, phase: u64) {
        self.words.phase.store(phase, Ordering::Release);
    }

    fn torn(&self) -> &'p AtomicU64 {
        &self.pages.board().torn[self.target as usize - 1]
    }

    fn source(&self) -> &'p SourceWords {
        self.pages.source(get(&self.words.source))
    }

    /// Begins a turn for the source with this number. Only for an idle lane.
    pub fn begin(&mut self, number: usize) {
        set(&self.words.source, number);
        self.enter(phase::TAKING);
    }

    /// Goes on with the turn until it is over or the reader must read. `from` is the pipe of the turn's source.
    pub fn advance(&mut self, from: RawFd, dress: &Dress) -> Rest {
        loop {
            match self.phase() {
                phase::IDLE => return Rest::Done,
                phase::TAKING => self.touch.source(self.turn_of(), || self.take(from)),
                phase::READING => self.read(),
                phase::READING_MUCH => self.touch.source(self.turn_of(), || self.read_much(from)),
                phase::DRESSING => self.dress(dress),
                phase::WRITING => self.write(),
                phase::FLUSHING | phase::STRAIGHT => {
                    let moved = match self.phase() {
                        phase::FLUSHING => self.flush(),
                        _ => self.write_straight(),
                    };
                    if moved != Rest::Done {
                        return moved;
                    }
                }
                _ => self.stow(),
            }
        }
    }

    /// The number of the turn's source.
    pub fn turn_of(&self) -> usize {
        get(&self.words.source).min(self.pages.sources() - 1)
    }

    /// Before the source is asked.
    fn note_known_end(&self) {
        let known = self.source().marks.furthest();
        self.words.known_end.store(known, Ordering::Release);
    }

    /// Puts the carry before the `fresh` bytes, which `taken_after` counts already.
    fn begin_dressing(&mut self, fresh: usize) {
        let came = &self.buffers.input[FRESH_AT..FRESH_AT + fresh];
        let taken = self.words.taken_after.load(Ordering::Acquire);
        self.pages.remember(get(&self.words.source), taken, came);
        let begin = FRESH_AT - get(&self.words.carried).min(FRESH_AT);
        let carry = &mut self.buffers.input[begin..FRESH_AT];
        self.pages.read_carry(get(&self.words.source), carry);
        set(&self.words.input, FRESH_AT + fresh);
        set(&self.words.cursor, begin);
        self.stamp.renew();
        self.enter(phase::DRESSING);
    }

    fn dress(&mut self, dress: &Dress) {
        let source = self.source();
        let end = get(&self.words.input);
        let ended = self.place_of_end(end);
        let input = &self.buffers.input[..ended.unwrap_or(end)];
        let place = Place {
            cursor: get(&self.words.cursor),
            split: get(&source.split) == 1,
        };
        // The beginning of a line that is out and whose rest was given up is ended first.
        let torn = get(self.torn()) & 1;
        let stamp = if dress.is_timed() {
            self.stamp.now()
        } else {
            b""
        };
        let is_end = ended.is_some();
        self.buffers.output[0] = b'\n';
        let room = &mut self.buffers.output[torn..];
        let (output, after) = format::fill(dress, stamp, input, place, is_end, room);
        if output == 0 && is_end {
            return source.marks.pass();
        }
        if output == 0 {
            return self.enter(phase::STOWING);
        }
        set(&self.words.cursor_after, after.cursor);
        set(&self.words.split_after, usize::from(after.split));
        set(&self.words.output, torn + output);
        set(&self.words.base, 0);
        if self.is_straight {
            self.begin_straight();
        } else {
            self.enter(phase::WRITING);
        }
    }

    /// Where in the input, which ends at `end`, a program ended.
    fn place_of_end(&self, end: usize) -> Option<usize> {
        let mark = self.source().marks.next()?;
        let taken = self.words.taken_after.load(Ordering::Acquire);
        // If nothing was there when the mark was, nothing will come before it either, however it came to lie ahead (somebody
        // else has read it). Not so of one that came later: a turn may take as long as a reader.
        let found_empty = end == FRESH_AT && mark < self.words.known_end.load(Ordering::Acquire);
        let behind = taken.saturating_sub(mark) as usize;
        let is_here = mark <= taken || found_empty;
        is_here.then(|| end.saturating_sub(behind).max(get(&self.words.cursor)))
    }

    fn stow(&mut self) {
        let source = self.source();
        let rest = &self.buffers.input[get(&self.words.cursor)..get(&self.words.input)];
        self.pages.write_carry(get(&self.words.source), rest);
        set(&source.carried, rest.len());
        set(&source.taken, get(&self.words.taken_after));
        self.enter(phase::IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipe::{self, Pipe};
    use super::super::touch::Alarm;
    use super::*;
    use nix::fcntl::OFlag;

    #[test]
    fn that_nothing_was_there_says_nothing_of_an_end_that_came_later() {
        let pages = Pages::new(1).expect("memory");
        pages.choose_secret();
        let (gear, alarm) = (
            Gear::new(0).expect("a gear"),
            Alarm::new().expect("a timer"),
        );
        let touch = Touch::new(&pages.board().touched, &alarm);
        let fifo = Pipe::new(OFlag::O_NONBLOCK, 65536).expect("a pipe");
        // SAFETY: the only lane of the only relay.
        let mut lane = unsafe { Lane::new(&pages, &gear, &touch) };
        let marks = &pages.source(0).marks;
        marks.tell();
        marks.place(5);
        lane.begin(0);
        lane.take(fifo.out.as_raw_fd());
        lane.read();
        // Somebody else has read the five bytes.
        assert_eq!(lane.place_of_end(FRESH_AT), Some(FRESH_AT));
        marks.pass();
        marks.tell();
        marks.place(10);
        assert_eq!(lane.place_of_end(FRESH_AT), None);
    }

    #[test]
    fn who_reads_a_captured_fifo_takes_bytes_but_does_not_make_us_invent_any() {
        let pages = Pages::new(1).expect("memory");
        pages.choose_secret();
        let pipe = || Pipe::new(OFlag::O_NONBLOCK, 65536).expect("a pipe");
        let (gear, fifo) = (Gear::new(0).expect("memory and pipes"), pipe());
        let alarm = Alarm::new().expect("a timer");
        let touch = Touch::new(&pages.board().touched, &alarm);
        // SAFETY: the only lane with this gear.
        let mut lane = unsafe { Lane::new(&pages, &gear, &touch) };
        for (stolen, left) in [(5000, 3192), (8192, 0), (0, 8192)] {
            let text = [b'x'; 8192];
            assert_eq!(pipe::write(fifo.into.as_raw_fd(), &text), Ok(8192));
            let before = get(&pages.source(0).taken);
            lane.begin(0);
            lane.take(fifo.out.as_raw_fd());
            assert_eq!(lane.phase(), phase::READING_MUCH);
            let mut thief = [0; 8192];
            let took = pipe::read(fifo.out.as_raw_fd(), &mut thief[..stolen]);
            assert_eq!(took, Ok(stolen));
            lane.read_much(fifo.out.as_raw_fd());
            assert_eq!(lane.phase(), phase::DRESSING);
            assert_eq!(get(&lane.words.input), FRESH_AT + left, "{stolen} stolen");
            assert_eq!(get(&pages.source(0).taken), before + left);
            // From then on no more is promised; here, for the next round, it is.
            let in_pieces = pages.source(0).in_pieces.swap(0, Ordering::AcqRel);
            assert_eq!(in_pieces == 1, stolen > 0);
            lane.enter(phase::IDLE);
        }
    }
}
