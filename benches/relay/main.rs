//! `cargo bench --bench relay`: lines of 100 bytes through the output relay, beside `cat` and the log tools that are
//! installed here, in turns, on one core that all processes of a contestant share.
//!
//! The way is the same for all: `cat FILE`, a pipe, the contestant, a pipe, `cat` to /dev/null. What is compared is the
//! time of a round, and the processor time that all its processes used, which other work on the machine disturbs less.
//! Ratios are taken within a round and the median is shown; above 1 is faster than `cat`.
//!
//! It must never fail because something was slow, and must say what it left out.

#[path = "../common/mod.rs"]
mod common;

use common::front::{ended, is_quick, say};
use common::{facts, here, stats};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

const MONOPOD: &str = env!("CARGO_BIN_EXE_monopod");
const LINE_BYTES: usize = 100;
/// 1 in a round is the reference.
const CAT: usize = 0;

struct Contestant {
    name: &'static str,
    /// The words between the two pipes; monopod runs the first `cat` itself.
    words: Vec<String>,
    is_monopod: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = match is_quick("relay", &words) {
        Ok(true) => compare((300_000, 3)),
        Ok(false) => compare((1_000_000, 15)),
        Err(why) => say(&why),
    };
    ended(told)
}

fn contestants() -> (Vec<Contestant>, Vec<&'static str>) {
    let own = |name, flags: &str| Contestant {
        name,
        words: flags.split(' ').map(str::to_owned).collect(),
        is_monopod: true,
    };
    let other = |name, words: &[&str]| Contestant {
        name,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        is_monopod: false,
    };
    let mut all = vec![
        other("cat", &["cat"]),
        own("monopod prefix", "--output prefix"),
        own("monopod prefix, time", "--output prefix --output-time yes"),
        own("monopod json", "--output json"),
        own("monopod inherit", "--output inherit"),
    ];
    let mut absent = Vec::new();
    for (name, words) in [
        ("s6-log 1", &["s6-log", "1"][..]),
        ("s6-log t 1", &["s6-log", "t", "1"][..]),
        ("multilog e", &["multilog", "e"][..]),
        ("sed", &["sed", "s/^/cat | /"][..]),
    ] {
        match here::on_path(words[0]).is_some() {
            true => all.push(other(name, words)),
            false => absent.push(name),
        }
    }
    (all, absent)
}

fn compare((lines, rounds): (usize, usize)) -> std::io::Result<()> {
    let (all, absent) = contestants();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("relay-lines");
    write_lines(&file, lines)?;
    say(&format!(
        "\n{}\n{lines} lines of {LINE_BYTES} bytes, one core, {rounds} rounds\n",
        facts::line()
    ))?;
    if !absent.is_empty() {
        say(&format!(
            "!! NOT INSTALLED, NOT MEASURED: {}\n",
            absent.join(", ")
        ))?;
    }
    let mut wall = vec![Vec::new(); all.len()];
    let mut cpu = vec![Vec::new(); all.len()];
    let mut core_ns = Vec::new();
    for _ in 0..rounds {
        for (place, contestant) in all.iter().enumerate() {
            let before = (Instant::now(), cpu_seconds());
            let core = run(contestant, &file)?;
            wall[place].push(before.0.elapsed().as_secs_f64());
            cpu[place].push(cpu_seconds() - before.1);
            core_ns.extend(core);
        }
    }
    say("\n                        lines/s   lines/s ÷ cat          lines per CPU second ÷ cat\n")?;
    for (place, contestant) in all.iter().enumerate() {
        let (time, work) = (
            stats::ratio(&wall[CAT], &wall[place]),
            stats::ratio(&cpu[CAT], &cpu[place]),
        );
        let rate = lines as f64 / stats::median(&wall[place]) / 1e6;
        say(&format!(
            "{:22} {rate:7.2} M   {:.2} ({:.2} to {:.2})    {:.2} ({:.2} to {:.2})\n",
            contestant.name, time.median, time.low, time.high, work.median, work.low, work.high
        ))?;
    }
    say(&format!(
        "\nThe core itself worked {:.0} µs (median, at most {:.0}) while its relay moved {} MB.\n\n",
        stats::median(&core_ns) / 1e3,
        stats::quantile(&core_ns, 1.0) / 1e3,
        lines * LINE_BYTES / 1_000_000,
    ))?;
    std::fs::remove_file(&file)
}

fn write_lines(file: &PathBuf, lines: usize) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(File::create(file)?);
    for number in 0..lines {
        writeln!(out, "{number:0width$}", width = LINE_BYTES - 1)?;
    }
    out.flush()
}

/// One round. For a monopod with a relay: the time in nanoseconds that the core worked between the first byte and the
/// last.
fn run(contestant: &Contestant, file: &Path) -> std::io::Result<Option<f64>> {
    let mut children: Vec<Child> = Vec::new();
    let out: ChildStdout = if contestant.is_monopod {
        let mut own = Command::new(MONOPOD);
        own.args(&contestant.words).arg("--").arg("cat").arg(file);
        start(&mut own, &mut children)?
    } else {
        let from = start(Command::new("cat").arg(file), &mut children)?;
        let mut other = Command::new(&contestant.words[0]);
        other.args(&contestant.words[1..]).stdin(from);
        if contestant.name == "multilog e" {
            // It knows no other way out than standard error.
            return drain_stderr(other, children).map(|()| None);
        }
        start(&mut other, &mut children)?
    };
    let core = contestant.is_monopod.then(|| children[0].id());
    let worked = |pid: u32| -> Option<f64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let mut sink = Command::new("cat");
    sink.stdin(out).stdout(Stdio::null());
    on_one_core(&mut sink);
    let mut sink = sink.spawn()?;
    let before = core.and_then(worked);
    sink.wait()?;
    // Standard output closes when the core leaves, which is when it is a zombie that still tells.
    let after = core.and_then(worked);
    for mut child in children {
        child.wait()?;
    }
    Ok(before.zip(after).map(|(before, after)| after - before))
}

fn drain_stderr(mut last: Command, children: Vec<Child>) -> std::io::Result<()> {
    on_one_core(&mut last);
    let mut last = last.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut bin = vec![0; 1 << 17];
    let mut err = last.stderr.take().expect("it was asked for");
    while err.read(&mut bin)? > 0 {}
    last.wait()?;
    for mut child in children {
        child.wait()?;
    }
    Ok(())
}

fn start(command: &mut Command, children: &mut Vec<Child>) -> std::io::Result<ChildStdout> {
    on_one_core(command);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().expect("it was asked for");
    children.push(child);
    Ok(out)
}

/// The last core: interrupts prefer the first.
fn on_one_core(command: &mut Command) {
    let last = std::thread::available_parallelism().map_or(0, |count| count.get() - 1);
    // SAFETY: between fork and exec it makes one system call about a set on its own stack.
    unsafe {
        command.pre_exec(move || {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(last, &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
            Ok(())
        });
    }
}

/// What all children that were waited for have used, theirs included.
fn cpu_seconds() -> f64 {
    // SAFETY: a plain C struct for which all zeroes is a value; the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
