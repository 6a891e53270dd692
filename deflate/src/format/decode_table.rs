//! Prefix codes as tables: what the next bits of a stream stand for. RFC 1951, section 3.2.

use super::tables::{
    DISTANCE_BASE, DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA,
    LITERAL_SYMBOLS, MAX_CODE_BITS, MAX_CODE_LENGTH_BITS, MIN_MATCH_BYTES,
};
use crate::DeflateError;

/// The kind of symbol that a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EntryKind {
    /// No code begins so, or the code stands for nothing. The entry's bits say how many bits show this.
    None,
    Literal,
    /// A length or a distance: a base, to which extra bits are added.
    Base,
    End,
    /// A longer code: go on in the table from `value` on, with `extra` bits.
    Longer,
}

/// An entry of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: u16,
    pub(crate) kind: EntryKind,
    /// Bits of the code, and extra bits behind it, in one byte.
    packed: u8,
}

impl Entry {
    /// Only tables for codes of one bit, and for none, keep it: one bit shows that there is no such code.
    const NONE: Self = Self { value: 0, kind: EntryKind::None, packed: 1 };

    fn new(kind: EntryKind, value: u16, extra: u8) -> Self {
        Self { value, kind, packed: extra << 4 }
    }

    /// Bits of the code.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        u32::from(self.packed & 15)
    }

    /// Extra bits behind the code.
    #[inline(always)]
    pub(crate) fn extra(self) -> u32 {
        u32::from(self.packed >> 4)
    }

    fn with_bits(self, bits: usize) -> Self {
        Self { packed: self.packed & 0xf0 | bits as u8, ..self }
    }
}

/// A table for codes of which most have at most `root` bits.
#[derive(Debug, Clone)]
pub(crate) struct DecodeTable {
    entries: Vec<Entry>,
    root: usize,
}

/// The entry of a symbol of literals and lengths.
fn literal_or_length(symbol: usize) -> Entry {
    match symbol {
        0..END_OF_BLOCK => Entry::new(EntryKind::Literal, symbol as u16, 0),
        END_OF_BLOCK => Entry::new(EntryKind::End, 0, 0),
        FIRST_LENGTH..LITERAL_SYMBOLS => {
            let at = symbol - FIRST_LENGTH;
            Entry::new(EntryKind::Base, MIN_MATCH_BYTES as u16 + u16::from(LENGTH_BASE[at]), LENGTH_EXTRA[at])
        }
        _ => Entry::NONE,
    }
}

fn distance(symbol: usize) -> Entry {
    match symbol {
        0..DISTANCE_SYMBOLS => Entry::new(EntryKind::Base, 1 + DISTANCE_BASE[symbol], DISTANCE_EXTRA[symbol]),
        _ => Entry::NONE,
    }
}

impl DecodeTable {
    /// Makes a table of the lengths of the codes of literals and lengths.
    pub(crate) fn of_literals(lengths: &[u8]) -> Result<Self, DeflateError> {
        Self::new(lengths, 11, true, literal_or_length)
    }

    /// Makes a table of the lengths of the codes of distances.
    pub(crate) fn of_distances(lengths: &[u8]) -> Result<Self, DeflateError> {
        Self::new(lengths, 9, true, distance)
    }

    /// Makes a table of the lengths of the codes of code lengths, whose symbols stand for themselves.
    pub(crate) fn of_code_lengths(lengths: &[u8]) -> Result<Self, DeflateError> {
        Self::new(lengths, MAX_CODE_LENGTH_BITS, false, |symbol| Entry::new(EntryKind::Literal, symbol as u16, 0))
    }

    /// The table that zlib makes where no code length has a code: any bit is a length of 0. A header of such lengths
    /// is refused at its end, since the end of a block has no code.
    pub(crate) fn of_no_code_lengths() -> Self {
        Self { entries: vec![Entry::new(EntryKind::Literal, 0, 0).with_bits(1); 2], root: 1 }
    }

    /// `may_be_lonely`: a single code of one bit is allowed, as zlib does, and none at all.
    fn new(lengths: &[u8], root: usize, may_be_lonely: bool, of: fn(usize) -> Entry) -> Result<Self, DeflateError> {
        let mut counts = [0u16; MAX_CODE_BITS + 1];
        lengths.iter().for_each(|&bits| counts[usize::from(bits)] += 1);
        counts[0] = 0;
        let longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        let mut left = 1i32;
        for &count in &counts[1..] {
            left = (left << 1) - i32::from(count);
            if left < 0 {
                return Err(DeflateError::Damaged);
            }
        }
        if left > 0 && (longest > 1 || !may_be_lonely) {
            return Err(DeflateError::Damaged);
        }
        let root = root.min(longest.max(1));
        let mut table = Self { entries: vec![Entry::NONE; 1 << root], root };
        table.fill(lengths, &counts, longest, of);
        Ok(table)
    }

    fn fill(&mut self, lengths: &[u8], counts: &[u16; MAX_CODE_BITS + 1], longest: usize, of: fn(usize) -> Entry) {
        let mut next = [0u32; MAX_CODE_BITS + 2];
        for bits in 1..=MAX_CODE_BITS {
            next[bits + 1] = (next[bits] + u32::from(counts[bits])) << 1;
        }
        for (symbol, &bits) in lengths.iter().enumerate() {
            let bits = usize::from(bits);
            if bits == 0 {
                continue;
            }
            // Codes are packed with their first bit lowest.
            let code = (next[bits].reverse_bits() >> (32 - bits)) as usize;
            next[bits] += 1;
            let entry = of(symbol);
            if bits <= self.root {
                put(&mut self.entries[..1 << self.root], code, bits, entry.with_bits(bits));
            } else {
                let start = self.longer(code & ((1 << self.root) - 1), longest - self.root);
                let (code, bits) = (code >> self.root, bits - self.root);
                let len = 1 << (longest - self.root);
                put(&mut self.entries[start..start + len], code, bits, entry.with_bits(bits));
            }
        }
    }

    /// The beginning of the table for codes that begin like this, which is made if it is not there.
    fn longer(&mut self, prefix: usize, bits: usize) -> usize {
        if self.entries[prefix].kind != EntryKind::Longer {
            let start = self.entries.len();
            self.entries.resize(start + (1 << bits), Entry::NONE);
            self.entries[prefix] = Entry::new(EntryKind::Longer, start as u16, bits as u8).with_bits(self.root);
        }
        usize::from(self.entries[prefix].value)
    }

    /// The entry for the code at the lowest bits; for a longer code, the entry that says where it goes on.
    #[inline(always)]
    pub(crate) fn first(&self, bits: u64) -> Entry {
        self.entries[(bits & ((1 << self.root) - 1)) as usize]
    }

    /// The entry for the rest of a longer code.
    #[inline(always)]
    pub(crate) fn second(&self, first: Entry, bits: u64) -> Entry {
        self.entries[usize::from(first.value) + (bits & ((1 << first.extra()) - 1)) as usize]
    }
}

/// An entry at all places whose lowest bits are the code.
fn put(entries: &mut [Entry], code: usize, bits: usize, entry: Entry) {
    entries.iter_mut().skip(code).step_by(1 << bits).for_each(|place| *place = entry);
}
