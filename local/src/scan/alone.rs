//! The chunks of files that were cut otherwise than the contents stream is.

use std::ops::Range;

use regrow_chunker::{PiecePlace, Record};
use regrow_disk::DivisionRules;
use regrow_image::Layout;

use super::{Scan, places};
use crate::disk_files::MAX_FILES_BYTES;

impl Scan {
    /// Passes on each chunk of contents that lies in the file in one piece, or in pieces with nothing but holes between
    /// them, with its place. The image must be no disk image.
    pub(crate) fn contiguous_chunks(&self, mut each: impl FnMut(PiecePlace, &Record)) {
        let in_image = |contents: Range<u64>| {
            let mut stretches = self.layout.contents_in_image(contents);
            stretches.next().filter(|_| stretches.next().is_none()).map(|image| image.start)
        };
        for (record, at) in self.contents.iter().zip(places(&self.contents, &self.gaps)) {
            if let Some(start) = in_image(at..at + u64::from(record.len)) {
                each(PiecePlace::at(start), record);
            }
        }
        for (record, place) in self.alone() {
            let end = end_of(record, place).unwrap_or(place.at);
            if let Some(start) = in_image(place.at..end) {
                each(PiecePlace { at: start, holes: place.holes.clone() }, record);
            }
        }
    }

    /// The chunks of files that were cut otherwise.
    pub(crate) fn alone(&self) -> &[(Record, PiecePlace)] {
        self.alone.as_deref().unwrap_or_default()
    }
}

/// Where a chunk ends that was cut otherwise.
fn end_of(record: &Record, place: &PiecePlace) -> Option<u64> {
    Some(place.ranges(record.len)?.last()?.end)
}

/// Whether a chunk that was cut otherwise lies in the contents stream, or in the files of a divided image.
pub(super) fn is_within(
    (record, place): &(Record, PiecePlace),
    division: Option<DivisionRules>,
    layout: &Layout,
) -> bool {
    let most = if division.is_some() { MAX_FILES_BYTES } else { layout.contents_bytes() };
    end_of(record, place).is_some_and(|end| end <= most)
}
