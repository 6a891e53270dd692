//! Blocks, in whichever form is smallest by this generation's reckoning.

use crate::encoders::go::block::{self, Header};
use crate::encoders::go::huffman::{Codes, DistanceCodes, LiteralCodes, fixed_distances, fixed_literals};
use crate::encoders::go::lengths::MAX_BITS;
use crate::encoders::go::tokens::{DistanceCounts, LiteralCounts, Tokens, extra_bits};
use crate::format::bit_writer::BitWriter;
use crate::format::tables::{DISTANCE_SYMBOLS, END_OF_BLOCK, LITERAL_SYMBOLS};

pub(super) struct Writer {
    pub(super) bits: BitWriter,
    literals: LiteralCodes,
    distances: DistanceCodes,
    fixed_literals: LiteralCodes,
    fixed_distances: DistanceCodes,
}

/// What of a block is reckoned with.
struct Counted {
    literals: LiteralCounts,
    distances: DistanceCounts,
    header: Header,
    /// Of a dynamic block without extra bits.
    dynamic_size: usize,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            bits: BitWriter::new(),
            literals: Codes::none(),
            distances: Codes::none(),
            fixed_literals: fixed_literals(),
            fixed_distances: fixed_distances(),
        }
    }

    pub(super) fn write_stored(&mut self, content: &[u8]) {
        block::write_stored(&mut self.bits, content);
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
            self.bits.put(2, 3);
            block::write_tokens(&mut self.bits, &tokens.list, &self.fixed_literals, &self.fixed_distances);
            block::write_end_of_block(&mut self.bits, &self.fixed_literals);
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
        let mut counts = [0; LITERAL_SYMBOLS];
        content.iter().for_each(|&literal| counts[usize::from(literal)] += 1);
        counts[END_OF_BLOCK] = 1;
        self.literals.set(&counts, MAX_BITS);
        let distance_counts = one_distance();
        self.distances.set(&distance_counts, MAX_BITS);
        let header = Header::new(&self.literals, END_OF_BLOCK + 1, &self.distances, 1);
        let size = header.size() + self.literals.size(&counts) + self.distances.size(&distance_counts);
        if is_better_stored(content, size) {
            return self.write_stored(content);
        }
        header.write(&mut self.bits);
        for &literal in content {
            let code = self.literals.0[usize::from(literal)];
            self.bits.put(u64::from(code.bits), u32::from(code.length));
        }
        block::write_end_of_block(&mut self.bits, &self.literals);
    }

    /// The empty stored block that ends a stream.
    pub(super) fn finish(&mut self) {
        self.bits.put(1, 3);
        self.bits.align();
        self.bits.put(0xffff_0000, 32);
    }

    /// Counts symbols, and makes codes of them.
    fn count(&mut self, tokens: &Tokens) -> Counted {
        let (literals, mut distances) = (tokens.literal_counts(), tokens.distance_counts());
        let used = |counts: &[u32]| counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        if used(&distances) == 0 {
            // A dynamic block has at least one distance.
            distances = one_distance();
        }
        self.literals.set(&literals, MAX_BITS);
        self.distances.set(&distances, MAX_BITS);
        let header = Header::new(&self.literals, used(&literals), &self.distances, used(&distances));
        let dynamic_size = header.size() + self.literals.size(&literals) + self.distances.size(&distances);
        Counted { literals, distances, header, dynamic_size }
    }

    fn write_dynamic(&mut self, header: &Header, tokens: &Tokens) {
        header.write(&mut self.bits);
        block::write_tokens(&mut self.bits, &tokens.list, &self.literals, &self.distances);
        block::write_end_of_block(&mut self.bits, &self.literals);
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
