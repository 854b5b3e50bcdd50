//! The machine in one line, so that a pasted table is worth something a year later.

use std::fs::read_to_string;

/// Processor, memory, kernel, load and whether it is a guest. What cannot be read is left out.
pub fn line() -> String {
    let mut facts = Vec::new();
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    if let Some(model) = value_of(&cpuinfo, "model name") {
        facts.push(model.to_owned());
    }
    if let Ok(cores) = std::thread::available_parallelism() {
        facts.push(format!("{cores} CPUs"));
    }
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = value_of(&meminfo, "MemTotal")
        .and_then(|words| words.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok());
    if let Some(kilobytes) = kilobytes {
        facts.push(format!("{:.1} GB", kilobytes / 1e6));
    }
    if let Ok(release) = read_to_string("/proc/sys/kernel/osrelease") {
        facts.push(format!(
            "Linux {} {}",
            release.trim(),
            std::env::consts::ARCH
        ));
    }
    let guest = value_of(&cpuinfo, "flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    if guest {
        facts.push("virtual machine".to_owned());
    }
    facts.push(format!("load {}", load()));
    facts.push(format!("monopod {}", env!("CARGO_PKG_VERSION")));
    facts.join(" · ")
}

/// Processes that ran or wanted to, on average over the last minute.
pub fn load() -> String {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}
