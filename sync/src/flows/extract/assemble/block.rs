//! One block of the plain image.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use regrow_chunker::{BLOCK_BYTES, VerifiedBuffer, block_value};
use regrow_image::ImagePiece;

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

/// A block that is being put together.
pub(super) struct BlockJob<'a> {
    shared: &'a Shared,
    block: Range<u64>,
    /// The block's bytes so far. Its gaps are the bytes that come without a seed.
    plain: VerifiedBuffer,
    failed: Vec<u32>,
    /// The range of contents in the block.
    contents: Range<u64>,
    /// The chunk that was read last, and whether its seed gave it.
    chunk: Option<(usize, bool)>,
    /// The bytes of that chunk, unless other blocks need it too.
    bytes: VerifiedBuffer,
    across: Option<Arc<VerifiedBuffer>>,
}

thread_local! {
    /// A worker's buffers for a block and a chunk. They are reused, because fresh memory costs page faults.
    static BUFFERS: std::cell::Cell<(VerifiedBuffer, VerifiedBuffer)> = std::cell::Cell::default();
}

impl<'a> BlockJob<'a> {
    /// Puts a block together, writes it, and hashes it if it is complete.
    pub(super) fn run(shared: &'a Shared, block: Range<u64>) -> Result<BlockResult, SyncError> {
        let (mut plain, bytes) = BUFFERS.take();
        plain.clear_for((block.end - block.start) as usize);
        let contents = shared.target.contents_of(&block);
        let mut job = Self { shared, block, plain, failed: Vec::new(), contents, chunk: None, bytes, across: None };
        job.fill()?;
        let is_coded = shared.output.is_coded();
        let hands_on = is_coded || shared.output.is_pipe();
        if !hands_on {
            job.write()?;
        }
        let is_complete = job.failed.is_empty() && (job.plain.whole().is_some() || job.read_gaps()?);
        let whole = if is_complete && !is_coded { job.plain.whole() } else { None };
        let hash = whole.map(|whole| hash(&job.block, whole.bytes()));
        let bytes = job.block.end - job.block.start;
        let (plain, kept) =
            if hands_on { (job.plain, VerifiedBuffer::default()) } else { (VerifiedBuffer::default(), job.plain) };
        BUFFERS.set((kept, job.bytes));
        Ok(BlockResult { block: job.block, bytes, is_complete, hash, failed: job.failed, plain })
    }

    fn fill(&mut self) -> Result<(), SyncError> {
        let shared = self.shared;
        for piece in shared.target.pieces(self.block.clone()) {
            match piece {
                ImagePiece::Skeleton { image, skeleton_at } => {
                    let bytes = (image.end - image.start) as usize;
                    let read = self.plain.push_stored(bytes, |out| shared.target.read_skeleton(skeleton_at, out));
                    read.map_err(SyncError::io("temporary file"))?;
                }
                ImagePiece::Contents { image, contents_at } => self.fill_contents(image, contents_at),
            }
        }
        Ok(())
    }

    /// Fills a range of contents chunk by chunk.
    fn fill_contents(&mut self, image: Range<u64>, contents_at: u64) {
        let contents = &self.shared.target.contents;
        let (mut at, mut from) = (image.start, contents_at);
        let mut chunk = contents.chunk_at(from);
        while at < image.end {
            let range = contents.range(chunk);
            let len = (range.end - from).min(image.end - at);
            let is_given = !comes_by_itself(self.shared, chunk) && self.load(chunk);
            let (start, len_here) = ((from - range.start) as usize, len as usize);
            let bytes = self.across.as_deref().unwrap_or(&self.bytes);
            match bytes.get(start..start + len_here).filter(|_| is_given) {
                Some(bytes) => self.plain.push(bytes),
                None => self.plain.skip(len_here),
            }
            (at, from, chunk) = (at + len, from + len, chunk + 1);
        }
    }

    /// Reads a chunk from its seed, unless it was read last. Returns `false` if the seed does not give it.
    fn load(&mut self, chunk: usize) -> bool {
        if let Some((at_hand, is_whole)) = self.chunk
            && at_hand == chunk
        {
            return is_whole;
        }
        self.across = None;
        let shared = self.shared;
        let (record, range) = (shared.target.contents.record(chunk), shared.target.contents.range(chunk));
        let is_whole = match shared.plan.source(chunk) {
            Source::Seed(seed, place) if range.start >= self.contents.start && range.end <= self.contents.end => {
                shared.seeds.read((seed, place), &record, &mut self.bytes)
            }
            Source::Seed(seed, place) => {
                let bytes = &mut self.bytes;
                let read = || shared.seeds.read((seed, place), &record, bytes).then(|| Arc::new(bytes.clone()));
                self.across = shared.across.get(chunk, read);
                self.across.is_some()
            }
            Source::Missing | Source::Output | Source::Frame { .. } => false,
        };
        if !is_whole {
            self.failed.push(chunk as u32);
        }
        self.chunk = Some((chunk, is_whole));
        is_whole
    }

    /// Writes everything but the gaps.
    fn write(&self) -> Result<(), SyncError> {
        let mut runs = self.plain.runs();
        runs.try_for_each(|(at, bytes)| self.shared.output.write(self.block.start + at as u64, bytes))
    }

    /// Fills the gaps from the output. Returns `false` if their bytes may not have arrived yet.
    fn read_gaps(&mut self) -> Result<bool, SyncError> {
        if !self.shared.is_fetched.load(Ordering::Acquire) {
            return Ok(false);
        }
        let (output, start) = (&self.shared.output, self.block.start);
        let read = self.plain.fill_gaps_stored(|at, out| output.read(start + at as u64, out));
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
        let (plain, bytes) = Default::default();
        let contents = self.target.contents_of(&block);
        let mut job =
            BlockJob { shared: self, block, plain, failed: Vec::new(), contents, chunk: None, bytes, across: None };
        job.fill().map_err(io::Error::other)?;
        if job.plain.whole().is_none() && job.failed.is_empty() {
            job.read_gaps().map_err(io::Error::other)?;
        }
        out.extend_from_slice(job.plain.whole().ok_or(io::ErrorKind::NotFound)?.bytes());
        Ok(())
    }
}

fn hash(block: &Range<u64>, bytes: &[u8]) -> BlockHash {
    let root = (block.start == 0).then(|| *blake3::hash(bytes).as_bytes());
    (block_value(block.start / BLOCK_BYTES, bytes), root)
}

/// Hashes a block that is complete in the output.
pub(super) fn hash_written(output: &OutputFile, block: Range<u64>) -> Result<BlockHash, SyncError> {
    let (buffer, bytes) = BUFFERS.take();
    let mut plain = buffer.into_bytes();
    plain.resize((block.end - block.start) as usize, 0);
    let read = output.read_image(block.start, &mut plain);
    read.map_err(SyncError::io(output.path()))?;
    let hash = hash(&block, &plain);
    BUFFERS.set((VerifiedBuffer::unverified(plain), bytes));
    Ok(hash)
}
