//! Room for an image with long stretches of zeros, which become holes of the output.

use std::path::Path;

use regrow_chunker::{ChunkId, Record};
use regrow_local::{Seeds, Spool};

use super::Run;
use super::output::OutputFile;
use crate::SyncError;
use crate::plan::recipe;
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// What of a stretch of zeros is written after all: the ends of blocks.
const ENDS_BYTES: u64 = 8 << 10;

/// Refuses an output that its disk cannot hold. Where all of the image does not fit, its recipe tells how much of it is zeros; it is
/// asked for only if that can make a difference.
pub(super) fn check_room(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    seeds: &Seeds,
    output: &OutputFile,
    scratch: &Path,
) -> Result<(), SyncError> {
    let (index, spooled) = (run.index, Spool::disk_bytes(run.index.skeleton.bytes));
    let Err(full) = output.check_room(0, scratch, spooled) else { return Ok(()) };
    let stored = index.packs.iter().fold(0u64, |sum, pack| sum.saturating_add(pack.bytes));
    let most_zeros = index.contents.bytes.saturating_sub(stored);
    if output.is_coded() || output.is_pipe() || output.check_room(most_zeros, scratch, spooled).is_err() {
        return Err(full);
    }
    let recipe = recipe::resolve(fetcher, &mut Packs::new(index), seeds)?;
    output.check_room(zero_bytes(&recipe.contents, index.params.max_bytes()), scratch, spooled)
}

/// How many bytes of holes these chunks make at least. Zeros are cut nowhere before the largest chunk.
fn zero_bytes(chunks: &[Record], max_bytes: u32) -> u64 {
    let id = ChunkId::of(&vec![0; max_bytes as usize]);
    let runs = chunks.chunk_by(|one, other| (one.id == id) == (other.id == id));
    let zeros = runs.filter(|run| run[0].id == id);
    zeros.map(|run| (run.len() as u64 * u64::from(max_bytes)).saturating_sub(ENDS_BYTES)).sum()
}
