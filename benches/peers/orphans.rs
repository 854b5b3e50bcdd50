//! Orphans, in two ways. A backlog: thousands of zombies handed to the init at one moment, which measures reaping and
//! nothing else. A storm: orphans made as fast as the machine can, which shows how many pile up meanwhile; there the
//! rate is that of fork, so an init can only lose, by taking the CPU from those who fork.

use std::time::Duration;

use crate::Effort;
use crate::common::procfs::{scheduled, settle};
use crate::common::stats::median;
use crate::field::{Field, Series};
use crate::table::{against, failures, middle, table};

/// One measured round.
struct Turn {
    per_second: f64,
    cpu_micros_each: f64,
    most_waiting: f64,
}

/// Both ways.
pub struct Orphans {
    pub backlog_per_second: Series,
    pub backlog_cpu_micros: Series,
    pub storm_per_second: Series,
    storm_cpu_micros: Series,
    storm_most: Series,
    count: u32,
    rounds: [usize; 2],
}

/// Lets everybody reap `orphans`, in fresh namespaces, round by round.
pub fn measure(field: &Field, effort: &Effort) -> Orphans {
    let turn = |index, verb| reap(field, index, verb, effort.orphans);
    let backlog = field.rounds(effort.orphan_rounds, effort.budget, |index| {
        turn(index, "backlog")
    });
    let storm = field.rounds(effort.storm_rounds, effort.budget, |index| {
        turn(index, "storm")
    });
    Orphans {
        backlog_per_second: pick(&backlog, |turn| turn.per_second),
        backlog_cpu_micros: pick(&backlog, |turn| turn.cpu_micros_each),
        storm_per_second: pick(&storm, |turn| turn.per_second),
        storm_cpu_micros: pick(&storm, |turn| turn.cpu_micros_each),
        storm_most: pick(&storm, |turn| turn.most_waiting),
        count: effort.orphans,
        rounds: [most_rounds(&backlog), most_rounds(&storm)],
    }
}

fn most_rounds<T>(outcomes: &[Result<Vec<T>, String>]) -> usize {
    outcomes.iter().flatten().map(Vec::len).max().unwrap_or(0)
}

fn pick(turns: &[Result<Vec<Turn>, String>], value: impl Fn(&Turn) -> f64) -> Series {
    let one = |turns: &Result<Vec<Turn>, String>| match turns {
        Ok(turns) => Ok(turns.iter().map(&value).collect()),
        Err(why) => Err(why.clone()),
    };
    turns.iter().map(one).collect()
}

fn reap(field: &Field, index: usize, verb: &str, count: u32) -> Result<Turn, String> {
    let mut world = field.launch(index, verb, &[count.to_string()])?;
    let [_ready] = world.report()?;
    let rest = Duration::from_millis(5);
    settle(world.pid, rest)?;
    let before = scheduled(world.pid)?;
    world.order(b"!")?;
    let [nanos, most_waiting, errno] = world.report()?;
    if errno != 0 {
        let error = std::io::Error::from_raw_os_error(errno as i32);
        return Err(format!("{count} orphans were not made and reaped: {error}"));
    }
    settle(world.pid, rest)?;
    let cpu_nanos = scheduled(world.pid)?.run_nanos - before.run_nanos;
    Ok(Turn {
        per_second: f64::from(count) * 1e9 / nanos as f64,
        cpu_micros_each: cpu_nanos as f64 / 1e3 / f64::from(count),
        most_waiting: most_waiting as f64,
    })
}

impl Orphans {
    /// Both tables.
    pub fn words(&self, field: &Field) -> String {
        let count = self.count;
        let (mut backlog, mut storm) = (Vec::new(), Vec::new());
        for (index, contestant) in field.contestants.iter().enumerate() {
            if let (Ok(rate), Ok(cpu)) = (
                &self.backlog_per_second[index],
                &self.backlog_cpu_micros[index],
            ) {
                backlog.push(vec![
                    contestant.name.clone(),
                    middle(rate, 0),
                    against(field, &self.backlog_per_second, index, "tini"),
                    middle(cpu, 2),
                    against(field, &self.backlog_cpu_micros, index, "tini"),
                ]);
            }
            if let (Ok(rate), Ok(cpu), Ok(most)) = (
                &self.storm_per_second[index],
                &self.storm_cpu_micros[index],
                &self.storm_most[index],
            ) {
                storm.push(vec![
                    contestant.name.clone(),
                    middle(rate, 0),
                    against(field, &self.storm_per_second, index, "tini"),
                    middle(cpu, 2),
                    against(field, &self.storm_cpu_micros, index, "tini"),
                    middle(most, 0),
                    format!("{:.0}", most.iter().copied().fold(0.0, f64::max)),
                ]);
            }
        }
        let [rounds, storm_rounds] = self.rounds;
        let title = format!(
            "ORPHANS, a backlog: {count} zombies handed over at one moment, {rounds} rounds"
        );
        let storm_title =
            format!("ORPHANS, a storm: {count} made as fast as can be, {storm_rounds} rounds");
        let columns = ["", "reaped/s", "÷ tini", "CPU µs each", "÷ tini"];
        let storm_columns = [
            "",
            "reaped/s",
            "÷ tini",
            "CPU µs each",
            "÷ tini",
            "most waiting (median)",
            "(greatest)",
        ];
        table(&title, &columns, &backlog)
            + &failures(field, &self.backlog_per_second)
            + &table(&storm_title, &storm_columns, &storm)
            + &failures(field, &self.storm_per_second)
    }

    /// The peer that reaps a backlog, or bears a storm, fastest.
    pub fn best_peer(field: &Field, series: &Series) -> Option<usize> {
        let rate = |index: usize| series[index].as_ref().map_or(0.0, |values| median(values));
        let here = field
            .peers
            .iter()
            .copied()
            .filter(|&index| series[index].is_ok());
        here.max_by(|&a, &b| rate(a).total_cmp(&rate(b)))
    }
}
