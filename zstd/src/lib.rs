//! Zstd streams (RFC 8878): taken apart into plain bytes, and made again bit for bit as known encoders make them.

mod beginning;
mod checksum;
mod encoders;
mod error;
mod format;
mod klauspost;
mod number;
mod reader;
mod recognise;

pub use beginning::Beginning;
pub use encoders::{KnownEncoder, Reencoder};
pub use error::ZstdError;
pub use format::FrameHeader;
pub use klauspost::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG, Version};
pub use reader::{MAX_TAIL_BYTES, ZstdPart, ZstdReader, ZstdStep};
pub use recognise::guess;
