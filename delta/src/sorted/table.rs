//! The table of lanes, which ends a body, and the list of spans.

use super::{MAX_DICTIONARIES_BYTES, MAX_DICTIONARY_LOG, MAX_LANES, MIN_DICTIONARY_LOG};
use crate::error::DeltaError;

/// How the bytes of a lane are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneForm {
    /// The filter before LZMA2, by its number in the .xz format; 0 is none.
    pub(super) filter: u8,
    /// lc, and 16 times pb. lp is 0.
    context_bits: u8,
    /// The logarithm of the dictionary's size.
    pub(super) dictionary_log: u8,
}

impl LaneForm {
    /// The form of the list of spans.
    pub(super) const SPANS: Self = Self { filter: 0, context_bits: 0, dictionary_log: 20 };

    pub(super) const fn bits(lc: u8, pb: u8) -> u8 {
        lc | pb << 4
    }

    /// A form for this many bytes. Its dictionary is no larger than it is of use, and its logarithm at most `most_log`.
    pub(super) fn new(filter: u8, context_bits: u8, plain_bytes: u64, most_log: u8) -> Self {
        let log = 64 - plain_bytes.saturating_sub(1).leading_zeros() as u8;
        Self { filter, context_bits, dictionary_log: log.clamp(MIN_DICTIONARY_LOG, most_log) }
    }

    /// lc and pb.
    pub(super) fn context_bits(&self) -> (u32, u32) {
        (u32::from(self.context_bits & 15), u32::from(self.context_bits >> 4))
    }
}

/// A lane in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneEntry {
    pub(super) form: LaneForm,
    pub(super) plain_bytes: u64,
    pub(super) packed_bytes: u64,
}

/// The table of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) lanes: Vec<LaneEntry>,
    /// The bytes of the list of spans, plain and packed.
    pub(super) spans_plain: u64,
    pub(super) spans_packed: u64,
}

/// The size of an entry, and of what is before the entries.
const ENTRY_BYTES: usize = 3 + 8 + 8;
const FRONT_BYTES: usize = 1 + 8 + 8;
/// The largest size of the table.
pub(super) const MAX_TABLE_BYTES: usize = FRONT_BYTES + MAX_LANES * ENTRY_BYTES;
/// The most bytes of the list of spans.
const MAX_SPANS_BYTES: u64 = 16 << 20;

const OTHER: DeltaError = DeltaError::Damaged("the table of lanes does not fit");

impl Table {
    /// Appends the table. Its last byte is the number of lanes, so it is read from its end.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for LaneEntry { form, plain_bytes, packed_bytes } in &self.lanes {
            out.extend([form.filter, form.context_bits, form.dictionary_log]);
            out.extend(plain_bytes.to_le_bytes());
            out.extend(packed_bytes.to_le_bytes());
        }
        out.extend(self.spans_plain.to_le_bytes());
        out.extend(self.spans_packed.to_le_bytes());
        out.push(self.lanes.len() as u8);
    }

    /// The size of the table that ends with this byte.
    pub(super) fn bytes(last: u8) -> Result<usize, DeltaError> {
        let lanes = usize::from(last);
        if (1..=MAX_LANES).contains(&lanes) { Ok(FRONT_BYTES + lanes * ENTRY_BYTES) } else { Err(OTHER) }
    }

    /// Decodes a table of a target of this size. `before` is the number of bytes before the table that are packed.
    pub(super) fn decode(table: &[u8], target_bytes: u64, before: u64) -> Result<Self, DeltaError> {
        let number = |at: usize| {
            let bytes = table.get(at..at + 8).and_then(|bytes| bytes.first_chunk()).copied();
            bytes.map(u64::from_le_bytes).ok_or(OTHER)
        };
        let ends = table.len().checked_sub(FRONT_BYTES).ok_or(OTHER)?;
        let (spans_plain, spans_packed) = (number(ends)?, number(ends + 8)?);
        let mut lanes = Vec::new();
        for (entry, start) in table[..ends].chunks_exact(ENTRY_BYTES).zip((0..).step_by(ENTRY_BYTES)) {
            let form = LaneForm { filter: entry[0], context_bits: entry[1], dictionary_log: entry[2] };
            lanes.push(LaneEntry { form, plain_bytes: number(start + 3)?, packed_bytes: number(start + 11)? });
        }
        let table = Self { lanes, spans_plain, spans_packed };
        if table.fits(target_bytes, before) { Ok(table) } else { Err(OTHER) }
    }

    fn fits(&self, target_bytes: u64, before: u64) -> bool {
        let sum = |of: fn(&LaneEntry) -> u64, first| {
            self.lanes.iter().try_fold(first, |sum: u64, lane| sum.checked_add(of(lane)))
        };
        let is_known = |LaneForm { context_bits, dictionary_log, .. }: &LaneForm| {
            context_bits & 15 <= 4
                && context_bits >> 4 <= 4
                && (MIN_DICTIONARY_LOG..=MAX_DICTIONARY_LOG).contains(dictionary_log)
        };
        // The logarithms are checked before they are used.
        self.lanes.iter().all(|lane| is_known(&lane.form) && lane.plain_bytes > 0)
            && sum(|lane| lane.plain_bytes, 0) == Some(target_bytes)
            && sum(|lane| lane.packed_bytes, self.spans_packed) == Some(before)
            && sum(|lane| 1 << lane.form.dictionary_log, 0).is_some_and(|bytes| bytes <= MAX_DICTIONARIES_BYTES)
            && (1..=MAX_SPANS_BYTES).contains(&self.spans_plain)
    }
}
