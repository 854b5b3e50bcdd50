//! The first half of a lane: from a source into the input.

use super::super::pages::{FRESH_AT, INPUT_BYTES, SECRET_BYTES};
use super::super::pipe;
use super::{Lane, get, phase, set};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// So much is worth a shorter way: it is read from the source itself, without `staging`.
const MUCH_BYTES: usize = 4096;

/// The smallest page there is; larger ones are only touched more than once.
const PAGE_BYTES: usize = 4096;

impl Lane<'_> {
    /// Begins a turn for a source that is a file, which can be read as often as need be: `taken` moves only when the
    /// turn is over. Only for an idle lane. The answer is how many bytes came.
    pub fn begin_with_file(&mut self, number: usize, file: Option<(RawFd, u64)>) -> usize {
        set(&self.words.source, number);
        let source = self.source();
        let carried = get(&source.carried);
        set(&self.words.carried, carried);
        self.note_known_end();
        let read = file.map(|(file, offset)| {
            pipe::read_at(file, &mut self.buffers.input[FRESH_AT..], offset).unwrap_or(0)
        });
        let count = read.unwrap_or(0);
        set(&self.words.taken_after, get(&source.taken) + count);
        self.begin_dressing(count);
        count
    }

    pub(super) fn take(&mut self, from: RawFd) {
        self.note_known_end();
        // If it holds something already, that is what the last relay took.
        // And who holds the lock of a pipe in which there is nothing is not waited for.
        if pipe::held(self.staging) == 0 && pipe::is_readable(from) {
            let source = self.source();
            let held = pipe::held(from);
            set(&source.written, get(&source.taken) + held);
            let held = held.min(INPUT_BYTES);
            if held >= MUCH_BYTES && get(&source.in_pieces) == 0 {
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
        // All of it must be there before the read: a SIGKILL that meets a page fault would tear it after all.
        let room = &mut self.buffers.input[FRESH_AT..end];
        room.chunks_mut(PAGE_BYTES).for_each(|page| page[0] = 0);
        self.buffers.input[end - SECRET_BYTES..end].copy_from_slice(&self.pages.secret());
        self.enter(phase::READING_MUCH);
    }

    pub(super) fn read_much(&mut self, from: RawFd) {
        let source = self.source();
        let held = get(&self.words.staged);
        let room = &mut self.buffers.input[FRESH_AT..FRESH_AT + held];
        let mut came = held;
        if room.ends_with(&self.pages.secret()) {
            // They are there, so the kernel gives them all in one go. Unless somebody else took some: a FIFO may be read by
            // anybody, a program's pipe by its owner. They are his then, and what lay in the input before is not told instead.
            came = loop {
                match pipe::read(from, room) {
                    Err(Errno::EINTR) => {}
                    read => break read.unwrap_or(0),
                }
            };
            set(&self.words.taken_after, get(&source.taken) + came);
            if came < held {
                // Nor is it so if they are packets (O_DIRECT), of which a read gives one: what is behind a secret that
                // such a read leaves standing would be lost by a SIGKILL.
                set(&source.in_pieces, 1);
            }
        }
        set(&source.taken, get(&self.words.taken_after));
        self.begin_dressing(came);
    }

    pub(super) fn read(&mut self) {
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
}
