//! An index as a file, of either version.

use crate::primitives::start;
use crate::{HEAD_BYTES, Index, IndexError, MAX_INDEX_BYTES, VERSION_1, v1, v2};

impl Index {
    /// Encodes the index as the bytes of a file. It has version 2 if it has units, else version 1.
    ///
    /// The index is written as it is. One that breaks a limit of the format is refused when it is read.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match &self.units {
            None => v1::encode(self),
            Some(units) => v2::encode(self, units),
        }
    }

    /// Decodes the bytes of an index file.
    ///
    /// # Errors
    /// Each variant of [`IndexError`] is one cause.
    pub fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        match start(bytes)? {
            (VERSION_1, length) => v1::decode(bytes, length),
            _ => v2::decode(bytes),
        }
    }

    /// Whether a file of this many bytes that starts with these may be an index. Nothing else is checked.
    #[must_use]
    pub fn may_begin(head: &[u8; HEAD_BYTES], file_bytes: u64) -> bool {
        let fits = match start(head) {
            Ok((VERSION_1, length)) => file_bytes == v1::file_bytes(length),
            Ok((_, length)) => v2::head_bytes(length).is_ok_and(|bytes| bytes as u64 <= file_bytes),
            Err(_) => false,
        };
        fits && file_bytes <= MAX_INDEX_BYTES
    }
}
