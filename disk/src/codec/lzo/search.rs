//! Finds matches as lzo1x_999 does: in lists of the places whose three bytes have the same key, the newest first.
//!
//! Each place of the plain bytes is entered in the tables once, in order, after matches for it were looked for or when it
//! is passed over. Places are counted on from block to block, with a gap of more than the window between them, so that
//! tables need not be cleared.

use super::stream::{MAX_DISTANCE, common_bytes};

/// The most bytes of a match.
const MAX_LENGTH: usize = 2048;
const KEY_BITS: u32 = 14;
/// The tables of places in the window are indexed by as many of a place's lowest bits as this number has.
const RING: usize = 1 << 16;
const PAIRS: usize = 1 << 16;
/// What is remembered of a place that was passed over. No match is longer.
const PASSED_OVER: u16 = MAX_LENGTH as u16 + 1;
/// The longest matches of which the nearest of each length is noted.
pub(super) const NOTED_LENGTH: usize = 33;
/// The largest place, behind which tables are cleared.
const MAX_PLACE: u32 = u32::MAX / 2;

/// The tables of a search, which are kept from block to block.
#[derive(Debug)]
pub(super) struct Tables {
    /// The newest place of each key.
    heads: Box<[u32; 1 << KEY_BITS]>,
    /// How far each place is behind the one before it in its list.
    links: Box<[u16; RING]>,
    /// The length of the match that was found at each place.
    lengths: Box<[u16; RING]>,
    /// The newest place of each pair of bytes.
    pairs: Box<[u32; PAIRS]>,
    /// The first place that no block has.
    end: u32,
}

/// A table of zeros, which is made where it stays.
fn table<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    vec![T::default(); N].try_into().unwrap_or_else(|_| unreachable!("it has the length of the table"))
}

impl Default for Tables {
    fn default() -> Self {
        Self { heads: table(), links: table(), lengths: table(), pairs: table(), end: 0 }
    }
}

impl Tables {
    /// The place of the first byte of a new block. Zeros in the tables stand for places that are too far away from it.
    fn begin(&mut self, bytes: usize) -> u32 {
        let bytes = u32::try_from(bytes).unwrap_or(MAX_PLACE).min(MAX_PLACE);
        if self.end > MAX_PLACE - bytes {
            *self = Self::default();
        }
        let base = self.end + RING as u32;
        self.end = base + bytes;
        base
    }

    /// Leaves room for a small block only.
    #[cfg(test)]
    pub(super) fn use_up(&mut self) {
        self.end = MAX_PLACE - 100_000;
    }

    #[inline]
    fn enter(&mut self, place: u32, (key, pair): (usize, usize), length: u16) {
        let (ring, head) = (place as usize % RING, &mut self.heads[key]);
        // A place that is farther away than the window ends the list, how far it may be.
        self.links[ring] = (place - *head).min(u16::MAX.into()) as u16;
        self.lengths[ring] = length;
        *head = place;
        self.pairs[pair] = place;
    }
}

/// The keys of a place's first three bytes, and of its first two.
#[inline]
fn keys(bytes: [u8; 3]) -> (usize, usize) {
    let [one, two, three] = bytes.map(u32::from);
    let mixed = (one << 10 ^ two << 5 ^ three).wrapping_mul(0x9f5f) >> 5;
    (mixed as usize % (1 << KEY_BITS), (one << 8 | two) as usize)
}

/// The two bytes at a place. Behind the bytes there are none.
#[inline]
fn half_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|half| half.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// A match. A length of one stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) length: usize,
    pub(super) distance: usize,
}

const NOTHING: Found = Found { length: 1, distance: 0 };

/// The search in a block.
#[derive(Debug)]
pub(super) struct Search<'a> {
    plain: &'a [u8],
    tables: &'a mut Tables,
    base: u32,
    /// The byte for which matches are looked for next.
    at: usize,
    /// The distances of the nearest matches of each length, of those that the last search passed, or 0.
    nearest: [u32; NOTED_LENGTH + 1],
}

impl<'a> Search<'a> {
    pub(super) fn new(plain: &'a [u8], tables: &'a mut Tables) -> Self {
        let base = tables.begin(plain.len());
        Self { plain, tables, base, at: 0, nearest: [0; NOTED_LENGTH + 1] }
    }

    /// The distance of the nearest match of exactly this length among those that the last search passed.
    pub(super) fn nearest(&self, length: usize) -> Option<usize> {
        self.nearest.get(length).map(|&distance| distance as usize).filter(|&distance| distance > 0)
    }

    /// Passes over bytes that a match has.
    pub(super) fn pass_over(&mut self, count: usize) {
        let (from, end) = (self.at, self.at + count);
        let windows = self.plain.get(from..).unwrap_or_default().windows(3).take(count);
        for (number, window) in windows.enumerate() {
            let place = self.base + (from + number) as u32;
            self.tables.enter(place, keys([window[0], window[1], window[2]]), PASSED_OVER);
        }
        self.at = end;
    }

    /// Looks for the longest match at the next byte, among at most `limit` places with its key.
    #[inline]
    pub(super) fn next<const NOTES: bool>(&mut self, limit: u32) -> Found {
        let at = self.at;
        self.at += 1;
        let ahead = self.plain.get(at..).unwrap_or_default();
        let ahead = &ahead[..ahead.len().min(MAX_LENGTH)];
        let place = self.base + at as u32;
        let &[one, two, ref rest @ ..] = ahead else { return NOTHING };
        let &[three, ..] = rest else {
            return self.pair(place, usize::from(one) << 8 | usize::from(two)).unwrap_or(NOTHING);
        };
        let keys = keys([one, two, three]);
        let found = match self.pair(place, keys.1) {
            Some(found) => self.longest::<NOTES>((place, ahead), (found, self.tables.heads[keys.0]), limit),
            None => NOTHING,
        };
        self.tables.enter(place, keys, found.length as u16);
        found
    }

    /// The newest place with the same two bytes.
    #[inline]
    fn pair(&self, place: u32, pair: usize) -> Option<Found> {
        let distance = (place - self.tables.pairs[pair]) as usize;
        (distance <= MAX_DISTANCE).then_some(Found { length: 2, distance })
    }

    /// The longest match in a list of places, of which the newest is given, if one is longer than what is found already.
    #[inline]
    fn longest<const NOTES: bool>(
        &mut self,
        (place, ahead): (u32, &[u8]),
        (mut found, head): (Found, u32),
        limit: u32,
    ) -> Found {
        if NOTES {
            self.nearest = [0; NOTED_LENGTH + 1];
            self.nearest[2] = found.distance as u32;
        }
        let (plain, Tables { links, lengths, .. }) = (self.plain, &*self.tables);
        let oldest = place - MAX_DISTANCE as u32;
        let mut list = List { links, base: self.base, there: head, oldest, left: limit };
        let begin = half_at(ahead, 0);
        while let Some(there) = list.like(&plain[found.length - 1..], half_at(ahead, found.length - 1)) {
            let from = (there - self.base) as usize;
            if half_at(plain, from) != begin {
                continue;
            }
            let length = common_bytes(&plain[from..from + ahead.len()], ahead);
            if NOTES && length <= NOTED_LENGTH && self.nearest[length] == 0 {
                self.nearest[length] = place - there;
            }
            if length > found.length {
                found = Found { length, distance: (place - there) as usize };
                if length == ahead.len() || length > usize::from(lengths[there as usize % RING]) {
                    break;
                }
            }
        }
        found
    }
}

/// The rest of a list of places.
struct List<'a> {
    links: &'a [u16; RING],
    /// The place of the block's first byte.
    base: u32,
    /// The next place, which is none if it is before the oldest one of the window.
    there: u32,
    oldest: u32,
    /// The number of places that are still looked at.
    left: u32,
}

impl List<'_> {
    /// The next place that has these two bytes in `plain`, of which the beginning is that of the block or later.
    #[inline]
    fn like(&mut self, plain: &[u8], wanted: u16) -> Option<u32> {
        let Self { links, base, mut there, oldest, mut left } = *self;
        let mut found = None;
        while there >= oldest && left > 0 && found.is_none() {
            left -= 1;
            if half_at(plain, (there - base) as usize) == wanted {
                found = Some(there);
            }
            there -= u32::from(links[there as usize % RING]);
        }
        (self.there, self.left) = (there, left);
        found
    }
}
