//! Patches and stores: the images that a patch is made between, where it is put, and how a whole one is fetched.

pub(crate) mod local;
pub(crate) mod publish;
pub(crate) mod whole;
