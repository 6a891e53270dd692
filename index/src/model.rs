//! The model of an index.

use regrow_chunker::{ImageId, PackId, Params, SegmentId};

use crate::coding::plain_image_bytes;
use crate::{AnnouncedPatch, CodedStretch, Units};

/// One image: its size and hash, its recipe by segments, and the places of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The version of the walking rules that the image was made with.
    pub walk_version: u32,
    /// Chunking parameters.
    pub params: Params,
    /// Size of the image in bytes.
    pub image_bytes: u64,
    /// BLAKE3 of the image.
    pub image_digest: [u8; 32],
    /// The skeleton stream.
    pub skeleton: StreamHead,
    /// The contents stream.
    pub contents: StreamHead,
    /// The packs that hold the image's chunks and segments.
    pub packs: Vec<PackRef>,
    /// The packs of the chunks: runs for the skeleton's chunks in the stream's order, then for those of the contents.
    pub chunk_runs: Vec<Run>,
    /// The packs of the segments: runs for the skeleton's in the order in which they are listed, then for those of the
    /// contents.
    pub segment_runs: Vec<Run>,
    /// The store's location relative to the index, with `/` between the parts. It is empty if the location is not
    /// known.
    pub store: String,
    /// The recipes of the image's coded files, in the order in which they lie in it.
    pub codings: Vec<CodedStretch>,
    /// The numbers of the packs that were written with this image. A reader that has the image before it needs
    /// them. This is a hint.
    pub fresh_packs: Vec<u32>,
    /// Patches to this image, at most [`crate::MAX_PATCHES`]. This is a hint: there may be others, and these may be
    /// gone.
    pub patches: Vec<AnnouncedPatch>,
    /// What version 2 of the format adds. An index without it has version 1.
    pub units: Option<Units>,
}

/// A stream of an image by its segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamHead {
    /// Length of the stream in bytes.
    pub bytes: u64,
    /// The number of chunks, repetitions included.
    pub chunks: u64,
    /// The segments in order: in version 2 those of the wrapper, then those of each part (see [`Units`]).
    pub segments: Vec<SegmentRef>,
}

/// A segment as an index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRef {
    /// The segment's id.
    pub id: SegmentId,
    /// The number of records in the segment.
    pub records: u32,
}

/// A pack as an index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackRef {
    /// The pack's name: BLAKE3 of its bytes.
    pub id: PackId,
    /// The pack's size in bytes.
    pub bytes: u64,
    /// The offset of the skeleton frames.
    pub skeleton_at: u64,
    /// The offset of the tail: segments and table.
    pub tail_at: u64,
}

/// A run of chunks or segments that lie in one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The number of chunks or segments.
    pub count: u64,
    /// The pack's position in [`Index::packs`].
    pub pack: u32,
}

impl Index {
    /// The image's id. In version 1 it is derived from the segments, in version 2 from the units' ids.
    #[must_use]
    pub fn image_id(&self) -> ImageId {
        if let Some(units) = &self.units {
            return units.image_id();
        }
        let ids = |stream: &StreamHead| stream.segments.iter().map(|segment| segment.id).collect::<Vec<_>>();
        ImageId::of_recipe(self.walk_version, &self.params, &ids(&self.skeleton), &ids(&self.contents))
    }

    /// The size in bytes of the plain image, in which the plain bytes of coded files stand for the files.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        if let Some(units) = &self.units {
            return units.plain_bytes;
        }
        // Invariant: the sizes of a decoded index add up.
        plain_image_bytes(self.image_bytes, &self.codings).unwrap_or(u64::MAX)
    }

    /// The number of chunks of both streams.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.skeleton.chunks + self.contents.chunks
    }

    /// Whether a patch from this base is announced.
    #[must_use]
    pub fn announces(&self, base: &ImageId) -> bool {
        self.patches.iter().any(|patch| patch.base == *base)
    }

    /// All segments, those of the skeleton first.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.skeleton.segments.iter().chain(&self.contents.segments)
    }
}
