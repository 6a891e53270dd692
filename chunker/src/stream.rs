//! Cutting of bytes that arrive in pieces. The cuts are those of one pass over all the bytes, whatever the pieces'
//! sizes.

use crate::Cutter;

/// The uncut tail of a stream. A chunk that lies within one piece is handed on as a range of it, without a copy.
#[derive(Default)]
pub struct StreamCutter {
    /// The gathered bytes; those from `start` on are not cut yet. The bytes before `start` are dropped only now and
    /// then, so that each byte moves a few times at most, for any mix of chunk sizes.
    pending: Vec<u8>,
    start: usize,
}

/// The place of a chunk's bytes.
pub enum Cut<'a> {
    /// The chunk was gathered from several pieces.
    Gathered(&'a [u8]),
    /// The chunk is this range of the piece that was pushed last.
    InPiece(std::ops::Range<usize>),
}

impl Cut<'_> {
    /// The number of the chunk's bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no chunk is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Gathered(bytes) => bytes.len(),
            Self::InPiece(range) => range.len(),
        }
    }
}

impl StreamCutter {
    /// Takes in a piece and hands on each chunk that it completes.
    pub fn push(&mut self, cutter: &Cutter, piece: &[u8], mut chunk: impl FnMut(Cut<'_>)) {
        let max = cutter.params().max_bytes() as usize;
        let gathered = self.pending.len();
        let mut at = 0;
        while self.start < gathered {
            let taken = (piece.len() - at).min(max.saturating_sub(self.pending.len() - self.start));
            self.pending.extend_from_slice(&piece[at..at + taken]);
            at += taken;
            if self.pending.len() - self.start < max {
                return self.compact();
            }
            let end = self.start + cutter.cut(&self.pending[self.start..]);
            chunk(Cut::Gathered(&self.pending[self.start..end]));
            self.start = end;
        }
        // The gathered chunks end within the piece: the rest of the piece is cut where it lies.
        at -= self.pending.len() - self.start;
        self.pending.clear();
        self.start = 0;
        while piece.len() - at >= max {
            let end = cutter.cut(&piece[at..]);
            chunk(Cut::InPiece(at..at + end));
            at += end;
        }
        self.pending.extend_from_slice(&piece[at..]);
    }

    /// The number of bytes of memory that are taken by what is gathered.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.pending.capacity()
    }

    /// Drops the bytes that were cut, once they are more than half of the gathered ones.
    fn compact(&mut self) {
        if self.start > self.pending.len() / 2 {
            self.pending.drain(..self.start);
            self.start = 0;
        }
    }

    /// The bytes that are not cut yet.
    #[must_use]
    pub fn uncut(&self) -> &[u8] {
        &self.pending[self.start..]
    }

    /// Hands on the chunks that would be left if the stream ended here. It goes on as if it did not.
    pub fn ending(&self, cutter: &Cutter, mut chunk: impl FnMut(&[u8])) {
        let mut rest = self.uncut();
        while !rest.is_empty() {
            let (now, after) = rest.split_at(cutter.cut(rest));
            chunk(now);
            rest = after;
        }
    }

    /// Ends the stream and hands on the chunks that are left.
    pub fn finish(&mut self, cutter: &Cutter, mut chunk: impl FnMut(Cut<'_>)) {
        while self.start < self.pending.len() {
            let end = self.start + cutter.cut(&self.pending[self.start..]);
            chunk(Cut::Gathered(&self.pending[self.start..end]));
            self.start = end;
        }
        self.pending.clear();
        self.start = 0;
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
            // Some of the chunks are much smaller than `max` allows.
            let max = if sizes[0] % 2 == 0 { 1024 } else { 8192 };
            let cutter = Cutter::new(Params::new(64, 256, max).unwrap());
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
