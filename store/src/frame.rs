//! Frames. A frame is one zstd frame of consecutive chunks, and the smallest thing that is fetched. FORMAT.md,
//! section 7.

use std::ops::Range;

use bytes::Bytes;
use regrow_chunker::{MAX_CHUNK_BYTES, Record};

/// The most plain bytes that a frame holds.
pub const MAX_FRAME_BYTES: u64 = 8 << 20;
/// The number of plain bytes at which a frame is closed. docs/measurements.md has the figures.
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

/// Plain bytes of a block of a zstd frame, at most.
const BLOCK_BYTES: u64 = 128 << 10;
/// Bytes before each block.
const BLOCK_HEADER_BYTES: u64 = 3;

/// A frame of bytes that zstd could not compress. It holds them as they are, in blocks of 128 KiB with 3 bytes before
/// each, so single chunks of it can be read. RFC 8878, section 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame {
    header_bytes: u64,
    plain_bytes: u64,
}

impl RawFrame {
    /// Whether a frame of these sizes is one. zstd compresses a block only if that makes it smaller, so the sizes tell:
    /// no other frame but an odd one has them. What is read by this guess must be verified.
    #[must_use]
    pub fn of(stored_bytes: u64, plain_bytes: u64) -> Option<Self> {
        // Magic number, descriptor, and the size in 1, 2 or 4 bytes.
        let header_bytes = match plain_bytes {
            0 => return None,
            1..256 => 6,
            256..65_792 => 7,
            _ => 9,
        };
        let blocks = plain_bytes.div_ceil(BLOCK_BYTES);
        let expected = header_bytes + blocks * BLOCK_HEADER_BYTES + plain_bytes;
        (stored_bytes == expected && plain_bytes <= MAX_FRAME_BYTES).then_some(Self { header_bytes, plain_bytes })
    }

    /// Where in the stored frame these plain bytes lie; `None` where the frame has no such bytes.
    #[must_use]
    pub fn stored(&self, plain: &Range<u64>) -> Option<Range<u64>> {
        let last = plain.end.checked_sub(1).filter(|&last| plain.start <= last && last < self.plain_bytes)?;
        let at = |byte: u64| self.header_bytes + byte + BLOCK_HEADER_BYTES * (byte / BLOCK_BYTES + 1);
        Some(at(plain.start)..at(last) + 1)
    }

    /// The plain bytes of a range, from the stored bytes that [`RawFrame::stored`] names. They are not verified.
    #[must_use]
    pub fn plain(plain: &Range<u64>, stored: &[u8]) -> Option<Bytes> {
        let (mut found, mut rest, mut at) = (Vec::with_capacity(stored.len()), stored, plain.start);
        while at < plain.end {
            if at > plain.start {
                rest = rest.get(BLOCK_HEADER_BYTES as usize..)?;
            }
            let len = (BLOCK_BYTES - at % BLOCK_BYTES).min(plain.end - at);
            let (now, later) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            found.extend_from_slice(now);
            (rest, at) = (later, at + len);
        }
        rest.is_empty().then(|| found.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_chunker::ChunkId;

    /// Checked against zstd itself.
    #[test]
    fn parts_of_raw_frames() {
        let block = BLOCK_BYTES as usize;
        for bytes in [1, 255, 256, 65_791, 65_792, block, block + 1, 9 * block, 1_050_000] {
            let mut noise = vec![0; bytes];
            blake3::Hasher::new().finalize_xof().fill(&mut noise);
            let stored = Compressor::new(9).unwrap().compress(&noise).unwrap();
            let raw = RawFrame::of(stored.len() as u64, bytes as u64).unwrap();
            let edges = [0, 1, 200, block - 1, block, block + 1, 3 * block - 7, bytes - 1, bytes];
            for (start, end) in edges.iter().flat_map(|&start| edges.map(|end| (start, end))) {
                let plain = start as u64..end as u64;
                let Some(place) = raw.stored(&plain) else {
                    assert!(start >= end || end > bytes);
                    continue;
                };
                let part = &stored[place.start as usize..place.end as usize];
                assert_eq!(RawFrame::plain(&plain, part).unwrap(), noise[start..end]);
                assert_eq!(RawFrame::plain(&plain, &part[1..]), None);
            }
            assert_eq!(raw.stored(&(0..bytes as u64 + 1)), None);
            assert_eq!(RawFrame::of(stored.len() as u64 - 1, bytes as u64), None);
        }
        let text = b"some bytes ".repeat(1000);
        let stored = Compressor::new(9).unwrap().compress(&text).unwrap();
        assert_eq!(RawFrame::of(stored.len() as u64, text.len() as u64), None);
        assert_eq!(RawFrame::of(6, 0), None);
    }

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
