//! Ranges of an image's streams: those of its parts, and what lies between them.

use std::ops::Range;

use regrow_image::{PartRange, StreamKind};

use crate::image::PatchImage;

/// The wrapper's ranges of an image's stream, as they lie in the stream without the held parts.
pub(crate) fn wrapper(image: &PatchImage, held: &[(usize, usize)], stream: StreamKind) -> Vec<Range<u64>> {
    let is_held = |number: usize| held.binary_search_by_key(&number, |(target, _)| *target).is_ok();
    let (mut at, mut left_out) = (0, 0);
    let mut ranges = Vec::new();
    for number in 0..image.parts().len() {
        let part_range = range_of(image, number, stream).bytes;
        if part_range.is_empty() {
            continue;
        }
        ranges.push(at - left_out..part_range.start - left_out);
        at = part_range.end;
        left_out += if is_held(number) { part_range.end - part_range.start } else { 0 };
    }
    ranges.push(at - left_out..image.stream_bytes(stream) - left_out);
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// A part's range of a stream.
pub(crate) fn range_of(image: &PatchImage, part: usize, stream: StreamKind) -> PartRange {
    let found = image.parts().get(part).map(|part| match stream {
        StreamKind::Skeleton => &part.skeleton,
        StreamKind::Contents => &part.contents,
    });
    found.cloned().unwrap_or_default()
}

/// The ranges of a stream that are left without some parts' ranges, which ascend.
pub(crate) fn between(
    image: &PatchImage,
    stream: StreamKind,
    taken: impl Iterator<Item = PartRange>,
) -> Vec<PartRange> {
    let (mut records, mut bytes) = (0, 0);
    let mut ranges = Vec::new();
    for part in taken.filter(|part| !part.bytes.is_empty()) {
        ranges.push(PartRange { records: records..part.records.start, bytes: bytes..part.bytes.start });
        (records, bytes) = (part.records.end, part.bytes.end);
    }
    let ends = (image.records(stream).len() as u64, image.stream_bytes(stream));
    ranges.push(PartRange { records: records..ends.0, bytes: bytes..ends.1 });
    ranges
}
