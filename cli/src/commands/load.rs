//! `regrow load`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use regrow_sync::{EngineKind, EngineOptions, LoadOptions, LoadReport, Location, load};

use super::common::{self, Reading};
use super::extract::{fetched_line, source_lines};
use crate::args::ReadingArgs;
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, exact, line};
use crate::progress::Verbosity;
use crate::size::counted;

/// Give an image to Docker, Podman or containerd, sending only the layers that it lacks
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow load https://host/app.rgx\n  regrow load --engine podman --tag app:latest https://host/app.rgx\n  regrow load --engine containerd --namespace k8s.io https://host/app.rgx\n  regrow load --dry-run https://host/app.rgx"
)]
pub(crate) struct LoadArgs {
    /// The engine; auto: the only one that is there
    #[arg(long, value_name = "NAME", value_enum, default_value_t = EngineArg::Auto)]
    pub(crate) engine: EngineArg,
    /// Give the image this name, instead of the names that it has
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Option<String>,
    /// The engine's socket [default: DOCKER_HOST, CONTAINERD_ADDRESS, or the usual one]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<String>,
    /// The namespace of containerd, such as k8s.io [default: CONTAINERD_NAMESPACE, or default]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// The index: a file or a URL
    #[arg(value_name = "INDEX|URL")]
    pub(crate) index: String,
}

/// The engine (`--engine`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineArg {
    /// The only engine that is there; a containerd beside Docker does not count
    Auto,
    /// Docker, over its socket or by `docker`
    Docker,
    /// Podman, by `podman`
    Podman,
    /// containerd, by `ctr`
    Containerd,
}

impl LoadArgs {
    /// Refuses options that the engine would not look at.
    fn check(&self) -> Result<(), Failure> {
        let unused = match self.engine {
            EngineArg::Podman if self.socket.is_some() => {
                "--socket: podman is run as a command, and has no socket here"
            }
            EngineArg::Docker | EngineArg::Podman if self.namespace.is_some() => "--namespace: only containerd has any",
            _ => return Ok(()),
        };
        Err(Failure::new(Code::Usage, unused))
    }

    fn engine(&self) -> EngineOptions {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let kind = match self.engine {
            EngineArg::Auto => None,
            EngineArg::Docker => Some(EngineKind::Docker),
            EngineArg::Podman => Some(EngineKind::Podman),
            EngineArg::Containerd => Some(EngineKind::Containerd),
        };
        let address = self.socket.clone().or_else(|| match self.engine {
            EngineArg::Auto | EngineArg::Docker => variable("DOCKER_HOST"),
            EngineArg::Containerd => variable("CONTAINERD_ADDRESS"),
            EngineArg::Podman => None,
        });
        let until = self.reading.network.max_time.and_then(|allowed| Instant::now().checked_add(allowed));
        EngineOptions { kind, address, namespace: self.namespace.clone(), until, ..EngineOptions::default() }
    }
}

/// Runs the command.
pub(crate) fn run(args: LoadArgs, verbosity: Verbosity) -> Result<(), Failure> {
    args.check()?;
    let location = Location::parse(&args.index)?;
    let Reading { options, mut network, bars } = common::reading(&args.reading, &args.index, verbosity)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let search_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut options = LoadOptions { extract: options, engine: args.engine(), search_path, tag: args.tag.clone() };
    let report = load(&location, &mut options, &mut network, &bars)?;
    common::warn_of_catalog(options.extract.catalog.as_ref(), &bars, verbosity);
    let to = if args.reading.dry_run { To::Output } else { To::Summary };
    Reporter { verbosity, json: args.reading.json }.print(&report, &summary(&report), to)
}

fn summary(report: &LoadReport) -> String {
    let mut lines = Vec::new();
    for image in &report.images {
        let names = if image.names.is_empty() { "without a name".to_owned() } else { image.names.join(", ") };
        lines.push(line("image", names));
        lines.push(line("image id", &image.id));
        lines.extend(image.manifest.as_ref().map(|digest| line("manifest", digest)));
    }
    let layers = |count: u64, bytes: u64| format!("{}, {}", counted(count, "layer"), exact(bytes));
    if report.already_there {
        lines.push(line("engine", format!("{}, which has the image already", report.engine)));
    } else {
        lines.push(line("engine", report.engine));
        lines.push(line("in the engine", layers(report.layers_held, report.bytes_held)));
        let sent = if report.extract.dry_run { "would send" } else { "sent" };
        lines.push(line(sent, layers(report.layers_sent, report.bytes_sent)));
    }
    if report.extract.signers > 0 {
        lines.push(line("signed", format!("by {} of the trusted keys", report.extract.signers)));
    }
    lines.extend(source_lines(&report.extract));
    lines.push(fetched_line(&report.extract));
    if !report.extract.dry_run {
        lines.push(line("time", format!("{:.2} s", report.extract.elapsed.as_secs_f64())));
    }
    lines.concat()
}
