//! `regrow diff`.

use regrow_sync::{DiffReport, Location, PathCost, diff};

use super::common;
use crate::args::DiffArgs;
use crate::failure::Failure;
use crate::progress::{Bars, Verbosity};
use crate::report::{Reporter, To, chunks, exact, line};
use crate::size::{commas, show};

/// Runs the command.
pub(crate) fn run(args: DiffArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let (old, new) = (Location::parse(&args.old)?, Location::parse(&args.new)?);
    let stores = common::locations(&args.stores)?;
    let mut network = common::network(&args.network)?;
    let bars = Bars::new(verbosity);
    let report = diff(&old, &new, &stores, &std::env::temp_dir(), &mut network, &bars)?;
    Reporter { verbosity, json: args.json }.print(&report, &text(&report, args.paths), To::Output)
}

fn text(report: &DiffReport, paths: usize) -> String {
    let mut lines = vec![
        line("old image", exact(report.old_bytes)),
        line("new image", exact(report.new_bytes)),
        line("an update fetches", format!("{} in {} requests", exact(report.bytes), commas(report.requests))),
        line("  index", exact(report.bytes_index)),
        line("  tables, small skeleton", exact(report.bytes_tables)),
        line("  frames", exact(report.bytes_frames)),
        line("new chunks", chunks(report.chunks, report.bytes_plain)),
        line("headers, stored", exact(report.bytes_headers)),
    ];
    lines.push(table("contents by archive", &report.archives, usize::MAX));
    lines.push(table("contents by path", &report.paths, paths));
    lines.concat()
}

fn table(title: &str, costs: &[PathCost], most: usize) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{:>11} {:>11}  {title}\n", "stored", "plain");
    for cost in costs.iter().take(most) {
        let path = if cost.path.is_empty() { "(the image itself)" } else { &cost.path };
        out += &format!("{:>11} {:>11}  {path}\n", show(cost.bytes), show(cost.bytes_plain));
    }
    if costs.len() > most {
        let rest: u64 = costs[most..].iter().map(|cost| cost.bytes).sum();
        out += &format!(
            "{:>11} {:>11}  {} more (--paths {} lists all)\n",
            show(rest),
            "",
            costs.len() - most,
            costs.len()
        );
    }
    out
}
