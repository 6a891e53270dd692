//! What an index says.

use regrow_chunker::{ChunkId, Params};

use crate::Coding;

const IMAGE_CONTEXT: &str = "regrow 2026 image id v1";

/// One image: what it is, its recipe by segment, and where its chunks lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Version of the walking rules that it was made with.
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
    /// The packs that hold its chunks and segments.
    pub packs: Vec<PackRef>,
    /// Which pack holds which chunks: the skeleton's in order, then those of the contents.
    pub chunk_runs: Vec<Run>,
    /// The same for the segments.
    pub segment_runs: Vec<Run>,
    /// Where the store lies relative to the index, `/` between the parts; empty if not known.
    pub store: String,
    /// How the image's coded files are made of the plain image, in its order.
    pub codings: Vec<Coding>,
    /// Numbers of the packs that were written with this image: whoever has the image before it needs them. A hint.
    pub fresh_packs: Vec<u32>,
    /// Image ids of the bases that patches to this image were made from. A hint: there may be others, and these may be gone.
    pub patch_bases: Vec<ChunkId>,
}

/// A stream of an image by its segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamHead {
    /// Length of the stream in bytes.
    pub bytes: u64,
    /// Its chunks, repetitions included.
    pub chunks: u64,
    /// Its segments in order.
    pub segments: Vec<SegmentRef>,
}

/// A segment as an index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRef {
    /// The segment's name.
    pub id: ChunkId,
    /// How many records it has.
    pub records: u32,
}

/// A pack as an index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackRef {
    /// BLAKE3 of the pack.
    pub id: ChunkId,
    /// Its size in bytes.
    pub bytes: u64,
    /// Where its skeleton frames begin.
    pub skeleton_at: u64,
    /// Where its segments and its table begin.
    pub tail_at: u64,
}

/// The next `count` things are in pack number `pack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many.
    pub count: u64,
    /// Number in [`Index::packs`].
    pub pack: u32,
}

impl Index {
    /// The image's id, from what the index says of its recipe.
    #[must_use]
    pub fn image_id(&self) -> ChunkId {
        let ids = |stream: &StreamHead| stream.segments.iter().map(|segment| segment.id).collect::<Vec<_>>();
        image_id(self.walk_version, &self.params, &ids(&self.skeleton), &ids(&self.contents))
    }

    /// Size of the plain image in bytes: of the image with what its coded files hold in their place.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        // Invariant: what was decoded adds up.
        self.checked_plain_bytes().unwrap_or(u64::MAX)
    }

    pub(crate) fn checked_plain_bytes(&self) -> Option<u64> {
        self.codings.iter().try_fold(self.image_bytes, |bytes, coding| {
            bytes.checked_sub(coding.stored_bytes())?.checked_add(coding.plain_bytes())
        })
    }

    /// Number of chunks of both streams.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.skeleton.chunks + self.contents.chunks
    }

    /// All segments, the skeleton's first.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.skeleton.segments.iter().chain(&self.contents.segments)
    }
}

/// The name of an image's recipe: FORMAT.md, section 5. Takes the segments' ids of both streams.
#[must_use]
pub fn image_id(walk_version: u32, params: &Params, skeleton: &[ChunkId], contents: &[ChunkId]) -> ChunkId {
    let mut hasher = blake3::Hasher::new_derive_key(IMAGE_CONTEXT);
    for number in [walk_version, params.min_bytes(), params.avg_bytes(), params.max_bytes()] {
        hasher.update(&number.to_le_bytes());
    }
    for ids in [skeleton, contents] {
        // An index of 64 MiB has fewer than 2^21 segments.
        hasher.update(&(ids.len() as u32).to_le_bytes());
        ids.iter().for_each(|id| {
            hasher.update(&id.0);
        });
    }
    ChunkId(*hasher.finalize().as_bytes())
}

/// Adds one thing in `pack` to runs.
pub(crate) fn runs_total(runs: &[Run]) -> Option<u64> {
    runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.count))
}
