//! Places of chunks in a file: offsets in its streams, or what their marks say.

use regrow_image::StreamKind;

/// Marks a place that is an offset in the file itself.
pub(super) const IN_FILE: u64 = 1 << 63;
/// Marks a place behind a damaged header.
pub(super) const FOUND: u64 = 1 << 62;
/// Marks the number of a chunk of a file that was cut otherwise.
pub(super) const ALONE: u64 = 1 << 61;
/// Marks a place that is an offset in the files: in the contents stream, or for a divided image in its
/// [`DiskFiles`](crate::disk_files::DiskFiles).
pub(super) const IN_FILES: u64 = 1 << 60;
/// Marks such an offset from which on blocks of zeros are passed over.
pub(super) const OVER_HOLES: u64 = 1 << 59;
/// All marks. A place without one is an offset in a stream.
pub(super) const MARKS: u64 = IN_FILE | FOUND | ALONE | IN_FILES | OVER_HOLES;

/// Encodes a place: twice the offset in the stream, plus one for the contents.
pub(super) fn place(stream: StreamKind, at: u64) -> u64 {
    at << 1 | u64::from(stream == StreamKind::Contents)
}
