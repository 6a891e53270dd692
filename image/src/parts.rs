//! The parts of an image: which stretches of the image and of its two streams they are. docs/format/index-2.md,
//! section 1.

use std::ops::Range;

use regrow_chunker::{PartKind, PieceRule};

use crate::walk::PartEvent;

/// The rules by which an image is split into its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WalkRules {
    /// Version 1, or version 2 if there are coded files. An image has no parts.
    #[default]
    V2,
    /// Version 3. An image consists of parts.
    V3,
    /// Version 4, or version 3 if no zstd files are coded. An image consists of parts, and zstd files may be coded like
    /// gzip files.
    V4,
    /// Version 5, or version 4 or 3 if the image is no disk image that is divided. A divided image is one part, and
    /// its contents operations are its stretches.
    V5,
    /// Version 6, or version 5, 4 or 3 where these give the same streams. More kinds of disk images are divided.
    V6,
    /// Version 6 for the seeds of a divided image: small files of a tar are cut alone too, besides their groups, since the
    /// image may have them. Files are also cut by the rule by which that image's file system lays them, if it lays them
    /// otherwise than whole.
    V6ForDisks(Option<PieceRule>),
}

/// What an image has of the things that the version of its walking rules depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalkFindings {
    /// Whether there are coded files.
    pub has_coded_files: bool,
    /// Whether there are zstd files among them.
    pub has_coded_zstd: bool,
    /// The first version whose division this is, if the image is a disk image that is divided.
    pub divided_since: Option<u32>,
}

impl WalkRules {
    /// The rules of this version.
    #[must_use]
    pub const fn of_version(version: u32) -> Option<Self> {
        match version {
            1 | 2 => Some(Self::V2),
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            5 => Some(Self::V5),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// The least version that gives the same streams for an image in which this was found.
    #[must_use]
    pub const fn version(self, found: WalkFindings) -> u32 {
        match self {
            Self::V2 if found.has_coded_files => 2,
            Self::V2 => 1,
            _ => match found.divided_since {
                Some(since) if self.divide_disks() => since,
                _ if found.has_coded_zstd && self.code_zstd() => 4,
                _ => 3,
            },
        }
    }

    /// The greatest version that these rules may give an image.
    #[must_use]
    pub const fn latest_version(self) -> u32 {
        match self {
            Self::V2 => 1,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
            Self::V6 | Self::V6ForDisks(_) => 6,
        }
    }

    /// The rules by which the seeds of an image are split whose index states these rules. Zstd files in them, and disk
    /// images, may hold what a gzip file or a plain file holds in the image.
    #[must_use]
    pub const fn for_seeds(self) -> Self {
        match self {
            Self::V2 => Self::V2,
            Self::V3 | Self::V4 => Self::V6,
            Self::V5 | Self::V6 => Self::V6ForDisks(None),
            Self::V6ForDisks(pieces) => Self::V6ForDisks(pieces),
        }
    }

    /// Whether an image consists of parts by these rules.
    #[must_use]
    pub const fn have_parts(self) -> bool {
        !matches!(self, Self::V2)
    }

    /// Whether zstd files may be coded by these rules.
    #[must_use]
    pub const fn code_zstd(self) -> bool {
        matches!(self, Self::V4 | Self::V5 | Self::V6 | Self::V6ForDisks(_))
    }

    /// Whether disk images are divided by these rules.
    #[must_use]
    pub const fn divide_disks(self) -> bool {
        matches!(self, Self::V5 | Self::V6 | Self::V6ForDisks(_))
    }

    /// Whether an image whose index states these rules is a disk image that is divided.
    #[must_use]
    pub const fn state_division(self) -> bool {
        matches!(self, Self::V5 | Self::V6)
    }

    /// Whether small files are cut alone too, besides their groups.
    #[must_use]
    pub const fn cut_small_files(self) -> bool {
        matches!(self, Self::V6ForDisks(_))
    }

    /// The same rules for the seeds of a divided image whose files lie so.
    #[must_use]
    pub const fn with_pieces(self, pieces: Option<PieceRule>) -> Self {
        match self {
            Self::V6ForDisks(_) => Self::V6ForDisks(pieces),
            other => other,
        }
    }

    /// The rule by which files are cut in pieces too, if there is one.
    #[must_use]
    pub const fn pieces(self) -> Option<PieceRule> {
        match self {
            Self::V6ForDisks(pieces) => pieces,
            _ => None,
        }
    }
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePart {
    /// The kind of the part.
    pub kind: PartKind,
    /// The part's share of the skeleton stream. It is empty for a file.
    pub skeleton: PartRange,
    /// The part's share of the contents stream.
    pub contents: PartRange,
    /// The stretch of the plain image in bytes.
    pub plain: Range<u64>,
}

/// A part's share of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartRange {
    /// The numbers of the chunks, among all those of the stream.
    pub records: Range<u64>,
    /// The stretch of the stream in bytes.
    pub bytes: Range<u64>,
}

/// A place in the plain image at which bytes begin or end that may be a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartBorder {
    /// The offset in the plain image.
    pub plain_at: u64,
    /// What happens there.
    pub change: BorderChange,
}

/// What happens at a [`PartBorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BorderChange {
    /// Bytes begin that may be a part.
    Begins,
    /// The bytes end. They are the next part, unless the image turns out to have no tar among its candidates.
    Ends,
    /// The bytes end, and are no part.
    EndsAsNone,
}

/// What is known of a chunk's unit when the chunk is cut. Only at the image's end is it certain which units there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitGuess {
    /// The number of the candidate for a part that the chunk belongs to, from 1. It is 0 if the chunk belongs to none.
    pub candidate: u32,
    /// Whether there is a tar among the candidates so far. If there is none at the image's end, the image itself is
    /// the only part.
    pub has_tar: bool,
    /// Whether the chunk belongs to the image's outermost tar, which may be the only part.
    pub is_in_tar: bool,
}

/// A place between two chunks, in both streams and in the plain image. Each pair is chunks and bytes before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    pub(crate) skeleton: (u64, u64),
    pub(crate) contents: (u64, u64),
    pub(crate) plain: u64,
    /// The number of contents operations before it.
    pub(crate) files: u64,
}

/// Gathers the parts of an image from what the walker tells.
#[derive(Default)]
pub(crate) struct PartList {
    parts: Vec<ImagePart>,
    /// The number of files of each part.
    files: Vec<u64>,
    /// The place at which the present candidate began.
    start: Position,
    /// The tar that a coded image holds: where it begins, and where it ends.
    held: Option<(Position, Position)>,
    borders: Vec<PartBorder>,
}

/// What is known of the units of the chunks that end now.
#[derive(Debug, Default)]
pub(crate) struct UnitGuesses {
    pub(crate) skeleton: UnitGuess,
    pub(crate) contents: UnitGuess,
    /// The number of candidates that have begun.
    begun: u32,
}

impl UnitGuesses {
    /// Takes in an event, which holds for the chunks that follow. The skeleton has no share of a file.
    pub(crate) fn take(&mut self, event: PartEvent) {
        let Self { skeleton, contents, begun } = self;
        match event {
            PartEvent::BeginImage => (skeleton.is_in_tar, contents.is_in_tar) = (true, true),
            PartEvent::EndImage => (skeleton.is_in_tar, contents.is_in_tar) = (false, false),
            PartEvent::BeginTar => {
                *begun += 1;
                (skeleton.has_tar, contents.has_tar) = (true, true);
                (skeleton.candidate, contents.candidate) = (*begun, *begun);
            }
            PartEvent::BeginFile => {
                *begun += 1;
                contents.candidate = *begun;
            }
            PartEvent::EndTar | PartEvent::EndFile { .. } => (skeleton.candidate, contents.candidate) = (0, 0),
        }
    }
}

impl PartList {
    /// Takes in an event at this place.
    pub(crate) fn take(&mut self, event: PartEvent, at: Position) {
        let change = match event {
            PartEvent::BeginImage => return self.held = Some((at, at)),
            PartEvent::EndImage => return self.held = self.held.map(|(start, _)| (start, at)),
            PartEvent::BeginTar | PartEvent::BeginFile => {
                self.start = at;
                BorderChange::Begins
            }
            PartEvent::EndTar => self.add(PartKind::Tar, at),
            PartEvent::EndFile { is_candidate: true } => self.add(PartKind::File, at),
            PartEvent::EndFile { is_candidate: false } => BorderChange::EndsAsNone,
        };
        self.borders.push(PartBorder { plain_at: at.plain, change });
    }

    fn add(&mut self, kind: PartKind, end: Position) -> BorderChange {
        self.parts.push(part_between(kind, self.start, end));
        self.files.push(end.files - self.start.files);
        BorderChange::Ends
    }

    /// Takes the borders that were passed since the last call.
    pub(crate) fn take_borders(&mut self) -> Vec<PartBorder> {
        std::mem::take(&mut self.borders)
    }

    /// The parts of an image that ends here, and the number of files of each. `has_tar` says whether there is a tar among the candidates, and `is_tar`
    /// whether the image itself is one.
    pub(crate) fn finish(self, has_tar: bool, is_tar: bool, end: Position) -> (Vec<ImagePart>, Vec<u64>) {
        let (kind, start, end) = match self.held {
            _ if has_tar => return (self.parts, self.files),
            Some((start, end)) => (PartKind::Tar, start, end),
            None => (if is_tar { PartKind::Tar } else { PartKind::File }, Position::default(), end),
        };
        (vec![part_between(kind, start, end)], vec![end.files - start.files])
    }
}

fn part_between(kind: PartKind, start: Position, end: Position) -> ImagePart {
    let range = |start: (u64, u64), end: (u64, u64)| PartRange { records: start.0..end.0, bytes: start.1..end.1 };
    let skeleton = match kind {
        PartKind::Tar => range(start.skeleton, end.skeleton),
        PartKind::File => PartRange::default(),
    };
    ImagePart { kind, skeleton, contents: range(start.contents, end.contents), plain: start.plain..end.plain }
}
