//! Probes and hooks from flags.
