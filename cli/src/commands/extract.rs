//! `regrow extract`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use regrow_sync::{ExtractOptions, ExtractReport, Location, Output, StorageReport, extract};

use super::common::{self, Named};
use crate::args::{NetworkArgs, TrustArgs};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, chunks, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::{commas, show};

/// Rebuild an image from seeds and only what is missing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow extract --seed app-1.tar https://host/app-2.rgx app-2.tar\n  regrow extract --seed app-1.tar https://host/app-2.rgx - | docker load\n  regrow extract --seed docker: https://host/app-2.rgx - | docker load\n  regrow extract --dry-run --seed app-1.tar https://host/app-2.rgx app-2.tar"
)]
pub(crate) struct ExtractArgs {
    /// Fetch from this folder or URL; several are asked in turn [default: where the index says]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Use the bytes of this tar, file, device, folder, index or store; - reads standard input. docker:ROOT,
    /// containers-storage:ROOT, containerd:ROOT and oci:DIR are the layers of a container engine;
    /// docker: by itself is the usual place
    #[arg(long = "seed", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) seeds: Vec<PathBuf>,
    /// Keep fetched data in this folder, and use what it holds
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,
    /// Where to remember what seeds hold [default: in the user's cache folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
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
    /// Say what would be fetched and from where; fetch only what is needed to know that
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Fetch chunks, even where a patch would cost less
    #[arg(long)]
    pub(crate) no_patch: bool,
    /// Ask for the head of INDEX alone, also where no index of format 2 came from before (it costs a request more where
    /// the index has format 1)
    #[arg(long, env = "REGROW_HEAD_FIRST", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) head_first: bool,
    /// Write what the image holds, if it is one gzip file
    #[arg(long)]
    pub(crate) plain: bool,
    /// Number of requests in flight
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: u32,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
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
    let deadline = common::deadline(&args.network);
    let indexes: [&[String]; 2] = [std::slice::from_ref(&args.index), &args.trust.signatures];
    let named = Named { indexes: &indexes, stores: &args.stores };
    let mut network = common::network(&args.network, named, deadline)?;
    let bars = Bars::new(verbosity).until(deadline);
    let trust = args.trust.trust(&mut network, &bars)?;
    let options = ExtractOptions {
        stores: common::locations(&args.stores)?,
        seeds: args.seeds.iter().map(|seed| seed_path(seed)).collect(),
        cache: args.cache.clone(),
        catalog: Some(common::catalog(args.catalog.clone(), &bars)),
        connections: args.connections as usize,
        trust_catalog: args.trust_catalog,
        patches: !args.no_patch,
        head_first: args.head_first,
        plain: args.plain,
        dry_run: args.dry_run,
        trust,
        force: args.force,
    };
    let report = extract(&location, output, &options, &mut network, &bars)?;
    if verbosity == Verbosity::Verbose
        && let Some(problem) = options.catalog.as_ref().and_then(regrow_catalog::Catalog::last_problem)
    {
        regrow_sync::Progress::warn(&bars, &format!("catalog: {problem}"));
    }
    let to = if args.dry_run { To::Output } else { To::Summary };
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), to)
}

/// The path of a seed. Standard input goes by its name as a file, because it may be one.
fn seed_path(seed: &Path) -> PathBuf {
    if seed == Path::new("-") { "/dev/stdin".into() } else { seed.to_owned() }
}

fn output(args: &ExtractArgs) -> Result<Output, Failure> {
    let is_pipe = args.output == Path::new("-");
    let usage = |message: &str| Failure::new(Code::Usage, message);
    match (is_pipe, args.in_place) {
        (true, true) => Err(usage("--in-place needs a file or device to write over")),
        (true, false) if args.json && !args.dry_run => {
            Err(usage("--json and the image cannot both go to standard output"))
        }
        (true, false) if !args.dry_run && !args.force && std::io::stdout().is_terminal() => Err(usage(
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
            lines.push(line(name, exact(bytes)));
        }
        if count > 0 {
            let unread = count == report.chunks && !report.verified && !report.dry_run;
            let note = if unread { "; not read again, the catalog says so" } else { "" };
            lines.push(line(name, format!("{}{note}", chunks(count, bytes))));
        }
    }
    for StorageReport { kind, root, layers, bytes } in &report.storages {
        let found = if *layers == 1 { "1 layer".to_owned() } else { format!("{} layers", commas(*layers)) };
        lines.push(line(&format!("{kind} storage"), format!("{found}, {} ({})", exact(*bytes), root)));
    }
    let fetched = format!("{} in {} requests", exact(report.bytes_fetched), commas(report.requests));
    lines.push(line(if report.dry_run { "would fetch" } else { "fetched" }, fetched));
    if !report.dry_run {
        lines.push(line("time", format!("{seconds:.2} s, {}/s", show(rate))));
    }
    lines.concat()
}
