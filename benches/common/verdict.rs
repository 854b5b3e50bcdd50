//! How a run ends: what was aimed at, and what came of it. Words only: a miss is no failure of the run.
//!
//! "Reached" is said of the median. "Within the noise" is said of a miss so small that this run cannot tell it from
//! none: the limit lies inside the range that `stats::ratio` gives.

use crate::common::stats::ratio;

/// What a ratio should be.
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// How a claim that was kept, or not, is called.
pub fn word(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT REACHED" }
}

/// One line of a verdict.
pub fn line(verdict: &str, who: &str, what: &str) -> String {
    format!("  {verdict:<16}  {who:<16}  {what}")
}

/// What the ratios of `mine` and `peer` are, round by round, against what was wanted. Who has no values was not
/// measured.
pub fn compare(
    mine: &str,
    ours: Option<&[f64]>,
    peer: Option<(&str, &[f64])>,
    what: &str,
    bound: &Bound,
) -> String {
    let (Some(ours), Some((peer, theirs))) = (ours, peer) else {
        return line("not measured", mine, what);
    };
    let ratio = ratio(ours, theirs);
    let (sign, limit, reached, perhaps) = match *bound {
        Bound::AtMost(limit) => ("≤", limit, ratio.median <= limit, ratio.low <= limit),
        Bound::AtLeast(limit) => ("≥", limit, ratio.median >= limit, ratio.high >= limit),
    };
    let verdict = if !reached && perhaps {
        "within the noise"
    } else {
        word(reached)
    };
    let says = format!(
        "{what}: {} × {peer} (wanted {sign} {limit:.1}; range {}–{})",
        short(ratio.median),
        short(ratio.low),
        short(ratio.high)
    );
    line(verdict, mine, &says)
}

/// A ratio in as few digits as tell something.
pub fn short(ratio: f64) -> String {
    match ratio {
        small if small < 0.1 => format!("{small:.4}"),
        large if large >= 10.0 => format!("{large:.0}"),
        _ => format!("{ratio:.2}"),
    }
}
