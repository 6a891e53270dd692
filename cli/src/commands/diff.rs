//! `regrow diff`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueHint};
use regrow_sync::{DiffOptions, DiffReport, Location, Network, PathCost, RebuiltArchive, diff, parameters_of_index};

use super::common::{self, Named};
use super::info::disk_lines;
use super::sources::{Cut, Sources};
use crate::args::{NetworkArgs, SourceArgs};
use crate::failure::Failure;
use crate::html;
use crate::print::{Reporter, To, chunks, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::{commas, counted, show};
use crate::terminal::clean_line;

/// Say what an update costs, and why
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("patch_made").args(["patch", "html"]).multiple(true)),
    after_help = "Examples:\n  regrow diff app-1.rgx app-2.rgx\n  regrow diff --html cost.html app-1.rgx app-2.rgx"
)]
pub(crate) struct DiffArgs {
    /// Read from this folder or URL [default: where the indexes say]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Also make a patch, to see what it costs by path; takes a while
    #[arg(long)]
    pub(crate) patch: bool,
    /// Write a page that shows the cost by layer and path, as chunks and as a patch; implies --patch
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// The file of the old image for --patch, if it is on this machine [default: read from the store]
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch_made")]
    pub(crate) old_file: Option<PathBuf>,
    /// The file of the new image for --patch, if it is on this machine [default: read from the store]
    #[arg(long = "new", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch_made")]
    pub(crate) new_file: Option<PathBuf>,
    /// How many paths to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) paths: usize,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index of the image that machines have, or an image that is no file, such as oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "OLD-INDEX")]
    pub(crate) old: String,
    /// The index of the image that they will get, or an image that is no file
    #[arg(value_name = "NEW-INDEX")]
    pub(crate) new: String,
}

/// Runs the command.
pub(crate) fn run(args: DiffArgs, verbosity: Verbosity) -> Result<(), Failure> {
    args.html.as_deref().map_or(Ok(()), html::check_place)?;
    let deadline = common::deadline(&args.network);
    let named =
        Named { indexes: &[std::slice::from_ref(&args.old), std::slice::from_ref(&args.new)], stores: &args.stores };
    let mut network = common::network(&args.network, named, deadline)?;
    let bars = Bars::new(verbosity).until(deadline);
    let mut sources = Sources::new(args.source.options(), &bars);
    let (old, new) = indexes(&args, &mut sources, &mut network)?;
    let options = DiffOptions {
        stores: common::locations(&args.stores)?,
        patch: args.patch || args.html.is_some(),
        old_files: args.old_file.iter().map(|file| sources.file(file, &mut network)).collect::<Result<_, _>>()?,
        new_files: args.new_file.iter().map(|file| sources.file(file, &mut network)).collect::<Result<_, _>>()?,
        ..DiffOptions::new(old.location, new.location)
    };
    let report = diff(&options, &mut network, &bars)?;
    if let Some(path) = &args.html {
        html::write(path, &html::page(&report, &old.name, &new.name))?;
    }
    Reporter { verbosity, json: args.json }.print(&report, &text(&report, args.paths), To::Output)
}

/// An index, and its name for people.
struct Compared {
    location: Location,
    name: String,
}

/// The two indexes. Images that are no file get one for this run, cut like the other image.
fn indexes(args: &DiffArgs, sources: &mut Sources<'_>, network: &mut Network) -> Result<(Compared, Compared), Failure> {
    let mut of = |text: &String, other: &String, network: &mut Network| {
        let cut = |network: &mut Network| {
            let other = Location::parse(other).ok().and_then(|other| parameters_of_index(&other, network).ok());
            Ok(Cut { params: other.unwrap_or_default(), format: None })
        };
        match sources.index(text, cut, network)? {
            Some(location) => Ok(Compared { location, name: text.clone() }),
            None => Location::parse(text)
                .map(|location| Compared { name: location.to_string(), location })
                .map_err(Failure::from),
        }
    };
    Ok((of(&args.old, &args.new, network)?, of(&args.new, &args.old, network)?))
}

fn text(report: &DiffReport, paths: usize) -> String {
    let mut lines = vec![line("old image", exact(report.old_bytes)), line("new image", exact(report.new_bytes))];
    lines.extend(disk_lines("old disk image", report.old_disk.as_ref()));
    lines.extend(disk_lines("new disk image", report.new_disk.as_ref()));
    lines.extend([
        line("an update fetches", format!("{} in {}", exact(report.bytes), counted(report.requests, "request"))),
        line("  index", exact(report.bytes_index)),
        line("  tables, small skeleton", exact(report.bytes_tables)),
        line("  frames", exact(report.bytes_frames)),
        line("new chunks", chunks(report.chunks, report.bytes_plain)),
        line("headers, stored", exact(report.bytes_headers)),
        line("neither path nor header", exact(report.bytes_other)),
    ]);
    if report.formats_differ {
        lines.push(line("note", "the indexes have different formats, so machines fetch less than this says"));
    }
    match (report.bytes_patch, report.patch_present) {
        (Some(bytes), true) => {
            let all = exact(report.bytes_index + bytes);
            lines.push(line(
                "with the patch there",
                format!("{all} in 2 requests, of which the patch {}", exact(bytes)),
            ));
        }
        (Some(bytes), false) => lines.push(line("a patch would have", exact(bytes))),
        (None, _) => lines.push(line("patch", "none in the store (--patch says what it would cost)")),
    }
    if let Some(bytes) = report.bytes_patch_headers {
        lines.push(line("headers, in a patch", exact(bytes)));
    }
    if let Some(bytes) = report.bytes_patch_other {
        lines.push(line("neither, in a patch", exact(bytes)));
    }
    lines.push(rebuilt(&report.rebuilt, paths));
    lines.push(table("contents by archive", &report.archives, usize::MAX));
    lines.push(table("contents by path", &report.paths, paths));
    lines.concat()
}

/// The paths named for each archive that was built again.
const SHOWN_REBUILT_PATHS: usize = 5;

/// Says what of archives is new only by times. In layers, that is what tools with reproducible times do not have.
fn rebuilt(archives: &[RebuiltArchive], most: usize) -> String {
    let mut out = String::new();
    for archive in archives {
        let path = if archive.path.is_empty() { "(the image itself)" } else { &archive.path };
        let count = format!("{} of {}", commas(archive.times_only), counted(archive.entries, "path"));
        let bytes = exact(archive.bytes_times_only);
        out += &line("new only by times", format!("{count}, files of {bytes}: {path}"));
        for path in archive.paths.iter().take(SHOWN_REBUILT_PATHS.min(most)) {
            out += &line("", path);
        }
    }
    out
}

fn table(title: &str, costs: &[PathCost], most: usize) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let has_patch = costs.iter().any(|cost| cost.bytes_patch.is_some());
    // The patch's column is there only if a patch was made.
    let row = |stored: &str, plain: &str, patch: &str, what: &str| {
        let patch = if has_patch { format!(" {patch:>11}") } else { String::new() };
        format!("{stored:>11} {plain:>11}{patch}  {what}\n")
    };
    let mut out = format!("\n{}", row("stored", "plain", "in a patch", title));
    for cost in costs.iter().take(most) {
        let path = if cost.path.is_empty() { "(the image itself)" } else { &*clean_line(&cost.path) };
        out += &row(&show(cost.bytes), &show(cost.bytes_plain), &show(cost.bytes_patch.unwrap_or(0)), path);
    }
    if costs.len() > most {
        let left = &costs[most..];
        let stored: u64 = left.iter().map(|cost| cost.bytes).sum();
        let patch: u64 = left.iter().filter_map(|cost| cost.bytes_patch).sum();
        let what = format!("{} more (--paths {} lists all)", left.len(), costs.len());
        out += &row(&show(stored), "", &show(patch), &what);
    }
    out
}
