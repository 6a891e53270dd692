//! Cutting bytes that arrive in pieces of any size: the same cuts as over all of them at once.

use crate::Cutter;

/// The tail of a stream that is not cut yet. `B` is what pieces come as; whole chunks inside one piece are
/// handed on as ranges of it, without a copy.
#[derive(Default)]
pub struct StreamCutter {
    pending: Vec<u8>,
}

/// Where a chunk's bytes are.
pub enum Cut<'a> {
    /// They were gathered from several pieces.
    Gathered(&'a [u8]),
    /// A range of the piece that was pushed last.
    InPiece(std::ops::Range<usize>),
}

impl StreamCutter {
    /// Takes in a piece and hands on each chunk that is complete with it.
    pub fn push(&mut self, cutter: &Cutter, piece: &[u8], mut chunk: impl FnMut(Cut<'_>)) {
        let max = cutter.params().max_bytes() as usize;
        let mut at = 0;
        while !self.pending.is_empty() {
            let before = self.pending.len();
            let taken = (piece.len() - at).min(max - before);
            self.pending.extend_from_slice(&piece[at..at + taken]);
            if self.pending.len() < max {
                return;
            }
            let end = cutter.cut(&self.pending);
            chunk(Cut::Gathered(&self.pending[..end]));
            if end >= before {
                at += end - before;
                self.pending.clear();
            } else {
                self.pending.truncate(before);
                self.pending.drain(..end);
            }
        }
        while piece.len() - at >= max {
            let end = cutter.cut(&piece[at..]);
            chunk(Cut::InPiece(at..at + end));
            at += end;
        }
        self.pending.extend_from_slice(&piece[at..]);
    }

    /// Ends the stream: hands on the chunks that are left.
    pub fn finish(&mut self, cutter: &Cutter, mut chunk: impl FnMut(Cut<'_>)) {
        let mut at = 0;
        while at < self.pending.len() {
            let end = cutter.cut(&self.pending[at..]);
            chunk(Cut::Gathered(&self.pending[at..at + end]));
            at += end;
        }
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_do_not_matter(data in proptest::collection::vec(any::<u8>(), 0..9000),
                                sizes in proptest::collection::vec(1usize..2500, 1..9)) {
            let cutter = Cutter::new(Params::new(64, 256, 1024).unwrap());
            let mut whole = Vec::new();
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(cutter.cut(rest));
                whole.push(chunk.to_vec());
                rest = after;
            }
            let (mut stream, mut found, mut at, mut turn) = (StreamCutter::default(), Vec::new(), 0, 0);
            while at < data.len() {
                let piece = &data[at..data.len().min(at + sizes[turn % sizes.len()])];
                stream.push(&cutter, piece, |cut| found.push(match cut {
                    Cut::Gathered(bytes) => bytes.to_vec(),
                    Cut::InPiece(range) => piece[range].to_vec(),
                }));
                at += piece.len();
                turn += 1;
            }
            stream.finish(&cutter, |cut| if let Cut::Gathered(bytes) = cut { found.push(bytes.to_vec()) });
            prop_assert_eq!(found, whole);
        }
    }
}
