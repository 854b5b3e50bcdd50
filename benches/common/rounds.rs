//! The rounds in which contestants take turns.

use std::time::{Duration, Instant};

/// A value for each round of each contestant, or why it has none.
pub type Series = Vec<Result<Vec<f64>, String>>;

/// Lets each of `count` contestants have `wanted` turns, each round in another order. Once a contestant failed it is
/// left out. One round more is run first, uncounted, to bring files into memory. When `budget` is used up no round is
/// begun, but three are always had, if so many are wanted.
pub fn rounds<T>(
    count: usize,
    wanted: usize,
    budget: Duration,
    mut turn: impl FnMut(usize) -> Result<T, String>,
) -> Vec<Result<Vec<T>, String>> {
    let mut outcomes: Vec<Result<Vec<T>, String>> = (0..count).map(|_| Ok(Vec::new())).collect();
    let began = Instant::now();
    for round in 0..=wanted {
        if round > 3 && began.elapsed() > budget {
            break;
        }
        for index in shuffled(count, round) {
            let Ok(values) = &mut outcomes[index] else {
                continue;
            };
            match turn(index) {
                Ok(_) if round == 0 => {}
                Ok(value) => values.push(value),
                Err(why) => outcomes[index] = Err(why),
            }
        }
    }
    outcomes
}

/// `0..count` in an order that depends on `round` alone. Turning the order would not do: everyone would always
/// follow the same one.
pub fn shuffled(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    // Any odd numbers with well mixed bits: these are the usual ones of Knuth.
    let mut seed = (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for top in (1..count).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(top, (seed >> 33) as usize % (top + 1));
    }
    order
}
