//! The pieces of a coded disk image. docs/format/index-2.md, section 6.

use std::sync::Arc;

use regrow_chunker::varint;

use super::{
    DISK_STREAM, FILLED, HASH_TREE, HELD, KEPT, Last, PLAIN, Pieces, RUN, STREAM, filled, put_or_same, use_up,
};
use crate::disk_coding::{MAX_KEPT_BYTES, MAX_SALT_BYTES};
use crate::primitives::{put_bytes, take, take_array, take_bytes};
use crate::{
    BlockRun, CorrectedBlock, DiskCoding, DiskPiece, HashTreePiece, IndexError, KeptBlock, MemberCoding, StreamPiece,
};

const MANY_KEPT: &str = "more than 16 MiB of compressed blocks that are kept";

impl DiskCoding {
    /// The number of bytes of the index that describe this image.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        let mut out = Vec::new();
        put(&mut out, self, &mut Last::default());
        out.len() as u64
    }
}

/// Appends the pieces of a coded disk image.
pub(super) fn put(out: &mut Vec<u8>, coding: &DiskCoding, last: &mut Last) {
    varint::put(out, coding.pieces.len() as u64);
    for piece in &coding.pieces {
        match piece {
            DiskPiece::Plain(bytes) => {
                out.push(PLAIN);
                varint::put(out, *bytes);
            }
            DiskPiece::Run(run) => {
                out.push(RUN);
                put_or_same(out, &run.encoder, &mut last.encoder);
                put_run(out, run);
            }
            DiskPiece::Held(run) => {
                out.push(HELD);
                put_run(out, run);
            }
            DiskPiece::Filled(run) => {
                out.push(FILLED);
                filled::put(out, run, last);
            }
            DiskPiece::Corrected(block) => {
                out.push(STREAM);
                put_or_same(out, &block.encoder, &mut last.encoder);
                varint::put(out, block.plain_bytes.into());
                varint::put(out, block.coded_bytes.into());
                put_bytes(out, &block.corrections);
            }
            DiskPiece::Kept(kept) => {
                out.push(KEPT);
                varint::put(out, kept.plain_bytes.into());
                put_bytes(out, &kept.coded);
            }
            DiskPiece::Stream(stream) => {
                out.push(DISK_STREAM);
                put_or_same(out, &stream.encoder, &mut last.encoder);
                varint::put(out, stream.plain_bytes);
                varint::put(out, stream.coded_bytes);
                put_bytes(out, &stream.corrections);
            }
            DiskPiece::HashTree(tree) => {
                out.push(HASH_TREE);
                put_bytes(out, &tree.salt);
                varint::put(out, tree.data_blocks);
            }
        }
    }
}

fn put_run(out: &mut Vec<u8>, run: &BlockRun) {
    for number in [run.gap_bytes.into(), run.coded_bytes, run.plain_bytes.into()] {
        varint::put(out, number);
    }
    out.extend_from_slice(&run.digest);
    varint::put(out, run.count << 1 | u64::from(!run.smaller_by.is_empty()));
    run.smaller_by.iter().for_each(|&smaller_by| varint::put(out, smaller_by.into()));
}

impl Pieces<'_> {
    /// Takes a piece of a coded disk image, of which the kind was taken already.
    pub(super) fn take_disk_piece(&mut self, kind: u8) -> Result<DiskPiece, IndexError> {
        let piece = match kind {
            PLAIN => DiskPiece::Plain(take(&mut self.input)?),
            RUN => {
                let encoder = self.take_encoder()?;
                DiskPiece::Run(Box::new(self.take_run(encoder)?))
            }
            HELD => DiskPiece::Held(Box::new(self.take_run(Arc::default())?)),
            FILLED => DiskPiece::Filled(Box::new(self.take_filled()?)),
            KEPT => DiskPiece::Kept(Box::new(self.take_kept()?)),
            STREAM => DiskPiece::Corrected(Box::new(self.take_corrected()?)),
            DISK_STREAM => DiskPiece::Stream(Box::new(self.take_disk_stream()?)),
            HASH_TREE => {
                let salt = take_bytes(&mut self.input, MAX_SALT_BYTES, "a salt of more than 32 bytes")?.to_vec();
                let data_blocks = take(&mut self.input)?;
                DiskPiece::HashTree(Box::new(HashTreePiece { salt, data_blocks }))
            }
            _ => return Err(IndexError::Unsupported("a coded disk image with literals or trailers")),
        };
        piece.check()?;
        Ok(piece)
    }

    fn take_run(&mut self, encoder: Arc<[u8]>) -> Result<BlockRun, IndexError> {
        let (gap, coded_bytes, plain_bytes) = (self.take_u8()?, take(&mut self.input)?, self.take_u32()?);
        let digest = take_array(&mut self.input)?;
        let count = take(&mut self.input)?;
        let (count, has_sizes) = (count >> 1, count & 1 == 1);
        // The run itself counts as the piece that its first block is.
        use_up(&mut self.left.pieces, count.saturating_sub(1), super::MANY_PIECES)?;
        let mut smaller_by = Vec::new();
        if has_sizes {
            if count > self.input.len() as u64 {
                return Err(IndexError::Malformed("a count is larger than its list can be"));
            }
            smaller_by.reserve_exact(count as usize);
            for _ in 0..count {
                smaller_by.push(self.take_u32()?);
            }
        }
        Ok(BlockRun { encoder, gap_bytes: gap, plain_bytes, count, smaller_by, coded_bytes, digest })
    }

    fn take_corrected(&mut self) -> Result<CorrectedBlock, IndexError> {
        let MemberCoding { encoder, plain_bytes, stream_bytes, corrections, .. } = self.take_stream()?;
        let small = |bytes| u32::try_from(bytes).map_err(|_| IndexError::Malformed("sizes of a compressed block"));
        let (plain_bytes, coded_bytes) = (small(plain_bytes)?, small(stream_bytes)?);
        Ok(CorrectedBlock { encoder, plain_bytes, coded_bytes, corrections })
    }

    fn take_disk_stream(&mut self) -> Result<StreamPiece, IndexError> {
        let MemberCoding { encoder, plain_bytes, stream_bytes, corrections, .. } = self.take_stream()?;
        Ok(StreamPiece { encoder, plain_bytes, coded_bytes: stream_bytes, corrections })
    }

    fn take_kept(&mut self) -> Result<KeptBlock, IndexError> {
        let plain_bytes = self.take_u32()?;
        let coded = take_bytes(&mut self.input, MAX_KEPT_BYTES as usize, MANY_KEPT)?;
        use_up(&mut self.left.kept, coded.len() as u64, MANY_KEPT)?;
        Ok(KeptBlock { plain_bytes, coded: coded.to_vec() })
    }

    pub(super) fn take_u32(&mut self) -> Result<u32, IndexError> {
        u32::try_from(take(&mut self.input)?).map_err(|_| IndexError::Malformed("sizes of a compressed block"))
    }

    fn take_u8(&mut self) -> Result<u8, IndexError> {
        u8::try_from(take(&mut self.input)?).map_err(|_| IndexError::Malformed("a run of compressed blocks"))
    }

    /// Takes all pieces of a coded disk image, of which the first one has this kind.
    pub(super) fn take_disk(&mut self, first: u8, count: u64) -> Result<DiskCoding, IndexError> {
        let mut pieces = vec![self.take_disk_piece(first)?];
        for _ in 1..count {
            let kind = self.take_kind()?;
            pieces.push(self.take_disk_piece(kind)?);
        }
        let coding = DiskCoding { pieces };
        coding.check()?;
        Ok(coding)
    }
}
