//! What the finders of matches share: the bytes they look at, what they find, hashes and comparisons.

use super::sequences::{MIN_MATCH, Sequence};

/// A block, behind the bytes that it may refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    /// The bytes up to the end of the block.
    pub(super) bytes: &'a [u8],
    /// The place where the block begins.
    pub(super) start: usize,
    /// What is added to a place where it is noted in a table: at least the window, so that 0 is out of reach.
    pub(super) base: u32,
    /// Matches are nearer than this.
    pub(super) window: u32,
    /// The block is all of the frame.
    pub(super) is_alone: bool,
}

/// The matches of a block.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) literals: Vec<u8>,
    pub(super) sequences: Vec<Sequence>,
    /// The recent offsets, and those that an encoder goes back to behind a block without matches.
    pub(super) offsets: [u32; 3],
    pub(super) offsets_before: [u32; 3],
}

impl Found {
    /// Forgets the last block.
    pub(super) fn clear(&mut self) {
        self.literals.clear();
        self.sequences.clear();
    }

    /// Adds a match behind literals.
    #[inline(always)]
    pub(super) fn push(&mut self, literals: &[u8], length: usize, offset: u32) {
        self.literals.extend_from_slice(literals);
        let match_length = (length as u32).wrapping_sub(MIN_MATCH);
        self.sequences.push(Sequence { literals: literals.len() as u32, match_length, offset });
    }
}

/// The offset that stands for the last one of a match.
pub(super) const REPEAT: u32 = 1;

/// What stands for an offset that is no recent one.
#[inline(always)]
pub(super) fn new_offset(offset: usize) -> u32 {
    offset as u32 + 3
}

/// Notes of a table: a place, and the four bytes there.
pub(super) fn note(place: u32, bytes: u64) -> u64 {
    u64::from(place) << 32 | bytes & 0xffff_ffff
}

#[inline(always)]
pub(super) fn noted_place(note: u64) -> u32 {
    (note >> 32) as u32
}

/// Whether the four bytes of a note are the lowest of these.
#[inline(always)]
pub(super) fn has_bytes(note: u64, bytes: u64) -> bool {
    note as u32 == bytes as u32
}

/// Takes `less` off the places of notes, and forgets those that are smaller than `least`.
pub(super) fn rebase(notes: &mut [u64], least: u32, less: u32) {
    for noted in notes {
        let place = noted_place(*noted);
        *noted = note(if place < least { 0 } else { place - less }, *noted);
    }
}

/// A table of notes that are all out of reach.
pub(super) fn table<T: Copy + Default + std::fmt::Debug, const N: usize>() -> Box<[T; N]> {
    vec![T::default(); N].into_boxed_slice().try_into().expect("the slice has N entries")
}

/// Eight bytes; zero where there are none.
#[inline(always)]
pub(super) fn load8(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at.wrapping_add(8))
        .and_then(|eight| eight.first_chunk())
        .map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// Four bytes; zero where there are none.
#[inline(always)]
pub(super) fn load4(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at.wrapping_add(4)).and_then(|four| four.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four))
}

/// Hashes of the lowest bytes.
#[inline(always)]
pub(super) fn hash4<const BITS: u32>(bytes: u64) -> usize {
    ((bytes as u32).wrapping_mul(2_654_435_761) >> (32 - BITS)) as usize
}

#[inline(always)]
pub(super) fn hash5<const BITS: u32>(bytes: u64) -> usize {
    ((bytes << 24).wrapping_mul(889_523_592_379) >> (64 - BITS)) as usize
}

#[inline(always)]
pub(super) fn hash6<const BITS: u32>(bytes: u64) -> usize {
    ((bytes << 16).wrapping_mul(227_718_039_650_203) >> (64 - BITS)) as usize
}

#[inline(always)]
pub(super) fn hash8<const BITS: u32>(bytes: u64) -> usize {
    (bytes.wrapping_mul(0xcf1b_bcdc_b7a5_6463) >> (64 - BITS)) as usize
}

/// Whether a block is one byte, repeated.
pub(super) fn is_one_byte(block: &[u8]) -> bool {
    block.len() > MIN_MATCH as usize && common(block, 1, 0) == block.len() - 1
}

/// The number of bytes from two places on that are the same, the later place being `at`.
#[inline(always)]
pub(super) fn common(bytes: &[u8], at: usize, earlier: usize) -> usize {
    let (Some(later), Some(earlier)) = (bytes.get(at..), bytes.get(earlier..)) else { return 0 };
    let mut length = 0;
    for (x, y) in later.as_chunks::<8>().0.iter().zip(earlier.as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if difference != 0 {
            return length + (difference.trailing_zeros() >> 3) as usize;
        }
        length += 8;
    }
    length + later[length..].iter().zip(&earlier[length..]).take_while(|(x, y)| x == y).count()
}

/// The number of bytes before two places that are the same: the later place stays behind `floor`, the earlier one
/// behind `earliest`.
#[inline(always)]
pub(super) fn common_before(bytes: &[u8], at: usize, earlier: usize, floor: usize, earliest: usize) -> usize {
    let most = at.saturating_sub(floor).min(earlier.saturating_sub(earliest));
    let mut length = 0;
    while length < most && bytes[at - length - 1] == bytes[earlier - length - 1] {
        length += 1;
    }
    length
}
