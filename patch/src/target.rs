//! The target of a patch, as its index states it.

use std::io;
use std::ops::Range;

use regrow_chunker::{Params, PartKind, UnitId};
use regrow_image::{ImagePart, Layout, PartRange};
use regrow_local::{FileSeed, Spool};

use crate::base::LocalPart;

/// The sizes in bytes that an index states for the image that the patch makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TargetSizes {
    /// The size of the plain image.
    pub image: u64,
    /// The size of its skeleton.
    pub skeleton: u64,
    /// The size of its contents.
    pub contents: u64,
}

/// A part of the image that the patch makes, as an index of version 2 states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetPart {
    /// The part's unit id.
    pub id: UnitId,
    /// The kind of the part.
    pub kind: PartKind,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    /// The size of its skeleton in bytes.
    pub skeleton_bytes: u64,
    /// The size of its contents in bytes.
    pub contents_bytes: u64,
}

impl TargetPart {
    /// The parts of an image on this machine that is cut with these parameters.
    pub fn all_of(seed: &FileSeed, params: Params) -> Vec<Self> {
        let parts = LocalPart::all_of(seed, params).into_iter().zip(seed.scan().parts());
        let bytes = |range: &PartRange| range.bytes.end - range.bytes.start;
        let part = |(LocalPart { id, .. }, part): (LocalPart<'_>, &ImagePart)| Self {
            id,
            kind: part.kind,
            plain_bytes: part.plain.end - part.plain.start,
            skeleton_bytes: bytes(&part.skeleton),
            contents_bytes: bytes(&part.contents),
        };
        parts.map(part).collect()
    }
}

/// The image that the patch makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct PatchTarget<'a> {
    /// The sizes of the image.
    pub sizes: TargetSizes,
    /// The image's parts, in order. A patch of version 1 needs none.
    pub parts: &'a [TargetPart],
    /// Whether held parts are left out of what the sink gets. Then they are not read, unless something else is made
    /// from them.
    pub leaves_out_held: bool,
}

/// A held part that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of the part in the target, from 0.
    pub part: usize,
    /// The range of the plain image in which it lies.
    pub image: Range<u64>,
}

/// Takes the target's streams as they come.
pub trait TargetSink {
    /// Takes the places of the parts that are left out, in order, before anything else. In the layout, each of them is
    /// a stretch of contents of as many bytes as it has plain bytes, and the contents come without it.
    fn left_out(&mut self, _parts: Vec<LeftOut>) -> io::Result<()> {
        Ok(())
    }

    /// Takes the whole skeleton, and the layout that it encodes. The sizes have been checked against the expected
    /// ones.
    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()>;

    /// Takes the next bytes of the contents.
    fn contents(&mut self, bytes: &[u8]) -> io::Result<()>;
}
