//! Reads an image once, front to back. The result is its chunks with their ids, in order, and its digest. Both make
//! and the scan of a seed go through here. The reading thread walks and cuts, and workers hash. `candidate` takes
//! care of the gzip files in the image, and `division` of an image that is a disk image.

mod blocks;
mod candidate;
mod division;
mod file_cutters;
mod hashing;
mod names;
mod plain;
mod unfolding;
mod whole;

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use regrow_catalog::Catalog;
use regrow_chunker::{Params, PiecePlace, Record};
use regrow_disk::{DivisionRules, ReadAt};
use regrow_image::{ImagePart, Splitter, StreamKind, UnitGuess, WalkFindings, WalkRules};
use regrow_index::{CodedFormat, CodedStretch, DiskNote};

use crate::coded::{PlainSpool, Unfolded};
use crate::pool::Pool;
use crate::progress::check_time;
use crate::{LocalError, Progress, Stage};

use blocks::BlockPool;
pub(crate) use division::ops_of;
pub use division::sized;
use file_cutters::FileCutters;
use hashing::{Finished, Hashing};
use names::Names;
pub use names::Sha256Names;
pub use plain::{PlainPiece, PlainSource, ingest_plain};
use whole::Watch;
pub use whole::WatchedFile;
pub use whole::Whole;

/// A chunk with its id.
pub struct Hashed {
    /// The stream that the chunk is cut from.
    pub stream: StreamKind,
    /// The offset of the chunk in its stream.
    pub at: u64,
    /// What is known of the chunk's unit, by rules that have parts.
    pub unit: UnitGuess,
    /// The chunk's id and length.
    pub record: Record,
    /// The chunk's bytes.
    pub bytes: Bytes,
}

/// Chunks, each with its offset in the image.
pub(crate) type PlacedRecords = Vec<(Record, u64)>;
/// Chunks of files that were cut otherwise.
pub(crate) type AloneRecords = Vec<(Record, PiecePlace)>;

/// The result of reading an image.
pub struct Ingested {
    /// The size of the image in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the image.
    pub digest: [u8; 32],
    /// The parts, in order. There are none by [`WalkRules::V2`].
    pub parts: Vec<ImagePart>,
    /// The number of files of each part.
    pub files: Vec<u64>,
    /// The names of the image and of its parts, if the image is made and has parts.
    pub names: Option<Sha256Names>,
    /// The way in which each coded file is rebuilt, if that was asked for.
    pub codings: Vec<CodedStretch>,
    /// The coded files, if the image will be read at random.
    pub(crate) unfolded: Vec<Unfolded>,
    /// The plain bytes of the coded files, if there was room to keep them.
    pub(crate) spool: PlainSpool,
    /// The chunks of the coded files in their compressed form, if those were asked for, each with its offset in the
    /// image.
    pub(crate) opaque: PlacedRecords,
    /// The chunks of files that were cut otherwise beside the contents stream, if the rules ask for those, each with its
    /// place in the contents stream, or for a divided image in all its files.
    pub(crate) alone: AloneRecords,
    /// Whether the image is whole, if that was asked for, as make does.
    pub whole: Whole,
    /// Whether entries of a tar lie where its walk was lost, if that was watched for.
    pub has_lost_entries: bool,
    /// The facts about a disk image, if the image is one.
    pub disk: Option<DiskNote>,
    /// The first rules by which it is divided, if it is.
    pub(crate) division: Option<DivisionRules>,
}

impl Ingested {
    /// What was found that the version of the walking rules depends on.
    #[must_use]
    pub fn walk_findings(&self) -> WalkFindings {
        WalkFindings {
            has_coded_files: !self.codings.is_empty(),
            has_coded_zstd: self
                .codings
                .iter()
                .filter_map(CodedStretch::file)
                .any(|coding| coding.format == CodedFormat::Zstd),
            divided_since: self.division.map(DivisionRules::version),
        }
    }
}

/// The input to read.
pub struct Input<'a> {
    /// The source of the bytes.
    pub reader: &'a mut dyn Read,
    /// The input's name, for errors.
    pub name: &'a Path,
    /// The probable size of the input in bytes.
    pub size_hint: Option<u64>,
    /// The same bytes at random, if they are those of a file or a device. Without them, a disk image is not divided.
    pub at_random: Option<&'a (dyn ReadAt + Sync)>,
}

/// The treatment of gzip files that may be coded.
#[derive(Debug, Clone, Copy)]
pub enum GzipFiles<'a> {
    /// They are contents like any others.
    Contents,
    /// They are read in uncompressed form if make would most likely do so. Points are gathered, so that they can be
    /// read at random. Streams of disk images are put aside in the folder; without one, they stay compressed.
    Scan(Option<&'a Path>),
    /// They are put aside in this folder, and read in uncompressed form if they can be rebuilt from that.
    Prove(&'a Path),
}

/// The treatment of the rest of a tar after a damaged header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostHeaders {
    /// The rest is opaque, as in an image that is made.
    Opaque,
    /// The rest is opaque too, but the walk finds out whether a search would find entries.
    Watched,
    /// The next header is searched for. The bytes before it are left out.
    Searched,
}

/// The way in which an image is read.
pub struct Reading<'a> {
    /// The rules by which the image is split into its streams.
    pub rules: WalkRules,
    /// The parameters for cutting.
    pub params: Params,
    /// The workers that hash.
    pub pool: &'a Pool,
    /// The stage of which progress is told.
    pub stage: Stage,
    /// The receiver of progress.
    pub progress: &'a dyn Progress,
    /// The treatment of gzip files in the image.
    pub gzip_files: GzipFiles<'a>,
}

impl Reading<'_> {
    /// Whether the image is being made, and so must be whole.
    fn is_made(&self) -> bool {
        matches!(self.gzip_files, GzipFiles::Prove(_))
    }

    /// A folder for files without names.
    fn scratch(&self) -> Option<&Path> {
        match self.gzip_files {
            GzipFiles::Contents => None,
            GzipFiles::Scan(folder) => folder,
            GzipFiles::Prove(folder) => Some(folder),
        }
    }
}

/// Whether the image and its parts get names.
#[derive(Debug, Clone, Copy)]
enum Naming<'a> {
    No,
    /// They do, if the rules know parts. A catalog remembers how far hashing was.
    Remembered(Option<&'a Catalog>),
    /// They do, and nothing else is wanted of them: there are no chunks. A catalog is used likewise.
    Alone(Option<&'a Catalog>),
}

/// A consumer of chunks, which come in order within each stream.
pub(crate) type ChunkSink<'s> = &'s mut dyn FnMut(Hashed) -> Result<(), LocalError>;

/// Reads all of `input`, and passes each chunk to `sink`.
pub fn ingest(input: Input<'_>, reading: &Reading<'_>, sink: ChunkSink<'_>) -> Result<Ingested, LocalError> {
    ingest_damaged(input, reading, LostHeaders::Opaque, sink)
}

/// Reads an image that is made, with a sink that has errors of its own. A catalog remembers SHA-256 of the image and
/// its parts, so that an image that begins like an earlier one need not be hashed again up to there.
///
/// # Errors
/// Reading fails, or the sink refuses a chunk.
pub fn ingest_made<E: From<LocalError>>(
    input: Input<'_>,
    reading: &Reading<'_>,
    catalog: Option<&Catalog>,
    mut sink: impl FnMut(Hashed) -> Result<(), E>,
) -> Result<Ingested, E> {
    refusing(&mut sink, |sink| ingest_all(input, reading, LostHeaders::Opaque, Naming::Remembered(catalog), sink))
}

/// Reads an image, and computes its digest, its name and those of its parts as they lie in it, but no chunks and no places
/// of parts. Gzip files are read as they are. A catalog spares what it remembers, as in [`ingest_made`].
///
/// # Errors
/// Reading fails.
pub fn ingest_named(
    input: Input<'_>,
    reading: &Reading<'_>,
    catalog: Option<&Catalog>,
) -> Result<Ingested, LocalError> {
    ingest_all(input, reading, LostHeaders::Opaque, Naming::Alone(catalog), &mut |_| Ok(()))
}

/// Reads like [`ingest()`], but from a tar that may have damaged headers.
pub(crate) fn ingest_damaged(
    input: Input<'_>,
    reading: &Reading<'_>,
    lost_headers: LostHeaders,
    sink: ChunkSink<'_>,
) -> Result<Ingested, LocalError> {
    let naming = if reading.is_made() { Naming::Remembered(None) } else { Naming::No };
    ingest_all(input, reading, lost_headers, naming, sink)
}

fn ingest_all(
    input: Input<'_>,
    reading: &Reading<'_>,
    lost_headers: LostHeaders,
    naming: Naming<'_>,
    sink: ChunkSink<'_>,
) -> Result<Ingested, LocalError> {
    let splitter = splitter_of(reading, naming).of_bytes(input.size_hint);
    let mut disk = division::of_input(&input, reading)?;
    let division = disk.as_ref().and_then(|disk| disk.division.as_ref());
    let splitter = match division {
        Some(division) => splitter.divided_by(ops_of(division)),
        None => damaged(splitter, lost_headers),
    };
    let files = division.and_then(|division| FileCutters::new(division, reading.rules, reading.params));
    let mut hashing = Hashing::new(reading.pool, splitter, files, sink);
    hashing.names = match naming {
        Naming::Remembered(catalog) | Naming::Alone(catalog) if reading.rules.have_parts() => Some(Names::new(catalog)),
        _ => None,
    };
    let has_told = disk.as_ref().is_some_and(|disk| disk.division.is_none());
    let mut ingest = Ingest { has_told, ..Ingest::new(reading, input, hashing) };
    if let Some(disk) = &mut disk
        && let Some(division) = disk.division.as_ref().filter(|division| division.has_blocks())
    {
        ingest.disk(division, disk.coding.take())?;
    }
    while let Some(piece) = ingest.next_piece(u64::MAX)? {
        ingest.watch(&piece);
        let taken = ingest.hashing.push(piece.clone())?;
        ingest.rest = piece.slice(taken..);
        if let Some(candidate) = ingest.hashing.candidate() {
            ingest.candidate(candidate)?;
        }
    }
    let Ingest { hashing, bytes, codings, unfolded, watch, spool, .. } = ingest;
    let whole = watch.finish(bytes, &hashing.splitter);
    let has_lost_entries = hashing.splitter.has_lost_entries();
    let Finished { digest, opaque, alone, parts, files, names } = hashing.finish()?;
    let division = disk.as_ref().and_then(|disk| Some(disk.division.as_ref()?.rules));
    let disk = disk.map(|disk| disk.note);
    Ok(Ingested {
        bytes,
        digest,
        parts,
        files,
        names,
        codings,
        unfolded,
        spool: spool.unwrap_or_default(),
        opaque,
        alone,
        whole,
        has_lost_entries,
        disk,
        division,
    })
}

fn splitter_of(reading: &Reading<'_>, naming: Naming<'_>) -> Splitter {
    let splitter = match reading.gzip_files {
        GzipFiles::Contents => Splitter::new(reading.params),
        GzipFiles::Scan(_) | GzipFiles::Prove(_) => Splitter::finding_candidates(reading.params),
    };
    let splitter = splitter.by_rules(reading.rules);
    if matches!(naming, Naming::Alone(_)) { splitter.cutting_nothing() } else { splitter }
}

/// The splitter for an image whose headers may be damaged.
fn damaged(splitter: Splitter, lost_headers: LostHeaders) -> Splitter {
    match lost_headers {
        LostHeaders::Opaque => splitter,
        LostHeaders::Watched => splitter.watching(),
        LostHeaders::Searched => splitter.searching(),
    }
}

/// Runs `read` with a sink for chunks. The first error of `sink` ends it.
fn refusing<T, E: From<LocalError>>(
    sink: &mut dyn FnMut(Hashed) -> Result<(), E>,
    read: impl FnOnce(ChunkSink<'_>) -> Result<T, LocalError>,
) -> Result<T, E> {
    let mut refusal = None;
    let outcome = read(&mut |chunk| {
        sink(chunk).map_err(|error| {
            refusal = Some(error);
            LocalError::Refused
        })
    });
    match refusal {
        Some(error) => Err(error),
        None => Ok(outcome?),
    }
}

/// An image that is being read.
struct Ingest<'a, 'i, 's> {
    reading: &'a Reading<'a>,
    input: Input<'i>,
    blocks: BlockPool,
    hashing: Hashing<'a, 's>,
    /// The bytes that were read, but not taken yet.
    rest: Bytes,
    /// The number of blocks that were read.
    index: u64,
    /// The number of bytes that were read.
    bytes: u64,
    codings: Vec<CodedStretch>,
    unfolded: Vec<Unfolded>,
    watch: Watch,
    /// The plain bytes of coded files in a seed, if there are any, and where the next ones lie in the plain image.
    spool: Option<PlainSpool>,
    spool_at: u64,
    /// Whether the maker was told why the image stays as it is.
    has_told: bool,
}

impl<'a, 'i, 's> Ingest<'a, 'i, 's> {
    fn new(reading: &'a Reading<'a>, input: Input<'i>, hashing: Hashing<'a, 's>) -> Self {
        let (blocks, rest, watch) = (BlockPool::new(input.size_hint), Bytes::new(), Watch::default());
        let (codings, unfolded) = (Vec::new(), Vec::new());
        let (index, bytes, spool, spool_at, has_told) = (0, 0, None, 0, false);
        Self {
            reading,
            input,
            blocks,
            hashing,
            rest,
            index,
            bytes,
            codings,
            unfolded,
            watch,
            spool,
            spool_at,
            has_told,
        }
    }

    /// The image's next bytes, at most `most` of them. The result is `None` at the image's end.
    fn next_piece(&mut self, most: u64) -> Result<Option<Bytes>, LocalError> {
        if self.rest.is_empty() {
            check_time(self.reading.progress)?;
            let read = self.blocks.read(self.input.reader);
            let block = read.map_err(|error| self.error_of(error))?;
            if block.is_empty() {
                return Ok(None);
            }
            if self.bytes == 0 {
                division::tell_of_pipe(&block, &self.input, self.reading);
            }
            self.bytes += block.len() as u64;
            self.reading.progress.add(self.reading.stage, block.len() as u64);
            self.hashing.digest_next(self.index, block.clone())?;
            self.index += 1;
            self.rest = block;
        }
        let len = self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Some(self.rest.split_to(len)))
    }

    /// The number of the image's bytes that were taken.
    fn taken(&self) -> u64 {
        self.bytes - self.rest.len() as u64
    }
}
