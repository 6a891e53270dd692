//! The way from a block's pieces to few long reads of seeds.
//!
//! Between two versions of an image most files stay, with the same headers between them. So what a block needs of a seed
//! lies there in long stretches, whose gaps are headers that the block gets from the skeleton. Such a stretch is read at
//! once to where it belongs, and each chunk is hashed where it lies.

use std::ops::Range;

use regrow_image::ImagePiece;
use regrow_local::{Seeds, StreamChunks};

/// The largest gap that is read with what lies around it. A chunk in pieces may take one read for this many of its bytes;
/// what is more scattered is gathered by the seed itself.
const GAP_BYTES: u64 = 16 << 10;

/// A chunk of contents of which some bytes lie in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedChunk {
    pub(super) number: usize,
    /// The offset in the chunk of the first byte that lies in the block.
    pub(super) from: usize,
    /// Its pieces in the block, as a range of [`PlacedChunks::parts`].
    pub(super) parts: Range<usize>,
    /// Whether a stretch of a seed was read to its place.
    pub(super) is_read: bool,
}

/// The chunks of contents of a block, in order.
#[derive(Default)]
pub(super) struct PlacedChunks {
    pub(super) chunks: Vec<PlacedChunk>,
    /// The places of pieces of chunks in the block, in order.
    pub(super) parts: Vec<Range<usize>>,
}

impl PlacedChunks {
    /// Finds the chunks of these pieces, which follow one another. The block begins at `start` in the image.
    pub(super) fn find(&mut self, pieces: &[ImagePiece], contents: &StreamChunks, start: u64) {
        self.chunks.clear();
        self.parts.clear();
        for piece in pieces {
            let ImagePiece::Contents { image, contents_at } = piece else { continue };
            let (mut at, mut from) = (image.start, *contents_at);
            let next =
                |last: &PlacedChunk| if contents.range(last.number).end > from { last.number } else { last.number + 1 };
            let mut number = self.chunks.last().map_or_else(|| contents.chunk_at(from), next);
            while at < image.end {
                let range = contents.range(number);
                let len = (range.end - from).min(image.end - at);
                self.push(number, (from - range.start) as usize, (at - start) as usize..(at + len - start) as usize);
                (at, from, number) = (at + len, from + len, number + 1);
            }
        }
    }

    fn push(&mut self, number: usize, from: usize, part: Range<usize>) {
        self.parts.push(part);
        match self.chunks.last_mut().filter(|last| last.number == number) {
            Some(last) => last.parts.end += 1,
            None => {
                let parts = self.parts.len() - 1..self.parts.len();
                self.chunks.push(PlacedChunk { number, from, parts, is_read: false });
            }
        }
    }
}

/// A stretch of a seed's plain image, and the part of the block that it is read to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) seed: u32,
    pub(super) seed_at: u64,
    pub(super) block: Range<usize>,
}

/// The stretches that are read for a block, in its order.
#[derive(Default)]
pub(super) struct Stretches {
    pub(super) stretches: Vec<Stretch>,
    /// The stretches of the chunk that was looked at last.
    of_chunk: Vec<Range<u64>>,
}

impl Stretches {
    pub(super) fn clear(&mut self) {
        self.stretches.clear();
    }

    /// Adds what must be read for a whole chunk at a place of a seed. The result is `false` if the seed must gather it.
    pub(super) fn add(&mut self, seeds: &Seeds, (seed, place): (u32, u64), parts: &[Range<usize>]) -> bool {
        let bytes = parts.iter().map(Range::len).sum();
        let mut of_chunk = std::mem::take(&mut self.of_chunk);
        let is_added = seeds.stretches((seed, place), bytes, &mut of_chunk) && self.join(seed, &of_chunk, parts);
        self.of_chunk = of_chunk;
        is_added
    }

    /// Adds a chunk's stretches of a seed, which have as many bytes as its parts in the block.
    fn join(&mut self, seed: u32, of_seed: &[Range<u64>], parts: &[Range<usize>]) -> bool {
        let (before, last) = (self.stretches.len(), self.stretches.last().cloned());
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let most = before + 1 + (bytes / GAP_BYTES) as usize;
        let (mut seed_parts, mut here) = (of_seed.iter().cloned(), 0..0);
        for part in parts {
            let mut part = part.clone();
            while !part.is_empty() {
                if here.is_empty() {
                    let Some(next) = seed_parts.next() else { return self.take_back(before, last) };
                    here = next;
                    continue;
                }
                let len = (part.len() as u64).min(here.end - here.start);
                self.push(Stretch { seed, seed_at: here.start, block: part.start..part.start + len as usize });
                if self.stretches.len() > most {
                    return self.take_back(before, last);
                }
                (part.start, here.start) = (part.start + len as usize, here.start + len);
            }
        }
        true
    }

    fn take_back(&mut self, before: usize, last: Option<Stretch>) -> bool {
        self.stretches.truncate(before.saturating_sub(1));
        self.stretches.extend(last);
        false
    }

    /// Adds a stretch, together with the last one if the bytes between both are as many in the seed as in the block.
    fn push(&mut self, next: Stretch) {
        if let Some(last) = self.stretches.last_mut() {
            let distance = |stretch: &Stretch| stretch.seed_at.wrapping_sub(stretch.block.start as u64);
            let gap = (next.block.start - last.block.end) as u64;
            if last.seed == next.seed && distance(last) == distance(&next) && gap <= GAP_BYTES {
                last.block.end = next.block.end;
                return;
            }
        }
        self.stretches.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(seed_at: u64, block: Range<usize>) -> Stretch {
        Stretch { seed: 0, seed_at, block }
    }

    fn join_one(stretches: &mut Stretches, seed: u32, of_seed: Range<u64>, part: Range<usize>) -> bool {
        stretches.join(seed, std::slice::from_ref(&of_seed), std::slice::from_ref(&part))
    }

    /// Files that only moved, together with the headers between them, are one stretch.
    #[test]
    fn what_moved_together_is_read_at_once() {
        let mut stretches = Stretches::default();
        assert!(stretches.join(0, &[1512..2000, 2512..2600], &[512..1000, 1512..1600]));
        assert!(stretches.join(0, &[2600..2700, 3512..3600], &[1600..1700, 2512..2600]));
        assert_eq!(stretches.stretches, [stretch(1512, 512..2600)]);
        // Another seed, another distance, and a gap that is too long.
        assert!(join_one(&mut stretches, 1, 3600..3700, 2600..2700));
        assert!(join_one(&mut stretches, 1, 3800..3900, 2700..2800));
        assert!(join_one(&mut stretches, 1, 33_900..34_000, 32_800..32_900));
        assert_eq!(stretches.stretches.len(), 4);
    }

    #[test]
    fn pieces_are_divided_alike() {
        let mut stretches = Stretches::default();
        assert!(stretches.join(0, &[0..40_000, 90_000..90_100], &[0..100, 200..40_200]));
        assert_eq!(
            stretches.stretches,
            [stretch(0, 0..100), stretch(100, 200..40_100), stretch(90_000, 40_100..40_200)]
        );
    }

    /// What is scattered changes nothing of what was there before it.
    #[test]
    fn scattered_chunks_are_left_to_the_seed() {
        let mut stretches = Stretches::default();
        let tiny = |n: usize| (n as u64 * 700..n as u64 * 700 + 10, n * 1024..n * 1024 + 10);
        let (of_seed, parts): (Vec<_>, Vec<_>) = (1..9).map(tiny).unzip();
        assert!(!stretches.join(0, &of_seed, &parts) && stretches.stretches.is_empty());
        assert!(join_one(&mut stretches, 0, 100..200, 0..100));
        let (mut joined, mut joining) = (of_seed.clone(), parts.clone());
        joined.insert(0, 250..260);
        joining.insert(0, 150..160);
        assert!(!stretches.join(0, &joined, &joining));
        assert_eq!(stretches.stretches, [stretch(100, 0..100)]);
        // A seed that has fewer bytes than it should.
        assert!(!join_one(&mut stretches, 0, 5000..5010, 5000..5020));
        assert_eq!(stretches.stretches, [stretch(100, 0..100)]);
    }
}
