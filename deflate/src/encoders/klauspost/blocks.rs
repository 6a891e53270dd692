//! Which kind of block a run of tokens becomes, with which codes.
//!
//! A block's end is written only when it is known that the next one does not go on with its codes.

use super::Version;
use super::tokens::{END, Token, Tokens, distance_less_1, length_less_3, symbol_of_distance};
use crate::encoders::huffman::{Codes, DistanceCodes, LiteralCodes, fixed_distances, fixed_literals, joint_header};
use crate::format::bit_writer::{BitWriter, DYNAMIC, FIXED};
use crate::format::dynamic_header::DynamicHeader;
use crate::format::tables::{
    DISTANCE_EXTRA, DISTANCE_SYMBOLS, FIRST_LENGTH, LENGTH_EXTRA, LITERAL_SYMBOLS, MAX_CODE_BITS, MAX_STORED_BYTES,
};

/// Fixed codes are tried for fewer tokens only.
const MAX_FIXED_TOKENS: usize = 250;
/// The bits that a header is taken to need before there was one.
const GUESSED_HEADER_BITS: usize = 70 * 8;

#[derive(Debug)]
pub(super) struct BlockWriter {
    pub(super) out: BitWriter,
    literal: LiteralCodes,
    distance: DistanceCodes,
    fixed_literal: LiteralCodes,
    fixed_distance: DistanceCodes,
    /// The bits of the header of the block that is not ended yet.
    open_header_bits: Option<usize>,
    /// The last codes that were made have no lengths.
    only_literals: bool,
    /// A new header is taken to cost this much more: the bits, shifted right by it.
    penalty_shift: u32,
    version: Version,
}

/// The counts of the symbols of a block.
struct Counts {
    literals: [u16; 289],
    distances: [u16; 32],
}

impl Counts {
    fn of(tokens: &Tokens) -> Self {
        let mut literals = [0; 289];
        literals[..256].copy_from_slice(&tokens.literals);
        literals[256..288].copy_from_slice(&tokens.lengths);
        Self { literals, distances: tokens.distances }
    }

    /// The number of symbols of literals and of distances up to the last that occurs. At least one distance is counted.
    fn used(&mut self) -> (usize, usize) {
        let literals = self.literals.iter().rposition(|&count| count != 0).map_or(257, |last| last + 1);
        let distances = self.distances.iter().rposition(|&count| count != 0).map_or(0, |last| last + 1);
        if distances == 0 {
            self.distances[0] = 1;
        }
        (literals, distances.max(1))
    }

    fn extra_bits(&self) -> usize {
        let of = |counts: &[u16], bits: &[u8]| -> usize {
            counts.iter().zip(bits).map(|(&count, &bits)| usize::from(count) * usize::from(bits)).sum()
        };
        of(&self.literals[FIRST_LENGTH..], &LENGTH_EXTRA) + of(&self.distances, &DISTANCE_EXTRA)
    }
}

/// The form in which a block is written.
enum Choice {
    Stored,
    Fixed,
    OpenCodes,
    NewCodes,
}

impl BlockWriter {
    pub(super) fn new(version: Version, penalty_shift: u32) -> Self {
        Self {
            out: BitWriter::default(),
            literal: Codes::none(),
            distance: Codes::none(),
            fixed_literal: fixed_literals(),
            fixed_distance: fixed_distances(),
            open_header_bits: None,
            only_literals: false,
            penalty_shift,
            version,
        }
    }

    /// Ends the block that is open.
    fn end_open(&mut self) {
        if self.open_header_bits.take().is_some() {
            self.out.put_end_of_block(&self.literal.0);
        }
    }

    pub(super) fn stored(&mut self, bytes: &[u8]) {
        self.end_open();
        self.out.put_stored_block(bytes, false);
    }

    /// The last block: an empty one.
    pub(super) fn finish(&mut self) {
        self.end_open();
        self.out.put_block_start(FIXED, true);
        self.out.put(0, 7);
        self.out.align();
    }

    /// The tokens that stand for `plain`, which is none if it is not at hand. If it is `ended`, the next block has
    /// other codes in any case.
    pub(super) fn tokens(&mut self, tokens: &mut Tokens, plain: Option<&[u8]>, ended: bool) {
        if ended {
            tokens.end();
        }
        if self.only_literals && self.open_header_bits.is_some() {
            self.end_open();
            self.only_literals = false;
        }
        if self.open_header_bits.is_some() && !self.open_codes_have(tokens) {
            self.end_open();
        }
        let mut counts = Counts::of(tokens);
        let used = match (self.version.trims_headers(), ended) {
            (true, _) => {
                counts.literals[END as usize] = 1;
                counts.used()
            }
            (false, true) => counts.used(),
            (false, false) => (LITERAL_SYMBOLS, DISTANCE_SYMBOLS),
        };
        let plain = plain.filter(|plain| plain.len() <= MAX_STORED_BYTES);
        let stored_bits = plain.map(|plain| (plain.len() + 5) * 8);
        let extra_bits = if plain.is_some() || self.open_header_bits.is_some() { counts.extra_bits() } else { 0 };
        let (choice, header) = match self.open_choice(tokens, &counts, extra_bits, stored_bits) {
            Choice::NewCodes => {
                self.end_open();
                self.new_choice(tokens, &mut counts, extra_bits, stored_bits, used)
            }
            choice => (choice, None),
        };
        match (choice, plain) {
            (Choice::Stored, Some(plain)) => self.stored(plain),
            (Choice::Fixed, _) => self.fixed(tokens, ended),
            _ => self.own_codes(tokens, header, ended),
        }
    }

    fn open_codes_have(&self, tokens: &Tokens) -> bool {
        let lengths = tokens.lengths.iter().zip(&self.literal.0[END as usize..]);
        self.distance.covers(&tokens.distances)
            && self.literal.covers(&tokens.literals)
            && lengths.into_iter().all(|(&count, code)| count == 0 || !code.is_none())
    }

    fn fixed_bits(&self, counts: &Counts, extra_bits: usize) -> usize {
        let literals = self.fixed_literal.size(&counts.literals[..LITERAL_SYMBOLS]);
        3 + literals + self.fixed_distance.size(&counts.distances[..DISTANCE_SYMBOLS]) + extra_bits
    }

    /// The choice while a block is open.
    fn open_choice(&self, tokens: &Tokens, counts: &Counts, extra_bits: usize, stored_bits: Option<usize>) -> Choice {
        let Some(header_bits) = self.open_header_bits else { return Choice::NewCodes };
        let mut new_bits = header_bits + tokens.estimated_bits();
        new_bits += self.literal.0[END as usize].len() as usize + (new_bits >> self.penalty_shift);
        let open_bits = self.literal.size(&counts.literals) + self.distance.size(&counts.distances) + extra_bits;
        let bits = open_bits.min(new_bits);
        let stored_is_best = stored_bits.is_some_and(|stored_bits| stored_bits <= bits);
        if tokens.list.len() < MAX_FIXED_TOKENS && self.fixed_bits(counts, extra_bits) + 7 < bits && !stored_is_best {
            return Choice::Fixed;
        }
        match (stored_is_best, new_bits < open_bits) {
            (true, _) => Choice::Stored,
            (_, true) => Choice::NewCodes,
            _ => Choice::OpenCodes,
        }
    }

    /// The choice while none is open. Makes new codes.
    fn new_choice(
        &mut self,
        tokens: &Tokens,
        counts: &mut Counts,
        extra_bits: usize,
        stored_bits: Option<usize>,
        used: (usize, usize),
    ) -> (Choice, Option<DynamicHeader>) {
        counts.literals[END as usize] = 1;
        self.literal.set(&counts.literals[..LITERAL_SYMBOLS], MAX_CODE_BITS);
        self.distance.set(&counts.distances[..DISTANCE_SYMBOLS], MAX_CODE_BITS);
        let header = joint_header((&self.literal, used.0), (&self.distance, used.1));
        let own_bits = self.literal.size(&counts.literals) + self.distance.size(&counts.distances);
        let bits = 3 + header.bits() + own_bits + extra_bits;
        let is_stored = |bits| stored_bits.is_some_and(|stored_bits| stored_bits <= bits);
        if tokens.list.len() < MAX_FIXED_TOKENS {
            let fixed_bits = self.fixed_bits(counts, extra_bits);
            if fixed_bits <= bits {
                return (if is_stored(fixed_bits) { Choice::Stored } else { Choice::Fixed }, None);
            }
        }
        (if is_stored(bits) { Choice::Stored } else { Choice::NewCodes }, Some(header))
    }

    fn fixed(&mut self, tokens: &mut Tokens, ended: bool) {
        self.end_open();
        self.out.put_block_start(FIXED, false);
        if !ended {
            tokens.end();
        }
        put_tokens(&mut self.out, &tokens.list, &self.fixed_literal, &self.fixed_distance);
    }

    /// Begins a block with the codes that were made last.
    fn begin(&mut self, header: &DynamicHeader) {
        self.out.put_block_start(DYNAMIC, false);
        header.write(&mut self.out);
        self.open_header_bits = Some(3 + header.bits());
    }

    fn own_codes(&mut self, tokens: &Tokens, header: Option<DynamicHeader>, ended: bool) {
        if let Some(header) = header {
            self.begin(&header);
            self.only_literals = false;
        }
        if ended {
            self.open_header_bits = None;
        }
        put_tokens(&mut self.out, &tokens.list, &self.literal, &self.distance);
    }

    /// `plain` as literals, or stored if that hardly gains anything.
    pub(super) fn literals(&mut self, plain: &[u8], ended: bool) {
        let mut counts = [0u16; 257];
        plain.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        if plain.len() > 1024 && plain.len() <= MAX_STORED_BYTES && is_flat(&counts[..256], plain.len()) {
            return self.stored(plain);
        }
        counts[END as usize] = 1;
        let mut fresh = LiteralCodes::none();
        fresh.set(&counts, MAX_CODE_BITS);
        let mut bits = fresh.size(&counts) + self.open_header_bits.unwrap_or(GUESSED_HEADER_BITS);
        bits += bits >> self.penalty_shift;
        if plain.len() <= MAX_STORED_BYTES && (plain.len() + 5) * 8 <= bits {
            return self.stored(plain);
        }
        if !self.literal.covers(&counts[..256]) || bits < self.literal.size(&counts[..256]) {
            self.end_open();
        }
        if self.open_header_bits.is_none() {
            self.literal = fresh;
            let mut distance = DistanceCodes::none();
            distance.set(&[1u32], MAX_CODE_BITS);
            self.begin(&joint_header((&self.literal, END as usize + 1), (&distance, 1)));
            self.only_literals = true;
        }
        self.out.put_literals(plain, &self.literal.0);
        if ended {
            self.end_open();
            self.only_literals = false;
        }
    }
}

fn put_tokens(out: &mut BitWriter, tokens: &[Token], literals: &LiteralCodes, distances: &DistanceCodes) {
    let mut run = out.run();
    for &token in tokens {
        if token <= END {
            run.put_code(literals.0[token as usize]);
        } else {
            let matched = (length_less_3(token), distance_less_1(token), symbol_of_distance(token));
            run.put_match(matched, &literals.0, &distances.0);
        }
    }
    run.done();
}

/// Whether all values are about as frequent: the squares of what the counts are off the mean sum up to less than two
/// for each byte.
fn is_flat(counts: &[u16], length: usize) -> bool {
    let off = |count: &u16| (i64::from(*count) * 256 - length as i64).unsigned_abs().pow(2);
    counts.iter().map(off).sum::<u64>() < (length as u64 * 2) << 16
}
