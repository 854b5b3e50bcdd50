//! What the benchmarks share.

// Each of them uses a part of it, and would call the rest dead.
#![allow(dead_code)]

pub mod facts;
pub mod front;
pub mod here;
pub mod namespace;
pub mod procfs;
pub mod rounds;
pub mod stats;
pub mod table;
pub mod verdict;
