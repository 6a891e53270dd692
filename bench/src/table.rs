//! Markdown tables.

use crate::timing::Rate;

/// A Markdown table. The first column is text, the others are numbers.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let line = "|---|".to_owned() + &"--:|".repeat(columns.len() - 1);
        Self { text: format!("| {} |\n{line}\n", columns.join(" | ")) }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A rate in GB/s, or in MB/s below one.
pub(crate) fn rate(rate: Rate) -> String {
    let megabytes = rate.bytes_per_second / 1e6;
    if megabytes >= 1000.0 { format!("{:.2} GB/s", megabytes / 1000.0) } else { format!("{megabytes:.0} MB/s") }
}

/// The share of the limit that a rate reaches.
pub(crate) fn share(rate: Rate, limit: Rate) -> String {
    let share = rate.bytes_per_second / limit.bytes_per_second;
    if share < 0.1 { format!("{share:.3}") } else { format!("{share:.2}") }
}

pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A number with commas.
pub(crate) fn commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The processor, the number of usable cores, and their load.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{model}, {cores} cores, with a load of {load} before")
}
