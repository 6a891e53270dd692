//! Bytes on their way from stores: the ends of packs, ranges of frames, patches, and the cache that keeps them.

pub(crate) mod cache;
pub(crate) mod delivery;
pub(crate) mod ends;
pub(crate) mod fetch;
mod open_frame;
pub(crate) mod packs;
pub(crate) mod patch;
mod pieces;
pub(crate) mod prefetch;
pub(crate) mod rest;
pub(crate) mod slicer;
pub(crate) mod whole_patch;
