//! Where in an image the bytes of its two streams lie: the skeleton's operations with their positions.

use std::ops::Range;

use crate::ops::{Found, Op, OpDecoder, OpError, op_len, put_op};

/// An operation pair: a literal, perhaps empty, and the contents behind it, perhaps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    image_at: u64,
    skeleton_at: u64,
    contents_at: u64,
    literal_len: u32,
}

/// The operations of a whole skeleton stream; 32 bytes for each literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Ends with a run of nothing that marks where the streams end.
    runs: Vec<Run>,
}

/// A stretch of an image and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePiece {
    /// Bytes of the skeleton stream.
    Skeleton {
        /// Where in the image, bytes.
        image: Range<u64>,
        /// Where the stretch begins in the skeleton stream.
        skeleton_at: u64,
    },
    /// Bytes of the contents stream.
    Contents {
        /// Where in the image, bytes.
        image: Range<u64>,
        /// Where the stretch begins in the contents stream.
        contents_at: u64,
    },
}

/// The skeleton is malformed, or does not give what the index says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// An operation is malformed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The operations' lengths do not add up.
    #[error("the skeleton describes {found} bytes of {what}, the index says {stated}")]
    Size {
        /// Which length.
        what: &'static str,
        /// What the operations add up to.
        found: u64,
        /// What was to be.
        stated: u64,
    },
    /// More operations or bytes than the image can have.
    #[error("the skeleton describes more than the image holds")]
    TooMuch,
}

/// Builds a [`Layout`] from a skeleton stream in pieces.
pub struct LayoutBuilder {
    decoder: OpDecoder,
    runs: Vec<Run>,
    end: Run,
    max_image_bytes: u64,
}

impl LayoutBuilder {
    /// A builder that refuses a skeleton of more than `max_image_bytes`.
    #[must_use]
    pub fn new(max_image_bytes: u64) -> Self {
        let end = Run { image_at: 0, skeleton_at: 0, contents_at: 0, literal_len: 0 };
        Self { decoder: OpDecoder::default(), runs: Vec::new(), end, max_image_bytes }
    }

    /// Takes in bytes of the skeleton stream.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        let Self { decoder, runs, end, max_image_bytes } = self;
        decoder.push(bytes, |found| match found {
            Found::Op(op) => add(runs, end, op, *max_image_bytes),
            Found::Bytes(_) => Ok(()),
        })
    }

    /// Takes in one operation, without its literal's bytes.
    pub fn push_op(&mut self, op: Op) -> Result<(), LayoutError> {
        add(&mut self.runs, &mut self.end, op, self.max_image_bytes)
    }

    /// The stream ends here.
    pub fn finish(mut self) -> Result<Layout, LayoutError> {
        self.decoder.finish()?;
        self.runs.push(self.end);
        self.runs.shrink_to_fit();
        Ok(Layout { runs: self.runs })
    }
}

/// Runs of a layout, at most: 1 GiB of memory, some 30 million files.
const MAX_RUNS: usize = 1 << 25;

fn add(runs: &mut Vec<Run>, end: &mut Run, op: Op, max_image_bytes: u64) -> Result<(), LayoutError> {
    let (literal_len, contents_len) = match op {
        Op::Literal(len) => (len, 0),
        Op::Contents(len) => (0, len),
    };
    let opens_run = literal_len > 0 || runs.last().is_none_or(|last| last.contents_at < end.contents_at);
    if opens_run {
        if runs.len() >= MAX_RUNS {
            return Err(LayoutError::TooMuch);
        }
        runs.push(Run { literal_len, ..*end });
    }
    let len = u64::from(literal_len) + contents_len;
    end.image_at = end.image_at.checked_add(len).filter(|&at| at <= max_image_bytes).ok_or(LayoutError::TooMuch)?;
    end.contents_at += contents_len;
    end.skeleton_at += u64::from(literal_len) + op_len(op) as u64;
    Ok(())
}

impl Run {
    fn literal_op_len(&self) -> u64 {
        if self.literal_len == 0 { 0 } else { op_len(Op::Literal(self.literal_len)) as u64 }
    }

    /// Where the literal's bytes begin in the skeleton stream.
    fn literal_at(&self) -> u64 {
        self.skeleton_at + self.literal_op_len()
    }
}

impl Layout {
    fn end(&self) -> Run {
        // Invariant: LayoutBuilder::finish appends the end.
        *self.runs.last().expect("a layout has an end")
    }

    /// Bytes of the image.
    #[must_use]
    pub fn image_bytes(&self) -> u64 {
        self.end().image_at
    }

    /// Bytes of the skeleton stream.
    #[must_use]
    pub fn skeleton_bytes(&self) -> u64 {
        self.end().skeleton_at
    }

    /// Bytes of the contents stream.
    #[must_use]
    pub fn contents_bytes(&self) -> u64 {
        self.end().contents_at
    }

    /// Checks the sums against what an index states.
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
        self.runs.windows(2).flat_map(|pair| {
            let contents = pair[1].contents_at - pair[0].contents_at;
            let literal = (pair[0].literal_len > 0).then_some(Op::Literal(pair[0].literal_len));
            literal.into_iter().chain((contents > 0).then_some(Op::Contents(contents)))
        })
    }

    /// Where in the contents stream each file lies, a contents operation being a file, in order.
    pub fn files(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let ranges = self.runs.windows(2).map(|pair| pair[0].contents_at..pair[1].contents_at);
        ranges.filter(|range| range.start < range.end)
    }

    /// The stretches of a range of the image, in order.
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

    /// Where in the image a range of the contents stream lies: stretches in order, with their start in the image and length.
    pub fn contents_in_image(&self, contents: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| run.contents_at <= contents.start).saturating_sub(1);
        let (start, end) = (contents.start, contents.end);
        self.runs[first..].windows(2).take_while(move |pair| pair[0].contents_at < end).filter_map(move |pair| {
            let at = pair[0].image_at + u64::from(pair[0].literal_len);
            overlap(pair[0].contents_at..pair[1].contents_at, start..end)
                .map(|part| at + (part.start - pair[0].contents_at)..at + (part.end - pair[0].contents_at))
        })
    }

    /// The parts of a range of the skeleton stream: numbers of operations, to be written anew, and literals, which
    /// lie in the image.
    pub fn skeleton_parts(&self, skeleton: Range<u64>) -> impl Iterator<Item = SkeletonPart> + '_ {
        let first = self.runs.partition_point(|run| run.skeleton_at <= skeleton.start).saturating_sub(1);
        let (start, end) = (skeleton.start, skeleton.end);
        self.runs[first..]
            .windows(2)
            .take_while(move |pair| pair[0].skeleton_at < end)
            .flat_map(|pair| run_parts(&pair[0], pair[1].contents_at - pair[0].contents_at))
            .filter_map(move |(at, part)| part.clip(at, start..end))
    }
}

/// A part of a skeleton stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkeletonPart {
    /// These bytes, an operation's number or some of it.
    Number(Vec<u8>),
    /// A literal's bytes, which lie in this range of the image.
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

/// The parts of one run with their places in the skeleton stream.
fn run_parts(run: &Run, contents_len: u64) -> impl Iterator<Item = (u64, SkeletonPart)> + use<> {
    let number = |op: Op| {
        let mut bytes = Vec::new();
        put_op(&mut bytes, op);
        SkeletonPart::Number(bytes)
    };
    let literal_len = u64::from(run.literal_len);
    let literal = (literal_len > 0).then(|| {
        let image = run.image_at..run.image_at + literal_len;
        [(run.skeleton_at, number(Op::Literal(run.literal_len))), (run.literal_at(), SkeletonPart::InImage(image))]
    });
    let contents = (contents_len > 0).then(|| (run.literal_at() + literal_len, number(Op::Contents(contents_len))));
    literal.into_iter().flatten().chain(contents)
}

fn overlap(a: Range<u64>, b: Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}
