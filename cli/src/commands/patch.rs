//! `regrow patch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use regrow_sync::{BaseChoice, Location, Network, PatchOptions, PatchReport, parameters_of_index, patch, patch_from};

use super::common::{self, Named};
use super::sources::{Cut, Sources};
use crate::args::{NetworkArgs, SourceArgs};
use crate::failure::Failure;
use crate::print::{Reporter, To, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::{commas, show};

/// Make a patch from one image to another, or from several, for machines that have the first
#[derive(Debug, Args)]
#[command(
    after_help = "extract finds and uses a patch by itself, where it costs less than chunks.\n\nExamples:\n  regrow patch app-1.rgx app-2.rgx\n  regrow patch last:3 app-5.rgx\n  regrow patch --store s3://bucket/store --old app-1.tar --new app-2.tar s3://bucket/app-1.rgx s3://bucket/app-2.rgx"
)]
pub(crate) struct PatchArgs {
    /// The store that holds both images and gets the patch: a folder, s3://, gs://, az:// or oci:// [default: where the new
    /// index says]
    #[arg(long, value_name = "DIR|URL", value_hint = ValueHint::DirPath)]
    pub(crate) store: Option<String>,
    /// The file of the old image, or an image that is no file, such as oci://HOST/REPOSITORY:TAG [default: read from the
    /// store]
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) old_file: Option<PathBuf>,
    /// The file of the new image, or an image that is no file [default: read from the store]
    #[arg(long = "new", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_file: Option<PathBuf>,
    /// How much effort goes into making the patch small, 1 (fast) to 9 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::PatchLevel::default())]
    pub(crate) patch_level: regrow_sync::PatchLevel,
    /// How many percent of the bytes of chunks the patch must save to be made; 0: always make it
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent,
        default_value_t = regrow_sync::PatchOptions::DEFAULT_LEAST_SAVING)]
    pub(crate) patch_min_saving: u8,
    /// Make the patch again, even if the store has it
    #[arg(long)]
    pub(crate) replace: bool,
    /// Leave the new index as it is: machines still find the patch, but also fetch tables of packs
    #[arg(long)]
    pub(crate) no_announce: bool,
    /// How many seconds caches may keep the index
    #[arg(long, value_name = "SECONDS", default_value_t = regrow_sync::MakeOptions::DEFAULT_INDEX_MAX_AGE.as_secs())]
    pub(crate) index_max_age: u64,
    /// Where to remember what files hold [default: in the user's cache folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index of the image that machines have, or an image that is no file and has no index; there may be several.
    /// last:N stands for the newest N images of the
    /// same channel, or of the same name but for its version; auto or auto:N for the one or N images that give the
    /// smallest patches, by each of two estimates. Both look at indexes beside the new one and beside the store
    #[arg(value_name = "OLD-INDEX|last:N|auto", required = true, num_args = 1..)]
    pub(crate) old: Vec<String>,
    /// The index of the image that they will get
    #[arg(value_name = "NEW-INDEX")]
    pub(crate) new: String,
}

/// Runs the command.
pub(crate) fn run(args: &PatchArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let deadline = common::deadline(&args.network);
    let bars = Bars::new(verbosity).until(deadline);
    let new = Location::parse(&args.new)?;
    let named =
        Named { indexes: &[args.old.as_slice(), std::slice::from_ref(&args.new)], stores: args.store.as_slice() };
    let mut network = common::network(&args.network, named, deadline)?;
    let mut sources = Sources::new(args.source.options(), &bars);
    let cut = |network: &mut Network| Ok(Cut { params: parameters_of_index(&new, network)?, format: None });
    let choices = common::base_choices(&args.old, &mut sources, cut, &mut network)?;
    // One named image is the usual case, and its report stays what it was.
    let only = match choices.as_slice() {
        [BaseChoice::Index(only)] => Some(only.clone()),
        _ => None,
    };
    let old_files = args.old_file.iter().map(|file| sources.file(file, &mut network));
    let mut old_files = old_files.collect::<Result<Vec<_>, _>>()?;
    old_files.extend_from_slice(sources.indexed());
    let new_file = args.new_file.as_deref().map(|file| sources.file(file, &mut network)).transpose()?;
    let options = PatchOptions {
        store: args.store.as_deref().map(Location::parse).transpose()?,
        old_files,
        new_file,
        level: args.patch_level,
        least_saving: args.patch_min_saving,
        replace: args.replace,
        announce: !args.no_announce,
        index_max_age: Duration::from_secs(args.index_max_age),
        catalog: Some(common::catalog(args.catalog.clone(), &bars)),
        ..PatchOptions::new(only.clone().unwrap_or_else(|| new.clone()), new)
    };
    let reporter = Reporter { verbosity, json: args.json };
    if only.is_some() {
        let report = patch(&options, &mut network, &bars)?;
        return reporter.print(&report, &summary(&report), To::Summary);
    }
    let report = patch_from(&choices, options, &mut network, &bars)?;
    let summaries: Vec<String> = report.patches.iter().map(summary).collect();
    reporter.print(&report, &summaries.join("\n"), To::Summary)
}

fn summary(report: &PatchReport) -> String {
    if report.not_worth {
        return line("patch", not_worth(report));
    }
    let mut lines = vec![line("patch", &report.patch), line("size", exact(report.bytes))];
    if report.present {
        lines.push(line("already there", "left as it is (--replace makes it again)"));
    } else {
        lines.push(line("instead of", format!("{} as chunks", exact(report.bytes_chunks))));
        if report.bytes_codings > 0 {
            lines.push(line(
                "  compressed blocks",
                format!("{} of it say how they are made", exact(report.bytes_codings)),
            ));
        }
        if report.members > 0 {
            let cost = exact(report.bytes_members);
            lines.push(line("seen through", format!("{} compressed files, {cost}", commas(report.members))));
        }
    }
    lines.push(line("announced", if report.announced { "in the index" } else { "no" }));
    lines.push(line("time", format!("{:.2} s", report.elapsed.as_secs_f64())));
    lines.concat()
}

/// Parses a whole number of percent, with or without its sign.
pub(super) fn parse_percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|&number| number <= 100).ok_or_else(|| "give a whole number from 0 to 100".to_owned())
}

/// Says why no patch was made.
pub(super) fn not_worth(report: &PatchReport) -> String {
    let saved = report.bytes_chunks.saturating_sub(report.bytes);
    let percent = saved.saturating_mul(100) / report.bytes_chunks.max(1);
    let costs = format!("about {} instead of {} as chunks", show(report.bytes), show(report.bytes_chunks));
    format!("not made: it would save {percent} % ({costs}); --patch-min-saving 0 makes it all the same")
}
