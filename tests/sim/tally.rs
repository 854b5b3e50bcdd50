//! tally
use crate::plans;
use crate::seeds::{Wishes, live};
use std::collections::BTreeMap;
#[test]
fn tally() {
    let n: u64 = std::env::var("TALLY").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut broken: BTreeMap<String, Vec<(u64,u64)>> = BTreeMap::new();
    let mut turns = 0;
    for seed in 0..n {
        let life = std::panic::catch_unwind(|| live(seed, Wishes { shuffle: Some(seed), ..Wishes::default() }, plans::machine));
        match life {
            Ok(life) => { turns += life.turns; if let Err(e) = life.verdict { broken.entry(e.split(']').next().unwrap().to_string()).or_default().push((life.turns, seed)); } }
            Err(_) => broken.entry("panic".into()).or_default().push((0, seed)),
        }
    }
    println!("TALLY {n} seeds, {turns} turns");
    for (k, mut v) in broken { v.sort(); println!("TALLY {k}: {} shortest {:?}", v.len(), &v[..v.len().min(5)]); }
}
