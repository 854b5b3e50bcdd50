//! The way from the exec of PID 1 to the first instruction of its command.

use crate::Effort;
use crate::common::stats::quantile;
use crate::field::{Field, Series};
use crate::table::{against, failures, middle, table};

/// Microseconds.
pub struct Start {
    pub micros: Series,
}

/// Starts everybody `start_rounds` times.
pub fn measure(field: &Field, effort: &Effort) -> Start {
    let micros = field.rounds(effort.start_rounds, effort.budget, |index| {
        let mut world = field.launch_first_instruction(index)?;
        let [seconds, nanos] = world.report()?;
        let began = world.exec_at_nanos;
        world.end()?;
        Ok((seconds * 1_000_000_000 + nanos).saturating_sub(began) as f64 / 1e3)
    });
    Start { micros }
}

impl Start {
    /// The table.
    pub fn words(&self, field: &Field) -> String {
        let mut rows = Vec::new();
        let mut rounds = 0;
        for (index, contestant) in field.contestants.iter().enumerate() {
            let Ok(micros) = &self.micros[index] else {
                continue;
            };
            rounds = rounds.max(micros.len());
            rows.push(vec![
                contestant.name.clone(),
                middle(micros, 0),
                format!("{:.0}–{:.0}", quantile(micros, 0.1), quantile(micros, 0.9)),
                against(field, &self.micros, index, "tini"),
                against(field, &self.micros, index, "tini-static"),
            ]);
        }
        let title =
            format!("START: exec of PID 1 to the command's first instruction, µs, {rounds} rounds");
        table(
            &title,
            &["", "median", "p10–p90", "÷ tini", "÷ tini-static"],
            &rows,
        ) + &failures(field, &self.micros)
    }
}
