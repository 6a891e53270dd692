//! The layout of an image: the skeleton's operations with their positions, which say where the bytes of both
//! streams lie.

mod builder;

use std::ops::Range;

use crate::ops::{Op, OpError, op_len, put_op};

pub use builder::LayoutBuilder;

/// A pair of operations: a literal, which may be empty, and the contents behind it, which may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    image_at: u64,
    skeleton_at: u64,
    contents_at: u64,
    literal_len: u32,
}

/// The operations of a whole skeleton stream, in 32 bytes for each literal. "Image" always means the plain image
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The runs. The last one is empty and marks where the streams end.
    runs: Vec<Run>,
    /// The beginnings and ends of coded stretches, in turn. A run begins at each.
    marks: Vec<Mark>,
}

/// One end of a coded stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    image_at: u64,
    skeleton_at: u64,
}

/// The number of bytes that a mark takes in the skeleton stream.
const MARK_BYTES: u64 = 1;

/// A stretch of an image, and its place in one of the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePiece {
    /// Bytes of the skeleton stream.
    Skeleton {
        /// The range of the image in bytes.
        image: Range<u64>,
        /// The offset of the stretch in the skeleton stream.
        skeleton_at: u64,
    },
    /// Bytes of the contents stream.
    Contents {
        /// The range of the image in bytes.
        image: Range<u64>,
        /// The offset of the stretch in the contents stream.
        contents_at: u64,
    },
}

/// The skeleton is malformed, or does not describe the image of the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// An operation is malformed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The operations' lengths do not add up.
    #[error("the skeleton describes {found} bytes of {what}, the index says {stated}")]
    Size {
        /// The name of the length.
        what: &'static str,
        /// The sum of the operations.
        found: u64,
        /// The length that the index states.
        stated: u64,
    },
    /// The skeleton has more operations or bytes than the image can have.
    #[error("the skeleton describes more than the image holds")]
    TooMuch,
    /// The skeleton has more operations than an image of its size needs.
    #[error("the skeleton has more operations than an image of its size needs")]
    TooManyOperations,
    /// The marks of coded stretches do not match.
    #[error("the skeleton's marks of coded files do not match")]
    Marks,
}

impl Run {
    fn literal_op_len(&self) -> u64 {
        if self.literal_len == 0 { 0 } else { op_len(Op::Literal(self.literal_len)) as u64 }
    }

    /// The offset of the literal's bytes in the skeleton stream.
    fn literal_at(&self) -> u64 {
        self.skeleton_at + self.literal_op_len()
    }
}

impl Layout {
    fn end(&self) -> Run {
        // Invariant: LayoutBuilder::finish appends the end.
        *self.runs.last().expect("a layout has an end")
    }

    /// The size of the image in bytes.
    #[must_use]
    pub fn image_bytes(&self) -> u64 {
        self.end().image_at
    }

    /// The size of the skeleton stream in bytes.
    #[must_use]
    pub fn skeleton_bytes(&self) -> u64 {
        self.end().skeleton_at
    }

    /// The size of the contents stream in bytes.
    #[must_use]
    pub fn contents_bytes(&self) -> u64 {
        self.end().contents_at
    }

    /// Checks the sizes against those that an index states.
    pub fn check(&self, image: u64, skeleton: u64, contents: u64) -> Result<(), LayoutError> {
        for (what, found, stated) in [
            ("image", self.image_bytes(), image),
            ("skeleton", self.skeleton_bytes(), skeleton),
            ("contents", self.contents_bytes(), contents),
        ] {
            if found != stated {
                return Err(LayoutError::Size { what, found, stated });
            }
        }
        Ok(())
    }

    /// The operations, in order.
    pub fn ops(&self) -> impl Iterator<Item = Op> + '_ {
        let mut marks = self.marks.iter().zip([Op::BeginCoded, Op::EndCoded].into_iter().cycle()).peekable();
        // The last run stands for the end, so no contents follow it.
        let ends = self.runs.iter().skip(1).chain(self.runs.last());
        self.runs.iter().zip(ends).flat_map(move |(run, next)| {
            let mut ops = Vec::with_capacity(2);
            while let Some((_, mark)) = marks.next_if(|(mark, _)| mark.skeleton_at < run.skeleton_at) {
                ops.push(mark);
            }
            ops.extend((run.literal_len > 0).then_some(Op::Literal(run.literal_len)));
            let contents = next.contents_at - run.contents_at;
            ops.extend((contents > 0).then_some(Op::Contents(contents)));
            ops
        })
    }

    /// The coded stretches, in order.
    pub fn coded(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.marks.chunks_exact(2).map(|ends| ends[0].image_at..ends[1].image_at)
    }

    /// The ranges of the files in the contents stream, in order. Each contents operation is a file.
    pub fn files(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.files_in(0..self.contents_bytes())
    }

    /// The ranges of the files that lie in a range of the contents stream, in order.
    pub fn files_in(&self, contents: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| run.contents_at < contents.start);
        let ranges = self.runs[first..].windows(2).map(|pair| pair[0].contents_at..pair[1].contents_at);
        ranges.take_while(move |range| range.end <= contents.end).filter(|range| range.start < range.end)
    }

    /// The range of the file to which a place in the contents stream belongs.
    pub fn file_at(&self, contents_at: u64) -> Option<Range<u64>> {
        let next = self.runs.partition_point(|run| run.contents_at <= contents_at);
        let start = self.runs.get(next.checked_sub(1)?)?.contents_at;
        Some(start..self.runs.get(next)?.contents_at)
    }

    /// The stretches that make up a range of the image, in order.
    pub fn pieces(&self, image: Range<u64>) -> impl Iterator<Item = ImagePiece> + '_ {
        let first = self.runs.partition_point(|run| run.image_at <= image.start).saturating_sub(1);
        let (start, end) = (image.start, image.end);
        self.runs[first..].windows(2).take_while(move |pair| pair[0].image_at < end).flat_map(move |pair| {
            let contents_image = pair[0].image_at + u64::from(pair[0].literal_len);
            let literal = overlap(pair[0].image_at..contents_image, start..end).map(|image| ImagePiece::Skeleton {
                skeleton_at: pair[0].literal_at() + (image.start - pair[0].image_at),
                image,
            });
            let contents = overlap(contents_image..pair[1].image_at, start..end).map(|image| ImagePiece::Contents {
                contents_at: pair[0].contents_at + (image.start - contents_image),
                image,
            });
            literal.into_iter().chain(contents)
        })
    }

    /// The number of bytes of the contents stream before a place in the image.
    #[must_use]
    pub fn contents_before(&self, image_at: u64) -> u64 {
        let next = self.runs.partition_point(|run| run.image_at <= image_at);
        let Some(run) = next.checked_sub(1).and_then(|number| self.runs.get(number)) else { return 0 };
        let into = image_at - run.image_at;
        let end = self.runs.get(next).map_or(run.contents_at, |next| next.contents_at);
        (run.contents_at + into.saturating_sub(u64::from(run.literal_len))).min(end)
    }

    /// The ranges of the image in which a range of the contents stream lies, in order.
    pub fn contents_in_image(&self, contents: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| run.contents_at <= contents.start).saturating_sub(1);
        let (start, end) = (contents.start, contents.end);
        self.runs[first..].windows(2).take_while(move |pair| pair[0].contents_at < end).filter_map(move |pair| {
            let at = pair[0].image_at + u64::from(pair[0].literal_len);
            overlap(pair[0].contents_at..pair[1].contents_at, start..end)
                .map(|part| at + (part.start - pair[0].contents_at)..at + (part.end - pair[0].contents_at))
        })
    }

    /// The parts of a range of the skeleton stream. Numbers of operations must be written again; literals lie in
    /// the image.
    pub fn skeleton_parts(&self, skeleton: Range<u64>) -> impl Iterator<Item = SkeletonPart> + '_ {
        let first = self.runs.partition_point(|run| run.skeleton_at <= skeleton.start).saturating_sub(1);
        let (start, end) = (skeleton.start, skeleton.end);
        let runs = self.runs[first..]
            .windows(2)
            .take_while(move |pair| pair[0].skeleton_at < end)
            .flat_map(|pair| run_parts(&pair[0], pair[1].contents_at - pair[0].contents_at));
        merged(self.mark_parts(start..end), runs).filter_map(move |(at, part)| part.clip(at, start..end))
    }

    /// The marks in a range of the skeleton stream, with their places there.
    fn mark_parts(&self, skeleton: Range<u64>) -> impl Iterator<Item = (u64, SkeletonPart)> + '_ {
        let first = self.marks.partition_point(|mark| mark.skeleton_at < skeleton.start);
        let marks = self.marks.iter().enumerate().skip(first);
        marks.take_while(move |(_, mark)| mark.skeleton_at < skeleton.end).map(|(number, mark)| {
            let op = if number % 2 == 0 { Op::BeginCoded } else { Op::EndCoded };
            (mark.skeleton_at, number_of(op))
        })
    }
}

/// Merges two sequences of parts by their places.
fn merged<P>(a: impl Iterator<Item = (u64, P)>, b: impl Iterator<Item = (u64, P)>) -> impl Iterator<Item = (u64, P)> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some((a_at, _)), Some((b_at, _))) if a_at < b_at => a.next(),
        (Some(_), None) => a.next(),
        _ => b.next(),
    })
}

/// A part of a skeleton stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkeletonPart {
    /// These bytes, which are an operation's number or a part of one.
    Number(Vec<u8>),
    /// The bytes of a literal, which lie in this range of the image.
    InImage(Range<u64>),
}

impl SkeletonPart {
    fn clip(self, at: u64, bounds: Range<u64>) -> Option<Self> {
        let len = match &self {
            Self::Number(bytes) => bytes.len() as u64,
            Self::InImage(image) => image.end - image.start,
        };
        let part = overlap(at..at + len, bounds)?;
        Some(match self {
            Self::Number(bytes) => Self::Number(bytes[(part.start - at) as usize..(part.end - at) as usize].to_vec()),
            Self::InImage(image) => Self::InImage(image.start + (part.start - at)..image.start + (part.end - at)),
        })
    }
}

/// The number of an operation, as a part.
fn number_of(op: Op) -> SkeletonPart {
    let mut bytes = Vec::new();
    put_op(&mut bytes, op);
    SkeletonPart::Number(bytes)
}

/// The parts of one run, with their places in the skeleton stream.
fn run_parts(run: &Run, contents_len: u64) -> impl Iterator<Item = (u64, SkeletonPart)> + use<> {
    let literal_len = u64::from(run.literal_len);
    let literal = (literal_len > 0).then(|| {
        let image = run.image_at..run.image_at + literal_len;
        [(run.skeleton_at, number_of(Op::Literal(run.literal_len))), (run.literal_at(), SkeletonPart::InImage(image))]
    });
    let contents = (contents_len > 0).then(|| (run.literal_at() + literal_len, number_of(Op::Contents(contents_len))));
    literal.into_iter().flatten().chain(contents)
}

fn overlap(a: Range<u64>, b: Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}
