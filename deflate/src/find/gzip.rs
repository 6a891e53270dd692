//! gzip members, RFC 1952.

use std::ops::Range;

use super::{Finder, u16_at};
use crate::trailer::Trailer;

/// ID1, ID2, and the one compression method there is.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

const FIXED_BYTES: usize = 10;
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// All members; the first that is not whole ends the search, as where the next begins is only known by inflating.
pub(super) fn find(finder: &mut Finder<'_>, range: Range<usize>) {
    let mut at = range.start;
    while let Some(header_bytes) = header_bytes(&finder.file[at..range.end]) {
        let Some(end) = finder.stream(at + header_bytes..range.end, Trailer::Gzip) else { return };
        // A wrong trailer has the same length.
        at = (end + Trailer::Gzip.len()).min(range.end);
    }
}

/// The length of the member header at the start of `bytes`.
fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    if !bytes.starts_with(&MAGIC) || bytes.len() < FIXED_BYTES || flags & RESERVED != 0 {
        return None;
    }
    let mut at = FIXED_BYTES;
    if flags & FEXTRA != 0 {
        at += 2 + u16_at(bytes, at)?;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & FHCRC != 0 {
        at += 2;
    }
    (at <= bytes.len()).then_some(at)
}
