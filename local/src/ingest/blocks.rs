//! The blocks in which an input is read.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use regrow_chunker::BLOCK_BYTES;

/// Blocks of [`BLOCK_BYTES`] that are used again, since fresh ones would cost a page fault for every 4 KiB.
pub(super) struct BlockPool {
    free: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
    first_bytes: usize,
}

struct PooledBlock {
    bytes: Vec<u8>,
    len: usize,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for PooledBlock {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for PooledBlock {
    fn drop(&mut self) {
        let _ = self.back.send(std::mem::take(&mut self.bytes));
    }
}

impl BlockPool {
    /// Makes a pool of blocks. For an input that is known to be short, the first block has one byte more than the
    /// input, enough to see that it ends.
    pub(super) fn new(size_hint: Option<u64>) -> Self {
        let (back, free) = channel();
        let first_bytes = size_hint.map_or(BLOCK_BYTES, |size| size.saturating_add(1).min(BLOCK_BYTES));
        Self { free, back, first_bytes: first_bytes as usize }
    }

    /// Reads the next block, which is full unless the input ends in it.
    pub(super) fn read(&self, input: &mut dyn Read) -> std::io::Result<Bytes> {
        let mut bytes = self.free.try_recv().unwrap_or_default();
        bytes.resize(bytes.len().max(self.first_bytes), 0);
        let mut len = 0;
        loop {
            if len == bytes.len() {
                if len == BLOCK_BYTES as usize {
                    break;
                }
                // The input is longer than its hint.
                bytes.resize(BLOCK_BYTES as usize, 0);
            }
            match input.read(&mut bytes[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(PooledBlock { bytes, len, back: self.back.clone() }))
    }
}
