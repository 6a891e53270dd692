//! The candidates for the parts of an image: what of the image's outermost level may be one. docs/format/index-2.md,
//! section 1.

use regrow_chunker::{Params, PartKind};

use super::{FileStart, Piece, WalkSink, Walker, top};
use crate::level::Next;

/// The largest number of candidates that become parts.
pub const MAX_PARTS: u64 = 1024;
/// The smallest file in bytes that is a candidate, unless the chunks are very large.
const MIN_FILE_BYTES: u64 = 1 << 20;

/// News about a candidate among the first [`MAX_PARTS`]. Candidates never lie in one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEvent {
    /// A tar begins.
    BeginTar,
    /// The tar ends.
    EndTar,
    /// A file begins that may turn out to be a candidate.
    BeginFile,
    /// The file ends.
    EndFile {
        /// Whether the file is a candidate. Otherwise it turned out to be shorter than its header says.
        is_candidate: bool,
    },
    /// The image is a coded file, and the tar in it begins. Candidates may lie in that tar.
    BeginImage,
    /// The tar in the coded image ends.
    EndImage,
}

/// Finds the candidates.
#[derive(Debug)]
pub(super) struct PartFinder {
    /// The smallest file in bytes that is a candidate.
    min_file_bytes: u64,
    /// The number of candidates so far.
    candidates: u64,
    has_tar: bool,
    /// The position of the level that is a part.
    part: Option<usize>,
    /// The position of the level that a coded image holds.
    image: Option<usize>,
    /// The number of bytes so far of a file that may be a candidate.
    file: Option<u64>,
}

impl Walker {
    /// The same walker, which moreover finds the candidates for parts, as version 3 of the walking rules has them.
    #[must_use]
    pub fn finding_parts(mut self, params: &Params) -> Self {
        let min_file_bytes = MIN_FILE_BYTES.max(params.large_file_bytes());
        self.parts =
            Some(PartFinder { min_file_bytes, candidates: 0, has_tar: false, part: None, image: None, file: None });
        self
    }

    /// Whether there is a tar among the candidates so far.
    #[must_use]
    pub fn has_tar_part(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.has_tar)
    }

    /// Whether the image is a tar as it is, without regard to coded files.
    pub(crate) fn is_tar(&self) -> bool {
        self.levels.first().is_some_and(|level| level.is_tar)
    }

    /// The position of the image's outermost level. If the image is a coded file, this is the level in it.
    fn outermost(&self) -> usize {
        usize::from(self.coded == Some(1) && !self.is_tar())
    }

    /// The number of open levels, by which the depth of nesting is limited. It counts from the part.
    pub(super) fn open_levels(&self) -> usize {
        let Some(parts) = &self.parts else { return self.levels.len() };
        self.levels.len().saturating_sub(parts.part.unwrap_or_else(|| self.outermost()))
    }

    /// Takes a part of the image of which only the kind and the number of bytes are known, since its chunks are. The result
    /// is `false` if no such part can stand here.
    pub fn skip_part(&mut self, kind: PartKind, bytes: u64, sink: &mut impl WalkSink) -> bool {
        if kind == PartKind::File {
            self.skip(bytes, sink);
            return true;
        }
        let is_coded = self.coded == Some(self.levels.len().saturating_sub(1));
        let level = top!(self);
        match level.next {
            _ if !self.held.is_empty() || self.in_file => return false,
            Next::Block { .. } if is_coded && level.is_fresh => {
                (level.is_fresh, level.is_tar) = (false, true);
                self.begin_tar(sink);
            }
            Next::Data { size } if size == bytes && bytes <= level.left && !is_coded => self.open_level(bytes, sink),
            _ => return false,
        }
        sink.contents(Piece::Hole(bytes));
        top!(self).take(bytes);
        self.close_levels(sink);
        true
    }

    /// Notes that the innermost level is a tar. Its first bytes come next.
    pub(super) fn begin_tar(&mut self, sink: &mut impl WalkSink) {
        let (position, outermost) = (self.levels.len().saturating_sub(1), self.outermost());
        let Some(parts) = &mut self.parts else { return };
        if position == outermost {
            parts.image = Some(position);
            sink.part(PartEvent::BeginImage);
        } else if position == outermost + 1 {
            parts.has_tar = true;
            parts.candidates += 1;
            if parts.candidates <= MAX_PARTS {
                parts.part = Some(position);
                sink.part(PartEvent::BeginTar);
            }
        }
    }

    /// Notes that the level at this position has ended.
    pub(super) fn end_tar(&mut self, position: usize, sink: &mut impl WalkSink) {
        let Some(parts) = &mut self.parts else { return };
        if parts.part.take_if(|part| *part == position).is_some() {
            sink.part(PartEvent::EndTar);
        }
        if parts.image.take_if(|image| *image == position).is_some() {
            sink.part(PartEvent::EndImage);
        }
    }

    /// Notes that a file has begun in the innermost level.
    pub(super) fn begin_part_file(&mut self, start: FileStart, sink: &mut impl WalkSink) {
        let (position, outermost) = (self.levels.len().saturating_sub(1), self.outermost());
        let is_coded_file = position == 1 && self.coded == Some(1) && !self.levels[position].is_tar;
        let Some(parts) = &mut self.parts else { return };
        let is_large = start.size.is_none_or(|size| size >= parts.min_file_bytes);
        if is_large && (position == outermost || is_coded_file) && parts.candidates < MAX_PARTS {
            parts.file = Some(0);
            sink.part(PartEvent::BeginFile);
        }
    }

    /// Notes bytes of the file.
    pub(super) fn take_part_file(&mut self, bytes: u64) {
        if let Some(file) = self.parts.as_mut().and_then(|parts| parts.file.as_mut()) {
            *file = file.saturating_add(bytes);
        }
    }

    /// Notes that the file has ended.
    pub(super) fn end_part_file(&mut self, sink: &mut impl WalkSink) {
        let Some(parts) = &mut self.parts else { return };
        if let Some(bytes) = parts.file.take() {
            let is_candidate = bytes >= parts.min_file_bytes;
            parts.candidates += u64::from(is_candidate);
            sink.part(PartEvent::EndFile { is_candidate });
        }
    }
}
