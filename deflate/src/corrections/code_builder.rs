//! Codes as encoders build them of how often symbols occur.

use crate::encoders::{merged_code_lengths, zlib_code_lengths};
use crate::format::symbols::Counts;
use crate::format::tables::{CODE_LENGTH_SYMBOLS, MAX_CODE_BITS, MAX_CODE_LENGTH_BITS};

/// A way to choose the lengths of codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CodeBuilder {
    /// Package-merge, as in Go's library and klauspost's.
    Merging,
    /// Huffman's algorithm by a heap, as in zlib.
    Heap,
}

impl CodeBuilder {
    pub(super) const ALL: [Self; 2] = [Self::Merging, Self::Heap];

    /// Lengths of the codes of literals and match lengths, and of distances; each ends with the last that there is.
    pub(super) fn lengths(self, counts: &Counts) -> (Vec<u8>, Vec<u8>) {
        let literals = self.of_counts(&counts.literals, MAX_CODE_BITS);
        let mut distances = self.of_counts(&counts.distances, MAX_CODE_BITS);
        if distances.is_empty() {
            distances.push(1);
        }
        (literals, distances)
    }

    /// Lengths of the codes for code lengths.
    pub(super) fn own(self, counts: &[u32; CODE_LENGTH_SYMBOLS]) -> Vec<u8> {
        self.of_counts(counts, MAX_CODE_LENGTH_BITS)
    }

    fn of_counts(self, counts: &[u32], max_bits: usize) -> Vec<u8> {
        let mut lengths = match self {
            Self::Merging => merged_code_lengths(counts, max_bits),
            Self::Heap => zlib_code_lengths(counts, max_bits),
        };
        let used = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
        lengths.truncate(used);
        lengths
    }
}
