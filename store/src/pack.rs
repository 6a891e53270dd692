//! Packs: immutable objects of many frames. FORMAT.md, section 7: header (16 bytes), contents frames, skeleton
//! frames, tail (segments, table, trailer of 96 bytes).

mod read;
mod write;

pub use read::{FrameEntry, PackError, PackTail, TRAILER_BYTES, Trailer};
pub use write::{PackSummary, PackWriter, Part, frame_cost, segment_cost};

/// The first bytes of a pack.
pub(crate) const MAGIC: [u8; 8] = *b"\x89RGP\r\n\x1a\n";
/// The last bytes of a pack.
pub(crate) const TRAILER_MAGIC: [u8; 8] = *b"\x89RGT\r\n\x1a\n";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: u64 = 16;
/// The kind of frames that are zstd frames.
pub(crate) const KIND_ZSTD: u8 = 1;
/// The distance of a pack's salt from its end, in bytes. The salt is 16 bytes without meaning that give a pack
/// another name.
pub const SALT_FROM_END: u64 = 24;
/// The largest size of a tail in bytes.
pub const MAX_TAIL_BYTES: u64 = 64 << 20;
/// The largest size of a pack in bytes, unless one frame alone needs more. ARCHITECTURE.md has the measurements.
pub const PACK_TARGET_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests;
