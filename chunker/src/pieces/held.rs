//! The memory that a cutter of pieces takes.

use super::{PieceChunks, PieceCutter, Place};

/// About how many bytes a chunk or an end takes besides its own.
const ENTRY_BYTES: usize = 64;

impl PieceCutter {
    /// About how many bytes of memory are taken by what waits, without the cutter itself.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let of_chunks =
            |chunks: &PieceChunks| chunks.iter().map(|(bytes, _)| bytes.capacity() + ENTRY_BYTES).sum::<usize>();
        let apart = match &self.place {
            Place::Apart(stream, coming) => stream.held_bytes() + coming.holes.capacity() * ENTRY_BYTES,
            Place::InStep | Place::Hole => 0,
        };
        let zeros = self.zeros.as_ref().map_or(0, |zeros| {
            of_chunks(&zeros.ending) + zeros.before.as_ref().map_or(0, |(_, before)| before.capacity())
        });
        apart + zeros + of_chunks(&self.chunks) + self.ends.capacity() * ENTRY_BYTES
    }
}
