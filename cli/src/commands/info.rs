//! `regrow info`.

use clap::Args;
use regrow_sync::{
    BlocksInfo, CodedInfo, DiskInfo, HeadReport, InfoReport, Location, PartInfo, PatchInfo, StatementInfo, Timestamp,
    info, info_head,
};

use super::common::{self, Named};
use crate::args::NetworkArgs;
use crate::failure::Failure;
use crate::print::{Reporter, To, chunks, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::{commas, show};
use crate::terminal::clean_line;

/// The memory of an encoder that is worth telling.
const MANY_BYTES: u64 = 128 << 20;

/// Say what an index holds
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  regrow info https://host/app-2.rgx\n  regrow info --head https://host/app-2.rgx")]
pub(crate) struct InfoArgs {
    /// Read from this folder or URL [default: where the index says]
    #[arg(long = "store", value_name = "DIR|URL")]
    pub(crate) stores: Vec<String>,
    /// Say only what the head of the index does, which is one small request: image, parts, signatures, patches
    #[arg(long, conflicts_with = "stores")]
    pub(crate) head: bool,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The index: a file or a URL
    #[arg(value_name = "INDEX|URL")]
    pub(crate) index: String,
}

/// Runs the command.
pub(crate) fn run(args: InfoArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let location = Location::parse(&args.index)?;
    let stores = common::locations(&args.stores)?;
    let deadline = common::deadline(&args.network);
    let named = Named { indexes: &[std::slice::from_ref(&args.index)], stores: &args.stores };
    let mut network = common::network(&args.network, named, deadline)?;
    if args.head {
        let report = info_head(&location, &mut network)?;
        return Reporter { verbosity, json: args.json }.print(&report, &head_text(&report), To::Output);
    }
    let bars = Bars::new(verbosity).until(deadline);
    let report = info(&location, &stores, &mut network, &bars)?;
    Reporter { verbosity, json: args.json }.print(&report, &text(&report), To::Output)
}

/// The lines about a disk image, if the image is one: what it is, and how its compressed blocks are made again.
pub(crate) fn disk_lines(name: &str, disk: Option<&DiskInfo>) -> Vec<String> {
    let Some(disk) = disk else { return Vec::new() };
    let words = clean_line(&disk.words);
    let files = if disk.files == 1 { "1 file".to_owned() } else { format!("{} files", commas(disk.files)) };
    let what = if disk.divided { format!("{words}; {files}") } else { format!("not seen through: {words}") };
    [line(name, what)].into_iter().chain(disk.blocks.iter().map(blocks_line)).collect()
}

/// The line about compressed blocks of one encoder.
fn blocks_line(blocks: &BlocksInfo) -> String {
    let count = |number| if number == 1 { "1 block".to_owned() } else { format!("{} blocks", commas(number)) };
    let sizes = format!("{}, {} that hold {}", count(blocks.blocks), show(blocks.bytes), show(blocks.plain_bytes));
    let made = match (&blocks.encoder, blocks.corrected) {
        (Some(encoder), 0) => format!("made by {encoder}"),
        (Some(encoder), corrected) => format!(
            "made by {encoder}; {} of them with {} of corrections, since another version or other options wrote them",
            commas(corrected),
            exact(blocks.corrections_bytes)
        ),
        (None, _) => "kept in the index, since no known encoder makes them".to_owned(),
    };
    line("  compressed", format!("{sizes}, {made}"))
}

/// The lines that say which image it is, in all forms of the output.
fn image_lines(format: u32, bytes: u64, digest: &str, id: &str, chunk_bytes: [u32; 3]) -> Vec<String> {
    vec![
        line("format", format),
        line("image", exact(bytes)),
        line("digest (BLAKE3)", digest),
        line("image id", id),
        chunk_sizes(chunk_bytes),
    ]
}

fn head_text(report: &HeadReport) -> String {
    let sizes = [report.chunk_min_bytes, report.chunk_avg_bytes, report.chunk_max_bytes];
    let mut lines = image_lines(report.format, report.image_bytes, &report.image_digest, &report.image_id, sizes);
    lines.extend(disk_lines("disk image", report.disk.as_ref()));
    lines.push(line("skeleton", exact(report.skeleton_bytes)));
    lines.push(line("contents", exact(report.contents_bytes)));
    lines.extend(report.patches.iter().map(patch));
    lines.push(line("store", if report.store.is_empty() { "not known" } else { &report.store }));
    lines.extend(claims(report.statement.as_ref()));
    lines.extend(report.parts.iter().map(part));
    lines.concat()
}

fn chunk_sizes(sizes: [u32; 3]) -> String {
    let sizes = sizes.map(|bytes| show(bytes.into()));
    line("chunk sizes", format!("min {}, average {}, max {}", sizes[0], sizes[1], sizes[2]))
}

fn patch(patch: &PatchInfo) -> String {
    let bytes = patch.bytes.map_or_else(String::new, |bytes| format!(", {}", show(bytes)));
    let parts = match (patch.base_parts, patch.base_parts_kept) {
        (0, _) => String::new(),
        (1, kept) => format!(", from 1 part, {} here", if kept == 0 { "not" } else { "also" }),
        (parts, kept) => format!(", from {} parts, {} of them here", commas(parts), commas(kept)),
    };
    match patch.is_from_nothing() {
        true => line("whole image", format!("as one object{bytes}")),
        false => line("patch from", format!("{}{bytes}{parts}", patch.base_id)),
    }
}

fn text(report: &InfoReport) -> String {
    let sizes = [report.chunk_min_bytes, report.chunk_avg_bytes, report.chunk_max_bytes];
    let packs: u64 = report.packs.iter().map(|pack| pack.bytes).sum();
    let mut lines = image_lines(report.format, report.image_bytes, &report.image_digest, &report.image_id, sizes);
    lines.extend(disk_lines("disk image", report.disk.as_ref()));
    lines.extend([
        line("skeleton", chunks(report.skeleton_chunks, report.skeleton_bytes)),
        line("contents", chunks(report.contents_chunks, report.contents_bytes)),
        line("recipe segments", commas(report.segments)),
        line("packs", format!("{}, {}", report.packs.len(), show(packs))),
    ]);
    if let (Some(frames), Some(bytes)) = (report.frames, report.frame_bytes) {
        lines.push(line("frames in them", format!("{}, {}", commas(frames), show(bytes))));
    }
    lines.extend(report.patches.iter().map(patch));
    let store = if report.store.is_empty() { "not known" } else { &report.store };
    lines.push(line("store", store));
    if let Some(error) = &report.store_error {
        lines.push(line("store cannot be read", error));
    }
    lines.extend(claims(report.statement.as_ref()));
    lines.extend(report.parts.iter().map(part));
    lines.extend(report.coded.iter().flat_map(seen_through));
    if !report.archives.is_empty() {
        lines.push(format!("\n{:>9} {:>9} {:>12}  archive\n", "entries", "files", "contents"));
    }
    for archive in &report.archives {
        let path = if archive.path.is_empty() { "(the image itself)" } else { &*clean_line(&archive.path) };
        let (entries, files) = (commas(archive.entries), commas(archive.files));
        lines.push(format!("{entries:>9} {files:>9} {:>12}  {path}\n", show(archive.bytes)));
    }
    lines.concat()
}

/// The lines about a file that is made again from what it holds.
fn seen_through(coded: &CodedInfo) -> [String; 2] {
    let path = coded.path.as_deref().unwrap_or("?");
    let path = if path.is_empty() { "(the image itself)" } else { path };
    let (bytes, plain) = (show(coded.bytes), show(coded.plain_bytes));
    let kind = match coded.format {
        "gzip" => "members",
        "zstd" => "frames",
        _ => "blocks",
    };
    let members = if coded.members == 1 { String::new() } else { format!(" in {} {kind}", commas(coded.members)) };
    let encoders = coded.encoders.join("; ");
    let what = line("seen through", format!("{path}, {bytes} that hold {plain}{members}"));
    let corrections = match coded.corrections_bytes {
        0 => String::new(),
        bytes => format!(", with {} of corrections", exact(bytes)),
    };
    let memory = match coded.memory_bytes {
        MANY_BYTES.. => format!("; in about {} of memory", show(coded.memory_bytes)),
        _ => String::new(),
    };
    let index = exact(coded.index_bytes);
    [what, line("  made by", format!("{encoders}{corrections}; {index} in the index{memory}"))]
}

/// The lines about what the image's publisher claims.
fn claims(statement: Option<&StatementInfo>) -> Vec<String> {
    let Some(statement) = statement else { return Vec::new() };
    let mut lines = vec![line("SHA-256", &statement.image_sha256)];
    if !statement.channel.is_empty() {
        lines.push(line("channel", clean_line(&statement.channel)));
    }
    if statement.counter > 0 {
        lines.push(line("counter", commas(statement.counter)));
    }
    for (name, time) in [("signed", statement.signed_at), ("valid until", statement.expires_at)] {
        if let Some(time) = time {
            lines.push(line(name, Timestamp(time)));
        }
    }
    lines.push(line("signatures", statement.signatures));
    lines
}

fn part(part: &PartInfo) -> String {
    let name = part.name.get(..16).unwrap_or(&part.name);
    let coded = part.coded_format.map_or_else(String::new, |format| format!(", in a {format} file"));
    line("part", format!("{name}  {}, {}{coded}", part.kind, exact(part.plain_bytes)))
}
