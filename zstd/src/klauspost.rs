//! The zstd streams of klauspost/compress (Go), exactly.

mod best;
mod best_before;
mod better;
mod bits;
mod block;
mod double_fast;
mod entropy;
mod fast;
mod finder;
mod frame;
mod fse;
mod huffman;
mod literals;
mod pairs;
mod parameters;
mod recognise;
mod sequences;
#[cfg(test)]
pub(crate) mod tests;
mod version;

pub(crate) use frame::FrameEncoder;
pub use parameters::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG};
pub(crate) use recognise::candidates;
pub use version::Version;
