//! The assembly of the skeleton stream. It comes first, because the skeleton says where contents belong.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use regrow_chunker::{VerifiedBuffer, VerifiedRuns};
use regrow_local::{Seeds, StreamChunks};

use super::locate::{Counts, Plan, Source};
use super::skeleton_spool::SkeletonSpool;
use super::target::Target;
use crate::SyncError;
use crate::transfer::delivery::{Delivery, Placed};
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// Neighbouring chunks of a seed are joined until there are this many bytes, and written at once.
const BATCH_BYTES: usize = 1 << 20;

/// The form in which the assembled skeleton is kept, and the folder for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept<'a> {
    /// The skeleton is read once, front to back. A file of the length that an index states would cost too much for
    /// that.
    ReadOnce(&'a Path),
    /// The image will be put together from the skeleton, so any part of it can be read.
    ReadAnywhere(&'a Path),
}

/// Puts the skeleton together from seeds and stores.
pub(crate) fn assemble(
    fetcher: &Fetcher<'_>,
    packs: &mut Packs,
    seeds: &Seeds,
    target: &Target,
    counts: &mut Counts,
    kept: Kept<'_>,
) -> Result<SkeletonSpool, SyncError> {
    let spool = Arc::new(match kept {
        Kept::ReadOnce(scratch) => SkeletonSpool::of_chunks(Arc::clone(&target.skeleton), scratch),
        Kept::ReadAnywhere(scratch) => SkeletonSpool::whole(fetcher.index.skeleton.bytes, scratch)?,
    });
    let plan = Plan::of_skeleton(target, seeds);
    assemble_stream(fetcher, packs, seeds, target, counts, plan, &spool)?;
    packs.drop_held();
    // The delivery is over, and everything else that shared the spool is gone.
    Arc::try_unwrap(spool).map_err(|_| SyncError::Worker)
}

/// Puts the chunks of a planned stream at their places in a spool, as far as they have a source or have none yet.
pub(crate) fn assemble_stream(
    fetcher: &Fetcher<'_>,
    packs: &mut Packs,
    seeds: &Seeds,
    target: &Target,
    counts: &mut Counts,
    mut plan: Plan,
    spool: &Arc<SkeletonSpool>,
) -> Result<(), SyncError> {
    let stream = Arc::clone(if plan.is_skeleton() { &target.skeleton } else { &target.contents });
    copy_from_seeds(&mut plan, seeds, &stream, spool)?;
    plan.locate(fetcher, packs, target)?;
    plan.count_local(&stream, counts);
    let sink = {
        let (spool, stream) = (Arc::clone(spool), Arc::clone(&stream));
        Arc::new(move |plain: &VerifiedRuns<Bytes>, chunks: &[Placed]| {
            let mut chunks = chunks.iter();
            chunks.try_for_each(|(chunk, range)| {
                let bytes = plain.get(range.clone()).ok_or(SyncError::Worker)?;
                spool.write(stream.range(*chunk).start, bytes)
            })
        })
    };
    counts.add(Delivery { fetcher, packs, stream, sink }.run(plan.chunks_in_frames())?);
    Ok(())
}

/// Copies the chunks that seeds have, and joins neighbours. A chunk that its seed does not give becomes missing again.
fn copy_from_seeds(
    plan: &mut Plan,
    seeds: &Seeds,
    stream: &StreamChunks,
    spool: &SkeletonSpool,
) -> Result<(), SyncError> {
    let (mut batch, mut batch_at) = (VerifiedBuffer::default(), 0);
    let mut buffer = VerifiedBuffer::default();
    for chunk in 0..stream.len() {
        let Source::Seed(seed, place) = plan.source(chunk) else { continue };
        let (range, record) = (stream.range(chunk), stream.record(chunk));
        if !seeds.read((seed, place), &record, &mut buffer) {
            plan.set(chunk as u32, Source::Missing);
            continue;
        }
        if batch.len() >= BATCH_BYTES || batch_at + batch.len() as u64 != range.start {
            spool.write(batch_at, batch.whole().ok_or(SyncError::Worker)?)?;
            batch.clear();
            batch_at = range.start;
        }
        batch.push(buffer.whole().ok_or(SyncError::Worker)?);
    }
    spool.write(batch_at, batch.whole().ok_or(SyncError::Worker)?)
}
