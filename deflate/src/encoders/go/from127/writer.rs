//! Blocks, which go on with the codes of the block before where that is estimated to be smaller.

use std::mem::swap;

use super::estimate::{Rounding, estimated_bits};
use crate::encoders::go::block;
use crate::encoders::go::tokens::{DistanceCounts, LiteralCounts, Tokens, extra_bits};
use crate::encoders::huffman::{Codes, DistanceCodes, LiteralCodes, fixed_distances, fixed_literals, joint_header};
use crate::format::bit_writer::{BitWriter, DYNAMIC, FIXED};
use crate::format::tables::{DISTANCE_SYMBOLS, END_OF_BLOCK, MAX_CODE_BITS};

/// Blocks of fewer tokens may take the fixed codes.
const FIXED_MAX_TOKENS: usize = 250;
/// Blocks of literals of more bytes are looked at for being random.
const RANDOM_MIN_BYTES: usize = 1024;
/// The size that a header is taken to have before there is one.
const GUESSED_HEADER_BITS: usize = 70 * 8;

pub(super) struct BlockWriter {
    pub(super) bits: BitWriter,
    penalty_shift: u32,
    rounding: Rounding,
    /// The size of the header of a block that is not yet ended.
    open: Option<usize>,
    /// Whether the last codes made are of literals only.
    literals_only: bool,
    literals: LiteralCodes,
    spare_literals: LiteralCodes,
    distances: DistanceCodes,
    one_distance: DistanceCodes,
    fixed_literals: LiteralCodes,
    fixed_distances: DistanceCodes,
}

/// The numbers of a block by which its form is chosen.
struct Counted<'a> {
    tokens: &'a Tokens,
    /// Tokens, with the end of the block if it is sure to be written.
    total: usize,
    last: bool,
    literals: LiteralCounts,
    distances: DistanceCounts,
    /// The counts that codes are made from, with at least one distance.
    some_distances: DistanceCounts,
    extra_bits: usize,
    stored: Option<Stored<'a>>,
}

/// The block as a stored one.
#[derive(Clone, Copy)]
struct Stored<'a> {
    content: &'a [u8],
    size: usize,
}

impl BlockWriter {
    pub(super) fn new(penalty_shift: u32, rounding: Rounding) -> Self {
        let mut one_distance = Codes::none();
        one_distance.set(&one_distance_counts(), MAX_CODE_BITS);
        Self {
            bits: BitWriter::default(),
            penalty_shift,
            rounding,
            open: None,
            literals_only: false,
            literals: Codes::none(),
            spare_literals: Codes::none(),
            distances: Codes::none(),
            one_distance,
            fixed_literals: fixed_literals(),
            fixed_distances: fixed_distances(),
        }
    }

    pub(super) fn write_stored(&mut self, content: &[u8]) {
        self.end_open();
        self.bits.put_stored_block(content, false);
    }

    /// The block of `tokens`; a stored one only where `content` is at hand. The last blocks are ended at once.
    pub(super) fn write(&mut self, tokens: &Tokens, content: Option<&[u8]>, last: bool) {
        let (literals, distances) = (tokens.literal_counts(), tokens.distance_counts());
        let reusable = !self.literals_only && self.literals.covers(&literals) && self.distances.covers(&distances);
        if self.open.is_some() && !reusable {
            self.end_open();
            self.literals_only = false;
        }
        let some_distances = if distances.iter().all(|&count| count == 0) { one_distance_counts() } else { distances };
        let stored = content.and_then(|content| Some(Stored { content, size: block::stored_size(content.len())? }));
        let extra_bits = if stored.is_some() || self.open.is_some() { extra_bits(&literals, &distances) } else { 0 };
        let total = tokens.list.len() + usize::from(last);
        let counted = Counted { tokens, total, last, literals, distances, some_distances, extra_bits, stored };
        let done = self.open.is_some_and(|header_size| self.reconsider(header_size, &counted))
            || self.open.is_none() && self.begin(&counted);
        if !done {
            block::write_tokens(&mut self.bits, &tokens.list, &self.literals, &self.distances);
            if last {
                self.open = None;
                self.bits.put_end_of_block(&self.literals.0);
            }
        }
    }

    /// Decides whether to go on with the open block, whose header has this size, and ends it if new codes are estimated
    /// to be better. True if the tokens are written already.
    fn reconsider(&mut self, header_size: usize, counted: &Counted) -> bool {
        let mut new_size =
            header_size + estimated_bits(self.rounding, &counted.literals, &counted.distances, counted.total);
        new_size += usize::from(self.literals.0[END_OF_BLOCK].length) + (new_size >> self.penalty_shift);
        let reuse_size =
            self.literals.size(&counted.literals) + self.distances.size(&counted.some_distances) + counted.extra_bits;
        if new_size < reuse_size {
            self.end_open();
        }
        let size = new_size.min(reuse_size);
        if counted.total < FIXED_MAX_TOKENS && self.fixed_size(counted) + 7 < size {
            self.write_fixed_or_stored(counted, size);
            return true;
        }
        self.write_stored_if_smaller(counted, size)
    }

    /// Begins a block with codes of its own. True if the tokens are written already, in another form.
    fn begin(&mut self, counted: &Counted) -> bool {
        let used = |counts: &[u32]| counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        self.literals.set(&counted.literals, MAX_CODE_BITS);
        self.distances.set(&counted.some_distances, MAX_CODE_BITS);
        let header =
            joint_header((&self.literals, used(&counted.literals)), (&self.distances, used(&counted.some_distances)));
        let header_size = 3 + header.bits();
        let size = header_size
            + self.literals.size(&counted.literals)
            + self.distances.size(&counted.some_distances)
            + counted.extra_bits;
        let fixed_size = self.fixed_size(counted);
        if counted.total < FIXED_MAX_TOKENS && fixed_size <= size {
            self.write_fixed_or_stored(counted, fixed_size);
            return true;
        }
        if self.write_stored_if_smaller(counted, size) {
            return true;
        }
        self.bits.put_block_start(DYNAMIC, false);
        header.write(&mut self.bits);
        self.open = (!counted.last).then_some(header_size);
        self.literals_only = false;
        false
    }

    fn fixed_size(&self, counted: &Counted) -> usize {
        3 + self.fixed_literals.size(&counted.literals)
            + self.fixed_distances.size(&counted.some_distances)
            + counted.extra_bits
    }

    fn write_fixed_or_stored(&mut self, counted: &Counted, size: usize) {
        if self.write_stored_if_smaller(counted, size) {
            return;
        }
        self.end_open();
        self.bits.put_block_start(FIXED, false);
        block::write_tokens(&mut self.bits, &counted.tokens.list, &self.fixed_literals, &self.fixed_distances);
        self.bits.put_end_of_block(&self.fixed_literals.0);
    }

    fn write_stored_if_smaller(&mut self, counted: &Counted, size: usize) -> bool {
        let stored = counted.stored.filter(|stored| stored.size <= size);
        stored.inspect(|stored| self.write_stored(stored.content)).is_some()
    }

    /// A block of literals, or a stored one of up to 65535 bytes.
    pub(super) fn write_literals(&mut self, content: &[u8], last: bool) {
        let mut counts = [0u32; END_OF_BLOCK + 1];
        content.iter().for_each(|&literal| counts[usize::from(literal)] += 1);
        if content.len() > RANDOM_MIN_BYTES && is_random(&counts[..END_OF_BLOCK], content.len()) {
            return self.write_stored(content);
        }
        counts[END_OF_BLOCK] = 1;
        self.spare_literals.set(&counts, MAX_CODE_BITS);
        let mut size = self.spare_literals.size(&counts) + self.open.unwrap_or(GUESSED_HEADER_BITS);
        size += size >> self.penalty_shift;
        if block::stored_size(content.len()).is_some_and(|stored_size| stored_size <= size) {
            return self.write_stored(content);
        }
        let literals = &counts[..END_OF_BLOCK];
        if self.open.is_some() && (!self.literals.covers(literals) || size < self.literals.size(literals)) {
            self.end_open();
        }
        if self.open.is_none() {
            swap(&mut self.literals, &mut self.spare_literals);
            let header = joint_header((&self.literals, END_OF_BLOCK + 1), (&self.one_distance, 1));
            self.bits.put_block_start(DYNAMIC, false);
            header.write(&mut self.bits);
            self.literals_only = true;
            self.open = Some(3 + header.bits());
        }
        self.bits.put_literals(content, &self.literals.0);
        if last {
            self.end_open();
            self.literals_only = false;
        }
    }

    /// The empty fixed block that ends a stream.
    pub(super) fn finish(&mut self) {
        self.end_open();
        self.bits.put(3, 3 + 7);
        self.bits.align();
    }

    fn end_open(&mut self) {
        if self.open.take().is_some() {
            self.bits.put_end_of_block(&self.literals.0);
        }
    }
}

fn one_distance_counts() -> DistanceCounts {
    let mut counts = [0; DISTANCE_SYMBOLS];
    counts[0] = 1;
    counts
}

/// Whether all bytes occur about equally often.
fn is_random(counts: &[u32], bytes: usize) -> bool {
    let mean = bytes as f64 / 256.0;
    // Exact: all are multiples of 2^-16 and far below 2^37.
    let squares: f64 = counts.iter().map(|&count| (f64::from(count) - mean).powi(2)).sum();
    squares < (bytes * 2) as f64
}
