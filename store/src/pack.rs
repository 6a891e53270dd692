//! Packs: immutable objects of many frames. FORMAT.md, section 7:
//! header 16, contents frames, skeleton frames, tail (segments, table, trailer 96).

mod read;
mod write;

pub use read::{FrameEntry, PackError, PackTail, TRAILER_BYTES, Trailer};
pub use write::{PackSummary, PackWriter, Part};

/// First bytes of a pack.
pub(crate) const MAGIC: [u8; 8] = *b"\x89RGP\r\n\x1a\n";
/// Last bytes of a pack.
pub(crate) const TRAILER_MAGIC: [u8; 8] = *b"\x89RGT\r\n\x1a\n";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: u64 = 16;
/// The kind of frames that are zstd frames.
pub(crate) const KIND_ZSTD: u8 = 1;
/// Where a pack's salt begins, in bytes from its end: 16 bytes that say nothing, so that a pack can have another name.
pub const SALT_FROM_END: u64 = 24;
/// A tail is at most this many bytes.
pub const MAX_TAIL_BYTES: u64 = 64 << 20;
/// A pack is closed when its frames take this many bytes or more.
pub const PACK_TARGET_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
