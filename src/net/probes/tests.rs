//! Tools.

/// The next number of a small generator (Knuth's), so that a failure can be repeated.
pub fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}
