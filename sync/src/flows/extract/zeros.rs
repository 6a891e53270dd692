//! Checks the room for an image with long runs of zeros, which become holes in the output.

use std::path::Path;

use regrow_chunker::{ChunkId, Record};
use regrow_local::{Seeds, Spool};

use super::Run;
use super::output::OutputFile;
use crate::SyncError;
use crate::plan::recipe;
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// The bytes of a run of zeros that are written after all, because blocks of the file begin and end beside it.
const ENDS_BYTES: u64 = 8 << 10;

/// Refuses an output that does not fit on its disk. If the whole image does not fit, the recipe tells how much of it is
/// zeros. The recipe is fetched only if that can make a difference.
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

/// The least number of bytes in holes that these chunks make. Zeros are cut into chunks of the largest size.
fn zero_bytes(chunks: &[Record], max_bytes: u32) -> u64 {
    let id = ChunkId::of(&vec![0; max_bytes as usize]);
    let runs = chunks.chunk_by(|one, other| (one.id == id) == (other.id == id));
    let zeros = runs.filter(|run| run[0].id == id);
    zeros.map(|run| (run.len() as u64 * u64::from(max_bytes)).saturating_sub(ENDS_BYTES)).sum()
}
