//! `regrow push`.

use std::time::Duration;

use regrow_sync::{Location, PushOptions, PushReport, push};

use super::common::{self, Named};
use crate::args::PushArgs;
use crate::failure::{Code, Failure};
use crate::progress::{Bars, Verbosity};
use crate::report::{Reporter, To, exact, line};
use crate::size::commas;

/// Runs the command.
pub(crate) fn run(args: &PushArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let Some((to, indexes)) = args.places.split_last().filter(|(_, indexes)| !indexes.is_empty()) else {
        return Err(Failure::new(Code::Usage, "push takes INDEX... TO"));
    };
    let options = PushOptions {
        indexes: common::locations(indexes)?,
        stores: common::locations(&args.stores)?,
        to: Location::parse(to)?,
        new_store: args.new_store,
        index_max_age: Duration::from_secs(args.index_max_age),
        patches: args.patches,
    };
    let deadline = common::deadline(&args.network);
    let named = Named { indexes: &[indexes], stores: &args.stores };
    let mut network = common::network(&args.network, named, deadline)?;
    let report = push(&options, &mut network, &Bars::new(verbosity).until(deadline))?;
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), To::Summary)
}

fn summary(report: &PushReport) -> String {
    let by_host = match report.packs_copied_by_host {
        0 => String::new(),
        count => format!(", and {} within the bucket", commas(count)),
    };
    let copied = report.packs_copied - report.packs_copied_by_host;
    let mut lines: Vec<String> = report.indexes.iter().map(|index| line("index", index)).collect();
    lines.push(line("packs", commas(report.packs)));
    lines.push(line("already there", commas(report.packs_present)));
    lines.push(line("copied", format!("{}, {}{by_host}", commas(copied), exact(report.bytes_copied))));
    if report.patches_copied + report.patches_present > 0 {
        let present = commas(report.patches_present);
        lines.push(line("patches", format!("{}, already there {present}", commas(report.patches_copied))));
    }
    lines.push(line("time", format!("{:.2} s", report.elapsed.as_secs_f64())));
    lines.concat()
}
