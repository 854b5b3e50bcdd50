//! A pretend world on a pretend clock, in which a `Machine` lives whole lives in microseconds.
//!
//! - [`kernel`] is the pretend kernel with its processes ([`temper`] says how each behaves) and its helper; [`world`]
//!   puts a machine into it, and owns the clock.
//! - [`laws`] looks over the machine's shoulder after every step, in every story and every seed; [`endpoints`] says what
//!   the probes of an outer kubelet would see.
//! - [`story`] is the small language for stories of one command, [`pod`] (with [`script`] and [`told`]) that for pods.
//! - [`seeds`] lives through many random worlds ([`weather`]) in search of what nobody thought of; `planted` breaks
//!   machines on purpose to see that the laws would notice.
//!
//! Nothing here may read a clock, sleep, or start a process. When a seed finds something, keep it as a story.
//!
//! `MONOPOD_SIM_SEED=n cargo test --test sim seeds` lives through one seed and prints its whole timeline;
//! `MONOPOD_SIM_STEPS=n` goes on for that many steps instead of the usual number.

// A test binary is not PID 1; what it prints is for whoever reads the test's output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod endpoints;
mod happenings;
mod kernel;
mod laws;
mod laws_command;
mod laws_helper;
mod laws_passthrough;
mod laws_pod;
mod plans;
mod planted;
mod planted_pod;
mod pod;
mod rng;
mod script;
mod seeds;
mod statements;
mod stories_crowd;
mod stories_helper;
mod stories_hook;
mod stories_init;
mod stories_init_stop;
mod stories_passthrough;
mod stories_pod_hook;
mod stories_pod_restart;
mod stories_pod_status;
mod stories_pod_stop;
mod stories_probe;
mod stories_run;
mod stories_stop;
mod story;
mod temper;
mod timeline;
mod told;
mod weather;
mod weather_pod;
mod world;
