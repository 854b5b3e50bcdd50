//! The output relay, really: every line that was written comes out once, whole and in order, whoever reads slowly, stops
//! reading or goes away, and however often the relay is killed.
//!
//! Needs no root and no container, but for what says so. It moves some hundred megabytes; with
//! `MONOPOD_RELAY_SCALE=45 cargo test --release --test relay` each way of a line is walked by a gibibyte and by 45 million
//! lines.

// It is a test, and it talks to people.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ends;
mod follow;
mod hash;
mod held;
mod killed;
mod life;
mod paths;
mod pods;
mod quarantine;
mod volume;
