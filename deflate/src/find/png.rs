//! PNG image data, RFC 2083: a zlib stream (RFC 1950) in the IDAT chunks.

use std::ops::Range;

use super::Finder;
use crate::find::trailer::Trailer;

pub(super) const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Length and name before a chunk's data, a CRC-32 after it.
const CHUNK_HEAD_BYTES: usize = 8;
const CHUNK_CRC_BYTES: usize = 4;
const ZLIB_HEAD_BYTES: usize = 2;

/// The stream, where it lies in one piece.
pub(super) fn find(finder: &mut Finder<'_>, range: Range<usize>) {
    let Some(data) = single_data_chunk(&finder.file[range.clone()]) else { return };
    let data = range.start + data.start..range.start + data.end;
    if is_zlib_head(&finder.file[data.clone()]) {
        finder.stream(data.start + ZLIB_HEAD_BYTES..data.end, Trailer::Zlib);
    }
}

fn single_data_chunk(png: &[u8]) -> Option<Range<usize>> {
    let mut data = None;
    let mut at = MAGIC.len();
    while let Some(head) = png.get(at..at.checked_add(CHUNK_HEAD_BYTES)?) {
        let (len, name) = head.split_first_chunk::<4>()?;
        let start = at + CHUNK_HEAD_BYTES;
        let end = start.checked_add(u32::from_be_bytes(*len) as usize)?;
        match name {
            b"IDAT" if data.is_some() || end > png.len() => return None,
            b"IDAT" => data = Some(start..end),
            b"IEND" => break,
            _ => {}
        }
        at = end.checked_add(CHUNK_CRC_BYTES)?;
    }
    data
}

/// Deflate, no preset dictionary, and the check of the two bytes right.
pub(super) fn is_zlib_head(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            method & 0x0f == 8 && flags & 0x20 == 0 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}
