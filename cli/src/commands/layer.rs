//! `regrow layer`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use regrow_sync::{FsPath, ImageName, LayerImage, LayerOptions, LayerOutput, LayerReport, Platform, layer};

use super::common::{self, Named};
use crate::args::{NetworkArgs, SourceArgs};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::{commas, counted};

/// Make an image of the old one's layers and one small layer more, for engines that pull layers
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow layer app-1.tar app-2.tar app-2-small.tar\n  regrow layer --path /app app-1.tar app-2.tar - | docker load\n  regrow layer https://host/app-1.rgx app-2.tar app-2-small.tar"
)]
pub(crate) struct LayerArgs {
    /// Take over only what lies at this path in NEW; everything else stays as it is in OLD
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) path: String,
    /// Leave out files that differ by nothing but their times
    #[arg(long)]
    pub(crate) ignore_times: bool,
    /// Read indexes' images from this folder or URL [default: where the indexes say]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// The platform, where an image is there for several [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
    /// The name of the image that is made, by which engines tag it; may be repeated [default: NEW's names]
    #[arg(long = "tag", value_name = "NAME")]
    pub(crate) names: Vec<ImageName>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The image that machines have: an archive of docker save or of the OCI, an index, oci://HOST/REPOSITORY:TAG, oci:DIR,
    /// docker-daemon:NAME or containers-storage:NAME; - reads standard input
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub(crate) old: String,
    /// The image that they will get
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub(crate) new: String,
    /// The archive to write; - for standard output
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &LayerArgs, verbosity: Verbosity) -> Result<(), Failure> {
    if args.old == "-" && args.new == "-" {
        return Err(Failure::new(Code::Usage, "only one of the images can come from standard input"));
    }
    let path = FsPath::clean(args.path.as_bytes());
    let path = path.map_err(|error| Failure::new(Code::Usage, format!("--path: {error}")))?;
    let sources = SourceArgs { platform: args.platform.clone(), all: false, names: Vec::new() };
    let options = LayerOptions {
        old: image(&args.old)?,
        new: image(&args.new)?,
        sources: sources.options(),
        names: args.names.clone(),
        stores: common::locations(&args.stores)?,
        path,
        ignore_times: args.ignore_times,
    };
    let output = output(args)?;
    let deadline = common::deadline(&args.network);
    let named =
        Named { indexes: &[std::slice::from_ref(&args.old), std::slice::from_ref(&args.new)], stores: &args.stores };
    let mut network = common::network(&args.network, named, deadline)?;
    let report = layer(&options, output, &mut network, &Bars::new(verbosity).until(deadline))?;
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), To::Summary)
}

fn image(text: &str) -> Result<LayerImage, Failure> {
    Ok(LayerImage::parse(if text == "-" { "/dev/stdin" } else { text })?)
}

fn output(args: &LayerArgs) -> Result<LayerOutput, Failure> {
    if args.output != Path::new("-") {
        return Ok(LayerOutput::File(args.output.clone()));
    }
    let usage = |message: &str| Err(Failure::new(Code::Usage, message));
    if args.json {
        return usage("--json and the archive cannot both go to standard output");
    }
    if std::io::stdout().is_terminal() {
        return usage("standard output is a terminal; redirect it, or name a file");
    }
    Ok(LayerOutput::Pipe(Box::new(std::io::stdout())))
}

fn summary(report: &LayerReport) -> String {
    let mut lines = vec![
        line("image", exact(report.bytes)),
        line("image id", &report.image_id),
        line("layers of OLD", commas(report.old_layers)),
    ];
    if report.layer.is_some() {
        lines.push(line("new layer", exact(report.bytes_layer)));
        let instead = format!("{}, {}", layers(report.new_layers), exact(report.bytes_new_layers));
        lines.push(line("instead of", instead));
        if report.bytes_layer >= report.bytes_new_layers {
            lines.push(line("note", "the new layer is no smaller than NEW's own; machines can as well take NEW"));
        }
    } else {
        lines.push(line("new layer", "none, since nothing differs"));
    }
    for (name, count, note) in [
        ("new", report.entries_new, ""),
        ("other contents", report.entries_contents, ""),
        ("other mode or owner", report.entries_metadata, ""),
        ("other times only", report.entries_times, " (--ignore-times leaves them out)"),
        ("gone", report.whiteouts, ""),
        ("differ elsewhere", report.differences_elsewhere, ", which stay as they are"),
    ] {
        if count > 0 {
            lines.push(line(name, format!("{}{note}", counted(count, "path"))));
        }
    }
    lines.push(line("time", format!("{:.2} s", report.elapsed.as_secs_f64())));
    lines.concat()
}

fn layers(count: u64) -> String {
    if count == 1 { "1 layer".to_owned() } else { format!("{} layers", commas(count)) }
}
