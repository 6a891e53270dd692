//! One block of the plain image.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use regrow_chunker::{BLOCK_BYTES, block_value};
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
    pub(super) plain: Vec<u8>,
}

/// A block that is being put together.
pub(super) struct BlockJob<'a> {
    shared: &'a Shared,
    block: Range<u64>,
    plain: Vec<u8>,
    /// The ranges of the image whose bytes come without a seed, in order.
    holes: Vec<Range<u64>>,
    failed: Vec<u32>,
    /// The range of contents in the block.
    contents: Range<u64>,
    /// The chunk that was read last, and whether its seed gave it.
    chunk: Option<(usize, bool)>,
    /// The bytes of that chunk, unless other blocks need it too.
    bytes: Vec<u8>,
    across: Option<Arc<[u8]>>,
}

thread_local! {
    /// A worker's buffers for a block and a chunk. They are reused, because fresh memory costs page faults.
    static BUFFERS: std::cell::Cell<(Vec<u8>, Vec<u8>)> = const { std::cell::Cell::new((Vec::new(), Vec::new())) };
}

impl<'a> BlockJob<'a> {
    /// Puts a block together, writes it, and hashes it if it is complete.
    pub(super) fn run(shared: &'a Shared, block: Range<u64>) -> Result<BlockResult, SyncError> {
        let (mut plain, bytes) = BUFFERS.take();
        plain.resize((block.end - block.start) as usize, 0);
        let contents = shared.target.contents_of(&block);
        let (holes, failed) = (Vec::new(), Vec::new());
        let mut job = Self { shared, block, plain, holes, failed, contents, chunk: None, bytes, across: None };
        job.fill()?;
        let is_coded = shared.output.is_coded();
        let hands_on = is_coded || shared.output.is_pipe();
        if !hands_on {
            job.write()?;
        }
        let is_complete = job.failed.is_empty() && (job.holes.is_empty() || job.read_holes()?);
        let hash = (is_complete && !is_coded).then(|| hash(&job.block, &job.plain));
        let bytes = job.block.end - job.block.start;
        let (plain, kept) = if hands_on { (job.plain, Vec::new()) } else { (Vec::new(), job.plain) };
        BUFFERS.set((kept, job.bytes));
        Ok(BlockResult { block: job.block, bytes, is_complete, hash, failed: job.failed, plain })
    }

    fn fill(&mut self) -> Result<(), SyncError> {
        let shared = self.shared;
        for piece in shared.target.pieces(self.block.clone()) {
            match piece {
                ImagePiece::Skeleton { image, skeleton_at } => {
                    let place = self.place(&image);
                    let read = shared.target.read_skeleton(skeleton_at, &mut self.plain[place]);
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
            if comes_by_itself(self.shared, chunk) || !self.load(chunk) {
                self.add_hole(at..at + len);
            } else {
                let (place, start) = (self.place(&(at..at + len)), (from - range.start) as usize);
                let bytes = self.across.as_deref().unwrap_or(&self.bytes);
                self.plain[place].copy_from_slice(&bytes[start..start + len as usize]);
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
                let read = || shared.seeds.read((seed, place), &record, bytes).then(|| Arc::from(bytes.as_slice()));
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

    fn add_hole(&mut self, image: Range<u64>) {
        match self.holes.last_mut() {
            Some(last) if last.end == image.start => last.end = image.end,
            _ => self.holes.push(image),
        }
    }

    /// Writes everything but the holes.
    fn write(&self) -> Result<(), SyncError> {
        let mut at = self.block.start;
        let end = self.block.end..self.block.end;
        for hole in self.holes.iter().chain([&end]) {
            if at < hole.start {
                self.shared.output.write(at, &self.plain[self.place(&(at..hole.start))])?;
            }
            at = hole.end;
        }
        Ok(())
    }

    /// Fills the holes from the output. Returns `false` if their bytes may not have arrived yet.
    fn read_holes(&mut self) -> Result<bool, SyncError> {
        if !self.shared.is_fetched.load(Ordering::Acquire) {
            return Ok(false);
        }
        for hole in std::mem::take(&mut self.holes) {
            let place = self.place(&hole);
            let read = self.shared.output.read(hole.start, &mut self.plain[place]);
            read.map_err(SyncError::io(self.shared.output.path()))?;
        }
        Ok(true)
    }

    /// The position of a range of the image within the block's bytes.
    fn place(&self, image: &Range<u64>) -> Range<usize> {
        (image.start - self.block.start) as usize..(image.end - self.block.start) as usize
    }
}

fn hash(block: &Range<u64>, bytes: &[u8]) -> BlockHash {
    let root = (block.start == 0).then(|| *blake3::hash(bytes).as_bytes());
    (block_value(block.start / BLOCK_BYTES, bytes), root)
}

/// Hashes a block that is complete in the output.
pub(super) fn hash_written(output: &OutputFile, block: Range<u64>) -> Result<BlockHash, SyncError> {
    let (mut plain, bytes) = BUFFERS.take();
    plain.resize((block.end - block.start) as usize, 0);
    let read = output.read_image(block.start, &mut plain);
    read.map_err(SyncError::io(output.path()))?;
    let hash = hash(&block, &plain);
    BUFFERS.set((plain, bytes));
    Ok(hash)
}
