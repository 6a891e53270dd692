//! Finds the chunks that the output has already. Each chunk is looked for at its place, and verified.

use std::sync::Arc;

use regrow_chunker::ChunkId;

use super::Run;
use super::output::OutputFile;
use crate::plan::target::Target;
use crate::{Stage, SyncError};

/// The number of chunks that one job checks.
const CHUNKS_A_JOB: usize = 512;

/// Tells for each chunk of contents whether it is at its place. The list is empty if the output is new.
pub(super) fn check(run: &Run<'_>, target: &Arc<Target>, output: &Arc<OutputFile>) -> Result<Vec<bool>, SyncError> {
    if !output.is_resumable() {
        return Ok(Vec::new());
    }
    let count = target.contents.len();
    run.progress.begin(Stage::Resume, Some(target.plain_bytes));
    let jobs: Vec<_> = (0..count.div_ceil(CHUNKS_A_JOB))
        .map(|job| {
            let (target, output) = (Arc::clone(target), Arc::clone(output));
            let chunks = job * CHUNKS_A_JOB..count.min((job + 1) * CHUNKS_A_JOB);
            run.pool.submit(move || {
                let mut buffer = Vec::new();
                chunks.map(|chunk| holds(&target, &output, chunk, &mut buffer)).collect::<Vec<bool>>()
            })
        })
        .collect();
    let mut found = Vec::with_capacity(count);
    for job in jobs {
        found.extend(job.wait()?);
    }
    run.progress.end(Stage::Resume);
    Ok(found)
}

fn holds(target: &Target, output: &OutputFile, chunk: usize, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    for place in target.places(chunk) {
        let start = buffer.len();
        buffer.resize(start + (place.end - place.start) as usize, 0);
        if output.read(place.start, &mut buffer[start..]).is_err() {
            return false;
        }
    }
    ChunkId::of(buffer) == target.contents.record(chunk).id
}
