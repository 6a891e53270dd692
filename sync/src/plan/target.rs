//! The image that is being put together: its chunks with their places, its skeleton and its layout.

use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::bounds;
use regrow_image::{ImagePart, ImagePiece, Layout, LayoutBuilder, LayoutError, TreeEntry, TreeWalker, WalkRules};
use regrow_index::{CodedStretch, Index, Run};
use regrow_local::{Recipe, Scan, StreamChunks, parts_of_index};

use super::skeleton_spool::SkeletonSpool;
use crate::SyncError;

/// The number of bytes of a skeleton that are read at a time.
const READ_BYTES: usize = 256 << 10;

/// The chunks of an image, and its parts, of which an image of an index of version 1 has none.
pub(crate) struct PartedRecipe {
    pub(crate) recipe: Recipe,
    pub(crate) parts: Vec<ImagePart>,
}

/// A stretch of what is put together of an image, if that is only some of its parts, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The number of plain bytes.
    pub(crate) plain_bytes: u64,
    /// The number of bytes of its skeleton. It is 0 for a stretch that is contents alone, such as a file.
    pub(crate) skeleton_bytes: u64,
    /// The number of bytes of its contents.
    pub(crate) contents_bytes: u64,
}

/// The image that is being put together.
pub(crate) struct Target {
    /// The size of the plain image.
    pub(crate) plain_bytes: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) skeleton: Arc<StreamChunks>,
    pub(crate) contents: Arc<StreamChunks>,
    /// The skeleton's bytes, and the layout that was read from them. It is `None` until the skeleton is assembled.
    assembled: Option<(SkeletonSpool, Layout)>,
}

impl Target {
    pub(crate) fn new(index: &Index, recipe: Recipe) -> Self {
        Self::of_bytes(index.plain_bytes(), index.image_digest, recipe)
    }

    /// Some parts of an image, which have this many plain bytes together, and no digest.
    pub(crate) fn of_parts(plain_bytes: u64, recipe: Recipe) -> Self {
        Self::of_bytes(plain_bytes, [0; 32], recipe)
    }

    fn of_bytes(plain_bytes: u64, digest: [u8; 32], recipe: Recipe) -> Self {
        Self {
            plain_bytes,
            digest,
            skeleton: Arc::new(StreamChunks::new(true, recipe.skeleton)),
            contents: Arc::new(StreamChunks::new(false, recipe.contents)),
            assembled: None,
        }
    }

    /// The records of both streams.
    pub(crate) fn recipe(&self) -> Recipe {
        Recipe { skeleton: self.skeleton.records().to_vec(), contents: self.contents.records().to_vec() }
    }

    /// Takes the assembled skeleton stream and reads the layout from it.
    pub(crate) fn set_skeleton(
        &mut self,
        spool: SkeletonSpool,
        index: &Index,
        location: &str,
    ) -> Result<(), SyncError> {
        let malformed = SyncError::layout(location);
        let plain_bytes = index.plain_bytes();
        let most = bounds::max_operations(plain_bytes, index.codings.len() as u64);
        let mut builder = LayoutBuilder::new(plain_bytes).with_max_operations(most);
        spool.for_each(|bytes| builder.push(bytes).map_err(&malformed))?;
        let layout = builder.finish().map_err(&malformed)?;
        layout.check(plain_bytes, index.skeleton.bytes, index.contents.bytes).map_err(&malformed)?;
        let stretches = layout.coded().map(|coded| coded.end - coded.start);
        if !stretches.eq(index.codings.iter().map(CodedStretch::plain_bytes)) {
            return Err(malformed(LayoutError::Marks));
        }
        self.assembled = Some((spool, layout));
        Ok(())
    }

    /// Takes the assembled skeletons of these stretches, and reads the layout from them.
    pub(crate) fn set_stretches(
        &mut self,
        spool: SkeletonSpool,
        stretches: &[Stretch],
        location: &str,
    ) -> Result<(), SyncError> {
        let malformed = SyncError::layout(location);
        let most = bounds::max_operations(self.plain_bytes, 0);
        let mut builder = LayoutBuilder::new(self.plain_bytes).with_max_operations(most);
        let (mut buffer, mut ends) = (vec![0; READ_BYTES], [0u64; 3]);
        for stretch in stretches {
            if stretch.skeleton_bytes == 0 {
                builder.push_bare(stretch.contents_bytes).map_err(&malformed)?;
            }
            let [_, start, _] = ends;
            let bytes = [stretch.plain_bytes, stretch.skeleton_bytes, stretch.contents_bytes];
            ends.iter_mut().zip(bytes).for_each(|(end, bytes)| *end = end.saturating_add(bytes));
            let mut at = start;
            while at < ends[1] {
                let piece = &mut buffer[..(READ_BYTES as u64).min(ends[1] - at) as usize];
                spool.read(at, piece).map_err(SyncError::io("temporary file"))?;
                builder.push(piece).map_err(&malformed)?;
                at += piece.len() as u64;
            }
            check_end(builder.end().map_err(&malformed)?, ends).map_err(&malformed)?;
        }
        let layout = builder.finish().map_err(&malformed)?;
        if layout.coded().len() > 0 {
            return Err(malformed(LayoutError::Marks));
        }
        self.assembled = Some((spool, layout));
        Ok(())
    }

    fn assembled(&self) -> &(SkeletonSpool, Layout) {
        // Invariant: `set_skeleton` is called before the target is shared.
        self.assembled.as_ref().expect("the skeleton is assembled first")
    }

    /// The ranges of the plain image where a chunk of contents lies.
    pub(crate) fn places(&self, chunk: usize) -> impl Iterator<Item = Range<u64>> + '_ {
        self.assembled().1.contents_in_image(self.contents.range(chunk))
    }

    /// The pieces of a part of the plain image.
    pub(crate) fn pieces(&self, image: Range<u64>) -> impl Iterator<Item = ImagePiece> + '_ {
        self.assembled().1.pieces(image)
    }

    /// The range of the contents stream that lies in a part of the plain image.
    pub(crate) fn contents_of(&self, image: &Range<u64>) -> Range<u64> {
        let layout = &self.assembled().1;
        layout.contents_before(image.start)..layout.contents_before(image.end)
    }

    /// The ranges of the plain image that are coded files.
    pub(crate) fn coded(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.assembled().1.coded()
    }

    /// Reads bytes of the skeleton stream.
    pub(crate) fn read_skeleton(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.assembled().0.read(at, out)
    }

    /// The scan of the plain image, for a caller that reads it as a file.
    pub(crate) fn scan(&self, index: &Index) -> Scan {
        let (recipe, layout) = (self.recipe(), self.assembled().1.clone());
        let parts = parts_of_index(index, &recipe, &layout);
        let rules = WalkRules::of_version(index.walk_version).unwrap_or_default();
        Scan::of_plain(self.digest, recipe, layout, parts, rules)
    }

    /// The chunks of the image, and its parts.
    pub(crate) fn parted(&self, index: &Index) -> PartedRecipe {
        let recipe = self.recipe();
        let parts = parts_of_index(index, &recipe, &self.assembled().1);
        PartedRecipe { recipe, parts }
    }

    /// Passes each of the image's entries to `each`, in order.
    pub(crate) fn for_each_entry(&self, location: &str, each: &mut dyn FnMut(TreeEntry)) -> Result<(), SyncError> {
        let mut walker = TreeWalker::default();
        let malformed = |error: regrow_image::OpError| SyncError::layout(location)(error.into());
        let mut each = |entry| each(entry);
        self.assembled().0.for_each(|bytes| walker.push(bytes, &mut each).map_err(malformed))?;
        walker.finish(&mut each).map_err(malformed)
    }
}

/// Checks that stretches end where they should, in the image, in the skeleton and in the contents.
fn check_end(found: [u64; 3], stated: [u64; 3]) -> Result<(), LayoutError> {
    let ends = ["the image", "the skeleton", "contents"].into_iter().zip(found).zip(stated);
    for ((what, found), stated) in ends {
        if found != stated {
            return Err(LayoutError::Size { what, found, stated });
        }
    }
    Ok(())
}

/// The pack of each of `count` items, starting with item `first`.
pub(crate) fn packs_of(runs: &[Run], first: u64, count: u64) -> impl Iterator<Item = u32> + '_ {
    let all =
        runs.iter().flat_map(|run| std::iter::repeat_n(run.pack, usize::try_from(run.count).unwrap_or(usize::MAX)));
    all.skip(first as usize).take(count as usize)
}
