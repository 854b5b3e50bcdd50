//! The second half of a lane: from the output to descriptor 1 or 2.

use super::super::nudge::Nudge;
use super::super::pipe;
use super::super::target::{file_limit, is_file, next_place, takes_some, whole_lines};
use super::{Lane, Rest, get, phase, set};
use nix::errno::Errno;
use std::sync::atomic::Ordering;

impl Lane<'_> {
    /// Fills the way out, which was empty when the phase began, with whole lines in pages.
    pub(super) fn write(&mut self) {
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
        set(&self.words.in_way_out, place - get(&self.words.base));
        self.enter(phase::FLUSHING);
    }

    pub(super) fn flush(&mut self) -> Rest {
        let mut left = pipe::held(self.way_out);
        if !self.may_be_tried() {
            return Rest::Stuck;
        }
        let _nudge = self.can_wait.then(Nudge::begin);
        while left > 0 {
            match pipe::splice(self.way_out, self.target, left) {
                Ok(moved) => {
                    left -= moved.min(left);
                    set(&self.words.in_way_out, left);
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return Rest::Stuck,
                Err(Errno::EINVAL) => {
                    self.go_straight();
                    return Rest::Done;
                }
                Err(_) => {
                    self.give_up(left);
                    return Rest::Done;
                }
            }
        }
        set(self.torn(), 0);
        let done = get(&self.words.base_after);
        if done < get(&self.words.output) {
            set(&self.words.base, done);
            self.enter(phase::WRITING);
        } else {
            self.batch_is_out();
        }
        Rest::Done
    }

    /// Whether a reader has left room, as far as it can be told; of a pipe splice itself tells.
    fn may_be_tried(&self) -> bool {
        !self.can_wait || takes_some(self.target)
    }

    /// The target refuses splice: what is in the way out is in the output as well, and goes from there.
    fn go_straight(&mut self) {
        self.is_straight = true;
        let out = get(&self.words.base_after) - pipe::held(self.way_out);
        set(&self.words.base, out);
        self.begin_straight();
    }

    pub(super) fn begin_straight(&mut self) {
        set(&self.words.place_before, next_place(self.target));
        self.began_straight = true;
        self.enter(phase::STRAIGHT);
    }

    pub(super) fn write_straight(&mut self) -> Rest {
        self.empty_way_out();
        let output = &self.buffers.output[..get(&self.words.output)];
        // What was written by a relay that was killed before it could say so. Who else writes to that file in those
        // microseconds is mistaken for it.
        let unseen = match self.began_straight {
            true => 0,
            false => next_place(self.target).saturating_sub(get(&self.words.place_before)),
        };
        self.began_straight = true;
        let place = (get(&self.words.base) + unseen).min(output.len());
        let most = match is_file(self.target) {
            true => output.len() - place,
            false => whole_lines(&output[place..]),
        };
        if !self.may_be_tried() {
            return Rest::Stuck;
        }
        let nudge = self.can_wait.then(Nudge::begin);
        let written = pipe::write(self.target, &output[place..place + most]);
        drop(nudge);
        let count = match written {
            Ok(count) => {
                set(self.torn(), 0);
                count
            }
            Err(Errno::EAGAIN | Errno::EINTR) => return Rest::Stuck,
            Err(Errno::EFBIG) if self.birth_limit != file_limit() => return Rest::Lamed,
            Err(_) => {
                self.note_torn(place);
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
            set(&self.words.place_before, next_place(self.target));
            set(&self.words.base, place + count);
        }
        Rest::Done
    }

    fn batch_is_out(&mut self) {
        set(&self.source().split, get(&self.words.split_after));
        set(&self.words.cursor, get(&self.words.cursor_after));
        self.enter(phase::DRESSING);
    }

    /// Nobody reads any more, or the disk is full. What is in the way out is counted and given up, and the rest of the line
    /// that ends there; what comes later is tried anew.
    fn give_up(&mut self, left: usize) {
        let output = &self.buffers.output[..get(&self.words.output)];
        let end = get(&self.words.base_after);
        self.note_torn(end - left);
        let mut next = match output[..end].ends_with(b"\n") {
            true => end,
            false => output[end..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(output.len(), |place| end + place + 1),
        };
        // The line break of the last line that was given up ends the one that is torn.
        next -= usize::from(next < output.len() && get(self.torn()) == 1);
        let lost = next - (end - left);
        self.words.lost.fetch_add(lost as u64, Ordering::AcqRel);
        self.empty_way_out();
        set(&self.words.in_way_out, 0);
        if next < get(&self.words.output) {
            set(&self.words.base, next);
            self.enter(phase::WRITING);
        } else {
            self.batch_is_out();
        }
    }

    /// The output is given up from here on: whether that is in the middle of a line.
    fn note_torn(&self, from: usize) {
        if let Some(last) = from.checked_sub(1) {
            let is_torn = self.buffers.output[last] != b'\n';
            set(self.torn(), usize::from(is_torn));
        }
    }

    fn empty_way_out(&mut self) {
        let mut bin = [0; 4096];
        while pipe::held(self.way_out) > 0 {
            if !pipe::read(self.way_out, &mut bin).is_ok_and(|count| count > 0) {
                break;
            }
        }
    }
}
