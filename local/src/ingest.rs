//! Reading an image once, front to back: its chunks with their ids, in order, and its digest. Both make and the scan of a
//! seed go through here. The reading thread walks and cuts; workers hash. Gzip files in it are taken care of by `candidate`.

mod blocks;
mod candidate;
mod plain;
mod whole;

use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::{ChunkId, ImageDigest, Params, Record, block_value, is_zero};
use regrow_image::{RawChunk, Splitter, StreamKind};
use regrow_index::Coding;

use crate::coded::Unfolded;
use crate::pool::{Ordered, Pool};
use crate::progress::check_time;
use crate::{LocalError, Progress, Stage};

use blocks::BlockPool;
pub use plain::{PlainPiece, PlainSource, ingest_plain};
use whole::Watch;
pub use whole::WatchedFile;
pub use whole::Whole;

/// Jobs that may wait to be hashed, of a block each: with their chunks they bound the memory.
const JOBS_IN_FLIGHT: usize = 6;

/// A chunk with its id.
pub struct Hashed {
    /// The stream that it is cut of.
    pub stream: StreamKind,
    /// Where it begins in its stream.
    pub at: u64,
    /// Its id and length.
    pub record: Record,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Chunks, and where in the image each begins.
pub(crate) type PlacedRecords = Vec<(Record, u64)>;

/// What an image was found to be.
pub struct Ingested {
    /// How many bytes it has.
    pub bytes: u64,
    /// BLAKE3 of the image.
    pub digest: [u8; 32],
    /// How its coded files are made, if that was to be found out.
    pub codings: Vec<Coding>,
    /// Its coded files, if it is to be read at random.
    pub(crate) unfolded: Vec<Unfolded>,
    /// Chunks of these as they are, should they be wanted so, and where in the image each begins.
    pub(crate) opaque: PlacedRecords,
    /// Whether it is whole, if that was to be found out: for make.
    pub whole: Whole,
    /// Whether entries of a tar lie where its walk was lost, if that was watched.
    pub has_lost_entries: bool,
}

/// What is read.
pub struct Input<'a> {
    /// Gives the bytes.
    pub reader: &'a mut dyn Read,
    /// For errors.
    pub name: &'a Path,
    /// How many bytes it probably has.
    pub size_hint: Option<u64>,
}

/// What becomes of gzip files that may be coded.
#[derive(Debug, Clone, Copy)]
pub enum GzipFiles<'a> {
    /// They are contents like others.
    Contents,
    /// They are read as what they hold if make would most likely do so, and points are gathered to read them at random.
    Scan,
    /// They are put aside in this folder, and read as what they hold if they can be made again of it.
    Prove(&'a Path),
}

/// What becomes of a tar behind a header that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostHeaders {
    /// It is opaque, as in an image that is made.
    Opaque,
    /// So it is, and it is found out whether a search would find entries.
    Watched,
    /// The next header is looked for. What comes before it is left out.
    Searched,
}

/// How an image is read.
pub struct Reading<'a> {
    /// How it is cut.
    pub params: Params,
    /// The workers that hash.
    pub pool: &'a Pool,
    /// The stage that progress is told for.
    pub stage: Stage,
    /// Is told of progress.
    pub progress: &'a dyn Progress,
    /// What becomes of gzip files in it.
    pub gzip_files: GzipFiles<'a>,
}

/// Takes chunks, each stream's in its order.
pub(crate) type ChunkSink<'s> = &'s mut dyn FnMut(Hashed) -> Result<(), LocalError>;

/// Reads all of `input`; hands each chunk to `sink`.
pub fn ingest(input: Input<'_>, reading: &Reading<'_>, sink: ChunkSink<'_>) -> Result<Ingested, LocalError> {
    ingest_damaged(input, reading, LostHeaders::Opaque, sink)
}

/// The same for a tar of which headers may be lost.
pub(crate) fn ingest_damaged(
    input: Input<'_>,
    reading: &Reading<'_>,
    lost_headers: LostHeaders,
    sink: ChunkSink<'_>,
) -> Result<Ingested, LocalError> {
    let splitter = match reading.gzip_files {
        GzipFiles::Contents => Splitter::new(reading.params),
        GzipFiles::Scan | GzipFiles::Prove(_) => Splitter::finding_candidates(reading.params),
    };
    let splitter = match lost_headers {
        LostHeaders::Opaque => splitter,
        LostHeaders::Watched => splitter.watching(),
        LostHeaders::Searched => splitter.searching(),
    };
    let blocks = BlockPool::new(input.size_hint);
    let hashing = Hashing::new(reading.pool, splitter, sink);
    let mut ingest = Ingest {
        reading,
        input,
        blocks,
        hashing,
        rest: Bytes::new(),
        index: 0,
        bytes: 0,
        codings: Vec::new(),
        unfolded: Vec::new(),
        watch: Watch::default(),
    };
    while let Some(piece) = ingest.next_piece(u64::MAX)? {
        ingest.watch(&piece);
        let taken = ingest.hashing.push(piece.clone())?;
        ingest.rest = piece.slice(taken..);
        if let Some(candidate) = ingest.hashing.splitter.candidate() {
            ingest.candidate(candidate)?;
        }
    }
    let Ingest { hashing, bytes, codings, unfolded, watch, .. } = ingest;
    let whole = watch.finish(bytes, &hashing.splitter);
    let has_lost_entries = hashing.splitter.has_lost_entries();
    let (digest, opaque) = hashing.finish()?;
    Ok(Ingested { bytes, digest, codings, unfolded, opaque, whole, has_lost_entries })
}

/// The same with a sink that has errors of its own.
///
/// # Errors
/// Those of reading, and the first one of the sink.
pub fn ingest_into<E: From<LocalError>>(
    input: Input<'_>,
    reading: &Reading<'_>,
    mut sink: impl FnMut(Hashed) -> Result<(), E>,
) -> Result<Ingested, E> {
    refusing(&mut sink, |sink| ingest(input, reading, sink))
}

/// Runs `read` with a sink for chunks; the first error of `sink` ends it.
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
    /// What was read and not taken yet.
    rest: Bytes,
    /// Blocks that were read.
    index: u64,
    /// Bytes that were read.
    bytes: u64,
    codings: Vec<Coding>,
    unfolded: Vec<Unfolded>,
    watch: Watch,
}

impl Ingest<'_, '_, '_> {
    /// The image's next bytes, at most `most`; `None` at its end.
    fn next_piece(&mut self, most: u64) -> Result<Option<Bytes>, LocalError> {
        if self.rest.is_empty() {
            check_time(self.reading.progress)?;
            let read = self.blocks.read(self.input.reader);
            let block = read.map_err(|error| self.error_of(error))?;
            if block.is_empty() {
                return Ok(None);
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

    /// How many of the image's bytes were taken.
    fn taken(&self) -> u64 {
        self.bytes - self.rest.len() as u64
    }
}

/// What workers give back.
struct JobResult {
    chunks: Vec<Hashed>,
    opaque: PlacedRecords,
    digest: Option<(blake3::hazmat::ChainingValue, Option<[u8; 32]>)>,
}

/// Cuts the plain image's bytes and has the chunks hashed, and the image's blocks.
struct Hashing<'p, 's> {
    pool: &'p Pool,
    splitter: Splitter,
    /// A block that was read, to be hashed together with the chunks that are cut of it: it is in the cache then.
    block: Option<(u64, Bytes)>,
    results: Ordered<JobResult>,
    digest: ImageDigest,
    /// Chunks of coded files as they are: cut, and hashed.
    opaque_cut: Vec<(Bytes, u64)>,
    opaque: PlacedRecords,
    sink: ChunkSink<'s>,
    /// Bytes of the plain image.
    plain_bytes: u64,
}

impl<'p, 's> Hashing<'p, 's> {
    fn new(pool: &'p Pool, splitter: Splitter, sink: ChunkSink<'s>) -> Self {
        let (results, digest) = (Ordered::new(JOBS_IN_FLIGHT), ImageDigest::default());
        let (opaque_cut, opaque) = (Vec::new(), Vec::new());
        Self { pool, splitter, block: None, results, digest, opaque_cut, opaque, sink, plain_bytes: 0 }
    }

    /// Takes in the plain image's next bytes; returns how many. They are all, unless it stands at a candidate.
    fn push(&mut self, piece: Bytes) -> Result<usize, LocalError> {
        let taken = self.splitter.push(piece);
        self.plain_bytes += taken as u64;
        self.submit()?;
        Ok(taken)
    }

    /// The image's block of this number is to be hashed.
    fn digest_next(&mut self, index: u64, block: Bytes) -> Result<(), LocalError> {
        if self.block.is_some() {
            self.submit()?;
        }
        self.block = Some((index, block));
        Ok(())
    }

    fn submit(&mut self) -> Result<(), LocalError> {
        let (block, chunks) = (self.block.take(), self.splitter.take());
        let opaque = std::mem::take(&mut self.opaque_cut);
        if block.is_none() && chunks.is_empty() && opaque.is_empty() {
            return Ok(());
        }
        self.results.push(self.pool.submit(move || hash(block, chunks, opaque)));
        while let Some(result) = self.results.next_due()? {
            self.take(result)?;
        }
        Ok(())
    }

    fn take(&mut self, result: JobResult) -> Result<(), LocalError> {
        if let Some((value, root)) = result.digest {
            self.digest.push(value, || root.unwrap_or_default());
        }
        self.opaque.extend(result.opaque);
        result.chunks.into_iter().try_for_each(&mut self.sink)
    }

    /// The image ends here; returns the digest of its blocks, and the chunks of coded files as they are.
    fn finish(mut self) -> Result<([u8; 32], PlacedRecords), LocalError> {
        self.submit()?;
        let splitter = std::mem::replace(&mut self.splitter, Splitter::new(Params::default()));
        let last = splitter.finish();
        self.results.push(self.pool.submit(move || hash(None, last, Vec::new())));
        while let Some(result) = self.results.next()? {
            self.take(result)?;
        }
        Ok((self.digest.finish(), self.opaque))
    }
}

fn record_of(bytes: &[u8]) -> Record {
    // Disk images have many chunks of zeros, nearly all of one length. The chunker cuts at 4 MiB at the latest.
    static ZEROS: Mutex<Option<Record>> = Mutex::new(None);
    let record = || Record { id: ChunkId::of(bytes), len: bytes.len() as u32 };
    if !is_zero(bytes) {
        return record();
    }
    let mut zeros = ZEROS.lock().unwrap_or_else(PoisonError::into_inner);
    match *zeros {
        Some(zeros) if zeros.len as usize == bytes.len() => zeros,
        _ => *zeros.insert(record()),
    }
}

fn hash(block: Option<(u64, Bytes)>, chunks: Vec<RawChunk>, opaque: Vec<(Bytes, u64)>) -> JobResult {
    let hash = |chunk: RawChunk| {
        let RawChunk { stream, at, bytes } = chunk;
        Hashed { stream, at, record: record_of(&bytes), bytes }
    };
    let digest = block.map(|(index, block)| {
        let root = (index == 0).then(|| *blake3::hash(&block).as_bytes());
        (block_value(index, &block), root)
    });
    let opaque = opaque.iter().map(|(bytes, at)| (record_of(bytes), *at)).collect();
    JobResult { chunks: chunks.into_iter().map(hash).collect(), opaque, digest }
}
