//! Bounds on what a reader accepts. They follow from how images are written, so that no index makes a reader spend
//! more than its image is worth. All of them are pure functions of numbers that an index states; FORMAT.md, section
//! 11, derives each one.

use crate::Params;

/// The smallest average chunk size in bytes that a reader accepts by default.
pub const DEFAULT_MIN_AVG_BYTES: u64 = 4 << 10;
/// The largest number of chunks that the scan of a seed remembers. Chunks behind them are fetched.
pub const MAX_SEED_CHUNKS: usize = 1 << 24;
/// The memory in bytes that a reader may take for any image: for the blocks and frames that its cores work on, and
/// for the chunks that it keeps.
pub const READER_BASE_BYTES: u64 = 128 << 20;

/// The allowance that every count has besides its share of the image, since an image of no bytes is legal too.
const FREE: u64 = 1024;
/// The size of a tar's block in bytes. Files begin at blocks, and each file has a header that is one block.
const BLOCK_BYTES: u64 = 512;
/// Operations that a coded file may need besides those that its bytes account for: its two marks, and the literals
/// that they end.
const OPERATIONS_A_CODED_FILE: u64 = 4;
/// Memory in bytes for one chunk of a recipe: its record, its place, its source, and its numbers in sorted lists.
const CHUNK_MEMORY_BYTES: u64 = 160;
/// Memory in bytes for one operation of a skeleton, including the spare room of a growing list.
const OPERATION_MEMORY_BYTES: u64 = 64;

/// Limits that the user of a reader chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// The smallest average chunk size in bytes. The smallest `min` is a quarter of it.
    pub min_avg_bytes: u64,
    /// The largest image, and the largest plain image, in bytes.
    pub max_image_bytes: u64,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self { min_avg_bytes: DEFAULT_MIN_AVG_BYTES, max_image_bytes: u64::MAX }
    }
}

impl ReaderLimits {
    /// The smallest average chunk size, in bytes, that a reader must accept so that it cuts its seeds with these
    /// parameters.
    #[must_use]
    pub fn needed_for(params: &Params) -> u64 {
        u64::from(params.avg_bytes()).min(u64::from(params.min_bytes()).saturating_mul(4))
    }

    /// Whether a reader cuts its seeds with these parameters.
    #[must_use]
    pub fn allows(&self, params: &Params) -> bool {
        u64::from(params.avg_bytes()) >= self.min_avg_bytes && u64::from(params.min_bytes()) >= self.min_avg_bytes / 4
    }
}

/// The largest number of coded files in a plain image of this many bytes. Each of them has a header, unless it is
/// the image itself.
#[must_use]
pub fn max_coded_files(plain_bytes: u64) -> u64 {
    1 + plain_bytes / BLOCK_BYTES
}

/// The largest number of operations in the skeleton of a plain image of this size with this number of coded files.
#[must_use]
pub fn max_operations(plain_bytes: u64, coded_files: u64) -> u64 {
    FREE.saturating_add(plain_bytes / 256).saturating_add(coded_files.saturating_mul(OPERATIONS_A_CODED_FILE))
}

/// The largest size in bytes of the skeleton stream of a plain image that has `contents_bytes` of contents.
#[must_use]
pub fn max_skeleton_bytes(plain_bytes: u64, contents_bytes: u64) -> u64 {
    plain_bytes.saturating_sub(contents_bytes).saturating_add(plain_bytes / 16).saturating_add(64 << 10)
}

/// The largest number of chunks in a stream of `stream_bytes`, in a plain image of `plain_bytes`.
#[must_use]
pub fn max_chunks(params: &Params, stream_bytes: u64, plain_bytes: u64) -> u64 {
    let full_chunk_bytes = u64::from(params.min_bytes().min(params.max_bytes() - params.avg_bytes() / 2));
    FREE.saturating_add(stream_bytes / full_chunk_bytes).saturating_add(plain_bytes / BLOCK_BYTES)
}

/// The largest stored size of a frame of this many plain bytes. zstd adds less than this to bytes that it cannot
/// compress.
#[must_use]
pub fn max_stored_frame_bytes(plain_bytes: u64) -> u64 {
    plain_bytes.saturating_add(plain_bytes / 128).saturating_add(1 << 10)
}

/// The most memory in bytes that extracting an image of this many plain bytes takes, whatever its index and packs
/// say.
///
/// Four costs come on top: 16 bytes for each byte of the index, 256 for each gzip member in it, 4 for each byte of
/// the packs' tails, and at most 256 MiB for the frames that are on their way. The machine's own seeds add at most
/// [`seed_memory_bytes`].
#[must_use]
pub fn reader_memory_bytes(plain_bytes: u64, limits: &ReaderLimits) -> u64 {
    let min_bytes = (limits.min_avg_bytes / 4).max(64);
    let streams_bytes = plain_bytes.saturating_add(plain_bytes / 16).saturating_add(64 << 10);
    let chunks = (2 * FREE).saturating_add(streams_bytes / min_bytes).saturating_add(plain_bytes / (BLOCK_BYTES / 2));
    // The largest number of coded files doubles the number of operations.
    let operations = max_operations(plain_bytes, plain_bytes / BLOCK_BYTES);
    READER_BASE_BYTES
        .saturating_add(chunks.saturating_mul(CHUNK_MEMORY_BYTES))
        .saturating_add(operations.saturating_mul(OPERATION_MEMORY_BYTES))
}

/// The most memory in bytes that scanning a seed of this many bytes takes.
#[must_use]
pub fn seed_memory_bytes(seed_bytes: u64, limits: &ReaderLimits) -> u64 {
    reader_memory_bytes(seed_bytes, limits) - READER_BASE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_by_average_and_minimum() {
        let params = |min, avg, max| Params::new(min, avg, max).unwrap();
        let default = ReaderLimits::default();
        assert!(default.allows(&Params::default()));
        assert!(default.allows(&params(1024, 4096, 16384)));
        assert!(!default.allows(&params(1023, 4096, 16384)));
        assert!(!default.allows(&params(1024, 4095, 16384)));
        assert!(ReaderLimits { min_avg_bytes: 64, ..default }.allows(&params(64, 64, 64)));
    }

    #[test]
    fn nothing_overflows() {
        let params = Params::new(64, 64, 64).unwrap();
        assert!(max_chunks(&params, u64::MAX, u64::MAX) > 1 << 58);
        assert!(max_operations(u64::MAX, u64::MAX) > 1 << 58);
        assert!(max_skeleton_bytes(u64::MAX, 0) > 1 << 58);
        assert!(max_stored_frame_bytes(u64::MAX) > 1 << 58);
        assert!(reader_memory_bytes(u64::MAX, &ReaderLimits::default()) > 1 << 58);
    }

    #[test]
    fn memory_is_in_proportion() {
        let memory = |plain| reader_memory_bytes(plain, &ReaderLimits::default());
        assert!(memory(0) < 160 << 20);
        assert!(memory(1 << 30) < memory(0) + (2 << 30));
    }
}
