//! Writes the image in blocks.
//!
//! Each block is put together from the skeleton and from seeds, verified chunk by chunk, hashed and written at once.
//! Meanwhile the missing chunks arrive from the stores and go to their places. The image's digest is computed from the
//! hashes of the blocks.

mod across;
mod block;
mod coded;
mod gather;
mod joined;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use blake3::hazmat::ChainingValue;
use bytes::Bytes;
use regrow_chunker::{BLOCK_BYTES, ImageDigest, Verified, VerifiedRuns};
use regrow_local::{Ordered, Pending, Seeds, check_time, spawn_scoped};

use super::output::OutputFile;
use super::{Form, Run};
use crate::plan::locate::{Counts, Plan, Source};
use crate::plan::target::Target;
use crate::transfer::delivery::{Delivery, Placed};
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;
use crate::{Stage, SyncError};

use across::AcrossBlocks;
use block::{BlockJob, BlockResult};
pub(crate) use coded::CodedFile;
pub(super) use coded::check_encoders;
use joined::Stretch;

/// The most blocks that may wait to be written.
const BLOCKS_IN_FLIGHT: usize = 3;

/// The things that the workers share.
pub(super) struct Shared {
    target: Arc<Target>,
    seeds: Arc<Seeds>,
    output: Arc<OutputFile>,
    plan: Plan,
    /// Whether everything that comes from stores is in the output.
    is_fetched: AtomicBool,
    /// Chunks that a seed should have given, but that were then fetched into the output.
    repaired: RwLock<HashSet<u32>>,
    across: AcrossBlocks,
}

impl Shared {
    /// Takes the image that is put together, the sources of its chunks, and the output.
    pub(super) fn new(target: Arc<Target>, seeds: Arc<Seeds>, output: Arc<OutputFile>, plan: Plan) -> Arc<Self> {
        let (is_fetched, repaired, across) = (AtomicBool::new(false), RwLock::default(), AcrossBlocks::default());
        Arc::new(Self { target, seeds, output, plan, is_fetched, repaired, across })
    }

    fn is_repaired(&self, chunk: usize) -> bool {
        let repaired = self.repaired.read().unwrap_or_else(PoisonError::into_inner);
        !repaired.is_empty() && repaired.contains(&(chunk as u32))
    }
}

/// A function that takes the next bytes of an image.
pub(super) type Taker<'t> = &'t mut dyn FnMut(Verified<'_>) -> Result<(), SyncError>;

/// Puts an image together.
pub(super) struct Assembly<'a> {
    run: &'a Run<'a>,
    fetcher: Fetcher<'a>,
    packs: Packs,
    shared: Arc<Shared>,
}

/// The hash of a block: its chaining value in the tree. For the first block, also its plain hash, in case it is the
/// only one.
type BlockHash = (ChainingValue, Option<[u8; 32]>);

/// The hashes of the blocks that are complete, and the chunks that seeds did not give.
type Blocks = (Vec<Option<BlockHash>>, Vec<u32>);

impl<'a> Assembly<'a> {
    pub(super) fn new(run: &'a Run<'a>, fetcher: Fetcher<'a>, packs: Packs, shared: Arc<Shared>) -> Self {
        Self { run, fetcher, packs, shared }
    }

    /// Writes the whole image and checks its digest. Returns the digest of what was written.
    pub(super) fn run(mut self, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        self.shared.plan.count_local(&self.shared.target.contents, counts);
        self.run.progress.begin(Stage::Write, Some(self.shared.target.plain_bytes));
        let digest = if self.shared.output.is_coded() {
            self.write_coded(counts)?
        } else if self.shared.output.is_pipe() {
            let output = Arc::clone(&self.shared.output);
            self.write_in_order(counts, &mut |bytes| output.send(bytes))?
        } else {
            self.write_anywhere(counts)?
        };
        self.run.progress.end(Stage::Write);
        // The index states no digest of a plain image, but each of its chunks was verified.
        if self.run.form == Form::Image && digest != self.shared.target.digest {
            self.shared.output.discard();
            return Err(self.shared.output.wrong_digest());
        }
        Ok(digest)
    }

    /// Writes to a file, where missing chunks may arrive while blocks are written.
    fn write_anywhere(&mut self, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        if self.fetcher.first_store_is_local() {
            // There is nothing to wait for, and blocks that are put together once everything has arrived are hashed in
            // passing. Others must be read again for that.
            let fetched = self.fetch(&self.shared.plan, counts);
            self.shared.is_fetched.store(fetched.is_ok(), Ordering::Release);
            // If something is missing, the next run has at least what seeds give.
            let written = self.write_blocks()?;
            return fetched.and_then(|()| self.complete(written, counts));
        }
        let fetched = std::thread::scope(|scope| {
            let fetching = spawn_scoped(scope, || {
                let mut fetched = Counts::default();
                let result = self.fetch(&self.shared.plan, &mut fetched);
                self.shared.is_fetched.store(result.is_ok(), Ordering::Release);
                result.map(|()| fetched)
            })?;
            let written = self.write_blocks();
            let fetched = fetching.join().map_err(|_| SyncError::Worker)?;
            Ok::<_, SyncError>((written?, fetched?))
        });
        let (written, fetched) = fetched?;
        counts.cache.add(fetched.cache.chunks, fetched.cache.bytes);
        counts.store.add(fetched.store.chunks, fetched.store.bytes);
        self.complete(written, counts)
    }

    /// Fetches what seeds did not give, and returns the digest of all blocks.
    fn complete(&mut self, (mut hashes, failed): Blocks, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        self.repair(&failed, counts)?;
        self.hash_rest(&mut hashes)?;
        let mut digest = ImageDigest::default();
        for (value, root) in hashes.into_iter().flatten() {
            digest.push(value, || root.unwrap_or_default());
        }
        Ok(digest.finish())
    }

    /// Puts all blocks together. Returns the hashes of those that are complete, and the chunks that seeds did not give.
    fn write_blocks(&self) -> Result<Blocks, SyncError> {
        let (mut hashes, mut failed) = (Vec::new(), Vec::new());
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let mut take = |result: Result<BlockResult, SyncError>| {
            let result = result?;
            self.run.progress.add(Stage::Write, result.bytes);
            hashes.push(result.hash);
            failed.extend(result.failed);
            Ok::<(), SyncError>(())
        };
        for block in self.shared.output.blocks() {
            check_time(self.run.progress)?;
            queue.push(self.submit(block));
            while let Some(result) = queue.next_due()? {
                take(result)?;
            }
        }
        while let Some(result) = queue.next()? {
            take(result)?;
        }
        failed.sort_unstable();
        failed.dedup();
        Ok((hashes, failed))
    }

    /// Hashes the blocks that were not complete when they were written.
    fn hash_rest(&self, hashes: &mut [Option<BlockHash>]) -> Result<(), SyncError> {
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let mut numbers = Vec::new();
        let mut results = Vec::new();
        for (number, block) in self.shared.output.blocks().enumerate() {
            if hashes.get(number).is_some_and(Option::is_none) {
                numbers.push(number);
                let shared = Arc::clone(&self.shared);
                queue.push(self.run.pool.submit(move || block::hash_written(&shared.output, block)));
                results.extend(queue.next_due()?);
            }
        }
        while let Some(result) = queue.next()? {
            results.push(result);
        }
        for (number, result) in numbers.into_iter().zip(results) {
            hashes[number] = Some(result?);
        }
        Ok(())
    }

    /// Hands the image on in order, and returns the digest. Nothing compares it with the one that an index states.
    pub(super) fn hand_on(mut self, counts: &mut Counts, take: Taker<'_>) -> Result<[u8; 32], SyncError> {
        self.shared.plan.count_local(&self.shared.target.contents, counts);
        self.run.progress.begin(Stage::Write, Some(self.shared.target.plain_bytes));
        let digest = self.write_in_order(counts, take)?;
        self.run.progress.end(Stage::Write);
        Ok(digest)
    }

    /// Writes to a pipe, or to whoever takes the bytes: fetches all missing chunks first, then sends the blocks in order.
    fn write_in_order(&mut self, counts: &mut Counts, take: Taker<'_>) -> Result<[u8; 32], SyncError> {
        self.fetch(&self.shared.plan, counts)?;
        self.shared.is_fetched.store(true, Ordering::Release);
        let mut digest = ImageDigest::default();
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let mut blocks = self.shared.output.blocks();
        loop {
            check_time(self.run.progress)?;
            let next = blocks.next();
            let is_last = next.is_none();
            if let Some(block) = next {
                queue.push(self.submit(block.clone()));
            }
            while let Some(result) = if is_last { queue.next()? } else { queue.next_due()? } {
                let mut result = result?;
                while !result.failed.is_empty() {
                    // If the chunk lies across two blocks, the repair of the first block may have fetched it already.
                    let is_new = |chunk: &u32| !self.shared.is_repaired(*chunk as usize);
                    let failed: Vec<u32> = result.failed.iter().copied().filter(is_new).collect();
                    self.repair(&failed, counts)?;
                    result = self.submit(result.block.clone()).wait()??;
                }
                // A block without a hash is not complete, so nothing of it is sent.
                let (value, root) = result.hash.ok_or(SyncError::Worker)?;
                take(result.plain.whole().ok_or(SyncError::Worker)?)?;
                self.run.progress.add(Stage::Write, result.bytes);
                digest.push(value, || root.unwrap_or_default());
            }
            if is_last {
                return Ok(digest.finish());
            }
        }
    }

    fn submit(&self, block: Range<u64>) -> Pending<Result<BlockResult, SyncError>> {
        let shared = Arc::clone(&self.shared);
        self.run.pool.submit(move || BlockJob::run(&shared, block))
    }

    /// Fetches the chunks whose source is a frame, and writes them to their places in the output.
    fn fetch(&self, plan: &Plan, counts: &mut Counts) -> Result<(), SyncError> {
        let shared = Arc::clone(&self.shared);
        let sink = Arc::new(move |plain: &VerifiedRuns<Bytes>, chunks: &[Placed]| write_chunks(&shared, plain, chunks));
        let stream = Arc::clone(&self.shared.target.contents);
        let delivery = Delivery { fetcher: &self.fetcher, packs: &self.packs, stream, sink };
        counts.add(delivery.run(plan.chunks_in_frames())?);
        Ok(())
    }

    /// Fetches the chunks that seeds turned out not to have.
    fn repair(&mut self, failed: &[u32], counts: &mut Counts) -> Result<(), SyncError> {
        if failed.is_empty() {
            return Ok(());
        }
        self.run.progress.warn(&format!("{} chunks of a seed changed while it was read; fetching them", failed.len()));
        let target = Arc::clone(&self.shared.target);
        let mut plan = Plan::of_failed(&target.contents, failed);
        plan.locate(&self.fetcher, &mut self.packs, &target)?;
        self.fetch(&plan, counts)?;
        self.shared.plan.uncount_local(&target.contents, failed, counts);
        self.shared.repaired.write().unwrap_or_else(PoisonError::into_inner).extend(failed);
        Ok(())
    }
}

/// Writes chunks of contents to all their places in the image, and joins neighbours.
fn write_chunks(shared: &Shared, plain: &VerifiedRuns<Bytes>, chunks: &[Placed]) -> Result<(), SyncError> {
    let mut stretches = Vec::new();
    for (chunk, range) in chunks {
        let mut at = range.start;
        for place in shared.target.places(*chunk) {
            let end = range.end.min(at + (place.end - place.start) as usize);
            stretches.push(Stretch { image_at: place.start, plain: at..end });
            at = end;
        }
    }
    joined::write(stretches, plain, |at, bytes| shared.output.write(at, bytes))
}

/// Whether a chunk's bytes are, or will be, in the output without the help of a seed.
fn comes_by_itself(shared: &Shared, chunk: usize) -> bool {
    matches!(shared.plan.source(chunk), Source::Output | Source::Frame { .. }) || shared.is_repaired(chunk)
}

const _: () = assert!(BLOCK_BYTES <= usize::MAX as u64);
