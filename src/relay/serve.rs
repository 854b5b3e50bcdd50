//! The relay's own loop: whoever has written is read, and each stream goes on for itself, so that a reader of standard
//! output that has stopped does not hold up standard error.
//!
//! It waits in one `poll`, and where the target is a socket or a terminal for a moment in its write, too (see `nudge`).
//! When the core tells it to come to an end, what is in the pipes at that moment is the rest; who goes on writing is
//! not waited for. When the core is gone without a word (not as PID 1, and killed), it goes on until the last writer is
//! gone, as a `cat` at the end of a pipe would.

use super::follow::{Following, QUIET};
use super::gear::Gear;
use super::lane::{Lane, Rest};
use super::line::Line;
use super::pages::{Board, Pages};
use super::source::{Origin, Source};
use super::touch::Touch;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;

/// What the loop works with.
pub struct Relay<'a> {
    pages: &'a Pages,
    sources: &'a [Source],
    lanes: [Lane<'a>; 2],
    /// Half-done turns in other gears, which come before anything new.
    behind: [Vec<Lane<'a>>; 2],
    line: &'a Line,
    touch: &'a Touch<'a>,
    /// Where each source has come to its end for this drain; `None` while there is none.
    targets: Option<Vec<u64>>,
    has_told: bool,
    is_orphan: bool,
    /// It must leave the rest to the next relay.
    is_lamed: bool,
    /// Sources that would hold us up.
    set_aside: Vec<bool>,
    /// Sources whose last writer is gone, or on whom nobody waits any more.
    closed: Vec<bool>,
    polled: Vec<libc::pollfd>,
    /// Followed paths, by source.
    followed: Vec<Option<Following>>,
    /// Which source each polled descriptor belongs to.
    of: Vec<usize>,
}

impl<'a> Relay<'a> {
    /// A relay that goes on where the last one stopped.
    ///
    /// # Safety
    ///
    /// Made once in a process that was forked for it, while no other relay runs or uses these gears.
    pub unsafe fn new(
        pages: &'a Pages,
        sources: &'a [Source],
        gears: &[&'a Gear],
        set_aside: Vec<bool>,
        line: &'a Line,
        touch: &'a Touch<'a>,
    ) -> Relay<'a> {
        let [mut out, mut err] = [0, 1].map(|lane| {
            let its = gears.iter().filter(|gear| gear.lane == lane);
            // SAFETY: by this function's own condition.
            let lanes = its.map(|gear| unsafe { Lane::new(pages, gear, touch) });
            by_turn(lanes.collect())
        });
        let first = |lanes: &mut Vec<Lane<'a>>| lanes.pop().expect("each stream has a free gear");
        Relay {
            pages,
            sources,
            lanes: [first(&mut out), first(&mut err)],
            behind: [out, err],
            line,
            touch,
            targets: None,
            has_told: false,
            is_orphan: false,
            is_lamed: false,
            closed: set_aside.clone(),
            set_aside,
            polled: Vec::new(),
            followed: sources
                .iter()
                .map(|source| match source.origin {
                    Origin::Followed(_) => Some(Following::default()),
                    Origin::Program(_) | Origin::Fifo(_) => None,
                })
                .collect(),
            of: Vec::new(),
        }
    }

    /// Works until there is nothing left to do for anybody.
    pub fn serve(&mut self) {
        // What the last relay left half done comes first, and whether it was to drain.
        for lane in 0..2 {
            self.finish(lane);
        }
        loop {
            if self.is_lamed {
                return;
            }
            self.place_ends();
            self.look_for_drain();
            for lane in 0..2 {
                self.complete_ended(lane);
            }
            if self.is_drained() {
                if self.is_orphan && self.has_no_writer() {
                    return;
                }
                if !self.has_told {
                    self.board().drained.store(1, Ordering::Release);
                    self.line.say();
                    self.has_told = true;
                }
            }
            self.wait();
            self.hear();
            for lane in 0..2 {
                self.work(lane);
            }
        }
    }

    fn wait(&mut self) {
        self.polled.clear();
        self.of.clear();
        let line = if self.is_orphan { -1 } else { self.line.raw() };
        self.watch(line, libc::POLLIN, usize::MAX);
        for lane in 0..2 {
            if !self.lanes[lane].is_idle() {
                let target = self.lanes[lane].target();
                self.watch(target, libc::POLLOUT, usize::MAX);
                continue;
            }
            for number in 0..self.sources.len() {
                let source = &self.sources[number];
                if source.lane == lane && !self.closed[number] {
                    let fd = source.out.as_raw_fd();
                    self.watch(fd, libc::POLLIN, number);
                }
            }
        }
        // SAFETY: the vector outlives the call and the length is its own.
        let answer = Errno::result(unsafe {
            libc::poll(
                self.polled.as_mut_ptr(),
                self.polled.len() as libc::nfds_t,
                self.timeout(),
            )
        });
        // Refused to a process whose limit on descriptors somebody has lowered (EINVAL), and it never would be granted again.
        self.is_lamed |= answer.is_err_and(|errno| errno != Errno::EINTR);
    }

    /// Milliseconds. Without a followed file that needs another look: none, so an idle relay never wakes up.
    fn timeout(&self) -> libc::c_int {
        let mut timeout = -1;
        for (source, following) in self.sources.iter().zip(&self.followed) {
            let Some(following) = following else { continue };
            if following.is_behind && self.lanes[source.lane].is_idle() {
                return 0;
            }
            if following.rotating_since.is_some() {
                timeout = QUIET.as_millis() as libc::c_int;
            }
        }
        timeout
    }

    /// Captured paths do not count: we hold them open ourselves.
    fn has_no_writer(&self) -> bool {
        let mut numbered = self.sources.iter().zip(&self.closed);
        numbered.all(|(source, closed)| *closed || !matches!(source.origin, Origin::Program(_)))
    }

    fn watch(&mut self, fd: RawFd, events: libc::c_short, number: usize) {
        self.polled.push(libc::pollfd {
            fd,
            events,
            revents: 0,
        });
        self.of.push(number);
    }

    /// The line: a word is only a reason to look at the board.
    fn hear(&mut self) {
        if self.polled[0].revents != 0 {
            let (_, core_lives) = self.line.hear();
            self.is_orphan |= !core_lives;
        }
    }

    fn look_for_drain(&mut self) {
        let is_asked = self.is_orphan || self.board().drain.load(Ordering::Acquire) != 0;
        if !is_asked || self.targets.is_some() || self.is_behind() {
            return;
        }
        let targets: Vec<u64> = (0..self.sources.len())
            .map(|number| {
                if self.set_aside[number] {
                    return 0;
                }
                let words = self.pages.source(number);
                let waiting = self.waiting(number);
                let target = words.taken.load(Ordering::Acquire) + waiting;
                words.written.store(target, Ordering::Release);
                // What has no end by then, ends there; but not before writers that nobody has stopped.
                if !self.is_orphan {
                    words.marks.write_own(target);
                }
                target
            })
            .collect();
        self.targets = Some(targets);
        for following in self.followed.iter_mut().flatten() {
            following.is_behind = true;
        }
    }

    /// Where programs ended of which the core has told. No turn is under way that has not counted what it took.
    fn place_ends(&self) {
        if self.is_behind() {
            return;
        }
        for number in 0..self.sources.len() {
            let words = self.pages.source(number);
            if words.marks.are_unplaced() && !self.set_aside[number] {
                let written = words.taken.load(Ordering::Acquire) + self.waiting(number);
                words.written.store(written, Ordering::Release);
                words.marks.place(written);
            }
        }
    }

    /// Half-done turns in other gears have not all counted what they took.
    fn is_behind(&self) -> bool {
        self.behind.iter().any(|lanes| !lanes.is_empty())
    }

    /// Bytes that were written to a source and not yet taken.
    fn waiting(&self, number: usize) -> u64 {
        let (source, words) = (&self.sources[number], self.pages.source(number));
        match source.origin {
            Origin::Followed(_) => source.waiting(words),
            Origin::Program(_) | Origin::Fifo(_) => {
                self.touch.source(number, || source.waiting(words))
            }
        }
    }

    /// With a source set aside only if nobody is left who could take it in again.
    fn is_drained(&self) -> bool {
        let Some(targets) = &self.targets else {
            return false;
        };
        if self.set_aside.contains(&true) && !self.is_orphan {
            return false;
        }
        self.lanes.iter().all(Lane::is_idle)
            && targets.iter().enumerate().all(|(number, target)| {
                let words = self.pages.source(number);
                let is_read = match &self.followed[number] {
                    // Should it be truncated meanwhile, there is less to read than there was.
                    Some(following) => !following.is_behind,
                    None => words.taken.load(Ordering::Acquire) >= *target,
                };
                self.set_aside[number] || (is_read && !words.marks.are_left())
            })
    }

    /// Turns for the sources that have something, one each, until the lane is stuck.
    fn work(&mut self, lane: usize) {
        if self.finish(lane) != Rest::Done {
            return;
        }
        for place in 0..self.polled.len() {
            let (ready, number) = (self.polled[place].revents, self.of[place]);
            if ready == 0 || number == usize::MAX || self.sources[number].lane != lane {
                continue;
            }
            if let Some(following) = &mut self.followed[number] {
                self.sources[number].hear_events();
                following.is_behind = true;
                continue;
            }
            if ready & libc::POLLIN == 0 && !self.closed[number] {
                // Only the core's death lets a pipe come to this: it holds a writing end.
                self.closed[number] = true;
                let words = self.pages.source(number);
                words.marks.write_own(words.taken.load(Ordering::Acquire));
            }
            self.lanes[lane].begin(number);
            if self.finish(lane) != Rest::Done {
                return;
            }
        }
        for number in 0..self.sources.len() {
            if self.sources[number].lane == lane && self.lanes[lane].is_idle() {
                self.follow(number);
            }
        }
    }

    /// One turn for a followed path.
    fn follow(&mut self, number: usize) {
        let source = &self.sources[number];
        let (Some(following), Origin::Followed(followed)) =
            (&mut self.followed[number], &source.origin)
        else {
            return;
        };
        let words = self.pages.source(number);
        if let Some((file, offset)) = followed.next(words, following) {
            // A size that is a lie (sysfs has such), or a disk that fails: the next event is a reason to try again.
            following.is_behind =
                self.lanes[source.lane].begin_with_file(number, Some((file, offset))) > 0;
            self.finish(source.lane);
        }
    }

    /// Turns for the sources whose program has ended.
    fn complete_ended(&mut self, lane: usize) {
        for number in 0..self.sources.len() {
            let is_marked = self.pages.source(number).marks.next().is_some();
            let is_possible = self.lanes[lane].is_idle() && !self.set_aside[number];
            if !is_marked || self.sources[number].lane != lane || !is_possible {
                continue;
            }
            match &self.followed[number] {
                // First it is read to its end.
                Some(following) if following.is_behind => continue,
                Some(_) => drop(self.lanes[lane].begin_with_file(number, None)),
                None => self.lanes[lane].begin(number),
            }
            self.finish(lane);
        }
    }

    /// Goes on with the turn in hand, and with those that are left in other gears.
    fn finish(&mut self, lane: usize) -> Rest {
        loop {
            let rest = self.advance(lane);
            match self.behind[lane].pop_if(|_| rest == Rest::Done) {
                Some(next) => self.lanes[lane] = next,
                None => return rest,
            }
        }
    }

    fn advance(&mut self, lane: usize) -> Rest {
        let number = self.lanes[lane].turn_of();
        let (source, words) = (&self.sources[number], self.pages.source(number));
        let passed = words.marks.passed();
        let rest = self.lanes[lane].advance(source.out.as_raw_fd(), &source.dress);
        self.is_lamed |= rest == Rest::Lamed;
        if words.tail.wanted.load(Ordering::Acquire) == 1 && words.marks.passed() != passed {
            // The core waits for what the program said in the end.
            self.line.say();
        }
        rest
    }

    fn board(&self) -> &'a Board {
        self.pages.board()
    }
}

/// Lanes of one stream in such an order that the last is first to work: after the one whose lines are on their way, for a line of more
/// than a page must not be torn by another. Of those that have nothing to do one is enough.
fn by_turn(mut lanes: Vec<Lane<'_>>) -> Vec<Lane<'_>> {
    lanes.sort_by_key(|lane| (lane.is_on_its_way(), !lane.is_idle()));
    let idle = lanes.iter().filter(|lane| lane.is_idle()).count();
    let spare = idle.saturating_sub(usize::from(idle == lanes.len()));
    lanes.drain(..spare);
    lanes
}

#[cfg(test)]
mod tests {
    use super::super::touch::Alarm;
    use super::*;

    #[test]
    fn the_turn_whose_lines_are_on_their_way_comes_first_and_no_half_done_one_is_left_out() {
        let pages = Pages::new(2).expect("memory");
        let alarm = Alarm::new().expect("a timer");
        let touch = Touch::new(&pages.board().touched, &alarm);
        let gears = [(); 4].map(|()| Gear::new(0).expect("memory and pipes"));
        let lanes = || {
            let lane = |gear| {
                // SAFETY: of each round, the only lane with this gear.
                unsafe { Lane::new(&pages, gear, &touch) }
            };
            gears.iter().map(lane).collect::<Vec<Lane>>()
        };
        assert_eq!(by_turn(lanes()).len(), 1);
        let mut begun = lanes();
        begun[1].begin_with_file(1, None);
        begun[2].begin(0);
        drop(begun);
        let sorted = by_turn(lanes());
        let turns: Vec<usize> = sorted.iter().map(Lane::turn_of).collect();
        assert_eq!(turns, [0, 1]);
    }
}
