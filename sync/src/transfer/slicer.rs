//! Cuts ranges out of bytes that arrive in pieces, front to back.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// A buffer of the bytes that have arrived but were not taken yet. Its caller bounds its memory: asking for a range
/// drops all bytes before it.
pub(crate) struct Slicer {
    /// The position of the first byte in the buffer.
    at: u64,
    held: BytesMut,
}

impl Slicer {
    /// Makes a buffer for bytes that begin at `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self { at: start, held: BytesMut::new() }
    }

    /// Adds the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// Takes the bytes of a range, once all of them have arrived. Ranges must be asked for in ascending order.
    pub(crate) fn take(&mut self, range: &Range<u64>) -> Option<Bytes> {
        let skip = (range.start.saturating_sub(self.at) as usize).min(self.held.len());
        drop(self.held.split_to(skip));
        self.at += skip as u64;
        let len = (range.end - range.start) as usize;
        if self.at < range.start || self.held.len() < len {
            return None;
        }
        self.at = range.end;
        Some(self.held.split_to(len).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_whole_whatever_the_pieces() {
        let bytes: Vec<u8> = (0..=255).collect();
        for piece_len in [1, 7, 64, 256] {
            let mut slicer = Slicer::new(1000);
            let mut wanted = [1003..1010, 1010..1011, 1100..1256].into_iter().peekable();
            let mut found = Vec::new();
            for piece in bytes.chunks(piece_len) {
                slicer.push(piece);
                while let Some(taken) = wanted.peek().and_then(|range| slicer.take(range)) {
                    found.push(taken.to_vec());
                    wanted.next();
                }
            }
            assert_eq!(found, [bytes[3..10].to_vec(), bytes[10..11].to_vec(), bytes[100..].to_vec()]);
        }
    }
}
