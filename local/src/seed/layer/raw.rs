//! The bytes of a layer that are in no file, which are mostly headers. They are kept compressed, since they would
//! otherwise take a tenth of a layer of small files.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of bytes that are compressed together.
const BLOCK_BYTES: usize = 256 << 10;
/// The number of uncompressed blocks that are kept.
const BLOCKS_KEPT: usize = 8;
/// A fast level. Headers compress well by any.
const ZSTD_LEVEL: i32 = 1;

/// A block's number, and its bytes.
type KeptBlock = (usize, Arc<Vec<u8>>);

/// Bytes in memory, compressed.
#[derive(Default)]
pub(super) struct RawBytes {
    blocks: Vec<Box<[u8]>>,
    /// The bytes that do not make a block yet.
    rest: Vec<u8>,
    packed_bytes: usize,
    kept: Mutex<VecDeque<KeptBlock>>,
}

impl RawBytes {
    /// The number of bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK_BYTES + self.rest.len()) as u64
    }

    /// The number of bytes in memory.
    pub(super) fn packed_bytes(&self) -> usize {
        self.packed_bytes + self.rest.len()
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / BLOCK_BYTES * BLOCK_BYTES;
        for block in self.rest[..whole].chunks(BLOCK_BYTES) {
            let packed = zstd::bulk::compress(block, ZSTD_LEVEL)?;
            self.packed_bytes += packed.len();
            self.blocks.push(packed.into());
        }
        self.rest.drain(..whole);
        Ok(())
    }

    /// Fills `out` with the bytes from `at` on.
    pub(super) fn read_exact_at(&self, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let number = usize::try_from(at / BLOCK_BYTES as u64).map_err(|_| io::ErrorKind::UnexpectedEof)?;
            let start = (at % BLOCK_BYTES as u64) as usize;
            let unpacked;
            let block = if number < self.blocks.len() {
                unpacked = self.block(number)?;
                &unpacked[..]
            } else if number == self.blocks.len() {
                &self.rest[..]
            } else {
                &[]
            };
            let found = block.get(start..).filter(|found| !found.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = found.len().min(out.len());
            let (now, rest) = out.split_at_mut(len);
            now.copy_from_slice(&found[..len]);
            (out, at) = (rest, at + len as u64);
        }
        Ok(())
    }

    fn block(&self, number: usize) -> io::Result<Arc<Vec<u8>>> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|(kept, _)| *kept == number).map(|(_, block)| Arc::clone(block));
        if let Some(block) = known {
            return Ok(block);
        }
        let block = Arc::new(zstd::bulk::decompress(&self.blocks[number], BLOCK_BYTES)?);
        let mut kept = lock();
        kept.push_front((number, Arc::clone(&block)));
        kept.truncate(BLOCKS_KEPT);
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_read() {
        let all: Vec<u8> = (0..700_000u32).map(|n| (n / 7 % 251) as u8).collect();
        let mut raw = RawBytes::default();
        all.chunks(1777).for_each(|piece| raw.push(piece).unwrap());
        assert_eq!(raw.bytes(), 700_000);
        for (at, len) in [(0, 10), (262_140, 10), (100, 690_000), (699_999, 1), (700_000, 0)] {
            let mut out = vec![0; len];
            raw.read_exact_at(&mut out, at as u64).unwrap();
            assert_eq!(out, all[at..at + len]);
        }
        assert!(raw.read_exact_at(&mut [0; 2], 699_999).is_err());
        assert!(raw.read_exact_at(&mut [0; 2], u64::MAX - 5).is_err());
    }
}
