//! `regrow push`.

use std::time::Duration;

use clap::Args;
use regrow_sync::{Location, PushOptions, PushReport, push};

use super::common::{self, Named};
use crate::args::NetworkArgs;
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::commas;

/// Copy indexes, and just the packs that they need, to another store
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow push s3://staging/app-2.rgx s3://production/store\n  regrow push https://host/app-2.rgx /media/usb/store"
)]
pub(crate) struct PushArgs {
    /// Read from this folder or URL; several are asked in turn [default: where the indexes say]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Make a new store even in a folder that holds other files
    #[arg(long)]
    pub(crate) new_store: bool,
    /// Also copy patches: those that the indexes announce, and those from one of them to another
    #[arg(long)]
    pub(crate) patches: bool,
    /// How many seconds caches may keep the indexes
    #[arg(long, value_name = "SECONDS", default_value_t = regrow_sync::MakeOptions::DEFAULT_INDEX_MAX_AGE.as_secs())]
    pub(crate) index_max_age: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The indexes, then the store to write to: a folder, s3://, gs://, az:// or oci://; the indexes go beside it
    #[arg(value_name = "INDEX|URL... TO", num_args = 2.., required = true)]
    pub(crate) places: Vec<String>,
}

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
