//! The target of a patch, as its index states it.

use std::io;

use regrow_chunker::{Params, UnitId};
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
}

/// Takes the target's streams as they come.
pub trait TargetSink {
    /// Takes the whole skeleton, and the layout that it encodes. The sizes have been checked against the expected
    /// ones.
    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()>;

    /// Takes the next bytes of the contents.
    fn contents(&mut self, bytes: &[u8]) -> io::Result<()>;
}
