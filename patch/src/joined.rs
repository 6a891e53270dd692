//! Joined files: files of a disk image that lie in pieces, and are coded as a whole. docs/format/patch-4.md.

use std::io;
use std::ops::Range;

use regrow_chunker::varint;
use regrow_image::StreamKind;

use crate::base::PatchBase;
use crate::members::{BaseFiles, BaseMember, ListsError, MemberLists};

/// The largest number of pieces of all joined files of a side. An entry of a few bytes takes more in memory.
pub(crate) const MAX_PIECES: u64 = 1 << 18;
/// The largest number of bytes of all joined files of a target. They wait in a file, or in memory, until their places
/// come.
pub(crate) const MAX_TARGET_BYTES: u64 = 64 << 20;

/// The place from which a piece comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PieceSource {
    /// A stream of the image, from this offset on.
    Stream(StreamKind, u64),
    /// Nowhere: the file has a hole here, which reads as zeros.
    Zeros,
}

/// A piece of a joined file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The offset of the piece in the joined files, end to end.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) source: PieceSource,
}

/// The joined files of a side, which stand end to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JoinedFiles {
    pieces: Vec<Piece>,
    /// The end of each file: the number of pieces and of bytes up to there.
    ends: Vec<(u32, u64)>,
}

impl JoinedFiles {
    /// Adds a file of these pieces.
    ///
    /// # Errors
    /// [`ListsError::Malformed`] if there are too many pieces or bytes.
    pub(crate) fn push(&mut self, pieces: impl IntoIterator<Item = (u64, PieceSource)>) -> Result<(), ListsError> {
        let mut at = self.bytes();
        for (bytes, source) in pieces {
            if self.pieces.len() as u64 >= MAX_PIECES {
                return Err(ListsError::Malformed);
            }
            self.pieces.push(Piece { at, bytes, source });
            at = at.checked_add(bytes).ok_or(ListsError::Malformed)?;
        }
        self.ends.push((self.pieces.len() as u32, at));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of files.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.ends.last().map_or(0, |(_, bytes)| *bytes)
    }

    /// The range of a file in the joined files, end to end.
    pub(crate) fn file(&self, number: u64) -> Option<Range<u64>> {
        let number = usize::try_from(number).ok()?;
        let start = number.checked_sub(1).map_or(Some(0), |before| Some(self.ends.get(before)?.1))?;
        Some(start..self.ends.get(number)?.1)
    }

    /// The pieces of a file.
    pub(crate) fn pieces(&self, number: usize) -> &[Piece] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].0);
        &self.pieces[start as usize..self.ends[number].0 as usize]
    }

    /// The pieces that come from a stream of this many bytes, in the stream's order: the ranges of the stream, and the
    /// places in the joined files.
    ///
    /// # Errors
    /// [`ListsError::Pieces`] if pieces overlap or leave the stream.
    pub(crate) fn places(&self, stream: StreamKind, bytes: u64) -> Result<Vec<(Range<u64>, u64)>, ListsError> {
        let place = |piece: &Piece| match piece.source {
            PieceSource::Stream(of, at) if of == stream => Some((at, piece.bytes, piece.at)),
            _ => None,
        };
        let mut places: Vec<_> = self.pieces.iter().filter_map(place).collect();
        places.sort_unstable();
        let mut last = 0;
        let mut checked = Vec::with_capacity(places.len());
        for (start, len, at) in places {
            let end = start.checked_add(len).filter(|&end| start >= last && end <= bytes).ok_or(ListsError::Pieces)?;
            last = end;
            checked.push((start..end, at));
        }
        Ok(checked)
    }

    /// Fills `out` with bytes of the joined files, from `at` on. `read` reads the streams.
    pub(crate) fn read(
        &self,
        mut at: u64,
        mut out: &mut [u8],
        mut read: impl FnMut(StreamKind, u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut number = self.pieces.partition_point(|piece| piece.at + piece.bytes <= at);
        while !out.is_empty() {
            let piece = self.pieces.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
            let from = at - piece.at;
            let now = out.len().min(usize::try_from(piece.bytes - from).unwrap_or(usize::MAX));
            let (part, rest) = out.split_at_mut(now);
            match piece.source {
                PieceSource::Stream(stream, start) if now > 0 => read(stream, start + from, part)?,
                _ => part.fill(0),
            }
            (out, at, number) = (rest, at + now as u64, number + 1);
        }
        Ok(())
    }

    /// Appends the list.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.len() as u64);
        let mut last = [0; 2];
        for number in 0..self.len() {
            let pieces = self.pieces(number);
            varint::put(out, pieces.len() as u64);
            for piece in pieces {
                let PieceSource::Stream(stream, at) = piece.source else {
                    varint::put(out, piece.bytes << 2 | 2);
                    continue;
                };
                let kind = kind_of(stream);
                varint::put(out, piece.bytes << 2 | kind);
                let last = &mut last[kind as usize];
                varint::put(out, zigzag(at.wrapping_sub(*last) as i64));
                *last = at + piece.bytes;
            }
        }
    }

    /// Takes a list from the front of `input`.
    pub(crate) fn take(input: &mut &[u8]) -> Result<Self, ListsError> {
        let mut number = || varint::take(input).ok_or(ListsError::Malformed);
        let (mut files, mut last) = (Self::default(), [0u64; 2]);
        let count = number()?;
        if count > MAX_PIECES {
            return Err(ListsError::Malformed);
        }
        for _ in 0..count {
            let mut pieces = Vec::new();
            for _ in 0..Some(number()?).filter(|count| (1..=MAX_PIECES).contains(count)).ok_or(ListsError::Malformed)? {
                let (bytes, kind) = Some(number()?).map(|number| (number >> 2, number & 3)).unwrap_or_default();
                let source = match kind {
                    2 => PieceSource::Zeros,
                    kind => {
                        let stream = stream_of(kind).ok_or(ListsError::Malformed)?;
                        let last = &mut last[kind as usize];
                        let at = last.wrapping_add(unzigzag(number()?) as u64);
                        *last = at.checked_add(bytes).ok_or(ListsError::Malformed)?;
                        PieceSource::Stream(stream, at)
                    }
                };
                if bytes == 0 {
                    return Err(ListsError::Malformed);
                }
                pieces.push((bytes, source));
            }
            files.push(pieces)?;
        }
        Ok(files)
    }
}

/// The lists of the joined files of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JoinedLists {
    pub(crate) base: JoinedFiles,
    pub(crate) target: JoinedFiles,
    /// The number of bytes of the target's joined files with their members as plain bytes.
    pub(crate) expanded_bytes: u64,
    /// The members of joined files, which are counted from 0 on each side.
    pub(crate) members: MemberLists,
}

impl JoinedLists {
    pub(crate) fn is_empty(&self) -> bool {
        self.base.is_empty() && self.target.is_empty()
    }

    /// Appends the lists, and to `ends` where parts of them end, as [`MemberLists::encode`] does.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, base: &PatchBase<'_>, ends: &mut Vec<u64>) -> io::Result<()> {
        self.base.put(out);
        self.target.put(out);
        varint::put(out, self.expanded_bytes);
        self.members.encode(out, &FilesJoined { base, joined: &self.base }, ends)
    }

    /// Decodes the lists. The bytes may come from anybody, so everything is checked but what depends on the target.
    pub(crate) fn decode(input: &mut &[u8], base: &PatchBase<'_>) -> Result<Self, ListsError> {
        let (of_base, target) = (JoinedFiles::take(input)?, JoinedFiles::take(input)?);
        for (stream, bytes) in
            [(StreamKind::Skeleton, base.skeleton_bytes()), (StreamKind::Contents, base.contents_bytes())]
        {
            of_base.places(stream, bytes)?;
        }
        let expanded_bytes = varint::take(input).ok_or(ListsError::Malformed)?;
        if target.bytes() > MAX_TARGET_BYTES {
            return Err(ListsError::Pieces);
        }
        let members = MemberLists::decode(input, &FilesJoined { base, joined: &of_base })?;
        Ok(Self { base: of_base, target, expanded_bytes, members })
    }
}

/// The joined files of a base, and those of their members that are part of the base space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinedBase<'j> {
    pub(crate) files: &'j JoinedFiles,
    pub(crate) members: &'j [BaseMember],
}

/// The number of a stream in the list.
fn kind_of(stream: StreamKind) -> u64 {
    match stream {
        StreamKind::Contents => 0,
        StreamKind::Skeleton => 1,
    }
}

fn stream_of(kind: u64) -> Option<StreamKind> {
    [StreamKind::Contents, StreamKind::Skeleton].into_iter().find(|&stream| kind_of(stream) == kind)
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The joined files of a base, for reading lists of members.
pub(crate) struct FilesJoined<'j> {
    pub(crate) base: &'j PatchBase<'j>,
    pub(crate) joined: &'j JoinedFiles,
}

impl BaseFiles for FilesJoined<'_> {
    fn file_bytes(&self, file: u64) -> io::Result<Option<u64>> {
        Ok(self.joined.file(file).map(|range| range.end - range.start))
    }

    fn last_number(&self, file: u64) -> io::Result<u32> {
        let range = self.joined.file(file).filter(|range| range.end - range.start >= 4);
        let range = range.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = [0; 4];
        self.joined.read(range.end - 4, &mut bytes, |stream, at, out| self.base.read(stream, at, out))?;
        Ok(u32::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use StreamKind::{Contents, Skeleton};

    use super::*;

    fn sample() -> JoinedFiles {
        let mut files = JoinedFiles::default();
        let stream = |stream, at| PieceSource::Stream(stream, at);
        files.push([(4096, stream(Contents, 1000)), (300, stream(Skeleton, 50))]).unwrap();
        files.push([(10, PieceSource::Zeros), (20, stream(Contents, 0)), (5, PieceSource::Zeros)]).unwrap();
        files.push([(7, stream(Skeleton, 0)), (9, stream(Contents, 20))]).unwrap();
        files
    }

    fn encoded(files: &JoinedFiles) -> Vec<u8> {
        let mut out = Vec::new();
        files.put(&mut out);
        out
    }

    #[test]
    fn lists_come_back() {
        for files in [sample(), JoinedFiles::default()] {
            let bytes = encoded(&files);
            let mut input = bytes.as_slice();
            assert_eq!(JoinedFiles::take(&mut input).unwrap(), files);
            assert!(input.is_empty());
        }
    }

    #[test]
    fn lists_that_are_cut_or_too_long_are_refused() {
        let bytes = encoded(&sample());
        for cut in 0..bytes.len() {
            assert!(JoinedFiles::take(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        for numbers in [&[u64::MAX][..], &[1, 0], &[1, u64::MAX], &[1, 1, 3], &[1, 1, 0, 0]] {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|&number| varint::put(&mut bytes, number));
            assert!(matches!(JoinedFiles::take(&mut &bytes[..]), Err(ListsError::Malformed)), "{numbers:?}");
        }
        // Each hole is small in the list and large in the file.
        let mut bytes = Vec::new();
        let holes = [1, 5].into_iter().chain([u64::MAX - 1; 5]);
        holes.for_each(|number| varint::put(&mut bytes, number));
        assert!(matches!(JoinedFiles::take(&mut &bytes[..]), Err(ListsError::Malformed)));
    }

    #[test]
    fn files_are_read_as_a_whole() {
        let files = sample();
        let ranges: Vec<_> = (0..4).map(|number| files.file(number)).collect();
        assert_eq!(ranges, [Some(0..4396), Some(4396..4431), Some(4431..4447), None]);
        let byte = |stream: StreamKind, at: u64| (at * 7 + 1) as u8 ^ kind_of(stream) as u8;
        let read = |stream: StreamKind, at: u64, out: &mut [u8]| {
            out.iter_mut().zip(at..).for_each(|(out, at)| *out = byte(stream, at));
            Ok(())
        };
        let mut whole = vec![0xff; 4447];
        files.read(0, &mut whole, read).unwrap();
        assert_eq!(
            [whole[0], whole[4096], whole[4396], whole[4406]],
            [byte(Contents, 1000), byte(Skeleton, 50), 0, byte(Contents, 0)]
        );
        for start in [0, 4000, 4096, 4396, 4400, 4440, 4447] {
            let mut part = vec![0; 4447 - start];
            files.read(start as u64, &mut part, read).unwrap();
            assert!(part == whole[start..]);
        }
        assert!(files.read(4447, &mut [0], read).is_err());
    }

    #[test]
    fn places_lie_in_the_stream_and_apart() {
        let files = sample();
        assert_eq!(files.places(Contents, 5096).unwrap(), [(0..20, 4406), (20..29, 4438), (1000..5096, 0)]);
        assert_eq!(files.places(Skeleton, 350).unwrap(), [(0..7, 4431), (50..350, 4096)]);
        assert!(matches!(files.places(Contents, 5095), Err(ListsError::Pieces)));
        let mut twice = files.clone();
        twice.push([(1, PieceSource::Stream(Contents, 28))]).unwrap();
        assert!(matches!(twice.places(Contents, 6000), Err(ListsError::Pieces)));
        let mut behind = files;
        behind.push([(2, PieceSource::Stream(Contents, u64::MAX - 1))]).unwrap();
        assert!(matches!(behind.places(Contents, u64::MAX), Err(ListsError::Pieces)));
    }
}
