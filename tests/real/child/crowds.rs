//! Steps of a script that make many processes.

use super::Teller;
use std::ptr;

/// Makes so many orphans, all alive at once; says `crowd`; then lets them all go in the same moment and says `gone`.
/// A fork that was refused is told.
pub fn crowd(teller: &Teller, size: i32) {
    let mut gate = [0; 2];
    // SAFETY: room for two descriptors.
    unsafe { libc::pipe(gate.as_mut_ptr()) };
    // SAFETY: this process has one thread.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        // SAFETY: descriptors and buffers of our own; one thread.
        unsafe {
            libc::close(gate[1]);
            for made in 0..size {
                match libc::fork() {
                    0 => {
                        let mut byte = 0u8;
                        libc::read(gate[0], (&raw mut byte).cast(), 1);
                        libc::_exit(0)
                    }
                    1.. => {}
                    _ => {
                        teller.say(&format!("only {made} of {size} could be forked"));
                        libc::_exit(1)
                    }
                }
            }
            libc::_exit(0)
        }
    }
    // SAFETY: our own child and descriptors. Closing the last writing end lets all readers go.
    unsafe {
        libc::waitpid(parent, ptr::null_mut(), 0);
        teller.say("crowd");
        libc::close(gate[0]);
        libc::close(gate[1]);
    }
    teller.say("gone");
}

/// In the background: makes so many orphans one after the other, each gone at once, and then goes itself.
pub fn storm(size: i32) {
    // SAFETY: one thread; the copies touch nothing.
    unsafe {
        if libc::fork() != 0 {
            return;
        }
        for _ in 0..size {
            let parent = libc::fork();
            if parent == 0 {
                libc::fork();
                libc::_exit(0)
            }
            libc::waitpid(parent, ptr::null_mut(), 0);
        }
        libc::_exit(0)
    }
}

/// For ever: forks itself and goes, so that it never is where it was seen.
pub fn hydra() -> ! {
    loop {
        // SAFETY: one thread; the copy touches nothing.
        unsafe {
            // A refused fork must not be the end of it.
            if libc::fork() > 0 {
                libc::_exit(0)
            }
        }
    }
}
