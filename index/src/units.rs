//! What an index of version 2 says beyond one of version 1: the image's units, its claims and its signatures
//! (docs/format/index-2.md).

use std::collections::HashSet;
use std::ops::Range;

use regrow_chunker::{ImageId, PartKind, PartName, PartPlace, PieceRule, UnitId};

use crate::{Index, SegmentRef, StreamHead};

/// The largest number of parts of an image.
pub const MAX_PARTS: usize = 1024;
/// The largest number of parts that a patch starts from.
pub const MAX_BASE_PARTS: usize = 1024;

/// The wrapper and the parts of an image, and what is claimed and signed about it.
///
/// The segments themselves are those of [`Index::skeleton`] and [`Index::contents`]: in each of them first the
/// wrapper's, then those of each part. The streams' bytes lie in the image's order, in which the parts' records stand
/// among the wrapper's; [`Index::skeleton_order`] and [`Index::contents_order`] lead from one to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// SHA-256 of the image.
    pub image_sha256: [u8; 32],
    /// Size of the plain image in bytes.
    pub plain_bytes: u64,
    /// The claims of whoever publishes the image.
    pub claims: Claims,
    /// Everything that is no part.
    pub wrapper: Unit,
    /// The parts, in the image's order.
    pub parts: Vec<Part>,
    /// The number of files of each part, which is that of its contents operations, or nothing if they are not known. This
    /// is a hint: it lets a reader do without parts that it does not want, and is not signed.
    pub files: Vec<u64>,
    /// The facts about the image, if it is a disk image.
    pub disk: Option<DiskNote>,
    /// Signatures of the statement, at most [`crate::MAX_SIGNATURES`]. They hold as long as nothing changes that the
    /// statement says.
    pub signatures: Vec<Signature>,
    /// Entries of kinds that this version does not know. They are written again as they are.
    pub kept: KeptEntries,
}

/// What whoever publishes an image claims about it. Signatures cover it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The channel that the image belongs to, or nothing. It has at most 255 bytes, and no control characters.
    pub channel: String,
    /// A number that grows with each image of the channel, or 0.
    pub counter: u64,
    /// The time of signing in seconds since 1970, or 0 if it is not known.
    pub signed_at: u64,
    /// The time after which the statement is no longer valid, in seconds since 1970, or 0.
    pub expires_at: u64,
}

/// The recipe of a wrapper or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The unit's id, which follows from its segments.
    pub id: UnitId,
    /// Its share of the skeleton stream.
    pub skeleton: UnitStream,
    /// Its share of the contents stream.
    pub contents: UnitStream,
}

/// A unit's share of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitStream {
    /// Length in bytes.
    pub bytes: u64,
    /// The number of chunks, repetitions included.
    pub chunks: u64,
    /// The number of segments.
    pub segments: u32,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What the part is.
    pub kind: PartKind,
    /// The part's name.
    pub name: PartName,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    /// The part's recipe.
    pub unit: Unit,
    /// The place of the part among the wrapper's records.
    pub place: PartPlace,
}

/// A signature of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// What is signed.
    pub kind: SignatureKind,
    /// A hint for finding the key.
    pub key_id: [u8; 8],
    /// The signature.
    pub signature: [u8; 64],
}

/// The kind of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureKind {
    /// Ed25519 over the statement.
    Pure = 1,
    /// Ed25519 over the BLAKE2b-512 of the statement, as minisign makes it by default.
    Prehashed = 2,
}

/// A patch to an image that an index announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedPatch {
    /// The image that the patch was made from.
    pub base: ImageId,
    /// The patch's size in bytes. Indexes of version 1 do not say it.
    pub bytes: Option<u64>,
    /// The parts that the patch starts from, at most [`MAX_BASE_PARTS`]. A patch that has none starts from the image
    /// itself.
    pub parts: Vec<BasePart>,
}

/// A part that a patch starts from, named by the beginnings of its unit id and of its name. That is enough to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BasePart {
    /// The first bytes of the part's unit id.
    pub id: [u8; 8],
    /// The first bytes of the part's name.
    pub name: [u8; 8],
}

/// The facts about a disk image, for people. They are a hint that no signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskNote {
    /// Whether the image is divided, so that its files are known.
    pub is_divided: bool,
    /// The number of its files, 0 if it is not divided.
    pub files: u64,
    /// The name of its format with some details, or the reason why it is not divided. It has no control characters, and
    /// at most [`MAX_DISK_WORDS_BYTES`].
    pub words: String,
    /// How its files lie, if they lie otherwise than whole. A machine cuts the files of its seeds by this rule too.
    pub pieces: Option<PieceRule>,
}

/// The largest number of bytes of [`DiskNote::words`].
pub const MAX_DISK_WORDS_BYTES: usize = 255;

/// Entries of a head that this version does not know, as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptEntries {
    pub(crate) signatures: Vec<Vec<u8>>,
    pub(crate) patches: Vec<Vec<u8>>,
}

impl BasePart {
    /// The part that has this unit id and this name.
    #[must_use]
    pub fn new(id: &UnitId, name: &PartName) -> Self {
        Self { id: Self::id_of(id), name: first_bytes(name.as_bytes()) }
    }

    /// The bytes that stand for a unit id.
    #[must_use]
    pub fn id_of(id: &UnitId) -> [u8; 8] {
        first_bytes(id.as_bytes())
    }
}

fn first_bytes(id: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    first
}

impl SignatureKind {
    /// The kind's number in the format.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind that has this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Pure),
            2 => Some(Self::Prehashed),
            _ => None,
        }
    }
}

impl Units {
    /// The image's id, which follows from the units' ids.
    #[must_use]
    pub fn image_id(&self) -> ImageId {
        ImageId::of_units(self.wrapper.id, &self.parts.iter().map(|part| part.unit.id).collect::<Vec<_>>())
    }

    /// The parts as the base of a patch. Of parts that are the same, only the first counts.
    #[must_use]
    pub fn base_parts(&self) -> Vec<BasePart> {
        let mut seen = HashSet::new();
        let parts = self.parts.iter().filter(|part| seen.insert(part.unit.id));
        parts.map(|part| BasePart::new(&part.unit.id, &part.name)).collect()
    }

    /// All units: the wrapper, then each part.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        std::iter::once(&self.wrapper).chain(self.parts.iter().map(|part| &part.unit))
    }
}

impl Index {
    /// The segments of the unit with this number, 0 for the wrapper: those of the skeleton, then those of the
    /// contents. There are none if there is no such unit.
    #[must_use]
    pub fn unit_segments(&self, unit: usize) -> [&[SegmentRef]; 2] {
        let slice = |stream: &'_ StreamHead, share: fn(&Unit) -> UnitStream| {
            let mut units = self.units.iter().flat_map(Units::iter).map(|unit| share(unit).segments as usize);
            let start = units.by_ref().take(unit).sum::<usize>();
            start..start.saturating_add(units.next().unwrap_or_default()).min(stream.segments.len())
        };
        let skeleton = slice(&self.skeleton, |unit| unit.skeleton);
        let contents = slice(&self.contents, |unit| unit.contents);
        [
            self.skeleton.segments.get(skeleton).unwrap_or_default(),
            self.contents.segments.get(contents).unwrap_or_default(),
        ]
    }

    /// The order of the skeleton stream: ranges of the records that its segments list, one after the other.
    #[must_use]
    pub fn skeleton_order(&self) -> Vec<Range<u64>> {
        self.order(&self.skeleton, |unit| unit.skeleton, |place| place.skeleton_records)
    }

    /// The order of the contents stream: ranges of the records that its segments list, one after the other.
    #[must_use]
    pub fn contents_order(&self) -> Vec<Range<u64>> {
        self.order(&self.contents, |unit| unit.contents, |place| place.contents_records)
    }

    fn order(
        &self,
        stream: &StreamHead,
        share: fn(&Unit) -> UnitStream,
        records_before: fn(&PartPlace) -> u32,
    ) -> Vec<Range<u64>> {
        let Some(units) = &self.units else { return Vec::from_iter(nonempty(0..stream.chunks)) };
        let wrapper_end = share(&units.wrapper).chunks;
        let (mut order, mut wrapper_at, mut part_at) = (Vec::new(), 0, wrapper_end);
        for part in &units.parts {
            let before = u64::from(records_before(&part.place));
            if before > wrapper_at {
                order.push(wrapper_at..before);
                wrapper_at = before;
            }
            let part_end = part_at + share(&part.unit).chunks;
            order.extend(nonempty(part_at..part_end));
            part_at = part_end;
        }
        order.extend(nonempty(wrapper_at..wrapper_end));
        order
    }
}

fn nonempty(range: Range<u64>) -> Option<Range<u64>> {
    (!range.is_empty()).then_some(range)
}
