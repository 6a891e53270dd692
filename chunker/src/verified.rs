//! Bytes that were hashed, as types that only hashing makes. ARCHITECTURE.md, invariant 3.

use std::io;
use std::ops::Range;

use crate::ChunkId;

/// Bytes of chunks that were hashed, and have the hashes that name them.
///
/// A function that must not take anything else takes this type. There is no way to make it from bytes that were not
/// hashed.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'a>(&'a [u8]);

impl<'a> Verified<'a> {
    /// Hashes bytes, and returns them if they are the chunk of this id.
    #[must_use]
    pub fn chunk(id: &ChunkId, bytes: &'a [u8]) -> Option<Self> {
        (ChunkId::of(bytes) == *id).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Bytes, and the runs of them that are verified.
#[derive(Debug, Clone, Default)]
pub struct VerifiedRuns<B> {
    bytes: B,
    /// The number of bytes in use. A buffer that is used again may be longer.
    len: usize,
    /// The verified ranges in order. Neighbours are joined.
    runs: Vec<Range<usize>>,
}

/// A buffer that verified bytes are put into.
pub type VerifiedBuffer = VerifiedRuns<Vec<u8>>;

impl<B: AsRef<[u8]>> VerifiedRuns<B> {
    /// Takes bytes of which nothing is verified yet.
    pub fn unverified(bytes: B) -> Self {
        let len = bytes.as_ref().len();
        Self { bytes, len, runs: Vec::new() }
    }

    /// The bytes, no longer with what is known of them.
    pub fn into_bytes(self) -> B {
        self.bytes
    }

    /// Hashes a range, and marks it as verified if it is the chunk of this id. The result is `false` if it is not, and
    /// for a range that does not lie behind the verified ones.
    pub fn verify(&mut self, range: Range<usize>, id: &ChunkId) -> bool {
        let is_behind = self.runs.last().is_none_or(|last| last.end <= range.start);
        let bytes = self.bytes.as_ref().get(range.clone()).filter(|_| is_behind);
        let is_right = bytes.is_some_and(|bytes| Verified::chunk(id, bytes).is_some());
        if is_right {
            self.mark(range);
        }
        is_right
    }

    /// Marks a range that overlaps no verified one. Most ranges come in order, so there is little to search and to move.
    fn mark(&mut self, mut range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let at = match self.runs.last() {
            Some(last) if last.end > range.start => self.runs.partition_point(|run| run.start < range.start),
            _ => self.runs.len(),
        };
        if let Some(next) = self.runs.get(at).filter(|next| next.start == range.end) {
            range.end = next.end;
            self.runs.remove(at);
        }
        match at.checked_sub(1).and_then(|before| self.runs.get_mut(before)) {
            Some(before) if before.end == range.start => before.end = range.end,
            _ => self.runs.insert(at, range),
        }
    }

    /// Whether no byte of a range is verified.
    fn is_free(&self, range: &Range<usize>) -> bool {
        let next = self.runs.get(self.runs.partition_point(|run| run.end <= range.start));
        next.is_none_or(|next| next.start >= range.end)
    }

    /// The bytes of a range, if all of them are verified.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> Option<Verified<'_>> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end < range.end))?;
        (run.start <= range.start).then(|| self.bytes.as_ref().get(range)).flatten().map(Verified)
    }

    /// All bytes, if all of them are verified.
    #[must_use]
    pub fn whole(&self) -> Option<Verified<'_>> {
        if self.len == 0 { Some(Verified(&[])) } else { self.get(0..self.len) }
    }

    /// The verified runs, each with its offset.
    pub fn runs(&self) -> impl Iterator<Item = (usize, Verified<'_>)> {
        self.runs.iter().filter_map(|run| Some((run.start, self.get(run.clone())?)))
    }
}

impl VerifiedBuffer {
    /// Empties the buffer. Its memory is kept.
    pub fn clear(&mut self) {
        self.len = 0;
        self.runs.clear();
    }

    /// Empties the buffer, and makes room for this many bytes at once.
    pub fn clear_for(&mut self, bytes: usize) {
        self.clear();
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
    }

    /// The number of bytes, gaps included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in the buffer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `read` replace the contents, and hashes them. If they are not the chunk of this id, the buffer is empty
    /// afterwards, and the result is `false`.
    pub fn read_chunk(&mut self, id: &ChunkId, read: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> bool {
        self.clear();
        let is_right = read(&mut self.bytes).is_ok() && Verified::chunk(id, &self.bytes).is_some();
        if is_right {
            self.len = self.bytes.len();
            self.mark(0..self.len);
        }
        is_right
    }

    /// Appends verified bytes.
    pub fn push(&mut self, bytes: Verified<'_>) {
        let range = self.grow(bytes.0.len());
        self.bytes[range.clone()].copy_from_slice(bytes.0);
        self.mark(range);
    }

    /// Leaves a gap of this many bytes.
    pub fn skip(&mut self, bytes: usize) {
        self.grow(bytes);
    }

    /// Lets `read` fill a part of a gap with bytes of which nothing is verified yet. So nothing is read over verified bytes,
    /// and what is read is no more than a gap until [`VerifiedBuffer::verify_parts`] has hashed it.
    ///
    /// # Errors
    /// The errors of `read`, and [`io::ErrorKind::InvalidInput`] for a range that is not in a gap.
    pub fn read_into_gap(
        &mut self,
        range: Range<usize>,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if range.end > self.len || !self.is_free(&range) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        read(&mut self.bytes[range])
    }

    /// Hashes parts of gaps, end to end, and marks them as verified if they are the chunk of this id. Several parts are
    /// gathered in `scratch` first, because BLAKE3 is fast on long pieces only. The result is `false` if they are not that
    /// chunk, and for parts that overlap or are not in a gap.
    pub fn verify_parts(&mut self, parts: &[Range<usize>], id: &ChunkId, scratch: &mut Vec<u8>) -> bool {
        let ascend = parts.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if !ascend || parts.iter().any(|part| part.end > self.len || !self.is_free(part)) {
            return false;
        }
        let bytes = match parts {
            [part] => &self.bytes[part.clone()],
            parts => {
                scratch.clear();
                parts.iter().for_each(|part| scratch.extend_from_slice(&self.bytes[part.clone()]));
                &scratch[..]
            }
        };
        let is_right = Verified::chunk(id, bytes).is_some();
        if is_right {
            parts.iter().for_each(|part| self.mark(part.clone()));
        }
        is_right
    }

    /// Puts verified bytes into a gap. The result is `false` if there is none at this place.
    pub fn put(&mut self, at: usize, bytes: Verified<'_>) -> bool {
        let range = at..at.saturating_add(bytes.0.len());
        if range.end > self.len || !self.is_free(&range) {
            return false;
        }
        self.bytes[range.clone()].copy_from_slice(bytes.0);
        self.mark(range);
        true
    }

    /// Puts bytes into a gap that are as those of [`VerifiedBuffer::push_stored`].
    ///
    /// # Errors
    /// The errors of `read`, and [`io::ErrorKind::InvalidInput`] for a range that is not in a gap.
    pub fn put_stored(
        &mut self,
        range: Range<usize>,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.read_into_gap(range.clone(), read)?;
        self.mark(range);
        Ok(())
    }

    /// Appends bytes that were verified before this process put them into a file of its own, and that `read` gets back
    /// from there. They are not hashed again.
    ///
    /// # Errors
    /// The errors of `read`. The bytes are a gap then.
    pub fn push_stored(&mut self, bytes: usize, read: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let range = self.grow(bytes);
        read(&mut self.bytes[range.clone()])?;
        self.mark(range);
        Ok(())
    }

    /// Fills all gaps with bytes that were verified before this process put them into a file of its own. `read` gets
    /// the offset of each gap, and is as in [`VerifiedBuffer::push_stored`].
    ///
    /// # Errors
    /// The errors of `read`.
    pub fn fill_gaps_stored(&mut self, mut read: impl FnMut(usize, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let mut at = 0;
        let end = self.len..self.len;
        for run in self.runs.iter().chain([&end]) {
            if at < run.start {
                read(at, &mut self.bytes[at..run.start])?;
            }
            at = run.end;
        }
        self.runs.clear();
        self.mark(0..self.len);
        Ok(())
    }

    /// Makes room for more bytes, and returns their range.
    fn grow(&mut self, bytes: usize) -> Range<usize> {
        let range = self.len..self.len + bytes;
        if self.bytes.len() < range.end {
            self.bytes.resize(range.end, 0);
        }
        self.len = range.end;
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_ranges_come_out() {
        let mut frame = VerifiedRuns::unverified(b"onetwothree".as_slice());
        assert!(frame.get(0..3).is_none() && frame.whole().is_none() && frame.runs().next().is_none());
        assert!(!frame.verify(0..3, &ChunkId::of(b"two")));
        assert!(!frame.verify(9..30, &ChunkId::of(b"two")));
        assert!(frame.verify(0..3, &ChunkId::of(b"one")));
        assert!(frame.verify(6..11, &ChunkId::of(b"three")));
        assert!(!frame.verify(3..6, &ChunkId::of(b"two")), "out of order");
        let got = |frame: &VerifiedRuns<&[u8]>, range| frame.get(range).map(|found| found.bytes().to_vec());
        assert_eq!(got(&frame, 1..3), Some(b"ne".to_vec()));
        assert_eq!((got(&frame, 2..4), got(&frame, 3..6), got(&frame, 5..11)), (None, None, None));
        assert_eq!(got(&frame, 6..11), Some(b"three".to_vec()));
        assert_eq!((got(&frame, 9..12), frame.runs().count()), (None, 2));
    }

    #[test]
    fn neighbours_come_out_together() {
        let mut frame = VerifiedRuns::unverified(b"onetwo".as_slice());
        assert!(frame.verify(0..3, &ChunkId::of(b"one")) && frame.verify(3..6, &ChunkId::of(b"two")));
        assert_eq!(frame.get(2..5).map(Verified::bytes), Some(b"etw".as_slice()));
        assert_eq!(frame.whole().map(Verified::bytes), Some(b"onetwo".as_slice()));
    }

    #[test]
    fn a_buffer_knows_its_gaps() {
        let chunk = Verified::chunk(&ChunkId::of(b"chunk"), b"chunk").unwrap();
        assert!(Verified::chunk(&ChunkId::of(b"chunk"), b"shunk").is_none());
        let mut buffer = VerifiedBuffer::default();
        buffer.push(chunk);
        buffer.skip(2);
        buffer.push(chunk);
        buffer
            .push_stored(3, |out| {
                out.copy_from_slice(b"end");
                Ok(())
            })
            .unwrap();
        assert!(buffer.whole().is_none() && buffer.len() == 15);
        let runs: Vec<_> = buffer.runs().map(|(at, run)| (at, run.bytes())).collect();
        assert_eq!(runs, [(0, b"chunk".as_slice()), (7, b"chunkend")]);
        assert!(buffer.fill_gaps_stored(|_, _| Err(io::ErrorKind::Other.into())).is_err());
        assert!(buffer.get(5..7).is_none());
        buffer
            .fill_gaps_stored(|at, out| {
                assert_eq!(at, 5);
                out.fill(b'-');
                Ok(())
            })
            .unwrap();
        assert_eq!(buffer.whole().map(Verified::bytes), Some(b"chunk--chunkend".as_slice()));
        buffer.clear();
        assert!(buffer.is_empty() && buffer.get(0..1).is_none());
        assert_eq!(buffer.whole().map(Verified::bytes), Some(b"".as_slice()));
    }

    #[test]
    fn gaps_are_filled_in_any_order_but_only_once() {
        let (mut buffer, mut scratch) = (VerifiedBuffer::default(), Vec::new());
        buffer.skip(12);
        let fill = |bytes: &'static [u8]| {
            move |out: &mut [u8]| {
                out.copy_from_slice(bytes);
                Ok::<_, io::Error>(())
            }
        };
        buffer.read_into_gap(0..12, fill(b"one-two-xyz!")).unwrap();
        assert!(buffer.runs().next().is_none() && buffer.whole().is_none());
        let id = ChunkId::of(b"onetwo");
        assert!(!buffer.verify_parts(&[4..7, 0..3], &id, &mut scratch), "not in order");
        assert!(!buffer.verify_parts(&[0..3, 5..8], &id, &mut scratch), "other bytes");
        assert!(!buffer.verify_parts(&[0..3, 10..13], &id, &mut scratch), "behind the end");
        assert!(buffer.verify_parts(&[0..3, 4..7], &id, &mut scratch));
        assert!(!buffer.verify_parts(&[0..3, 4..7], &id, &mut scratch), "again");
        assert!(buffer.read_into_gap(2..4, fill(b"??")).is_err());
        assert!(buffer.put_stored(6..8, fill(b"??")).is_err());
        let runs =
            |buffer: &VerifiedBuffer| buffer.runs().map(|(at, run)| (at, run.bytes().to_vec())).collect::<Vec<_>>();
        assert_eq!(runs(&buffer), [(0, b"one".to_vec()), (4, b"two".to_vec())]);
        buffer.put_stored(8..12, fill(b"end.")).unwrap();
        assert_eq!(runs(&buffer).len(), 3);
        let dash = Verified::chunk(&ChunkId::of(b"-"), b"-").unwrap();
        assert!(buffer.put(3, dash) && !buffer.put(3, dash) && !buffer.put(12, dash));
        assert_eq!(runs(&buffer), [(0, b"one-two".to_vec()), (8, b"end.".to_vec())]);
        assert!(buffer.put(7, dash));
        assert_eq!(buffer.whole().map(Verified::bytes), Some(b"one-two-end.".as_slice()));
    }

    #[test]
    fn a_chunk_that_is_read_is_hashed() {
        let (mut buffer, id) = (VerifiedBuffer::default(), ChunkId::of(b"right"));
        let read = |bytes: &'static [u8]| {
            move |out: &mut Vec<u8>| {
                *out = bytes.to_vec();
                Ok(())
            }
        };
        assert!(buffer.read_chunk(&id, read(b"right")));
        assert_eq!(buffer.whole().map(Verified::bytes), Some(b"right".as_slice()));
        assert!(!buffer.read_chunk(&id, read(b"wrong")));
        assert!(buffer.get(0..5).is_none() && buffer.is_empty());
        assert!(!buffer.read_chunk(&id, |_| Err(io::ErrorKind::NotFound.into())));
    }
}
