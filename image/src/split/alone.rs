//! Files that are cut otherwise than the contents stream is, beside it: small ones alone, and all of them as some file
//! system lays them. A divided disk image has them in this form.

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, PieceChunks, PieceCutter, PiecePlace, PieceRule, StreamCutter};

/// Cuts files of a tar beside its contents stream.
pub(super) struct Alone {
    rule: Option<PieceRule>,
    /// The cutter of a small file.
    small: StreamCutter,
    is_small_open: bool,
    pieces: Option<PieceCutter>,
    /// The offset in the contents stream at which the file begins.
    start: u64,
    /// The number of a small file's bytes that are cut.
    cut_bytes: u64,
    chunks: Vec<(Bytes, PiecePlace)>,
}

impl Alone {
    pub(super) fn new(rule: Option<PieceRule>) -> Self {
        let (small, chunks) = (StreamCutter::default(), Vec::new());
        Self { rule, small, is_small_open: false, pieces: None, start: 0, cut_bytes: 0, chunks }
    }

    /// Begins a file of this many bytes at this offset of the contents stream.
    pub(super) fn begin(&mut self, bytes: u64, start: u64, is_small: bool) {
        (self.is_small_open, self.start, self.cut_bytes) = (is_small, start, 0);
        // A single block is laid as it is.
        let rule = self.rule.filter(|rule| bytes > rule.block_bytes());
        self.pieces = rule.map(|rule| PieceCutter::new(rule, bytes));
    }

    /// Takes in bytes of a small file.
    pub(super) fn push_small(&mut self, cutter: &Cutter, piece: &[u8]) {
        if !self.is_small_open {
            return;
        }
        let Self { small, pieces, start, cut_bytes, chunks, .. } = self;
        let mut on_whole = |from: usize, cut: Cut<'_>| {
            let bytes = match cut {
                Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
                Cut::InPiece(range) => Bytes::copy_from_slice(&piece[from..][range]),
            };
            let at = *start + *cut_bytes;
            *cut_bytes += bytes.len() as u64;
            chunks.push((bytes, PiecePlace::at(at)));
        };
        match pieces {
            Some(pieces) => pieces.push(cutter, small, piece, on_whole),
            None => small.push(cutter, piece, |cut| on_whole(0, cut)),
        }
        self.take_pieces();
    }

    /// Takes in bytes of a large file, and hands them to its cutter.
    pub(super) fn push_large(
        &mut self,
        cutter: &Cutter,
        large: &mut StreamCutter,
        piece: &[u8],
        mut on_large: impl FnMut(usize, Cut<'_>),
    ) {
        match &mut self.pieces {
            Some(pieces) => pieces.push(cutter, large, piece, on_large),
            None => large.push(cutter, piece, |cut| on_large(0, cut)),
        }
        self.take_pieces();
    }

    /// Ends a small file.
    pub(super) fn end_small(&mut self, cutter: &Cutter) {
        if !std::mem::take(&mut self.is_small_open) {
            return;
        }
        let Self { small, pieces, start, cut_bytes, chunks, .. } = self;
        let add = |cut: Cut<'_>| {
            if let Cut::Gathered(bytes) = cut {
                chunks.push((Bytes::copy_from_slice(bytes), PiecePlace::at(*start + *cut_bytes)));
                *cut_bytes += bytes.len() as u64;
            }
        };
        let left = match pieces.take() {
            Some(pieces) => pieces.finish(cutter, small, add),
            None => {
                small.finish(cutter, add);
                Vec::new()
            }
        };
        self.add_pieces(left);
    }

    /// Ends a large file, and its cutter.
    pub(super) fn end_large(&mut self, cutter: &Cutter, large: &mut StreamCutter, on_large: impl FnMut(Cut<'_>)) {
        match self.pieces.take() {
            Some(pieces) => {
                let left = pieces.finish(cutter, large, on_large);
                self.add_pieces(left);
            }
            None => large.finish(cutter, on_large),
        }
    }

    fn take_pieces(&mut self) {
        let taken = self.pieces.as_mut().map(PieceCutter::take).unwrap_or_default();
        self.add_pieces(taken);
    }

    fn add_pieces(&mut self, chunks: PieceChunks) {
        let start = self.start;
        self.chunks.extend(chunks.into_iter().map(|(bytes, place)| (bytes.into(), place.behind(start))));
    }

    pub(super) fn take(&mut self) -> Vec<(Bytes, PiecePlace)> {
        std::mem::take(&mut self.chunks)
    }
}
