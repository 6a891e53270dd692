//! `regrow extract`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use regrow_sync::{ExtractOptions, ExtractReport, Location, Output, StorageReport, extract};

use super::common::{self, Reading};
use crate::args::ReadingArgs;
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, chunks, exact, line};
use crate::progress::Verbosity;
use crate::size::{commas, counted, show};

/// Rebuild an image from seeds and only what is missing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow extract --seed app-1.tar https://host/app-2.rgx app-2.tar\n  regrow extract --seed app-1.tar https://host/app-2.rgx - | docker load\n  regrow extract --seed docker: https://host/app-2.rgx - | docker load\n  regrow extract --dry-run --seed app-1.tar https://host/app-2.rgx app-2.tar"
)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Take the catalog's word that the output is right, without reading it again
    #[arg(long)]
    pub(crate) trust_catalog: bool,
    /// Write over an existing file or block device, without a copy beside it
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Write over a device that is mounted or in use (with --in-place), over a file even if the image is empty, and to
    /// a terminal
    #[arg(long)]
    pub(crate) force: bool,
    /// Write what the image holds, if it is one gzip or zstd file
    #[arg(long)]
    pub(crate) plain: bool,
    /// The index: a file or a URL
    #[arg(value_name = "INDEX|URL")]
    pub(crate) index: String,
    /// The file to write; - for standard output
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: ExtractArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let location = Location::parse(&args.index)?;
    let output = output(&args)?;
    let Reading { options, mut network, bars } = common::reading(&args.reading, &args.index, verbosity)?;
    let options = ExtractOptions { trust_catalog: args.trust_catalog, plain: args.plain, force: args.force, ..options };
    let report = extract(&location, output, &options, &mut network, &bars)?;
    common::warn_of_catalog(options.catalog.as_ref(), &bars, verbosity);
    let to = if args.reading.dry_run { To::Output } else { To::Summary };
    Reporter { verbosity, json: args.reading.json }.print(&report, &summary(&report), to)
}

fn output(args: &ExtractArgs) -> Result<Output, Failure> {
    let is_pipe = args.output == Path::new("-");
    let usage = |message: &str| Failure::new(Code::Usage, message);
    match (is_pipe, args.in_place) {
        (true, true) => Err(usage("--in-place needs a file or device to write over")),
        (true, false) if args.reading.json && !args.reading.dry_run => {
            Err(usage("--json and the image cannot both go to standard output"))
        }
        (true, false) if !args.reading.dry_run && !args.force && std::io::stdout().is_terminal() => Err(usage(
            "standard output is a terminal; redirect it, name a file, or give --force to see the image's bytes",
        )),
        (true, false) => Ok(Output::Pipe(Box::new(std::io::stdout()))),
        (false, true) => Ok(Output::InPlace(args.output.clone())),
        (false, false) => Ok(Output::File(args.output.clone())),
    }
}

fn summary(report: &ExtractReport) -> String {
    let seconds = report.elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { (report.image_bytes as f64 / seconds) as u64 } else { 0 };
    let mut lines = vec![line("image", exact(report.image_bytes)), line("digest (BLAKE3)", &report.image_digest)];
    if let Some(bytes) = report.plain_bytes {
        lines.push(line("plain", exact(bytes)));
    }
    if report.signers > 0 {
        lines.push(line("signed", format!("by {} of the trusted keys", report.signers)));
    }
    lines.extend(source_lines(report));
    lines.push(fetched_line(report));
    if !report.dry_run {
        lines.push(line("time", format!("{seconds:.2} s, {}/s", show(rate))));
    }
    lines.concat()
}

/// The lines of a summary that say where chunks came from.
pub(super) fn source_lines(report: &ExtractReport) -> Vec<String> {
    let mut lines = Vec::new();
    let sources = [
        ("already there", report.chunks_resumed, report.bytes_resumed),
        ("from seeds", report.chunks_seed, report.bytes_seed),
        ("from a patch", report.chunks_patch, report.bytes_patch),
        ("from the cache", report.chunks_cache, report.bytes_cache),
        ("from stores", report.chunks_store, report.bytes_store),
    ];
    for (name, count, bytes) in sources {
        // From the head of an index alone it is not known how many chunks seeds give.
        if count == 0 && bytes > 0 {
            lines.push(line(name, format!("{} uncompressed", exact(bytes))));
        }
        if count > 0 {
            let unread = count == report.chunks && !report.verified && !report.dry_run;
            let note = if unread { "; not read again, the catalog says so" } else { "" };
            lines.push(line(name, format!("{} uncompressed{note}", chunks(count, bytes))));
        }
    }
    for StorageReport { kind, root, layers, bytes } in &report.storages {
        let found = if *layers == 1 { "1 layer".to_owned() } else { format!("{} layers", commas(*layers)) };
        lines.push(line(&format!("{kind} storage"), format!("{found}, {} ({})", exact(*bytes), root)));
    }
    lines
}

/// The line of a summary that says what was fetched.
pub(super) fn fetched_line(report: &ExtractReport) -> String {
    let fetched = format!("{} in {}", exact(report.bytes_fetched), counted(report.requests, "request"));
    let name = if report.dry_run { "would fetch" } else { "fetched" };
    line(name, format!("{fetched}, compressed"))
}
