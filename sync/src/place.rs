//! Places: where indexes and stores are named, the network that reaches them, and what a store says of itself beside
//! its packs.

pub(crate) mod beside;
pub(crate) mod claims;
pub(crate) mod clock;
pub(crate) mod condemned;
pub(crate) mod index_file;
pub(crate) mod location;
pub(crate) mod network;
#[cfg(feature = "sources")]
pub(crate) mod source;
pub(crate) mod trust;
