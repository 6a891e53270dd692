//! Writes images with coded files.
//!
//! The plain image is put together range by range. The compressed stream of each gzip member, and each zstd frame, is
//! rebuilt from its plain bytes, and written in their place. In a file, as many members are made side by side as there
//! are cores; in a pipe, one after the other.

mod member;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use regrow_chunker::{BLOCK_BYTES, ImageDigest};
use regrow_index::{Index, MemberCoding};
use regrow_local::{CodedEncoder, Ordered, Pool, spawn_scoped};

use super::block::{BlockJob, BlockResult, hash_written};
use super::{Assembly, BLOCKS_IN_FLIGHT, Shared};
use crate::plan::locate::Counts;
use crate::{Location, Progress, Stage, SyncError};

pub(crate) use member::CodedFile;
use member::MemberMaker;

/// The memory of all encoders together, unless one takes more.
const MAX_ENCODERS_BYTES: u64 = 512 << 20;
/// The plain bytes that are put together at a time.
const STEP_BYTES: u64 = 1 << 20;

/// A part of the image, and the plain bytes that it is made from.
struct Task<'a> {
    /// The position in the image at which the part begins.
    image_at: u64,
    /// The range of the plain image.
    plain: Range<u64>,
    coded: Option<(&'a MemberCoding, CodedEncoder)>,
    /// The bytes that follow in the image.
    tail: &'a [u8],
}

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

/// Refuses an image with an encoder that this version does not know, before anything is fetched.
pub(crate) fn check_encoders(location: &Location, index: &Index) -> Result<(), SyncError> {
    let members = index.codings.iter().flat_map(|coding| coding.members.iter().map(|member| (coding.format, member)));
    for (format, member) in members {
        CodedEncoder::of(format, member)
            .map_err(|reason| SyncError::Recipe { location: location.to_string(), reason })?;
    }
    Ok(())
}

/// Divides the whole image into tasks, in order.
fn tasks<'a>(shared: &Shared, index: &'a Index) -> Vec<Task<'a>> {
    let (mut tasks, mut at, mut image_at) = (Vec::new(), 0, 0);
    let mut add = |task: Task<'a>, image_bytes: u64| {
        (at, image_at) = (task.plain.end, image_at + image_bytes);
        tasks.push(task);
        (at, image_at)
    };
    let mut place = (0, 0);
    for (coded, coding) in shared.target.coded().zip(&index.codings) {
        if place.0 < coded.start {
            let plain = place.0..coded.start;
            let bytes = plain.end - plain.start;
            place = add(Task { image_at: place.1, plain, coded: None, tail: &[] }, bytes);
        }
        for (number, member) in coding.members.iter().enumerate() {
            let is_last = number + 1 == coding.members.len();
            let tail: &[u8] = if is_last { &coding.tail } else { &[] };
            let plain = place.0..place.0 + member.plain_bytes;
            let coded = CodedEncoder::of(coding.format, member).ok().map(|encoder| (member, encoder));
            place = add(
                Task { image_at: place.1, plain, coded, tail },
                member.stored_bytes(coding.format) + tail.len() as u64,
            );
        }
    }
    let end = shared.target.plain_bytes;
    if place.0 < end {
        add(Task { image_at: place.1, plain: place.0..end, coded: None, tail: &[] }, end - place.0);
    }
    tasks
}

/// The number of threads that carry out tasks. Encoders with large windows take much memory, so fewer of them run side by
/// side.
fn drivers(tasks: &[Task<'_>]) -> usize {
    let largest = tasks.iter().filter_map(|task| task.coded).map(|(_, encoder)| encoder.memory_bytes()).max();
    let most = largest.map_or(usize::MAX, |largest| (MAX_ENCODERS_BYTES / largest.max(1)) as usize);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    cores.min(tasks.len()).min(most.max(1))
}

/// A function that writes bytes at a position of the image.
type WriteAt<'w> = &'w mut dyn FnMut(u64, &[u8]) -> Result<(), SyncError>;

/// The things that are needed to carry out tasks.
struct Work<'a> {
    shared: &'a Arc<Shared>,
    pool: &'a Pool,
    progress: &'a dyn Progress,
    arrival: &'a Arrival,
}

impl Work<'_> {
    /// Makes a part of the image. `mend` is asked to fetch chunks that seeds did not give, and returns `false` if it
    /// cannot.
    fn run(
        &self,
        task: &Task<'_>,
        mend: &mut dyn FnMut(&[u32]) -> Result<bool, SyncError>,
        write: WriteAt<'_>,
    ) -> Result<Ended, SyncError> {
        let mut at = task.image_at;
        let mut put = |bytes: &[u8]| {
            write(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        };
        match task.coded {
            None => {
                if let Some(failed) = self.plain(&task.plain, mend, &mut put)? {
                    return Ok(Ended::Without(failed));
                }
            }
            Some((member, encoder)) => {
                let unfit = || self.unfit();
                let mut maker = MemberMaker::begin(self.pool, (member, encoder), &unfit, &mut put)?;
                if let Some(failed) = self.plain(&task.plain, mend, &mut |plain| maker.write(plain, &mut put))? {
                    return Ok(Ended::Without(failed));
                }
                maker.finish(&mut put)?;
            }
        }
        put(task.tail)?;
        Ok(Ended::Done)
    }

    fn unfit(&self) -> SyncError {
        self.shared.output.wrong_digest()
    }

    /// Puts a range of the plain image together. Returns the chunks that are missing, if it fails.
    fn plain(
        &self,
        plain: &Range<u64>,
        mend: &mut dyn FnMut(&[u32]) -> Result<bool, SyncError>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), SyncError>,
    ) -> Result<Option<Vec<u32>>, SyncError> {
        let mut queue = Ordered::new(BLOCKS_IN_FLIGHT);
        let mut at = plain.start;
        loop {
            let next = at..plain.end.min(at + STEP_BYTES);
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
                self.progress.add(Stage::Write, result.bytes);
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
        let shared = Arc::clone(&self.shared);
        let mut tasks = tasks(&shared, self.run.index);
        let arrival = Arrival::default();
        let mut failed = std::thread::scope(|scope| {
            let fetching = spawn_scoped(scope, || {
                let mut fetched = Counts::default();
                let result = self.fetch(&self.shared.plan, &mut fetched);
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
        self.hash_image()
    }

    /// Carries out tasks side by side. Those that failed stay in `tasks`, and the chunks that they lacked are returned.
    fn side_by_side(&self, tasks: &mut Vec<Task<'_>>, arrival: &Arrival) -> Result<Vec<u32>, SyncError> {
        let (shared, pool, progress) = (&self.shared, self.run.pool, self.run.progress);
        let work = Work { shared, pool, progress, arrival };
        let next = AtomicUsize::new(0);
        let output = &self.shared.output;
        let drive = || {
            let mut left: (Vec<usize>, Vec<u32>) = Default::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(number) else { return Ok(left) };
                let mut write = |at: u64, bytes: &[u8]| output.write_image(at, bytes);
                if let Ended::Without(failed) = work.run(task, &mut |_| Ok(false), &mut write)? {
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
        let work = Work { shared: &shared, pool, progress, arrival: &arrival };
        let mut hasher = blake3::Hasher::new();
        for task in tasks(&shared, self.run.index) {
            let mut mend = |failed: &[u32]| {
                // If the chunk lies across two parts, the repair of the first may have fetched it already.
                let is_new = |chunk: &u32| !shared.is_repaired(*chunk as usize);
                let failed: Vec<u32> = failed.iter().copied().filter(is_new).collect();
                self.repair(&failed, counts).map(|()| true)
            };
            let ended = work.run(&task, &mut mend, &mut |_, bytes| {
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
