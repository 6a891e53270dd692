//! Reads a disk image front to back as its plain image. Blocks are decoded side by side.

use bytes::{Bytes, BytesMut};
use regrow_disk::codec::{StreamReader, decode};
use regrow_disk::{BlockCodec, StoredForm, StoredPiece, StreamCodec};

use super::places::{BlockHash, block_hash, start_hash};
use crate::LocalError;
use crate::pool::{Ordered, Pool};

/// The number of blocks that may wait to be decoded. There are a few of each core's.
const BLOCKS_IN_FLIGHT: usize = 16;
/// The most plain bytes of all blocks that wait.
const MAX_WAITING_BYTES: u64 = 32 << 20;

/// A disk image that arrives in pieces of any size.
pub(crate) struct DiskUnfolding<'a> {
    pool: &'a Pool,
    pieces: std::slice::Iter<'a, StoredPiece>,
    /// The present piece, and the number of its bytes that are still to come.
    piece: Option<(StoredForm, u64)>,
    /// The bytes of the present block.
    block: BytesMut,
    /// The present stream.
    stream: Option<Unfolded>,
    decoding: Ordered<(Bytes, BlockHash)>,
    waiting_bytes: u64,
    /// The hashes of the plain bytes of all blocks so far.
    hashes: Vec<BlockHash>,
}

/// A block's codec, the number of its plain bytes, and how these are hashed.
type Block = (BlockCodec, u32, fn(&[u8]) -> BlockHash);

/// A consumer of the next bytes of the plain image.
pub(crate) type PlainSink<'s> = &'s mut dyn FnMut(Bytes) -> Result<(), LocalError>;

impl<'a> DiskUnfolding<'a> {
    /// Begins with the first of these pieces.
    pub(crate) fn new(pool: &'a Pool, pieces: &'a [StoredPiece]) -> Self {
        let decoding = Ordered::new(BLOCKS_IN_FLIGHT);
        Self {
            pool,
            pieces: pieces.iter(),
            piece: None,
            block: BytesMut::new(),
            stream: None,
            decoding,
            waiting_bytes: 0,
            hashes: Vec::new(),
        }
    }

    /// Takes in the image's next bytes. Behind its last piece, they stand for themselves. A block that is damaged gives
    /// zeros, so that what is behind it has its place all the same.
    pub(crate) fn push(&mut self, mut stored: Bytes, sink: PlainSink<'_>) -> Result<(), LocalError> {
        while !stored.is_empty() {
            if self.piece.is_none() {
                self.piece = self.pieces.next().map(|piece| (piece.form, piece.bytes));
            }
            let Some((form, left)) = &mut self.piece else {
                self.drain(sink)?;
                return sink(stored);
            };
            let now = stored.split_to(stored.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
            *left -= now.len() as u64;
            let (form, is_end) = (*form, *left == 0);
            if is_end {
                self.piece = None;
            }
            if let StoredForm::Stream { codec, plain_bytes } = form {
                self.drain(sink)?;
                let mut stream = self.stream.take().unwrap_or_else(|| Unfolded::new(codec, plain_bytes));
                stream.push(&now, sink)?;
                if is_end {
                    stream.finish(sink)?;
                } else {
                    self.stream = Some(stream);
                }
                continue;
            }
            match form.block() {
                None if form == StoredForm::HashTree => {}
                None => {
                    self.drain(sink)?;
                    sink(now)?;
                }
                Some((codec, plain_bytes)) => {
                    self.block.extend_from_slice(&now);
                    if is_end {
                        let hash = if matches!(form, StoredForm::Filled { .. }) { start_hash } else { block_hash };
                        self.decode((codec, plain_bytes, hash), sink)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn decode(&mut self, (codec, plain_bytes, hash): Block, sink: PlainSink<'_>) -> Result<(), LocalError> {
        let stored = self.block.split().freeze();
        while self.waiting_bytes + u64::from(plain_bytes) > MAX_WAITING_BYTES && self.waiting_bytes > 0 {
            if let Some(plain) = self.decoding.next()? {
                self.give(plain, sink)?;
            }
        }
        self.waiting_bytes += u64::from(plain_bytes);
        self.decoding.push(self.pool.submit(move || {
            let plain = plain_of(codec, &stored, plain_bytes);
            let hash = hash(&plain);
            (plain, hash)
        }));
        while let Some(plain) = self.decoding.next_due()? {
            self.give(plain, sink)?;
        }
        Ok(())
    }

    fn give(&mut self, (plain, hash): (Bytes, BlockHash), sink: PlainSink<'_>) -> Result<(), LocalError> {
        self.hashes.push(hash);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(plain.len() as u64);
        sink(plain)
    }

    /// Hands on all that is being decoded.
    fn drain(&mut self, sink: PlainSink<'_>) -> Result<(), LocalError> {
        while let Some(plain) = self.decoding.next()? {
            self.give(plain, sink)?;
        }
        Ok(())
    }

    /// Ends the image, and returns the hashes of its blocks' plain bytes. A block that is cut off is left out.
    pub(crate) fn finish(mut self, sink: PlainSink<'_>) -> Result<Vec<BlockHash>, LocalError> {
        self.drain(sink)?;
        Ok(self.hashes)
    }
}

/// The plain bytes that are handed on at a time.
const PLAIN_BYTES: usize = 1 << 20;

/// A stream that is decompressed as it comes.
struct Unfolded {
    /// There is none of a stream that turned out to be damaged. Zeros stand for the rest.
    reader: Option<StreamReader>,
    /// The number of plain bytes that are still to come.
    left: u64,
}

impl Unfolded {
    fn new(codec: StreamCodec, plain_bytes: u64) -> Self {
        Self { reader: StreamReader::new(codec).ok(), left: plain_bytes }
    }

    fn push(&mut self, mut stored: &[u8], sink: PlainSink<'_>) -> Result<(), LocalError> {
        loop {
            let Some(reader) = self.reader.as_mut().filter(|_| self.left > 0) else { return Ok(()) };
            let wanted = PLAIN_BYTES.min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let mut plain = Vec::with_capacity(wanted);
            let Ok(step) = reader.push(stored, &mut plain, wanted) else {
                self.reader = None;
                return Ok(());
            };
            stored = &stored[step.taken..];
            self.left -= plain.len() as u64;
            let is_stuck = step.taken == 0 && plain.is_empty();
            if !plain.is_empty() {
                sink(plain.into())?;
            }
            if step.ended || is_stuck {
                return Ok(());
            }
        }
    }

    /// Gives zeros for what did not come.
    fn finish(mut self, sink: PlainSink<'_>) -> Result<(), LocalError> {
        while self.left > 0 {
            let now = PLAIN_BYTES.min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= now as u64;
            sink(vec![0; now].into())?;
        }
        Ok(())
    }
}

/// The plain bytes of a block, or as many zeros if it does not hold as many as its file system says.
fn plain_of(codec: BlockCodec, stored: &[u8], plain_bytes: u32) -> Bytes {
    let plain_bytes = plain_bytes as usize;
    let plain = decode(codec, stored, plain_bytes).ok().filter(|plain| plain.len() == plain_bytes);
    plain.unwrap_or_else(|| vec![0; plain_bytes]).into()
}
