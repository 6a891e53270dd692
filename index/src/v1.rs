//! Indexes of version 1: magic (8 bytes), version (u32), body length (u32), sections (tag u8, length varint,
//! payload), BLAKE3 of all bytes before it. FORMAT.md, section 6.

mod codings;
mod decode;
mod encode;

use crate::HEAD_BYTES;
use crate::primitives::CHECKSUM_BYTES;

pub(crate) use decode::decode;
pub(crate) use encode::encode;

const PARAMETERS: u8 = 1;
const IMAGE: u8 = 2;
const STREAMS: u8 = 3;
const PACKS: u8 = 4;
const CHUNK_RUNS: u8 = 5;
const SEGMENT_RUNS: u8 = 6;
const STORE: u8 = 7;
const CODINGS: u8 = 8;
/// Tags from 128 on: a reader that does not know them skips them.
const FRESH_PACKS: u8 = 128;
const PATCH_BASES: u8 = 129;
const STREAM_SKELETON: u8 = 1;
const STREAM_CONTENTS: u8 = 2;

/// The size in bytes of the file whose body has this length.
pub(crate) fn file_bytes(length: u32) -> u64 {
    (HEAD_BYTES + CHECKSUM_BYTES) as u64 + u64::from(length)
}

#[cfg(test)]
mod tests;
