//! Blocks: symbols are gathered until a block is full, and then written in the cheapest of three ways.

use super::ZlibFamily;
use super::trees::{Alphabet, Code, codes};
use crate::format::bit_writer::BitWriter;
use crate::format::tables::{
    CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, DISTANCE_BASE, DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK,
    FIRST_LENGTH, FIXED_DISTANCE_BITS, FIXED_LITERAL_BITS, LENGTH_BASE, LENGTH_EXTRA, LITERAL_SYMBOLS, MAX_CODE_BITS,
    MAX_CODE_LENGTH_BITS, distance_symbol, length_symbol, repetition,
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
const STORED: u64 = 0;
const FIXED: u64 = 1;
const DYNAMIC: u64 = 2;

/// The symbols of a block, and the stream.
pub(super) struct Blocks {
    /// A literal, or a length less three in the lower half and a distance in the upper.
    symbols: Vec<u32>,
    matches: usize,
    literal_counts: [u32; LITERAL_SYMBOLS],
    distance_counts: [u32; DISTANCE_SYMBOLS],
    /// So many symbols fill a block.
    most: usize,
    looks: bool,
    bits: BitWriter,
}

impl Blocks {
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
            bits: BitWriter::new(),
        }
    }

    /// Takes a literal; whether the block is to end. `plain_bytes` are those of the block so far, as the matcher counts them.
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
        let literals = Code::build(&mut self.literal_counts, &LITERALS);
        let distances = Code::build(&mut self.distance_counts, &DISTANCES);
        let header = Header::new(&literals, &distances);
        let bytes = |bits: i64| (bits + 3 + 7) >> 3;
        let dynamic = bytes(literals.bits + distances.bits + header.bits());
        let fixed = bytes(literals.fixed_bits + distances.fixed_bits);
        let last = u64::from(is_last);
        match plain {
            Some(plain) if plain_bytes as i64 + 4 <= dynamic.min(fixed) => {
                self.bits.put(STORED << 1 | last, 3);
                self.put_stored(plain);
            }
            _ if fixed <= dynamic => {
                self.bits.put(FIXED << 1 | last, 3);
                let (literals, distances) = (codes(&FIXED_LITERAL_BITS), codes(&FIXED_DISTANCE_BITS));
                self.put_symbols((&FIXED_LITERAL_BITS, &literals), (&FIXED_DISTANCE_BITS, &distances));
            }
            _ => {
                self.bits.put(DYNAMIC << 1 | last, 3);
                header.put(&mut self.bits);
                self.put_symbols((&literals.lengths, &literals.codes), (&distances.lengths, &distances.codes));
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

    fn put_stored(&mut self, plain: &[u8]) {
        self.bits.align();
        // A block is stored only if its symbols are hardly more than its bytes, so it has few.
        let len = plain.len() as u64 & 0xffff;
        self.bits.put(len | (len ^ 0xffff) << 16, 32);
        self.bits.put_bytes(plain);
    }

    fn put_symbols(&mut self, literals: (&[u8], &[u16]), distances: (&[u8], &[u16])) {
        let code =
            |(lengths, codes): (&[u8], &[u16]), symbol: usize| (u64::from(codes[symbol]), u32::from(lengths[symbol]));
        for &symbol in &self.symbols {
            let distance = symbol >> 16;
            if distance == 0 {
                let (code, len) = code(literals, symbol as usize);
                self.bits.put(code, len);
                continue;
            }
            let length = (symbol & 0xff) as u8;
            let of_length = usize::from(length_symbol(length));
            let (mut word, mut bits) = code(literals, FIRST_LENGTH + of_length);
            word |= u64::from(length - LENGTH_BASE[of_length]) << bits;
            bits += u32::from(LENGTH_EXTRA[of_length]);
            let distance = (distance - 1) as u16;
            let of_distance = usize::from(distance_symbol(distance));
            let (distance_code, len) = code(distances, of_distance);
            word |= distance_code << bits;
            bits += len;
            word |= u64::from(distance - DISTANCE_BASE[of_distance]) << bits;
            self.bits.put(word, bits + u32::from(DISTANCE_EXTRA[of_distance]));
        }
        let (end, len) = code(literals, END_OF_BLOCK);
        self.bits.put(end, len);
    }

    /// Fills up the last byte as pigz does: with empty fixed blocks, which take ten bits each, or where these would not do with an empty
    /// stored one.
    pub(super) fn end_byte(&mut self) {
        match self.bits.odd_bits() {
            0 => {}
            odd if odd % 2 == 1 => {
                self.bits.put(STORED << 1, 3);
                self.put_stored(&[]);
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

/// The header of a dynamic block: the lengths of both codes, coded themselves.
struct Header {
    literals: usize,
    distances: usize,
    /// Symbols of code lengths, and what repeats them.
    runs: Vec<(u8, u8)>,
    code: Code,
    own_lengths: usize,
}

impl Header {
    fn new(literals: &Code, distances: &Code) -> Self {
        let (literal_count, distance_count) = (literals.max_symbol + 1, distances.max_symbol + 1);
        let mut runs = Vec::new();
        add_runs(&literals.lengths[..literal_count], &mut runs);
        add_runs(&distances.lengths[..distance_count], &mut runs);
        let mut counts = [0; CODE_LENGTH_SYMBOLS];
        runs.iter().for_each(|&(symbol, _)| counts[usize::from(symbol)] += 1);
        let code = Code::build(&mut counts, &CODE_LENGTHS);
        let own_lengths = (3..19).rev().find(|&at| code.lengths[CODE_LENGTH_ORDER[at]] > 0).unwrap_or(3) + 1;
        Self { literals: literal_count, distances: distance_count, runs, code, own_lengths }
    }

    fn bits(&self) -> i64 {
        self.code.bits + 3 * self.own_lengths as i64 + 5 + 5 + 4
    }

    fn put(&self, bits: &mut BitWriter) {
        bits.put((self.literals - 257) as u64, 5);
        bits.put((self.distances - 1) as u64, 5);
        bits.put((self.own_lengths - 4) as u64, 4);
        CODE_LENGTH_ORDER[..self.own_lengths]
            .iter()
            .for_each(|&symbol| bits.put(u64::from(self.code.lengths[symbol]), 3));
        for &(symbol, times) in &self.runs {
            let at = usize::from(symbol);
            bits.put(u64::from(self.code.codes[at]), u32::from(self.code.lengths[at]));
            bits.put(u64::from(times), repetition(symbol).0);
        }
    }
}

/// Codes lengths by runs, as zlib does: of one code at a time.
fn add_runs(lengths: &[u8], runs: &mut Vec<(u8, u8)>) {
    let (mut at, mut before) = (0, None);
    while at < lengths.len() {
        let length = lengths[at];
        // How many a run may have: after a run of the same length one symbol is not needed to say it again.
        let (most, least) = match length {
            0 => (138, 3),
            _ if before == Some(length) => (6, 3),
            _ => (7, 4),
        };
        let same = lengths[at..].iter().take(most).take_while(|&&next| next == length).count();
        at += same;
        if same < least {
            runs.extend(std::iter::repeat_n((length, 0), same));
        } else if length == 0 {
            runs.push(if same <= 10 { (17, same as u8 - 3) } else { (18, same as u8 - 11) });
        } else {
            let mut repeated = same;
            if before != Some(length) {
                runs.push((length, 0));
                repeated -= 1;
            }
            runs.push((16, repeated as u8 - 3));
        }
        before = Some(length);
    }
}
