//! Frames. A frame is one zstd frame of consecutive chunks, and the smallest thing that is fetched. FORMAT.md,
//! section 7.

use bytes::Bytes;
use regrow_chunker::{MAX_CHUNK_BYTES, Record};

/// The most plain bytes that a frame holds.
pub const MAX_FRAME_BYTES: u64 = 8 << 20;
/// The number of plain bytes at which a frame is closed. ARCHITECTURE.md has the measurements.
pub const FRAME_TARGET_BYTES: usize = 1 << 20;
const _: () = assert!(FRAME_TARGET_BYTES as u64 + (MAX_CHUNK_BYTES as u64) < MAX_FRAME_BYTES);

/// Chunks that wait to become a frame.
#[derive(Debug, Default)]
pub struct PlainFrame {
    records: Vec<Record>,
    bytes: Vec<u8>,
}

/// A compressed frame, with the records of its chunks.
#[derive(Debug)]
pub struct StoredFrame {
    /// The chunks of the frame, in order.
    pub records: Vec<Record>,
    /// The zstd frame.
    pub bytes: Vec<u8>,
}

impl PlainFrame {
    /// Appends a chunk. The frame should end once it has [`FRAME_TARGET_BYTES`].
    pub fn push(&mut self, record: Record, bytes: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FRAME_TARGET_BYTES + (64 << 10));
        }
        self.records.push(record);
        self.bytes.extend_from_slice(bytes);
    }

    /// The number of plain bytes so far.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the frame holds no chunk.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Compresses the frame.
    ///
    /// # Errors
    /// Errors of zstd, such as a lack of memory.
    pub fn compress(self, compressor: &mut Compressor) -> std::io::Result<StoredFrame> {
        Ok(StoredFrame { bytes: compressor.0.compress(&self.bytes)?, records: self.records })
    }
}

/// A zstd context for compression. Keep it for many frames.
pub struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    /// Makes a context for a compression level.
    ///
    /// # Errors
    /// Errors of zstd, such as a level that it does not have.
    pub fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(level)?))
    }

    /// Compresses bytes that are no frame of a pack, such as a chunk that waits.
    ///
    /// # Errors
    /// Errors of zstd.
    pub fn compress(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.compress(bytes)
    }
}

/// A zstd context for decompression. Keep it for many frames.
pub struct Decompressor(zstd::bulk::Decompressor<'static>);

impl Decompressor {
    /// Makes a context.
    ///
    /// # Errors
    /// Errors of zstd, such as a lack of memory.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Decompressor::new()?))
    }

    /// Returns the plain bytes of a frame, or `None` if they are not exactly `plain_bytes`. The caller has bounded
    /// that number by [`MAX_FRAME_BYTES`]. The chunks in the frame are not verified yet.
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
