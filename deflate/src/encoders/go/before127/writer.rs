//! Blocks, in whichever form is smallest by this generation's estimate.

use crate::encoders::go::block;
use crate::encoders::go::tokens::{DistanceCounts, LiteralCounts, Tokens, extra_bits};
use crate::encoders::huffman::{Codes, DistanceCodes, LiteralCodes, fixed_distances, fixed_literals, joint_header};
use crate::format::bit_writer::{BitWriter, DYNAMIC, FIXED};
use crate::format::dynamic_header::DynamicHeader;
use crate::format::tables::{DISTANCE_SYMBOLS, END_OF_BLOCK, LITERAL_SYMBOLS, MAX_CODE_BITS};

pub(super) struct BlockWriter {
    pub(super) bits: BitWriter,
    literals: LiteralCodes,
    distances: DistanceCodes,
    fixed_literals: LiteralCodes,
    fixed_distances: DistanceCodes,
}

/// The numbers of a block by which its form is chosen.
struct Counted {
    literals: LiteralCounts,
    distances: DistanceCounts,
    header: DynamicHeader,
    /// The size of a dynamic block without extra bits.
    dynamic_size: usize,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self {
            bits: BitWriter::default(),
            literals: Codes::none(),
            distances: Codes::none(),
            fixed_literals: fixed_literals(),
            fixed_distances: fixed_distances(),
        }
    }

    pub(super) fn write_stored(&mut self, content: &[u8]) {
        self.bits.put_stored_block(content, false);
    }

    /// The block of `tokens` in the smallest form; a stored one only where `content` is at hand.
    pub(super) fn write_smallest(&mut self, tokens: &Tokens, content: Option<&[u8]>) {
        let counted = self.count(tokens);
        let content = content.and_then(|content| Some((content, block::stored_size(content.len())?)));
        // Extra bits only matter in comparison with a stored block.
        let extra = if content.is_some() { extra_bits(&counted.literals, &counted.distances) } else { 0 };
        let fixed_size =
            3 + self.fixed_literals.size(&counted.literals) + self.fixed_distances.size(&counted.distances) + extra;
        let dynamic_size = counted.dynamic_size + extra;
        if let Some((content, stored_size)) = content
            && stored_size < dynamic_size.min(fixed_size)
        {
            self.write_stored(content);
        } else if dynamic_size < fixed_size {
            self.write_dynamic(&counted.header, tokens);
        } else {
            self.bits.put_block_start(FIXED, false);
            block::write_tokens(&mut self.bits, &tokens.list, &self.fixed_literals, &self.fixed_distances);
            self.bits.put_end_of_block(&self.fixed_literals.0);
        }
    }

    /// The block of `tokens` with codes of its own, or stored.
    pub(super) fn write_dynamic_or_stored(&mut self, tokens: &Tokens, content: &[u8]) {
        let counted = self.count(tokens);
        if is_better_stored(content, counted.dynamic_size) {
            self.write_stored(content);
        } else {
            self.write_dynamic(&counted.header, tokens);
        }
    }

    /// A block of literals with codes of its own, or stored.
    pub(super) fn write_literals(&mut self, content: &[u8]) {
        let mut counts = [0u32; LITERAL_SYMBOLS];
        content.iter().for_each(|&literal| counts[usize::from(literal)] += 1);
        counts[END_OF_BLOCK] = 1;
        self.literals.set(&counts, MAX_CODE_BITS);
        let distance_counts = one_distance();
        self.distances.set(&distance_counts, MAX_CODE_BITS);
        let header = joint_header((&self.literals, END_OF_BLOCK + 1), (&self.distances, 1));
        let size = 3 + header.bits() + self.literals.size(&counts) + self.distances.size(&distance_counts);
        if is_better_stored(content, size) {
            return self.write_stored(content);
        }
        self.bits.put_block_start(DYNAMIC, false);
        header.write(&mut self.bits);
        self.bits.put_literals(content, &self.literals.0);
        self.bits.put_end_of_block(&self.literals.0);
    }

    /// The empty stored block that ends a stream.
    pub(super) fn finish(&mut self) {
        self.bits.put_stored_block(&[], true);
    }

    /// Counts symbols, and makes codes of them.
    fn count(&mut self, tokens: &Tokens) -> Counted {
        let (literals, mut distances) = (tokens.literal_counts(), tokens.distance_counts());
        let used = |counts: &[u32]| counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        if used(&distances) == 0 {
            // A dynamic block has at least one distance.
            distances = one_distance();
        }
        self.literals.set(&literals, MAX_CODE_BITS);
        self.distances.set(&distances, MAX_CODE_BITS);
        let header = joint_header((&self.literals, used(&literals)), (&self.distances, used(&distances)));
        let dynamic_size = 3 + header.bits() + self.literals.size(&literals) + self.distances.size(&distances);
        Counted { literals, distances, header, dynamic_size }
    }

    fn write_dynamic(&mut self, header: &DynamicHeader, tokens: &Tokens) {
        self.bits.put_block_start(DYNAMIC, false);
        header.write(&mut self.bits);
        block::write_tokens(&mut self.bits, &tokens.list, &self.literals, &self.distances);
        self.bits.put_end_of_block(&self.literals.0);
    }
}

fn one_distance() -> DistanceCounts {
    let mut counts = [0; DISTANCE_SYMBOLS];
    counts[0] = 1;
    counts
}

/// Whether a dynamic block of `size` bits saves less than a sixteenth.
fn is_better_stored(content: &[u8], size: usize) -> bool {
    block::stored_size(content.len()).is_some_and(|stored_size| stored_size < size + (size >> 4))
}
