//! Tables for a terminal: names to the left, numbers to the right, a blank line and a title before each.

use crate::field::{Field, Series};
use crate::stats::{median, ratio};

/// A title, what the columns are, and a row of words for each contestant that was measured.
pub fn table(title: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = columns.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!("\n{title}\n");
    let heads: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::from("  ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            if column == 0 {
                line.push_str(&format!("{cell}{gap}"));
            } else {
                line.push_str(&format!("   {gap}{cell}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

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

/// The median of a series with `digits` after the point.
pub fn middle(values: &[f64], digits: usize) -> String {
    format!("{:.digits$}", median(values))
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
    table(
        "SIZE of the file (a dynamic one needs its libc beside it)",
        &["", "bytes"],
        &rows,
    )
}
