//! From an index to a plan: which chunks an image consists of, and where each one comes from.

pub(crate) mod bases;
pub(crate) mod closed_parts;
pub(crate) mod compare;
pub(crate) mod given_seeds;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod known_names;
pub(crate) mod layout_seed;
pub(crate) mod locate;
mod neighbours;
pub(crate) mod outline;
pub(crate) mod overlap;
pub(crate) mod patch_or_chunks;
pub(crate) mod rebuilt;
pub(crate) mod recipe;
pub(crate) mod sampled;
pub(crate) mod skeleton;
pub(crate) mod skeleton_spool;
pub(crate) mod store_seed;
pub(crate) mod target;
pub(crate) mod tree;
pub(crate) mod weights;
