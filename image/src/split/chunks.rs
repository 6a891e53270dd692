//! The chunks of both streams, from what the walker finds.

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, FileHash, GroupRule, Params, StreamCutter};

use super::alone::Alone;
use super::{RawChunk, StreamKind};
use crate::ops::{MAX_LITERAL_BYTES, Op, put_op};
use crate::parts::{PartList, Position, UnitGuesses};
use crate::walk::{FileStart, PartEvent, Piece, WalkSink};

/// The file that contents belong to.
enum File {
    None,
    Large {
        bytes: u64,
    },
    Small {
        size: u64,
        bytes: u64,
    },
    /// Its contents are left out.
    Absent {
        bytes: u64,
    },
}

/// Chunks that are complete, and how much of the streams that makes.
#[derive(Default)]
pub(super) struct Out {
    pub(super) chunks: Vec<RawChunk>,
    /// The number of chunks of each stream, and their bytes.
    skeleton: (u64, u64),
    contents: (u64, u64),
    /// The units of the chunks that end now.
    units: UnitGuesses,
}

impl Out {
    fn push(&mut self, stream: StreamKind, bytes: Bytes) {
        let ((count, end), unit) = match stream {
            StreamKind::Skeleton => (&mut self.skeleton, self.units.skeleton),
            StreamKind::Contents => (&mut self.contents, self.units.contents),
        };
        let at = *end;
        *count += 1;
        *end += bytes.len() as u64;
        self.chunks.push(RawChunk { stream, at, unit, bytes });
    }
}

pub(super) struct Chunks {
    pub(super) cutter: Cutter,
    rule: GroupRule,
    /// The block that was pushed last.
    pub(super) block: Bytes,
    literal: Vec<u8>,
    skeleton: StreamCutter,
    large: StreamCutter,
    group: Vec<u8>,
    hash: FileHash,
    file: File,
    /// Files that are cut otherwise beside the contents stream, if they are asked for.
    pub(super) alone: Option<Alone>,
    /// The number of the image's bytes, if it is known.
    pub(super) image_bytes: Option<u64>,
    /// Each file is cut alone, however small it is.
    pub(super) cuts_alone: bool,
    /// Opaque files have no chunks.
    pub(super) leaves_out_opaque: bool,
    /// Nothing is cut, since only the borders of parts are wanted.
    pub(super) cuts_nothing: bool,
    /// The number of bytes of the plain image so far.
    pub(super) plain_bytes: u64,
    /// The number of files so far.
    files: u64,
    /// The image's parts, if it is to have any.
    pub(super) parts: Option<PartList>,
    pub(super) out: Out,
}

impl Chunks {
    pub(super) fn new(params: Params) -> Self {
        Self {
            cutter: Cutter::new(params),
            rule: GroupRule::new(params),
            block: Bytes::new(),
            literal: Vec::with_capacity(4 << 10),
            skeleton: StreamCutter::default(),
            large: StreamCutter::default(),
            group: Vec::new(),
            hash: FileHash::default(),
            file: File::None,
            alone: None,
            image_bytes: None,
            cuts_alone: false,
            leaves_out_opaque: false,
            cuts_nothing: false,
            plain_bytes: 0,
            files: 0,
            parts: None,
            out: Out::default(),
        }
    }

    fn end_literal(&mut self) {
        if self.literal.is_empty() {
            return;
        }
        // A literal ends at MAX_LITERAL_BYTES, so its length fits.
        let mut number = Vec::with_capacity(4);
        put_op(&mut number, Op::Literal(self.literal.len() as u32));
        self.skeleton_bytes(&number);
        let literal = std::mem::take(&mut self.literal);
        self.skeleton_bytes(&literal);
        self.literal = literal;
        self.literal.clear();
    }

    /// Ends a chunk in both streams.
    pub(super) fn end_chunks(&mut self) {
        self.end_group();
        self.end_literal();
        let Self { cutter, skeleton, out, .. } = self;
        skeleton.finish(cutter, |cut| out.push(StreamKind::Skeleton, bytes_of(cut, &Bytes::new())));
    }

    pub(super) fn position(&self) -> Position {
        let Self { plain_bytes: plain, files, .. } = *self;
        Position { skeleton: self.out.skeleton, contents: self.out.contents, plain, files }
    }

    pub(super) fn mark(&mut self, mark: Op) {
        self.end_literal();
        let mut number = Vec::with_capacity(1);
        put_op(&mut number, mark);
        self.skeleton_bytes(&number);
    }

    fn skeleton_bytes(&mut self, bytes: &[u8]) {
        if self.cuts_nothing {
            return;
        }
        let piece = Bytes::new();
        let Self { skeleton, cutter, out, .. } = self;
        skeleton.push(cutter, bytes, |cut| {
            let bytes = match cut {
                Cut::InPiece(range) => Bytes::copy_from_slice(&bytes[range]),
                gathered => bytes_of(gathered, &piece),
            };
            out.push(StreamKind::Skeleton, bytes);
        });
    }

    fn end_group(&mut self) {
        if !self.group.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.group));
            self.out.push(StreamKind::Contents, bytes);
        }
    }

    fn large_bytes(&mut self, piece: Bytes) {
        let Self { large, cutter, out, alone, .. } = self;
        let mut on_large = |from, cut: Cut<'_>| out.push(StreamKind::Contents, bytes_of(cut, &piece.slice(from..)));
        match alone {
            Some(alone) => alone.push_large(cutter, large, &piece, on_large),
            None => large.push(cutter, &piece, |cut| on_large(0, cut)),
        }
    }

    fn small_bytes(&mut self, piece: &[u8]) {
        if self.group.capacity() == 0 {
            self.group.reserve(self.cutter.params().avg_bytes() as usize * 2);
        }
        self.alone.iter_mut().for_each(|alone| alone.push_small(&self.cutter, piece));
        self.group.extend_from_slice(piece);
        self.hash.update(piece);
    }
}

fn bytes_of(cut: Cut<'_>, piece: &Bytes) -> Bytes {
    match cut {
        Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
        Cut::InPiece(range) => piece.slice(range),
    }
}

impl WalkSink for Chunks {
    fn literal(&mut self, mut bytes: &[u8]) {
        self.plain_bytes += bytes.len() as u64;
        if self.cuts_nothing {
            return;
        }
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(MAX_LITERAL_BYTES - self.literal.len()));
            self.literal.extend_from_slice(now);
            bytes = rest;
            if self.literal.len() == MAX_LITERAL_BYTES {
                self.end_literal();
            }
        }
    }

    fn begin_file(&mut self, start: FileStart) {
        self.end_literal();
        self.file = match start.size {
            Some(size) if !self.cuts_alone && !self.rule.is_large(size) => {
                if self.rule.ends_before(self.group.len() as u64, size) {
                    self.end_group();
                }
                let at = self.out.contents.1 + self.group.len() as u64;
                self.alone.iter_mut().for_each(|alone| alone.begin(size, at, true));
                File::Small { size, bytes: 0 }
            }
            None if self.leaves_out_opaque => {
                self.end_group();
                File::Absent { bytes: 0 }
            }
            size => {
                self.end_group();
                // An image that is opaque is all one file.
                let size = size.or(self.image_bytes.filter(|_| self.plain_bytes == 0)).unwrap_or_default();
                // The pieces of a divided image are cut already.
                let (at, bytes) = (self.out.contents.1, if self.cuts_alone { 0 } else { size });
                self.alone.iter_mut().for_each(|alone| alone.begin(bytes, at, false));
                File::Large { bytes: 0 }
            }
        };
    }

    fn contents(&mut self, piece: Piece<'_>) {
        self.plain_bytes += piece.len();
        if let File::Absent { bytes } = &mut self.file {
            *bytes += piece.len();
            return;
        }
        if self.cuts_nothing {
            if let File::Small { bytes, .. } | File::Large { bytes } = &mut self.file {
                *bytes += piece.len();
            }
            return;
        }
        let piece = match piece {
            Piece::InPushed(range) => self.block.slice(range),
            Piece::Held(bytes) => Bytes::copy_from_slice(bytes),
            // A part that is known already. Only the operation of a file is the wrapper's.
            Piece::Hole(len) => {
                if let File::Large { bytes } = &mut self.file {
                    *bytes += len;
                }
                return;
            }
        };
        match &mut self.file {
            File::Small { bytes, .. } => {
                *bytes += piece.len() as u64;
                self.small_bytes(&piece);
            }
            File::Large { bytes } => {
                *bytes += piece.len() as u64;
                self.large_bytes(piece);
            }
            File::None | File::Absent { .. } => {}
        }
    }

    fn end_file(&mut self) {
        let file = std::mem::replace(&mut self.file, File::None);
        let bytes = match file {
            File::Small { size, bytes } => {
                self.alone.iter_mut().for_each(|alone| alone.end_small(&self.cutter));
                let hash = self.hash.finish();
                if self.rule.ends_after(self.group.len() as u64, size, hash) {
                    self.end_group();
                }
                bytes
            }
            File::Large { bytes } => {
                let Self { large, cutter, out, alone, .. } = self;
                let on_large = |cut: Cut<'_>| out.push(StreamKind::Contents, bytes_of(cut, &Bytes::new()));
                match alone {
                    Some(alone) => alone.end_large(cutter, large, on_large),
                    None => large.finish(cutter, on_large),
                }
                bytes
            }
            File::Absent { bytes } => {
                self.out.contents.1 += bytes;
                bytes
            }
            File::None => 0,
        };
        if bytes > 0 {
            self.files += 1;
            let mut number = Vec::with_capacity(10);
            put_op(&mut number, Op::Contents(bytes));
            self.skeleton_bytes(&number);
        }
    }

    fn begin_level(&mut self) {
        self.end_group();
    }

    fn end_level(&mut self) {
        self.end_group();
    }

    fn part(&mut self, event: PartEvent) {
        if !matches!(event, PartEvent::BeginFile | PartEvent::EndFile { .. }) {
            self.end_chunks();
        }
        let at = self.position();
        if let Some(parts) = &mut self.parts {
            parts.take(event, at);
            self.out.units.take(event);
        }
    }
}
