//! Finding deflate streams in files by the formats that hold them.

mod anywhere;
mod gzip;
mod png;
pub(crate) mod trailer;
mod zip;

use std::ops::Range;

use crate::inflate::whole::inflate_start;
pub use anywhere::find_anywhere;
use trailer::Sum;
pub use trailer::Trailer;

/// Zips stored in zips, as jars in jars are, are looked into down to this depth.
const MAX_DEPTH: u32 = 3;

/// A deflate stream in a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundStream {
    /// The place of the raw deflate stream alone, without the header before it and the trailer.
    pub stored: Range<usize>,
    /// The checksum that follows the stream, which was checked against its plain bytes.
    pub trailer: Trailer,
    /// The number of plain bytes the stream holds.
    pub plain_bytes: u64,
}

/// The deflate streams in `file`, in order, not overlapping, each of which inflates completely:
///
/// - of all members of a gzip file (RFC 1952), up to the first that is not whole or too long;
/// - of a zip's deflated entries (APPNOTE.TXT), by its central directory or else from one local header to the next, and
///   of gzip, zip and PNG files that are stored in it as they are; not of encrypted or zip64 entries;
/// - of a PNG whose image data is a single chunk.
///
/// Streams of more than `max_plain` plain bytes are left out. Plain bytes are not kept: memory is small and constant,
/// time is linear in the bytes of the file and the plain bytes of its streams.
#[must_use]
pub fn find(file: &[u8], max_plain: usize) -> Vec<FoundStream> {
    let mut finder = Finder { file, max_plain, found: Vec::new() };
    finder.look_into(0..file.len(), 0);
    finder.found
}

/// Whether [`find`] could find anything, by a file's first bytes alone; 64 are enough.
#[must_use]
pub fn is_candidate(prefix: &[u8]) -> bool {
    prefix.starts_with(&gzip::MAGIC) || prefix.starts_with(&zip::LOCAL_MAGIC) || prefix.starts_with(&png::MAGIC)
}

struct Finder<'a> {
    file: &'a [u8],
    max_plain: usize,
    found: Vec<FoundStream>,
}

impl Finder<'_> {
    /// Finds what is in a file that lies at `range` of the whole one.
    fn look_into(&mut self, range: Range<usize>, depth: u32) {
        let prefix = &self.file[range.clone()];
        if prefix.starts_with(&gzip::MAGIC) {
            gzip::find(self, range);
        } else if prefix.starts_with(&zip::LOCAL_MAGIC) {
            zip::find(self, range, depth);
        } else if prefix.starts_with(&png::MAGIC) {
            png::find(self, range);
        }
    }

    /// Notes the stream at the start of `within`, with its trailer if that is right; the end of the stream.
    fn stream(&mut self, within: Range<usize>, trailer: Trailer) -> Option<usize> {
        let found = self.measured(within, trailer)?;
        let end = found.stored.end;
        self.found.push(found);
        Some(end)
    }

    /// Notes the stream that fills `range`.
    fn filling_stream(&mut self, range: Range<usize>) {
        if let Some(found) = self.measured(range.clone(), Trailer::None)
            && found.stored == range
        {
            self.found.push(found);
        }
    }

    fn measured(&self, within: Range<usize>, trailer: Trailer) -> Option<FoundStream> {
        self.measured_counting(within, trailer).0
    }

    /// The stream at the start of `within`, and the number of bytes that were inflated to know whether there is one.
    fn measured_counting(&self, within: Range<usize>, trailer: Trailer) -> (Option<FoundStream>, u64) {
        let bytes = &self.file[within.clone()];
        let mut sum = Sum::new(trailer);
        let stream_bytes = inflate_start(bytes, self.max_plain, |piece| sum.update(piece)).ok();
        let plain_bytes = sum.plain_bytes();
        let found = stream_bytes.map(|stream_bytes| {
            let trailer = if bytes[stream_bytes..].starts_with(&sum.finish()) { trailer } else { Trailer::None };
            FoundStream { stored: within.start..within.start + stream_bytes, trailer, plain_bytes }
        });
        (found, plain_bytes)
    }
}

/// The little-endian numbers of the formats, where `bytes` reach that far.
fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(field.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests;
