//! The command that stories run: this executable itself, following a script given as words.
//!
//! `EXE __child EAR WORD…`; each word or pair of words is one step, `{ … }` is a block. A script reads as what happens:
//! `block 15 orphan { setsid block 15 say up wait 15 say saved } say ready ears`.
//! It must not touch anything that a story looks at: no descriptor stays open, no disposition changes unless the script
//! says so. That is why this binary has a C `main` and never starts Rust's runtime, which would open closed standard
//! descriptors, ignore SIGPIPE and catch SIGSEGV.

mod crowds;
mod report;

use std::ffi::CString;
use std::ptr;

/// Follows the script to its end and exits with 0, unless the script leaves before.
pub fn live(ear: &str, script: &[String]) -> ! {
    // Nobody can be told of an ear with a zero byte in it; argv has none.
    let ear = CString::new(ear).unwrap_or_default();
    follow(&Teller { ear }, script);
    leave(0)
}

/// Says lines to the story. Opens the FIFO anew for each, so that scripts can look at their descriptors.
pub struct Teller {
    ear: CString,
}

impl Teller {
    /// One line, in one write.
    pub fn say(&self, words: &str) {
        let line = format!("{words}\n");
        // SAFETY: a C string and a buffer that live through the calls.
        unsafe {
            let fd = libc::open(self.ear.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            libc::write(fd, line.as_ptr().cast(), line.len());
            libc::close(fd);
        }
    }
}

fn leave(code: i32) -> ! {
    // SAFETY: ends this process without the C library's leave-taking, which a forked copy must not run.
    unsafe { libc::_exit(code) }
}

/// Follows a script that was made sure to be well-formed by whoever wrote the story: a fault exits with 98 and a line.
fn follow(teller: &Teller, script: &[String]) {
    let mut rest = script;
    while let Some((step, after)) = rest.split_first() {
        rest = after;
        let mut number = || -> i32 {
            let (word, after) = rest.split_first().unwrap_or_else(|| fault(teller, step));
            rest = after;
            word.parse().unwrap_or_else(|_| fault(teller, step))
        };
        match step.as_str() {
            "exit" => leave(number()),
            "die" => die(number()),
            "sleep" => sleep(number()),
            "block" => change_mask(libc::SIG_BLOCK, 1 << (number() - 1)),
            "wait" => wait_for(number()),
            // SAFETY: a disposition that involves no code of ours.
            "ignore" => unsafe {
                libc::signal(number(), libc::SIG_IGN);
            },
            "crowd" => crowds::crowd(teller, number()),
            "hydra" => crowds::hydra(),
            "strike" => {
                let (pid, signal) = (number(), number());
                // SAFETY: two numbers.
                unsafe { libc::kill(pid, signal) };
            }
            "storm" => crowds::storm(number()),
            "hold" => hold(number()),
            "ears" => ears(teller),
            "argv0" => teller.say(&format!(
                "argv0 {}",
                std::env::args().next().unwrap_or_default()
            )),
            "report" => report::report(teller),
            "terminal" => report::terminal(teller),
            // SAFETY: no arguments.
            "setsid" => unsafe {
                libc::setsid();
            },
            // SAFETY: no pointers.
            "group" => unsafe {
                libc::setpgid(0, 0);
            },
            "pause" => loop {
                // SAFETY: no arguments.
                unsafe { libc::pause() };
            },
            "say" => {
                let (words, after) = rest.split_first().unwrap_or_else(|| fault(teller, step));
                rest = after;
                teller.say(words);
            }
            "touch" => {
                let (path, after) = rest.split_first().unwrap_or_else(|| fault(teller, step));
                rest = after;
                if std::fs::write(path, "done\n").is_err() {
                    fault(teller, step);
                }
            }
            "needs" => {
                let (path, after) = rest.split_first().unwrap_or_else(|| fault(teller, step));
                rest = after;
                if !std::path::Path::new(path).exists() {
                    leave(7);
                }
            }
            "exec" => exec(teller, rest),
            "fork" | "orphan" | "mind" => {
                let (block, after) = block(rest).unwrap_or_else(|| fault(teller, step));
                rest = after;
                branch(teller, step, block);
            }
            _ => fault(teller, step),
        }
    }
}

fn fault(teller: &Teller, step: &str) -> ! {
    teller.say(&format!("the script does not work at {step:?}"));
    leave(98)
}

/// The words between this brace and its partner, and the words after it.
fn block(words: &[String]) -> Option<(&[String], &[String])> {
    let mut depth = 0;
    for (index, word) in words.iter().enumerate() {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((words.get(1..index)?, &words[index + 1..]));
        }
    }
    None
}

/// `fork`: a child follows the block. `orphan`: the same, and its parent is gone. `mind`: the same, and its end is
/// waited for and told, while everything else is reaped on the way; afterwards everything is reaped for ever.
fn branch(teller: &Teller, how: &str, block: &[String]) {
    // SAFETY: this process has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        if how == "orphan" {
            orphaned();
        }
        follow(teller, block);
        leave(0);
    }
    match how {
        // SAFETY: collects the one in between.
        "orphan" => unsafe {
            libc::waitpid(pid, ptr::null_mut(), 0);
        },
        "mind" => mind(teller, pid),
        _ => {}
    }
}

/// Goes on in a process whose parent is gone; returns when somebody has adopted it.
fn orphaned() {
    // SAFETY: no pointers; this process has one thread.
    unsafe {
        let parent = libc::getpid();
        if libc::fork() != 0 {
            leave(0);
        }
        while libc::getppid() == parent {
            sleep(1);
        }
    }
}

fn mind(teller: &Teller, minded: i32) {
    teller.say(&format!("minding {minded}"));
    loop {
        let mut status = 0;
        // SAFETY: one valid status.
        let pid = unsafe { libc::waitpid(-1, &mut status, 0) };
        if pid == minded && libc::WIFEXITED(status) {
            teller.say(&format!("ended exit {}", libc::WEXITSTATUS(status)));
        } else if pid == minded {
            teller.say(&format!("ended signal {}", libc::WTERMSIG(status)));
        } else if pid < 0 {
            sleep(10);
        }
    }
}

fn exec(teller: &Teller, words: &[String]) -> ! {
    let words: Vec<CString> = words
        .iter()
        .filter_map(|word| CString::new(word.as_str()).ok())
        .collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: a null-terminated list of C strings that live through the call.
    unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
    fault(teller, "exec")
}

/// Holds the lock of the pipe behind `fd`: a splice that waits for a socket keeps it all the while.
fn hold(fd: i32) {
    let mut pair = [0; 2];
    // SAFETY: the array and the numbers live through the calls, which touch no other memory.
    unsafe {
        libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr());
        libc::splice(pair[0], ptr::null_mut(), fd, ptr::null_mut(), 4096, 0);
    }
}

fn sleep(millis: i32) {
    // SAFETY: no descriptors, only a timeout.
    unsafe { libc::poll(ptr::null_mut(), 0, millis) };
}

/// Dies of a signal, whatever the mask and the disposition were.
fn die(signal: i32) -> ! {
    // SAFETY: the default disposition involves no code of ours. glibc hides 32 and 33 from `signal`; they have their
    // default disposition as long as this process has one thread.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        change_mask(libc::SIG_UNBLOCK, 1 << (signal - 1));
        libc::kill(libc::getpid(), signal);
    }
    leave(97)
}

/// Waits until this signal, which was blocked before, is there.
fn wait_for(signal: i32) {
    let set: u64 = 1 << (signal - 1);
    next_signal(set);
}

/// Blocks all signals, says `ready`, and then says each signal that comes, as `sig N`. SIGCHLD reaps instead.
fn ears(teller: &Teller) -> ! {
    change_mask(libc::SIG_BLOCK, u64::MAX);
    teller.say("ready");
    loop {
        match next_signal(u64::MAX) {
            libc::SIGCHLD => reap(),
            signal @ 1.. => teller.say(&format!("sig {signal}")),
            _ => {}
        }
    }
}

fn reap() {
    // SAFETY: collects whatever there is, without a place for its status.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

// The raw calls, because glibc's hide signals 32 and 33 and its sigset_t is 128 bytes.

fn change_mask(how: libc::c_int, set: u64) {
    // SAFETY: one valid set of the size told.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            ptr::null::<u64>(),
            size_of::<u64>(),
        )
    };
}

fn next_signal(set: u64) -> i32 {
    // SAFETY: one valid set of the size told; neither information nor timeout.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            ptr::null::<libc::siginfo_t>(),
            ptr::null::<libc::timespec>(),
            size_of::<u64>(),
        ) as i32
    }
}
