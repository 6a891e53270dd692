//! `regrow gc`.

use std::time::Duration;

use clap::Args;
use regrow_sync::{GcOptions, GcReport, Location, Progress, gc};

use super::common::{self, Named};
use crate::args::NetworkArgs;
use crate::duration;
use crate::failure::Failure;
use crate::print::{Reporter, To, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::commas;

/// Delete from a store what no kept index needs
#[derive(Debug, Args)]
#[command(
    after_help = "The first run condemns packs that no index needs; a run after the time of grace deletes them.\n\nExamples:\n  regrow gc --dry-run --store s3://bucket/store\n  regrow gc --store /srv/www/store --keep /srv/www/current --keep /srv/www/app-1.rgx"
)]
pub(crate) struct GcArgs {
    /// The store: a folder, s3://, gs://, az:// or oci://
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: String,
    /// Keep what this index needs, or all indexes (*.rgx) below this folder or prefix; may be repeated [default:
    /// those below the folder that the store lies in]
    #[arg(long = "keep", value_name = "INDEX|PREFIX")]
    pub(crate) keep: Vec<String>,
    /// How long a pack stays after it was found unneeded, and how old it must be
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "7d")]
    pub(crate) grace: Duration,
    /// Say what would be done, without doing it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Rewrite packs less than half of which is needed, and point the indexes to the new ones
    #[arg(long)]
    pub(crate) repack: bool,
    /// How many seconds caches may keep rewritten indexes
    #[arg(long, value_name = "SECONDS", default_value_t = regrow_sync::MakeOptions::DEFAULT_INDEX_MAX_AGE.as_secs())]
    pub(crate) index_max_age: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Runs the command.
pub(crate) fn run(args: &GcArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let mut options = GcOptions::new(Location::parse(&args.store)?);
    options.keep = common::locations(&args.keep)?;
    options.grace = args.grace;
    options.dry_run = args.dry_run;
    options.repack = args.repack;
    options.index_max_age = Duration::from_secs(args.index_max_age);
    let deadline = common::deadline(&args.network);
    let named = Named { indexes: &[&args.keep], stores: &[] };
    let mut network = common::network(&args.network, named, deadline)?;
    let bars = Bars::new(verbosity).until(deadline);
    let report = gc(&options, &mut network, &bars)?;
    report.missing.iter().for_each(|line| bars.warn(line));
    let to = if args.dry_run { To::Output } else { To::Summary };
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), to)
}

fn summary(report: &GcReport) -> String {
    let would = |done: &str, planned: &str| if report.dry_run { planned.to_owned() } else { done.to_owned() };
    let packs = |count: u64, bytes: u64| format!("{}, {}", commas(count), exact(bytes));
    let mut lines = vec![
        line("indexes kept", commas(report.indexes)),
        line("packs", packs(report.packs, report.bytes)),
        line("needed", packs(report.packs_needed, report.bytes_needed)),
        line("too young", commas(report.packs_young)),
        line(&would("condemned", "would be condemned"), commas(report.packs_condemned)),
        line("waiting", commas(report.packs_waiting)),
        line(&would("deleted", "would be deleted"), packs(report.packs_deleted, report.bytes_deleted)),
    ];
    if report.patches > 0 {
        lines.push(line("patches", commas(report.patches)));
        lines.push(line("patches too young", commas(report.patches_young)));
        let deleted = packs(report.patches_deleted, report.bytes_patches_deleted);
        lines.push(line(&would("patches deleted", "patches to delete"), deleted));
    }
    if report.packs_repacked > 0 {
        let indexes = format!("{}, indexes: {}", commas(report.packs_repacked), commas(report.indexes_rewritten));
        lines.push(line(&would("packs rewritten", "packs to rewrite"), indexes));
    }
    lines.concat()
}
