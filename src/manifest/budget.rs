//! How many bytes of arguments and variables a manifest may come to, once its references are replaced and its aliases
//! written out. A kilobyte of `$(A)$(A)` or of `*a` stands for gigabytes, so every piece is paid for before it is made.

use std::cell::Cell;

/// For all programs of a manifest together. The kernel takes 2 MiB of both for one program (a quarter of the usual
/// stack, execve(2)), so this favours whoever has to hold it: honest pods have kilobytes.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// What a word or variable costs beside its bytes: its NUL and its pointer, as the kernel counts, and its place here.
pub(super) const PER_WORD: usize = 32;

/// What is left of [`MOST_BYTES`]; nothing at all after the first thing that was too much.
pub(super) struct Budget(Cell<Option<usize>>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Cell::new(Some(MOST_BYTES)))
    }
}

impl Budget {
    /// Pays for so many bytes; whether that could be paid.
    pub fn pays(&self, bytes: usize) -> bool {
        let left = self.0.get().and_then(|left| left.checked_sub(bytes));
        self.0.set(left);
        left.is_some()
    }

    pub fn is_spent(&self) -> bool {
        self.0.get().is_none()
    }
}
