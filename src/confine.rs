//! Giving up what a process that was forked from the core can do without: rights, limits, the environment.
//!
//! For the helper and the relay, each of which has its own order of steps. Every step here may be refused (a uid without
//! rights, a strict seccomp profile); what was refused is noted, not hidden, and the process works all the same.
//!
//! What surprised us: the C library's setuid and setgroups speak to every thread on the library's own list, which after
//! a bare clone may name threads of another process. Hence the bare calls, here and only here.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt;

/// "nobody": the uid and gid that own nothing, by the kernel's own convention (fs.overflowuid).
const NOBODY: libc::uid_t = 65_534;

/// What came of it.
#[derive(Debug, Default)]
pub struct Jail {
    refused: Vec<(&'static str, Errno)>,
}

impl Jail {
    /// Writes down a step that was refused.
    pub fn note<T>(&mut self, step: &'static str, outcome: Result<T, Errno>) {
        if let Err(errno) = outcome {
            self.refused.push((step, errno));
        }
    }
}

impl fmt::Display for Jail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused.is_empty() {
            return f.write_str("all that it can do without was given up");
        }
        f.write_str("refused:")?;
        for (index, (step, errno)) in self.refused.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {step} ({})", errno.desc())?;
        }
        Ok(())
    }
}

/// Becomes nobody. Without the right to it, only what is left of capabilities goes; that needs no right.
pub fn drop_privileges(jail: &mut Jail) {
    // SAFETY: no group is read from a list of length zero.
    let groups = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) };
    jail.note("no groups", Errno::result(groups));
    // SAFETY: three numbers.
    let gid = unsafe { libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY) };
    jail.note("gid 65534", Errno::result(gid));
    // SAFETY: three numbers.
    let uid = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    jail.note("uid 65534", Errno::result(uid));
    jail.note("no capabilities", drop_capabilities());
}

/// Empties the permitted, effective and inheritable sets, and with them the ambient one. See capget(2).
fn drop_capabilities() -> Result<(), Errno> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// _LINUX_CAPABILITY_VERSION_3: two triples of 32 bits each.
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let none = [Sets {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    // SAFETY: the kernel reads one header and two triples, which is what there is; the layout is capget(2)'s.
    let outcome = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    Errno::result(outcome).map(drop)
}

/// Overwrites every variable with zeroes, where the kernel put it.
pub fn wipe_environment() {
    unsafe extern "C" {
        static environ: *const *mut libc::c_char;
    }
    // SAFETY: the C library's array of strings with a null pointer at its end. This process has one thread, reads no
    // variable from here on, and was given a writable copy of the strings by the kernel.
    unsafe {
        let mut place = environ;
        while !place.is_null() && !(*place).is_null() {
            libc::memset((*place).cast(), 0, libc::strlen(*place));
            place = place.add(1);
        }
    }
}

/// Lowers both limits; one that is lower already stays.
pub fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    let (soft, hard) = getrlimit(resource)?;
    setrlimit(resource, most.min(soft), most.min(hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_said() {
        let mut jail = Jail::default();
        assert_eq!(jail.to_string(), "all that it can do without was given up");
        jail.note("a name", Ok(()));
        jail.note("uid 65534", Err::<(), _>(Errno::EPERM));
        jail.note("no groups", Err::<(), _>(Errno::EPERM));
        assert_eq!(jail.refused.len(), 2);
        assert_eq!(
            jail.to_string(),
            "refused: uid 65534 (Operation not permitted), no groups (Operation not permitted)"
        );
    }
}
