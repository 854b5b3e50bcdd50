//! The delay of a forwarded signal: from before our kill() of PID 1 to the command's return from sigwaitinfo.
//!
//! All contestants live at the same time and get their signals in turn, one signal each, so that each has gone to
//! sleep, and its caches cold, before its next. All sit on one CPU (`OneCpu` tells why). A round is a block of such turns; its quantiles are the round's values.

use std::time::Duration;

use crate::Effort;
use crate::common::namespace::now_nanos;
use crate::common::procfs::settle;
use crate::common::rounds::shuffled;
use crate::common::stats::quantile;
use crate::field::{Field, Series};
use crate::table::{against, failures, middle, table};
use crate::world::{OneCpu, World};

/// Microseconds; a value for each block.
pub struct Signals {
    p50: Series,
    pub p99: Series,
    each: usize,
}

/// Sends SIGUSR1 to everybody, `signal_rounds` × `signals_per_round` times.
pub fn measure(field: &Field, effort: &Effort) -> Signals {
    let _one_cpu = OneCpu::pin();
    let mut worlds: Vec<Result<World, String>> = (0..field.contestants.len())
        .map(|index| start(field, index))
        .collect();
    let mut p50: Series = worlds.iter().map(|_| Ok(Vec::new())).collect();
    let mut p99 = p50.clone();
    for round in 0..effort.signal_rounds {
        let mut delays: Vec<Vec<f64>> = worlds.iter().map(|_| Vec::new()).collect();
        for turn in 0..effort.signals_per_round {
            for index in shuffled(worlds.len(), round * effort.signals_per_round + turn) {
                let Ok(world) = &mut worlds[index] else {
                    continue;
                };
                match send(world) {
                    Ok(micros) => delays[index].push(micros),
                    Err(why) => worlds[index] = Err(why),
                }
                // The receiver may still be on its way back to sleep, on the CPU that the next one wants.
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        for (index, delays) in delays.iter().enumerate() {
            for (series, q) in [(&mut p50, 0.5), (&mut p99, 0.99)] {
                match (&worlds[index], &mut series[index]) {
                    (Ok(_), Ok(values)) => values.push(quantile(delays, q)),
                    (Err(why), value) => *value = Err(why.clone()),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
    }
    Signals {
        p50,
        p99,
        each: effort.signal_rounds * effort.signals_per_round,
    }
}

fn start(field: &Field, index: usize) -> Result<World, String> {
    let mut world = field.launch(index, "signals", &[])?;
    let [_ready] = world.report()?;
    settle(world.pid, Duration::from_millis(20))?;
    Ok(world)
}

fn send(world: &mut World) -> Result<f64, String> {
    let sent = now_nanos();
    // SAFETY: kill has no memory effects; the pid is our child's, which we have not waited for.
    if unsafe { libc::kill(world.pid, libc::SIGUSR1) } == -1 {
        return Err(format!(
            "cannot signal PID 1: {}",
            std::io::Error::last_os_error()
        ));
    }
    let [arrived] = world.report()?;
    Ok(arrived.saturating_sub(sent) as f64 / 1e3)
}

impl Signals {
    /// The table.
    pub fn words(&self, field: &Field) -> String {
        let mut rows = Vec::new();
        for (index, contestant) in field.contestants.iter().enumerate() {
            let (Ok(p50), Ok(p99)) = (&self.p50[index], &self.p99[index]) else {
                continue;
            };
            rows.push(vec![
                contestant.name.clone(),
                middle(p50, 1),
                against(field, &self.p50, index, "tini"),
                middle(p99, 1),
                against(field, &self.p99, index, "tini"),
            ]);
        }
        let title = format!(
            "SIGNAL: SIGUSR1 to PID 1 until its command has it, µs, {} each",
            self.each
        );
        table(&title, &["", "p50", "÷ tini", "p99", "÷ tini"], &rows) + &failures(field, &self.p99)
    }
}
