//! Small files that are cut alone, besides the groups that they belong to. A divided disk image has them in this form.

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, StreamCutter};

/// The least number of bytes of a file that is worth it.
const MIN_BYTES: u64 = 64;

/// Cuts small files.
#[derive(Default)]
pub(super) struct SmallFiles {
    stream: StreamCutter,
    is_open: bool,
    /// The offset in the contents stream at which the next chunk begins.
    at: u64,
    chunks: Vec<(Bytes, u64)>,
}

impl SmallFiles {
    /// Begins a file of this declared size at this offset of the contents stream.
    pub(super) fn begin(&mut self, size: u64, at: u64) {
        (self.is_open, self.at) = (size >= MIN_BYTES, at);
    }

    pub(super) fn push(&mut self, cutter: &Cutter, piece: &[u8]) {
        let Self { stream, is_open, at, chunks } = self;
        if *is_open {
            stream.push(cutter, piece, |cut| add(cut, piece, at, chunks));
        }
    }

    pub(super) fn end(&mut self, cutter: &Cutter) {
        let Self { stream, is_open, at, chunks } = self;
        if std::mem::take(is_open) {
            stream.finish(cutter, |cut| add(cut, &[], at, chunks));
        }
    }

    pub(super) fn take(&mut self) -> Vec<(Bytes, u64)> {
        std::mem::take(&mut self.chunks)
    }
}

fn add(cut: Cut<'_>, piece: &[u8], at: &mut u64, chunks: &mut Vec<(Bytes, u64)>) {
    let bytes = match cut {
        Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
        Cut::InPiece(range) => Bytes::copy_from_slice(&piece[range]),
    };
    let len = bytes.len() as u64;
    chunks.push((bytes, *at));
    *at += len;
}
