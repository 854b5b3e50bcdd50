//! The environment of one child, made in the parent so that the child has nothing to build: each page that it writes to
//! is copied first.
//!
//! What surprised us: with socket activation a variable names the pid that the sockets are for, so one variable can only
//! be known after the fork.

use super::mark;
use crate::plan::Environment;
use nix::unistd::getpid;
use std::ffi::{CStr, CString};
use std::ptr;

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// The variables of one child.
pub struct Variables {
    /// C strings with a null pointer at the end.
    array: *const *const libc::c_char,
    /// Where LISTEN_PID names monopod.
    ours: Option<usize>,
    /// Holds `array` where it is not the C library's.
    _own: Vec<*const libc::c_char>,
    /// Holds the mark, which the array points to.
    _mark: Option<CString>,
}

impl Variables {
    /// What `environment` says, and the mark of the run before it all, where a look into a long one finds it soonest.
    pub fn new(environment: &Environment, mark: Option<CString>) -> Variables {
        // SAFETY: the C library's own array; nobody in this process changes the environment.
        let inherited = unsafe { environ };
        let own: Vec<_> = match environment {
            Environment { base: None, extra } if extra.is_empty() && mark.is_none() => Vec::new(),
            Environment { base, extra } => {
                let base: Vec<_> = match base {
                    Some(base) => base.iter().map(|v| v.as_ptr()).collect(),
                    // SAFETY: an array of C strings with a null pointer at its end.
                    None => unsafe { strings(inherited) }.to_vec(),
                };
                let replaced = |variable: &*const libc::c_char| {
                    // SAFETY: a C string of one of the arrays above.
                    let name = name_of(unsafe { CStr::from_ptr(*variable) }.to_bytes());
                    extra.iter().any(|other| name_of(other.to_bytes()) == name)
                        || mark.is_some() && name == mark::VARIABLE.as_bytes()
                };
                let kept = base.into_iter().filter(|variable| !replaced(variable));
                let mark = mark.iter().map(|v| v.as_ptr());
                mark.chain(kept)
                    .chain(extra.iter().map(|v| v.as_ptr()))
                    .chain([ptr::null()])
                    .collect()
            }
        };
        let array = match own.is_empty() {
            true => inherited,
            false => own.as_ptr(),
        };
        let named = format!("LISTEN_PID={}", getpid());
        // SAFETY: an array of C strings with a null pointer at its end.
        let ours = unsafe { strings(array) }.iter().position(|variable| {
            // SAFETY: as above.
            unsafe { CStr::from_ptr(*variable) }.to_bytes() == named.as_bytes()
        });
        Variables {
            array,
            ours,
            _own: own,
            _mark: mark,
        }
    }

    /// The array for exec, as long as nothing has to be retold.
    pub fn array(&self) -> *const *const libc::c_char {
        self.array
    }

    /// In the child: systemd's socket activation names the pid that the sockets are for, and what was for us is for it.
    pub fn retold(&self) -> Option<(CString, Vec<*const libc::c_char>)> {
        let place = self.ours?;
        let retold = CString::new(format!("LISTEN_PID={}", getpid())).ok()?;
        // SAFETY: an array of C strings with a null pointer at its end.
        let mut array = unsafe { strings(self.array) }.to_vec();
        array[place] = retold.as_ptr();
        array.push(ptr::null());
        Some((retold, array))
    }
}

/// The strings of an array that ends with a null pointer.
///
/// # Safety
///
/// `array` is such an array, or null, and nobody changes it.
unsafe fn strings<'a>(array: *const *const libc::c_char) -> &'a [*const libc::c_char] {
    let mut length = 0;
    // SAFETY: by the condition, up to and with the null pointer all of it is there.
    while !array.is_null() && unsafe { !(*array.add(length)).is_null() } {
        length += 1;
    }
    match length {
        0 => &[],
        // SAFETY: so many were just seen.
        _ => unsafe { std::slice::from_raw_parts(array, length) },
    }
}

fn name_of(variable: &[u8]) -> &[u8] {
    variable
        .split(|byte| *byte == b'=')
        .next()
        .unwrap_or_default()
}
