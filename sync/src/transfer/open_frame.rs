//! Frames that are open: decompressed, with their wanted chunks verified.

use std::ops::Range;

use bytes::Bytes;
use regrow_chunker::{ChunkId, Record, VerifiedRuns};
use regrow_store::{Decompressor, RawFrame};

/// A frame, or a part of one, of which all wanted chunks are verified.
pub(crate) struct OpenFrame {
    stored: Bytes,
    plain: VerifiedRuns<Bytes>,
}

impl OpenFrame {
    /// Decompresses a frame and verifies it. If a wanted chunk in it does not match its id, that id is returned instead.
    pub(crate) fn open(
        stored: Bytes,
        (plain_bytes, part): (u64, Option<Range<u64>>),
        records: &[Record],
        is_wanted: impl Fn(&ChunkId) -> bool,
    ) -> Result<Self, ChunkId> {
        let first = records.first().map(|record| record.id).unwrap_or_default();
        let plain = match part {
            Some(part) => RawFrame::plain(&part, &stored).ok_or(first)?,
            None => {
                let mut decompressor = Decompressor::new().map_err(|_| first)?;
                decompressor.decompress(&stored, plain_bytes).ok_or(first)?
            }
        };
        let mut plain = VerifiedRuns::unverified(plain);
        for (record, chunk) in chunks(records) {
            if is_wanted(&record.id) && !plain.verify(chunk, &record.id) {
                return Err(record.id);
            }
        }
        Ok(Self { stored, plain })
    }

    /// The frame's plain bytes, of which only those of wanted chunks can be taken.
    pub(crate) fn plain(&self) -> &VerifiedRuns<Bytes> {
        &self.plain
    }

    /// The frame's bytes, as a pack has them.
    pub(crate) fn stored(&self) -> &[u8] {
        &self.stored
    }
}

/// The chunks of a frame, each with its range there. They fill the frame exactly, since the table was checked.
pub(crate) fn chunks(records: &[Record]) -> impl Iterator<Item = (&Record, Range<usize>)> {
    let mut at = 0;
    records.iter().map(move |record| {
        let start = at;
        at += record.len as usize;
        (record, start..at)
    })
}
