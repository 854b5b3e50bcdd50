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
//! What surprised us: splice refuses a file opened for appending (`monopod … >> log`). There write(2) is left, and the
//! size of the file tells how far it came. A device that refuses splice tells nothing: there, one write of less than
//! 4 KiB may be doubled by a SIGKILL.

use super::format::{self, Dress, Place};
use super::pages::{Buffers, FRESH_AT, INPUT_BYTES, LaneWords, Pages, SECRET_BYTES, SourceWords};
use super::pipe::{self, Pipe};
use super::stamp::Stamp;
use nix::errno::Errno;
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
    pub const APPENDING: u64 = 6;
    /// In the input: the beginning of a line, which goes into the carry.
    pub const STOWING: u64 = 7;
}

/// Writes up to this long are not torn apart by other writers of a pipe (PIPE_BUF, pipe(7)), and lie in one page.
const WHOLE_WRITE_BYTES: usize = 4096;

/// So much is worth a shorter way: it is read from the source itself, without `staging`.
const MUCH_BYTES: usize = 4096;

/// Why a lane came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The turn is over.
    Done,
    /// Whoever reads behind 1 or 2 must read first.
    Stuck,
}

/// The lane of one stream.
pub struct Lane<'p> {
    words: &'p LaneWords,
    pages: &'p Pages,
    buffers: Buffers<'p>,
    staging: RawFd,
    into_staging: RawFd,
    way_out: RawFd,
    into_way_out: RawFd,
    /// Descriptor 1 or 2.
    target: RawFd,
    appends: bool,
    /// The phase APPENDING was entered by this relay.
    is_own_append: bool,
    stamp: Stamp,
}

fn get(word: &AtomicU64) -> usize {
    word.load(Ordering::Acquire) as usize
}

fn set(word: &AtomicU64, value: usize) {
    word.store(value as u64, Ordering::Release);
}

impl<'p> Lane<'p> {
    /// The lane to `target`, which is 1 or 2, as the last relay left it.
    ///
    /// # Safety
    ///
    /// Made once in a relay for each target, while no other relay lives.
    pub unsafe fn new(pages: &'p Pages, target: RawFd, staging: &Pipe, way_out: &Pipe) -> Lane<'p> {
        let number = target as usize - 1;
        Lane {
            words: &pages.board().lanes[number],
            pages,
            // SAFETY: by this function's own condition.
            buffers: unsafe { pages.buffers(number) },
            staging: staging.out.as_raw_fd(),
            into_staging: staging.into.as_raw_fd(),
            way_out: way_out.out.as_raw_fd(),
            into_way_out: way_out.into.as_raw_fd(),
            target,
            appends: is_appended_to(target),
            is_own_append: false,
            stamp: Stamp::default(),
        }
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

    fn source(&self) -> &'p SourceWords {
        self.pages.source(get(&self.words.source))
    }

    /// Begins a turn for the source with this number. Only for an idle lane.
    pub fn begin(&mut self, number: usize) {
        set(&self.words.source, number);
        self.enter(phase::TAKING);
    }

    /// Begins a turn for a source that is a file, which can be read as often as need be: `taken` moves only when the
    /// turn is over. Only for an idle lane.
    pub fn begin_with_file(&mut self, number: usize, file: Option<(RawFd, u64)>) {
        set(&self.words.source, number);
        let source = self.source();
        let carried = get(&source.carried);
        set(&self.words.carried, carried);
        let read = file.map(|(file, offset)| {
            pipe::read_at(file, &mut self.buffers.input[FRESH_AT..], offset).unwrap_or(0)
        });
        let count = read.unwrap_or(0);
        set(&self.words.taken_after, get(&source.taken) + count);
        self.begin_dressing(count);
    }

    /// Goes on with the turn until it is over or the reader must read. `from` is the pipe of the turn's source.
    pub fn advance(&mut self, from: RawFd, dress: &Dress) -> Rest {
        loop {
            match self.phase() {
                phase::IDLE => return Rest::Done,
                phase::TAKING => self.take(from),
                phase::READING => self.read(),
                phase::READING_MUCH => self.read_much(from),
                phase::DRESSING => self.dress(dress),
                phase::WRITING => self.write(),
                phase::FLUSHING | phase::APPENDING => {
                    let moved = match self.phase() {
                        phase::FLUSHING => self.flush(),
                        _ => self.append(),
                    };
                    if moved == Rest::Stuck {
                        return Rest::Stuck;
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

    fn take(&mut self, from: RawFd) {
        // If it holds something already, that is what the last relay took.
        if pipe::held(self.staging) == 0 {
            let held = pipe::held(from).min(INPUT_BYTES);
            if held >= MUCH_BYTES {
                return self.promise_much(held);
            }
            // What fails is a pipe with nothing in it, or one that is no pipe any more; both mean that nothing came.
            let _ = pipe::splice(from, self.into_staging, INPUT_BYTES);
        }
        let staged = pipe::held(self.staging);
        let source = self.source();
        set(&self.words.staged, staged);
        set(&self.words.taken_after, get(&source.taken) + staged);
        set(&self.words.carried, get(&source.carried));
        self.enter(phase::READING);
    }

    /// Puts the secret where a read of so many bytes will end.
    fn promise_much(&mut self, held: usize) {
        let source = self.source();
        let carried = get(&source.carried);
        set(&self.words.staged, held);
        set(&self.words.taken_after, get(&source.taken) + held);
        set(&self.words.carried, carried);
        let end = FRESH_AT + held;
        self.buffers.input[end - SECRET_BYTES..end].copy_from_slice(&self.pages.secret());
        self.enter(phase::READING_MUCH);
    }

    fn read_much(&mut self, from: RawFd) {
        let source = self.source();
        let held = get(&self.words.staged);
        let room = &mut self.buffers.input[FRESH_AT..FRESH_AT + held];
        if room.ends_with(&self.pages.secret()) {
            // They are there and nobody else takes them, so the kernel gives them all in one go.
            while pipe::read(from, room) == Err(Errno::EINTR) {}
        }
        set(&source.taken, get(&self.words.taken_after));
        self.begin_dressing(held);
    }

    fn read(&mut self) {
        let source = self.source();
        set(&source.taken, get(&self.words.taken_after));
        let staged = get(&self.words.staged);
        let fresh = &mut self.buffers.input[FRESH_AT..FRESH_AT + staged];
        let mut left = pipe::held(self.staging);
        while left > 0 {
            match pipe::read(self.staging, &mut fresh[staged - left..]) {
                Ok(count) if count > 0 => left -= count,
                Err(Errno::EINTR) => {}
                // A pipe that holds something cannot fail so; if it does, what is missing is missing.
                _ => break,
            }
        }
        self.begin_dressing(staged);
    }

    /// Puts the carry before the `fresh` bytes, which `taken_after` counts already.
    fn begin_dressing(&mut self, fresh: usize) {
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
        let stamp = if dress.is_timed() {
            self.stamp.now()
        } else {
            b""
        };
        let is_end = ended.is_some();
        let (output, after) = format::fill(dress, stamp, input, place, is_end, self.buffers.output);
        if output == 0 && is_end {
            return source.marks.pass();
        }
        if output == 0 {
            return self.enter(phase::STOWING);
        }
        set(&self.words.cursor_after, after.cursor);
        set(&self.words.split_after, usize::from(after.split));
        set(&self.words.output, output);
        set(&self.words.base, 0);
        if self.appends {
            self.begin_appending();
        } else {
            self.enter(phase::WRITING);
        }
    }

    /// Where in the input, which ends at `end`, a program ended.
    fn place_of_end(&self, end: usize) -> Option<usize> {
        let mark = self.source().marks.next()?;
        let taken = self.words.taken_after.load(Ordering::Acquire);
        // If nothing was there, then nothing will come before the mark either, however it came to lie ahead.
        let found_empty = end == FRESH_AT;
        let behind = taken.saturating_sub(mark) as usize;
        let is_here = mark <= taken || found_empty;
        is_here.then(|| end.saturating_sub(behind).max(get(&self.words.cursor)))
    }

    /// Fills the way out, which was empty when the phase began, with whole lines in pages.
    fn write(&mut self) {
        let output = &self.buffers.output[..get(&self.words.output)];
        let mut place = get(&self.words.base) + pipe::held(self.way_out);
        while place < output.len() {
            let length = whole_lines(&output[place..]);
            match pipe::write(self.into_way_out, &output[place..place + length]) {
                Ok(count) => place += count,
                Err(Errno::EINTR) => {}
                // Full.
                Err(_) => break,
            }
        }
        set(&self.words.base_after, place);
        self.enter(phase::FLUSHING);
    }

    fn flush(&mut self) -> Rest {
        let mut left = pipe::held(self.way_out);
        while left > 0 {
            match pipe::splice(self.way_out, self.target, left) {
                Ok(moved) => left -= moved.min(left),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Rest::Stuck,
                Err(Errno::EINVAL) => {
                    self.append_instead();
                    return Rest::Done;
                }
                Err(_) => left = self.give_up(),
            }
        }
        let done = get(&self.words.base_after);
        if done < get(&self.words.output) {
            set(&self.words.base, done);
            self.enter(phase::WRITING);
        } else {
            self.batch_is_out();
        }
        Rest::Done
    }

    /// The target refuses splice: what is in the way out is in the output as well, and goes from there.
    fn append_instead(&mut self) {
        self.appends = true;
        let out = get(&self.words.base_after) - pipe::held(self.way_out);
        set(&self.words.base, out);
        self.begin_appending();
    }

    fn begin_appending(&mut self) {
        set(&self.words.size_before, size(self.target));
        self.is_own_append = true;
        self.enter(phase::APPENDING);
    }

    fn append(&mut self) -> Rest {
        self.empty_way_out();
        let output = &self.buffers.output[..get(&self.words.output)];
        // What was written by a relay that was killed before it could say so. Who else appends to that file in those
        // microseconds is mistaken for it.
        let unseen = match self.is_own_append {
            true => 0,
            false => size(self.target).saturating_sub(get(&self.words.size_before)),
        };
        self.is_own_append = true;
        let place = (get(&self.words.base) + unseen).min(output.len());
        let most = match is_file(self.target) {
            true => output.len() - place,
            false => whole_lines(&output[place..]),
        };
        let count = match pipe::write(self.target, &output[place..place + most]) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(Errno::EAGAIN) => return Rest::Stuck,
            Err(_) => {
                self.words
                    .lost
                    .fetch_add((output.len() - place) as u64, Ordering::AcqRel);
                output.len() - place
            }
        };
        if place + count == output.len() {
            self.batch_is_out();
        } else {
            // In this order: between the two, a SIGKILL doubles what was written in part, which files hardly do.
            set(&self.words.size_before, size(self.target));
            set(&self.words.base, place + count);
        }
        Rest::Done
    }

    fn batch_is_out(&mut self) {
        set(&self.source().split, get(&self.words.split_after));
        set(&self.words.cursor, get(&self.words.cursor_after));
        self.enter(phase::DRESSING);
    }

    /// Nobody reads any more, or the disk is full. The bytes are counted; what comes later is tried anew.
    fn give_up(&mut self) -> usize {
        let lost = self.empty_way_out();
        self.words.lost.fetch_add(lost as u64, Ordering::AcqRel);
        0
    }

    fn empty_way_out(&mut self) -> usize {
        let (mut emptied, mut bin) = (0, [0; 4096]);
        while pipe::held(self.way_out) > 0 {
            match pipe::read(self.way_out, &mut bin) {
                Ok(count) if count > 0 => emptied += count,
                _ => break,
            }
        }
        emptied
    }

    fn stow(&mut self) {
        let source = self.source();
        let rest = &self.buffers.input[get(&self.words.cursor)..get(&self.words.input)];
        self.pages.write_carry(get(&self.words.source), rest);
        set(&source.carried, rest.len());
        set(&source.taken, get(&self.words.taken_after));
        self.enter(phase::IDLE);
    }

    /// In the core: bytes of a source that a relay has moved and not yet counted as taken.
    pub fn being_taken(pages: &Pages, lane: usize, source: usize, pipes: &[Pipe; 4]) -> u64 {
        let words = &pages.board().lanes[lane];
        let counted = pages.source(source).taken.load(Ordering::Acquire);
        let uncounted = words
            .taken_after
            .load(Ordering::Acquire)
            .saturating_sub(counted);
        match words.phase.load(Ordering::Acquire) {
            phase::TAKING if get(&words.source) == source => {
                pipe::held(pipes[2 * lane].out.as_raw_fd()) as u64
            }
            phase::READING_MUCH if get(&words.source) == source => {
                let end = FRESH_AT + get(&words.staged);
                match pages.has_secret_at(lane, end) {
                    true => 0,
                    false => uncounted,
                }
            }
            phase::READING if get(&words.source) == source => uncounted,
            _ => 0,
        }
    }

    /// Bytes that this lane has in hand.
    pub fn in_hand(words: &LaneWords) -> usize {
        match words.phase.load(Ordering::Acquire) {
            phase::IDLE | phase::TAKING => 0,
            _ => get(&words.input).saturating_sub(get(&words.cursor)),
        }
    }
}

/// As many whole lines as one write can take without being torn apart; one at least.
fn whole_lines(output: &[u8]) -> usize {
    if output.len() <= WHOLE_WRITE_BYTES {
        return output.len();
    }
    let is_break = |byte: &u8| *byte == b'\n';
    let last = output[..WHOLE_WRITE_BYTES].iter().rposition(is_break);
    let end = last.or_else(|| output.iter().position(is_break));
    end.map_or(output.len(), |end| end + 1)
}

fn stat(fd: RawFd) -> Option<libc::stat> {
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills one struct.
    (unsafe { libc::fstat(fd, &raw mut stat) } == 0).then_some(stat)
}

/// What kind of thing is behind a descriptor: one of the S_IF constants.
pub fn kind(fd: RawFd) -> Option<libc::mode_t> {
    stat(fd).map(|stat| stat.st_mode & libc::S_IFMT)
}

fn is_file(fd: RawFd) -> bool {
    kind(fd) == Some(libc::S_IFREG)
}

/// The size of a file; 0 of anything else.
fn size(fd: RawFd) -> usize {
    let file = stat(fd).filter(|_| is_file(fd));
    file.map_or(0, |stat| stat.st_size as usize)
}

fn is_appended_to(fd: RawFd) -> bool {
    // SAFETY: asks about a number.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_APPEND != 0 && is_file(fd)
}
