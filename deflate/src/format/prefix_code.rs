//! Prefix codes to write with: the code of each symbol follows from the lengths of all (RFC 1951, 3.2.2).

use super::tables::MAX_CODE_BITS;

/// The code of one symbol. A length of 0 says that the symbol has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Code {
    /// The bits in the order in which they are written, the first the least significant.
    pub(crate) bits: u16,
    pub(crate) length: u16,
}

impl Code {
    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        u64::from(self.bits)
    }

    #[inline(always)]
    pub(crate) fn len(self) -> u32 {
        u32::from(self.length)
    }

    pub(crate) fn is_none(self) -> bool {
        self.length == 0
    }
}

/// Hands out codes by their lengths, symbol after symbol.
pub(crate) struct Numbering {
    /// The next code of each length, its first bit the most significant.
    next: [u32; MAX_CODE_BITS + 1],
}

impl Numbering {
    /// The numbering of as many symbols of each length as `counts` says.
    pub(crate) fn new(counts: &[u16; MAX_CODE_BITS + 1]) -> Self {
        let mut next = [0; MAX_CODE_BITS + 1];
        for bits in 2..=MAX_CODE_BITS {
            next[bits] = (next[bits - 1] + u32::from(counts[bits - 1])) << 1;
        }
        Self { next }
    }

    /// The numbering of symbols of these lengths.
    pub(crate) fn of(lengths: impl Iterator<Item = u8>) -> Self {
        let mut counts = [0; MAX_CODE_BITS + 1];
        lengths.for_each(|length| counts[usize::from(length)] += 1);
        Self::new(&counts)
    }

    /// The code of the next symbol that has this length.
    pub(crate) fn next(&mut self, length: u8) -> Code {
        if length == 0 {
            return Code::default();
        }
        let next = &mut self.next[usize::from(length)];
        let bits = (next.reverse_bits() >> (32 - u32::from(length))) as u16;
        *next += 1;
        Code { bits, length: length.into() }
    }
}

/// The codes of symbols of these lengths.
pub(crate) fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut numbering = Numbering::of(lengths.iter().copied());
    lengths.iter().map(|&length| numbering.next(length)).collect()
}
