//! Runs of filled blocks. docs/format/index-2.md, section 6.

use regrow_chunker::varint;

use super::{Last, MANY_PIECES, Pieces, put_or_same, use_up};
use crate::primitives::{take, take_array};
use crate::{FilledGroup, FilledRun, IndexError};

/// The fewest bytes of a group.
const MIN_GROUP_BYTES: u64 = 3;

/// Appends a run.
pub(super) fn put(out: &mut Vec<u8>, run: &FilledRun, last: &mut Last) {
    put_or_same(out, &run.encoder, &mut last.encoder);
    varint::put(out, run.count);
    varint::put(out, run.coded_bytes);
    out.extend_from_slice(&run.digest);
    varint::put(out, run.groups.len() as u64);
    for group in &run.groups {
        for number in [group.gap_bytes, group.plain_bytes.into(), group.behind_bytes.into()] {
            varint::put(out, number);
        }
    }
}

impl Pieces<'_> {
    pub(super) fn take_filled(&mut self) -> Result<FilledRun, IndexError> {
        let encoder = self.take_encoder()?;
        let (count, coded_bytes) = (take(&mut self.input)?, take(&mut self.input)?);
        let digest = take_array(&mut self.input)?;
        // The run itself counts as the piece that its first block is.
        use_up(&mut self.left.pieces, count.saturating_sub(1), MANY_PIECES)?;
        let group_count = take(&mut self.input)?;
        if group_count > self.input.len() as u64 / MIN_GROUP_BYTES {
            return Err(IndexError::Malformed("a count is larger than its list can be"));
        }
        let mut groups = Vec::with_capacity(group_count as usize);
        for _ in 0..group_count {
            let gap_bytes = take(&mut self.input)?;
            let (plain_bytes, behind_bytes) = (self.take_u32()?, self.take_u32()?);
            groups.push(FilledGroup { gap_bytes, plain_bytes, behind_bytes });
        }
        Ok(FilledRun { encoder, groups, count, coded_bytes, digest })
    }
}
