//! The hashing half of reading an image: workers hash chunks and blocks while the image is cut.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::{ChunkId, ImageDigest, Params, PiecePlace, Record, block_value, is_zero};
use regrow_image::{Candidate, ImagePart, LastChunks, RawChunk, Splitter};

use super::file_cutters::FileCutters;
use super::names::{Names, Sha256Names};
use super::{AloneRecords, ChunkSink, Hashed, PlacedRecords};
use crate::LocalError;
use crate::pool::{Ordered, Pool};

/// The number of jobs, of one block each, that may wait for a worker. Together with their chunks they bound the
/// memory.
const JOBS_IN_FLIGHT: usize = 6;

/// The result of a worker's job.
struct JobResult {
    chunks: Vec<Hashed>,
    opaque: PlacedRecords,
    alone: AloneRecords,
    digest: Option<(blake3::hazmat::ChainingValue, Option<[u8; 32]>)>,
}

/// Cuts the bytes of the plain image, and has its chunks and the image's blocks hashed by workers.
pub(super) struct Hashing<'p, 's> {
    pool: &'p Pool,
    pub(super) splitter: Splitter,
    /// A block that was read. It is hashed together with the chunks that are cut from it, while it is in the
    /// processor's cache.
    block: Option<(u64, Bytes)>,
    results: Ordered<JobResult>,
    digest: ImageDigest,
    /// The chunks of coded files in compressed form. The first field has those that are cut, and the second those
    /// that are also hashed.
    pub(super) opaque_cut: Vec<(Bytes, u64)>,
    opaque: PlacedRecords,
    /// The chunks of files that were cut otherwise beside the contents stream.
    alone: AloneRecords,
    /// The files of a divided image, if they are cut otherwise too.
    files: Option<FileCutters>,
    sink: ChunkSink<'s>,
    /// The names of the image and of its parts, if they are asked for.
    pub(super) names: Option<Names<'p>>,
}

/// The result of [`Hashing::finish`].
pub(super) struct Finished {
    /// The digest of the image's blocks.
    pub(super) digest: [u8; 32],
    /// The chunks of coded files in compressed form.
    pub(super) opaque: PlacedRecords,
    /// The chunks of files that were cut otherwise.
    pub(super) alone: AloneRecords,
    pub(super) parts: Vec<ImagePart>,
    pub(super) files: Vec<u64>,
    pub(super) names: Option<Sha256Names>,
}

impl<'p, 's> Hashing<'p, 's> {
    pub(super) fn new(pool: &'p Pool, splitter: Splitter, files: Option<FileCutters>, sink: ChunkSink<'s>) -> Self {
        let (results, digest) = (Ordered::new(JOBS_IN_FLIGHT), ImageDigest::default());
        let (opaque_cut, opaque, alone) = (Vec::new(), Vec::new(), Vec::new());
        Self { pool, splitter, block: None, results, digest, opaque_cut, opaque, alone, files, sink, names: None }
    }

    /// Takes in the plain image's next bytes, and returns how many it took. It takes all of them, unless it stops
    /// at a candidate.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<usize, LocalError> {
        let taken = self.splitter.push(piece.clone());
        match &mut self.names {
            Some(names) => names.push(&piece.slice(..taken), &mut self.splitter)?,
            None => drop(self.splitter.take_part_borders()),
        }
        if let Some(files) = &mut self.files {
            files.push(&piece.slice(..taken));
        }
        self.submit()?;
        Ok(taken)
    }

    /// The candidate for a coded file at which the splitter has stopped.
    pub(super) fn candidate(&mut self) -> Option<Candidate> {
        let candidate = self.splitter.candidate()?;
        self.names.iter_mut().for_each(Names::at_candidate);
        Some(candidate)
    }

    pub(super) fn begin_coded(&mut self) -> Result<(), LocalError> {
        self.splitter.begin_coded();
        self.names.as_mut().map_or(Ok(()), |names| names.begin_coded(&self.splitter))
    }

    /// Takes in bytes of the coded file as it is stored.
    pub(super) fn push_stored(&mut self, piece: &Bytes) -> Result<(), LocalError> {
        self.names.as_mut().map_or(Ok(()), |names| names.push_stored(piece))
    }

    pub(super) fn end_coded(&mut self) -> Result<(), LocalError> {
        self.splitter.end_coded();
        self.names.as_mut().map_or(Ok(()), |names| names.end_coded(&mut self.splitter))
    }

    /// Queues the image's block of this number for hashing.
    pub(super) fn digest_next(&mut self, index: u64, block: Bytes) -> Result<(), LocalError> {
        if self.block.is_some() {
            self.submit()?;
        }
        self.block = Some((index, block));
        self.names.as_mut().map_or(Ok(()), Names::begin_block)
    }

    fn submit(&mut self) -> Result<(), LocalError> {
        let (block, chunks) = (self.block.take(), self.splitter.take());
        let (opaque, mut alone) = (std::mem::take(&mut self.opaque_cut), self.splitter.take_alone());
        alone.extend(self.files.iter_mut().flat_map(FileCutters::take));
        if block.is_none() && chunks.is_empty() && opaque.is_empty() && alone.is_empty() {
            return Ok(());
        }
        self.results.push(self.pool.submit(move || hash(block, chunks, &opaque, alone)));
        while let Some(result) = self.results.next_due()? {
            self.take(result)?;
        }
        Ok(())
    }

    fn take(&mut self, result: JobResult) -> Result<(), LocalError> {
        if let Some((value, root)) = result.digest {
            self.names.as_mut().map_or(Ok(()), |names| names.block_hashed(value))?;
            self.digest.push(value, || root.unwrap_or_default());
        }
        self.opaque.extend(result.opaque);
        self.alone.extend(result.alone);
        result.chunks.into_iter().try_for_each(&mut self.sink)
    }

    /// Ends the image.
    pub(super) fn finish(mut self) -> Result<Finished, LocalError> {
        self.submit()?;
        let has_tar = self.splitter.has_tar_part();
        let splitter = std::mem::replace(&mut self.splitter, Splitter::new(Params::default()));
        let LastChunks { chunks, alone, borders, parts, files } = splitter.finish_parts();
        self.results.push(self.pool.submit(move || hash(None, chunks, &[], alone)));
        while let Some(result) = self.results.next()? {
            self.take(result)?;
        }
        let names = self.names.take().map(|names| names.finish(&borders, has_tar)).transpose()?;
        let Self { digest, opaque, alone, .. } = self;
        Ok(Finished { digest: digest.finish(), opaque, alone, parts, files, names })
    }
}

fn record_of(bytes: &[u8]) -> Record {
    // Disk images have many chunks of zeros, nearly all of one length. The chunker cuts after 4 MiB at the latest.
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

fn hash(
    block: Option<(u64, Bytes)>,
    chunks: Vec<RawChunk>,
    opaque: &[(Bytes, u64)],
    alone: Vec<(Bytes, PiecePlace)>,
) -> JobResult {
    let hash = |chunk: RawChunk| {
        let RawChunk { stream, at, unit, bytes } = chunk;
        Hashed { stream, at, unit, record: record_of(&bytes), bytes }
    };
    let digest = block.map(|(index, block)| {
        let root = (index == 0).then(|| *blake3::hash(&block).as_bytes());
        (block_value(index, &block), root)
    });
    let opaque = opaque.iter().map(|(bytes, at)| (record_of(bytes), *at)).collect();
    let alone = alone.into_iter().map(|(bytes, place)| (record_of(&bytes), place)).collect();
    JobResult { chunks: chunks.into_iter().map(hash).collect(), opaque, alone, digest }
}
