//! The skeleton stream is put together first: it says where contents belong.

mod chunks;
mod spool;

use std::path::Path;
use std::sync::Arc;

use regrow_local::{Seeds, Spool};

use super::locate::{Counts, Plan, Source};
use super::target::Target;
use crate::SyncError;
use crate::flows::extract::Run;
use crate::transfer::delivery::{Delivery, Placed};
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

pub(crate) use spool::SkeletonSpool;

/// Neighbouring chunks of a seed are written together up to this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Puts the skeleton together from seeds and stores.
pub(crate) fn assemble(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    packs: &mut Packs,
    seeds: &Seeds,
    target: &Target,
    scratch: &Path,
    counts: &mut Counts,
) -> Result<SkeletonSpool, SyncError> {
    // What is only looked at is not worth a file as long as an index says.
    let spool = Arc::new(if run.options.dry_run {
        SkeletonSpool::of_chunks(Arc::clone(&target.skeleton), scratch)
    } else {
        SkeletonSpool::Whole(Spool::new(run.index.skeleton.bytes, scratch)?)
    });
    let mut plan = Plan::of_skeleton(target, seeds);
    copy_from_seeds(&mut plan, seeds, target, &spool)?;
    packs.locate(run, fetcher, target, &mut plan)?;
    plan.count_local(&target.skeleton, counts);
    let sink = {
        let (spool, stream) = (Arc::clone(&spool), Arc::clone(&target.skeleton));
        Arc::new(move |plain: &[u8], chunks: &[Placed]| {
            let mut chunks = chunks.iter();
            chunks.try_for_each(|(chunk, range)| spool.write(stream.range(*chunk).start, &plain[range.clone()]))
        })
    };
    Delivery { fetcher, packs, stream: Arc::clone(&target.skeleton), sink }.run(&plan, counts)?;
    packs.drop_held();
    // The delivery is done, and with it all that shared the spool.
    Arc::try_unwrap(spool).map_err(|_| SyncError::Worker)
}

/// Reads what seeds have, neighbours together; what they turn out not to have is missing again.
fn copy_from_seeds(plan: &mut Plan, seeds: &Seeds, target: &Target, spool: &SkeletonSpool) -> Result<(), SyncError> {
    let stream = &target.skeleton;
    let mut batch: Vec<u8> = Vec::new();
    let mut batch_at = 0;
    let mut buffer = Vec::new();
    for chunk in 0..stream.len() {
        let Source::Seed(seed, place) = plan.source(chunk) else { continue };
        let (range, record) = (stream.range(chunk), stream.record(chunk));
        if !seeds.read((seed, place), &record, &mut buffer) {
            plan.set(chunk as u32, Source::Missing);
            continue;
        }
        if batch.len() >= BATCH_BYTES || batch_at + batch.len() as u64 != range.start {
            spool.write(batch_at, &batch)?;
            batch.clear();
            batch_at = range.start;
        }
        batch.extend_from_slice(&buffer);
    }
    spool.write(batch_at, &batch)
}
