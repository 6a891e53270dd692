//! Prediction of checksums in tar headers. When a header changes, its checksum changes by the sum of the other
//! bytes' changes, so the new checksum is known before it comes. The prediction costs nothing where it is wrong.

/// The number of bytes of a header before its checksum.
pub(crate) const BEFORE: u64 = 148;
/// The number of bytes right before a checksum in which most changes of headers lie: size and time.
const SIZE_AND_TIME: usize = 24;
/// The number of digits of a checksum. A NUL and a space follow them.
const DIGITS: u32 = 6;
/// The number of the target's last bytes that must have been taken in: the bytes before a checksum, and five of its
/// digits.
pub(crate) const RECENT: usize = 160;
/// How far ahead to look for the next header: a header, the padding before it, and some more.
pub(crate) const AHEAD: u64 = 1280;
/// The number of failed searches after which looking stops, until a checksum is met again.
const PATIENCE: u32 = 4;

/// The predictor of checksums.
pub(crate) struct Checksums {
    /// The target's last bytes, by their place modulo 256.
    recent: [u8; 256],
    /// The last predicted checksum: its place in the target, its place in the base, and its value.
    known: Option<(u64, u64, u32)>,
    /// The number of searches that are left before looking stops.
    patience: u32,
}

/// Whether these eight bytes, the first one lowest, are six octal digits, a NUL and a space.
#[inline]
fn is_checksum(bytes: u64) -> bool {
    bytes >> 48 == 0x2000 && bytes & 0xf8f8_f8f8_f8f8 == 0x3030_3030_3030
}

/// How many bytes the checksum begins before the middle of `around`, if the byte in the middle is one of its
/// digits.
#[inline]
fn begins_before(around: u128) -> Option<u32> {
    if (around >> 64) as u8 & 0xf8 != 0x30 {
        return None;
    }
    (0..DIGITS).find(|back| is_checksum((around >> ((8 - back) * 8)) as u64))
}

fn number(bytes: u64) -> u32 {
    (0..DIGITS).fold(0, |number, place| number << 3 | (bytes >> (place * 8)) as u32 & 7)
}

impl Checksums {
    pub(crate) fn new() -> Self {
        Self { recent: [0; 256], known: None, patience: 0 }
    }

    /// Takes in the target's byte at `target_at`.
    #[inline]
    pub(crate) fn push(&mut self, target_at: u64, byte: u8) {
        self.recent[target_at as usize % 256] = byte;
    }

    /// Predicts the new value of the base byte in the middle of `around`, if it is a digit of a checksum.
    /// `before(n)` gives the [`BEFORE`] base bytes that end n bytes before the place.
    #[inline]
    pub(crate) fn guess<'w>(
        &mut self,
        around: u128,
        (base_at, target_at): (u64, u64),
        before: impl FnOnce(u64) -> &'w [u8],
    ) -> Option<u8> {
        let back = begins_before(around)?;
        let at = (target_at.wrapping_sub(u64::from(back)), base_at.wrapping_sub(u64::from(back)));
        let number = match self.known {
            Some((target, base, number)) if (target, base) == at => number,
            _ => {
                let old = number((around >> ((8 - back) * 8)) as u64);
                let new = old.wrapping_add(self.difference(at.0, before(u64::from(back))));
                self.known = Some((at.0, at.1, new));
                self.patience = PATIENCE;
                new
            }
        };
        Some(b'0' | (number >> ((DIGITS - 1 - back) * 3) & 7) as u8)
    }

    /// The sum of the target's bytes before a place, minus the sum of the base's.
    fn difference(&self, target_at: u64, before: &[u8]) -> u32 {
        let start = target_at.wrapping_sub(before.len() as u64);
        let new = (0..before.len() as u64).map(|n| self.recent[start.wrapping_add(n) as usize % 256]);
        new.zip(before).fold(0u32, |sum, (new, old)| sum.wrapping_add(u32::from(new)).wrapping_sub(u32::from(*old)))
    }

    /// Whether looking for the next header is still worth its cost.
    #[inline]
    pub(crate) fn expects_header(&self) -> bool {
        self.patience > 0
    }

    /// The number of bytes up to the size and time of the next header in `ahead`, which holds the base's bytes from
    /// the place on.
    pub(crate) fn next_header(&mut self, ahead: &[u8]) -> Option<u64> {
        let mut from = SIZE_AND_TIME + DIGITS as usize + 1;
        while let Some(found) = ahead.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b' ')) {
            let space = from + found;
            let field = ahead[space - 7..].first_chunk::<8>();
            if field.is_some_and(|field| is_checksum(u64::from_le_bytes(*field))) {
                self.patience = PATIENCE;
                return Some((space - 7 - SIZE_AND_TIME) as u64);
            }
            from = space + 1;
        }
        self.patience = self.patience.saturating_sub(1);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Window;

    const TIME_AT: usize = 136;
    const CHECKSUM_AT: usize = 148;

    fn header(name: &[u8], time: &[u8; 11]) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name);
        header[TIME_AT..TIME_AT + 11].copy_from_slice(time);
        header[CHECKSUM_AT..CHECKSUM_AT + 8].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[CHECKSUM_AT..CHECKSUM_AT + 7].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    /// The predictions for the checksum of `new` from its digit `first` on, where the checksum lies `shift` bytes
    /// further on than in the base.
    fn guessed(old: &[u8], new: &[u8], shift: u64, first: usize) -> Vec<Option<u8>> {
        let (mut sums, mut window) = (Checksums::new(), Window::new(old));
        for (at, byte) in new[..CHECKSUM_AT + first].iter().enumerate() {
            sums.push(at as u64 + shift, *byte);
        }
        let mut found = Vec::new();
        for (at, &byte) in new.iter().enumerate().take(CHECKSUM_AT + 8).skip(CHECKSUM_AT + first) {
            let around = window.around(at as u64).unwrap();
            let places = (at as u64, at as u64 + shift);
            found.push(sums.guess(around, places, |back| window.before(at as u64 - back, BEFORE)));
            sums.push(at as u64 + shift, byte);
        }
        found
    }

    #[test]
    fn a_headers_checksum_is_known_before_it_comes() {
        let old = header(b"usr/lib/some.so.1", b"14477777777");
        let new = header(b"usr/share/another", b"14500000012");
        for shift in [0, 3, 1000, (1 << 40) + 77] {
            for first in 0..6 {
                let mut wanted: Vec<_> = new[CHECKSUM_AT + first..][..6 - first].iter().copied().map(Some).collect();
                wanted.extend([None; 2]);
                assert_eq!(guessed(&old, &new, shift, first), wanted, "{shift} {first}");
            }
        }
    }

    #[test]
    fn what_is_no_checksum_is_not_guessed() {
        let mut old = header(b"a", b"14477777777");
        old[CHECKSUM_AT + 7] = b'x';
        assert_eq!(guessed(&old, &header(b"b", b"14477777777"), 0, 0), [None; 8]);
        old[CHECKSUM_AT + 7] = b' ';
        old[CHECKSUM_AT + 2] = b'8';
        assert_eq!(guessed(&old, &header(b"b", b"14477777777"), 0, 0), [None; 8]);
    }

    #[test]
    fn bytes_that_no_header_has_wrap() {
        let old = [&[255; CHECKSUM_AT][..], b"000000\0 "].concat();
        let new = [&[0; CHECKSUM_AT][..], b"000000\0 "].concat();
        let sum = (1u32 << 18) - 255 * CHECKSUM_AT as u32;
        let wanted: Vec<_> = format!("{sum:06o}").bytes().map(Some).chain([None; 2]).collect();
        assert_eq!(guessed(&old, &new, 0, 0), wanted);
    }

    #[test]
    fn the_next_header_is_looked_for_while_it_is_worth_it() {
        let mut sums = Checksums { patience: PATIENCE, ..Checksums::new() };
        let ahead = [&[b' '; 77][..], &header(b"name", b"14477777777")].concat();
        assert_eq!(sums.next_header(&ahead), Some(77 + 124));
        assert_eq!(sums.next_header(&ahead[77 + 124..]), Some(0));
        for left in (0..PATIENCE).rev() {
            assert_eq!(sums.next_header(&ahead[77 + 125..]), None);
            assert_eq!((sums.patience, sums.expects_header()), (left, left > 0));
        }
        assert_eq!(sums.next_header(b""), None);
        assert_eq!(sums.next_header(&ahead[..77 + 155]), None);
        assert_eq!(sums.next_header(&ahead[..77 + 156]), Some(77 + 124));
    }
}
