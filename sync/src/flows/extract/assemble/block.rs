//! One block of the plain image.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use regrow_chunker::{BLOCK_BYTES, VerifiedBuffer, block_value};
use regrow_image::ImagePiece;

use super::gather::{PlacedChunk, PlacedChunks, Stretches};
use super::{BlockHash, Shared, comes_by_itself};
use crate::SyncError;
use crate::flows::extract::output::OutputFile;
use crate::plan::locate::Source;

/// The result of putting a block together.
pub(super) struct BlockResult {
    pub(super) block: Range<u64>,
    pub(super) bytes: u64,
    /// Whether all bytes of the block are there.
    pub(super) is_complete: bool,
    /// The hash of a complete block. It is `None` if the image has coded files, since the block is then one of the
    /// plain image.
    pub(super) hash: Option<BlockHash>,
    /// The chunks that a seed did not give.
    pub(super) failed: Vec<u32>,
    /// The block's bytes, if they are not in the output: for pipes, and for images with coded files.
    pub(super) plain: VerifiedBuffer,
}

/// The most pieces of a block that are looked at together. An image may have millions of tiny files in one block.
const PIECES_AT_ONCE: usize = 32 << 10;

/// The buffers of a block. They are used again, because fresh memory costs page faults.
#[derive(Default)]
struct Buffers {
    /// The block's bytes so far. Its gaps are the bytes that come without a seed.
    plain: VerifiedBuffer,
    /// The bytes of the chunk that was loaded last.
    bytes: VerifiedBuffer,
    /// Bytes on their way.
    scratch: Vec<u8>,
    pieces: Vec<ImagePiece>,
    chunks: PlacedChunks,
    stretches: Stretches,
}

/// A block that is being put together.
pub(super) struct BlockJob<'a> {
    shared: &'a Shared,
    block: Range<u64>,
    buffers: Buffers,
    failed: Vec<u32>,
    /// The range of contents that is being put together.
    contents: Range<u64>,
    /// The chunk that was loaded last, if other blocks need it too.
    across: Option<Arc<VerifiedBuffer>>,
}

thread_local! {
    /// The buffers of a worker.
    static BUFFERS: std::cell::Cell<Buffers> = std::cell::Cell::default();
}

impl<'a> BlockJob<'a> {
    fn new(shared: &'a Shared, block: Range<u64>, mut buffers: Buffers) -> Self {
        let bytes = (block.end - block.start) as usize;
        buffers.plain.clear_for(bytes);
        buffers.plain.skip(bytes);
        Self { shared, block, buffers, failed: Vec::new(), contents: 0..0, across: None }
    }

    /// Puts a block together, writes it, and hashes it if it is complete.
    pub(super) fn run(shared: &'a Shared, block: Range<u64>) -> Result<BlockResult, SyncError> {
        let mut job = Self::new(shared, block, BUFFERS.take());
        job.fill()?;
        let is_coded = shared.output.is_coded();
        let hands_on = is_coded || shared.output.is_pipe();
        if !hands_on {
            job.write()?;
        }
        let is_complete = job.failed.is_empty() && (job.buffers.plain.whole().is_some() || job.read_gaps()?);
        let whole = if is_complete && !is_coded { job.buffers.plain.whole() } else { None };
        let hash = whole.map(|whole| hash(&job.block, whole.bytes()));
        let bytes = job.block.end - job.block.start;
        let plain = if hands_on { std::mem::take(&mut job.buffers.plain) } else { VerifiedBuffer::default() };
        BUFFERS.set(job.buffers);
        Ok(BlockResult { block: job.block, bytes, is_complete, hash, failed: job.failed, plain })
    }

    fn fill(&mut self) -> Result<(), SyncError> {
        let mut start = self.block.start;
        while start < self.block.end {
            self.buffers.pieces.clear();
            self.buffers.pieces.extend(self.shared.target.pieces(start..self.block.end).take(PIECES_AT_ONCE));
            let Some(end) = self.buffers.pieces.last().map(|piece| image_of(piece).end) else { break };
            self.contents = self.shared.target.contents_of(&(start..end));
            self.buffers.chunks.find(&self.buffers.pieces, &self.shared.target.contents, self.block.start);
            self.read_stretches();
            self.put_skeleton()?;
            for number in 0..self.buffers.chunks.chunks.len() {
                self.put_chunk(number);
            }
            start = end;
        }
        Ok(())
    }

    /// Reads the stretches of seeds that hold chunks of the block to their places. What they give there is not verified.
    fn read_stretches(&mut self) {
        let (shared, buffers) = (self.shared, &mut self.buffers);
        let PlacedChunks { chunks, parts } = &mut buffers.chunks;
        buffers.stretches.clear();
        for chunk in chunks {
            let range = shared.target.contents.range(chunk.number);
            let is_whole = range.start >= self.contents.start && range.end <= self.contents.end;
            if let Source::Seed(seed, place) = shared.plan.source(chunk.number)
                && is_whole
                && !shared.is_repaired(chunk.number)
            {
                chunk.is_read = buffers.stretches.add(&shared.seeds, (seed, place), &parts[chunk.parts.clone()]);
            }
        }
        for stretch in &buffers.stretches.stretches {
            let read = |out: &mut [u8]| shared.seeds.read_plain(stretch.seed, stretch.seed_at, out);
            // A chunk whose bytes do not come is not what its id says, and is then asked for by itself.
            let _ = buffers.plain.read_into_gap(stretch.block.clone(), read);
        }
    }

    /// Puts the pieces of the skeleton to their places. All of them lie in one stretch of its stream.
    fn put_skeleton(&mut self) -> Result<(), SyncError> {
        let Buffers { plain, scratch, pieces, .. } = &mut self.buffers;
        let range = |piece: &ImagePiece| match piece {
            ImagePiece::Skeleton { image, skeleton_at } => Some((image.clone(), *skeleton_at)),
            ImagePiece::Contents { .. } => None,
        };
        let [first, last] = [pieces.iter().find_map(range), pieces.iter().rev().find_map(range)];
        let (Some((_, first_at)), Some((last, last_at))) = (first, last) else { return Ok(()) };
        // Between the pieces there are only the numbers of operations.
        scratch.resize((last_at + (last.end - last.start) - first_at) as usize, 0);
        let failed = || SyncError::io("temporary file");
        self.shared.target.read_skeleton(first_at, scratch).map_err(failed())?;
        for (image, skeleton_at) in pieces.iter().filter_map(range) {
            let place = (image.start - self.block.start) as usize..(image.end - self.block.start) as usize;
            let at = (skeleton_at - first_at) as usize;
            let stored = &scratch[at..at + place.len()];
            let put = plain.put_stored(place, |out| {
                out.copy_from_slice(stored);
                Ok(())
            });
            put.map_err(failed())?;
        }
        Ok(())
    }

    /// Verifies a chunk at its place, if it was read there. Otherwise, and if it is not what its id says, asks the seeds for
    /// it. The chunk stays a gap if none gives it.
    fn put_chunk(&mut self, number: usize) {
        let Buffers { plain, scratch, chunks, .. } = &mut self.buffers;
        let PlacedChunk { number, from, parts, is_read } = chunks.chunks[number].clone();
        if comes_by_itself(self.shared, number) {
            return;
        }
        let id = self.shared.target.contents.record(number).id;
        if (is_read && plain.verify_parts(&chunks.parts[parts.clone()], &id, scratch)) || !self.load(number) {
            return;
        }
        let Buffers { plain, bytes, chunks, .. } = &mut self.buffers;
        let (bytes, mut at) = (self.across.as_deref().unwrap_or(bytes), from);
        for part in &chunks.parts[parts] {
            bytes.get(at..at + part.len()).map(|bytes| plain.put(part.start, bytes));
            at += part.len();
        }
    }

    /// Reads a chunk from its seed. Returns `false` if the seed does not give it.
    fn load(&mut self, chunk: usize) -> bool {
        self.across = None;
        let shared = self.shared;
        let (record, range) = (shared.target.contents.record(chunk), shared.target.contents.range(chunk));
        let bytes = &mut self.buffers.bytes;
        let is_whole = match shared.plan.source(chunk) {
            Source::Seed(seed, place) if range.start >= self.contents.start && range.end <= self.contents.end => {
                shared.seeds.read((seed, place), &record, bytes)
            }
            Source::Seed(seed, place) => {
                let read = || shared.seeds.read((seed, place), &record, bytes).then(|| Arc::new(bytes.clone()));
                self.across = shared.across.get(chunk, read);
                self.across.is_some()
            }
            Source::Missing | Source::Output | Source::Frame { .. } => false,
        };
        if !is_whole && self.failed.last() != Some(&(chunk as u32)) {
            self.failed.push(chunk as u32);
        }
        is_whole
    }

    /// Writes everything but the gaps.
    fn write(&self) -> Result<(), SyncError> {
        let mut runs = self.buffers.plain.runs();
        runs.try_for_each(|(at, bytes)| self.shared.output.write(self.block.start + at as u64, bytes))
    }

    /// Fills the gaps from the output. Returns `false` if their bytes may not have arrived yet.
    fn read_gaps(&mut self) -> Result<bool, SyncError> {
        if !self.shared.is_fetched.load(Ordering::Acquire) {
            return Ok(false);
        }
        let (output, start) = (&self.shared.output, self.block.start);
        let read = self.buffers.plain.fill_gaps_stored(|at, out| output.read(start + at as u64, out));
        read.map_err(SyncError::io(output.path()))?;
        Ok(true)
    }
}

impl Shared {
    /// Reads bytes of the plain image once all of it was written.
    pub(in crate::flows::extract) fn read_plain(&self, block: Range<u64>, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        if !self.output.keeps_fetched_apart() {
            out.resize((block.end - block.start) as usize, 0);
            return self.output.read(block.start, out);
        }
        let mut job = BlockJob::new(self, block, Buffers::default());
        job.fill().map_err(io::Error::other)?;
        if job.buffers.plain.whole().is_none() && job.failed.is_empty() {
            job.read_gaps().map_err(io::Error::other)?;
        }
        out.extend_from_slice(job.buffers.plain.whole().ok_or(io::ErrorKind::NotFound)?.bytes());
        Ok(())
    }
}

fn image_of(piece: &ImagePiece) -> &Range<u64> {
    match piece {
        ImagePiece::Skeleton { image, .. } | ImagePiece::Contents { image, .. } => image,
    }
}

fn hash(block: &Range<u64>, bytes: &[u8]) -> BlockHash {
    let root = (block.start == 0).then(|| *blake3::hash(bytes).as_bytes());
    (block_value(block.start / BLOCK_BYTES, bytes), root)
}

/// Hashes a block that is complete in the output.
pub(super) fn hash_written(output: &OutputFile, block: Range<u64>) -> Result<BlockHash, SyncError> {
    let mut buffers = BUFFERS.take();
    let mut plain = std::mem::take(&mut buffers.plain).into_bytes();
    plain.resize((block.end - block.start) as usize, 0);
    let read = output.read_image(block.start, &mut plain);
    read.map_err(SyncError::io(output.path()))?;
    let hash = hash(&block, &plain);
    BUFFERS.set(Buffers { plain: VerifiedBuffer::unverified(plain), ..buffers });
    Ok(hash)
}
