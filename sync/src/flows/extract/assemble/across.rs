//! Chunks that lie in more than one block. Each is read from its seed and verified once, for all its blocks. A group of
//! tiny files may lie across hundreds of blocks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regrow_chunker::VerifiedBuffer;

/// The number of chunks that are kept. Blocks are made in order, so the chunks that were read last are wanted again.
const CHUNKS_KEPT: usize = 8;

/// A chunk, or `None` if its seed does not give it.
type Given = Option<Arc<VerifiedBuffer>>;

/// The chunks that were read last.
#[derive(Default)]
pub(super) struct AcrossBlocks(Mutex<VecDeque<(usize, Arc<OnceLock<Given>>)>>);

impl AcrossBlocks {
    /// Returns the chunk. The first caller reads it, and others wait for that read.
    pub(super) fn get(&self, chunk: usize, read: impl FnOnce() -> Given) -> Given {
        let slot = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.iter().find(|(known, _)| *known == chunk) {
                Some((_, slot)) => Arc::clone(slot),
                None => {
                    let slot = Arc::default();
                    kept.push_front((chunk, Arc::clone(&slot)));
                    kept.truncate(CHUNKS_KEPT);
                    slot
                }
            }
        };
        slot.get_or_init(read).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_chunker::{ChunkId, Verified};

    #[test]
    fn a_chunk_is_read_once_while_it_is_wanted() {
        let (chunks, mut reads) = (AcrossBlocks::default(), 0);
        let mut get = |chunk: usize| {
            let given = chunks.get(chunk, || {
                reads += 1;
                (chunk != 7).then(|| {
                    let (mut given, bytes) = (VerifiedBuffer::default(), [chunk as u8]);
                    given.push(Verified::chunk(&ChunkId::of(&bytes), &bytes).unwrap());
                    Arc::new(given)
                })
            });
            let given = given.as_deref().and_then(VerifiedBuffer::whole).map(Verified::bytes);
            assert_eq!(given, (chunk != 7).then_some([chunk as u8].as_slice()));
        };
        [1, 1, 7, 7, 2, 1, 2].into_iter().for_each(&mut get);
        (10..10 + CHUNKS_KEPT).for_each(&mut get);
        get(1);
        assert_eq!(reads, 3 + CHUNKS_KEPT + 1);
    }
}
