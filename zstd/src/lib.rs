//! Zstd streams (RFC 8878): taken apart into plain bytes, and made again bit for bit as known encoders make them.
//!
//! ```
//! use regrow_zstd::{Beginning, KnownEncoder, Reencoder};
//!
//! let plain = b"a layer of an image, say ".repeat(1000);
//! let frame = zstd::bulk::compress(&plain, 3).unwrap();
//! // Which encoder wrote the frame? Its beginning is enough to tell.
//! let known = Beginning::of(&frame).unwrap().encoders().next().unwrap();
//! let mut written = Vec::new();
//! known.put(&mut written);
//! // The encoder makes the same frame of the plain bytes again.
//! let known = KnownEncoder::take(&mut written.as_slice()).unwrap();
//! let (mut encoder, mut made) = (Reencoder::new(known, plain.len() as u64), Vec::new());
//! encoder.write(&plain, &mut made);
//! encoder.finish(&mut made);
//! assert_eq!(made, frame);
//! ```

mod beginning;
mod checksum;
mod encoders;
mod error;
mod format;
mod klauspost;
mod libzstd;
mod number;
mod reader;
mod recognise;

pub use beginning::Beginning;
pub use encoders::{KnownEncoder, Reencoder};
pub use error::ZstdError;
pub use format::{FrameHeader, MAX_HEADER_BYTES};
pub use klauspost::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG, Version};
pub use libzstd::{LIBZSTD_VERSION, Libzstd};
pub use reader::{MAX_TAIL_BYTES, ZstdPart, ZstdReader, ZstdStep};
pub use recognise::guess;
