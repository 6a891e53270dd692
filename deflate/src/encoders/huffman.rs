//! Codes that encoders make for how often symbols occur, and the fixed ones.

use super::package_merge::symbols_of_length;
use crate::format::dynamic_header::{DynamicHeader, length_steps};
use crate::format::prefix_code::{Code, Numbering};
use crate::format::tables::{
    CODE_LENGTH_SYMBOLS, DISTANCE_SYMBOLS, FIXED_DISTANCE_BITS, FIXED_LITERAL_BITS, LITERAL_SYMBOLS,
    MAX_CODE_LENGTH_BITS,
};

/// The codes of an alphabet of `N` symbols.
#[derive(Debug, Clone)]
pub(super) struct Codes<const N: usize>(pub(super) [Code; N]);

pub(super) type LiteralCodes = Codes<LITERAL_SYMBOLS>;
pub(super) type DistanceCodes = Codes<DISTANCE_SYMBOLS>;

impl<const N: usize> Codes<N> {
    pub(super) fn none() -> Self {
        Self([Code::default(); N])
    }

    /// Makes the codes of the first `counts.len()` symbols again, for how often each occurs: `max_bits` at most, those
    /// of rarer symbols longer, of equally rare ones those of the lower symbols.
    pub(super) fn set<C: Copy + Into<u32>>(&mut self, counts: &[C], max_bits: usize) {
        // Sorted by count, then by symbol.
        let mut keys = [0; LITERAL_SYMBOLS];
        let mut used = 0;
        for (symbol, &count) in (0u64..).zip(counts) {
            let count = count.into();
            if count > 0 {
                keys[used] = u64::from(count) << 16 | symbol;
                used += 1;
            }
        }
        let keys = &mut keys[..used];
        let mut lengths = [0u8; LITERAL_SYMBOLS];
        if used <= 2 {
            keys.iter().for_each(|&key| lengths[symbol_of(key)] = 1);
        } else {
            keys.sort_unstable();
            set_lengths(keys, max_bits, &mut lengths);
        }
        self.number(&lengths[..counts.len()]);
    }

    /// Sets the codes of the first symbols, which have these lengths.
    fn number(&mut self, lengths: &[u8]) {
        let mut numbering = Numbering::of(lengths.iter().copied());
        self.0.iter_mut().zip(lengths).for_each(|(code, &length)| *code = numbering.next(length));
    }

    /// The bits that symbols with these counts take, without extra bits.
    pub(super) fn size<C: Copy + Into<u32>>(&self, counts: &[C]) -> usize {
        counts.iter().zip(&self.0).map(|(&count, code)| count.into() as usize * usize::from(code.length)).sum()
    }

    /// Whether every symbol that occurs has a code.
    pub(super) fn covers<C: Copy + Into<u32>>(&self, counts: &[C]) -> bool {
        counts.iter().zip(&self.0).all(|(&count, code)| count.into() == 0 || !code.is_none())
    }

    pub(super) fn lengths(&self) -> [u8; N] {
        self.0.map(|code| code.length as u8)
    }
}

fn set_lengths(keys: &[u64], max_bits: usize, lengths: &mut [u8; LITERAL_SYMBOLS]) {
    let mut sorted = [0; LITERAL_SYMBOLS];
    for (count, &key) in sorted.iter_mut().zip(keys) {
        *count = (key >> 16) as u32;
    }
    let of_length = symbols_of_length(&sorted[..keys.len()], max_bits);
    let mut commonest_first = keys.iter().rev();
    for (length, &symbols) in (0..).zip(&of_length) {
        for &key in commonest_first.by_ref().take(symbols) {
            lengths[symbol_of(key)] = length;
        }
    }
}

fn symbol_of(key: u64) -> usize {
    (key & 0xffff) as usize
}

pub(super) fn fixed_literals() -> LiteralCodes {
    let mut codes = Codes::none();
    codes.number(&FIXED_LITERAL_BITS);
    codes
}

pub(super) fn fixed_distances() -> DistanceCodes {
    let mut codes = Codes::none();
    codes.number(&FIXED_DISTANCE_BITS);
    codes
}

/// The header of a block with the codes of the first `literal_count` and `distance_count` symbols, as Go and klauspost
/// write it: runs of lengths go from literals into distances.
pub(super) fn joint_header(
    (literals, literal_count): (&LiteralCodes, usize),
    (distances, distance_count): (&DistanceCodes, usize),
) -> DynamicHeader {
    let lengths = [&literals.lengths()[..literal_count], &distances.lengths()[..distance_count]].concat();
    let steps = length_steps(&[&lengths]);
    DynamicHeader::new(literal_count, lengths, steps, |counts| {
        let mut own = Codes::<CODE_LENGTH_SYMBOLS>::none();
        own.set(&*counts, MAX_CODE_LENGTH_BITS);
        own.lengths()
    })
}

/// The lengths of the codes of symbols that occur this often, of which there are at most 286, as Go and klauspost
/// choose them.
pub(crate) fn merged_code_lengths(counts: &[u32], max_bits: usize) -> Vec<u8> {
    let mut codes = LiteralCodes::none();
    codes.set(counts, max_bits);
    codes.lengths()[..counts.len()].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(counts: &[u32], max_bits: usize) -> Vec<u16> {
        let mut codes = LiteralCodes::none();
        codes.set(counts, max_bits);
        codes.0[..counts.len()].iter().map(|code| code.length).collect()
    }

    #[test]
    fn codes_of_counts() {
        assert_eq!(lengths(&[0, 0, 0], 15), [0, 0, 0]);
        assert_eq!(lengths(&[0, 7, 0], 15), [0, 1, 0]);
        assert_eq!(lengths(&[9, 7, 0], 15), [1, 1, 0]);
        assert_eq!(lengths(&[9, 7, 1], 15), [1, 2, 2]);
        assert_eq!(lengths(&[1, 1, 2, 4, 8, 16, 32, 64, 128], 4), [4, 4, 4, 4, 4, 4, 3, 2, 2]);
    }

    #[test]
    fn codes_fill_the_code_space() {
        let counts: Vec<u32> =
            (0..286).map(|symbol: u32| (symbol.wrapping_mul(2_654_435_761) >> (symbol % 30)) % 65535).collect();
        let room: u32 =
            lengths(&counts, 15).iter().filter(|&&length| length > 0).map(|&length| 1 << (15 - length)).sum();
        assert_eq!(room, 1 << 15);
    }
}
