//! Files of a disk image that lie in pieces. Only the maker of a patch knows them: the streams do not tell which operations
//! are pieces of a file.

use std::ops::Range;

use regrow_disk::{DiskFile, FileRun};
use regrow_image::{ImagePiece, Layout, StreamKind};

use crate::files::Files;
use crate::joined::{MAX_PIECES, PieceSource};
use crate::origin::Origin;
use crate::stretches::merged;
use crate::unit::WHOLE_BYTES;

/// A file of a disk image that is not one contents operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScatteredFile {
    /// The sizes of the pieces and where they come from, in the file's order. Those of the contents are whole operations
    /// together.
    pieces: Vec<(u64, PieceSource)>,
    /// The operations of the contents pieces, at least one.
    operations: Vec<Range<u32>>,
}

impl ScatteredFile {
    pub(crate) fn pieces(&self) -> &[(u64, PieceSource)] {
        &self.pieces
    }

    /// The ranges of the skeleton that are its pieces.
    pub(crate) fn skeleton_pieces(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.pieces.iter().filter_map(|&(bytes, source)| match source {
            PieceSource::Stream(StreamKind::Skeleton, at) => Some(at..at + bytes),
            _ => None,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|(bytes, _)| bytes).sum()
    }

    /// The numbers of its contents operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = u32> + '_ {
        self.operations.iter().cloned().flatten()
    }

    /// The number of the operation that comes first in the image.
    pub(crate) fn first_operation(&self) -> u32 {
        self.operations().min().unwrap_or(0)
    }

    /// The file as it lies in a side of its image that begins here. The result is `None` if it begins before.
    pub(crate) fn from(&self, origin: Origin) -> Option<Self> {
        let pieces = self.pieces.iter().map(|&(bytes, source)| match source {
            PieceSource::Stream(stream, at) => {
                Some((bytes, PieceSource::Stream(stream, at.checked_sub(origin.of(stream))?)))
            }
            PieceSource::Zeros => Some((bytes, source)),
        });
        let number = |operation: u32| operation.checked_sub(origin.file);
        let operations = self.operations.iter().map(|range| Some(number(range.start)?..number(range.end)?));
        Some(Self { pieces: pieces.collect::<Option<_>>()?, operations: operations.collect::<Option<_>>()? })
    }

    /// A file, if it lies in pieces that can be joined. Its bytes in the plain image are known.
    fn of(file: &DiskFile, layout: &Layout, files: &Files) -> Option<Self> {
        if file.bytes > WHOLE_BYTES {
            return None;
        }
        let (mut pieces, mut at) = (Pieces::default(), 0);
        for &FileRun { file_at, plain_at, bytes } in &file.runs {
            pieces.push(file_at.checked_sub(at)?, PieceSource::Zeros);
            for piece in layout.pieces(plain_at..plain_at.checked_add(bytes)?) {
                let (image, source) = match piece {
                    ImagePiece::Skeleton { image, skeleton_at } => {
                        (image, PieceSource::Stream(StreamKind::Skeleton, skeleton_at))
                    }
                    ImagePiece::Contents { image, contents_at } => {
                        (image, PieceSource::Stream(StreamKind::Contents, contents_at))
                    }
                };
                pieces.push(image.end - image.start, source);
            }
            at = file_at.checked_add(bytes)?;
        }
        pieces.push(file.bytes.checked_sub(at)?, PieceSource::Zeros);
        let pieces = pieces.0;
        let operations: Option<Vec<_>> = contents(&pieces).iter().map(|range| files.whole(range)).collect();
        let operations = operations?;
        let count: usize = operations.iter().map(ExactSizeIterator::len).sum();
        let is_whole = pieces.iter().map(|(bytes, _)| bytes).sum::<u64>() == file.bytes;
        let is_scattered = count > 0 && pieces.len() + count > 2;
        (is_whole && is_scattered).then_some(Self { pieces, operations })
    }
}

/// The ranges of the contents of which pieces consist, in order. Around a hole, pieces may be parts of one operation.
fn contents(pieces: &[(u64, PieceSource)]) -> Vec<Range<u64>> {
    let range = |&(bytes, source): &(u64, PieceSource)| match source {
        PieceSource::Stream(StreamKind::Contents, at) => Some(at..at + bytes),
        _ => None,
    };
    merged(pieces.iter().filter_map(range).collect())
}

/// The files in pieces of a disk image, as far as they can be joined.
pub(crate) fn scattered(disk_files: &[DiskFile], layout: &Layout, files: &Files) -> Vec<ScatteredFile> {
    let (mut found, mut left) = (Vec::new(), MAX_PIECES as usize);
    for file in disk_files {
        let Some(file) = ScatteredFile::of(file, layout, files) else { continue };
        let Some(rest) = left.checked_sub(file.pieces.len()) else { break };
        left = rest;
        found.push(file);
    }
    found
}

/// Pieces in a file's order. Those that follow each other in a stream are one.
#[derive(Default)]
struct Pieces(Vec<(u64, PieceSource)>);

impl Pieces {
    fn push(&mut self, bytes: u64, source: PieceSource) {
        match (self.0.last_mut(), source) {
            _ if bytes == 0 => {}
            (Some((last, PieceSource::Stream(of, start))), PieceSource::Stream(stream, at))
                if *of == stream && *start + *last == at =>
            {
                *last += bytes;
            }
            _ => self.0.push((bytes, source)),
        }
    }
}
