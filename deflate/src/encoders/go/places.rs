//! Chains of earlier places in a window that may hold a match.

pub(super) use crate::format::tables::WINDOW_BYTES;

/// Shorter matches are not looked for.
pub(super) const MIN_LENGTH: usize = 4;
const HASH_BITS: u32 = 17;
const BIG_ENDIAN_FACTOR: u32 = 0x1e35_a7bd;
const LITTLE_ENDIAN_FACTOR: u32 = 0x9e37_79b1;
/// Positions grow up to here, then the table is taken down to small numbers. The limit makes no difference to what is
/// found.
const MAX_START: usize = 1 << 24;

/// Earlier places by hash of the four bytes there, taken as a number in either order.
///
/// Numbers in it are positions: places in the window plus `start`, never 0.
pub(super) struct Places<const BIG_ENDIAN: bool> {
    head: Box<[u32; 1 << HASH_BITS]>,
    /// For each position, modulo the window, the one before with the same hash.
    previous: Box<[u32; WINDOW_BYTES]>,
    start: usize,
}

impl<const BIG_ENDIAN: bool> Places<BIG_ENDIAN> {
    pub(super) fn new() -> Self {
        Self { head: Box::new([0; 1 << HASH_BITS]), previous: Box::new([0; WINDOW_BYTES]), start: 1 }
    }

    /// The place that was last put in with the hash of `word`, if it is in the window.
    pub(super) fn last(&self, word: [u8; 4]) -> Option<usize> {
        (self.head[hash::<BIG_ENDIAN>(word)] as usize).checked_sub(self.start)
    }

    /// Puts the place `at` in; the nearest one before with the same hash, if it is in reach.
    #[inline(always)]
    pub(super) fn insert(&mut self, window: &[u8], at: usize) -> Option<usize> {
        let word = window.get(at..)?.first_chunk()?;
        let head = &mut self.head[hash::<BIG_ENDIAN>(*word)];
        let before = std::mem::replace(head, (at + self.start) as u32);
        self.previous[at & (WINDOW_BYTES - 1)] = before;
        self.in_reach(before, at)
    }

    /// Puts the places from `from` to before `end` in.
    #[inline(always)]
    pub(super) fn insert_all(&mut self, window: &[u8], from: usize, end: usize) {
        let words = window.get(from..window.len().min(end + MIN_LENGTH - 1)).unwrap_or(&[]);
        for (at, word) in (from..).zip(words.windows(MIN_LENGTH)) {
            let head = &mut self.head[hash::<BIG_ENDIAN>([word[0], word[1], word[2], word[3]])];
            self.previous[at & (WINDOW_BYTES - 1)] = std::mem::replace(head, (at + self.start) as u32);
        }
    }

    /// The next place on the way back from `candidate`, if it is not before `oldest`.
    #[inline(always)]
    pub(super) fn before(&self, candidate: usize, oldest: usize) -> Option<usize> {
        // From the oldest place on, what follows in the chain is gone, or has made room for newer places.
        if candidate <= oldest {
            return None;
        }
        let position = self.previous[candidate & (WINDOW_BYTES - 1)] as usize;
        (position >= self.start + oldest).then(|| position - self.start)
    }

    /// The place of a position, if it is in the window and at most 32 KiB before `at`.
    #[inline(always)]
    fn in_reach(&self, position: u32, at: usize) -> Option<usize> {
        let place = (position as usize).checked_sub(self.start)?;
        (place + WINDOW_BYTES >= at).then_some(place)
    }

    pub(super) fn slide(&mut self) {
        self.start += WINDOW_BYTES;
        if self.start > MAX_START {
            let less = (self.start - 1) as u32;
            let positions = self.previous.iter_mut().chain(self.head.iter_mut());
            positions.for_each(|position| *position = position.saturating_sub(less));
            self.start = 1;
        }
    }
}

#[inline(always)]
fn hash<const BIG_ENDIAN: bool>(word: [u8; 4]) -> usize {
    let product = if BIG_ENDIAN {
        u32::from_be_bytes(word).wrapping_mul(BIG_ENDIAN_FACTOR)
    } else {
        u32::from_le_bytes(word).wrapping_mul(LITTLE_ENDIAN_FACTOR)
    };
    (product >> (32 - HASH_BITS)) as usize
}

/// Four bytes that a match longer than `length`, at least 3, has to have: the last ones.
#[inline(always)]
pub(super) fn tail(window: &[u8], at: usize, length: usize) -> Option<&[u8; 4]> {
    window.get(at + length - 3..)?.first_chunk()
}
