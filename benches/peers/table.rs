//! What the tables of this benchmark say of a contestant beside its numbers.

use crate::common::stats::ratio;
pub use crate::common::table::{middle, table};
use crate::field::{Field, Series};

/// How `series` of contestant `index` compares with that of the contestant called `other`: `0.97`, or a dash.
pub fn against(field: &Field, series: &Series, index: usize, other: &str) -> String {
    let theirs = field
        .position(other)
        .and_then(|at| series[at].as_ref().ok());
    match (series[index].as_ref().ok(), theirs) {
        (Some(mine), Some(theirs)) => format!("{:.2}", ratio(mine, theirs).median),
        _ => "–".to_owned(),
    }
}

/// One loud line for each contestant that could not be measured.
pub fn failures<T>(field: &Field, outcomes: &[Result<T, String>]) -> String {
    let mut text = String::new();
    for (contestant, outcome) in field.contestants.iter().zip(outcomes) {
        if let Err(why) = outcome {
            text.push_str(&format!("  !! {} NOT MEASURED: {why}\n", contestant.name));
        }
    }
    text
}

/// The files' sizes.
pub fn sizes(field: &Field) -> String {
    let rows: Vec<Vec<String>> = field
        .contestants
        .iter()
        .map(|contestant| vec![contestant.name.clone(), contestant.bytes().to_string()])
        .collect();
    let https = match cfg!(feature = "https") {
        true => "with",
        false => "without",
    };
    table(
        &format!(
            "SIZE of the file (monopod {https} https; a dynamic one needs its libc beside it)"
        ),
        &["", "bytes"],
        &rows,
    )
}
