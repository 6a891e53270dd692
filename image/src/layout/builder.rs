//! Builds the layout of an image from its skeleton.

use super::{Layout, LayoutError, MARK_BYTES, Mark, Run};
use crate::ops::{Op, OpDecoder, OpOrLiteral, op_len};

/// Builds a [`Layout`] from a skeleton stream that comes in pieces.
pub struct LayoutBuilder {
    decoder: OpDecoder,
    ops: Gathered,
}

/// The operations so far.
struct Gathered {
    runs: Vec<Run>,
    marks: Vec<Mark>,
    end: Run,
    max_image_bytes: u64,
    /// The number of operations that may still come.
    operations_left: u64,
}

impl LayoutBuilder {
    /// Makes a builder that refuses a skeleton of an image larger than `max_image_bytes`.
    #[must_use]
    pub fn new(max_image_bytes: u64) -> Self {
        let end = Run { image_at: 0, skeleton_at: 0, contents_at: 0, literal_len: 0 };
        let ops = Gathered { runs: Vec::new(), marks: Vec::new(), end, max_image_bytes, operations_left: u64::MAX };
        Self { decoder: OpDecoder::default(), ops }
    }

    /// Makes the builder also refuse a skeleton of more than this many operations, since each takes memory.
    #[must_use]
    pub fn with_max_operations(mut self, operations: u64) -> Self {
        self.ops.operations_left = operations;
        self
    }

    /// Takes in bytes of the skeleton stream.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        let Self { decoder, ops } = self;
        decoder.push(bytes, |found| match found {
            OpOrLiteral::Op(op) => ops.add(op),
            OpOrLiteral::Bytes(_) => Ok(()),
        })
    }

    /// Takes in one operation, without the bytes of its literal.
    pub fn push_op(&mut self, op: Op) -> Result<(), LayoutError> {
        self.ops.add(op)
    }

    /// Adds contents for which no operation stands in the skeleton: bytes that belong there, but are given elsewhere.
    pub fn push_bare(&mut self, bytes: u64) -> Result<(), LayoutError> {
        self.decoder.finish()?;
        if bytes == 0 { Ok(()) } else { self.ops.add_bytes(0, bytes, 0) }
    }

    /// The end of what came so far, which must be whole operations: the number of bytes of the image, of the skeleton
    /// and of the contents.
    pub fn end(&self) -> Result<[u64; 3], LayoutError> {
        self.decoder.finish()?;
        let Run { image_at, skeleton_at, contents_at, .. } = self.ops.end;
        Ok([image_at, skeleton_at, contents_at])
    }

    /// Ends the layout before the stream ends. It covers what came, up to the last whole operation.
    #[must_use]
    pub fn finish_early(mut self) -> Layout {
        let Gathered { runs, marks, end, .. } = &mut self.ops;
        marks.truncate(marks.len() & !1);
        runs.push(*end);
        runs.shrink_to_fit();
        Layout { runs: std::mem::take(runs), marks: std::mem::take(marks) }
    }

    /// Ends the stream.
    pub fn finish(mut self) -> Result<Layout, LayoutError> {
        self.decoder.finish()?;
        let Gathered { runs, marks, end, .. } = &mut self.ops;
        if marks.len() % 2 != 0 {
            return Err(LayoutError::Marks);
        }
        runs.push(*end);
        runs.shrink_to_fit();
        Ok(Layout { runs: std::mem::take(runs), marks: std::mem::take(marks) })
    }
}

/// The most runs of a layout: 1 GiB of memory, some 30 million files.
const MAX_RUNS: usize = 1 << 25;
/// The most coded stretches of a layout.
const MAX_CODED: usize = 1 << 20;

impl Gathered {
    fn add(&mut self, op: Op) -> Result<(), LayoutError> {
        self.operations_left = self.operations_left.checked_sub(1).ok_or(LayoutError::TooManyOperations)?;
        let (literal_len, contents_len) = match op {
            Op::Literal(len) => (len, 0),
            Op::Contents(len) => (0, len),
            Op::BeginCoded => return self.mark(true),
            Op::EndCoded => return self.mark(false),
        };
        self.add_bytes(literal_len, contents_len, op_len(op) as u64)
    }

    /// Adds a literal, or contents, whose number takes `op_bytes` of the skeleton.
    fn add_bytes(&mut self, literal_len: u32, contents_len: u64, op_bytes: u64) -> Result<(), LayoutError> {
        let Self { runs, marks, end, max_image_bytes, .. } = self;
        let opens_run = literal_len > 0
            || runs.last().is_none_or(|last| last.contents_at < end.contents_at)
            || marks.last().is_some_and(|mark| mark.skeleton_at + MARK_BYTES == end.skeleton_at);
        if opens_run {
            if runs.len() >= MAX_RUNS {
                return Err(LayoutError::TooMuch);
            }
            runs.push(Run { literal_len, ..*end });
        }
        let len = u64::from(literal_len) + contents_len;
        end.image_at =
            end.image_at.checked_add(len).filter(|&at| at <= *max_image_bytes).ok_or(LayoutError::TooMuch)?;
        end.contents_at += contents_len;
        end.skeleton_at += u64::from(literal_len) + op_bytes;
        Ok(())
    }

    fn mark(&mut self, begins: bool) -> Result<(), LayoutError> {
        let Self { marks, end, .. } = self;
        let is_open = marks.len() % 2 != 0;
        let is_empty = is_open && marks.last().is_some_and(|begin| begin.image_at == end.image_at);
        if begins == is_open || is_empty {
            return Err(LayoutError::Marks);
        }
        if marks.len() >= 2 * MAX_CODED {
            return Err(LayoutError::TooMuch);
        }
        marks.push(Mark { image_at: end.image_at, skeleton_at: end.skeleton_at });
        end.skeleton_at += MARK_BYTES;
        Ok(())
    }
}
