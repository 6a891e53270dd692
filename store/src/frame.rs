//! Frames: one zstd frame of consecutive chunks, the smallest thing that is fetched. FORMAT.md, section 7.

use bytes::Bytes;
use regrow_chunker::{MAX_CHUNK_BYTES, Record};

/// A frame holds at most this many plain bytes.
pub const MAX_FRAME_BYTES: u64 = 8 << 20;
/// A frame is closed when it holds this many plain bytes or more. Measured: see ARCHITECTURE.md.
pub const FRAME_TARGET_BYTES: usize = 1 << 20;
const _: () = assert!(FRAME_TARGET_BYTES as u64 + (MAX_CHUNK_BYTES as u64) < MAX_FRAME_BYTES);

/// Chunks that wait to become a frame.
#[derive(Debug, Default)]
pub struct PlainFrame {
    records: Vec<Record>,
    bytes: Vec<u8>,
}

/// A compressed frame and what it holds.
#[derive(Debug)]
pub struct StoredFrame {
    /// Its chunks in order.
    pub records: Vec<Record>,
    /// The zstd frame.
    pub bytes: Vec<u8>,
}

impl PlainFrame {
    /// Appends a chunk. The frame should be ended at [`FRAME_TARGET_BYTES`].
    pub fn push(&mut self, record: Record, bytes: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FRAME_TARGET_BYTES + (64 << 10));
        }
        self.records.push(record);
        self.bytes.extend_from_slice(bytes);
    }

    /// Plain bytes so far.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no chunk.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Compresses at a zstd level.
    ///
    /// # Errors
    /// What zstd says (out of memory, a level that it does not have).
    pub fn compress(self, compressor: &mut Compressor) -> std::io::Result<StoredFrame> {
        Ok(StoredFrame { bytes: compressor.0.compress(&self.bytes)?, records: self.records })
    }
}

/// A zstd context for compression, to be kept for many frames.
pub struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    /// A context for a level.
    ///
    /// # Errors
    /// What zstd says.
    pub fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(level)?))
    }

    /// Compresses bytes that are no frame of a pack, such as a chunk that waits.
    ///
    /// # Errors
    /// What zstd says.
    pub fn compress(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.compress(bytes)
    }
}

/// A zstd context for decompression, to be kept for many frames.
pub struct Decompressor(zstd::bulk::Decompressor<'static>);

impl Decompressor {
    /// A context.
    ///
    /// # Errors
    /// What zstd says (out of memory).
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Decompressor::new()?))
    }

    /// The plain bytes of a frame that must have `plain_bytes` of them, which the caller has bounded by
    /// [`MAX_FRAME_BYTES`]. `None` if it has not. The chunks in it are not verified yet.
    pub fn decompress(&mut self, stored: &[u8], plain_bytes: u64) -> Option<Bytes> {
        let capacity = usize::try_from(plain_bytes.min(MAX_FRAME_BYTES)).ok()?;
        let plain = self.0.decompress(stored, capacity).ok()?;
        (plain.len() as u64 == plain_bytes).then(|| Bytes::from(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_chunker::ChunkId;

    #[test]
    fn round_trips_and_bounds() {
        let mut frame = PlainFrame::default();
        let chunk = b"some bytes ".repeat(1000);
        let record = Record { id: ChunkId::of(&chunk), len: chunk.len() as u32 };
        while frame.plain_bytes() < FRAME_TARGET_BYTES {
            frame.push(record, &chunk);
        }
        let stored = frame.compress(&mut Compressor::new(3).unwrap()).unwrap();
        let plain_bytes = stored.records.len() as u64 * 11_000;
        let mut decompressor = Decompressor::new().unwrap();
        assert_eq!(decompressor.decompress(&stored.bytes, plain_bytes).unwrap(), chunk.repeat(stored.records.len()));
        assert!(decompressor.decompress(&stored.bytes, plain_bytes - 1).is_none());
        assert!(decompressor.decompress(&stored.bytes, plain_bytes + 1).is_none());
        assert!(decompressor.decompress(&stored.bytes[1..], plain_bytes).is_none());
    }
}
