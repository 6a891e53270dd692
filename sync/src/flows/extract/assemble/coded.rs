//! Writes images with coded files.
//!
//! The plain image is put together range by range. The compressed stream of each gzip member, and each zstd frame, is
//! rebuilt from its plain bytes, and written in their place. In a file, as many members, or runs of small ones, are made
//! side by side as there are cores; in a pipe, one after the other.

mod held;
mod member;
mod tasks;
mod whole;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use regrow_chunker::{BLOCK_BYTES, ImageDigest};
use regrow_local::{CodedBlocks, DiskMaker, LocalError, Ordered, Pool, StreamMaker, WholeCoding, spawn_scoped};

use super::block::{BlockJob, BlockResult, hash_written};
use super::{Assembly, BLOCKS_IN_FLIGHT, Shared};
use crate::plan::locate::Counts;
use crate::{Progress, Stage, SyncError};

pub(crate) use member::CodedFile;
use member::Members;
pub(crate) use tasks::check_encoders;
use tasks::{Task, TaskForm, drivers, tasks};
use whole::WholeIndex;

/// The plain bytes that are put together at a time.
const STEP_BYTES: u64 = 1 << 20;

/// The outcome of a task.
enum Ended {
    Done,
    /// Seeds did not give these chunks, and they could not be fetched either.
    Without(Vec<u32>),
}

/// Tells whether everything that comes from stores has arrived.
#[derive(Default)]
struct Arrival {
    state: Mutex<Option<bool>>,
    changed: Condvar,
}

impl Arrival {
    fn tell(&self, is_there: bool) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(is_there);
        self.changed.notify_all();
    }

    /// Waits for the arrival. Returns `false` if it will never come.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *state {
                Some(is_there) => return is_there,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A function that writes bytes at a position of the image.
type WriteAt<'w> = &'w mut dyn FnMut(u64, &[u8]) -> Result<(), SyncError>;

/// The things that are needed to carry out tasks.
struct Work<'a> {
    shared: &'a Arc<Shared>,
    pool: &'a Pool,
    progress: &'a dyn Progress,
    arrival: &'a Arrival,
    /// Compressed blocks of seeds.
    blocks: Option<Arc<CodedBlocks>>,
    /// The recipe of a disk image with all corrections, if the base of a patch turns out to lack blocks.
    whole: &'a dyn WholeCoding,
}

impl<'a> Work<'a> {
    /// Makes a part of the image. `mend` is asked to fetch chunks that seeds did not give, and returns `false` if it
    /// cannot. A maker stays in `kept` from part to part.
    fn run(
        &self,
        task: &Task<'_>,
        kept: &mut Option<StreamMaker<'a>>,
        mend: &mut dyn FnMut(&[u32]) -> Result<bool, SyncError>,
        write: WriteAt<'_>,
    ) -> Result<Ended, SyncError> {
        let mut at = task.image_at;
        let mut put = |bytes: &[u8]| {
            write(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        };
        match &task.form {
            TaskForm::Plain => {
                if let Some(failed) = self.plain(task, mend, &mut put)? {
                    return Ok(Ended::Without(failed));
                }
            }
            TaskForm::Disk(pieces, plain_at) => {
                let mut maker =
                    DiskMaker::new(self.pool, pieces, self.blocks.clone()).with_whole(*plain_at, self.whole);
                let unfit = |error| match error {
                    SyncError::Local(LocalError::DiskBlocks(_)) => self.unfit(),
                    error => error,
                };
                let mut write = |plain: &[u8]| maker.write(plain, &mut put).map_err(unfit);
                if let Some(failed) = self.plain(task, mend, &mut write)? {
                    return Ok(Ended::Without(failed));
                }
                maker.finish(&mut put).map_err(unfit)?;
            }
            TaskForm::Members(coding, members) => {
                let unfit = || self.unfit();
                let mut maker = Members::new(self.pool, (coding, members.clone()), kept.take(), &unfit);
                if let Some(failed) = self.plain(task, mend, &mut |plain| maker.write(plain, &mut put))? {
                    return Ok(Ended::Without(failed));
                }
                *kept = maker.finish(&mut put)?;
            }
        }
        Ok(Ended::Done)
    }

    fn unfit(&self) -> SyncError {
        self.shared.output.wrong_digest()
    }

    /// Puts the plain bytes of a task together, with those behind them that are looked at. Returns the chunks that are
    /// missing, if it fails.
    fn plain(
        &self,
        task: &Task<'_>,
        mend: &mut dyn FnMut(&[u32]) -> Result<bool, SyncError>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), SyncError>,
    ) -> Result<Option<Vec<u32>>, SyncError> {
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let (mut at, end) = (task.plain.start, task.plain.end + task.behind);
        loop {
            let next = at..end.min(at + STEP_BYTES);
            let is_last = next.is_empty();
            if !is_last {
                at = next.end;
                queue.push(self.submit(next));
            }
            while let Some(result) = if is_last { queue.next()? } else { queue.next_due()? } {
                let mut result = result?;
                while !result.is_complete {
                    if !result.failed.is_empty() && !mend(&result.failed)? {
                        return Ok(Some(result.failed));
                    }
                    if !self.arrival.wait() {
                        return Ok(Some(Vec::new()));
                    }
                    result = self.submit(result.block.clone()).wait()??;
                }
                // What is behind the task's own bytes is another's progress.
                self.progress.add(Stage::Write, result.bytes.min(task.plain.end.saturating_sub(result.block.start)));
                sink(result.plain.whole().ok_or(SyncError::Worker)?.bytes())?;
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    fn submit(&self, block: Range<u64>) -> regrow_local::Pending<Result<BlockResult, SyncError>> {
        let shared = Arc::clone(self.shared);
        self.pool.submit(move || BlockJob::run(&shared, block))
    }
}

impl Assembly<'_> {
    /// Writes an image with coded files.
    pub(super) fn write_coded(&mut self, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        if self.shared.output.is_pipe() { self.coded_in_order(counts) } else { self.coded_anywhere(counts) }
    }

    /// Writes to a file, where members are made while missing chunks still arrive.
    fn coded_anywhere(&mut self, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        let output = &self.shared.output;
        let mut made = output.take_kept_coded();
        if output.takes_coded_files_early() {
            made.extend(held::copy(&self.shared, self.run.index, &made)?);
            made.sort_unstable();
        }
        let is_begun = output.has_early_bytes() || !made.is_empty();
        self.make_but(&made, counts)?;
        let digest = self.hash_image()?;
        if digest == self.shared.target.digest || !is_begun {
            return Ok(digest);
        }
        // A seed may hold the same plain bytes, compressed by another encoder to as many bytes, or may have changed.
        self.shared.output.begin_coded_again()?;
        self.make_but(&[], counts)?;
        self.hash_image()
    }

    /// Makes the whole image but for coded stretches that are in it already.
    fn make_but(&mut self, made: &[usize], counts: &mut Counts) -> Result<(), SyncError> {
        let shared = Arc::clone(&self.shared);
        let mut tasks = tasks(&shared, self.run.index, made);
        let all: u64 = tasks.iter().map(|task| task.plain.end - task.plain.start).sum();
        self.run.progress.add(Stage::Write, shared.target.plain_bytes.saturating_sub(all));
        let arrival = Arrival::default();
        let mut failed = std::thread::scope(|scope| {
            let fetching = spawn_scoped(scope, || {
                let mut fetched = Counts::default();
                let is_fetched = self.shared.is_fetched.load(Ordering::Acquire);
                let result = if is_fetched { Ok(()) } else { self.fetch(&self.shared.plan, &mut fetched) };
                self.shared.is_fetched.store(result.is_ok(), Ordering::Release);
                arrival.tell(result.is_ok());
                result.map(|()| fetched)
            })?;
            let failed = self.side_by_side(&mut tasks, &arrival);
            let fetched = fetching.join().map_err(|_| SyncError::Worker)??;
            counts.cache.add(fetched.cache.chunks, fetched.cache.bytes);
            counts.store.add(fetched.store.chunks, fetched.store.bytes);
            failed
        })?;
        while !tasks.is_empty() {
            failed.sort_unstable();
            failed.dedup();
            self.repair(&failed, counts)?;
            failed = self.side_by_side(&mut tasks, &arrival)?;
        }
        Ok(())
    }

    /// Carries out tasks side by side. Those that failed stay in `tasks`, and the chunks that they lacked are returned.
    fn side_by_side(&self, tasks: &mut Vec<Task<'_>>, arrival: &Arrival) -> Result<Vec<u32>, SyncError> {
        let (shared, pool, progress) = (&self.shared, self.run.pool, self.run.progress);
        let whole = WholeIndex::of(self.run);
        let work = Work { shared, pool, progress, arrival, blocks: shared.seeds.coded_blocks(), whole: &whole };
        let next = AtomicUsize::new(0);
        let output = &self.shared.output;
        let drive = || {
            let (mut left, mut kept): ((Vec<usize>, Vec<u32>), _) = Default::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(number) else { return Ok(left) };
                let mut write = |at: u64, bytes: &[u8]| output.write_image(at, bytes);
                if let Ended::Without(failed) = work.run(task, &mut kept, &mut |_| Ok(false), &mut write)? {
                    left.0.push(number);
                    left.1.extend(failed);
                }
            }
        };
        let drivers = drivers(tasks);
        let ended: Vec<Result<_, SyncError>> = std::thread::scope(|scope| {
            // This thread carries out tasks too, so if no other thread can be started, the work is still done.
            let others: Vec<_> = (1..drivers).filter_map(|_| spawn_scoped(scope, drive).ok()).collect();
            let own = drive();
            let ended = others.into_iter().map(|driver| driver.join().unwrap_or(Err(SyncError::Worker)));
            ended.chain([own]).collect()
        });
        let (mut left, mut failed) = (HashSet::new(), Vec::new());
        for ended in ended {
            let (numbers, chunks) = ended?;
            left.extend(numbers);
            failed.extend(chunks);
        }
        let mut number = 0;
        tasks.retain(|_| {
            number += 1;
            left.contains(&(number - 1))
        });
        Ok(failed)
    }

    /// The BLAKE3 digest of the image that was written.
    fn hash_image(&self) -> Result<[u8; 32], SyncError> {
        let mut digest = ImageDigest::default();
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let mut blocks = self.shared.output.blocks();
        loop {
            let next = blocks.next();
            let is_last = next.is_none();
            if let Some(block) = next {
                let output = Arc::clone(&self.shared.output);
                queue.push(self.run.pool.submit(move || hash_written(&output, block)));
            }
            while let Some(hash) = if is_last { queue.next()? } else { queue.next_due()? } {
                let (value, root) = hash?;
                digest.push(value, || root.unwrap_or_default());
            }
            if is_last {
                return Ok(digest.finish());
            }
        }
    }

    /// Writes to a pipe: fetches all missing chunks first, then sends the image in order.
    fn coded_in_order(&mut self, counts: &mut Counts) -> Result<[u8; 32], SyncError> {
        self.fetch(&self.shared.plan, counts)?;
        self.shared.is_fetched.store(true, Ordering::Release);
        let arrival = Arrival::default();
        arrival.tell(true);
        let shared = Arc::clone(&self.shared);
        let (pool, progress) = (self.run.pool, self.run.progress);
        let (blocks, whole) = (shared.seeds.coded_blocks(), WholeIndex::of(self.run));
        let work = Work { shared: &shared, pool, progress, arrival: &arrival, blocks, whole: &whole };
        let (mut hasher, mut kept) = (blake3::Hasher::new(), None);
        for task in tasks(&shared, self.run.index, &[]) {
            let mut mend = |failed: &[u32]| {
                // If the chunk lies across two parts, the repair of the first may have fetched it already.
                let is_new = |chunk: &u32| !shared.is_repaired(*chunk as usize);
                let failed: Vec<u32> = failed.iter().copied().filter(is_new).collect();
                self.repair(&failed, counts).map(|()| true)
            };
            let ended = work.run(&task, &mut kept, &mut mend, &mut |_, bytes| {
                hasher.update(bytes);
                shared.output.send_coded(bytes)
            })?;
            if let Ended::Without(_) = ended {
                return Err(SyncError::Worker);
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }
}

const _: () = assert!(STEP_BYTES <= BLOCK_BYTES);
