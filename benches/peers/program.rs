//! A program whose first instruction already looks at the clock: a static ELF file of some 150 bytes, written by hand.
//!
//! It writes CLOCK_MONOTONIC (a `struct timespec`) to descriptor 1 and ends with code 0. Any real program would add
//! its own loading, which is the same behind every init and would only dilute the ratios.

use std::fs::{File, set_permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The machine code, or nothing on an architecture for which nobody wrote it.
#[cfg(target_arch = "x86_64")]
const CODE: Option<&[u8]> = Some(&[
    0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228            clock_gettime
    0xbf, 0x01, 0x00, 0x00,
    0x00, // mov edi, 1              CLOCK_MONOTONIC, and later: descriptor 1
    0x48, 0x8d, 0x74, 0x24, 0xf0, // lea rsi, [rsp - 16]     the timespec
    0x0f, 0x05, // syscall
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1              write
    0xba, 0x10, 0x00, 0x00, 0x00, // mov edx, 16
    0x0f, 0x05, // syscall
    0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60             exit
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
]);
#[cfg(not(target_arch = "x86_64"))]
const CODE: Option<&[u8]> = None;

/// Where the one segment is mapped: any page well above the lowest that the kernel lets a program map.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// Writes the program to `path`. False: this architecture has none.
pub fn write(path: &Path) -> std::io::Result<bool> {
    let Some(code) = CODE else {
        return Ok(false);
    };
    let size = HEADERS + code.len() as u64;
    let mut elf = Vec::new();
    // e_ident: 64 bits, this machine's byte order is little, version 1, System V.
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend(2u16.to_le_bytes()); // e_type: a program
    elf.extend(62u16.to_le_bytes()); // e_machine: x86_64
    elf.extend(1u32.to_le_bytes()); // e_version
    elf.extend((BASE + HEADERS).to_le_bytes()); // e_entry
    elf.extend(64u64.to_le_bytes()); // e_phoff
    elf.extend(0u64.to_le_bytes()); // e_shoff: no sections
    elf.extend(0u32.to_le_bytes()); // e_flags
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes()); // sizes and counts of the headers
    }
    elf.extend(1u32.to_le_bytes()); // p_type: load
    elf.extend(5u32.to_le_bytes()); // p_flags: read and execute
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(word.to_le_bytes()); // offset, addresses, sizes in file and memory, alignment
    }
    elf.extend(code);
    File::create(path)?.write_all(&elf)?;
    set_permissions(path, PermissionsExt::from_mode(0o755))?;
    Ok(true)
}
