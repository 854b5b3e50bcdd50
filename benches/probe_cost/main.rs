//! `cargo bench --bench probe_cost`: what one httpGet probe costs when monopod's helper asks, and what the same check
//! costs as one `runc exec` of a busybox wget, as an exec probe of a kubelet would have it run.
//!
//! Two containers of runc, alike: monopod as PID 1, and a web server that is this binary itself and does next to
//! nothing for an answer. In one monopod probes every second; into the other we `runc exec` every second, in every
//! other window. So both are asked as rarely as probes are, with caches that went cold.
//!
//! **What is counted** is time on a CPU, as the scheduler books it, of every process that has a part in it: the core,
//! its helper and the web server on one side; runc, all that it started and waited for, core and web server on the
//! other. Ticks of the whole machine are too coarse for something that takes a few ten thousandths of a second, and
//! belong to whoever else is there. What is missing is what the kernel's own threads do later (for namespaces and
//! cgroups), and, above runc, containerd and its shim: both favour runc exec. As a check the machine's busy ticks
//! are shown too: windows with execs less windows without.
//!
//! It needs root, runc and busybox, and says so if they are not there. It must never fail because something was slow.
//! `--quick` has a few windows. Nothing is done without `--bench`, which `cargo bench` gives.

#[path = "../common/mod.rs"]
mod common;
mod container;
mod server;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::facts;
use common::front::{ended, is_quick, say};
use common::stats::{median, quantile, ratio};
use common::table::table;
use common::verdict::{Bound, compare};
use container::{Container, Place};

/// What issue 4 expects of `runc exec` ÷ httpGet.
const WANTED: f64 = 50.0;

/// Seconds that a window lasts: probes, or probes and as many execs.
const WINDOW: usize = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == server::VERB) {
        return server::serve();
    }
    let told = match is_quick("probe_cost", &words) {
        Ok(true) => measure(2),
        Ok(false) => measure(12),
        Err(why) => say(&why),
    };
    ended(told)
}

fn measure(windows: usize) -> std::io::Result<()> {
    let began = Instant::now();
    say(&format!("\n{}\n", facts::line()))?;
    let outcome = Place::prepare().and_then(|place| {
        let probed = Container::start(&place, "probed", true)?;
        let entered = Container::start(&place, "entered", false)?;
        costs(&probed, &entered, windows)
    });
    match outcome {
        Ok(costs) => say(&costs.words())?,
        Err(why) => say(&format!("\n!! PROBE COST NOT MEASURED: {why}\n"))?,
    }
    say(&format!(
        "\n{:.0} s in all, load {} at the end.\n\n",
        began.elapsed().as_secs_f64(),
        facts::load()
    ))
}

/// Microseconds of CPU for one check; a value for each window, and the two that stand in one row are neighbours.
struct Costs {
    probe: Vec<f64>,
    exec: Vec<f64>,
    /// From busy ticks of the whole machine.
    exec_by_ticks: Vec<f64>,
    probes: u64,
    execs: u64,
}

fn costs(probed: &Container, entered: &Container, windows: usize) -> Result<Costs, String> {
    let mut costs = Costs {
        probe: Vec::new(),
        exec: Vec::new(),
        exec_by_ticks: Vec::new(),
        probes: 0,
        execs: 0,
    };
    // Files into memory.
    entered.exec_probe()?;
    for _ in 0..windows {
        let (answered, spent, ticks) = (probed.answered()?, probed.cpu_nanos()?, busy_micros()?);
        sleep(Duration::from_secs(WINDOW as u64));
        let quiet = busy_micros()? - ticks;
        let probes = probed.answered()? - answered;
        if probes == 0 {
            return Err(format!("monopod asked nobody for {WINDOW} s"));
        }
        let spent = probed.cpu_nanos()? - spent;
        costs.probe.push(spent as f64 / 1e3 / probes as f64);
        costs.probes += probes;

        let (answered, mut spent, ticks) = (entered.answered()?, 0, busy_micros()?);
        let before = entered.cpu_nanos()?;
        for _ in 0..WINDOW {
            let next = Instant::now() + Duration::from_secs(1);
            spent += entered.exec_probe()?;
            sleep(next.saturating_duration_since(Instant::now()));
        }
        spent += entered.cpu_nanos()? - before;
        let loud = busy_micros()? - ticks;
        if entered.answered()? - answered != WINDOW as u64 {
            return Err("an exec probe did not reach the web server".to_owned());
        }
        costs.exec.push(spent as f64 / 1e3 / WINDOW as f64);
        costs.exec_by_ticks.push((loud - quiet) / WINDOW as f64);
        costs.execs += WINDOW as u64;
    }
    Ok(costs)
}

/// Microseconds in which the CPUs of this machine were not idle, from `/proc/stat`. Its ticks are 10 ms.
fn busy_micros() -> Result<f64, String> {
    let text =
        std::fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; the guests behind them are counted in the first two.
    let busy = [0, 1, 2, 5, 6].map(|at| ticks.get(at).copied().unwrap_or(0.0));
    // SAFETY: no memory is involved.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    Ok(busy.iter().sum::<f64>() / per_second * 1e6)
}

impl Costs {
    /// On a machine that others use, the difference of two windows is theirs and not ours.
    fn by_ticks(&self) -> Vec<String> {
        let micros = &self.exec_by_ticks;
        let (middle, low, high) = (
            format!("{:.0}", median(micros)),
            quantile(micros, 0.1),
            quantile(micros, 0.9),
        );
        let noise = low <= 0.0;
        vec![
            "runc exec wget, by the machine's ticks".to_owned(),
            self.execs.to_string(),
            if noise { "noise".to_owned() } else { middle },
            format!("{low:.0}–{high:.0}"),
        ]
    }

    /// The table and the verdict.
    fn words(&self) -> String {
        let row = |name: &str, count: u64, micros: &[f64]| {
            vec![
                name.to_owned(),
                count.to_string(),
                format!("{:.0}", median(micros)),
                format!("{:.0}–{:.0}", quantile(micros, 0.1), quantile(micros, 0.9)),
            ]
        };
        let rows = [
            row("httpGet by monopod", self.probes, &self.probe),
            row("runc exec wget", self.execs, &self.exec),
            self.by_ticks(),
        ];
        let title = format!(
            "PROBE: CPU time of one check, µs, of all that have a part in it; medians of {} windows of {WINDOW} s",
            self.probe.len()
        );
        let says = "CPU time of one check";
        let ours = Some(self.exec.as_slice());
        let theirs = Some(("httpGet by monopod", self.probe.as_slice()));
        let verdict = compare("runc exec", ours, theirs, says, &Bound::AtLeast(WANTED));
        let ratio = ratio(&self.exec, &self.probe).median;
        table(&title, &["", "checks", "median", "p10–p90"], &rows)
            + &format!(
                "\nVERDICT\n{verdict}\n  One runc exec probe costs as much as {ratio:.0} httpGet probes.\n"
            )
    }
}
