//! How signals become facts.
//!
//! Signals are blocked from the first act of `main` to the end. They are let in one at a time, where the core sleeps and
//! nowhere else; the rest wait in the kernel's queue, with their multiplicity. So nothing is lost in a storm (a pipe that
//! fills would lose), nothing is swallowed between fork and exec (a child inherits the blocked mask), and no other system
//! call is ever interrupted.
//!
//! They are let in by one of two doors, and come out as the same [`Record`]:
//! - where there are descriptors to watch, in `ppoll`: signal-hook's handler leaves it in a slot. One slot is enough, for
//!   while a handler runs and ever after all signals are blocked again;
//! - where there are none, by `sigtimedwait`, which takes it out of the queue: no frame, no handler, and a forwarded
//!   signal that is as fast as tini's.
//!
//! The handlers are installed when they are first needed, which is never where there is but one program and no helper,
//! and otherwise when the first program is running: `wait` puts them off. It starts sooner for that (signal-hook copies its
//! whole table for each of 62 signals), and has nothing to reset.
//!
//! What surprised us: with handlers that do not block each other, two pending signals are stacked and the later one
//! runs first. And a PID 1 has no default actions: before `block_all` a SIGTERM is not late but gone, so that call is
//! the first of the program.

use super::musl;
use crate::machine::{Fact, Sender};
use crate::plan::{Mask, Signal};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::time::TimeSpec;
use std::cell::OnceCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use std::{mem, ptr};

/// As many as there are different ones. Whoever sends more before the first turn has them heard in the second.
const MOST_WAITING: usize = 64;

/// A signal that was let in: number, sender's pid, siginfo code.
pub type Record = [i32; 3];

/// What siginfo says that we want to know. May be called in a handler.
fn record(info: &libc::siginfo_t) -> Record {
    // SAFETY: for senders without a pid the bytes are there all the same, and make a number that is no pid of ours.
    let pid = unsafe { info.si_pid() };
    [info.si_signo, pid, info.si_code]
}

/// Where a handler leaves its signal. Number 0: nothing.
#[derive(Debug, Default)]
struct Slot([AtomicI32; 3]);

impl Slot {
    fn put(&self, record: Record) {
        for (place, value) in self.0.iter().zip(record) {
            place.store(value, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<Record> {
        let number = self.0[0].swap(0, Ordering::Relaxed);
        let [_, pid, code] = &self.0;
        (number != 0).then(|| {
            [
                number,
                pid.load(Ordering::Relaxed),
                code.load(Ordering::Relaxed),
            ]
        })
    }
}

/// Whether one of them says so.
pub fn child_has_ended(records: &[Record]) -> bool {
    let is_sigchld = |record: &Record| record[0] == Signal::CHLD.number();
    records.iter().any(is_sigchld)
}

/// Blocks every signal and gives back what was blocked before. The first act of `main`.
pub fn block_all() -> SigSet {
    let before = block();
    if cfg!(target_env = "musl") {
        musl::unblock_once();
        block();
    }
    before
}

fn block() -> SigSet {
    let mut before = SigSet::empty();
    // Cannot fail: the arguments are sound (sigprocmask(2)).
    let _ = sigprocmask(
        SigmaskHow::SIG_SETMASK,
        Some(&musl::all()),
        Some(&mut before),
    );
    before
}

/// Lets signals through again, for the uses of this binary that are no init.
pub fn unblock(before: &SigSet) {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(before), None);
}

/// Where signals arrive.
#[derive(Debug)]
pub struct Inbox {
    slot: Arc<Slot>,
    /// Where the C library has a signal that can have no handler: readable while it waits.
    bell: Option<OwnedFd>,
    /// What is blocked whenever we do not sleep. Made once: making it took a tenth of a turn.
    everything: SigSet,
    inherited_mask: SigSet,
    /// Once the handlers are installed: the signals that were ignored before.
    inherited_ignored: OnceCell<Vec<Signal>>,
    own_pid: i32,
}

impl Inbox {
    /// An inbox without handlers. `inherited_mask` is what [`block_all`] gave back: all signals are blocked.
    pub fn new(inherited_mask: SigSet) -> Result<Inbox, Errno> {
        let own_pid = nix::unistd::getpid().as_raw();
        let inherited_ignored = OnceCell::new();
        let inbox = Inbox {
            slot: Arc::default(),
            bell: musl::open_bell()?,
            everything: musl::all(),
            inherited_mask,
            inherited_ignored,
            own_pid,
        };
        // Ignored by whoever started us, SIGCHLD would make the kernel collect our first child in our place.
        if sigaction(Signal::CHLD, None)?.sa_sigaction == libc::SIG_IGN {
            inbox.open();
        }
        Ok(inbox)
    }

    /// Installs the handlers, if that has not been done.
    pub fn open(&self) {
        self.inherited_ignored.get_or_init(|| {
            let signals = Signal::forwardable().chain([Signal::CHLD]);
            // A signal that cannot be caught stays blocked, and the bell tells of it: see `musl`.
            let ignored = signals
                .filter(|signal| catch(*signal, &self.slot) == Ok(libc::SIG_IGN))
                .collect();
            give_back_memory();
            ignored
        });
    }

    /// Whether that has been done.
    pub fn is_open(&self) -> bool {
        self.inherited_ignored.get().is_some()
    }

    /// In a child: makes dispositions what they were before the handlers. All signals are still blocked.
    pub fn restore_dispositions(&self) {
        // Without handlers there is nothing to restore.
        let Some(ignored) = self.inherited_ignored.get() else {
            return;
        };
        for signal in Signal::forwardable().chain([Signal::CHLD]) {
            let action = if ignored.contains(&signal) {
                libc::SIG_IGN
            } else {
                libc::SIG_DFL
            };
            // SAFETY: installs no handler.
            unsafe { libc::signal(signal.number(), action) };
        }
    }

    /// In a child: the last act before exec.
    pub fn restore_mask(&self, mask: Mask) {
        match mask {
            Mask::Empty => unblock(&SigSet::empty()),
            Mask::Inherited => unblock(&self.inherited_mask),
        }
    }

    /// Sleeps until a signal comes or `timeout` is over (`None`: never): the door for when there is nothing to watch.
    pub fn take(&self, timeout: Option<Duration>, records: &mut Vec<Record>) {
        let timeout = timeout.map(TimeSpec::from_duration);
        let timeout = timeout
            .as_ref()
            .map_or(ptr::null(), |span| ptr::from_ref(span.as_ref()));
        // SAFETY: a plain C struct for which all zeroes is a value.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: all three outlive the call. It fails when the time is over, or when a debugger stopped us.
        if unsafe { libc::sigtimedwait(self.everything.as_ref(), &mut info, timeout) } > 0 {
            records.push(record(&info));
        }
    }

    /// Lets in what waits already, and does not sleep: for the first turn, in which a SIGTERM forbids the first start.
    pub fn take_waiting(&self, records: &mut Vec<Record>) {
        for waiting in 1..=MOST_WAITING {
            self.take(Some(Duration::ZERO), records);
            if records.len() < waiting {
                return;
            }
        }
    }

    /// Takes what a handler left, after a `ppoll` that a signal ended.
    pub fn take_left(&self, records: &mut Vec<Record>) {
        records.extend(self.slot.take());
    }

    /// The signal, if a process other than ours has sent it.
    pub fn sent_by_another(&self, [number, pid, code]: &Record) -> Option<Signal> {
        Signal::new(*number).filter(|_| *code <= 0 && *pid != self.own_pid)
    }

    /// Records become facts; SIGCHLD none, as it is but a reason to look.
    pub fn tell(&self, records: &mut Vec<Record>, facts: &mut Vec<Fact>) {
        for [number, pid, code] in records.drain(..) {
            let Some(signal) = Signal::new(number).filter(|signal| *signal != Signal::CHLD) else {
                continue;
            };
            let from_kernel = code > 0;
            // What monopod caused itself is no message: SIGPIPE from its own log, SIGHUP and SIGCONT from giving up
            // its terminal.
            if from_kernel {
                facts.push(Fact::Signalled(signal, Sender::Kernel));
            } else if pid != self.own_pid {
                facts.push(Fact::Signalled(signal, Sender::Process(pid)));
            }
        }
    }

    /// What to watch beside what the core watches; the one descriptor of its own.
    pub fn bell(&self) -> Option<i32> {
        self.bell.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// What is blocked whenever we do not sleep.
    pub fn everything(&self) -> &SigSet {
        &self.everything
    }

    /// What stays blocked when all else is let in.
    pub fn never_let_in(&self) -> SigSet {
        musl::without_handler()
    }
}

/// Installs the handler; says what the disposition was before.
fn catch(signal: Signal, slot: &Arc<Slot>) -> Result<libc::sighandler_t, Errno> {
    let slot = Arc::clone(slot);
    let leave = move |info: &libc::siginfo_t| slot.put(record(info));
    let before = sigaction(signal, None)?;
    // Unchecked, because signal-hook refuses SIGSEGV and its like: it fears a fault in this program, handled for ever.
    // Ours is blocked when it runs, so a real fault kills at once, and only a signal that somebody sent comes here.
    //
    // SAFETY: the action calls nothing and only stores numbers; nothing but ppoll is ever interrupted by it.
    unsafe { signal_hook_registry::register_unchecked(signal.number(), leave) }
        .map_err(|error| error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw))?;
    let mut action = sigaction(signal, None)?;
    // SAFETY: fills a set that is ours.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    sigaction(signal, Some(&action))?;
    Ok(before.sa_sigaction)
}

/// nix's has no real-time signals.
pub(super) fn sigaction(
    signal: Signal,
    new: Option<&libc::sigaction>,
) -> Result<libc::sigaction, Errno> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: a plain C struct for which all zeroes is a value.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: both outlive the call; a new action is signal-hook's own with a wider mask.
    Errno::result(unsafe { libc::sigaction(signal.number(), new, &mut before) })?;
    Ok(before)
}

/// The old copies of signal-hook's table: 60 kB that a PID 1 would hold for its whole life.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number; returns free pages to the kernel.
    unsafe {
        libc::malloc_trim(0)
    };
}
