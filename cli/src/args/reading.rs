//! The arguments that say how an image is read on a machine that has something similar.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{NetworkArgs, TrustArgs};

/// The arguments that say how an image is read.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
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
    /// Do not remember the image's layers in the state folder, and use nothing that is remembered of others
    #[arg(long)]
    pub(crate) no_state: bool,
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
}
