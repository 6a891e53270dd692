//! Joins the pieces of a frame that are neighbours in the image, and writes them at once. An image may have a chunk of
//! one byte a thousand times.

use std::ops::Range;

use bytes::Bytes;
use regrow_chunker::{Verified, VerifiedBuffer, VerifiedRuns};

use crate::SyncError;

/// The most bytes that are copied together for one write.
const WRITE_BYTES: usize = 1 << 20;

/// A range of a frame's bytes, and its position in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) image_at: u64,
    pub(super) plain: Range<usize>,
}

impl Stretch {
    fn image_end(&self) -> u64 {
        self.image_at + self.plain.len() as u64
    }
}

/// Writes ranges of `plain` in the image's order. Neighbours that are also neighbours in `plain` are not copied.
pub(super) fn write(
    mut stretches: Vec<Stretch>,
    plain: &VerifiedRuns<Bytes>,
    mut write: impl FnMut(u64, Verified<'_>) -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    let get = |stretch: &Stretch| plain.get(stretch.plain.clone()).ok_or(SyncError::Worker);
    stretches.sort_unstable_by_key(|stretch| stretch.image_at);
    stretches.dedup_by(|next, last| {
        let joins = last.image_end() == next.image_at && last.plain.end == next.plain.start;
        if joins {
            last.plain.end = next.plain.end;
        }
        joins
    });
    let mut rest = &stretches[..];
    let mut gathered = VerifiedBuffer::default();
    while let Some(first) = rest.first() {
        let run = run_len(rest);
        if run == 1 {
            write(first.image_at, get(first)?)?;
        } else {
            gathered.clear();
            for stretch in &rest[..run] {
                gathered.push(get(stretch)?);
            }
            write(first.image_at, gathered.whole().ok_or(SyncError::Worker)?)?;
        }
        rest = &rest[run..];
    }
    Ok(())
}

/// The number of ranges, from the first one on, that are neighbours and short enough to be copied together.
fn run_len(stretches: &[Stretch]) -> usize {
    let (mut count, mut bytes) = (1, stretches[0].plain.len());
    for pair in stretches.windows(2) {
        bytes += pair[1].plain.len();
        if pair[0].image_end() != pair[1].image_at || bytes > WRITE_BYTES {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_chunker::ChunkId;

    fn written(stretches: &[(u64, Range<usize>)], plain: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let stretches = stretches.iter().map(|(at, plain)| Stretch { image_at: *at, plain: plain.clone() }).collect();
        let mut found = Vec::new();
        let mut frame = VerifiedRuns::unverified(Bytes::copy_from_slice(plain));
        assert!(frame.verify(0..plain.len(), &ChunkId::of(plain)));
        let result = write(stretches, &frame, |at, bytes| {
            found.push((at, bytes.bytes().to_vec()));
            Ok(())
        });
        result.unwrap();
        found
    }

    #[test]
    fn neighbours_are_one_write() {
        let found = written(&[(110, 5..9), (100, 0..3), (103, 3..5), (105, 0..5), (200, 2..4)], b"abcdefghi");
        assert_eq!(found, [(100, b"abcdeabcdefghi".to_vec()), (200, b"cd".to_vec())]);
    }

    #[test]
    fn a_byte_a_thousand_times_is_one_write() {
        let stretches: Vec<_> = (0..50_000).map(|at| (at, 0..1)).collect();
        assert_eq!(written(&stretches, b"x"), [(0, vec![b'x'; 50_000])]);
    }

    #[test]
    fn writes_are_bounded_but_for_what_need_not_be_copied() {
        let plain = vec![1; 3 << 20];
        let in_order: Vec<_> = (0..3).map(|n| ((n as u64) << 20, n << 20..(n + 1) << 20)).collect();
        assert_eq!(written(&in_order, &plain).len(), 1);
        let repeated: Vec<_> = (0..3 << 10).map(|n| (n << 10, 0..1 << 10)).collect();
        assert!(written(&repeated, &plain).iter().map(|(_, bytes)| bytes.len()).eq([WRITE_BYTES; 3]));
    }
}
