//! Ranges of a stream, put one behind the other: what is left of it when other ranges are taken out.

use std::io;
use std::ops::Range;

/// Ranges of a stream, as one stretch of bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    /// The ranges of the stream, with the number of bytes of the ranges before each.
    ranges: Vec<(Range<u64>, u64)>,
    bytes: u64,
}

impl Ranges {
    pub(crate) fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut found = Self::default();
        for range in ranges {
            let before = found.bytes;
            found.bytes += range.end - range.start;
            found.ranges.push((range, before));
        }
        found
    }

    /// What is left of a stream of this many bytes without some of its ranges, which ascend and do not overlap.
    pub(crate) fn without(bytes: u64, taken: impl IntoIterator<Item = Range<u64>>) -> Self {
        let (mut left, mut at) = (Vec::new(), 0);
        for range in taken {
            left.push(at..range.start.max(at));
            at = range.end;
        }
        left.push(at..bytes.max(at));
        Self::new(left.into_iter().filter(|range| !range.is_empty()))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ranges of the stream, each with its place in the stretch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Range<u64>, u64)> {
        self.ranges.iter().map(|(range, before)| (range, *before))
    }

    /// Fills `out` with the bytes from `at` on. `read` reads the stream.
    pub(crate) fn read(
        &self,
        mut at: u64,
        mut out: &mut [u8],
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut number = self.ranges.partition_point(|(_, before)| *before <= at).saturating_sub(1);
        while !out.is_empty() {
            let (range, before) = self.ranges.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
            let from = range.start + (at - before);
            let now = out.len().min(usize::try_from(range.end.saturating_sub(from)).unwrap_or(usize::MAX));
            let (piece, rest) = out.split_at_mut(now);
            if now > 0 {
                read(from, piece)?;
            }
            (out, at, number) = (rest, at + now as u64, number + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read_as_one() {
        let stream: Vec<u8> = (0..100).collect();
        let all: [&[(u64, u64)]; 6] =
            [&[], &[(0, 10)], &[(90, 100)], &[(0, 100)], &[(5, 5), (10, 20), (20, 30), (99, 100)], &[(0, 1), (50, 60)]];
        for taken in all {
            let ranges = Ranges::without(100, taken.iter().map(|&(start, end)| start..end));
            let is_taken = |at: u8| taken.iter().any(|&(start, end)| (start..end).contains(&u64::from(at)));
            let left: Vec<u8> = (0..100).filter(|&at| !is_taken(at)).collect();
            assert_eq!(ranges.bytes(), left.len() as u64);
            for (start, end) in [(0, left.len()), (left.len() / 3, left.len()), (1.min(left.len()), left.len() / 2)] {
                let mut out = vec![0; end.saturating_sub(start)];
                let read = |at: u64, out: &mut [u8]| {
                    out.copy_from_slice(&stream[at as usize..at as usize + out.len()]);
                    Ok(())
                };
                ranges.read(start as u64, &mut out, read).unwrap();
                assert_eq!(out, left[start..end.max(start)], "{taken:?}");
            }
            assert!(ranges.read(ranges.bytes(), &mut [0], |_, _| Ok(())).is_err());
        }
    }
}
