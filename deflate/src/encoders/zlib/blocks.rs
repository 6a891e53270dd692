//! BlockWriter: symbols are gathered until a block is full, and then written in the cheapest of three ways.

use super::ZlibFamily;
use super::trees::{Alphabet, Tree};
use crate::format::bit_writer::{BitWriter, DYNAMIC, FIXED};
use crate::format::dynamic_header::{DynamicHeader, length_steps};
use crate::format::prefix_code::{Code as PrefixCode, codes};
use crate::format::tables::{
    CODE_LENGTH_SYMBOLS, DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, FIXED_DISTANCE_BITS,
    FIXED_LITERAL_BITS, LENGTH_EXTRA, LITERAL_SYMBOLS, MAX_CODE_BITS, MAX_CODE_LENGTH_BITS, distance_symbol,
    length_symbol, repetition,
};

const LITERALS: Alphabet = Alphabet {
    symbols: LITERAL_SYMBOLS,
    extra: |symbol| symbol.checked_sub(FIRST_LENGTH).map_or(0, |length| u32::from(LENGTH_EXTRA[length])),
    max_bits: MAX_CODE_BITS,
    fixed: |symbol| u32::from(FIXED_LITERAL_BITS[symbol]),
};
const DISTANCES: Alphabet = Alphabet {
    symbols: DISTANCE_SYMBOLS,
    extra: |symbol| u32::from(DISTANCE_EXTRA[symbol]),
    max_bits: MAX_CODE_BITS,
    fixed: |symbol| u32::from(FIXED_DISTANCE_BITS[symbol]),
};
const CODE_LENGTHS: Alphabet = Alphabet {
    symbols: CODE_LENGTH_SYMBOLS,
    extra: |symbol| repetition(symbol as u8).0,
    max_bits: MAX_CODE_LENGTH_BITS,
    fixed: |_| 0,
};
/// Symbols after which gzip looks whether to end a block.
const LOOK_EVERY: usize = 4096;

/// The symbols of a block, and the stream.
pub(super) struct BlockWriter {
    /// A literal, or a length less three in the lower half and a distance in the upper.
    symbols: Vec<u32>,
    matches: usize,
    literal_counts: [u32; LITERAL_SYMBOLS],
    distance_counts: [u32; DISTANCE_SYMBOLS],
    /// The number of symbols that fill a block.
    most: usize,
    looks: bool,
    bits: BitWriter,
}

impl BlockWriter {
    pub(super) fn new(kind: ZlibFamily) -> Self {
        let most = match kind {
            ZlibFamily::Zlib { memory: 9, .. } | ZlibFamily::Gzip { .. } => 32767,
            ZlibFamily::Zlib { .. } | ZlibFamily::Pigz { .. } => 16383,
        };
        Self {
            symbols: Vec::with_capacity(most),
            matches: 0,
            literal_counts: [0; LITERAL_SYMBOLS],
            distance_counts: [0; DISTANCE_SYMBOLS],
            most,
            looks: matches!(kind, ZlibFamily::Gzip { .. }) && kind.level() > 2,
            bits: BitWriter::default(),
        }
    }

    /// Takes a literal, and returns whether the block must end. `plain_bytes` are those of the block so far, as the
    /// matcher counts them.
    #[inline(always)]
    pub(super) fn literal(&mut self, byte: u8, plain_bytes: usize) -> bool {
        self.symbols.push(u32::from(byte));
        self.literal_counts[usize::from(byte)] += 1;
        self.is_full(plain_bytes)
    }

    /// Takes a match.
    #[inline(always)]
    pub(super) fn matched(&mut self, distance: usize, len: usize, plain_bytes: usize) -> bool {
        let length = (len - 3) as u8;
        self.symbols.push((distance as u32) << 16 | u32::from(length));
        self.matches += 1;
        self.literal_counts[FIRST_LENGTH + usize::from(length_symbol(length))] += 1;
        self.distance_counts[usize::from(distance_symbol((distance - 1) as u16))] += 1;
        self.is_full(plain_bytes)
    }

    #[inline(always)]
    fn is_full(&self, plain_bytes: usize) -> bool {
        let count = self.symbols.len();
        count == self.most || self.looks && count.is_multiple_of(LOOK_EVERY) && self.is_worth_ending(plain_bytes)
    }

    /// The block is compressed well, and has few matches: other codes may be better from here on.
    #[cold]
    fn is_worth_ending(&self, plain_bytes: usize) -> bool {
        let counts = self.distance_counts.iter().zip(DISTANCE_EXTRA);
        let of_matches: u64 = counts.map(|(&count, extra)| u64::from(count) * (5 + u64::from(extra))).sum();
        let bytes = (self.symbols.len() as u64 * 8 + of_matches) >> 3;
        self.matches < self.symbols.len() / 2 && bytes < plain_bytes as u64 / 2
    }

    pub(super) fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Writes the block. `plain` are its plain bytes, if they are all in the window, of which there are `plain_bytes`.
    pub(super) fn end(&mut self, plain: Option<&[u8]>, plain_bytes: usize, is_last: bool) {
        self.literal_counts[END_OF_BLOCK] = 1;
        let literals = Tree::build(&mut self.literal_counts, &LITERALS);
        let distances = Tree::build(&mut self.distance_counts, &DISTANCES);
        let header = header(&literals, &distances);
        let bytes = |bits: i64| (bits + 3 + 7) >> 3;
        let dynamic = bytes(literals.bits + distances.bits + header.bits() as i64);
        let fixed = bytes(literals.fixed_bits + distances.fixed_bits);
        match plain {
            Some(plain) if plain_bytes as i64 + 4 <= dynamic.min(fixed) => {
                // A block is stored only if its symbols are hardly more than its bytes, so it has few.
                self.bits.put_stored_block(plain, is_last);
            }
            _ if fixed <= dynamic => {
                self.bits.put_block_start(FIXED, is_last);
                let (literals, distances) = (codes(&FIXED_LITERAL_BITS), codes(&FIXED_DISTANCE_BITS));
                self.put_symbols(&literals, &distances);
            }
            _ => {
                self.bits.put_block_start(DYNAMIC, is_last);
                header.write(&mut self.bits);
                self.put_symbols(&literals.codes, &distances.codes);
            }
        }
        self.symbols.clear();
        self.matches = 0;
        self.literal_counts.fill(0);
        self.distance_counts.fill(0);
        if is_last {
            self.bits.align();
        }
    }

    fn put_symbols(&mut self, literals: &[PrefixCode], distances: &[PrefixCode]) {
        let mut run = self.bits.run();
        for &symbol in &self.symbols {
            let distance = symbol >> 16;
            if distance == 0 {
                run.put_code(literals[symbol as usize]);
                continue;
            }
            let distance = (distance - 1) as u16;
            let matched = (symbol as u8, distance, usize::from(distance_symbol(distance)) & 31);
            run.put_match(matched, literals, distances);
        }
        run.done();
        self.bits.put_end_of_block(literals);
    }

    /// Fills up the last byte as pigz does: with empty fixed blocks, which take ten bits each, or where these would not
    /// do with an empty stored one.
    pub(super) fn end_byte(&mut self) {
        match self.bits.odd_bits() {
            0 => {}
            odd if odd % 2 == 1 => {
                self.bits.put_stored_block(&[], false);
            }
            _ => {
                while self.bits.odd_bits() > 0 {
                    self.bits.put(FIXED << 1, 10);
                }
            }
        }
    }

    pub(super) fn append_to(&mut self, out: &mut Vec<u8>) {
        self.bits.append_to(out);
    }
}

/// The header of a block with these codes, as zlib writes it: runs of lengths end where those of literals do.
fn header(literals: &Tree, distances: &Tree) -> DynamicHeader {
    let parts = [&literals.lengths[..=literals.max_symbol], &distances.lengths[..=distances.max_symbol]];
    DynamicHeader::new(parts[0].len(), parts.concat(), length_steps(&parts), |counts| {
        let lengths = Tree::build(counts, &CODE_LENGTHS).lengths;
        std::array::from_fn(|symbol| lengths[symbol])
    })
}
