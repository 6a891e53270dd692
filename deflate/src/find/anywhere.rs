//! Streams anywhere in bytes of no known format, such as a disk image, a firmware or a database.

use super::zip::{self, Deflated};
use super::{Finder, FoundStream, gzip, png};
use crate::find::trailer::Trailer;
use crate::inflate::gzip::{GzipHeader, header};

/// The first byte of nearly all zlib streams: deflate with a window of 32 KiB.
const ZLIB: u8 = 0x78;
const ZLIB_HEAD_BYTES: usize = 2;
/// A stream of fewer plain bytes is not worth its entry in a list.
const MIN_PLAIN_BYTES: u64 = 64;
/// The search ends when this many times the bytes were inflated for nothing, and the constant below. Otherwise hostile bytes
/// could hold thousands of beginnings of the same stream.
const MAX_VAIN_FACTOR: u64 = 8;
const MAX_VAIN_BYTES: u64 = 16 << 20;

/// The deflate streams in bytes of any kind, in order, not overlapping: of gzip members and zlib streams, whose checksums must
/// be right, and of entries of zips, whose length must be right.
///
/// Streams of more than `max_plain` plain bytes are left out. Time is linear in the bytes and the plain bytes of the streams.
#[must_use]
pub fn find_anywhere(bytes: &[u8], max_plain: usize) -> Vec<FoundStream> {
    let mut finder = Finder { file: bytes, max_plain, found: Vec::new() };
    let most_vain = MAX_VAIN_BYTES + MAX_VAIN_FACTOR * bytes.len() as u64;
    let (mut at, mut vain) = (0, 0);
    while let Some(next) = bytes[at..].iter().position(|&byte| matches!(byte, ZLIB | 0x1f | b'P')) {
        at += next;
        let tried = match bytes[at] {
            ZLIB => zlib_at(&finder, at),
            b'P' => zip_at(&finder, at),
            _ => gzip_at(&finder, at),
        };
        match tried {
            Tried::Found(found) => {
                at = found.stored.end + found.trailer.len();
                finder.found.push(found);
            }
            Tried::Vain(inflated) => {
                vain += inflated;
                at += 1;
            }
        }
        if vain > most_vain {
            break;
        }
    }
    finder.found
}

enum Tried {
    Found(FoundStream),
    /// There is no stream. To know that, about this many bytes were inflated.
    Vain(u64),
}

fn gzip_at(finder: &Finder<'_>, at: usize) -> Tried {
    let bytes = &finder.file[at..];
    match header(bytes) {
        GzipHeader::Whole(header_bytes) if bytes.starts_with(&gzip::MAGIC) => {
            checked(finder, at + header_bytes, Trailer::Gzip)
        }
        _ => Tried::Vain(0),
    }
}

fn zlib_at(finder: &Finder<'_>, at: usize) -> Tried {
    let may_be = png::is_zlib_head(&finder.file[at..]);
    if may_be { checked(finder, at + ZLIB_HEAD_BYTES, Trailer::Zlib) } else { Tried::Vain(0) }
}

/// The stream at a place, if the checksum behind it is right.
fn checked(finder: &Finder<'_>, at: usize, trailer: Trailer) -> Tried {
    let (measured, inflated) = finder.measured_counting(at..finder.file.len(), trailer);
    match measured {
        Some(found) if found.trailer == trailer && found.plain_bytes >= MIN_PLAIN_BYTES => Tried::Found(found),
        _ => Tried::Vain(inflated),
    }
}

fn zip_at(finder: &Finder<'_>, at: usize) -> Tried {
    let Some(Deflated { data, stored_bytes }) = zip::deflated_at(finder.file, at) else { return Tried::Vain(0) };
    let end = stored_bytes.and_then(|bytes| data.checked_add(bytes));
    let within = data..end.unwrap_or(finder.file.len());
    if within.end > finder.file.len() {
        return Tried::Vain(0);
    }
    let (measured, inflated) = finder.measured_counting(within, Trailer::None);
    let is_right = |found: &FoundStream| match end {
        Some(end) => found.stored.end == end,
        None => zip::is_descriptor_at(finder.file, found.stored.end),
    };
    match measured.filter(|found| found.plain_bytes >= MIN_PLAIN_BYTES && is_right(found)) {
        Some(found) => Tried::Found(found),
        None => Tried::Vain(inflated),
    }
}
