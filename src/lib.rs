//! monopod: the Kubernetes pod life cycle in one container.
//!
//! The rooms, and the direction between them (a room uses only rooms of lower rank; `tests/tidy.rs` checks it):
//!
//! | room | rank | what it is for |
//! |---|---|---|
//! | [`time`] | 0 | a number, no clock |
//! | [`descriptors`] | 0 | closing what was inherited |
//! | [`confine`] | 0 | giving up rights that a forked process can do without |
//! | [`walk`] | 0 | a path without links |
//! | [`spelling`] | 0 | the name that was probably meant |
//! | [`plan`] | 1 | what was asked for, checked and inert |
//! | [`machine`] | 2 | the words between deciding and doing |
//! | [`lifecycle`] | 3 | decides: a pod's containers, probes, hooks, restarts, order, stop, sweep; the helper's attendant |
//! | [`passthrough`] | 3 | decides: what tini, dumb-init and catatonit do |
//! | [`manifest`] | 3 | text and environment to a plan, or to all faults |
//! | [`cli`] | 4 | command line and environment to an invocation |
//! | [`report`] | 3 | data to words, events, pages and metrics |
//! | [`net`] | 4 | the jailed helper and the checks it asks, the line to it, and who talks to it from outside |
//! | [`relay`] | 4 | the output relay, and the core's side of it |
//! | [`linux`] | 5 | PID 1's hands: all its system calls but those of the line |
//!
//! `main` (rank 6) puts them together. `ARCHITECTURE.md` tells the story at length.

pub mod cli;
pub mod confine;
pub mod descriptors;
pub mod lifecycle;
pub mod linux;
pub mod machine;
pub mod manifest;
pub mod net;
pub mod passthrough;
pub mod plan;
pub mod relay;
pub mod report;
pub mod spelling;
pub mod time;
pub mod walk;
