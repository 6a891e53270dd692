//! `regrow make`.

use std::fs::File;
use std::path::Path;

use regrow_sync::{MakeOptions, MakeReport, Params, make};

use crate::args::MakeArgs;
use crate::failure::{Code, Failure};
use crate::progress::{Bars, Verbosity};
use crate::report::{Reporter, To, chunks, exact, line};
use crate::size::{commas, show};

/// Runs the command.
pub(crate) fn run(args: MakeArgs, verbosity: Verbosity) -> Result<(), Failure> {
    if args.index.to_str().is_some_and(|index| index.contains("://")) {
        return Err(Failure::new(Code::Usage, format!("{}: make writes indexes to files", args.index.display())));
    }
    let options = options(&args)?;
    let bars = Bars::new(verbosity);
    let report = if args.image == Path::new("-") {
        make(&mut std::io::stdin().lock(), Path::new("standard input"), None, &options, &bars)?
    } else {
        let open = |error| Failure::new(Code::General, format!("{}: {error}", args.image.display()));
        let mut file = File::open(&args.image).map_err(open)?;
        let total = file.metadata().map_err(open)?.len();
        make(&mut file, &args.image, (total > 0).then_some(total), &options, &bars)?
    };
    Reporter { verbosity, json: args.json }.print(&report, &summary(&args.index, &report), To::Summary)
}

fn options(args: &MakeArgs) -> Result<MakeOptions, Failure> {
    let beside = || args.index.parent().unwrap_or(Path::new("")).join("store");
    let mut options = MakeOptions::new(args.store.clone().unwrap_or_else(beside), &args.index);
    options.level = args.level;
    options.pack_bytes = args.pack_size.max(1);
    if let Some(avg) = args.avg_size {
        let params =
            Params::with_average(avg).map_err(|error| Failure::new(Code::Usage, format!("--avg-size: {error}")))?;
        options.params = Some(params);
    }
    Ok(options)
}

fn summary(index: &Path, report: &MakeReport) -> String {
    let seconds = report.elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { (report.image_bytes as f64 / seconds) as u64 } else { 0 };
    [
        line("image", exact(report.image_bytes)),
        line("digest (BLAKE3)", &report.image_digest),
        line("chunks", commas(report.chunks)),
        line("new to the store", chunks(report.chunks_new, report.bytes_new)),
        line("stored", format!("{} in packs: {}", exact(report.bytes_stored), report.packs_written)),
        line("index", format!("{}, {}", index.display(), exact(report.index_bytes))),
        line("time", format!("{seconds:.2} s, {}/s", show(rate))),
    ]
    .concat()
}
