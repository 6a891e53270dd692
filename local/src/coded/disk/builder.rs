//! The pieces of a coding, front to back.

use std::sync::Arc;

use regrow_disk::HashTree;
use regrow_disk::codec::{BlockEncoder, FillEncoder};
use regrow_index::{
    BlockRun, CorrectedBlock, DiskPiece, FilledGroup, FilledRun, HashTreePiece, KeptBlock, MAX_GAP_BYTES, StreamPiece,
};

use super::run_digest;
use crate::coded::prove::FoundStream;

/// The most plain bytes of a run, unless a single block has more. One task makes a run when the image is written.
const MAX_RUN_BYTES: u64 = 8 << 20;
/// The number of plain bytes from which on a group of filled blocks goes on as another one. A group is made on one core.
pub(super) const MAX_GROUP_BYTES: u64 = 2 << 20;
/// The most bytes between two groups of filled blocks in a run.
pub(super) const MAX_FILLED_GAP_BYTES: u64 = 64 << 10;

/// Joins blocks to runs.
#[derive(Default)]
pub(super) struct Builder {
    pieces: Vec<DiskPiece>,
    /// Plain bytes behind the last block.
    plain: u64,
    run: Option<Run>,
    filled: Option<Filled>,
    /// The encoder of the last run, as it is written down.
    written: Option<(Known, Arc<[u8]>)>,
}

/// The encoder of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Block(BlockEncoder),
    Fill(FillEncoder),
}

/// A run of filled blocks that is not complete.
struct Filled {
    encoder: FillEncoder,
    groups: Vec<FilledGroup>,
    /// The number of bytes behind the last block that its encoder may have looked at.
    behind: u64,
    count: u64,
    plain_bytes: u64,
    coded_bytes: u64,
    coded_hash: blake3::Hasher,
}

/// A run that is not complete.
struct Run {
    /// The encoder, unless the base of a patch holds the blocks.
    encoder: Option<BlockEncoder>,
    gap_bytes: u64,
    sizes: Vec<u32>,
    plain_bytes: u64,
    coded_bytes: u64,
    coded_hash: blake3::Hasher,
}

impl Builder {
    pub(super) fn plain(&mut self, bytes: u64) {
        self.plain += bytes;
    }

    pub(super) fn block(&mut self, encoder: BlockEncoder, plain_bytes: u32, coded: &[u8]) {
        self.add(Some(encoder), plain_bytes, coded);
    }

    /// Takes a block that the base of a patch holds.
    pub(super) fn held(&mut self, plain_bytes: u32, coded: &[u8]) {
        self.add(None, plain_bytes, coded);
    }

    fn add(&mut self, encoder: Option<BlockEncoder>, plain_bytes: u32, coded: &[u8]) {
        let coded_bytes = coded.len() as u64;
        let goes_on =
            |run: &&mut Run| run.encoder == encoder && run.gap_bytes == self.plain && run.plain_bytes < MAX_RUN_BYTES;
        if let Some(run) = self.run.as_mut().filter(goes_on) {
            run.sizes.push(plain_bytes);
            (run.plain_bytes, run.coded_bytes) =
                (run.plain_bytes + u64::from(plain_bytes), run.coded_bytes + coded_bytes);
            run.coded_hash.update(coded);
            self.plain = 0;
            return;
        }
        self.end_run();
        let gap_bytes = if self.plain <= MAX_GAP_BYTES.into() { std::mem::take(&mut self.plain) } else { 0 };
        self.end_plain();
        let (sizes, mut coded_hash) = (vec![plain_bytes], blake3::Hasher::new());
        coded_hash.update(coded);
        self.run = Some(Run { encoder, gap_bytes, sizes, plain_bytes: plain_bytes.into(), coded_bytes, coded_hash });
    }

    pub(super) fn corrected(
        &mut self,
        encoder: BlockEncoder,
        plain_bytes: u32,
        (coded_bytes, corrections): (u32, Vec<u8>),
    ) {
        self.end_run();
        self.end_plain();
        let encoder = self.written(Known::Block(encoder));
        self.pieces.push(DiskPiece::Corrected(Box::new(CorrectedBlock {
            encoder,
            plain_bytes,
            coded_bytes,
            corrections,
        })));
    }

    /// Takes a block that was filled up, with the numbers of bytes that it holds and that are behind it in its file.
    pub(super) fn filled(&mut self, encoder: FillEncoder, (plain_bytes, behind): (u32, u64), coded: &[u8]) {
        let goes_on = |run: &Filled| {
            run.encoder == encoder && self.plain <= MAX_FILLED_GAP_BYTES && run.plain_bytes < MAX_RUN_BYTES
        };
        if !self.filled.as_ref().is_some_and(goes_on) {
            self.end_run();
            if self.plain > MAX_FILLED_GAP_BYTES {
                self.end_plain();
            }
            let (groups, coded_hash) = (Vec::new(), blake3::Hasher::new());
            self.filled =
                Some(Filled { encoder, groups, behind: 0, count: 0, plain_bytes: 0, coded_bytes: 0, coded_hash });
        }
        let Some(run) = &mut self.filled else { return };
        // No more than that is looked at.
        let behind_bytes = behind.min(encoder.window_bytes() as u64) as u32;
        match run.groups.last_mut() {
            Some(group)
                if self.plain == 0
                    && run.behind == u64::from(plain_bytes) + behind
                    && u64::from(group.plain_bytes) + u64::from(plain_bytes) <= MAX_GROUP_BYTES =>
            {
                group.plain_bytes += plain_bytes;
                group.behind_bytes = behind_bytes;
            }
            _ => {
                let gap_bytes = std::mem::take(&mut self.plain);
                run.plain_bytes += gap_bytes;
                run.groups.push(FilledGroup { gap_bytes, plain_bytes, behind_bytes });
            }
        }
        run.behind = behind;
        run.count += 1;
        run.plain_bytes += u64::from(plain_bytes);
        run.coded_bytes += coded.len() as u64;
        run.coded_hash.update(coded);
    }

    /// An encoder as it is written down.
    fn written(&mut self, encoder: Known) -> Arc<[u8]> {
        match &self.written {
            Some((known, written)) if *known == encoder => Arc::clone(written),
            _ => {
                let mut written = Vec::new();
                match encoder {
                    Known::Block(encoder) => encoder.put(&mut written),
                    Known::Fill(encoder) => encoder.put(&mut written),
                }
                let written: Arc<[u8]> = written.into();
                self.written = Some((encoder, Arc::clone(&written)));
                written
            }
        }
    }

    pub(super) fn stream(&mut self, found: FoundStream, plain_bytes: u64, coded_bytes: u64) {
        self.end_run();
        self.end_plain();
        let FoundStream { encoder, corrections } = found;
        let stream = StreamPiece { encoder: encoder.into(), plain_bytes, coded_bytes, corrections };
        self.pieces.push(DiskPiece::Stream(Box::new(stream)));
    }

    pub(super) fn tree(&mut self, tree: &HashTree) {
        self.end_run();
        self.end_plain();
        let HashTree { salt, data_blocks } = tree.clone();
        self.pieces.push(DiskPiece::HashTree(Box::new(HashTreePiece { salt, data_blocks })));
    }

    pub(super) fn kept(&mut self, kept: KeptBlock) {
        self.end_run();
        self.end_plain();
        self.pieces.push(DiskPiece::Kept(Box::new(kept)));
    }

    /// Ends the present run, of either kind.
    fn end_run(&mut self) {
        if let Some(run) = self.filled.take() {
            let (encoder, digest) = (self.written(Known::Fill(run.encoder)), run_digest(&run.coded_hash));
            let Filled { groups, count, coded_bytes, .. } = run;
            self.pieces.push(DiskPiece::Filled(Box::new(FilledRun { encoder, groups, count, coded_bytes, digest })));
        }
        let Some(run) = self.run.take() else { return };
        let encoder = run.encoder.map(|encoder| self.written(Known::Block(encoder)));
        let (is_held, encoder) = (encoder.is_none(), encoder.unwrap_or_default());
        // What is larger than a gap was not taken for one.
        let run =
            BlockRun::new(encoder, run.gap_bytes as u8, &run.sizes, (run.coded_bytes, run_digest(&run.coded_hash)));
        let run = Box::new(run);
        self.pieces.push(if is_held { DiskPiece::Held(run) } else { DiskPiece::Run(run) });
    }

    fn end_plain(&mut self) {
        let bytes = std::mem::take(&mut self.plain);
        if bytes > 0 {
            self.pieces.push(DiskPiece::Plain(bytes));
        }
    }

    pub(super) fn finish(mut self) -> Vec<DiskPiece> {
        self.end_run();
        self.end_plain();
        self.pieces
    }
}
