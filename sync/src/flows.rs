//! The flows, one file or folder for each verb.

pub(crate) mod bases;
pub(crate) mod diff;
pub(crate) mod extract;
pub(crate) mod gc;
pub(crate) mod info;
#[cfg(feature = "layers")]
pub(crate) mod layer;
pub(crate) mod load;
pub(crate) mod make;
pub(crate) mod patch;
pub(crate) mod push;
pub(crate) mod seconds;
#[cfg(feature = "sign")]
pub(crate) mod sign;
#[cfg(feature = "sources")]
pub(crate) mod source;
pub(crate) mod verify;
