//! Reading an image once, front to back: its chunks with their ids, in order, and its digest. Both make and the scan of a
//! seed go through here. The reading thread walks and cuts; workers hash.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use regrow_chunker::{BLOCK_BYTES, ChunkId, ImageDigest, Params, Record, block_value};
use regrow_image::{RawChunk, Splitter, StreamKind};

use crate::pool::{Ordered, Pool};
use crate::{Progress, Stage, SyncError};

/// Blocks that may wait to be hashed: with their chunks they bound the memory.
const BLOCKS_IN_FLIGHT: usize = 6;

/// A chunk with its id.
pub(crate) struct Hashed {
    pub(crate) stream: StreamKind,
    pub(crate) record: Record,
    pub(crate) bytes: Bytes,
}

/// What an image was found to be.
pub(crate) struct Ingested {
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
}

/// What workers give back for a block.
struct BlockResult {
    chunks: Vec<Hashed>,
    digest: Option<(blake3::hazmat::ChainingValue, Option<[u8; 32]>)>,
}

/// What is read.
pub(crate) struct Input<'a> {
    pub(crate) reader: &'a mut dyn Read,
    /// For errors.
    pub(crate) name: &'a Path,
    /// How many bytes it probably has.
    pub(crate) size_hint: Option<u64>,
}

/// Reads all of `input`; hands each chunk to `sink`, each stream's in its order.
pub(crate) fn ingest(
    input: Input<'_>,
    params: Params,
    pool: &Pool,
    stage: Stage,
    progress: &dyn Progress,
    mut sink: impl FnMut(Hashed) -> Result<(), SyncError>,
) -> Result<Ingested, SyncError> {
    let blocks = BlockPool::new(input.size_hint);
    let mut splitter = Splitter::new(params);
    let mut results = Ordered::new(BLOCKS_IN_FLIGHT);
    let mut digest = ImageDigest::default();
    let (mut index, mut total) = (0, 0);
    let mut take = |result: BlockResult, digest: &mut ImageDigest| {
        if let Some((value, root)) = result.digest {
            digest.push(value, || root.unwrap_or_default());
        }
        result.chunks.into_iter().try_for_each(&mut sink)
    };
    loop {
        let block = blocks.read(input.reader).map_err(SyncError::io(input.name))?;
        if block.is_empty() {
            break;
        }
        total += block.len() as u64;
        progress.add(stage, block.len() as u64);
        let chunks = splitter.push(block.clone());
        results.push(pool.submit(move || hash_block(Some((index, block)), chunks)));
        index += 1;
        while let Some(result) = results.next_due()? {
            take(result, &mut digest)?;
        }
    }
    let last = splitter.finish();
    results.push(pool.submit(move || hash_block(None, last)));
    while let Some(result) = results.next()? {
        take(result, &mut digest)?;
    }
    Ok(Ingested { bytes: total, digest: digest.finish() })
}

fn hash_block(block: Option<(u64, Bytes)>, chunks: Vec<RawChunk>) -> BlockResult {
    let hash = |chunk: RawChunk| Hashed {
        stream: chunk.stream,
        // The chunker cuts at 4 MiB at the latest.
        record: Record { id: ChunkId::of(&chunk.bytes), len: chunk.bytes.len() as u32 },
        bytes: chunk.bytes,
    };
    let digest = block.map(|(index, block)| {
        let root = (index == 0).then(|| *blake3::hash(&block).as_bytes());
        (block_value(index, &block), root)
    });
    BlockResult { chunks: chunks.into_iter().map(hash).collect(), digest }
}

/// Blocks of [`BLOCK_BYTES`] that are used again: fresh ones would cost a page fault for every 4 KiB.
struct BlockPool {
    free: Receiver<Vec<u8>>,
    back: Arc<Sender<Vec<u8>>>,
    first_bytes: usize,
}

struct PooledBlock {
    bytes: Vec<u8>,
    len: usize,
    back: Arc<Sender<Vec<u8>>>,
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
    /// For an input that is known to be short, one byte more than it tells that it ends.
    fn new(size_hint: Option<u64>) -> Self {
        let (back, free) = unbounded();
        let first_bytes = size_hint.map_or(BLOCK_BYTES, |size| size.saturating_add(1).min(BLOCK_BYTES));
        Self { free, back: Arc::new(back), first_bytes: first_bytes as usize }
    }

    /// The next block, full unless the input ends in it.
    fn read(&self, input: &mut dyn Read) -> std::io::Result<Bytes> {
        let mut bytes = self.free.try_recv().unwrap_or_default();
        bytes.resize(bytes.len().max(self.first_bytes), 0);
        let mut len = 0;
        loop {
            if len == bytes.len() {
                if len == BLOCK_BYTES as usize {
                    break;
                }
                // Longer than it was said to be.
                bytes.resize(BLOCK_BYTES as usize, 0);
            }
            match input.read(&mut bytes[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(PooledBlock { bytes, len, back: Arc::clone(&self.back) }))
    }
}
