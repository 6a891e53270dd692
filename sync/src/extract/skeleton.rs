//! The skeleton stream is put together first: it says where contents belong.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::Run;
use super::fetch::{Delivery, Fetcher};
use super::locate::{Counts, Plan, Source};
use super::packs::Packs;
use super::target::Target;
use crate::SyncError;
use crate::seed::Seeds;

/// A skeleton up to this many bytes stays in memory.
const MEMORY_BYTES: u64 = 24 << 20;
/// Chunks that are read from a seed in one go.
const CHUNKS_A_BATCH: usize = 64;
const READ_BYTES: usize = 256 << 10;

/// Bytes that are written in any order and then read: in memory, or in a file without a name.
pub(crate) enum Spool {
    Memory(RwLock<Vec<u8>>),
    File(File, u64),
}

impl Spool {
    fn new(bytes: u64, folder: &Path) -> Result<Self, SyncError> {
        if bytes <= MEMORY_BYTES {
            return Ok(Self::Memory(RwLock::new(vec![0; bytes as usize])));
        }
        let file = tempfile::tempfile_in(folder).map_err(SyncError::io(folder))?;
        Ok(Self::File(file, bytes))
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        match self {
            Self::Memory(memory) => {
                let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
                let at = at as usize;
                if let Some(place) = memory.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            }
            Self::File(file, _) => file.write_all_at(bytes, at).map_err(SyncError::io("temporary file")),
        }
    }

    /// Reads bytes that were written.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Memory(memory) => {
                let memory = memory.read().unwrap_or_else(PoisonError::into_inner);
                let at = at as usize;
                let found = memory.get(at..at + out.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
                out.copy_from_slice(found);
                Ok(())
            }
            Self::File(file, _) => file.read_exact_at(out, at),
        }
    }

    /// All bytes from the front, in pieces.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[u8]) -> Result<(), SyncError>) -> Result<(), SyncError> {
        match self {
            Self::Memory(memory) => each(&memory.read().unwrap_or_else(PoisonError::into_inner)),
            Self::File(file, bytes) => {
                let mut buffer = vec![0; READ_BYTES];
                let mut at = 0;
                while at < *bytes {
                    let piece = &mut buffer[..READ_BYTES.min((*bytes - at) as usize)];
                    file.read_exact_at(piece, at).map_err(SyncError::io("temporary file"))?;
                    each(piece)?;
                    at += piece.len() as u64;
                }
                Ok(())
            }
        }
    }
}

/// Puts the skeleton together from seeds and stores.
pub(super) fn assemble(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    packs: &mut Packs,
    seeds: &Seeds,
    target: &Target,
    scratch: &Path,
    counts: &mut Counts,
) -> Result<Spool, SyncError> {
    let spool = Arc::new(Spool::new(run.index.skeleton.bytes, scratch)?);
    let mut plan = Plan::of_skeleton(target, seeds);
    copy_from_seeds(&mut plan, seeds, target, &spool)?;
    packs.locate(run, fetcher, target, &mut plan)?;
    plan.count_local(&target.skeleton, counts);
    let sink = {
        let (spool, stream) = (Arc::clone(&spool), Arc::clone(&target.skeleton));
        Arc::new(move |chunk: usize, bytes: &[u8]| spool.write(stream.range(chunk).start, bytes))
    };
    Delivery { fetcher, packs, stream: Arc::clone(&target.skeleton), sink }.run(&plan, counts)?;
    packs.drop_held();
    // The delivery is done, and with it all that shared the spool.
    Arc::try_unwrap(spool).map_err(|_| SyncError::Worker)
}

/// Reads what seeds have, neighbours together; what they turn out not to have is missing again.
fn copy_from_seeds(plan: &mut Plan, seeds: &Seeds, target: &Target, spool: &Spool) -> Result<(), SyncError> {
    let stream = &target.skeleton;
    let mut batch: Vec<u8> = Vec::new();
    let (mut batch_at, mut batched) = (0, 0);
    let mut buffer = Vec::new();
    for chunk in 0..stream.len() {
        let Source::Seed(seed, place) = plan.source(chunk) else { continue };
        let (range, record) = (stream.range(chunk), stream.record(chunk));
        if !seeds.read((seed, place), &record, &mut buffer) {
            plan.set(chunk as u32, Source::Missing);
            continue;
        }
        if batched == CHUNKS_A_BATCH || batch_at + batch.len() as u64 != range.start {
            spool.write(batch_at, &batch)?;
            batch.clear();
            (batch_at, batched) = (range.start, 0);
        }
        batch.extend_from_slice(&buffer);
        batched += 1;
    }
    spool.write(batch_at, &batch)
}
