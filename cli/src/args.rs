//! The command line. Parsing it has no effects; completions and the man page come from the same definitions.

mod network;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::size;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};

/// Ships images over a plain static host, and sends a machine only what it cannot make from what it already holds.
#[derive(Debug, Parser)]
#[command(
    name = "regrow",
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print no progress, no summary, and no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Also say what is skipped, and what the catalog cannot do
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Split an image into a store and write its index
    #[command(
        after_help = "Examples:\n  regrow make app-2.rgx app-2.tar\n  docker save app | regrow make --store /srv/www/store /srv/www/app.rgx -\n  regrow make --like s3://bucket/app-1.rgx s3://bucket/app-2.rgx app-2.tar"
    )]
    Make(MakeArgs),
    /// Make a patch from one image to another, for machines that have the first
    #[command(
        after_help = "extract finds and uses a patch by itself, where it costs less than chunks.\n\nExamples:\n  regrow patch app-1.rgx app-2.rgx\n  regrow patch --store s3://bucket/store --old app-1.tar --new app-2.tar s3://bucket/app-1.rgx s3://bucket/app-2.rgx"
    )]
    Patch(PatchArgs),
    /// Rebuild an image from seeds and only what is missing
    #[command(
        after_help = "Examples:\n  regrow extract --seed app-1.tar https://host/app-2.rgx app-2.tar\n  regrow extract --seed app-1.tar https://host/app-2.rgx - | docker load\n  regrow extract --dry-run --seed app-1.tar https://host/app-2.rgx app-2.tar"
    )]
    Extract(ExtractArgs),
    /// Say what an index holds
    #[command(after_help = "Example:\n  regrow info https://host/app-2.rgx")]
    Info(InfoArgs),
    /// Say what an update costs, and why
    #[command(after_help = "Example:\n  regrow diff app-1.rgx app-2.rgx")]
    Diff(DiffArgs),
    /// Check a file against an index, or a store
    #[command(
        after_help = "Examples:\n  regrow verify app-2.rgx app-2.tar\n  regrow verify --store /srv/www/store app-1.rgx app-2.rgx"
    )]
    Verify(VerifyArgs),
    /// Copy indexes, and just the packs that they need, to another store
    #[command(
        after_help = "Examples:\n  regrow push s3://staging/app-2.rgx s3://production/store\n  regrow push https://host/app-2.rgx /media/usb/store"
    )]
    Push(PushArgs),
    /// Delete from a store what no kept index needs
    #[command(
        after_help = "The first run condemns what nobody needs; a run after the time of grace deletes it.\n\nExamples:\n  regrow gc --dry-run --store s3://bucket/store\n  regrow gc --store /srv/www/store --keep /srv/www/current --keep /srv/www/app-1.rgx"
    )]
    Gc(GcArgs),
    /// Serve a folder over HTTP
    #[command(after_help = "Example:\n  regrow serve /srv/www --listen 0.0.0.0:8080")]
    Serve(ServeArgs),
    /// Show an update from end to end, on this machine
    #[command(after_help = "Examples:\n  regrow demo\n  regrow demo app-1.tar app-2.tar")]
    Demo(DemoArgs),
    /// Print a shell's completions
    #[command(after_help = "Example:\n  regrow completions bash > /etc/bash_completion.d/regrow")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[command(after_help = "Example:\n  regrow man > /usr/local/share/man/man1/regrow.1")]
    Man,
}

/// The arguments of `regrow make`.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// The store: a folder, s3://, gs:// or az:// [default: store/ beside the index]
    #[arg(long, value_name = "DIR|URL", value_hint = ValueHint::DirPath)]
    pub(crate) store: Option<String>,
    /// Make a new store even in a folder that holds other files
    #[arg(long)]
    pub(crate) new_store: bool,
    /// The index of a similar image, so that only its packs are looked up in the store; may be repeated
    #[arg(long = "like", value_name = "INDEX|URL")]
    pub(crate) like: Vec<String>,
    /// How many seconds caches may keep the index
    #[arg(long, value_name = "SECONDS", default_value_t = regrow_sync::MakeOptions::DEFAULT_INDEX_MAX_AGE.as_secs())]
    pub(crate) index_max_age: u64,
    /// Where to remember what remote packs hold [default: in the user's cache folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
    /// Also make a patch from the image of this index, for machines that have it; may be repeated
    #[arg(long = "patch-from", value_name = "INDEX|URL")]
    pub(crate) patch_from: Vec<String>,
    /// The file of a --patch-from image, if it is on this machine [default: read from the store]; may be repeated
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch_from")]
    pub(crate) old: Vec<PathBuf>,
    /// How much effort goes into making patches small, 1 (fast) to 9 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::PatchLevel::default())]
    pub(crate) patch_level: regrow_sync::PatchLevel,
    /// In an image archive, store compressed layers as plain tars if they cannot be rebuilt exactly; extract then
    /// yields that archive
    #[arg(long)]
    pub(crate) normalize: bool,
    /// zstd level, 1 (fast) to 22 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::MakeOptions::DEFAULT_LEVEL)]
    pub(crate) level: i32,
    /// Average chunk size of a new store [default: 16KiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) avg_size: Option<u64>,
    /// Accept an incomplete image: an empty one, a tar that is cut off, a gzip file that ends early
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Percent that a machine without an old image may fetch beyond what the image needs; chunks among dead ones in old packs
    /// are written again until it is no more; 100: none are
    #[arg(long, value_name = "PERCENT", default_value = "2.5", value_parser = parse_percent)]
    pub(crate) max_waste: regrow_sync::MaxWaste,
    /// Close a pack when it reaches this size
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "64MiB", hide = true)]
    pub(crate) pack_size: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index to write, NAME.rgx: a file, s3://, gs:// or az://
    #[arg(value_name = "INDEX|URL", value_hint = ValueHint::FilePath)]
    pub(crate) index: String,
    /// The image: a tar, a disk image, any file; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) image: PathBuf,
}

/// The arguments of `regrow patch`.
#[derive(Debug, Args)]
pub(crate) struct PatchArgs {
    /// The store that holds both images and gets the patch: a folder, s3://, gs:// or az:// [default: where the new
    /// index says]
    #[arg(long, value_name = "DIR|URL", value_hint = ValueHint::DirPath)]
    pub(crate) store: Option<String>,
    /// The file of the old image, if it is on this machine [default: read from the store]
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) old_file: Option<PathBuf>,
    /// The file of the new image, if it is on this machine [default: read from the store]
    #[arg(long = "new", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_file: Option<PathBuf>,
    /// How much effort goes into making the patch small, 1 (fast) to 9 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::PatchLevel::default())]
    pub(crate) patch_level: regrow_sync::PatchLevel,
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
    pub(crate) network: NetworkArgs,
    /// The index of the image that machines have
    #[arg(value_name = "OLD-INDEX")]
    pub(crate) old: String,
    /// The index of the image that they will get
    #[arg(value_name = "NEW-INDEX")]
    pub(crate) new: String,
}

/// The arguments of `regrow extract`.
#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// Fetch from this folder or URL; several are asked in turn [default: where the index says]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Use the bytes of this tar, file, device, folder, index or store; - reads standard input
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
    /// Write over a device that is mounted or in use (with --in-place), and over a file even if the image is empty
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be fetched and from where; read only the index and the packs' tables
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Fetch chunks, even where a patch would cost less
    #[arg(long)]
    pub(crate) no_patch: bool,
    /// Number of requests in flight
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: u32,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index: a file or a URL
    #[arg(value_name = "INDEX|URL")]
    pub(crate) index: String,
    /// The file to write; - for standard output
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// The arguments of `regrow info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Read from this folder or URL [default: where the index says]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index: a file or a URL
    #[arg(value_name = "INDEX|URL")]
    pub(crate) index: String,
}

/// The arguments of `regrow diff`.
#[derive(Debug, Args)]
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
    /// The file of the old image for --patch, if it is on this machine [default: read from the store]
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch")]
    pub(crate) old_file: Option<PathBuf>,
    /// The file of the new image for --patch, if it is on this machine [default: read from the store]
    #[arg(long = "new", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch")]
    pub(crate) new_file: Option<PathBuf>,
    /// How many paths to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) paths: usize,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index of the image that machines have
    #[arg(value_name = "OLD-INDEX")]
    pub(crate) old: String,
    /// The index of the image that they will get
    #[arg(value_name = "NEW-INDEX")]
    pub(crate) new: String,
}

/// The arguments of `regrow verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Check this store, and that the indexes are complete in it
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: Option<String>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// INDEX FILE: check that the file is the image; with --store: the indexes to check in it
    #[arg(value_name = "INDEX|FILE")]
    pub(crate) targets: Vec<String>,
}

/// The arguments of `regrow push`.
#[derive(Debug, Args)]
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
    /// The indexes, then the store to write to: a folder, s3://, gs:// or az://; the indexes go beside it
    #[arg(value_name = "INDEX|URL... TO", num_args = 2.., required = true)]
    pub(crate) places: Vec<String>,
}

/// The arguments of `regrow gc`.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// The store: a folder, s3://, gs:// or az://
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: String,
    /// Keep what this index needs, or all indexes (*.rgx) below this folder or prefix; may be repeated [default:
    /// those below the folder that the store lies in]
    #[arg(long = "keep", value_name = "INDEX|PREFIX")]
    pub(crate) keep: Vec<String>,
    /// How long a pack stays after it was found unneeded, and how old it must be
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse, default_value = "7d")]
    pub(crate) grace: std::time::Duration,
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

/// The arguments of `regrow serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The folder to serve
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Address and port; port 0 takes any free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
}

/// Parses an address to listen at. Names are for clients, except for `localhost`, which everybody uses.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "write it like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080".to_owned())
}

/// The arguments of `regrow demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// An old image [default: a made-up one]
    #[arg(requires = "new", value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub(crate) old: Option<PathBuf>,
    /// A new image
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub(crate) new: Option<PathBuf>,
}

fn parse_percent(text: &str) -> Result<regrow_sync::MaxWaste, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.and_then(regrow_sync::MaxWaste::percent).ok_or_else(|| "give a number from 0 to 100".to_owned())
}
