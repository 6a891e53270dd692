//! Zstd streams (RFC 8878): taken apart into plain bytes, and made again bit for bit as known encoders make them.

mod checksum;
mod encoders;
mod klauspost;
mod number;

pub use encoders::{KnownEncoder, Reencoder};
pub use klauspost::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG, Version};
