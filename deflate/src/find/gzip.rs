//! gzip members, RFC 1952.

use std::ops::Range;

use super::Finder;
use crate::find::trailer::Trailer;
use crate::inflate::gzip::{GzipHeader, header};

pub(super) use crate::inflate::gzip::MAGIC;

/// All members; the first that is not whole ends the search, as where the next begins is only known by inflating.
pub(super) fn find(finder: &mut Finder<'_>, range: Range<usize>) {
    let mut at = range.start;
    while let GzipHeader::Whole(header_bytes) = header(&finder.file[at..range.end]) {
        let Some(end) = finder.stream(at + header_bytes..range.end, Trailer::Gzip) else { return };
        // A wrong trailer has the same length.
        at = (end + Trailer::Gzip.len()).min(range.end);
    }
}
