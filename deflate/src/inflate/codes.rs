//! The codes of a block as tables for inflating: one look-up gives up to two literals, or a length or a distance with the
//! place of its extra bits.
//!
//! An entry has 32 bits:
//!
//! | bits | literals | a length, a distance | a length with its extra bits to come | anything else |
//! |---|---|---|---|---|
//! | 0 to 7 | bits of all its codes | bits of its code and its extra bits | the same | bits that show this |
//! | 8 to 11 | bits of the first one's code | of a distance, bits of its code | bits of its code | bits by which a longer code goes on |
//! | 12 to 15 | 13 is set; 12: there is a second one | none is set | 15 is set | 15 is set; 12: a longer code; 14: the block's end; both: no code |
//! | 16 to 31 | the literals | the length; a distance's base | base | start of the longer codes |

use crate::DeflateError;
use crate::format::tables::{
    DISTANCE_BASE, DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, FIXED_DISTANCE_BITS,
    FIXED_LITERAL_BITS, LENGTH_BASE, LENGTH_EXTRA, LITERAL_SYMBOLS, MAX_CODE_BITS, MIN_MATCH_BYTES,
};

/// Codes of literals and lengths that have at most this many bits take one look-up.
pub(super) const LITERAL_ROOT_BITS: usize = 11;
/// Codes of distances that have at most this many bits take one look-up.
const DISTANCE_ROOT_BITS: usize = 9;

const CODE_BITS_AT: u32 = 8;
const SECOND: u32 = 1 << 12;
const LONGER: u32 = 1 << 12;
const LITERAL: u32 = 1 << 13;
const END: u32 = 1 << 14;
const EXCEPTION: u32 = 1 << 15;
const VALUE_AT: u32 = 16;
const KIND: u32 = EXCEPTION | END | LONGER;
const NO_CODE: u32 = KIND;
/// No code begins so, which one bit shows: only tables of a single code of one bit, and of none, keep such entries.
const NONE: u32 = NO_CODE | 1;

/// What the next bits of a stream stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    /// Bits of all codes of the entry, and of the extra bits behind them. At most 28.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        (self.0 as u8).into()
    }

    #[inline(always)]
    pub(super) fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    /// Both literals.
    #[inline(always)]
    pub(super) fn literals(self) -> [u8; 2] {
        ((self.0 >> VALUE_AT) as u16).to_le_bytes()
    }

    /// How many literals there are: one or two.
    #[inline(always)]
    pub(super) fn literal_count(self) -> usize {
        1 + (self.0 >> 12 & 1) as usize
    }

    /// Bits of the code of the first literal.
    #[inline(always)]
    pub(super) fn code_bits(self) -> u32 {
        self.0 >> CODE_BITS_AT & 15
    }

    /// Whether this is neither a literal, nor a whole length, nor a distance.
    #[inline(always)]
    pub(super) fn is_exception(self) -> bool {
        self.0 & EXCEPTION != 0
    }

    #[inline(always)]
    pub(super) fn is_longer(self) -> bool {
        self.0 & KIND == EXCEPTION | LONGER
    }

    #[inline(always)]
    pub(super) fn is_end(self) -> bool {
        self.0 & KIND == EXCEPTION | END
    }

    /// Whether this is a length whose extra bits are to come.
    #[inline(always)]
    pub(super) fn is_long_length(self) -> bool {
        self.0 & KIND == EXCEPTION
    }

    /// The length, if it is whole.
    #[inline(always)]
    pub(super) fn length(self) -> usize {
        (self.0 >> VALUE_AT) as usize
    }

    /// The distance, or a length with its extra bits. Its code begins at the lowest of these bits.
    #[inline(always)]
    pub(super) fn value(self, held: u64) -> usize {
        let extra = (held & !(u64::MAX << (self.0 & 63))) >> self.code_bits();
        (self.0 >> VALUE_AT) as usize + extra as usize
    }
}

/// The code of a length or a distance, without the bits of its code.
const fn base(value: u16, extra: u8) -> u32 {
    (value as u32) << VALUE_AT | extra as u32
}

const fn literal_or_length(symbol: usize) -> u32 {
    match symbol {
        0..END_OF_BLOCK => LITERAL | (symbol as u32) << VALUE_AT,
        END_OF_BLOCK => EXCEPTION | END,
        FIRST_LENGTH..LITERAL_SYMBOLS => {
            let at = symbol - FIRST_LENGTH;
            // A length without extra bits is whole.
            let kind = if LENGTH_EXTRA[at] == 0 { 0 } else { EXCEPTION };
            kind | base(MIN_MATCH_BYTES as u16 + LENGTH_BASE[at] as u16, LENGTH_EXTRA[at])
        }
        _ => NO_CODE,
    }
}

const fn distance(symbol: usize) -> u32 {
    match symbol {
        0..DISTANCE_SYMBOLS => base(1 + DISTANCE_BASE[symbol], DISTANCE_EXTRA[symbol]),
        _ => NO_CODE,
    }
}

const LITERAL_ENTRIES: [u32; FIXED_LITERAL_BITS.len()] = {
    let (mut entries, mut symbol) = ([0; FIXED_LITERAL_BITS.len()], 0);
    while symbol < entries.len() {
        entries[symbol] = literal_or_length(symbol);
        symbol += 1;
    }
    entries
};
const DISTANCE_ENTRIES: [u32; FIXED_DISTANCE_BITS.len()] = {
    let (mut entries, mut symbol) = ([0; FIXED_DISTANCE_BITS.len()], 0);
    while symbol < entries.len() {
        entries[symbol] = distance(symbol);
        symbol += 1;
    }
    entries
};

/// An entry of a code that has this many bits (within a table of longer codes, as many as are left). Extra bits are counted
/// already.
fn with_bits(entry: u32, bits: usize) -> u32 {
    let code_bits = if entry & (END | LONGER) == 0 { (bits as u32) << CODE_BITS_AT } else { 0 };
    (entry | code_bits) + bits as u32
}

/// The extra bits of an entry without a code.
fn extra_bits(entry: u32) -> usize {
    (entry & 0xff) as usize
}

fn entry_of(entries: &[u32], symbol: u16) -> u32 {
    entries.get(usize::from(symbol)).copied().unwrap_or(NO_CODE)
}

/// The codes of some lengths (RFC 1951, 3.2.2), in their order.
struct Canonical {
    symbols: [u16; FIXED_LITERAL_BITS.len()],
    /// The bits of the codes, the first of which is the lowest.
    codes: [u16; FIXED_LITERAL_BITS.len()],
    /// Where the codes of each number of bits begin, and where those before them end.
    starts: [u16; MAX_CODE_BITS + 2],
    longest: usize,
    is_complete: bool,
}

impl Canonical {
    fn new(lengths: &[u8]) -> Result<Self, DeflateError> {
        let mut counts = [0u16; MAX_CODE_BITS + 1];
        lengths.iter().for_each(|&bits| counts[usize::from(bits & 15)] += 1);
        counts[0] = 0;
        let longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        let (mut left, mut starts) = (1i32, [0; MAX_CODE_BITS + 2]);
        for bits in 1..=MAX_CODE_BITS {
            left = (left << 1) - i32::from(counts[bits]);
            if left < 0 {
                return Err(DeflateError::Damaged);
            }
            starts[bits + 1] = starts[bits] + counts[bits];
        }
        // As in zlib, a single code of one bit is allowed, and none at all.
        if left > 0 && longest > 1 {
            return Err(DeflateError::Damaged);
        }
        let (symbols, codes) = ([0; FIXED_LITERAL_BITS.len()], [0; FIXED_LITERAL_BITS.len()]);
        let mut canonical = Self { symbols, codes, starts, longest, is_complete: left == 0 };
        canonical.sort(lengths);
        Ok(canonical)
    }

    fn sort(&mut self, lengths: &[u8]) {
        let mut next = self.starts;
        for (symbol, &bits) in lengths.iter().enumerate().filter(|(_, bits)| **bits > 0) {
            let place = &mut next[usize::from(bits & 15)];
            if let Some(sorted) = self.symbols.get_mut(usize::from(*place)) {
                *sorted = symbol as u16;
            }
            *place += 1;
        }
        let mut code = 0u32;
        for bits in 1..=self.longest {
            let range = self.range(bits);
            for known in &mut self.codes[range] {
                *known = (code.reverse_bits() >> (32 - bits)) as u16;
                code += 1;
            }
            code <<= 1;
        }
    }

    fn range(&self, bits: usize) -> std::ops::Range<usize> {
        self.starts[bits].into()..self.starts[bits + 1].into()
    }

    /// The symbols whose codes have this many bits, and the codes.
    fn of(&self, bits: usize) -> (&[u16], &[u16]) {
        let range = self.range(bits);
        (&self.symbols[range.clone()], &self.codes[range])
    }
}

/// A table of codes, of which those of at most `ROOT` bits take one look-up. `SIZE` is 2 to the power of `ROOT`.
#[derive(Clone)]
pub(super) struct Table<const ROOT: usize, const SIZE: usize> {
    root: [u32; SIZE],
    longer: Vec<u32>,
}

pub(super) type LiteralTable = Table<LITERAL_ROOT_BITS, { 1 << LITERAL_ROOT_BITS }>;
pub(super) type DistanceTable = Table<DISTANCE_ROOT_BITS, { 1 << DISTANCE_ROOT_BITS }>;

impl<const ROOT: usize, const SIZE: usize> Table<ROOT, SIZE> {
    fn empty() -> Self {
        Self { root: [NONE; SIZE], longer: Vec::new() }
    }

    /// Makes the table of these codes, whose symbols have these entries. `join` may change the table after each number of
    /// bits, when it has all codes of at most these.
    fn set(&mut self, codes: &Canonical, entries: &[u32], join: impl Fn(&mut [u32; SIZE], usize)) {
        if !codes.is_complete {
            self.root.fill(NONE);
        }
        for bits in 1..=ROOT {
            // What the table has for some bits, it has for one bit more twice.
            let known = 1 << (bits - 1);
            self.root.copy_within(..known, known);
            let (symbols, places) = codes.of(bits);
            for (&symbol, &place) in symbols.iter().zip(places) {
                self.root[usize::from(place) & (SIZE - 1)] = with_bits(entry_of(entries, symbol), bits);
            }
            join(&mut self.root, bits);
        }
        self.set_longer(codes, entries);
    }

    /// Puts the codes of more than `ROOT` bits into tables of their own.
    fn set_longer(&mut self, codes: &Canonical, entries: &[u32]) {
        self.longer.clear();
        let (mut prefix, mut start, more) = (usize::MAX, 0, codes.longest.saturating_sub(ROOT));
        for bits in ROOT + 1..=codes.longest {
            let (symbols, places) = codes.of(bits);
            for (&symbol, &place) in symbols.iter().zip(places) {
                let place = usize::from(place);
                // Codes that begin alike follow each other.
                if prefix != place & (SIZE - 1) {
                    (prefix, start) = (place & (SIZE - 1), self.longer.len());
                    self.longer.resize(start + (1 << more), NONE);
                    let goes_on = (more as u32) << CODE_BITS_AT | ROOT as u32;
                    self.root[prefix] = (start as u32) << VALUE_AT | EXCEPTION | LONGER | goes_on;
                }
                let entry = with_bits(entry_of(entries, symbol), bits - ROOT);
                let places = self.longer[start..].iter_mut().skip(place >> ROOT).step_by(1 << (bits - ROOT));
                places.for_each(|place| *place = entry);
            }
        }
    }

    /// The entry for the code at the lowest bits; for a longer code, the entry that says where it goes on.
    #[inline(always)]
    pub(super) fn first(&self, held: u64) -> Entry {
        Entry(self.root[held as usize & (SIZE - 1)])
    }

    /// The entry for the rest of a longer code, whose first bits were passed by.
    #[inline(always)]
    pub(super) fn second(&self, first: Entry, held: u64) -> Entry {
        let at = (first.0 >> VALUE_AT) as usize + (held as usize & ((1 << first.code_bits()) - 1));
        Entry(self.longer.get(at).copied().unwrap_or(NONE))
    }
}

/// Puts pairs of literals into a table, and lengths with their extra bits: those that have this many bits together.
fn join(codes: &Canonical, root: &mut [u32; 1 << LITERAL_ROOT_BITS], bits: usize) {
    let mask = root.len() - 1;
    for first_bits in 1..bits {
        let second_bits = bits - first_bits;
        let (symbols, firsts) = codes.of(first_bits);
        // Literals are the lowest symbols, and lengths the highest.
        let literals = symbols.partition_point(|&symbol| usize::from(symbol) < END_OF_BLOCK);
        for (&symbol, &first) in symbols.iter().zip(firsts).skip(literals) {
            let entry = entry_of(&LITERAL_ENTRIES, symbol);
            if entry & KIND == EXCEPTION && extra_bits(entry) == second_bits {
                for extra in 0..1 << second_bits {
                    let length = (entry >> VALUE_AT) + extra;
                    root[(usize::from(first) | (extra as usize) << first_bits) & mask] =
                        length << VALUE_AT | bits as u32;
                }
            }
        }
        let (seconds, second_codes) = codes.of(second_bits);
        let seconds = &seconds[..seconds.partition_point(|&symbol| usize::from(symbol) < END_OF_BLOCK)];
        for (&symbol, &first) in symbols[..literals].iter().zip(firsts) {
            let entry =
                LITERAL | SECOND | u32::from(symbol) << VALUE_AT | (first_bits as u32) << CODE_BITS_AT | bits as u32;
            for (&second, &code) in seconds.iter().zip(second_codes) {
                let place = usize::from(first) | usize::from(code) << first_bits;
                root[place & mask] = entry | u32::from(second) << (VALUE_AT + 8);
            }
        }
    }
}

/// The codes of a block.
#[derive(Clone)]
pub(super) struct Codes {
    pub(super) literals: LiteralTable,
    pub(super) distances: DistanceTable,
    /// The lengths of both codes, literals and match lengths first, and the number of those.
    pub(super) lengths: (Vec<u8>, usize),
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codes").field("lengths", &self.lengths).finish_non_exhaustive()
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self { literals: Table::empty(), distances: Table::empty(), lengths: (Vec::new(), 0) }
    }
}

impl Codes {
    /// Makes these the codes of the lengths, of which the first `literals` are those of literals and match lengths.
    pub(super) fn set(&mut self, lengths: Vec<u8>, literals: usize) -> Result<(), DeflateError> {
        let (of_literals, of_distances) = lengths.split_at(literals.min(lengths.len()));
        let codes = Canonical::new(of_literals)?;
        self.literals.set(&codes, &LITERAL_ENTRIES, |root, bits| join(&codes, root, bits));
        self.distances.set(&Canonical::new(of_distances)?, &DISTANCE_ENTRIES, |_, _| {});
        self.lengths = (lengths, literals);
        Ok(())
    }

    /// Makes these the fixed codes.
    pub(super) fn set_fixed(&mut self) -> Result<(), DeflateError> {
        self.set([FIXED_LITERAL_BITS.as_slice(), &FIXED_DISTANCE_BITS].concat(), FIXED_LITERAL_BITS.len())
    }
}
