//! Medians, quantiles and ratios of rounds. No means: one round in which the machine looked away would spoil them.

/// The `q`-quantile (0 to 1) of `values` by nearest rank; NaN of nothing.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle of `values`.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A median of per-round ratios, and the range in which the true one lies in 19 of 20 cases. Of fewer than six rounds
/// it is the range of all, which says less.
#[derive(Clone, Copy)]
pub struct Ratio {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// `mine / theirs`, round by round. The range is that of the sign test: it assumes nothing of the noise but that
/// rounds do not depend on each other.
pub fn ratio(mine: &[f64], theirs: &[f64]) -> Ratio {
    let mut ratios: Vec<f64> = mine.iter().zip(theirs).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len() as f64;
    let low = (n / 2.0 - 0.98 * n.sqrt()).floor().max(0.0) as usize;
    let high = ratios.len().saturating_sub(low + 1);
    let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
    Ratio {
        median: median(&ratios),
        low: at(low),
        high: at(high),
    }
}
