//! The joined files of a target, which come before its streams and wait there for their places. docs/format/patch-4.md.

use std::io;
use std::ops::Range;
use std::path::Path;

use regrow_image::StreamKind;
use regrow_local::Spool;

use crate::apply::ApplyError;
use crate::joined::{JoinedFiles, JoinedLists};
use crate::members::ListsError;
use crate::rebuild::Rebuilder;

/// The number of bytes of a piece that are read at a time.
const READ_BYTES: u64 = 256 << 10;

/// The joined files of a target, with the places where their pieces belong.
pub(crate) struct Waiting {
    spool: Spool,
    skeleton: Vec<(Range<u64>, u64)>,
    contents: Vec<(Range<u64>, u64)>,
}

impl Waiting {
    /// Makes room for these files. The streams, without held parts, have these numbers of bytes.
    pub(crate) fn new(
        files: &JoinedFiles,
        (skeleton_bytes, contents_bytes): (u64, u64),
        scratch: &Path,
    ) -> Result<Self, ApplyError> {
        let skeleton = files.places(StreamKind::Skeleton, skeleton_bytes)?;
        let contents = files.places(StreamKind::Contents, contents_bytes)?;
        Ok(Self { spool: Spool::new(files.bytes(), scratch)?, skeleton, contents })
    }

    /// The ranges of a stream that are pieces, in order, with their places in the joined files.
    pub(crate) fn places(&self, stream: StreamKind) -> &[(Range<u64>, u64)] {
        match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        }
    }

    /// The number of a stream's bytes that are those of pieces.
    pub(crate) fn bytes_of(&self, stream: StreamKind) -> u64 {
        self.places(stream).iter().map(|(range, _)| range.end - range.start).sum()
    }
}

/// The joined files, of which some bytes have come.
pub(crate) struct Coming {
    rebuilder: Rebuilder,
    /// The number of bytes with members as plain bytes that have not come.
    left: u64,
    /// The number of bytes that wait.
    at: u64,
    bytes: u64,
}

impl Coming {
    pub(crate) fn new(lists: &mut JoinedLists) -> Result<Self, ApplyError> {
        let rebuilder = Rebuilder::of_joined(std::mem::take(&mut lists.members.target), &lists.target)?;
        Ok(Self { rebuilder, left: lists.expanded_bytes, at: 0, bytes: lists.target.bytes() })
    }

    /// Whether all bytes have come.
    pub(crate) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Takes the next bytes of the target space, and gives those back that belong to the streams.
    pub(crate) fn push<'b>(&mut self, bytes: &'b [u8], waiting: &Waiting) -> Result<&'b [u8], ApplyError> {
        let (now, rest) = bytes.split_at(bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
        self.left -= now.len() as u64;
        let (at, all) = (&mut self.at, self.bytes);
        self.rebuilder.push(now, &mut |bytes| {
            let end = Some(*at + bytes.len() as u64).filter(|&end| end <= all).ok_or(io::ErrorKind::InvalidData)?;
            waiting.spool.write(*at, bytes).map_err(|error| io::Error::other(error.to_string()))?;
            *at = end;
            Ok(())
        })?;
        Ok(rest)
    }

    /// Checks that all files have come.
    pub(crate) fn finish(self) -> Result<(), ListsError> {
        if self.rebuilder.is_complete() && self.at == self.bytes { Ok(()) } else { Err(ListsError::Malformed) }
    }
}

/// Puts the pieces that wait into a stream, of which the other bytes come from the patch.
pub(crate) struct Inserter {
    stream: StreamKind,
    /// The number of places that were passed.
    passed: usize,
    /// The number of bytes of the stream so far.
    at: u64,
}

impl Inserter {
    pub(crate) fn new(stream: StreamKind) -> Self {
        Self { stream, passed: 0, at: 0 }
    }

    /// Takes the next bytes of the stream that are not those of pieces, and passes on the stream.
    pub(crate) fn push<E: From<io::Error>>(
        &mut self,
        waiting: &Waiting,
        mut bytes: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let next = self.pass_pieces(waiting, sink)?;
            let now = bytes.len().min(usize::try_from(next - self.at).unwrap_or(usize::MAX));
            sink(&bytes[..now])?;
            self.at += now as u64;
            bytes = &bytes[now..];
        }
        Ok(())
    }

    /// Ends the stream with the pieces that are left.
    pub(crate) fn finish<E: From<io::Error>>(
        &mut self,
        waiting: &Waiting,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.pass_pieces(waiting, sink)? {
            u64::MAX => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a piece of a file behind the end").into()),
        }
    }

    /// Passes on the pieces that begin here. The result is the place where the next one begins, or the largest number.
    fn pass_pieces<E: From<io::Error>>(
        &mut self,
        waiting: &Waiting,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        while let Some((range, from)) = waiting.places(self.stream).get(self.passed) {
            if range.start > self.at {
                return Ok(range.start);
            }
            let bytes = range.end - range.start;
            let mut buffer = vec![0; READ_BYTES.min(bytes) as usize];
            let mut done = 0;
            while done < bytes {
                let piece = &mut buffer[..READ_BYTES.min(bytes - done) as usize];
                waiting.spool.read(from + done, piece)?;
                sink(piece)?;
                done += piece.len() as u64;
            }
            self.at += bytes;
            self.passed += 1;
        }
        Ok(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joined::PieceSource;

    /// Two files of three pieces each, of which the second has a hole.
    fn files() -> JoinedFiles {
        let stream = |at| PieceSource::Stream(StreamKind::Contents, at);
        let mut files = JoinedFiles::default();
        files.push([(3, stream(7)), (2, stream(0)), (1, PieceSource::Stream(StreamKind::Skeleton, 4))]).unwrap();
        files.push([(1, stream(10)), (4, PieceSource::Zeros), (2, stream(18))]).unwrap();
        files
    }

    fn waiting() -> Waiting {
        let waiting = Waiting::new(&files(), (5, 20), Path::new("/nowhere")).unwrap();
        waiting.spool.write(0, b"hijabSk\0\0\0\0st").unwrap();
        waiting
    }

    #[test]
    fn pieces_come_back_to_their_places() {
        let waiting = waiting();
        for (stream, bytes, whole) in [
            (StreamKind::Contents, &b"cdefglmnopqr"[..], &b"abcdefghijklmnopqrst"[..]),
            (StreamKind::Skeleton, b"skel", b"skelS"),
        ] {
            assert_eq!(waiting.bytes_of(stream), (whole.len() - bytes.len()) as u64);
            for step in 1..=bytes.len() {
                let (mut inserter, mut out) = (Inserter::new(stream), Vec::new());
                let mut sink = |bytes: &[u8]| {
                    out.extend_from_slice(bytes);
                    Ok::<_, io::Error>(())
                };
                bytes.chunks(step).try_for_each(|bytes| inserter.push(&waiting, bytes, &mut sink)).unwrap();
                inserter.finish(&waiting, &mut sink).unwrap();
                assert_eq!(out, whole);
            }
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_refused() {
        let (waiting, mut inserter) = (waiting(), Inserter::new(StreamKind::Contents));
        let mut sink = |_: &[u8]| Ok::<_, io::Error>(());
        inserter.push(&waiting, b"cdefglmnopq", &mut sink).unwrap();
        assert!(inserter.finish(&waiting, &mut sink).is_err());
    }

    #[test]
    fn other_numbers_of_bytes_are_refused() {
        let lists = |expanded_bytes| JoinedLists { target: files(), expanded_bytes, ..JoinedLists::default() };
        let come = |expanded_bytes: u64, bytes: &[u8]| {
            let mut coming = Coming::new(&mut lists(expanded_bytes))?;
            let rest = coming.push(bytes, &waiting())?.to_vec();
            assert!(coming.is_whole());
            coming.finish()?;
            Ok::<_, ApplyError>(rest)
        };
        assert_eq!(come(13, &[7; 20]).unwrap(), [7; 7]);
        assert!(come(12, &[7; 20]).is_err());
        assert!(come(14, &[7; 20]).is_err());
        let sizes = [(4, 20), (5, 19)];
        assert!(sizes.iter().all(|&sizes| Waiting::new(&files(), sizes, Path::new("/nowhere")).is_err()));
    }
}
