//! Makes zstd:chunked files, whose frames are encoded side by side.

use std::sync::Arc;

use regrow_zstd::{Chunked, ChunkedCutter, ChunkedPiece, MadeFrame, Spares};

use crate::LocalError;
use crate::pool::{Ordered, Pool};

/// The memory of all encoders of one file's frames, unless one takes more.
const MAX_ENCODERS_BYTES: u64 = 256 << 20;

/// A zstd:chunked file that is being made.
pub(super) struct ChunkedFile<'p> {
    pool: &'p Pool,
    cutter: ChunkedCutter,
    encoding: Ordered<MadeFrame>,
    spares: Arc<Spares>,
    pieces: Vec<ChunkedPiece>,
}

impl<'p> ChunkedFile<'p> {
    pub(super) fn new(pool: &'p Pool, known: Chunked) -> Self {
        Self {
            pool,
            cutter: ChunkedCutter::new(known),
            encoding: Ordered::new(most_encoders(known) as usize - 1),
            spares: Arc::default(),
            pieces: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), LocalError> {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.cutter.write(plain, &mut pieces);
        self.put(&mut pieces, out)?;
        self.pieces = pieces;
        Ok(())
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), LocalError> {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.cutter.end(&mut pieces);
        self.put(&mut pieces, out)?;
        while let Some(made) = self.encoding.next()? {
            self.cutter.put(&made, out);
        }
        self.cutter.finish(out);
        Ok(())
    }

    fn put(&mut self, pieces: &mut Vec<ChunkedPiece>, out: &mut Vec<u8>) -> Result<(), LocalError> {
        for piece in pieces.drain(..) {
            match piece {
                ChunkedPiece::Frame(frame) => {
                    let spares = Arc::clone(&self.spares);
                    self.encoding.push(self.pool.submit(move || frame.encode(&spares)));
                    while let Some(made) = self.encoding.next_due()? {
                        self.cutter.put(&made, out);
                    }
                }
                ChunkedPiece::Long(part) => {
                    while let Some(made) = self.encoding.next()? {
                        self.cutter.put(&made, out);
                    }
                    self.cutter.put_long(&part, out);
                }
            }
        }
        Ok(())
    }
}

/// The number of frames that are made side by side.
fn most_encoders(known: Chunked) -> u64 {
    let cores = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    (MAX_ENCODERS_BYTES / known.frame_memory_bytes()).clamp(1, cores)
}

/// The memory of encoders besides the first one.
pub(super) fn further_bytes(known: Chunked) -> u64 {
    (most_encoders(known) - 1) * known.frame_memory_bytes()
}
