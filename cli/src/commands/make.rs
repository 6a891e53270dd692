//! `regrow make`.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use regrow_sync::{
    HistoryOptions, ImageSource, IndexFormat, Location, MakeOptions, MakeReport, Network, Params, PatchReport,
    Progress, Signing, SourceImage, SyncError, WatchedFile, keep_source, make, normalize, parameters_in, prune_patches,
};

use super::common::{self, Named};
use super::info::disk_lines;
use super::patch;
use super::sources::{Cut, Sources};
use crate::args::{ClaimArgs, NetworkArgs, PasswordArgs, SourceArgs};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, chunks, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size;
use crate::size::{commas, counted, show};

/// Split an image into a store and write its index
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow make app-2.rgx app-2.tar\n  docker save app | regrow make --store /srv/www/store /srv/www/app.rgx -\n  regrow make --like s3://bucket/app-1.rgx s3://bucket/app-2.rgx app-2.tar"
)]
pub(crate) struct MakeArgs {
    /// The store: a folder, s3://, gs://, az:// or oci:// [default: store/ beside the index]
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
    /// Where to remember what remote packs hold, and SHA-256 of images [default: in the user's cache folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
    /// Also make a patch from the image of this index, for machines that have it; may be repeated. It may be an image
    /// that is no file and has no index, too. last:N stands for
    /// the newest N images of the same channel, or of the same name but for its version; auto or auto:N for the one or
    /// N images that give the smallest patches, by each of two estimates. Both look at indexes beside the new one and
    /// beside the store
    #[arg(long = "patch-from", value_name = "INDEX|URL|last:N|auto")]
    pub(crate) patch_from: Vec<String>,
    /// The file of a --patch-from image, or an image that is no file [default: read from the store]; may be repeated
    #[arg(long = "old", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "patch_from")]
    pub(crate) old: Vec<PathBuf>,
    /// Afterwards delete the patches to older images of this history, so that only the newest N images, with this one,
    /// keep the patches to them; patches to images that an index still describes stay
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "patch_from")]
    pub(crate) keep_patches: Option<u64>,
    /// Also store the whole image as one object, for machines that have none of it. It has fewer bytes than the chunks,
    /// and takes minutes to make
    #[arg(long)]
    pub(crate) full: bool,
    /// How much effort goes into making patches small, 1 (fast) to 9 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::PatchLevel::default())]
    pub(crate) patch_level: regrow_sync::PatchLevel,
    /// How many percent of the bytes of chunks a patch must save to be made; 0: always make it
    #[arg(long, value_name = "PERCENT", value_parser = patch::parse_percent,
        default_value_t = regrow_sync::PatchOptions::DEFAULT_LEAST_SAVING)]
    pub(crate) patch_min_saving: u8,
    /// In an image archive, store compressed layers as plain tars if they cannot be rebuilt exactly; extract then
    /// yields that archive
    #[arg(long)]
    pub(crate) normalize: bool,
    /// zstd level, 1 (fast) to 22 (small)
    #[arg(long, value_name = "N", default_value_t = regrow_sync::MakeOptions::DEFAULT_LEVEL)]
    pub(crate) level: i32,
    /// The format of the index: 2, in which the image consists of parts, such as layers, and can be signed; or 1, for
    /// machines with an earlier version of regrow [default: 2, but 1 after images of format 1: those of --patch-from
    /// and --like, or else the one that is replaced]
    #[arg(long, value_name = "N", value_parser = parse_format)]
    pub(crate) format: Option<IndexFormat>,
    /// Sign the image with this secret key: minisign's format or PEM; may be repeated
    #[arg(long = "sign", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) sign: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    #[command(flatten)]
    pub(crate) claims: ClaimArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Average chunk size of a new store [default: 16KiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) avg_size: Option<u64>,
    /// Accept an incomplete image: an empty one, a tar that is cut off, a gzip file that ends early
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Percent that a machine without an old image may fetch beyond what the image needs; to stay below it, chunks that
    /// lie among dead ones in old packs are written again; 100: never
    #[arg(long, value_name = "PERCENT", default_value = "2.5", value_parser = parse_percent)]
    pub(crate) max_waste: regrow_sync::MaxWaste,
    /// The largest size of a pack, unless a single frame is larger
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "8MiB", hide = true)]
    pub(crate) pack_size: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index to write: a file NAME.rgx, s3://, gs://, az://, or an image oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "INDEX|URL", value_hint = ValueHint::FilePath)]
    pub(crate) index: String,
    /// The image: a tar, a disk image, any file; - for standard input; or oci://HOST/REPOSITORY:TAG, an
    /// image in a registry; docker-daemon:NAME; containers-storage:[ROOT/]NAME; or oci:DIR:TAG, one in a folder
    /// with the OCI layout
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) image: PathBuf,
}

fn parse_percent(text: &str) -> Result<regrow_sync::MaxWaste, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.and_then(regrow_sync::MaxWaste::percent).ok_or_else(|| "give a number from 0 to 100".to_owned())
}

fn parse_format(text: &str) -> Result<IndexFormat, String> {
    text.parse().ok().and_then(IndexFormat::from_number).ok_or_else(|| "the formats are 1 and 2".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: MakeArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let deadline = common::deadline(&args.network);
    let bars = Bars::new(verbosity).until(deadline);
    let mut options = options(&args, &bars)?;
    let named = Named { indexes: &[&args.like, &args.patch_from], stores: &[] };
    let mut network = common::network(&args.network, named, deadline)?;
    options.check(&args.image)?;
    let mut sources = Sources::new(args.source.options(), &bars);
    bases(&args, &mut options, &mut sources, &mut network)?;
    let mut image = Image::open(&args, &mut network, &bars)?;
    if args.normalize
        && let Input::File(file) = &mut image.input
    {
        if let Some(normalized) = normalize(file, &image.name, &std::env::temp_dir(), args.format, &bars)? {
            *file = normalized.file;
        }
        file.rewind().map_err(SyncError::io(&image.name))?;
    }
    let mut report = make_from(image.input, &image.name, &mut options, &mut network, &bars)?;
    report.source_digest = image.digest;
    if let Some(keep) = args.keep_patches {
        report.patches_deleted = prune(&options, keep, &mut network, &bars);
    }
    let is_kept = args.format.is_none() && report.format == IndexFormat::V1.number();
    Reporter { verbosity, json: args.json }.print(&report, &summary(&options.index, &report, is_kept), To::Summary)
}

/// Deletes patches to older images, and returns their number. The image is published already, so a failure is no more
/// than a warning.
fn prune(options: &MakeOptions, keep: u64, network: &mut Network, bars: &Bars) -> u64 {
    let history = HistoryOptions { store: options.store.clone(), index: options.index.clone(), keep };
    match prune_patches(&history, network) {
        Ok(pruned) => pruned.patches,
        Err(error) => {
            bars.warn(&format!("{error}; patches to older images stay"));
            0
        }
    }
}

/// Finds the images that patches start from. Those that are no file get an index for this run.
fn bases(
    args: &MakeArgs,
    options: &mut MakeOptions,
    sources: &mut Sources<'_>,
    network: &mut Network,
) -> Result<(), Failure> {
    let (given, format, store) = (options.params, options.format, options.store.clone());
    let cut = |network: &mut Network| {
        let params = given.map_or_else(|| parameters_in(&store, network), Ok)?;
        Ok(Cut { params, format })
    };
    options.patch_from = common::base_choices(&args.patch_from, sources, cut, network)?;
    options.old_files = sources.files(&args.old, network)?;
    // An image that has an index may lie in the store alone.
    options.old_or_stored = args.old.is_empty() && !sources.indexed().is_empty();
    options.old_files.extend_from_slice(sources.indexed());
    Ok(())
}

/// The image, and its name for messages.
struct Image {
    name: PathBuf,
    input: Input,
    /// The digest of an image that is no file.
    digest: Option<String>,
}

/// The source of the image's bytes.
enum Input {
    File(File),
    /// Standard input, which is read once.
    Pipe,
    /// An image that is no file, which is read once.
    Source(Box<SourceImage>),
}

impl Image {
    /// Opens the image. What is read more than once is kept in a file.
    fn open(args: &MakeArgs, network: &mut Network, bars: &Bars) -> Result<Self, Failure> {
        let is_read_twice = args.normalize || args.full || !args.patch_from.is_empty();
        let source = ImageSource::parse(args.image.as_os_str())?;
        if source.is_archived() {
            let mut image = source.open(&args.source.options(), network)?;
            let (name, digest) = (image.name().to_owned(), Some(image.digest()));
            let input = match is_read_twice {
                true => Input::File(keep_source(&mut image, &std::env::temp_dir(), bars)?),
                false => Input::Source(Box::new(image)),
            };
            return Ok(Self { name, input, digest });
        }
        if !args.source.names.is_empty() || args.source.all || args.source.platform.is_some() {
            let message = "--platform, --all and --tag are for images that are no file, such as oci:DIR";
            return Err(Failure::new(Code::Usage, message));
        }
        if args.image != Path::new("-") {
            let name = args.image.clone();
            let open = |error| Failure::new(Code::General, format!("{}: {error}", name.display()));
            let file = File::open(&name).map_err(open)?;
            if file.metadata().map_err(open)?.is_dir() {
                return Err(open(std::io::ErrorKind::IsADirectory.into()));
            }
            return Ok(Self { name, input: Input::File(file), digest: None });
        }
        let name = PathBuf::from("standard input");
        let input = if is_read_twice { Input::File(keep_input(&name)?) } else { Input::Pipe };
        Ok(Self { name, input, digest: None })
    }
}

fn make_from(
    input: Input,
    name: &Path,
    options: &mut MakeOptions,
    network: &mut Network,
    bars: &Bars,
) -> Result<MakeReport, Failure> {
    Ok(match input {
        Input::File(file) => {
            options.image_file = Some(file.try_clone().map_err(SyncError::io(name))?);
            let mut file = WatchedFile::new(file);
            let total = file.size().filter(|&total| total > 0);
            make(&mut file, name, total, options, network, bars)?
        }
        Input::Pipe => make(&mut WatchedFile::new(std::io::stdin().lock()), name, None, options, network, bars)?,
        Input::Source(mut image) => {
            let total = Some(image.size());
            make(&mut *image, name, total, options, network, bars)?
        }
    })
}

/// Keeps standard input in an unnamed file, because it is read more than once.
fn keep_input(name: &Path) -> Result<File, Failure> {
    let folder = std::env::temp_dir();
    let mut file = tempfile::tempfile_in(&folder).map_err(SyncError::io(&folder))?;
    WatchedFile::new(std::io::stdin().lock()).copy_to(&mut file, name, &folder)?;
    file.rewind().map_err(SyncError::io(&folder))?;
    Ok(file)
}

fn options(args: &MakeArgs, bars: &Bars) -> Result<MakeOptions, Failure> {
    let index = Location::parse(&args.index)?;
    let store = match &args.store {
        Some(store) => Location::parse(store)?,
        None => index.beside("store").ok_or_else(|| {
            Failure::new(Code::Usage, format!("{index}: is not a name for an index; write it like app.rgx"))
        })?,
    };
    let is_local = matches!(store, Location::Path(_));
    let mut options = MakeOptions::new(store, index);
    options.new_store = args.new_store;
    options.signing = signing(args)?;
    if options.signing.is_some() && args.format == Some(IndexFormat::V1) {
        let message = "--format 1: such an index has no place for signatures and claims; leave --format out, or these";
        return Err(Failure::new(Code::Usage, message));
    }
    options.format = args.format;
    options.level = args.level;
    options.allow_partial = args.allow_partial;
    options.max_waste = args.max_waste;
    options.pack_bytes = args.pack_size.max(1);
    options.like = common::locations(&args.like)?;
    options.patch_level = args.patch_level;
    options.patch_least_saving = args.patch_min_saving;
    options.whole = args.full;
    options.index_max_age = Duration::from_secs(args.index_max_age);
    let remembers = !is_local || options.format != Some(IndexFormat::V1);
    options.catalog = remembers.then(|| common::catalog(args.catalog.clone(), bars));
    if let Some(avg) = args.avg_size {
        let params =
            Params::with_average(avg).map_err(|error| Failure::new(Code::Usage, format!("--avg-size: {error}")))?;
        options.params = Some(params);
    }
    Ok(options)
}

/// What is claimed and signed, if anything is.
fn signing(args: &MakeArgs) -> Result<Option<Signing>, Failure> {
    let claims = args.claims.changes();
    if args.sign.is_empty() && claims.is_empty() {
        return Ok(None);
    }
    Ok(Some(Signing { keys: common::secret_keys(&args.sign, &args.password)?, claims }))
}

/// The summary. `is_kept` says that the index has format 1 because those before it have.
fn summary(index: &Location, report: &MakeReport, is_kept: bool) -> String {
    let seconds = report.elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { (report.image_bytes as f64 / seconds) as u64 } else { 0 };
    let mut lines = vec![
        line("image", exact(report.image_bytes)),
        line("digest (BLAKE3)", &report.image_digest),
        line("chunks", commas(report.chunks)),
        line("new to the store", chunks(report.chunks_new, report.bytes_new)),
        line("stored", format!("{} in packs: {}", exact(report.bytes_stored), report.packs_written)),
        line("index", format!("{index}, {}", exact(report.index_bytes))),
    ];
    if is_kept {
        lines.push(line("format", "1, like the image before; once no machine has an earlier regrow, give --format 2"));
    }
    if report.chunks_rewritten > 0 {
        let rewritten = chunks(report.chunks_rewritten, report.bytes_rewritten);
        lines.insert(4, line("written again", rewritten));
    }
    if report.coded > 0 {
        let plain = exact(report.coded_plain_bytes);
        let kinds = match report.coded_zstd {
            0 => "gzip",
            zstd if zstd == report.coded => "zstd",
            _ => "gzip and zstd",
        };
        let bytes = exact(report.coded_bytes);
        let files = match &report.disk {
            Some(disk) if disk.divided => format!("compressed blocks: {bytes}, as the {plain} that they hold"),
            _ => format!("{} {kinds} files, {bytes}, as the {plain} that they hold", report.coded),
        };
        lines.push(line("seen through", files));
    }
    lines.extend(disk_lines("disk image", report.disk.as_ref()));
    for made in &report.patches {
        if made.is_from_nothing() {
            lines.push(whole(made));
            continue;
        }
        if made.not_worth {
            let reason = patch::not_worth(made);
            lines.push(line("patch", format!("from {}, {reason}", &made.base_id[..16])));
            continue;
        }
        let note = match made.bytes_codings {
            _ if made.present => ", already there".to_owned(),
            0 => String::new(),
            bytes => format!(", {} of it for compressed blocks", show(bytes)),
        };
        lines.push(line("patch", format!("from {}, {}{note}", &made.base_id[..16], exact(made.bytes))));
    }
    if report.patches_deleted > 0 {
        lines.push(line("older patches deleted", commas(report.patches_deleted)));
    }
    if report.requests > 0 {
        let requests = format!("{} in {}", exact(report.bytes_sent), counted(report.requests_write, "request"));
        lines.push(line("sent", requests));
        let requests = format!(
            "{} in {}",
            exact(report.bytes_fetched),
            counted(report.requests - report.requests_write, "request")
        );
        lines.push(line("fetched", requests));
    }
    lines.push(line("time", format!("{seconds:.2} s, {}/s", show(rate))));
    if let Some(digest) = &report.source_digest {
        lines.insert(0, line("source", digest));
    }
    lines.concat()
}

/// The line about the whole image as one object.
fn whole(made: &PatchReport) -> String {
    if made.not_worth {
        return line("whole image", "not stored as one object: its chunks have fewer bytes");
    }
    let present = if made.present { ", already there" } else { "" };
    line("whole image", format!("{} as one object{present}", exact(made.bytes)))
}
